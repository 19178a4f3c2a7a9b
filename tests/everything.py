"""What the conformance suite of MCP asks a server to have, as tools of an adapter behind our own MCP; `python everything.py PORT`, or `stdio`."""

import base64
import json
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from drawbar.app import open_app
from drawbar.core import adapter
from drawbar.core.access import Caller
from drawbar.core.adapter import Adapter, AdapterConfig
from drawbar.core.errors import Rejected
from drawbar.core.tool import Call, Tool

PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
)
SOUND = b"RIFF$\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00@\x1f\x00\x00@\x1f\x00\x00\x01\x00\x08\x00data\x00\x00\x00\x00"
NOTHING = {"type": "object", "properties": {}, "additionalProperties": False}
DIALECT = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


def file(content_type: str) -> dict[str, Any]:
    return {"type": "string", "contentEncoding": "base64", "contentMediaType": content_type}


def several() -> dict[str, Any]:
    properties = {"picture": file("image/png"), "data": file("application/json")}
    return {"type": "object", "properties": {"said": {"type": "string"}, **properties}}


def refuse(arguments: dict[str, Any], call: Call) -> Any:
    raise Rejected("This tool intentionally returns an error for testing")


def slowly(arguments: dict[str, Any], call: Call) -> str:
    for done in (0, 50, 100):
        call.progress(done, 100, f"{done} of 100")
        time.sleep(0.05)
    return "done"


def note(arguments: dict[str, Any], call: Call) -> int:
    call.leaving()
    time.sleep(arguments.get("seconds", 0))
    with Path("notes").open("a") as notes:
        return notes.write(arguments["text"] + "\n")


def wait(arguments: dict[str, Any], call: Call) -> str:
    Path("waiting").touch()
    time.sleep(arguments["seconds"])
    return "waited"


class Everything(Adapter[AdapterConfig]):
    kind = "everything"
    Config = AdapterConfig

    def tools(self) -> Iterable[Tool]:
        if self.name == "json":
            yield Tool("schema_2020_12_tool", "Keep a schema as it is", "read", DIALECT, {}, lambda given, call: given)
            return
        if self.name == "line":
            seconds = {"seconds": {"type": "number"}}
            yield Tool("note", "Note", "write", {"properties": {"text": {"type": "string"}, **seconds}}, {}, note)
            yield Tool("wait", "Wait", "read", {"properties": seconds}, {}, wait)
            return
        data = json.dumps({"test": "data", "value": 123}).encode()
        answers: dict[str, tuple[dict[str, Any], Any]] = {
            "simple_text": ({"type": "string"}, "This is a simple text response for testing."),
            "image_content": (file("image/png"), PICTURE),
            "audio_content": (file("audio/wav"), SOUND),
            "embedded_resource": (file("text/plain"), b"This is an embedded resource content."),
            "multiple_content_types": (several(), {"said": "several", "picture": PICTURE, "data": data}),
        }
        for name, (schema, answer) in answers.items():
            yield Tool(name, f"Answer {name}", "read", NOTHING, schema, lambda given, call, a=answer: a)
        yield Tool("error_handling", "Fail", "read", NOTHING, {}, refuse)
        for name in ("tool_with_progress", "streaming_elicitation", "logging_tool"):
            yield Tool(name, "Take its time", "read", NOTHING, {"type": "string"}, slowly)


class Statics:
    """The resources that the suite reads."""

    def resources(self, caller: Caller) -> Sequence[dict[str, Any]]:
        return [{"uri": "test://static-text", "name": "text"}, {"uri": "test://static-binary", "name": "binary"}]

    def templates(self) -> Sequence[dict[str, Any]]:
        return [{"uriTemplate": "test://template/{id}/data", "name": "template"}]

    def read(self, uri: str, caller: Caller) -> dict[str, Any] | None:
        if uri == "test://static-text":
            return {"uri": uri, "mimeType": "text/plain", "text": "This is the content of the static text resource."}
        if uri == "test://static-binary":
            return {"uri": uri, "mimeType": "image/png", "blob": base64.b64encode(PICTURE).decode()}
        if uri.startswith("test://template/") and uri.endswith("/data"):
            return {"uri": uri, "mimeType": "application/json", "text": json.dumps({"id": uri.split("/")[3]})}
        return None


LANDSCAPE = """\
version: 1
adapters:
  test: { kind: everything }
  json: { kind: everything }
  line: { kind: everything, budget: { concurrency: 1 } }
agents:
  local: { tools: [line.note], scopes: [read, run, operate] }
"""


def main(to: str) -> None:
    from drawbar.facade.mcp import Mcp
    from drawbar.facade.stdio import serve_stdio

    adapter._BUILT_IN["everything"] = "everything:Everything"
    Path("drawbar.yaml").write_text(LANDSCAPE)
    with open_app("drawbar.yaml") as app:
        app.begin()
        if to == "stdio":
            serve_stdio(app, app.local(), sys.stdin.buffer, sys.stdout.buffer)
            return
        import uvicorn

        from drawbar.facade.front import web
        from drawbar.facade.gate import Gate
        from drawbar.facade.mcp.toolbox import Toolbox
        from drawbar.facade.threads import Threads

        toolbox = Toolbox(app)
        toolbox.shelves.append(Statics())
        service = Gate(Mcp(web(app), app, Threads(), toolbox))
        uvicorn.run(service, host="127.0.0.1", port=int(to), log_config=None)


if __name__ == "__main__":
    main(sys.argv[1])
