"""The order within a group of which one message is a dead letter: those after it wait here until the group is released."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ...core.adapter import Groups

if TYPE_CHECKING:
    from ...connectors.amqp import Incoming


class Order:
    """What waits for its group, unanswered: to the broker it is still on the queue, and counts in `prefetch`."""

    def __init__(self, groups: Groups, queue: str) -> None:
        self._groups = groups
        self._queue = queue
        self._waiting: dict[str, deque[Incoming]] = {}
        self._under_way: dict[int, str] = {}

    def hold(self, group: str, message: Incoming, reason: str) -> None:
        self._groups.hold(self._queue, group, f"message {message.message_id or '(without an id)'}: {reason}")

    def sets_aside(self, group: str, message: Incoming) -> bool:
        """Tell whether a message must wait, and keep it then."""
        if group not in self._waiting and not self._is_closed(group):
            return False
        self._waiting.setdefault(group, deque()).append(message)
        return True

    def begun(self, group: str, message: Incoming) -> None:
        """Let those after this one wait until it has ended."""
        self._under_way[id(message)] = group

    def ended(self, message: Incoming) -> None:
        self._under_way.pop(id(message), None)

    def free(self, is_current: Callable[[Incoming], bool]) -> Iterator[Incoming]:
        """Give what may go on, the first of each group; what a lost connection had brought comes again."""
        for group, waiting in list(self._waiting.items()):
            while waiting and not is_current(waiting[0]):
                waiting.popleft()
            while waiting and not self._is_closed(group):
                yield waiting.popleft()
            if not waiting:
                del self._waiting[group]

    def _is_closed(self, group: str) -> bool:
        return group in self._under_way.values() or self._groups.is_held(self._queue, group)
