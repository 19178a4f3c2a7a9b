"""The tool of an EDI feed that makes the acknowledgement of a file."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ...core.errors import InputError, Rejected
from ...core.tool import Call, Tool
from ..formats import Acknowledging, IncompleteFile, WrongFile
from .feed import Feed


def acknowledge_tool(feed: Feed, about: str) -> Tool:
    """Make `acknowledge_<feed>`: it reads, and whoever called writes the answer where it belongs."""

    def run(arguments: dict[str, Any], call: Call) -> dict[str, Any]:
        form = feed.format
        assert isinstance(form, Acknowledging)
        moment = datetime.fromisoformat(arguments["at"]) if arguments.get("at") else datetime.now(UTC)
        with feed.drop.session(call.left_s()) as files:
            found = feed.find(files, arguments["name"])
            try:
                with files.read(found.path) as stream:
                    records = form.acknowledge(
                        stream, control=arguments["control"], moment=moment, kind=arguments.get("kind")
                    )
            except IncompleteFile as error:
                raise InputError(f"{found.name} is not complete: {error}", field="name") from error
            except WrongFile as error:
                raise Rejected(f"{found.name}: {error}") from error
        return {"records": records}

    kinds = ["999", "997"] if feed.config.format.kind == "x12" else ["CONTRL"]
    return Tool(
        f"acknowledge_{feed.name}",
        f"Make the functional acknowledgement ({' or '.join(kinds)}) of one file, as records for the write_ tool of the "
        f"feed that goes back: {about}. Nothing is sent.",
        "read",
        {
            "type": "object",
            "properties": {
                "name": {"type": "string", "minLength": 1, "description": "Name of the file, as list shows it."},
                "control": {
                    "type": "string", "pattern": "^[A-Za-z0-9]{1,14}$",
                    "description": "Control number of the interchange that goes back.",
                },
                "kind": {"type": "string", "enum": kinds, "description": f"{kinds[0]} when absent."},
                "at": {
                    "type": "string", "format": "date-time",
                    "description": "Date and time in the answer; now when absent, which makes each answer another one.",
                },
            },
            "required": ["name", "control"],
            "additionalProperties": False,
        },
        {
            "type": "object",
            "properties": {"records": {"type": "array", "items": {"type": "object"}}},
            "required": ["records"],
        },
        run,
    )  # fmt: skip
