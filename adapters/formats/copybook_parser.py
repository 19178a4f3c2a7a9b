"""Copybook text to a tree of data descriptions (ISO/IEC 1989, 13.18), in reference format or free form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from ...core.errors import ConfigError
from .copybook_text import Source, Token, tokens, wrong
from .pictures import Picture, parse_picture

Usage = Literal[
    "display",
    "national",
    "dbcs",
    "binary",
    "native",
    "any size",
    "bare",
    "packed",
    "unsigned packed",
    "float",
    "double",
]
"""`any size` is COMP-X; `bare` a number in the machine's own form, which has no PICTURE."""

_USAGES: dict[str, Usage] = {
    "DISPLAY": "display",
    "NATIONAL": "national",
    "DISPLAY-1": "dbcs",
    **dict.fromkeys(["COMP", "COMPUTATIONAL", "COMP-4", "COMPUTATIONAL-4", "BINARY"], "binary"),
    **dict.fromkeys(["COMP-5", "COMPUTATIONAL-5"], "native"),
    **dict.fromkeys(["COMP-3", "COMPUTATIONAL-3", "PACKED-DECIMAL"], "packed"),
    **dict.fromkeys(["COMP-6", "COMPUTATIONAL-6"], "unsigned packed"),
    **dict.fromkeys(["COMP-X", "COMPUTATIONAL-X"], "any size"),
    **dict.fromkeys(["COMP-1", "COMPUTATIONAL-1"], "float"),
    **dict.fromkeys(["COMP-2", "COMPUTATIONAL-2"], "double"),
}
_BARE = {
    "INDEX": (4, True),
    "POINTER": (0, False),
    "PROCEDURE-POINTER": (8, False),
    "FUNCTION-POINTER": (0, False),
    "BINARY-CHAR": (1, True),
    "BINARY-SHORT": (2, True),
    "BINARY-LONG": (4, True),
    "BINARY-DOUBLE": (8, True),
}
"""Bytes, 0 for those of an address, and whether there is a sign unless something is said."""
_CLAUSES = {
    "PIC", "PICTURE", "REDEFINES", "USAGE", "OCCURS", "SIGN", "VALUE", "VALUES", "SYNC", "SYNCHRONIZED", "JUST",
    "JUSTIFIED", "BLANK", "LEADING", "TRAILING", "GLOBAL", "EXTERNAL", "RENAMES", "SIGNED", "UNSIGNED", *_USAGES, *_BARE,
}  # fmt: skip
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_\-#@$]*")
_MAX_LEVEL = 49


@dataclass(slots=True)
class Occurs:
    least: int
    most: int
    depending: Token | None = None


@dataclass(slots=True)
class Item:
    """One data description entry. `name` is empty for FILLER; `conditions` are its 88 levels."""

    level: int
    name: str
    at: Token
    picture: Picture | None = None
    usage: Usage | None = None
    bare: tuple[int, bool] = (0, False)
    sign_leading: bool | None = None
    sign_separate: bool = False
    occurs: Occurs | None = None
    redefines: Token | None = None
    value: str | None = None
    synchronized: bool = False
    justified: bool = False
    children: list[Item] = field(default_factory=list)
    conditions: dict[str, list[str]] = field(default_factory=dict)


