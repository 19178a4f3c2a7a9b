"""
Queues: a task whose system is pinned to a queue is done by the processes that serve that queue, and by no others.

The pin is the adapter's (`adapters.NAME.queue`); tasks of all other systems are on the default queue. A process that is told
nothing serves the default queue alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from .errors import InputError

if TYPE_CHECKING:
    from .workflow import Task

DEFAULT = "default"
QUEUE_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
Queue = str | None
"""A pinned queue's name; None is the default queue."""


def named(queue: Queue) -> str:
    return queue or DEFAULT


def queue_of(name: str | None) -> Queue:
    """Give the queue of a name that a person wrote."""
    return None if name in {None, "", DEFAULT} else name


def _nowhere(name: str) -> Queue:
    return None


class Queues:
    """Which queue a task is on, and whether this process serves it."""

    def __init__(
        self,
        served: Collection[str] = (DEFAULT,),
        of_adapter: Callable[[str], Queue] = _nowhere,
        of_sync: Callable[[str], Queue] = _nowhere,
    ) -> None:
        self.served: tuple[Queue, ...] = tuple(sorted({queue_of(name) for name in served}, key=named))
        self.of_adapter = of_adapter
        self.of_sync = of_sync

    @property
    def names(self) -> list[str]:
        return [named(queue) for queue in self.served]

    def of_tool(self, tool: str) -> Queue:
        return self.of_adapter(tool.partition(".")[0])

    def of(self, task: Task) -> Queue:
        """Give the queue of a task as the configuration is now."""
        if task.tool is not None:
            return self.of_tool(task.tool)
        return None if task.sync is None else self.of_sync(task.sync)

    def serves(self, queue: Queue) -> bool:
        return queue in self.served

    def is_elsewhere(self, queue: Queue) -> bool:
        """Tell whether something is pinned to machines that this one is not among."""
        return queue is not None and queue not in self.served

    def require(self, queue: Queue, what: str) -> None:
        """Refuse what can only be done by a process that serves this queue."""
        if self.is_elsewhere(queue):
            raise InputError(
                f"{what} belongs to the queue {queue!r}, which this process does not serve",
                reason="conflict",
                next=f"ask a process of that queue: drawbar serve --queues {queue}, or DRAWBAR_QUEUES={queue} before a verb",
            )
