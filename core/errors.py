"""The five errors. Their kind says what to do next, and it is decided at the phase that knows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Literal

Recovery = Literal["stop", "retry", "reconcile"]
Happened = Literal["no", "yes", "unknown"]


class DrawbarError(Exception):
    """
    Root of the five.

    `message` is for a person and names no secret; `detail` is JSON for a machine (a SOAP fault's detail, an SQLSTATE).
    """

    kind: ClassVar[str] = "error"
    recovery: ClassVar[Recovery] = "stop"
    happened: ClassVar[Happened] = "no"
    status: ClassVar[int] = 500

    def __init__(
        self,
        message: str,
        *,
        tool: str | None = None,
        field: str | None = None,
        next: str | None = None,  # noqa: A002 - the word of the contract
        retry_after_s: float | None = None,
        id: str | None = None,  # noqa: A002 - the word of the contract
        detail: Any = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.tool = tool
        self.field = field
        self.next = next
        self.retry_after_s = retry_after_s
        self.id = id
        self.detail = detail

    def as_json(self) -> dict[str, Any]:
        """Give the error as the journal, problem+json and agents see it."""
        said = {
            "kind": self.kind,
            "message": self.message,
            "happened": self.happened,
            "tool": self.tool,
            "field": self.field,
            "next": self.next,
            "retry_after_s": self.retry_after_s,
            "id": self.id,
            "detail": self.detail,
        }
        return {name: value for name, value in said.items() if value is not None}


class ConfigError(DrawbarError):
    """A person must change the configuration."""

    kind = "config"


InputReason = Literal[
    "invalid",
    "unauthenticated",
    "forbidden",
    "not_found",
    "conflict",
    "stale",
    "too_large",
    "condition_required",
    "rate",
]
_INPUT_STATUS: dict[InputReason, int] = {
    "invalid": 422,
    "unauthenticated": 401,
    "forbidden": 403,
    "not_found": 404,
    "conflict": 409,
    "stale": 412,
    "too_large": 413,
    "condition_required": 428,
    "rate": 429,
}


class InputError(DrawbarError):
    """The caller sent something invalid; `reason` says in which way."""

    kind = "input"

    def __init__(self, message: str, *, reason: InputReason = "invalid", **said: Any) -> None:
        super().__init__(message, **said)
        self.reason = reason
        self.status = _INPUT_STATUS[reason]  # type: ignore[misc]  # the one kind whose status depends on the reason

    def as_json(self) -> dict[str, Any]:
        return {**super().as_json(), "reason": self.reason}


class Rejected(DrawbarError):
    """The remote system understood and said no."""

    kind = "rejected"
    status = 409


class Unavailable(DrawbarError):
    """Nothing happened over there; later may do."""

    kind = "unavailable"
    recovery = "retry"
    status = 503


class NotNow(Unavailable):
    """
    Nothing left us, by an agreement of our own: closed hours, a share that is used up.

    It uses up no attempt; where it `pauses`, not even the time that a task has for its attempts.
    """

    def __init__(self, message: str, *, pauses: bool = False, **said: Any) -> None:
        super().__init__(message, **said)
        self.pauses = pauses


class OutcomeUnknown(DrawbarError):
    """It left us and no answer came back."""

    kind = "unknown"
    recovery = "reconcile"
    happened = "unknown"
    status = 504


KINDS: dict[str, type[DrawbarError]] = {
    e.kind: e for e in (ConfigError, InputError, Rejected, Unavailable, OutcomeUnknown)
}


def from_json(said: dict[str, Any]) -> DrawbarError:
    """Give back the error that `as_json` wrote."""
    fields = {name: value for name, value in said.items() if name not in {"kind", "message", "happened"}}
    return KINDS[said["kind"]](said["message"], **fields)


@contextmanager
def raise_as(error: type[DrawbarError], *foreign: type[BaseException], doing: str = "", **said: Any) -> Iterator[None]:
    """
    Translate foreign exceptions at the phase that knows: `with raise_as(Unavailable, SSHException): client.connect()`.

    One of the five that comes from inside passes unchanged.
    """
    try:
        yield
    except DrawbarError:
        raise
    except foreign as cause:
        text = str(cause).strip() or type(cause).__name__
        raise error(f"{doing}: {text}" if doing else text, **said) from cause