class CopybookParser:
    """Reads one copybook. Every error is a ConfigError that begins with file:line:column."""

    def __init__(self, file_name: str, source: Source = "auto") -> None:
        self._file = file_name
        self._source = source

    def parse(self, text: str) -> list[Item]:
        """Give the records (01 levels); entries that begin deeper stand in one record without a name."""
        roots: list[Item] = []
        stack: list[Item] = []
        for entry in self._entries(text):
            level = self._level(entry[0])
            if level in {66, 78}:
                if level == 78:
                    raise self._wrong(entry[0], "level 78 constants are not built yet")
                continue
            if level == 88:
                self._condition(entry, stack)
                continue
            item = self._item(level, entry)
            while stack and (stack[-1].level >= item.level or item.level == 1):
                stack.pop()
            if stack:
                stack[-1].children.append(item)
            elif item.level == 1:
                roots.append(item)
            else:
                roots.append(Item(0, "", item.at, children=[item]))
                stack.append(roots[-1])
            stack.append(item)
        if not roots:
            raise ConfigError(f"{self._file}: there is no data description in it")
        for root in roots:
            self._check(root)
        return roots

    def _wrong(self, at: Token, said: str) -> ConfigError:
        return wrong(self._file, at, said)

    def _entries(self, text: str) -> Iterator[list[Token]]:
        entry: list[Token] = []
        for token in tokens(text, self._file, self._source):
            entry.append(token)
            if token.ends:
                yield entry
                entry = []
        if entry:
            raise self._wrong(entry[-1], "the period after the last entry is missing")

    def _level(self, token: Token) -> int:
        if token.word in {"COPY", "REPLACE"}:
            raise self._wrong(token, f"{token.word} is not resolved here; put the text of the other copybook in")
        if not token.text.isdigit():
            raise self._wrong(token, f"expected a level number, found {token.text!r}; is a period missing before it?")
        level = int(token.text)
        if not 1 <= level <= _MAX_LEVEL and level not in {66, 77, 78, 88}:
            raise self._wrong(token, f"{token.text} is no level number")
        return 1 if level == 77 else level

    def _condition(self, entry: list[Token], stack: list[Item]) -> None:
        if not stack or len(entry) < 3:
            raise self._wrong(entry[0], "a level 88 needs a name, a value and a field before it")
        words = [token for token in entry[2:] if token.word not in {"VALUE", "VALUES", "IS", "ARE"}]
        stack[-1].conditions[entry[1].text] = [_literal(token) for token in words]

    def _item(self, level: int, entry: list[Token]) -> Item:
        item = Item(level, "", entry[0])
        rest = entry[1:]
        if rest and rest[0].word not in _CLAUSES:
            name = rest.pop(0)
            if not _NAME.fullmatch(name.text):
                tip = "; COPY REPLACING placeholders must be replaced first" if ":" in name.text else ""
                raise self._wrong(name, f"{name.text!r} is no name{tip}")
            item.name = "" if name.word == "FILLER" else name.text
            item.at = name
        clauses = _Clauses(self, item, rest)
        clauses.read()
        return item

    def _check(self, item: Item) -> None:
        for child in item.children:
            if child.usage is None:
                child.usage, child.bare = item.usage, item.bare
            if child.sign_leading is None:
                child.sign_leading, child.sign_separate = item.sign_leading, item.sign_separate
            self._check(child)
        if item.picture is not None and item.children:
            raise self._wrong(
                item.children[0].at, f"{item.name or 'FILLER'} has a PICTURE and cannot have fields below it"
            )
        if item.children:
            return
        if item.usage in {"float", "double", "bare"}:
            if item.picture is not None:
                raise self._wrong(item.at, f"{item.name}: a field of this USAGE has no PICTURE")
        elif item.picture is None:
            raise self._wrong(item.at, f"{item.name or 'FILLER'} has neither a PICTURE nor fields below it")
        elif why := _does_not_fit(item, item.picture):
            raise self._wrong(item.at, f"{item.name}: {why}")


def _does_not_fit(item: Item, picture: Picture) -> str | None:
    """Say why PICTURE and USAGE are not of each other; a USAGE that only the PICTURE tells is filled in."""
    usage = item.usage
    if usage == "dbcs" or picture.kind == "graphic":
        if picture.kind not in {"national", "graphic"} or usage not in {None, "dbcs"}:
            return "USAGE DISPLAY-1 is for PIC G and PIC N, and PIC G for USAGE DISPLAY-1"
        item.usage = "dbcs"
    elif (picture.kind == "national") != (usage == "national"):
        if picture.kind != "national" or usage is not None:
            return "USAGE NATIONAL is for PIC N, and PIC N for USAGE NATIONAL"
        item.usage = "national"
    elif usage == "any size" and picture.text.upper().startswith("X") and picture.kind == "text":
        return None
    elif picture.kind not in {"number", "national"} and usage not in {None, "display"}:
        return f"PIC {picture.text} is no number, so its USAGE can only be DISPLAY"
    elif usage == "unsigned packed" and picture.signed:
        return f"COMP-6 has no sign, and PIC {picture.text} has one"
    return None


