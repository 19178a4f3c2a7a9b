"""A task that a thread holds, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .aside import Kept
from .expressions import Path
from .known import Known
from .plan import Step

if TYPE_CHECKING:
    from .course import Course
    from .intents import Begun


@dataclass(slots=True)
class Claim:
    """A task that a thread holds. Its outcome counts only under its fence, and only until its lease is over."""

    known: Known
    task: str
    item: int
    fence: int
    attempt: int
    intent: str | None
    approval: str | None
    child: str | None
    """The run that did it before."""
    first_at: float
    until: float
    """End of the lease, on this process's monotonic clock."""
    started_at: float
    arguments: Any = None
    """What the tool is called with, as soon as that is known."""
    carried: tuple[str, ...] = ()
    """Paths of it that were taken from what other tools hide."""
    seen: frozenset[Path] = frozenset()
    """What must not be seen of its item, and of what it undoes, as its expressions name it."""
    begun: Begun | None = None
    """The call whose intent is recorded already: it is made at once, by the thread that made this claim."""

    run_id: str = field(init=False)
    step: Step = field(init=False)

    def __post_init__(self) -> None:
        self.run_id = self.known.header.id
        self.step = self.known.plan.steps[self.task]

    @property
    def place(self) -> tuple[str, str, int]:
        return self.run_id, self.task, self.item


@dataclass(slots=True)
class Came:
    """What came of a claim, ready to be stored."""

    state: str
    output: str | None = None
    error: dict[str, Any] | None = None
    due_at: float | None = None
    counts: bool = True
    """False for an attempt that does not use up the task's retries."""
    approval: str | None = None
    entry: str | None = None
    """The ledger's entry of a write."""
    notes: dict[str, Any] | None = None
    own: bool = True
    """False where another call of the same business key did it: then it is not ours to undo."""
    child: str | None = None
    """The run that does it from now on, and how that begins, or goes on, in this unit."""
    begin: Callable[[Course], list[Course]] | None = None
    tells: tuple[tuple[str, Any], ...] = ()
    """Events of the task, each with its body."""
    kept: Kept | None = None
    """The output made ready for its row, where that was done before the unit."""
    hidden: tuple[str, ...] = ()
    """Paths of the output that must not be seen, beside those that the task's own tool hides."""
