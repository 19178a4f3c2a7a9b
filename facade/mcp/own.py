"""The tools of MCP that are Drawbar's own: to find, to preview, to read on, to ask what became of a call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...core.agents_model import Tool
from ...core.agents_tools import WRITES
from ...core.shown import CODE, Json

INSTRUCTIONS = (
    "Tools of systems that cannot be replaced. Effects: a read changes nothing; an idempotent call may be repeated; a write "
    "happens once and may not be taken back. An error says in `happened` whether anything was done: after `unknown` do not call "
    "again. `waiting` means that another person must approve: ask drawbar_status with the id. A result with `truncated` goes on "
    "with drawbar_more. Decimals and wide integers are strings."
)


def _own(name: str, description: str, properties: Mapping[str, Any], required: Sequence[str], **hints: bool) -> Json:
    schema = {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}
    annotations = {"readOnlyHint": True, "openWorldHint": False, **hints}
    return {"name": name, "description": description, "inputSchema": schema, "annotations": annotations}


_STRING = {"type": "string"}
_TOOL_NAME = {"type": "string", "description": "The tool's name, as drawbar_search gives it."}
_ARGUMENTS = {"type": "object", "description": "Its arguments, by its input schema."}
_CODE = {"type": "string", "description": "The code of drawbar_preview with the same arguments, where it is needed."}
OWN: list[Json] = [
    _own(
        "drawbar_status",
        "Ask what became of a call that answered waiting. Changes nothing.",
        {"id": {"type": "string", "description": "The id that the call answered."}},
        ["id"],
    ),
    _own(
        "drawbar_more",
        "Read on in a result that was truncated. Changes nothing.",
        {"next": {"type": "string", "description": "The `next` of that result."}},
        ["next"],
    ),
    _own(
        "drawbar_preview",
        "Show exactly what a call would send, and get a one-use code for it, good for ten minutes. Changes nothing.",
        {"name": _TOOL_NAME, "arguments": _ARGUMENTS},
        ["name"],
    ),
]
FINDERS: list[Json] = [
    _own(
        "drawbar_search",
        "Find tools by words of their names and descriptions; 30 at most. Changes nothing.",
        {"q": _STRING, "adapter": _STRING, "effect": {"enum": ["read", "idempotent", "write"]}},
        ["q"],
    ),
    _own(
        "drawbar_describe", "Read a tool's schemas and what it does. Changes nothing.", {"name": _TOOL_NAME}, ["name"]
    ),
    _own(
        "drawbar_call",
        "Call a tool by its name. What follows is what that tool's description says.",
        {"name": _TOOL_NAME, "arguments": _ARGUMENTS, CODE: _CODE},
        ["name"],
        readOnlyHint=False,
        openWorldHint=True,
    ),
]


def shared(tool: Tool) -> Json:
    """Write a tool for shared documents as `tools/list` does."""
    reads = tool.name != WRITES
    annotations = {"readOnlyHint": reads, "destructiveHint": not reads, "openWorldHint": False}
    return {
        "name": tool.name,
        "description": tool.description,
        "inputSchema": tool.parameters,
        "annotations": annotations,
    }
