"""What is wrong with a configuration: where, what, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ..core.errors import ConfigError

Stage = Literal["syntax", "schema", "references", "secrets", "connect"]
STAGES: tuple[Stage, ...] = ("syntax", "schema", "references", "secrets", "connect")


@dataclass(frozen=True, slots=True, order=True)
class Spot:
    """A place in a file; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake."""

    spot: Spot
    message: str
    suggestion: str = ""
    stage: Stage = "schema"

    def __str__(self) -> str:
        return f"{self.spot}: {self.message}{f'; {self.suggestion}' if self.suggestion else ''}"

    def as_json(self) -> dict[str, Any]:
        said = {"message": self.message, "suggestion": self.suggestion, "stage": self.stage}
        return {**asdict(self.spot), **said}


class ConfigErrors(ConfigError):
    """Everything that is wrong, in the order of the files."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: Sequence[Problem] = tuple(sorted(set(problems), key=lambda p: (p.spot, p.message)))
        super().__init__(
            "\n".join(map(str, self.problems)),
            next="correct the configuration; `drawbar validate` tries it again",
            detail=[problem.as_json() for problem in self.problems],
        )


def meant(word: str, known: Iterable[str], *, what: str = "known") -> str:
    """Say which of the known names was meant, or name some of them."""
    names = sorted(set(known))
    near = difflib.get_close_matches(word, names, 1, cutoff=0.6)
    if not near:
        folded = {name.casefold(): name for name in names}
        near = [folded[found] for found in difflib.get_close_matches(word.casefold(), folded, 1, cutoff=0.6)]
    if near:
        return f"did you mean {near[0]!r}?"
    if not names:
        return f"{what}: none"
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return f"{what}: {', '.join(names[:8])}{more}"
