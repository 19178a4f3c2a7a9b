"""The tools of a feed: list, read, stat, write."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Any

from ...core.errors import InputError, Rejected
from ...core.masking import MASK
from ...core.tool import Call, Tool
from ..formats import Acknowledging, Format, IncompleteFile, Record, WrongFile, record_schema
from .acknowledging import acknowledge_tool
from .feed import Feed
from .found import Found
from .sink import deliver, named, would_deliver

_STATES = ["ready", "waiting", "held", "claimed", "failed", "done", "archived", "quarantined"]
_MOST_RECORDS = 5_000
_MOST_BYTES = 8_000_000
_MOST_SHOWN = 4096
_NAME = {"type": "string", "minLength": 1, "description": "Name of the file, as list shows it."}
_TIME = {"type": "string", "format": "date-time"}
_FILE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "size": {"type": "integer"},
        "modified": _TIME,
        "state": {"type": "string", "enum": _STATES},
        "attempts": {"type": "integer"},
        "reason": {"type": "string"},
    },
    "required": ["name", "size", "modified", "state"],
}


def tool_names(feed: str, kind: str) -> set[str]:
    answers = ("acknowledge",) if kind in {"x12", "edifact"} else ()
    return {f"{verb}_{feed}" for verb in ("list", "read", "stat", "write", *answers)}


def feed_tools(feed: Feed, *, secret: bool = False) -> Iterator[Tool]:
    """Make the tools of a feed; `secret` where some fields of what is written must not be shown."""
    about = feed.config.description.rstrip(".") or f"files {feed.config.pattern} of {feed.full_name}"
    yield _list_tool(feed, about)
    yield _read_tool(feed, about)
    yield _stat_tool(feed, about)
    yield _write_tool(feed, about, secret=secret)
    if isinstance(feed.format, Acknowledging):
        yield acknowledge_tool(feed, about)


def _list_tool(feed: Feed, about: str) -> Tool:
    def run(arguments: dict[str, Any], call: Call) -> dict[str, Any]:
        state, limit = arguments.get("state"), arguments.get("limit") or 1000
        with feed.drop.session(call.left_s()) as files:
            found = list(feed.aside(files)) if state in {"archived", "quarantined"} else feed.look(files)
        return {"files": [one.as_json() for one in found if state in {None, one.state}][:limit]}

    return Tool(
        f"list_{feed.name}",
        f"List: {about}. Without a state: what is in the inbox and what is being worked on, the oldest first.",
        "read",
        _object(
            {
                "state": {"type": "string", "enum": _STATES, "description": "Only files in this state."},
                "limit": {"type": "integer", "minimum": 1, "maximum": 10_000, "description": "At most so many."},
            }
        ),
        {"type": "object", "properties": {"files": {"type": "array", "items": _FILE}}, "required": ["files"]},
        run,
    )


def _stat_tool(feed: Feed, about: str) -> Tool:
    def run(arguments: dict[str, Any], call: Call) -> dict[str, Any]:
        with feed.drop.session(call.left_s()) as files:
            return feed.find(files, arguments["name"]).as_json()

    return Tool(
        f"stat_{feed.name}",
        f"Size, time and state of one file: {about}.",
        "read",
        _object({"name": _NAME}, "name"),
        _FILE,
        run,
    )


def _read_tool(feed: Feed, about: str) -> Tool:
    def run(arguments: dict[str, Any], call: Call) -> dict[str, Any]:
        limit, after = arguments.get("limit") or 100, arguments.get("after") or 0
        with feed.drop.session(call.left_s()) as files:
            found = feed.find(files, arguments["name"])
            with files.read(found.path) as stream:
                return _page(feed.format, stream, found, after=after, limit=limit)

    form = feed.format
    record = record_schema(form.columns())
    parts = {name: record_schema(columns) for name, columns in form.layouts().items() if name != "row"}
    rejects = {
        "type": "object",
        "properties": {
            "record": {"type": "integer"},
            "reason": {"type": "string"},
            "raw": {"type": "string", "contentEncoding": "base64"},
        },
        "required": ["record", "reason", "raw"],
    }
    return Tool(
        f"read_{feed.name}",
        f"Read records of one file without taking it: {about}. Give `next` back as `after` for those that follow.",
        "read",
        _object(
            {
                "name": _NAME,
                "limit": {
                    "type": "integer", "minimum": 1, "maximum": _MOST_RECORDS,
                    "description": "So many records of the file; 100 when absent.",
                },
                "after": {"type": "integer", "minimum": 0, "description": "Begin after this record number."},
            },
            "name",
        ),
        {
            "type": "object",
            "properties": {
                "records": {"type": "array", "items": record},
                "rejects": {"type": "array", "items": rejects},
                "next": {"type": ["integer", "null"]},
                **parts,
            },
            "required": ["records", "rejects", "next"],
        },
        run,
    )  # fmt: skip


def _page(form: Format, stream: Any, found: Found, *, after: int, limit: int) -> dict[str, Any]:
    records: list[dict[str, Any]] = []
    rejects: list[dict[str, Any]] = []
    parts: dict[str, Any] = {}
    last, size = after, 0
    try:
        for record in form.read(stream, start=after):
            if record.record_no > after + limit or size > _MOST_BYTES:
                return {"records": records, "rejects": rejects, "next": last, **parts}
            last, size = record.record_no, size + len(record.raw)
            if not isinstance(record, Record):
                rejects.append({"record": last, "reason": record.reason, "raw": record.raw})
            elif record.layout == "row":
                records.append(record.values)
            else:
                parts[record.layout] = record.values
    except IncompleteFile as error:
        rejects.append({"record": last + 1, "reason": f"the file is not complete: {error}", "raw": b""})
    except WrongFile as error:
        raise Rejected(f"{found.name}: {error}") from error
    return {"records": records, "rejects": rejects, "next": None, **parts}


def _write_tool(feed: Feed, about: str, *, secret: bool) -> Tool:
    form = feed.format
    layouts = form.layouts()

    def content(arguments: Mapping[str, Any]) -> io.BytesIO:
        stream = io.BytesIO()
        more = form.writing(stream)
        for part in ("header", "row", "trailer"):
            if part == "row":
                more(arguments["records"])
            elif (values := arguments.get(part)) is not None:
                try:
                    more([Record(0, part, values)])
                except InputError as error:
                    said = error.message.removeprefix("record 1: ")
                    raise InputError(f"{part}: {said}", field=part) from error
        more.finish()
        stream.seek(0)
        return stream

    def run(arguments: dict[str, Any], call: Call) -> dict[str, Any]:
        name, stream = named(feed, arguments["name"]), content(arguments)
        with feed.drop.session(call.left_s()) as files:
            return {**deliver(feed, files, name, stream), "records": len(arguments["records"])}

    def preview(arguments: dict[str, Any]) -> dict[str, Any]:
        name, stream = named(feed, arguments["name"]), content(arguments)
        with feed.drop.session() as files:
            would = would_deliver(feed, files, name, stream)
        if secret:
            return {"place": feed.drop.place(), **would, "sha256": MASK, "begins": MASK}
        return {"place": feed.drop.place(), **would, "begins": _readable(stream.getvalue()[:_MOST_SHOWN])}

    record = record_schema(form.columns(), accepts=True)
    parts = {
        name: {**record_schema(columns, accepts=True), "description": f"The {name} record."}
        for name, columns in layouts.items()
        if name in {"header", "trailer"} and "row" in layouts
    }
    return Tool(
        f"write_{feed.name}",
        f"Write one file, whole or not at all: {about}. The same content under the same name changes nothing; "
        "other content under a name that exists is refused.",
        "idempotent",
        _object(
            {
                "name": {**_NAME, "description": f"Name of the new file; it must fit {feed.config.pattern}"},
                "records": {"type": "array", "items": record, "description": "The rows, in order."},
                **parts,
            },
            "name",
            "records",
        ),
        {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "size": {"type": "integer"},
                "records": {"type": "integer"},
                "written": {"type": "boolean", "description": "False when exactly this file was there already."},
            },
            "required": ["name", "size", "records", "written"],
        },
        run,
        preview,
    )


def _readable(raw: bytes) -> str | bytes:
    """Give text as text: EBCDIC and packed numbers stay bytes."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return raw
    return text if text.replace("\r", "").replace("\n", "").replace("\t", "").isprintable() else raw


def _object(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }
