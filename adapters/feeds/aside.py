"""Where files go when the work on them is over, and the reason that stands beside a wrong one."""

from __future__ import annotations

import io
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ...connectors.drop import Entry, Files
from ...connectors.local import LocalDrop
from ...core.errors import InputError, Rejected, Unavailable
from ...core.values import parse_json, write_json

REASON = ".reason.json"
_LONGEST_REASON = 100_000


def joined(*parts: str) -> str:
    return "/".join(part for part in parts if part)


def walked(files: Files, folder: str, depth: int, apart: Collection[str]) -> dict[str, Entry]:
    """List a folder and, down to a depth, the visible ones below it; `apart` are folders that are left out."""
    found: dict[str, Entry] = {}
    todo = [("", depth)]
    while todo:
        below, left = todo.pop()
        for entry in files.list(joined(folder, below)):
            name = joined(below, entry.name)
            found[name] = entry
            if entry.is_folder and left and not entry.name.startswith(".") and name not in apart:
                todo.append((name, left - 1))
    return found


def move_aside(files: Files, source: str, folder: str, name: str, sha256: str) -> str | None:
    """Move a file into a folder under a name that is free there and give it; None when the file is gone."""
    is_made = False
    last = f"{name}.{sha256[:8]}.{time.time_ns()}"
    todo = [last, f"{name}.{sha256[:8]}", name]
    while todo:
        free = todo.pop()
        try:
            return free if files.move(source, joined(folder, free)) else None
        except Rejected:
            if not is_made:  # most of the time the folder is there
                files.make_folder(joined(folder, name.rpartition("/")[0]))
                is_made = True
                todo.append(free)
            elif free == last:
                raise
    return None


def archive_here(folder: Path, copy: Path, name: str, sha256: str) -> None:
    """Keep a working copy in a folder of our own; the same content is kept once."""
    try:
        name = name.replace("/", "_")
        folder.mkdir(parents=True, exist_ok=True)
        for free in (name, f"{name}.{sha256[:16]}"):
            try:
                with copy.open("rb") as stream:
                    LocalDrop(folder).write(free, stream)
            except Rejected:
                continue
            return
    except OSError as error:
        raise Unavailable(f"the archive {folder}: {error.strerror}") from error


def move_marker(files: Files, marker: str, place: str | None) -> None:
    """Let a marker follow its file to a place, or remove it."""
    try:
        if place is not None:
            files.move(marker, place)
            return
    except Rejected:
        pass
    files.remove(marker)


def write_reason(files: Files, path: str, said: Mapping[str, Any]) -> None:
    files.remove(path + REASON)
    files.write(path + REASON, io.BytesIO(write_json(said, indent=True)))


def read_reason(files: Files, path: str) -> dict[str, Any]:
    """Give reason and attempts of a quarantined file; nothing where they cannot be read."""
    if files.stat(path + REASON) is None:
        return {}
    try:
        with files.read(path + REASON) as stream:
            said = parse_json(stream.read(_LONGEST_REASON))
    except InputError:
        return {}
    return {"reason": said.get("error"), "attempts": said.get("attempt")} if isinstance(said, dict) else {}
