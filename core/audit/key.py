"""The key that the audit signs with: of the `state_key`, or else a random one in a file beside the state."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import structlog

from ..masking import Vault
from ..store.backup import free_name
from .chain import Signer, derived

log = structlog.get_logger("drawbar.audit")


def key_file(state: Path | None, base: Path) -> Path:
    """Say where the key is kept where there is no `state_key`: beside an embedded state, else beside the configuration."""
    return state.with_name(f"{state.name}.audit-key") if state is not None else base / "drawbar.audit-key"


def signer_of(vault: Vault, file: Path) -> Signer:
    """Give the signer; without a `state_key` that of the file, which is made with mode 0600 where there is none."""
    found = derived(vault.digest)
    if found is not None:
        return found
    try:
        return Signer(_made(file))
    except OSError as error:  # a call is not refused for it; what is signed so is of a key that nobody knows later
        log.warning("audit.key_unkept", file=str(file), error=error.strerror)
        return Signer(secrets.token_bytes(32))


def known(vault: Vault, file: Path) -> Signer | None:
    """Give the signer where there is one, and make none."""
    found = derived(vault.digest)
    return found if found is not None or not file.exists() else Signer(_read(file))


def back_up(file: Path, backup: Path) -> Path | None:
    """Put the key beside a backup of the state that it signs, and give where; None where there is no such file."""
    if not file.exists():
        return None
    beside = _beside(backup)
    _write(beside, file.read_bytes())
    return beside


def restore(file: Path, backup: Path) -> Path | None:
    """
    Take the key from beside a backup, where there is one, and give where it is now.

    Another key that was there is kept beside it: what was signed since the backup was signed by that.
    """
    beside = _beside(backup)
    if not beside.is_file():
        return None
    kept = beside.read_bytes()
    if file.exists() and file.read_bytes() != kept:
        file.rename(free_name(file, "before-restore"))
    _write(file, kept)
    return file


def _beside(backup: Path) -> Path:
    return backup.with_name(f"{backup.name}.audit-key")


def _write(file: Path, key: bytes) -> None:
    draft = file.with_name(f"{file.name}.{os.getpid()}.part")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(key)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(file)


def _made(file: Path) -> bytes:
    if not file.exists():
        own = file.with_name(f"{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(secrets.token_hex(32))
            out.flush()
            os.fsync(out.fileno())
        try:
            os.link(own, file)  # the first wins, whole
        except FileExistsError:
            pass
        finally:
            own.unlink(missing_ok=True)
    return _read(file)


def _read(file: Path) -> bytes:
    return file.read_text().strip().encode()
