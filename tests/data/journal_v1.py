"""
Write what the first release left: `journal_v1.sqlite.sql` and `journal_v1.postgresql.sql` beside this file.

`python tests/data/journal_v1.py` takes that release out of git, lets it work in a temporary folder, and kills it.
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

RELEASE = "583c79f"
HERE = Path(__file__).parent
TESTS = HERE.parent


def main() -> None:
    sys.path.insert(0, str(TESTS))
    from servers.postgres import Postgres

    with TemporaryDirectory() as folder, Postgres() as server:
        package = Path(folder, "drawbar")
        packed = subprocess.run(
            ["git", "archive", RELEASE], cwd=TESTS.parent, check=True, capture_output=True, timeout=60
        ).stdout
        with tarfile.open(fileobj=BytesIO(packed)) as files:
            files.extractall(package, filter="data")
        work(folder, f"sqlite:///{folder}/state.db")
        with sqlite3.connect(f"{folder}/state.db") as conn:
            keep("sqlite", "\n".join(conn.iterdump()))
        work(folder, url := server.create_database())
        dump = Path(server._server).with_name("pg_dump")
        said = [dump, "--inserts", "--no-owner", "--no-privileges", "--schema=public", url.replace("+psycopg", "")]
        keep("postgresql", subprocess.run(said, check=True, capture_output=True, text=True, timeout=60).stdout)


def keep(kind: str, text: str) -> None:
    lines = [line for line in text.splitlines() if not line.startswith(("--", "\\")) and line]
    skipped = ("SET ", "SELECT pg_catalog.set_config", "CREATE SCHEMA", "COMMENT ON SCHEMA")
    kept = [line for line in lines if not line.startswith(skipped)]
    (HERE / f"journal_v1.{kind}.sql").write_text("\n".join(kept) + "\n")


def work(folder: str, url: str) -> None:
    """Let the release work until every run is where it shall be left, and kill it; then let it accept one more run."""
    paths = [folder, f"{folder}/drawbar/tests", str(TESTS)]
    for part in ("works", "accepts"):
        subprocess.run(
            [sys.executable, __file__, part, url],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            check=True,
            timeout=120,
        )


def left(url: str, part: str) -> None:
    """Do it, in a process that has the release as its package."""
    from scripted import ME, House
    from tenacity.wait import wait_fixed
    from upgrading import FLOWS, LEFT, RULES, functions

    House.state = url
    house = House(Path(), functions([], badly=True), FLOWS, rules=RULES, wait=wait_fixed(30), threads=30)
    if part == "accepts":
        house.engine.start("ready", {}, caller=ME)
        house.journal.close()
        return
    house.begin()
    started = {name: house.engine.start(name, {"k": "K"}, caller=ME).id for name in FLOWS if name != "ready"}
    house.engine.pause(started["paused"], caller=ME)
    house.engine.start("keyed", {"k": "K"}, caller=ME)
    await_that(lambda: all(found(house, started[name]) == LEFT[name] for name in started))
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
    main() if len(sys.argv) == 1 else left(sys.argv[2], sys.argv[1])
