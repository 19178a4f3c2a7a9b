"""UN/EDIFACT (ISO 9735): interchanges UNB to UNZ, and the CONTRL that answers one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal

from pydantic import Field, field_validator

from .edi import Edi, EdiConfig, EdiWriter
from .edi_envelopes import Dialect, End, Message, Pair
from .edi_syntax import Scanner, Segment, Separators
from .format import Format, IncompleteFile
from .framing import known_encoding

_UNA_BYTES = 9
_USUAL = Separators("+", ":", "'", None, "?")
_CHARSETS = {
    "UNOA": "ascii", "UNOB": "ascii", "UNOC": "iso8859-1", "UNOD": "iso8859-2", "UNOE": "iso8859-5",
    "UNOF": "iso8859-7", "UNOG": "iso8859-3", "UNOH": "iso8859-4", "UNOI": "iso8859-6", "UNOJ": "iso8859-8",
    "UNOK": "iso8859-9", "UNOW": "utf-8", "UNOY": "utf-8",
}  # fmt: skip
_HEAD = {"UNB01": "the syntax, such as [UNOC, '3']", "UNB02": "the sender", "UNB03": "the recipient", "UNB04": "[date, time]", "UNB05": "the control reference"}  # fmt: skip
_CODES = {"count": "29", "control": "28", "duplicate": "26"}
_ACCEPTED, _REJECTED = "7", "4"


class EdifactConfig(EdiConfig):
    """UN/EDIFACT."""

    kind: Literal["edifact"] = Field(
        description="UN/EDIFACT. When reading, the separators are those of UNA, else the usual ones."
    )
    encoding: str | None = Field(
        None, description="Encoding of the file; what UNB says (UNOA, UNOC, UNOW ...), else latin-1, when absent."
    )
    una: bool = Field(True, description="When writing: begin with UNA.")
    interchange: dict[str, str | list[str]] = Field(
        default_factory=dict,
        description="When writing: elements of UNB that rows do not give: {UNB01: [UNOC, '3'], UNB02: [SENDER, ZZ] ...}.",
    )

    @field_validator("encoding")
    @classmethod
    def _encoding(cls, given: str | None) -> str | None:
        return known_encoding(given) if given else given

    def plain(self, base: Path) -> Format:
        return Edifact(self)


def _begin(scanner: Scanner) -> Separators | None:
    head = scanner.peek(_UNA_BYTES).decode("latin-1")
    if not head.startswith("UN"[: len(head)]):
        return None
    if len(head) < _UNA_BYTES:
        raise IncompleteFile("the file ends inside its first segment")
    if head.startswith("UNB"):
        _set_encoding(scanner)
        return _USUAL
    if not head.startswith("UNA"):
        return None
    scanner.take(_UNA_BYTES)
    _set_encoding(scanner)
    component, element, _, release, repetition, segment = list(head[3:])
    return Separators(
        element, component, segment, repetition if repetition != " " else None, release if release != " " else None
    )


def _set_encoding(scanner: Scanner) -> None:
    """Take the encoding that UNB names, where the configuration says none; who says ASCII often sends more."""
    if not scanner.is_told:
        charset = _CHARSETS.get(scanner.peek(8)[4:].decode("latin-1"), "latin-1")
        scanner.encoding = "latin-1" if charset == "ascii" else charset


DIALECT = Dialect(
    "EDIFACT",
    Pair("interchange", "UNB", "UNZ", 5),
    Pair("group", "UNG", "UNE", 5),
    Pair("message", "UNH", "UNT", 1),
    group_needed=False,
    begin=_begin,
    opening=lambda head: [],
)


class Edifact(Edi):
    """Reads and writes EDIFACT, and answers what it read."""

    def __init__(self, config: EdifactConfig) -> None:
        first = config.interchange.get("UNB01") or ""
        charset = _CHARSETS.get(first[0] if isinstance(first, list) else first, "latin-1")
        super().__init__(
            config, DIALECT, config.encoding,
            EdiWriter(
                DIALECT, _USUAL, config.encoding or charset, {"lf": "\n", "crlf": "\r\n", "none": ""}[config.newline],
                lambda: "UNA:+.? '" + {"lf": "\n", "crlf": "\r\n", "none": ""}[config.newline] if config.una else "",
                self._interchange, self._group, self._message,
            ),
        )  # fmt: skip
        self._edifact = config

    def acknowledge(
        self, stream: BinaryIO, *, control: str, moment: datetime, kind: str | None = None
    ) -> list[dict[str, Any]]:
        """
        Give the rows of a CONTRL for each interchange, to be written by this format.

        What is judged are envelopes: control references, counts, duplicates. Raises what reading the file raises.
        """
        rows = []
        messages: list[Message] = []
        for found in self.walk(stream):
            if isinstance(found, Message):
                messages.append(found)
            elif isinstance(found, End) and found.pair is DIALECT.interchange:
                rows.append(_answer(found, messages, control, moment))
                messages = []
        return rows

    def _interchange(self, given: Mapping[str, Any]) -> dict[str, Any]:
        values = {**self._edifact.interchange, **{name: value for name, value in given.items() if value is not None}}
        for name, what in _HEAD.items():
            if not values.get(name):
                raise ValueError(f"interchange.{name} is missing ({what}), here and in the format's interchange:")
        return {**values, "id": "UNB"}

    def _group(self, given: Mapping[str, Any], head: dict[str, Any], at: int) -> dict[str, Any] | None:
        return {"UNG05": str(at), **given, "id": "UNG"} if given else None

    def _message(self, given: Mapping[str, Any], at: int) -> dict[str, Any]:
        if not given.get("UNH02"):
            raise ValueError("message.UNH02 is missing: which message is it, such as [ORDERS, D, 96A, UN]?")
        return {"UNH01": str(at), **given, "id": "UNH"}


def _answer(end: End, messages: list[Message], control: str, moment: datetime) -> dict[str, Any]:
    head = end.head
    whole = [_CODES[word] for word, _ in end.faults if word in _CODES]
    segments: list[dict[str, Any]] = [
        {
            "id": "UCI", "UCI01": head[5], "UCI02": _element(head, 2), "UCI03": _element(head, 3),
            "UCI04": _REJECTED if whole else _ACCEPTED, **({"UCI05": whole[0], "UCI06": "UNZ"} if whole else {}),
        }
    ]  # fmt: skip
    for message in messages if not whole else ():
        codes = [_CODES[word] for word, _ in message.faults]
        segments.append(
            {
                "id": "UCM", "UCM01": message.head[1], "UCM02": _element(message.head, 2),
                "UCM03": _REJECTED if codes else _ACCEPTED, **({"UCM04": codes[0], "UCM05": "UNT"} if codes else {}),
            }
        )  # fmt: skip
    return {
        "interchange": {
            "UNB01": _element(head, 1), "UNB02": _element(head, 3), "UNB03": _element(head, 2),
            "UNB04": [f"{moment:%y%m%d}", f"{moment:%H%M}"], "UNB05": control,
        },
        "message": {"UNH01": "1", "UNH02": ["CONTRL", "D", "3", "UN"]},
        "segments": segments,
    }  # fmt: skip


def _element(segment: Segment, position: int) -> Any:
    return segment.elements[position - 1] if position <= len(segment.elements) else ""


__all__ = ["Edifact", "EdifactConfig"]
