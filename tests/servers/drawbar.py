"""Drawbar itself, served from a child process as a user serves it."""

import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests
from servers import warm
from servers.process import answers, folder, free_port, stop, wait_until


class Serving:
    """`drawbar serve` in a temporary folder; `config` is the text of its YAML, or nothing at all."""

    def __init__(
        self,
        config: str | None = None,
        *,
        port: int | None = None,
        host: str | None = None,
        at: Path | None = None,
        environ: Mapping[str, str] | None = None,
        more: Sequence[str] = (),
    ) -> None:
        self.folder = at or folder("serve")
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = self.folder / "serve.log"
        self._config = config
        self._more = more
        self._host = ["--host", host] if host else []
        self._environ = os.environ if environ is None else environ

    def __enter__(self) -> Self:
        if self._config is not None:
            (self.folder / "drawbar.yaml").write_text(self._config)
        words = ["serve", "--port", str(self.port), *self._host, *self._more]
        kept = {"DRAWBAR_STATE_KEY", "DRAWBAR_LOG"}
        environ = {
            name: value for name, value in self._environ.items() if name in kept or not name.startswith("DRAWBAR_")
        }
        with self.log.open("ab") as log:
            self.process = warm.start(words, stdout=log, stderr=log, cwd=self.folder, env=environ)
        wait_until(lambda: answers(self.port), self.process, self.log, 120)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stop(self.process)

    def end(self, by: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and give the exit code."""
        self.process.send_signal(by)
        return self.process.wait(60)

    def ask(self, method: str, path: str, **sent: Any) -> requests.Response:
        return requests.request(method, self.url + path, timeout=60, **sent)

    def workflow(self, **body: Any) -> str:
        """Make a workflow and give its id."""
        answer = self.ask("POST", "/workflows", json={"name": "made by a test", **body})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def memory_kb(self, what: str = "VmRSS") -> int:
        """Give the memory that it has now (VmRSS) or had at most (VmHWM)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in status if line.startswith(what))
