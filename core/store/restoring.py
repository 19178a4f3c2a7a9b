"""
A backup of the whole state in one file, and a state made from one.

An embedded state is copied by SQLite's own means while others work on it; one on PostgreSQL by PostgreSQL's own programs. A
state that was restored says so from its first moment on: what was done after the backup is not in it, so who works on it
parks every write of the runs that it holds (`core/restored.py`), and no tick of the clock is made up for.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import URL, make_url, select

from ..errors import ConfigError, InputError, Unavailable
from . import backup, workers
from .journal import Connection, Journal, file_of
from .tables import meta

_MARK = "restored_at"
_ALIVE_S = 20.0
_PROGRAM_S = 3600.0
_MAGIC = (b"SQLite format 3\0", b"PGDMP")


def restored_at(conn: Connection) -> float | None:
    """Tell when this state was made from a backup, in epoch seconds; None when it never was."""
    found = conn.execute(select(meta.c.value).where(meta.c.name == _MARK)).scalar()
    return None if found is None else float(found)


def back_up(url: str, target: Path) -> None:
    """Write the state to a file that is not there yet. Raises InputError, ConfigError or Unavailable."""
    if target.exists():
        raise InputError(f"there is already a {target}", reason="conflict", next="name another file")
    path = file_of(url)
    if path is None:
        part = Path(f"{target}.part")
        _program("pg_dump", url, ["--format=custom", "--no-owner", "--no-privileges", f"--file={part}"])
        part.chmod(0o600)
        part.rename(target)
        return
    if not path.exists():
        raise InputError(f"there is no state at {path}", reason="not_found")
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as source:
            backup.copy_to(source, target)
    except (sqlite3.Error, OSError) as error:
        raise ConfigError(
            f"{path} could not be copied to {target}: {error}", next="make room, or name another"
        ) from error


def restore(url: str, source: Path) -> Path | None:
    """
    Make the state from a backup, and give where the one before was put; None where there was none, or on PostgreSQL.

    Nobody may work on it. Raises InputError, ConfigError or Unavailable, and then the state is as it was.
    """
    if not source.is_file():
        raise InputError(f"there is no backup at {source}", reason="not_found")
    path = file_of(url)
    kind = "a PostgreSQL" if path is None else "an SQLite"
    with source.open("rb") as file:
        if not file.read(16).startswith(_MAGIC[path is None]):
            raise InputError(f"{source} is no backup of {kind} state", next="name a file of drawbar state backup")
    if path is None:
        _require_idle(url)
        _from_dump(url, source)
        return None
    if path.exists():
        _require_idle(url)
    return _from_file(path, source)


def _require_idle(url: str) -> None:
    with closing(Journal.open(url)) as journal, journal.read() as conn:
        alive = workers.alive(conn, since=journal.now() - _ALIVE_S)
    if alive:
        said = ", ".join(f"{one['host']} pid {one['pid']}" for one in alive[:5])
        raise InputError(
            f"the state is worked on: {said}",
            reason="conflict",
            next=f"stop serve and every worker; who was killed is forgotten after {_ALIVE_S:.0f} s",
        )


def _mark(now: float) -> Sequence[str]:
    return (
        f"DELETE FROM meta WHERE name = '{_MARK}'",
        f"INSERT INTO meta (name, value) VALUES ('{_MARK}', '{now!r}')",
        "DELETE FROM schedules",  # they begin anew: what was due since may have been fired
        "DELETE FROM workers",
    )


def _from_file(path: Path, source: Path) -> Path | None:
    before = backup.free_name(path, "before-restore") if path.exists() else None
    try:
        with closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as copied:
            copied.execute("SELECT value FROM meta WHERE name = 'version'").fetchone()
            if before is not None:
                with closing(sqlite3.connect(path)) as old:
                    backup.copy_to(old, before)
            for beside in ("-wal", "-shm"):
                Path(f"{path}{beside}").unlink(missing_ok=True)
            backup.copy_to(copied, path, then=_mark(time.time()))
    except (sqlite3.Error, OSError) as error:
        where = f"what was there is in {before}" if before is not None and before.exists() else "nothing was changed"
        raise ConfigError(f"{source} could not be restored to {path}: {error}", next=where) from error
    return before


def _from_dump(url: str, source: Path) -> None:
    """Restore and mark in one transaction."""
    with TemporaryDirectory() as folder:
        script = Path(folder, "restore.sql")
        _program("pg_restore", None, ["--clean", "--if-exists", "--no-owner", f"--file={script}", str(source)])
        with script.open("a") as more:
            # who watches a dump's search_path: it is empty while it is restored
            more.write("".join(f"{one};\n" for one in ("RESET search_path", *_mark(time.time()))))
        _program(
            "psql", url, ["--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1", f"--file={script}"]
        )


def _program(name: str, url: str | None, arguments: Sequence[str]) -> None:
    """Run one of PostgreSQL's programs; the password is not among its arguments."""
    found = shutil.which(name)
    if found is None:
        raise ConfigError(
            f"{name} is not installed", next="install PostgreSQL's client programs, of the server's version"
        )
    where, environ = ([], {}) if url is None else _reached(make_url(url))
    done = subprocess.run(
        [found, *arguments, *where],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=_PROGRAM_S,
        check=False,
    )
    if done.returncode:
        raise Unavailable(f"{name}: {done.stderr.strip()[-1000:] or f'exit code {done.returncode}'}")


def _reached(url: URL) -> tuple[list[str], dict[str, str]]:
    said = {"host": url.host, "port": url.port, "username": url.username, "dbname": url.database}
    environ = {} if url.password is None else {"PGPASSWORD": str(url.password)}
    return [f"--{name}={value}" for name, value in said.items() if value is not None], environ
