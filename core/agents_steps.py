"""
What an agent does next: a pure function of the steps that the journal has of its task.

A step is what the model was told first (`given`), what it said (`said`, or `missed` when no answer came), a call that was begun
as a run of its own (`called`), what came of a wish (`heard`), why an answer was not taken (`refused`), and that the task failed
(`failed`), after which a retry of the run goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from .agents_model import Kind, Said, Told, Wish

REPAIRS = 2
"""How often a model is asked again for an answer that fits."""


@dataclass(frozen=True, slots=True)
class Step:
    no: int
    kind: Kind
    body: Any
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What a task has used up so far."""

    questions: int = 0
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal | None = None

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    def as_json(self) -> dict[str, Any]:
        said = {
            "questions": self.questions,
            "calls": self.calls,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
        }
        return said if self.cost is None else {**said, "cost": format(self.cost.normalize(), "f")}


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the model; `missed` says how often it gave no answer to this question."""

    missed: int = 0


@dataclass(frozen=True, slots=True)
class Make:
    """Make a call that the model wishes for. `key` is its name among the steps: ids that models give may come twice."""

    key: str
    wish: Wish


@dataclass(frozen=True, slots=True)
class Hear:
    """Hear what came of a call that was begun."""

    key: str
    wish: Wish
    run_id: str
    tool: str


@dataclass(frozen=True, slots=True)
class Take:
    """Take the answer. `refused` says how many before it did not fit."""

    said: Said
    refused: int = 0


Next = Ask | Make | Hear | Take


@dataclass(slots=True)
class Talk:
    """The steps of one task, folded: each is taken once, in order."""

    told: list[Said | Sequence[Told]] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    last: int = -1
    runs: dict[str, tuple[str, str]] = field(default_factory=dict)
    """The run, and the tool, of each call by its wish's key."""
    _said: Said | None = None
    _open: dict[str, Wish] = field(default_factory=dict)
    _heard: dict[str, Told] = field(default_factory=dict)
    _missed: int = 0
    _refused: int = 0

    def take(self, step: Step) -> None:
        self.last = step.no
        self._count(step)
        match step.kind:
            case "given":
                self.told.append([Told(step.body["text"])])
            case "said":
                self._said, self._heard, self._missed = said_of(step.body), {}, 0
                self._open = {f"{step.no}.{at}": wish for at, wish in enumerate(self._said.wishes)}
                self.told.append(self._said)
            case "missed":
                self._missed += 1
            case "called":
                self.runs[step.body["wish"]] = (step.body["run_id"], step.body["tool"])
            case "heard":
                self._hear(step.body)
            case "refused":
                self._said = None
                self._refused += 1
                self.told.append([Told(step.body["text"])])
            case "failed":
                self._missed = self._refused = 0

    def _hear(self, body: Any) -> None:
        self._heard[body["wish"]] = Told(body["text"], self._open[body["wish"]])
        if len(self._heard) == len(self._open):
            self.told.append([self._heard[key] for key in self._open])
            self._said, self._refused = None, 0

    def _count(self, step: Step) -> None:
        used = self.usage
        cost = used.cost if step.cost is None else (used.cost or Decimal(0)) + step.cost
        self.usage = Usage(
            used.questions + (step.kind == "said"),
            used.calls + (step.kind == "heard"),
            used.input_tokens + step.input_tokens,
            used.output_tokens + step.output_tokens,
            cost,
        )

    def next(self) -> Next:
        """Say what is to be done now."""
        if self._said is None:
            return Ask(self._missed)
        for key, wish in self._open.items():
            if key in self._heard:
                continue
            if (begun := self.runs.get(key)) is not None:
                return Hear(key, wish, *begun)
            return Make(key, wish)
        return Take(self._said, self._refused)


def body_of(said: Said) -> dict[str, Any]:
    """Write what a model said as its step keeps it."""
    wishes = [{"id": one.id, "tool": one.tool, "arguments": one.arguments} for one in said.wishes]
    return {"text": said.text, "wishes": wishes, "cut": said.cut, "kept": said.kept}


def said_of(body: Any) -> Said:
    return Said(
        body["text"],
        tuple(Wish(one["id"], one["tool"], one["arguments"]) for one in body["wishes"]),
        cut=body["cut"],
        kept=body["kept"],
    )
