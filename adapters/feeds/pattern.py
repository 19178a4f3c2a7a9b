"""
File names that belong to a feed: a glob with captures, `ORD.D{date:%y%m%d}.S{seq:d}.DAT`.

Folders may vary too: `in/*/x.csv` goes one folder deep, `in/**/x.csv` any number. A name is then a path below the feed's folder.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

_PART = re.compile(r"\{([^{}:]*)(?::([^{}]*))?\}|([^{}]+)|([{}])")
_GLOB = re.compile(r"(\*\*/)|(\*)|(\?)|(\[!?\]?[^\]]*\])|([^*?\[]+|\[)")
_DIRECTIVES = {
    "y": r"\d{2}", "Y": r"\d{4}", "m": r"\d{2}", "d": r"\d{2}", "H": r"\d{2}", "M": r"\d{2}", "S": r"\d{2}",
    "j": r"\d{3}", "f": r"\d{1,6}", "b": r"[A-Za-z]{3}",
}  # fmt: skip
_TIME = set("HMSf")
_TAKEN = {"name", "stem", "size", "modified"}
ANY_DEPTH = 32


class Pattern:
    """Compiled once; ValueError says what is wrong with it."""

    def __init__(self, text: str) -> None:
        folders, _, last = text.rpartition("/")
        if not last:
            raise ValueError("a pattern ends in a file name")
        if last == "**" or "**" in text.replace("**/", ""):
            raise ValueError("** stands for folders: **/ before a name")
        fixed = folders.split("/") if folders else []
        vary = next((at for at, name in enumerate(fixed) if any(char in name for char in "*?[{")), len(fixed))
        self.folder = "/".join(fixed[:vary])
        below = fixed[vary:]
        self.depth = ANY_DEPTH if "**" in below else len(below)
        self.captures: dict[str, str] = {}
        self._convert: dict[str, Callable[[str], Any]] = {}
        self._text = "/".join([*below, last])
        self._regex = re.compile("".join(self._parts(self._text)))

    @property
    def has_captures(self) -> bool:
        return bool(self.captures)

    def match(self, name: str) -> dict[str, Any] | None:
        """Give the captures of a name that belongs, None for one that does not."""
        found = self._regex.fullmatch(name)
        if found is None:
            return None
        try:
            return {key: convert(found[key]) for key, convert in self._convert.items()}
        except ValueError:  # 260231 is no date
            return None

    def made_of(self, word: str) -> str | None:
        """Make a name that belongs, for a file that has none: a glob's star becomes the word."""
        if self.has_captures or self.depth or any(char in self._text for char in "?["):
            return None
        return self._text.replace("*", word, 1) if "*" in self._text else None

    def _parts(self, text: str) -> list[str]:
        return [self._part(found) for found in _PART.finditer(text)]

    def _part(self, found: re.Match[str]) -> str:
        name, spec, plain, brace = found.groups()
        if brace:
            raise ValueError(f"a {brace!r} without its partner")
        if plain:
            return "".join(_glob(each) for each in _GLOB.finditer(plain))
        if not name.isidentifier() or name in _TAKEN or name in self._convert:
            raise ValueError(f"{{{name}}}: a capture needs a name of its own")
        if not spec:
            self._convert[name], self.captures[name] = str, "text"
            return f"(?P<{name}>[^/]+?)"
        if spec == "d":
            self._convert[name], self.captures[name] = int, "number"
            return rf"(?P<{name}>\d+)"
        if "%" in spec:
            self.captures[name] = "moment"
            return self._moment(name, spec)
        raise ValueError(f"{{{name}:{spec}}}: a capture is a number (d), a date (%y%m%d) or text")

    def _moment(self, name: str, spec: str) -> str:
        directives = re.findall(r"%(.)", spec)
        if unknown := [each for each in directives if each not in _DIRECTIVES]:
            raise ValueError(f"{{{name}:{spec}}}: %{unknown[0]} is not known here")
        has_time = bool(_TIME & set(directives))

        def convert(text: str) -> Any:
            moment = datetime.strptime(text, spec)  # noqa: DTZ007 - a file name has no zone
            return moment if has_time else moment.date()

        self._convert[name] = convert
        parts = re.split(r"%(.)", spec)
        return f"(?P<{name}>" + "".join(_DIRECTIVES[p] if i % 2 else re.escape(p) for i, p in enumerate(parts)) + ")"


def _glob(found: re.Match[str]) -> str:
    folders, star, one, chosen, plain = found.groups()
    if folders:
        return "(?:[^/]+/)*"
    if star:
        return "[^/]*"
    if one:
        return "[^/]"
    if chosen:
        return fnmatch.translate(chosen).removeprefix("(?s:").removesuffix(r")\Z").removesuffix(")")
    return re.escape(plain)
