"""How often messages failed, by what identifies them; kept here, since classic queues count nothing."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from ...core.errors import Unavailable, raise_as

if TYPE_CHECKING:
    from ...connectors.amqp import Incoming

_KEPT = 10_000


class Attempts:
    """The counts of one queue, in one small file."""

    def __init__(self, folder: Path, queue: str) -> None:
        self._path = folder / f"{hashlib.sha256(queue.encode()).hexdigest()[:24]}.json"

    def failed(self, messages: Iterable[Incoming]) -> list[int]:
        """
        Count one more failure of each and give the counts.

        What the broker counts (x-delivery-count) says nothing of failures: each line that is lost, and each look at a
        queue, counts there for messages that nobody has worked on.
        """
        known = self._read()
        counts = []
        for message in messages:
            name = _name(message)
            known[name] = known.pop(name, 0) + 1
            counts.append(known[name])
        self._write(dict(list(known.items())[-_KEPT:]))
        return counts

    def forget(self, messages: Iterable[Incoming]) -> None:
        if not self._path.exists():
            return
        known = self._read()
        gone = {_name(message) for message in messages}
        if gone & known.keys():
            self._write({name: count for name, count in known.items() if name not in gone})

    def _read(self) -> dict[str, int]:
        try:
            found: dict[str, int] = orjson.loads(self._path.read_bytes())
        except (OSError, ValueError):  # it was never there, or a crash cut it: then counting begins anew
            return {}
        return found

    def _write(self, counts: dict[str, int]) -> None:
        with raise_as(Unavailable, OSError, doing=f"the attempts in {self._path}"):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._path.with_suffix(f".{os.getpid()}.tmp")
            temporary.write_bytes(orjson.dumps(counts))
            temporary.replace(self._path)


def _name(message: Incoming) -> str:
    """Name a message by its id, or by its content where it has none."""
    digest = hashlib.sha256(message.body).hexdigest()
    return f"{message.message_id}:{digest}" if message.message_id else digest
