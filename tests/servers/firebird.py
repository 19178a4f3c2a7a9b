"""Firebird 3: a root folder and a server of its own."""

import itertools
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from . import process

USERNAME = "SYSDBA"
PASSWORD = "drawbar"
_PARTS = ("intl", "plugins", "plugins.conf", "firebird.msg", "lib", "UDF")


class Firebird(process.Private):
    """One private server; SYSDBA may do everything. `create_database` gives each test a file of its own."""

    username = USERNAME
    password = PASSWORD

    def __init__(self) -> None:
        self._server = process.binary("firebird")
        self._isql = process.binary("isql-fb")
        self._names = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self.port = process.free_port()
        self.home = process.folder("firebird")
        self.log = self.home / "server.log"

    @property
    def url(self) -> str:
        return self.database_url(self.home / "test.fdb")

    def database_url(self, path: Path) -> str:
        return f"firebird+firebird://{self.username}:{self.password}@{self.host}:{self.port}/{path}?charset=UTF8"

    def start(self) -> Self:
        if not (self.home / "firebird.conf").exists():
            self._make_root()
        self._process = process.start([self._server], self.log, cwd=self.home, env=self._environment())
        process.wait_until(lambda: process.answers(self.port), self._process, self.log, 120)
        if not (self.home / "test.fdb").exists():
            self._create(self.home / "test.fdb")
        return self

    def stop(self) -> None:
        """Cut every session and shut down; the data stay for the next start."""
        process.stop(self._process)
        self._process = None

    def create_database(self) -> str:
        """Make an empty database and answer its SQLAlchemy URL."""
        path = self.home / f"test{next(self._names)}.fdb"
        self._create(path)
        return self.database_url(path)

    def execute(self, statements: Iterable[str], url: str) -> None:
        """Run statements, each in a transaction of its own, in the database of a URL."""
        path = url.partition("?")[0].partition(f":{self.port}/")[2]
        script = "".join(f"{statement}\n^\ncommit\n^\n" for statement in statements)
        self._run(f"set term ^ ;\n{script}", "-password", self.password, f"{self.host}/{self.port}:{path}")

    def _create(self, path: Path) -> None:
        where = f"{self.host}/{self.port}:{path}"
        login = f"user '{self.username}' password '{self.password}'"
        self._run(f"create database '{where}' {login} page_size 8192 default character set UTF8;")

    def _make_root(self) -> None:
        """Copy what the server writes, link what it only reads, and make SYSDBA without a server."""
        installed = Path(process.binary("firebird.msg", "/usr/lib/*/firebird/3.*/firebird.msg")).parent
        for part in _PARTS:
            (self.home / part).symlink_to(installed / part)
        settings = {
            "RemoteServicePort": self.port,
            "RemoteBindAddress": self.host,
            "IpcName": f"drawbar{self.port}",
            "SecurityDatabase": self.home / "security3.fdb",
            "DefaultDbCachePages": 256,
        }
        (self.home / "databases.conf").write_text("")
        (self.home / "firebird.conf").write_text("".join(f"{name} = {value}\n" for name, value in settings.items()))
        security = Path("/var/lib/firebird/3.0/system/security3.fdb")
        if not os.access(security, os.R_OK):
            raise process.MissingServer(f"{security} cannot be read: tests/servers/install installs it, root reads it")
        shutil.copy(security, self.home / "security3.fdb")
        (self.home / "security3.fdb").chmod(0o600)
        make = f"create or alter user {self.username} password '{self.password}' using plugin Srp;\ncommit;"
        self._run(make, f"{self.home}/security3.fdb")

    def _run(self, script: str, *database: str) -> None:
        command = [self._isql, "-q", "-bail", "-user", self.username, *database]
        done = subprocess.run(
            command,
            input=script + "\n",
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode or "SQLSTATE" in done.stderr:
            raise RuntimeError(f"isql-fb failed: {done.stdout}{done.stderr}")

    def _environment(self) -> dict[str, str]:
        folder = str(self.home)
        return {**os.environ, "FIREBIRD": folder, "FIREBIRD_LOCK": folder, "FIREBIRD_TMP": folder, "HOME": folder}
