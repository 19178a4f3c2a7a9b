"""MariaDB: a data folder and a server of its own."""

import itertools
import os
import signal
import subprocess
from pathlib import Path
from typing import Any, Self

from . import process

USERNAME = "drawbar"
PASSWORD = "drawbar"
# A test kills processes, never the machine: without flushing nothing is lost and the tests are faster.
SETTINGS = ("--bind-address=127.0.0.1", "--skip-name-resolve", "--innodb-flush-log-at-trx-commit=2", "--skip-log-bin")


class MariaDB(process.Private):
    """One private server; the user `drawbar` may do everything. `url` names the database `test`."""

    username = USERNAME
    password = PASSWORD

    def __init__(self) -> None:
        self._installer = process.binary("mariadb-install-db")
        self._server = process.binary("mariadbd")
        self._account = "mysql" if os.getuid() == 0 else None
        self._names = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self.port = process.free_port()
        self.home = process.folder("mariadb", self._account)
        self.log = self.home / "mariadb.log"

    @property
    def url(self) -> str:
        return self.database_url("test")

    def database_url(self, database: str) -> str:
        login = f"{self.username}:{self.password}@{self.host}:{self.port}"
        return f"mysql+pymysql://{login}/{database}?charset=utf8mb4"

    def start(self) -> Self:
        data = self.home / "data"
        if not data.exists():
            self._make_data(data)
        # a server that starts removes the temporary tables in its tmpdir, those of another server too
        places = [
            f"--datadir={data}",
            f"--socket={self.home}/socket",
            f"--pid-file={self.home}/pid",
            f"--tmpdir={self.home}",
        ]
        command = [self._server, "--no-defaults", *places, f"--port={self.port}", f"--init-file={self.home}/init.sql"]
        self._process = process.start([*command, *SETTINGS], self.log, user=self._account, cwd=self.home)
        process.wait_until(self._ready, self._process, self.log, 120)
        return self

    def stop(self) -> None:
        """Cut every session and shut down; the data stay for the next start."""
        process.stop(self._process)
        self._process = None

    def close(self) -> None:
        """Kill it first: nobody needs what it would write before it ends."""
        process.stop(self._process, signal.SIGKILL)
        super().close()

    def create_database(self) -> str:
        """Make an empty database and answer its SQLAlchemy URL."""
        name = f"test{next(self._names)}"
        self.execute(f"create database {name} character set utf8mb4")
        return self.database_url(name)

    def execute(self, statement: str, database: str | None = None) -> None:
        """Run one statement as the user that may do everything."""
        import pymysql

        login: dict[str, Any] = {"host": self.host, "port": self.port, "user": self.username, "password": self.password}
        with (
            pymysql.connect(database=database, autocommit=True, connect_timeout=60, **login) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)

    def _make_data(self, data: Path) -> None:
        user = [f"--user={self._account}"] if self._account else []
        places = [f"--datadir={data}", f"--tmpdir={self.home}"]
        options = ["--no-defaults", *user, *places, "--auth-root-authentication-method=normal"]
        maker = process.start([self._installer, *options], self.log, cwd=self.home)
        if maker.wait(120):
            raise RuntimeError(f"mariadb-install-db failed:\n{self.log.read_text()[-2000:]}")
        account = f"{USERNAME}@'127.0.0.1' identified by '{PASSWORD}'"
        statements = ("create database if not exists test", f"grant all on *.* to {account} with grant option")
        (self.home / "init.sql").write_text("".join(f"{statement};\n" for statement in statements))

    def _ready(self) -> bool:
        import pymysql

        try:
            self.execute("select 1")
        except pymysql.OperationalError:
            return False
        return True
