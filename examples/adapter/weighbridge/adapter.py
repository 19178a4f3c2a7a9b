"""Adapter = meaning: a truck scale that weighs, prints numbered tickets and remembers them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Annotated

from pydantic import Field, SecretStr
from pydantic.dataclasses import dataclass

from drawbar.core.adapter import Adapter, AdapterConfig, Finding, Place
from drawbar.core.errors import DrawbarError, OutcomeUnknown, Rejected, Unavailable
from drawbar.core.tool import Call, tool

from .line import Line

_MOTION, _NO_TICKET = "02", "04"


class WeighbridgeConfig(AdapterConfig):
    host: str = Field(description="The terminal, or the serial server that it hangs on.")
    port: int = Field(4001, ge=1, le=65535, description="TCP port.")
    pin: SecretStr | None = Field(None, description="What the terminal asks for before it answers.")


Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9./ -]{1,20}$")]
"""The protocol parts fields with `;` and commands with CR LF: neither may come in from a caller."""


@dataclass(frozen=True)
class Weight:
    kg: Annotated[int, Field(description="Gross weight on the platform.")]


@dataclass(frozen=True)
class Ticket:
    number: Annotated[int, Field(description="Consecutive; the law wants no gap and no double.")]
    at: Annotated[datetime, Field(description="Local time of the terminal.")]
    vehicle: str
    reference: str
    kg: int


@dataclass(frozen=True)
class Tickets:
    tickets: list[Ticket]


class WeighbridgeAdapter(Adapter[WeighbridgeConfig]):
    kind = "weighbridge"
    Config = WeighbridgeConfig

    def __init__(self, name: str, config: WeighbridgeConfig, place: Place) -> None:
        super().__init__(name, config, place)
        pin = config.pin.get_secret_value() if config.pin else None
        self.line = Line(config.host, config.port, pin)

    @tool(effect="read")
    def read_weight(self, call: Call) -> Weight:
        """Read the gross weight on the platform, in kg. A truck that still moves has none."""
        answer = self.line.ask("W", call.left_s())
        match answer.split(","):
            case ["ST", kg]:
                return Weight(self._kg(kg))
            case ["US", _]:
                raise Unavailable("the truck on the platform still moves", retry_after_s=2)
            case ["OL"]:
                raise Rejected("more than the scale can weigh is on the platform")
        raise self._unread(answer)

    @tool(effect="read")
    def find_ticket(self, reference: Annotated[Word, Field(description="Our own number.")], call: Call) -> Tickets:
        """Find the tickets that were printed with a reference."""
        answer = self.line.ask(f"F {reference}", call.left_s())
        return Tickets([]) if answer.startswith(f"ERR {_NO_TICKET}") else Tickets([self._ticket(answer)])

    @tool(effect="write", preview="would_print")
    def print_ticket(
        self,
        vehicle: Annotated[Word, Field(description="Number plate.")],
        reference: Annotated[Word, Field(description="Our own number, by which the ticket is found again.")],
        call: Call,
    ) -> Ticket:
        """Weigh the truck and print a ticket with the next number. Cannot be undone."""
        answer = self.line.ask(_print(vehicle, reference), call.left_s(), leaving=call.leaving)
        if answer.startswith(f"ERR {_MOTION}"):
            raise Unavailable("the truck on the platform still moves", retry_after_s=2)
        return self._ticket(answer)

    def would_print(self, vehicle: str, reference: str) -> dict[str, str]:
        """Show the command that `print_ticket` sends."""
        return {"terminal": f"{self.config.host}:{self.config.port}", "command": _print(vehicle, reference)}

    def check(self, *, write: bool = False) -> Iterator[Finding]:
        where = f"{self.config.host}:{self.config.port}"
        yield (opened := self._tried(f"connect to {where} and log in", self.line.open, "is host:port right, the pin?"))
        if opened.ok:
            weigh = self._tried("ask for the weight", lambda limit_s: self.line.ask("W", limit_s), "see the terminal")
            yield weigh

    def _tried(self, what: str, step: Callable[[float], object], todo: str) -> Finding:
        try:
            return Finding(what, ok=True, found=str(step(self.config.call_timeout_s) or "yes"))
        except DrawbarError as error:
            return Finding(what, ok=False, found=error.message, next=error.next or todo)

    def close(self) -> None:
        self.line.close()

    def _ticket(self, answer: str) -> Ticket:
        match answer.split(";"):
            case ["TK", number, at, vehicle, reference, kg]:
                try:
                    return Ticket(int(number), datetime.fromisoformat(at), vehicle, reference, self._kg(kg))
                except ValueError as error:
                    raise self._unread(answer) from error
        if answer.startswith("ERR "):
            raise Rejected(answer[7:] or "the terminal said no", detail={"code": answer[4:6]})
        raise self._unread(answer)

    def _kg(self, text: str) -> int:
        try:
            return int(text)
        except ValueError as error:
            raise self._unread(text) from error

    def _unread(self, answer: str) -> OutcomeUnknown:
        """The command arrived, and nobody knows what became of it."""
        return OutcomeUnknown(f"the terminal answered {answer[:60]!r}, which is not its protocol")


def _print(vehicle: str, reference: str) -> str:
    return f"P {vehicle};{reference}"
