"""A system that does nothing, as an author brings one: by an entry point."""

from collections.abc import Iterator
from pathlib import Path

from drawbar.core.adapter import Adapter, AdapterConfig
from drawbar.core.tool import Tool

_INPUT = {
    "type": "object",
    "properties": {"id": {"type": "integer"}, "customer": {"type": "string"}},
    "required": ["id", "customer"],
    "additionalProperties": False,
}


class Noop(Adapter[AdapterConfig]):
    kind = "idle"
    Config = AdapterConfig

    def tools(self) -> Iterator[Tool]:
        output = {key: value for key, value in _INPUT.items() if key != "additionalProperties"}
        yield Tool("echo", "Nothing.", "read", _INPUT, output, lambda arguments, call: arguments)


def brought(folder: Path) -> None:
    """Write what makes it known to every Python that has the folder on its path."""
    place = folder / "idle-1.dist-info"
    place.mkdir()
    (place / "METADATA").write_text("Metadata-Version: 2.1\nName: idle\nVersion: 1\n")
    (place / "entry_points.txt").write_text("[drawbar.adapters]\nidle = _noop:Noop\n")
