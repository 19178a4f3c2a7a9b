"""ANSI ASC X12: interchanges ISA to IEA, and the 997 or 999 that answers one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal

from pydantic import BeforeValidator, Field, field_validator

from .edi import Edi, EdiConfig, EdiWriter
from .edi_envelopes import Dialect, End, Message, Pair
from .edi_syntax import Scanner, Segment, Separators
from .format import Format, IncompleteFile, WrongFile
from .framing import known_encoding

_WIDTHS = (2, 10, 2, 10, 2, 15, 2, 15, 6, 4, 1, 5, 9, 1, 1, 1)
_ISA_BYTES = 3 + sum(_WIDTHS) + len(_WIDTHS) + 1
_USUAL = {"ISA01": "00", "ISA02": "", "ISA03": "00", "ISA04": "", "ISA12": "00501", "ISA14": "0", "ISA15": "P"}
_NEEDED = ("ISA05", "ISA06", "ISA07", "ISA08", "ISA09", "ISA10", "ISA13")
_FIRST_WITH_REPETITION = "00402"
_FUNCTIONAL = {
    "270": "HS", "271": "HB", "276": "HR", "277": "HN", "278": "HI", "810": "IN", "820": "RA", "834": "BE", "835": "HP",
    "837": "HC", "846": "IB", "850": "PO", "855": "PR", "856": "SH", "860": "PC", "997": "FA", "999": "FA",
}  # fmt: skip
_CODES = {"count": "4", "control": "3", "duplicate": "23"}
_GROUP_CODES = {"count": "5", "control": "4"}


def _texts(given: Any) -> Any:
    return {name: str(value) for name, value in given.items()} if isinstance(given, Mapping) else given


Texts = Annotated[dict[str, str], BeforeValidator(_texts)]


class X12Config(EdiConfig):
    """ANSI X12."""

    kind: Literal["x12"] = Field(description="ANSI ASC X12. When reading, the separators are those of the ISA segment.")
    encoding: str = Field("latin-1", description="Encoding of the file.")
    element: str = Field("*", min_length=1, max_length=1, description="When writing: between elements.")
    component: str = Field(":", min_length=1, max_length=1, description="When writing: between components.")
    repetition: str = Field("^", min_length=1, max_length=1, description="When writing: between repetitions.")
    segment: str = Field("~", min_length=1, max_length=1, description="When writing: behind a segment.")
    interchange: Texts = Field(
        default_factory=dict,
        description="When writing: elements of ISA that rows do not give: {ISA05: ZZ, ISA06: SENDER ...}.",
    )
    group: Texts = Field(default_factory=dict, description="When writing: elements of GS that rows do not give.")

    _encoding = field_validator("encoding")(known_encoding)

    def plain(self, base: Path) -> Format:
        return X12(self)


def _begin(scanner: Scanner) -> Separators | None:
    """Find the separators by counting elements, so that an ISA of the wrong width can be told from no ISA."""
    head = scanner.peek(_ISA_BYTES + 16)
    if not head.startswith(b"ISA"[: len(head)]):
        return None
    if len(head) < 4:
        raise IncompleteFile("the file ends inside its ISA segment")
    text = head.decode(scanner.encoding, "replace")
    parts = text.split(text[3], len(_WIDTHS))
    if len(parts) <= len(_WIDTHS) or len(parts[-1]) < 2:
        if len(head) < _ISA_BYTES:
            raise IncompleteFile("the file ends inside its ISA segment")
        raise WrongFile(f"{scanner.place}: the ISA segment has no {len(_WIDTHS)} elements")
    repetition = parts[11] if parts[12] >= _FIRST_WITH_REPETITION and not parts[11].isalnum() else None
    return Separators(text[3], parts[16][0], parts[16][1], repetition)


def _opening(head: Segment) -> list[str]:
    said = []
    texts = head.raw.decode("latin-1").split(chr(head.raw[3]))[1:]
    for at, (text, width) in enumerate(zip(texts, _WIDTHS, strict=False), 1):
        if at < len(_WIDTHS) and len(text) != width:
            said.append(f"ISA{at:02} has {len(text)} characters, and {width} belong there: {text!r}")
    return said


DIALECT = Dialect(
    "X12",
    Pair("interchange", "ISA", "IEA", 13),
    Pair("group", "GS", "GE", 6),
    Pair("transaction set", "ST", "SE", 2),
    group_needed=True,
    begin=_begin,
    opening=_opening,
)


class X12(Edi):
    """Reads and writes X12, and answers what it read."""

    def __init__(self, config: X12Config) -> None:
        separators = Separators(config.element, config.component, config.segment, config.repetition)
        newline = {"lf": "\n", "crlf": "\r\n", "none": ""}[config.newline]
        super().__init__(
            config, DIALECT, config.encoding,
            EdiWriter(
                DIALECT, separators, config.encoding, "" if newline == config.segment else newline, lambda: "",
                self._interchange, self._group, self._transaction, self._isa,
            ),
        )  # fmt: skip
        self._x12 = config

    def acknowledge(
        self, stream: BinaryIO, *, control: str, moment: datetime, kind: str | None = None
    ) -> list[dict[str, Any]]:
        """
        Give the rows of a 999, or a 997, with one transaction set for each group, to be written by this format.

        What is judged are envelopes: control numbers, counts, duplicates. Raises what reading the file raises.
        """
        rows: list[dict[str, Any]] = []
        messages: list[Message] = []
        for found in self.walk(stream):
            if isinstance(found, Message):
                messages.append(found)
            elif isinstance(found, End) and found.pair is DIALECT.group:
                rows.append(_answer(found, messages, kind or "999"))
                messages = []
            elif isinstance(found, End):
                for at, row in enumerate(rows, 1):
                    if "interchange" not in row:
                        row["interchange"] = _back(found.head, control, moment)
                        row["group"] |= {"GS04": f"{moment:%Y%m%d}", "GS05": f"{moment:%H%M}", "GS06": str(at)}
        return rows

    def _isa(self, values: dict[str, Any]) -> str:
        separators = self._writer.separators
        texts = [str(values.get(f"ISA{at:02}") or "").ljust(width) for at, width in enumerate(_WIDTHS, 1)]
        for at, (text, width) in enumerate(zip(texts, _WIDTHS, strict=True), 1):
            if len(text) > width:
                raise ValueError(f"interchange.ISA{at:02}: {text!r} is longer than {width}")
        return separators.element.join(["ISA", *texts]) + separators.segment

    def _interchange(self, given: Mapping[str, Any]) -> dict[str, Any]:
        values = {
            **_USUAL,
            **self._x12.interchange,
            **{name: value for name, value in given.items() if value is not None},
        }
        for name in _NEEDED:
            if not str(values.get(name) or "").strip():
                raise ValueError(f"interchange.{name} is missing, here and in the format's interchange:")
        with_repetition = str(values["ISA12"]) >= _FIRST_WITH_REPETITION
        return {
            **values, "id": "ISA", "ISA13": str(values["ISA13"]).zfill(9),
            "ISA11": self._x12.repetition if with_repetition else "U", "ISA16": self._x12.component,
        }  # fmt: skip

    def _group(self, given: Mapping[str, Any], head: dict[str, Any], at: int) -> dict[str, Any]:
        values = {**self._x12.group, **{name: value for name, value in given.items() if value is not None}}
        kind = str(head.get("ST01") or "")
        usual = {"GS01": _FUNCTIONAL.get(kind, ""), "GS06": str(at), "GS07": "X", "GS08": head.get("ST03") or ""}
        values = {**usual, **{name: value for name, value in values.items() if value != ""}, "id": "GS"}
        for name in ("GS01", "GS02", "GS03", "GS04", "GS05", "GS08"):
            if not values.get(name):
                raise ValueError(f"group.{name} is missing, here and in the format's group:")
        return values

    def _transaction(self, given: Mapping[str, Any], at: int) -> dict[str, Any]:
        if not given.get("ST01"):
            raise ValueError("message.ST01 is missing: which transaction set is it?")
        return {"ST02": f"{at:04}", **given, "id": "ST"}


def _answer(end: End, messages: list[Message], kind: str) -> dict[str, Any]:
    """Give the transaction set that answers one group (AK1, AK2 and AK5 or IK5 for each set, AK9)."""
    group = end.head
    status = "AK5" if kind == "997" else "IK5"
    segments: list[dict[str, Any]] = [{"id": "AK1", "AK101": group[1], "AK102": group[6]}]
    if kind == "999":
        segments[0]["AK103"] = group[8]
    accepted = 0
    for message in messages:
        head = message.head
        segments.append({"id": "AK2", "AK201": head[1], "AK202": head[2]})
        if kind == "999" and head[3]:
            segments[-1]["AK203"] = head[3]
        accepted += not message.faults
        codes = [_CODES[word] for word, _ in message.faults]
        segments.append(
            {"id": status, f"{status}01": "R" if codes else "A"}
            | {f"{status}{at:02}": c for at, c in enumerate(codes, 2)}
        )
    faults = [_GROUP_CODES[word] for word, _ in end.faults if word in _GROUP_CODES]
    whole = "R" if faults or not accepted else "A" if accepted == len(messages) else "P"
    count = end.said if end.said.isdigit() else str(end.count)
    segments.append(
        {
            "id": "AK9",
            "AK901": whole,
            "AK902": count,
            "AK903": str(end.count),
            "AK904": str(0 if whole == "R" else accepted),
        }
        | {f"AK9{at:02}": fault for at, fault in enumerate(faults, 5)}
    )
    version = "005010X231A1" if kind == "999" else (group[8] or "005010")[:6]
    return {
        "group": {"GS01": "FA", "GS02": group[3], "GS03": group[2], "GS07": group[7] or "X", "GS08": version},
        "message": {"ST01": kind, "ST02": "0001", **({"ST03": version} if kind == "999" else {})},
        "segments": segments,
    }


def _back(head: Segment, control: str, moment: datetime) -> dict[str, Any]:
    """Give the header of the interchange that goes back: sender and receiver change places."""
    return {
        "ISA05": head[7], "ISA06": head[8].rstrip(), "ISA07": head[5], "ISA08": head[6].rstrip(),
        "ISA09": f"{moment:%y%m%d}", "ISA10": f"{moment:%H%M}", "ISA12": head[12], "ISA13": control, "ISA15": head[15],
    }  # fmt: skip


__all__ = ["X12", "X12Config"]
