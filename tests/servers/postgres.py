"""PostgreSQL: a cluster of its own, made by initdb as the user postgres (it refuses root)."""

import itertools
import os
import signal
import subprocess
from pathlib import Path
from typing import Any, Self

from . import process

INSTALLED = "/usr/lib/postgresql/*/bin"
USERNAME = "drawbar"
PASSWORD = "drawbar"
# A test kills processes, never the machine: without fsync nothing is lost and the tests are faster.
SETTINGS = ("listen_addresses=127.0.0.1", "fsync=off", "full_page_writes=off", "max_connections=200")


class Postgres(process.Private):
    """One private cluster with the superuser `drawbar`; `url` is the database `postgres`."""

    username = USERNAME
    password = PASSWORD

    def __init__(self) -> None:
        self._initdb = process.binary("initdb", f"{INSTALLED}/initdb")
        self._server = process.binary("postgres", f"{INSTALLED}/postgres")
        self._account = "postgres" if os.getuid() == 0 else None
        self._names = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self.port = process.free_port()
        self.home = process.folder("postgres", self._account)
        self.log = self.home / "postgres.log"

    @property
    def url(self) -> str:
        return self.database_url("postgres")

    def database_url(self, database: str) -> str:
        return f"postgresql+psycopg://{self.username}:{self.password}@{self.host}:{self.port}/{database}"

    def start(self) -> Self:
        data = self.home / "data"
        if not data.exists():
            self._make_cluster(data)
        settings = [part for setting in (*SETTINGS, f"port={self.port}") for part in ("-c", setting)]
        command: list[str | Path] = [self._server, "-D", data, "-k", self.home, *settings]
        self._process = process.start(command, self.log, user=self._account, die_by=signal.SIGINT, cwd="/")
        process.wait_until(self._ready, self._process, self.log, 120)
        return self

    def stop(self) -> None:
        """Cut every session and shut down; the data stay for the next start."""
        process.stop(self._process, signal.SIGINT)
        self._process = None

    def crash(self) -> None:
        """Kill it without a word, in the middle of whatever it does, and start it again."""
        process.stop(self._process, signal.SIGQUIT)
        self._process = None
        self.start()

    def create_database(self) -> str:
        """Make an empty database and answer its SQLAlchemy URL."""
        name = f"test{next(self._names)}"
        self.execute(f"create database {name}")
        return self.database_url(name)

    def execute(self, statement: str, database: str = "postgres") -> None:
        """Run one statement outside a transaction, as the superuser."""
        import psycopg

        login: dict[str, Any] = {"host": self.host, "port": self.port, "user": self.username, "password": self.password}
        with psycopg.connect(dbname=database, autocommit=True, connect_timeout=60, **login) as connection:
            connection.execute(statement)

    def _make_cluster(self, data: Path) -> None:
        secret = self.home / "password"
        secret.write_text(self.password)
        secret.chmod(0o644)
        command: list[str | Path] = [
            self._initdb,
            "-D",
            data,
            "-U",
            self.username,
            f"--pwfile={secret}",
            "--no-sync",
            "--no-instructions",
        ]
        access = ["--auth-local=trust", "--auth-host=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"]
        maker = process.start([*command, *access], self.log, user=self._account, cwd="/")
        if maker.wait(120):
            raise RuntimeError(f"initdb failed:\n{self.log.read_text()[-2000:]}")

    def _ready(self) -> bool:
        import psycopg

        try:
            self.execute("select 1")
        except psycopg.OperationalError:
            return False
        return True