class _Clauses:
    """The clauses after a level number and a name."""

    def __init__(self, parser: CopybookParser, item: Item, tokens: list[Token]) -> None:
        self._wrong = parser._wrong  # noqa: SLF001 - one parser in two classes
        self._item = item
        self._tokens = tokens
        self._at = 0

    def read(self) -> None:
        while (token := self._take()) is not None:
            self._clause(token)

    def _clause(self, token: Token) -> None:
        item, word = self._item, token.word
        if word in {"PIC", "PICTURE"}:
            self._skip("IS")
            given = self._need("a PICTURE string", token)
            try:
                item.picture = parse_picture(given.text)
            except ValueError as wrong:
                raise self._wrong(given, str(wrong)) from wrong
        elif word == "REDEFINES":
            item.redefines = self._need("a name", token)
        elif word == "USAGE":
            self._skip("IS")
            self._usage(self._need("a usage", token))
        elif word in _USAGES or word in _BARE:
            self._usage(token)
        elif word in {"SIGNED", "UNSIGNED"} and item.usage == "bare":
            item.bare = item.bare[0], word == "SIGNED"
        elif word == "OCCURS":
            self._occurs(token)
        elif word in {"SIGN", "LEADING", "TRAILING"}:
            self._sign(token)
        elif word in {"VALUE", "VALUES"}:
            self._skip("IS", "ARE")
            item.value = _literal(self._need("a literal", token))
        elif word in {"SYNC", "SYNCHRONIZED"}:
            self._skip("LEFT", "RIGHT")
            item.synchronized = True
        elif word in {"JUST", "JUSTIFIED"}:
            self._skip("RIGHT")
            item.justified = True
        elif word == "BLANK":
            self._skip("WHEN")
            self._skip("ZERO", "ZEROS", "ZEROES")
        elif word not in {"GLOBAL", "EXTERNAL"}:
            raise self._wrong(token, f"unexpected {token.text!r}; is a period missing before it?")

    def _usage(self, token: Token) -> None:
        if token.word in _BARE:
            self._item.usage, self._item.bare = "bare", _BARE[token.word]
        elif token.word in _USAGES:
            self._item.usage = _USAGES[token.word]
        else:
            raise self._wrong(token, f"{token.text!r} is no USAGE")

    def _occurs(self, token: Token) -> None:
        least = most = self._count(self._need("a number", token))
        if self._skip("TO"):
            most = self._count(self._need("a number", token))
        self._skip("TIMES")
        occurs = Occurs(least, most)
        while (following := self._peek()) is not None and following.word in {
            "DEPENDING", "ASCENDING", "DESCENDING", "INDEXED", "KEY",
        }:  # fmt: skip
            self._at += 1
            if following.word == "DEPENDING":
                self._skip("ON")
                occurs.depending = self._need("a name", token)
                while self._skip("OF", "IN"):
                    self._need("a name", token)
                continue
            while self._skip("KEY", "IS", "BY"):
                pass
            while (name := self._peek()) is not None and name.word not in {*_CLAUSES, "DEPENDING", "INDEXED"}:
                self._at += 1
        if occurs.depending is not None and least == most:
            occurs.least = 0
        if most < 1 or least > most:
            raise self._wrong(token, f"OCCURS {least} TO {most} is no range")
        self._item.occurs = occurs

    def _sign(self, token: Token) -> None:
        if token.word == "SIGN":
            self._skip("IS")
            token = self._need("LEADING or TRAILING", token)
        if token.word not in {"LEADING", "TRAILING"}:
            raise self._wrong(token, f"expected LEADING or TRAILING, found {token.text!r}")
        self._item.sign_leading = token.word == "LEADING"
        self._item.sign_separate = self._skip("SEPARATE")
        self._skip("CHARACTER")

    def _count(self, token: Token) -> int:
        if not token.text.isdigit():
            raise self._wrong(token, f"expected a number, found {token.text!r}")
        return int(token.text)

    def _take(self) -> Token | None:
        token = self._peek()
        self._at += token is not None
        return token

    def _peek(self) -> Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _need(self, what: str, after: Token) -> Token:
        token = self._take()
        if token is None:
            raise self._wrong(after, f"{after.text} needs {what}")
        return token

    def _skip(self, *words: str) -> bool:
        token = self._peek()
        if token is not None and token.word in words:
            self._at += 1
            return True
        return False


def _literal(token: Token) -> str:
    text = token.text
    if text[:1] in {"'", '"'}:
        return text[1:-1].replace(text[0] * 2, text[0])
    return text.upper() if text[:1].isalpha() and not token.is_string else text


__all__ = ["CopybookParser", "Item", "Occurs", "Source", "Usage"]
