"""
A pin: a WSDL with all that it imports, kept in a folder, so that starting needs no network and nothing changes unseen.

`pin.json` names each document by the address that it was fetched from, with its file beside it and its hash; the bytes are
those that came.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ..core.errors import ConfigError

INDEX = "pin.json"
_NEXT = "drawbar pin NAME --accept pins what is live now"


class Pin:
    """The documents of a pin, by their addresses."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.location, self._files = _index(folder)

    def read(self, location: str) -> bytes:
        """Give a document; ConfigError where it is not in the pin, or no longer what was pinned."""
        entry = self._files.get(location)
        if entry is None:
            raise ConfigError(f"{location} is not in the pin {self.folder}", field="pin", next=_NEXT)
        name, digest = entry
        try:
            body = (self.folder / name).read_bytes()
        except OSError as error:
            said = f"{self.folder / name} of the pin cannot be read: {error.strerror}"
            raise ConfigError(said, field="pin", next=_NEXT) from error
        if hashlib.sha256(body).hexdigest() != digest:
            raise ConfigError(
                f"{self.folder / name} is not what was pinned",
                field="pin",
                next="take the file that was pinned from version control; corrections belong into overlay",
            )
        return body

    def bodies(self) -> dict[str, bytes]:
        return {location: self.read(location) for location in self._files}


def keep(folder: Path, location: str, bodies: Mapping[str, bytes]) -> None:
    """Write a pin, whole or not at all; one that is there is replaced."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        files: dict[str, dict[str, str]] = {}
        for number, (address, body) in enumerate(bodies.items()):
            name = f"{number:02}-{_file_name(address)}"
            (fresh / name).write_bytes(body)
            files[address] = {"file": name, "sha256": hashlib.sha256(body).hexdigest()}
        index = {"wsdl": location, "documents": files}
        (fresh / INDEX).write_text(json.dumps(index, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        fresh.chmod(0o755)
        if folder.exists():
            old = fresh.with_name(f"{fresh.name}.old")
            folder.rename(old)
            fresh.rename(folder)
            shutil.rmtree(old, ignore_errors=True)
        else:
            fresh.rename(folder)
    except OSError as error:
        shutil.rmtree(fresh, ignore_errors=True)
        raise ConfigError(f"the pin {folder} cannot be written: {error.strerror}", field="pin") from error


def _index(folder: Path) -> tuple[str, dict[str, tuple[str, str]]]:
    try:
        said = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        files = {str(at): (str(one["file"]), str(one["sha256"])) for at, one in said["documents"].items()}
        location = str(said["wsdl"])
    except OSError as error:
        said = f"nothing is pinned in {folder}: {error.strerror}"
        raise ConfigError(said, field="pin", next="drawbar pin NAME fetches the WSDL and keeps it there") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{folder / INDEX} is no index of a pin: {error}", field="pin", next=_NEXT) from error
    if any(Path(name).name != name for name, _ in files.values()):
        raise ConfigError(f"{folder / INDEX} names a file outside of its folder", field="pin")
    return location, files


def _file_name(address: str) -> str:
    last = re.split(r"[/\\]", address.rstrip("/"))[-1]
    return re.sub(r"[^A-Za-z0-9._-]+", "_", last)[-80:] or "document"
