"""
Write what an earlier version left: `journal_v1.sqlite.sql`, `journal_v1.postgresql.sql` and so on beside this file.

`python tests/data/journals.py 1` takes that version out of git, lets it work in a temporary folder, and kills it.
"""

import os
import sqlite3
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

BY = {1: "583c79f", 2: "25865b6"}
"""The commit that is the last of a version."""
HERE = Path(__file__).parent
TESTS = HERE.parent


def main(version: int) -> None:
    sys.path.insert(0, str(TESTS))
    from servers.postgres import Postgres

    with TemporaryDirectory() as folder, Postgres() as server:
        package = Path(folder, "drawbar")
        packed = subprocess.run(
            ["git", "archive", BY[version]], cwd=TESTS.parent, check=True, capture_output=True, timeout=60
        ).stdout
        with tarfile.open(fileobj=BytesIO(packed)) as files:
            files.extractall(package, filter="data")
        work(version, folder, f"sqlite:///{folder}/state.db")
        with sqlite3.connect(f"{folder}/state.db") as conn:
            keep(version, "sqlite", "\n".join(conn.iterdump()))
        work(version, folder, url := server.create_database())
        dump = Path(server._server).with_name("pg_dump")
        said = [dump, "--inserts", "--no-owner", "--no-privileges", "--schema=public", url.replace("+psycopg", "")]
        keep(version, "postgresql", subprocess.run(said, check=True, capture_output=True, text=True, timeout=60).stdout)


def keep(version: int, kind: str, text: str) -> None:
    lines = [line for line in text.splitlines() if not line.startswith(("--", "\\")) and line]
    skipped = ("SET ", "SELECT pg_catalog.set_config", "CREATE SCHEMA", "COMMENT ON SCHEMA")
    kept = [line for line in lines if not line.startswith(skipped)]
    (HERE / f"journal_v{version}.{kind}.sql").write_text("\n".join(kept) + "\n")


def work(version: int, folder: str, url: str) -> None:
    """Let the release work until every run is where it shall be left, and kill it; then let it accept one more run."""
    paths = [folder, f"{folder}/drawbar/tests", str(TESTS)]
    for part in ("works", "accepts"):
        subprocess.run(
            [sys.executable, __file__, str(version), part, url],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            check=True,
            timeout=120,
        )


def left(version: int, part: str, url: str) -> None:
    """Do it, in a process that has the release as its package."""
    from leaving import FLOWS, LEFT, RULES, functions
    from scripted import ME, House
    from tenacity.wait import wait_fixed

    House.state, flows = url, FLOWS[version]
    house = House(Path(), functions([], badly=True), flows, rules=RULES, wait=wait_fixed(30), threads=30)
    if part == "accepts":
        house.engine.start("ready", {}, caller=ME)
        house.journal.close()
        return
    house.begin()
    started = {name: house.engine.start(name, {"k": "K"}, caller=ME).id for name in flows if name != "ready"}
    house.engine.pause(started["paused"], caller=ME)
    house.engine.start("keyed", {"k": "K"}, caller=ME)
    await_that(lambda: all(found(house, started[name]) == LEFT[version][name] for name in started))
    os._exit(0)  # as kill -9: nothing is given back


def found(house: object, run_id: str) -> dict[str, str]:
    with house.journal.read() as conn:  # type: ignore[attr-defined]  # of the release
        rows = conn.exec_driver_sql(
            f"select task, item, state from task_runs where run_id = '{run_id}' and state <> 'pending'"
        )
        return {task if item < 0 else f"{task}/{item}": state for task, item, state in rows}


def await_that(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not is_so():
        if time.monotonic() > until:
            raise TimeoutError
        time.sleep(0.05)


if __name__ == "__main__":
    main(int(sys.argv[1])) if len(sys.argv) == 2 else left(int(sys.argv[1]), *sys.argv[2:])
