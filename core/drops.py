"""What feeds remember of their files where every process sees it: the port that the journal serves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class FileNote:
    """What is noted of a file under its name. `mark` is its size and time as they were then."""

    mark: str
    state: str
    owner: str | None
    attempts: int
    is_held: bool
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """A file that was taken to its end. `place` is where it stands in the feed's order; `file_at` its own time."""

    name: str
    sha256: str
    size: int
    file_at: float
    place: Any = None


@dataclass(frozen=True, slots=True)
class Twin:
    """A file with the same name or the same content that was taken before."""

    name: str
    sha256: str
    at: float
    file_at: float


class Remembers(Protocol):
    def notes(self, feed: str) -> dict[str, FileNote]: ...

    def claim(self, feed: str, name: str, mark: str, owner: str, lease_s: float, *, gone: str = "") -> int | None:
        """
        Take a file for an owner and give how often it failed; None when another one holds it or it is done as it stands.

        `gone` is an owner that is known to be dead: its lease counts no more.
        """

    def renew(self, feed: str, owner: str, lease_s: float) -> None: ...

    def end(
        self, feed: str, name: str, owner: str, state: str, attempts: int = 0, *, reason: str | None = None
    ) -> None:
        """Let a file go: `open`, `failed`, `done` or `quarantined`. Another owner's claim stays."""

    def note(self, feed: str, name: str, state: str, mark: str, *, reason: str | None = None) -> None:
        """Note what a person decided about a file, whatever was noted before."""

    def forget(self, feed: str, name: str) -> None: ...

    def arrived(self, feed: str, arrival: Arrival) -> None:
        """Remember a file that was taken to its end; the same one again is remembered once."""

    def twins(self, feed: str, name: str, sha256: str, within_d: float) -> list[Twin]:
        """Give what was taken under this name or with this content, the newest first."""

    def last_place(self, feed: str) -> Any:
        """Give the highest place in the feed's order that was taken; None before the first."""

    def watched_since(self, feed: str) -> float:
        """Give when the feed was first watched for what does not come, and enter it where it is new."""

    def came(self, feed: str, since: float) -> bool:
        """Tell whether anything was taken since a moment."""

    def late(self, feed: str, day: str, body: dict[str, Any]) -> bool:
        """Tell once, for all processes, that nothing came on a day."""

    def tell(self, kind: str, body: dict[str, Any]) -> None:
        """Make an event of what happened to a file."""
