"""Compile a CEL expression (see `expressions`); a plain path needs no parser, and mostly there is nothing else."""

from __future__ import annotations

import re

from .cel_values import Path, Run, reader

_PATH = re.compile(r"\s*[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*\s*", re.ASCII)
_RESERVED = frozenset(
    [
        "as",
        "break",
        "const",
        "continue",
        "else",
        "false",
        "for",
        "function",
        "if",
        "import",
        "in",
        "let",
        "loop",
        "namespace",
        "null",
        "package",
        "return",
        "true",
        "var",
        "void",
        "while",
    ]
)


def compile_text(text: str) -> tuple[Run, frozenset[Path]]:
    """Parse and compile; ConfigError names the column."""
    if (path := plain_path(text)) is not None:
        return reader(path), frozenset({path})
    from .cel_tree import compile_tree  # the parser and its grammar take a third of a second

    return compile_tree(text)


def plain_path(text: str) -> Path | None:
    """Give the path that an expression is, where it is nothing else."""
    path = tuple(text.strip().split(".")) if _PATH.fullmatch(text) else ()
    return None if not path or _RESERVED & set(path) else path
