"""A contestant in a process of its own: a line on its stdin asks for a round, the answer is one line of JSON."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

sys.path.append(sys.path.pop(0))  # that of this folder: our amqp.py must not stand before the library of that name
Ask = Callable[..., Any]
"""Send words, give what was answered."""
Round = tuple[float, list[float]]
"""Runs a second, and the seconds of each."""
_BACK = 5


@contextmanager
def contestant(python: str, script: str, *arguments: str, **environment: str) -> Iterator[Ask]:
    """Start a script of this folder and wait until it is ready; it ends with its stdin."""
    file = Path(__file__).with_name(script)
    command = [python, str(file), *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
    ) as child:
        asked, answered = child.stdin, child.stdout
        assert asked is not None
        assert answered is not None
        while (line := answered.readline()) != "ready\n":
            if not line:
                raise RuntimeError(f"{script} did not start")
            print(line, end="", file=sys.stderr)  # a log of its start

        def ask(*words: object) -> Any:
            asked.write(f"{' '.join(map(str, words))}\n")
            asked.flush()
            return json.loads(answered.readline())

        yield ask
        asked.close()


def answer(act: Callable[..., Any]) -> None:
    """Be a contestant: say that we are ready, then answer each line with what `act` gives for its numbers."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print goes elsewhere
    print("ready", file=out, flush=True)
    for line in sys.stdin:
        print(json.dumps(act(*map(int, line.split()))), file=out, flush=True)


def stand_back() -> None:
    """Leave the cores to what is measured: a crowd of callers, or who is called, would be elsewhere."""
    os.nice(_BACK)
    with suppress(OSError):
        os.setsid()  # the kernel weighs sessions first, then the processes in each
        Path("/proc/self/autogroup").write_text(str(_BACK))


def rounds_of(run: Callable[[], float]) -> Callable[[int, int], Round]:
    """Make what does so many runs, so many at once; `run` does one and gives its seconds."""

    def round_(runs: int, at_once: int) -> Round:
        left, times = iter(range(runs)), list[float]()

        def work() -> None:
            times.extend(run() for _ in left)

        threads = [threading.Thread(target=work) for _ in range(at_once)]
        before = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return runs / (time.perf_counter() - before), times

    return round_
