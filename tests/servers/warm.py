"""
Drawbar's own processes without the second that an interpreter takes to start and to load it.

One process of each test process has loaded everything and forks: what comes of it is a process like any other, with its own
folder, environment, exit code and process id. As a script it is that process: it reads requests from its standard input,
each with the descriptors of the new process and of a socket on which its id, and later its exit code, are told.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import IO, NoReturn

from servers.process import PR_SET_PDEATHSIG

LOADED = ("drawbar.cli", "drawbar.cli.serving", "drawbar.cli.working", "drawbar.facade.application", "uvicorn")
_MOST_BYTES = 1_000_000


class Warm:
    """A process that was forked; the part of subprocess.Popen that tests use."""

    def __init__(self, args: list[str], told: socket.socket) -> None:
        self.args = args
        self.returncode: int | None = None
        self._told = told
        self._lock = threading.Lock()
        self.pid = int(told.recv(100))

    def poll(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        with self._lock:
            if self.returncode is None:
                if not select.select([self._told], [], [], timeout)[0]:
                    raise subprocess.TimeoutExpired(self.args, timeout or 0)
                self.returncode = int(self._told.recv(100) or -signal.SIGKILL)
                self._told.close()
        return self.returncode

    def send_signal(self, by: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, by)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start(
    words: Sequence[str | Path],
    *,
    stdout: IO[bytes],
    stderr: IO[bytes],
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Warm:
    """Start `drawbar WORDS`, which reads nothing."""
    args = [str(word) for word in words]
    asked = {"words": args, "cwd": str(cwd or Path.cwd()), "env": dict(os.environ if env is None else env)}
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        descriptors = [theirs.fileno(), stdout.fileno(), stderr.fileno()]
        socket.send_fds(_forker(), [json.dumps(asked).encode()], descriptors)
    return Warm(["drawbar", *args], ours)


def run(
    words: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = 120,
) -> subprocess.CompletedProcess[str]:
    """Run `drawbar WORDS` to its end and give what it said."""
    with ExitStack() as stack:
        out, err = (stack.enter_context(os.fdopen(os.memfd_create(name), "w+b")) for name in ("out", "err"))
        process = start(words, stdout=out, stderr=err, cwd=cwd, env=env)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read().decode())
    return subprocess.CompletedProcess(process.args, code, *said)


@cache
def _forker() -> socket.socket:
    """Start the process that forks; it ends when we do."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _MOST_BYTES)
    with theirs:
        program = [sys.executable, "-c", f"from {__name__} import serve; serve()"]
        environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
        subprocess.Popen(program, stdin=theirs.fileno(), start_new_session=True, env=environ)
    atexit.register(ours.close)
    return ours


def serve() -> None:
    """
    Be the process that forks, until nobody can ask any more; what runs then is ended by that.

    A request has the descriptors of a socket, on which the id and later the exit code are told, and of the output.
    """
    for name in LOADED:
        import_module(name)
    gc.freeze()
    asks = socket.socket(fileno=0)
    woken, wakes = socket.socketpair()
    wakes.setblocking(False)
    signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    alive: dict[int, socket.socket] = {}
    while True:
        ready = select.select([asks, woken], [], [])[0]
        if woken in ready:
            woken.recv(4096)
            _bury(alive)
        if asks in ready:
            text, descriptors, _, _ = socket.recv_fds(asks, _MOST_BYTES, 3)
            if not text:
                return
            told, out, err = descriptors
            pid = os.fork()
            if pid == 0:
                _become(json.loads(text), out, err)
            os.close(out)
            os.close(err)
            alive[pid] = socket.socket(fileno=told)
            alive[pid].send(b"%d" % pid)


def _bury(alive: dict[int, socket.socket]) -> None:
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG)) != (0, 0):
            with alive.pop(ended[0]) as told, suppress(OSError):
                told.send(b"%d" % os.waitstatus_to_exitcode(ended[1]))


def _become(asked: dict[str, object], out: int, err: int) -> NoReturn:
    """Be `drawbar WORDS`, as if it had been started from the shell."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDONLY)
        for number, descriptor in enumerate((nothing, out, err)):
            os.dup2(descriptor, number)
        os.closerange(3, 256)
        os.chdir(str(asked["cwd"]))
        os.environ.clear()
        os.environ.update(asked["env"])  # type: ignore[call-overload]  # a mapping of texts
        sys.argv = ["drawbar", *asked["words"]]  # type: ignore[misc]  # a list of texts
        code = sys.modules["drawbar.cli"].main()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with suppress(BaseException):
            threading._shutdown()  # type: ignore[attr-defined]  # as the interpreter does at its end
        with suppress(BaseException):
            atexit._run_exitfuncs()
        with suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
