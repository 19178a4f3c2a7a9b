"""Redis: a private instance without persistence, with a password."""

import subprocess
from typing import Self

from . import process


class Redis(process.Private):
    """One private server. A stop forgets what it held, as a Redis without a disk does."""

    password = "drawbar"

    def __init__(self) -> None:
        self._program = process.binary("redis-server")
        self._process: subprocess.Popen[bytes] | None = None
        self._next = 0
        self.port = process.free_port()
        self.home = process.folder("redis")
        self.log = self.home / "redis.log"

    @property
    def url(self) -> str:
        return self.database_url(0)

    def database_url(self, number: int) -> str:
        return f"redis://:{self.password}@{self.host}:{self.port}/{number}"

    def make_database(self) -> str:
        """Give the URL of a database that nobody has used; there are a thousand."""
        self._next += 1
        return self.database_url(self._next)

    def start(self) -> Self:
        options = {
            "bind": self.host,
            "port": self.port,
            "requirepass": self.password,
            "databases": 1000,
            "save": "",
            "appendonly": "no",
            "dir": self.home,
        }
        said = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        self._process = process.start([self._program, *said], self.log)
        process.wait_until(lambda: process.answers(self.port), self._process, self.log, 120)
        return self

    def stop(self) -> None:
        process.stop(self._process)
        self._process = None
