"""Verbs about systems and their tools: adapters, check, tools, describe, call."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Annotated, Any, Literal

import typer
from rich.text import Text

from ..core.errors import InputError
from .arguments import mapping_input, typed
from .failures import FAILED, NOTHING, PERSON
from .output import console, facts, json_out, one_line, say, state, table, when
from .service import Json, Service
from .session import session

_PANEL = "Systems and tools"


def register(cli: typer.Typer) -> None:
    for verb in (adapters, check, tools, describe, call, export):
        cli.command(rich_help_panel=_PANEL)(verb)


def adapters(ctx: typer.Context) -> None:
    """List the registered systems."""
    with session(ctx).service() as service:
        found = service.adapters()
    if session(ctx).as_json:
        json_out(found)
    elif not found:
        say("no systems are registered; `drawbar init` writes a first configuration", style="dim")
    else:
        rows = (
            (one["name"], one["kind"], state(one.get("state")), one.get("owner"), one.get("error")) for one in found
        )
        table(("name", "kind", "state", "owner", "error"), rows, wrap="error")


def check(
    ctx: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", show_default=False)] = None,
    write: Annotated[bool, typer.Option("--write", help="Try the rights to write, too.")] = False,
) -> None:
    """Try each connection step by step and explain what fails."""
    said: dict[str, list[Json]] = {}
    with session(ctx).service() as service, ThreadPoolExecutor(16) as pool:
        wanted = names or [one["name"] for one in service.adapters()]
        tried = {pool.submit(_checked, service, name, write): name for name in wanted}
        for done in as_completed(tried):  # a system that is silent holds up no other's findings
            said[tried[done]] = done.result()
            if not session(ctx).as_json:
                for finding in done.result():
                    _finding(tried[done], finding)
    said = {name: said[name] for name in wanted}
    fine = all(one["ok"] for findings in said.values() for one in findings)
    if session(ctx).as_json:
        json_out({"ok": fine, "adapters": said})
    elif not said:
        say("no systems are registered", style="dim")
        raise typer.Exit(NOTHING)
    if not fine:
        raise typer.Exit(FAILED)


def _checked(service: Service, name: str, write: bool) -> list[Json]:
    return list(service.check(name, write=write))


def _finding(name: str, finding: Json) -> None:
    mark = Text("ok     " if finding["ok"] else "fails  ", style="green" if finding["ok"] else "red")
    line = (
        mark
        + Text(f"{name}  ", style="bold")
        + Text(f"{finding['what']}  ")
        + Text(finding["found"] or "", style="dim")
    )
    from ..config.secrets import scrub

    console().print(line if scrub(line.plain) == line.plain else Text(scrub(line.plain)))
    if finding["next"] and not finding["ok"]:
        say(f"       {finding['next']}")


def tools(
    ctx: typer.Context,
    q: Annotated[
        str | None, typer.Option("--q", help="Words of the name or the description.", show_default=False)
    ] = None,
    adapter: Annotated[str | None, typer.Option("--adapter", help="Of one system.", show_default=False)] = None,
    effect: Annotated[
        Literal["read", "idempotent", "write"] | None,
        typer.Option("--effect", help="Of one effect.", show_default=False),
    ] = None,
) -> None:
    """List the tools, with what they do to the world."""
    with session(ctx).service() as service:
        found = service.tools(q=q, adapter=adapter, effect=effect)
        silent = service.silent()
    if session(ctx).as_json:
        json_out(found)
        return
    rows = ((one["name"], state(one["effect"]), _described(one)) for one in found)
    if found:
        table(("tool", "effect", "description"), rows, wrap="description")
    else:
        say(
            "no tools" + (" that fit" if q or adapter or effect else "; `drawbar adapters` shows the systems"),
            style="dim",
        )
    _tell(silent)


def _described(tool: Json) -> str:
    off = "" if tool.get("enabled", True) else "(off) "
    return off + one_line(tool.get("description"), 160)


def describe(ctx: typer.Context, tool: Annotated[str, typer.Argument(metavar="TOOL")]) -> None:
    """Show one tool: its arguments, its answer, an example."""
    with session(ctx).service() as service:
        found = service.tool(tool)
    if session(ctx).as_json:
        json_out(found)
        return
    title = Text(found["name"], style="bold") + Text(f"  {found['effect']}", style=state(found["effect"]).style or "")
    console().print(title if found.get("enabled", True) else title + Text("  switched off", style="red"))
    if found.get("description"):
        say(found["description"])
    for heading, key in (("takes", "input_schema"), ("answers", "output_schema")):
        _schema(heading, found.get(key) or {})
    for example in found.get("examples") or ():
        words = " ".join(f"{name}={value}" for name, value in (example.get("arguments") or {}).items())
        say(f"\ndrawbar call {found['name']} {words}", style="dim")


def _schema(heading: str, schema: Mapping[str, Any]) -> None:
    say(f"\n{heading}", style="dim")
    rows = list(_fields(schema, "", schema, 0))
    if rows:
        table(("name", "type", "", "description"), rows, wrap="description")
    else:
        say(_kind(schema) or "anything")


def _fields(schema: Mapping[str, Any], prefix: str, root: Mapping[str, Any], depth: int) -> Any:
    schema = _resolved(schema, root)
    required = set(schema.get("required") or ())
    for name, field in (schema.get("properties") or {}).items():
        inner = _resolved(field, root)
        needed = Text("required" if name in required else "", style="dim")
        yield f"{prefix}{name}", _kind(inner), needed, one_line(inner.get("description"), 160)
        items = _resolved(inner.get("items") or {}, root)
        if depth < 3:
            deeper, mark = (items, "[]") if inner.get("type") == "array" else (inner, "")
            yield from _fields(deeper, f"{prefix}{name}{mark}.", root, depth + 1)


def _resolved(schema: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref") if isinstance(schema, Mapping) else None
    if isinstance(reference, str):
        schema = (root.get("$defs") or {}).get(reference.rpartition("/")[2]) or {}
    return schema if isinstance(schema, Mapping) else {}


def _kind(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return one_line(" | ".join(map(str, schema["enum"])), 40)
    said = schema.get("type")
    word = " | ".join(said) if isinstance(said, list) else str(said or "")
    if not word and (some := schema.get("anyOf") or schema.get("oneOf")):
        return one_line(" | ".join(dict.fromkeys(_kind(one) for one in some if isinstance(one, Mapping))), 40)
    return str(schema.get("format") or word)


def call(
    ctx: typer.Context,
    tool: Annotated[str, typer.Argument(metavar="TOOL")],
    words: Annotated[list[str] | None, typer.Argument(metavar="[NAME=VALUE]...", show_default=False)] = None,
    given: Annotated[
        str | None, typer.Option("--input", help="The arguments as JSON, or @file, or @- for standard input.", show_default=False)
    ] = None,
    preview: Annotated[bool, typer.Option("--preview", help="Show exactly what would be sent; send nothing.")] = False,
    numbers: Annotated[
        Literal["text", "exact"], typer.Option("--numbers", help="exact: decimals and long integers as JSON numbers.")
    ] = "text",
    key: Annotated[
        str | None, typer.Option("--key", help="Idempotency key: the same key gives the first answer.", show_default=False)
    ] = None,
    code: Annotated[
        str | None, typer.Option("--code", help="The one-use code of a preview of these arguments.", show_default=False)
    ] = None,
) -> None:  # fmt: skip
    """Call a tool through the guard."""
    with session(ctx).service() as service:
        arguments = _arguments(service, tool, words or [], given)
        if preview and code is not None:
            raise InputError("a preview gives a code and takes none", next="leave out --preview, or --code")
        if preview:
            _preview(service.preview(tool, arguments), as_json=session(ctx).as_json)
            return
        answer = service.call(tool, arguments, key=key, code=code)
    exact = numbers == "exact"
    if session(ctx).as_json:
        json_out(answer, exact=exact)
    elif answer.get("status") != "waiting":
        _result(answer["result"], exact=exact)
    if answer.get("status") == "waiting":
        say(f"waits for an approval: {answer['id']}", style="yellow", stderr=True)
        say(f"  another person: drawbar approve {answer['id']}", style="dim", stderr=True)
        raise typer.Exit(PERSON)


def _arguments(service: Service, tool: str, words: list[str], given: str | None) -> dict[str, Any]:
    whole = mapping_input(given, what="--input") or {}
    if not words:
        return whole
    twice = {word.partition("=")[0].partition(".")[0] for word in words} & whole.keys()
    if twice:
        raise InputError(f"{min(twice)} is given twice, as NAME=VALUE and in --input")
    return {**whole, **typed(words, service.tool(tool)["input_schema"])}


def _preview(shown: Json, *, as_json: bool) -> None:
    if as_json:
        json_out(shown)
        return
    would = shown["would"]
    if isinstance(would, str):
        say(would)
    elif isinstance(would, dict):
        facts({name: value for name, value in would.items() if not isinstance(value, str) or "\n" not in value})
        for name, value in would.items():
            if isinstance(value, str) and "\n" in value:
                say(f"{name}:", style="dim")
                say(value)
    else:
        json_out(would)
    say("nothing was sent", style="dim")
    say(f"code {shown['code']}  once, until {when(shown['expires_at'])}: drawbar call ... --code", style="dim")
    if shown["needs_approval"]:
        say("another person must agree", style="dim")


def _result(result: Any, *, exact: bool) -> None:
    rows = result.get("rows") if isinstance(result, dict) else None
    flat = isinstance(rows, list) and rows and all(_is_flat(row) for row in rows)
    if exact or not flat:
        json_out(result, exact=exact)
        return
    assert isinstance(result, dict)
    assert rows
    names = list(dict.fromkeys(name for row in rows for name in row))
    from ..core.values import to_json

    table(names, ([to_json(row.get(name)) for name in names] for row in rows))
    more = result.get("next")
    say(f"{len(rows):,} row{'s' if len(rows) != 1 else ''}" + (f"; more after={more}" if more else ""), style="dim")


def _is_flat(row: Any) -> bool:
    return isinstance(row, dict) and not any(isinstance(value, (dict, list)) for value in row.values())


def export(
    ctx: typer.Context,
    form: Annotated[Literal["mcp", "openai", "anthropic", "openapi"], typer.Option("--format", help="For which kind of model or client.")] = "mcp",
    agent: Annotated[str | None, typer.Option("--agent", help="Only what this agent may call.", show_default=False)] = None,
) -> None:  # fmt: skip
    """Write the tools for other agents, as JSON."""
    with session(ctx).service() as service:
        json_out(service.export(form, agent))
        _tell(service.silent())


def _tell(silent: Mapping[str, str]) -> None:
    """Name the systems whose tools are missing, apart from what is read by programs."""
    for name, reason in sorted(silent.items()):
        say(f"{name} cannot say what it offers: {one_line(reason, 160)}", style="yellow", stderr=True)
