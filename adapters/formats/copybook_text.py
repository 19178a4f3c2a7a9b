"""Copybook text to words with their places, in reference format (columns 7 to 72) or free form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ...core.errors import ConfigError

Source = Literal["auto", "fixed", "free"]

_TOKEN = re.compile(r"""[XxNnZzGgBb]?(?:'(?:[^']|'')*'|"(?:[^"]|"")*")|[^\s"']+|["']""")
_SEQUENCE_AREA = re.compile(r"\s{6}|\d{6}|[A-Za-z]{1,4}\d{2,5}|\s{1,5}\d{1,5}")
_IGNORED_LINE = re.compile(r"\s*(EJECT|SKIP[123])\s*\.?\s*", re.IGNORECASE)

_MAX_COPYBOOK_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Token:
    text: str
    line: int
    column: int
    ends: bool

    @property
    def word(self) -> str:
        return self.text.upper()

    @property
    def is_string(self) -> bool:
        return self.text[-1:] in {"'", '"'}


def read_text(path: Path) -> str:
    """Read a copybook's file; ConfigError for what is none."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"the copybook {path} cannot be read: {error.strerror}", field="copybook") from error
    if len(raw) > _MAX_COPYBOOK_BYTES or b"\0" in raw:
        raise ConfigError(f"{path.name} is no copybook: it is {len(raw)} bytes of something else", field="copybook")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def wrong(file_name: str, at: Token, said: str) -> ConfigError:
    """Give the error that names file, line and column."""
    return ConfigError(f"{file_name}:{at.line}:{at.column}: {said}")


def tokens(text: str, file_name: str, source: Source) -> Iterator[Token]:
    held: Token | None = None
    for line, column, content in _logical_lines(text, source):
        for found in _TOKEN.finditer(content):
            word = found.group()
            at = column + found.start()
            if word in {'"', "'"}:
                raise wrong(file_name, Token(word, line, at, ends=False), "a literal is not closed on its line")
            if word == "." and held is not None:
                yield Token(held.text, held.line, held.column, ends=True)
                held = None
                continue
            if word in {",", ";", "."}:
                continue
            if held is not None:
                yield held
            ends = word.endswith(".")
            held = Token(word.rstrip(".,;") if ends else word.rstrip(",;"), line, at, ends)
            if ends:
                yield held
                held = None
    if held is not None:
        yield held


def _logical_lines(text: str, source: Source) -> Iterator[tuple[int, int, str]]:
    """Give (line, first column, content) without sequence area, comments and continuations."""
    physical = [line.rstrip().expandtabs(8) for line in text.replace("\x1a", "").splitlines()]
    fixed = source == "fixed" or (source == "auto" and _looks_fixed(physical))
    held: tuple[int, int, str] | None = None
    for number, line in enumerate(physical, 1):
        if _IGNORED_LINE.fullmatch(line[6:72] if fixed else line):
            continue
        indicator, content, column = (line[6:7], line[7:72], 8) if fixed else ("", line, 1)
        if fixed and indicator not in {"*", "/", "-", " ", "D", "d", "$", ""}:
            content, column = line[6:72], 7
        if indicator in {"*", "/", "$"} or (indicator in {"D", "d"} and content[:1] == " "):
            continue
        if not fixed and (content.lstrip().startswith("*") or content.lstrip().startswith(">>")):
            continue
        if indicator in {"D", "d"}:
            content, column = line[6:72], 7
        content = _without_comment(content)
        if indicator == "-" and held is not None:
            held = (held[0], held[1], _continued(held[2], content))
            continue
        if held is not None:
            yield held
        held = (number, column, content)
    if held is not None:
        yield held


def _looks_fixed(lines: list[str]) -> bool:
    """Tell reference format by its first six columns: blank, or a sequence number, on every line."""
    return all(_SEQUENCE_AREA.fullmatch(line[:6].ljust(6)) for line in lines if line.strip())


def _without_comment(content: str) -> str:
    if "*>" not in content:
        return content
    for found in re.finditer(r"""'[^']*'|"[^"]*"|\*>""", content):
        if found.group() == "*>":
            return content[: found.start()]
    return content


def _continued(before: str, after: str) -> str:
    """Join a continuation line: a literal goes on after its repeated quote, a word directly."""
    bare = after.lstrip()
    for quote in ("'", '"'):
        if before.count(quote) % 2 and bare.startswith(quote):
            return before + bare[1:]
    return before + bare
