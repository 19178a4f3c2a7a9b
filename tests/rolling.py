"""
A worker of one version among others, on one PostgreSQL journal: `python rolling.py VERSION FOLDER URL`.

Each line on stdin starts so many runs and answers with their ids; SIGTERM drains it.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

from drawbar.core.store import tables

BEFORE = "25865b6"
"""The commit whose program is the version before this one."""
TESTS = Path(__file__).parent


class Worker:
    """One of them, in a process of its own; `code` is the folder that holds its package, ours when absent."""

    def __init__(self, folder: Path, url: str, version: int, code: Path | None = None) -> None:
        self._log = folder / f"worker-{version}.log"
        paths = [str(TESTS)] if code is None else [str(code), str(code / "drawbar/tests"), str(TESTS)]
        self._process = subprocess.Popen(
            # -P: the helpers are those beside the package, and not those beside this file
            [sys.executable, "-P", __file__, str(version), str(folder), url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log.open("a"),
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )
        self.owner = self._answer()

    def start(self, count: int) -> list[str]:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{count}\n")
        self._process.stdin.flush()
        return self._answer().split()

    def drain(self) -> int:
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(60)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        assert line, f"the worker ended ({self._process.poll()}): {self._log.read_text()[-2000:]}"
        return line


def main(version: int, folder: Path, url: str) -> None:
    tables.VERSION = version  # before anybody copies it
    import many
    from scripted import ME

    many.House.state = url
    house = many.house(folder, threads=4).begin()

    def stop(*_: object) -> None:
        house.end()
        os._exit(0)

    signal.signal(signal.SIGTERM, stop)
    sys.stdout.write(f"{house.engine._leases.owner}\n")
    for line in iter(sys.stdin.readline, ""):
        ids = [house.engine.start("sure", {}, caller=ME).id for _ in range(int(line))]
        sys.stdout.write(" ".join(ids) + "\n")


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # it is a file
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
