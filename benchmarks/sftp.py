"""
SFTP: 200 MB down and up, and 1,000 files of 4 KB down, beside OpenSSH's own `sftp` and paramiko's get and put.

One OpenSSH server on the loopback address, the same key, the same folder on the same disk; each turn includes connecting.
Files that come down are written to disk by everybody. A third figure is memory: what the process holds more than idle.
"""

import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import paramiko
from _table import Row, arguments, at_most, show

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))
from servers.openssh import OpenSSH

from drawbar.connectors.drop import Wanted
from drawbar.connectors.sftp import Login, Secrets, SftpDrop

MB = 200
FILES, FILE_BYTES = 1000, 4096
MOST_MB = 64


class Turns:
    """Each contestant's works on one server, in one local folder."""

    def __init__(self, server: OpenSSH, here: Path) -> None:
        self.server, self.here, self.there = server, here, server.folder("bench")
        block = bytes(range(256)) * 4096
        with (here / "up.bin").open("wb") as stream:
            for _ in range(MB):
                stream.write(block)
        shutil.copy(here / "up.bin", self.there / "big.bin")
        (self.there / "small").mkdir()
        for number in range(FILES):
            (self.there / "small" / f"{number}.dat").write_bytes(block[:FILE_BYTES])

    def check(self, work: str) -> None:
        """Look that everything has arrived, and remove it."""
        if work == "small":
            arrived = [path.stat().st_size for path in (self.here / "small").iterdir()]
            assert arrived == [FILE_BYTES] * FILES, len(arrived)
            shutil.rmtree(self.here / "small")
            return
        path = self.here / "big.bin" if work == "down" else self.there / "up.bin"
        assert path.stat().st_size == MB << 20
        path.unlink()

    @contextmanager
    def drop(self):
        login = Login(
            self.server.host, self.server.port, self.server.user, Secrets(private_key_file=self.server.key_file),
            self.server.known_hosts,
        )  # fmt: skip
        drop = SftpDrop(login, str(self.there), most=4, call_timeout_s=60)
        try:
            yield drop
        finally:
            drop.close()

    def ours(self, work: str) -> None:
        with self.drop() as drop, drop.session() as files:
            if work == "down":
                with files.read("big.bin") as source, (self.here / "big.bin").open("wb") as target:
                    while part := source.read(1 << 20):
                        target.write(part)
            elif work == "up":
                with (self.here / "up.bin").open("rb") as stream:
                    files.write("up.bin", stream)
            else:
                (self.here / "small").mkdir()
                listed = files.list("small")
                for at, content in files.fetch([Wanted(f"small/{one.name}", one.size) for one in listed]):
                    assert content is not None
                    (self.here / "small" / listed[at].name).write_bytes(content)

    def openssh(self, work: str) -> None:
        said = {
            "down": f"get {self.there}/big.bin {self.here}/big.bin",
            "up": f"put {self.here}/up.bin {self.there}/up.bin",
            "small": f"get -R {self.there}/small {self.here}/small",
        }[work]
        known = f"UserKnownHostsFile={self.server.known_hosts}"
        command = ["sftp", "-q", "-b", "-", "-P", str(self.server.port), "-i", str(self.server.key_file), "-o", known]
        place = f"{self.server.user}@{self.server.host}"
        subprocess.run([*command, place], input=said.encode(), check=True, stdout=subprocess.DEVNULL)

    def paramiko(self, work: str) -> None:
        transport = paramiko.Transport(socket.create_connection((self.server.host, self.server.port)))
        try:
            transport.connect(username=self.server.user, pkey=paramiko.PKey.from_path(self.server.key_file))
            client = paramiko.SFTPClient.from_transport(transport)
            assert client is not None
            if work == "down":
                client.get(f"{self.there}/big.bin", str(self.here / "big.bin"))
            elif work == "up":
                client.put(str(self.here / "up.bin"), f"{self.there}/up.bin")
            else:
                (self.here / "small").mkdir()
                for name in client.listdir(f"{self.there}/small"):
                    client.get(f"{self.there}/small/{name}", str(self.here / "small" / name))
        finally:
            transport.close()


def resident_mb() -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def most_mb(work: Callable[[], None]) -> float:
    """Give how much more than before the process held while it did something."""
    before, most, over = resident_mb(), 0.0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not over.wait(0.002):
            most = max(most, resident_mb())

    watcher = threading.Thread(target=watch)
    watcher.start()
    work()
    over.set()
    watcher.join()
    return max(most - before, 0.0)


def seconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measured(turns: Turns, work: str, rounds: int) -> dict[str, list[float]]:
    sides = {"ours": turns.ours, "sftp": turns.openssh, "paramiko": turns.paramiko}
    took: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(rounds):
        for name in list(sides) if turn % 2 == 0 else reversed(sides):
            took[name].append(seconds(partial(sides[name], work)))
            turns.check(work)
    return took


def rows(work: str, said: str, took: dict[str, list[float]], goals: dict[str, float], peak: float) -> list[Row]:
    amount, unit = (FILES, "files/s") if work == "small" else (MB, "MB/s")
    ours = took["ours"]
    return [
        Row(
            said,
            round(amount / statistics.median(ours), 1),
            unit,
            round(amount / statistics.median(took[peer]), 1),
            name,
            round(statistics.median(b / a for a, b in zip(ours, took[peer], strict=True)), 2),
            goals[peer],
            peak,
        )
        for peer, name in (("sftp", "OpenSSH sftp"), ("paramiko", "paramiko"))
    ]


WORKS = {
    "down": (f"{MB} MB down", {"sftp": 0.90, "paramiko": 1.7}),
    "up": (f"{MB} MB up", {"sftp": 0.55, "paramiko": 1.2}),
    "small": (f"{FILES:,} files of 4 KB down", {"sftp": 1.4, "paramiko": 3}),
}


def main() -> None:
    said = arguments(__doc__, rounds=3, parts=WORKS)
    found: list[Row] = []
    with OpenSSH() as server, TemporaryDirectory() as folder:
        turns = Turns(server, Path(folder))
        peaks = {}
        for work in said.only or WORKS:  # before the peers' own buffers count
            peaks[work] = most_mb(partial(turns.ours, work))
            turns.check(work)
        for work in said.only or WORKS:
            title, goals = WORKS[work]
            found += rows(work, title, measured(turns, work, said.rounds), goals, round(peaks[work], 1))
        found += [at_most(f"memory, {WORKS[work][0]}", peak, "MB", MOST_MB) for work, peak in peaks.items()]
    show("SFTP", found, as_json=said.json)


if __name__ == "__main__":
    main()
