"""
Start and stop the private servers of the tests.

Each listens on a free loopback port, lives in a temporary folder, and is ended by its process id. A server dies with
the test process that started it, even when that is killed.
"""

import contextlib
import ctypes
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, Self

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".servers"
PR_SET_PDEATHSIG = 1
_PORTS = random.SystemRandom()
_LOTS = 8


class Process(Protocol):
    """What is asked of a running program."""

    pid: int
    args: Any
    returncode: Any

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def send_signal(self, by: int, /) -> None: ...

    def kill(self) -> None: ...


class MissingServer(Exception):
    """A server's program is not on this machine; the message names it."""


class Private:
    """One private server with its data in `home`; a stop keeps them, a close does not."""

    host = "127.0.0.1"
    home: Path

    def start(self) -> Self:
        raise NotImplementedError

    def stop(self) -> None:
        raise NotImplementedError

    def restart(self) -> None:
        self.stop()
        self.start()

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()


def binary(name: str, *patterns: str) -> str:
    """Find a program on the PATH or by a glob of absolute paths, the newest first."""
    for pattern in (*patterns, f"/usr/sbin/{name}"):
        hits = sorted(Path("/").glob(pattern.lstrip("/")))
        if hits:
            return str(hits[-1])
    if path := shutil.which(name):
        return path
    raise MissingServer(f"{name} is not installed: tests/servers/install installs it")


def free_port() -> int:
    """
    Give a port below those that the system gives to clients: one of theirs would be taken before the server listens.

    Each process of a test run has a lot of its own: what one was given, and nobody listens on yet, another is not.
    """
    lot = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _LOTS
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", _PORTS.randrange(10_000 + lot, 32_768, _LOTS)))
            return int(probe.getsockname()[1])


def folder(name: str, owner: str | None = None) -> Path:
    """Make a temporary folder that other users may enter, owned by `owner` when root makes it."""
    path = Path(tempfile.mkdtemp(prefix=f"drawbar-{name}-"))
    path.chmod(0o755)
    if owner and os.getuid() == 0:
        shutil.chown(path, owner, pwd.getpwnam(owner).pw_gid)
    return path


def start(
    command: Sequence[str | Path],
    log: Path,
    *,
    user: str | None = None,
    die_by: signal.Signals = signal.SIGTERM,
    **options: Any,
) -> subprocess.Popen[bytes]:
    """Start a server in the foreground of its own session, as `user` when root starts it."""
    if user and os.getuid() == 0:
        account = pwd.getpwnam(user)
        options |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    libc = ctypes.CDLL(None)
    with log.open("ab") as output:
        return subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, die_by),  # noqa: PLW1509 - nothing else follows us
            **options,
        )


def wait_until(ready: Callable[[], bool], process: Process, log: Path, timeout_s: float) -> None:
    """Wait for a server; show the end of its log when it dies or takes too long."""
    deadline = time.monotonic() + timeout_s
    while not ready():
        ended = process.poll() is not None
        if ended or time.monotonic() > deadline:
            tail = log.read_text(errors="replace")[-2000:]
            what = f"ended with {process.returncode}" if ended else f"was not ready after {timeout_s} s"
            raise RuntimeError(f"{process.args!r} {what}:\n{tail}")
        time.sleep(0.05)


def answers(port: int) -> bool:
    """Tell whether something accepts connections on a loopback port."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def stop(process: Process | None, by: signal.Signals = signal.SIGTERM, timeout_s: float = 30) -> None:
    """End a server and everything that it started; a server that is already gone is no error."""
    if process is None:
        return
    family = [*descendants(process.pid)]
    if process.poll() is None:
        process.send_signal(by)
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for pid in family:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def descendants(pid: int) -> Iterator[int]:
    """List the processes that a process started, and theirs."""
    try:
        tasks = [*Path(f"/proc/{pid}/task").iterdir()]
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return
    for child in children:
        yield child
        yield from descendants(child)
