"""Messages that we answer for: taken by a call and not yet settled, or parked because nobody could work on them."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ...core.adapter import Taken
from ...core.errors import InputError, Rejected
from ...core.values import dump, load

if TYPE_CHECKING:
    from ...connectors.amqp import Incoming

KEPT_S = 7 * 24 * 3600


class Claims:
    """
    One row of the journal a message (a file where there is none), kept before the broker forgets it.

    A settled claim is remembered for a week, so that settling it again says the same. What the first release left in files is
    settled from there.
    """

    def __init__(self, folder: Path, adapter: str = "", taken: Taken | None = None) -> None:
        self._folder = folder
        self._adapter = adapter
        self._taken = taken

    def keep(self, message: Incoming, **more: Any) -> str:
        claim = uuid4().hex
        fields = {name: getattr(message, name) for name in ("exchange", "routing_key", "body")}
        kept = {**fields, "properties": dict(message.properties), "kept_at": time.time(), **more}
        if self._taken is not None:
            self._taken.keep(self._adapter, claim, dump(kept))
        else:
            self._write(claim, kept)
        return claim

    def open(self, claim: str, outcome: str) -> Mapping[str, Any] | None:
        """Read a claim that is to be settled; None when that was done already in the same way."""
        self._path(claim, ".json")
        found = self._taken.find(self._adapter, claim) if self._taken is not None else None
        body, before = found or (None, None)
        kept = load(body) if body is not None else self._read(claim, ".json")
        if kept is not None:
            return dict(kept)
        if before is None:
            before = (self._read(claim, ".settled") or {}).get("outcome")
        if before is None:
            raise InputError(f"there is no claim {claim!r}", reason="not_found", field="claim")
        if before != outcome:
            raise Rejected(f"the claim was settled as {before!r} before")
        return None

    def settled(self, claim: str, outcome: str) -> None:
        if self._taken is not None and not self._path(claim, ".json").is_file():
            self._taken.settle(self._adapter, claim, outcome)
            return
        self._write(claim, {"outcome": outcome}, suffix=".settled")
        self._path(claim, ".json").unlink(missing_ok=True)
        for old in self._folder.glob("*.settled"):
            if old.stat().st_mtime < time.time() - KEPT_S:
                old.unlink(missing_ok=True)

    def _path(self, claim: str, suffix: str) -> Path:
        if not re.fullmatch(r"[0-9a-f]{32}", claim):
            raise InputError(f"there is no claim {claim!r}", reason="not_found", field="claim")
        return self._folder / f"{claim}{suffix}"

    def _read(self, claim: str, suffix: str) -> Mapping[str, Any] | None:
        path = self._path(claim, suffix)
        kept: Mapping[str, Any] | None = load(path.read_bytes()) if path.is_file() else None
        return kept

    def _write(self, claim: str, body: Mapping[str, Any], suffix: str = ".json") -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(claim, suffix)
        fresh = path.with_suffix(".fresh")
        with fresh.open("wb") as file:
            file.write(dump(body).encode())
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
