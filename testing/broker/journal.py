"""What survives a restart: one line of JSON for each change of a durable queue, compacted at the start."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pika.spec import BasicProperties

from .host import Exchange, VirtualHost
from .queue import Entry, Message


class Journal:
    """
    Append to one file.

    A line is handed to the operating system at once, so that it outlives a killed process; `sync` also brings it to
    the disk, and no confirm leaves before that.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("ab", buffering=0)
        self._dirty = False

    def write(self, **line: Any) -> None:
        self._file.write(json.dumps(line).encode() + b"\n")
        self._dirty = True

    def exchange(self, name: str, kind: str, auto_delete: bool, arguments: Mapping[str, Any]) -> None:
        self.write(op="exchange", name=name, kind=kind, auto_delete=auto_delete, arguments=dict(arguments))

    def queue(self, name: str, auto_delete: bool, arguments: Mapping[str, Any]) -> None:
        self.write(op="queue", name=name, auto_delete=auto_delete, arguments=dict(arguments))

    def put(self, queue: str, entry: Entry) -> None:
        message = entry.message
        properties = base64.b64encode(b"".join(message.properties.encode())).decode()
        body = base64.b64encode(message.body).decode()
        route = {"exchange": message.exchange, "key": message.routing_key}
        self.write(op="put", queue=queue, position=entry.position, **route, properties=properties, body=body)

    def settled(self, queue: str, entry: Entry) -> None:
        self.write(op="settled", queue=queue, position=entry.position)

    def sync(self) -> None:
        if self._dirty:
            self._dirty = False
            os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()

    def restore(self, host: VirtualHost) -> None:
        """Replay the file into an empty host, and write it anew with what is still there."""
        waiting: dict[tuple[str, int], dict[str, Any]] = {}
        lines = self._lines()
        self._file.close()
        fresh = self._path.with_suffix(".compacting")
        self._file = fresh.open("wb", buffering=0)
        host.journal = self
        for line in lines:
            self._replay(host, waiting, line)
        for (name, _), line in sorted(waiting.items()):
            if name in host.queues:
                self.put(name, host.queues[name].put(_message(line), redelivered=True))
        self.sync()
        fresh.replace(self._path)

    def _lines(self) -> list[dict[str, Any]]:
        """Read what is whole; a last line that was cut by the kill was never confirmed."""
        text = self._path.read_bytes()
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith(b"\n")]

    def _replay(self, host: VirtualHost, waiting: dict[tuple[str, int], dict[str, Any]], line: dict[str, Any]) -> None:
        match line:
            case {"op": "exchange"}:
                name, kind = line["name"], line["kind"]
                host.declare_exchange(Exchange(name, kind, True, line["auto_delete"], line["arguments"]))
            case {"op": "no exchange"}:
                host.delete_exchange(line["name"])
            case {"op": "queue", "name": name}:
                arguments = line["arguments"]
                host.declare_queue(name, durable=True, auto_delete=line["auto_delete"], owner=None, arguments=arguments)
            case {"op": "no queue", "name": name}:
                for key in [key for key in waiting if key[0] == name]:
                    del waiting[key]
                if name in host.queues:
                    host.delete_queue(host.queues[name])
            case {"op": "bind" | "unbind" as op}:
                if line["queue"] in host.queues and line["exchange"] in host.exchanges:
                    getattr(host, op)(host.queues[line["queue"]], line["exchange"], line["key"])
            case {"op": "put"}:
                waiting[line["queue"], line["position"]] = line
            case {"op": "settled"}:
                waiting.pop((line["queue"], line["position"]), None)


def _message(line: dict[str, Any]) -> Message:
    properties = BasicProperties()
    properties.decode(base64.b64decode(line["properties"]))
    return Message(line["exchange"], line["key"], properties, base64.b64decode(line["body"]))
