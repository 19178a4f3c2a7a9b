"""A calculator on spyne, which holds every request against its schema; it runs in an environment of its own."""

import subprocess
import urllib.request
from pathlib import Path
from typing import Literal, Self

from . import process


class SoapSpyne(process.Private):
    def __init__(self, version: Literal["1.1", "1.2"] = "1.1") -> None:
        self._python = process.CACHE / "spyne" / "bin" / "python"
        if not self._python.exists():
            raise process.MissingServer("spyne is not installed: tests/servers/install installs it")
        self.version = version
        self._process: subprocess.Popen[bytes] | None = None
        self.port = process.free_port()
        self.home = process.folder("spyne")
        self.log = self.home / "spyne.log"
        self.wsdl_file = self.home / "calc.wsdl"

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/"

    @property
    def wsdl(self) -> str:
        return f"{self.url}?wsdl"

    def start(self) -> Self:
        command: list[str | Path] = [
            self._python,
            Path(__file__).parent / "spyne_calc.py",
            str(self.port),
            self.version,
        ]
        self._process = process.start(command, self.log)
        process.wait_until(lambda: process.answers(self.port), self._process, self.log, 120)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(self.wsdl, timeout=60) as answer:
            self.wsdl_file.write_bytes(answer.read())
        return self

    def stop(self) -> None:
        process.stop(self._process, timeout_s=5)
        self._process = None
