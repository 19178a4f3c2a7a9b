"""Write docs/reference from the code: `python -m drawbar.cli.reference`; `--check` tells whether it is up to date."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import typer.main

from ..config.schema import published
from ..core import errors, policy
from ..core.tool import Effect
from ..facade.reference import routes_lines
from ..facade.routes import document
from .entry import every
from .failures import exit_code

FOLDER = Path(__file__).parent.parent / "docs" / "reference"
_NOTE = "<!-- written by `python -m drawbar.cli.reference`; change the code, not this page -->"
_EXITS = ("done", "failed", "usage or configuration", "a person is needed", "try later", "nothing to do")


def pages() -> dict[str, str]:
    """Give each page's text by its file name."""
    return {
        "cli.md": _page("The command line", _cli()),
        "configuration.md": _page("The configuration", _configuration(published())),
        "errors.md": _page("Errors", _errors()),
        "routes.md": _page("Routes", routes_lines(document())),
    }


def main(arguments: list[str]) -> int:
    """Write the pages, or with `--check` compare them; give the exit code."""
    stale = [
        name
        for name, text in pages().items()
        if not (FOLDER / name).is_file() or (FOLDER / name).read_text("utf-8") != text
    ]
    if "--check" in arguments:
        for name in stale:
            print(f"docs/reference/{name} is not what the code says; run python -m drawbar.cli.reference")
        return 1 if stale else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, "utf-8")
    return 0


def _page(title: str, lines: Iterable[str]) -> str:
    return "\n".join([f"# {title}", "", _NOTE, "", *lines]).rstrip() + "\n"


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    heads = list(heads)
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', '/').replace(chr(10), ' ') for cell in row)} |"
    yield ""


def _cli() -> Iterator[str]:
    root: Any = typer.main.get_command(every())
    yield "`drawbar [OPTIONS] VERB ...`. The options of this first table may stand before or after the verb."
    yield ""
    yield from _table(("option", "what"), _options(root))
    yield from _table(("exit", "means"), ((str(code), said) for code, said in enumerate(_EXITS)))
    for name, command in root.commands.items():
        if not command.hidden:
            yield from _verb(f"drawbar {name}", command)


def _verb(name: str, command: Any) -> Iterator[str]:
    words = [str(one.metavar or one.name) for one in _arguments(command)]
    yield f"## {' '.join([name, *words])}"
    yield ""
    yield _text(command.help)
    yield ""
    if options := list(_options(command)):
        yield from _table(("option", "what"), options)
    for inner_name, inner in getattr(command, "commands", {}).items():
        yield from _verb(f"{name} {inner_name}", inner)


def _arguments(command: Any) -> list[Any]:
    return [one for one in command.params if one.param_type_name == "argument"]


def _options(command: Any) -> Iterator[tuple[str, str]]:
    for one in command.params:
        if one.param_type_name != "option" or one.hidden or one.name == "help":
            continue
        names = ", ".join([*one.opts, *one.secondary_opts])
        choices = get_args(getattr(one.type_descriptor, "annotation", None))
        value = f" {'/'.join(map(str, choices))}" if choices else "" if one.is_flag else " ..."
        more = f" Also by ${one.envvar}." if one.envvar else ""
        yield f"`{names}{value}`", _text(one.help) + more


def _text(said: str | None) -> str:
    return " ".join((said or "").replace("[dim]", "(").replace("[/]", ")").split())


def _configuration(schema: Mapping[str, Any]) -> Iterator[str]:
    yield "What stands in `drawbar.yaml`. `drawbar schema` prints the same as a JSON Schema, which editors use by"
    yield "`# yaml-language-server: $schema=./drawbar.schema.json` in the first line. Keys that begin with `x-` are for anchors."
    yield ""
    yield "## The file"
    yield ""
    yield from _keys(schema)
    kinds = {one["if"]["properties"]["kind"]["const"]: one["then"] for one in schema["$defs"]["Adapter"]["allOf"]}
    titles = {reference["$ref"].rpartition("/")[2]: f"Adapters of kind {kind}" for kind, reference in kinds.items()}
    hidden = {"Adapter", "AdapterConfig"}
    for name in [*titles, *(name for name in schema["$defs"] if name not in titles)]:
        inner = schema["$defs"][name]
        if name in hidden or "properties" not in inner:
            continue
        yield f"## {titles.get(name, _short(name))}"
        yield ""
        if said := _text(inner.get("description")):
            yield said
            yield ""
        yield from _keys(inner)


def _short(name: str) -> str:
    return name.rpartition("__")[2]


def _keys(schema: Mapping[str, Any]) -> Iterator[str]:
    required = set(schema.get("required", ()))
    rows = []
    for name, field in schema.get("properties", {}).items():
        default = "required" if name in required else _default(field)
        rows.append((f"`{name}`", _type(field), default, _text(field.get("description"))))
    yield from _table(("key", "type", "default", "what"), rows)


def _default(field: Mapping[str, Any]) -> str:
    if "default" not in field or field["default"] in (None, "", [], {}):
        return ""
    value = field["default"]
    return "" if isinstance(value, (dict, list)) else f"`{json.dumps(value)}`"


def _type(field: Mapping[str, Any]) -> str:
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return "[adapter](#the-file)" if name == "Adapter" else f"[{_short(name)}](#{_short(name).lower()})"
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return " or ".join(f"`{one}`" for one in field["enum"])
    some = [one for word in ("anyOf", "oneOf") for one in field.get(word, ())]
    if some:
        names = [_type(one) for one in some if one.get("type") != "null" and "pattern" not in one]
        return " or ".join(dict.fromkeys(names))
    kind = field.get("type")
    if kind == "array":
        return f"list of {_type(field.get('items') or {})}"
    if kind == "object":
        inner = field.get("additionalProperties") or next(iter(field.get("patternProperties", {}).values()), None)
        return f"name: {_type(inner)}" if isinstance(inner, dict) else "mapping"
    return {"string": "text", "integer": "whole number", "boolean": "true or false"}.get(
        kind or "", kind or "any value"
    )


def _errors() -> Iterator[str]:
    yield "Five kinds, sorted by what to do next. Over HTTP each is problem+json; on the command line an exit code."
    yield ""
    rows = []
    for kind, error in errors.KINDS.items():
        made = error("x")
        reasons = "401 403 404 409 412 413 428 429, by its reason" if kind == "input" else ""
        status = " ".join(filter(None, [str(made.status), reasons]))
        rows.append((f"`{kind}`", _text(error.__doc__), error.recovery, error.happened, status, str(exit_code(made))))
    yield from _table(("kind", "what", "recovery", "happened", "HTTP", "exit"), rows)
    yield "What follows an error of a task, by the effect of its tool (`park`: a person decides, by `drawbar dead settle`):"
    yield ""
    effects: tuple[Effect, ...] = get_args(Effect)
    recoveries: tuple[errors.Recovery, ...] = get_args(errors.Recovery)
    verdicts = ([recovery, *(policy.verdict(recovery, effect) for effect in effects)] for recovery in recoveries)
    yield from _table(("recovery", *effects), verdicts)
    yield "Reasons of `input`:"
    yield ""
    reasons_of_input: tuple[errors.InputReason, ...] = get_args(errors.InputReason)
    made_of = [(reason, errors.InputError("x", reason=reason)) for reason in reasons_of_input]
    yield from _table(
        ("reason", "HTTP", "exit"),
        ((f"`{reason}`", str(made.status), str(exit_code(made))) for reason, made in made_of),
    )


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
