"""What goes wrong, one thing after another: drawn from a shuffled deck, so that a short run sees each of them too."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial

from .landscape import LEASE_S, Landscape, Program

DELAY_S = (0.05, 0.5)
CUT_AFTER = (0, 4000)


class Faults:
    """Strikes every few seconds, from one thread; `calm` ends what lasts."""

    def __init__(self, landscape: Landscape, seed: int, gap_s: tuple[float, float]) -> None:
        self._landscape = landscape
        self._random = random.Random(seed)
        self._gap_s = gap_s
        self._deck: list[str] = []
        self._undo: list[tuple[float, Callable[[], object]]] = []
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._undoer = threading.Thread(target=self._undoing, daemon=True)
        self._undoer.start()
        self._began = time.monotonic()
        self._log = (landscape.folder / "faults.log").open("a", buffering=1)
        self.counts: Counter[str] = Counter()
        self._kinds: dict[str, Callable[[], str]] = {
            "kill -9 of a worker": lambda: self._kill(self._worker()),
            "kill -9 of the facade": lambda: self._kill(self._serve),
            "SIGSTOP past the lease": self._stop,
            "restart of RabbitMQ": self._restart_rabbitmq,
            "restart of PostgreSQL": self._restart_postgres,
            "crash of PostgreSQL": self._crash_postgres,
            "connections cut": self._drop,
            "connection cut in the middle": self._cut,
            "connections refused": self._refuse,
            "delay added": self._delay,
            "answers held back": self._stall,
            "full disk of the journal": self._fill,
        }

    def run(self, until: float) -> None:
        """Strike until a moment of the monotonic clock."""
        next_at = time.monotonic() + self._random.uniform(*self._gap_s)
        while (now := time.monotonic()) < until:
            self._landscape.tend()
            if now >= next_at:
                self._strike()
                next_at = time.monotonic() + self._random.uniform(*self._gap_s)
            time.sleep(0.05)

    def calm(self) -> None:
        self._over.set()
        self._undoer.join()
        self._landscape.calm()
        self._log.close()

    def _undoing(self) -> None:
        """End what is due, on a thread of its own, since the restart of a server takes its time."""
        while not self._over.wait(0.05):
            self._undo_due(time.monotonic())
        self._undo_due(float("inf"))

    def _undo_due(self, now: float) -> None:
        with self._lock:
            due = [one for one in self._undo if one[0] <= now]
            self._undo = [one for one in self._undo if one[0] > now]
        for _, undo in due:
            undo()

    def _strike(self) -> None:
        if not self._deck:
            self._deck = list(self._kinds)
            self._random.shuffle(self._deck)
        kind = self._deck.pop()
        at = time.monotonic() - self._began
        said = self._kinds[kind]()
        self.counts[kind] += 1
        self._log.write(f"{at:7.1f} s  {time.strftime('%H:%M:%S')}  {kind}: {said}\n")

    def _later(self, seconds: float, undo: Callable[[], object]) -> None:
        with self._lock:
            self._undo.append((time.monotonic() + seconds, undo))

    @property
    def _serve(self) -> Program:
        return self._landscape.programs[0]

    def _worker(self) -> Program:
        return self._random.choice(self._landscape.programs[1:])

    def _kill(self, program: Program) -> str:
        if not program.runs:
            return f"{program.name} was down"
        program.kill(again_in_s=self._random.uniform(0, 2))
        return program.name

    def _stop(self) -> str:
        program = self._random.choice(self._landscape.programs)
        seconds = LEASE_S + self._random.uniform(1, 5)
        program.send(signal.SIGSTOP)
        self._later(seconds, partial(program.send, signal.SIGCONT))
        return f"{program.name} for {seconds:.1f} s"

    def _restart_rabbitmq(self) -> str:
        self._landscape.rabbitmq.restart()
        return ""

    def _restart_postgres(self) -> str:
        self._landscape.postgres.restart()
        return ""

    def _crash_postgres(self) -> str:
        self._landscape.postgres.crash()
        return ""

    def _a_proxy(self) -> str:
        return self._random.choice(sorted(self._landscape.proxies))

    def _drop(self) -> str:
        name = self._a_proxy()
        self._landscape.proxies[name].drop()
        return name

    def _cut(self) -> str:
        name = self._a_proxy()
        way = self._random.choice(("up", "down"))
        after = self._random.randint(*CUT_AFTER)
        self._landscape.proxies[name].cut(after, "up" if way == "up" else "down")
        self._later(2, self._landscape.proxies[name].flow)
        return f"{name}, {way}, after {after} bytes"

    def _refuse(self) -> str:
        name, seconds = self._a_proxy(), self._random.uniform(1, 4)
        proxy = self._landscape.proxies[name]
        proxy.refuse()
        proxy.drop()
        self._later(seconds, proxy.start)
        return f"{name} for {seconds:.1f} s"

    def _delay(self) -> str:
        name, seconds, delay_s = self._a_proxy(), self._random.uniform(2, 5), self._random.uniform(*DELAY_S)
        proxy = self._landscape.proxies[name]
        proxy.delay_s = delay_s
        self._later(seconds, proxy.flow)
        return f"{delay_s:.2f} s on {name} for {seconds:.1f} s"

    def _stall(self) -> str:
        """What is asked arrives, and the answers do not: some until after the caller has given up."""
        name, seconds = self._a_proxy(), self._random.uniform(2, 8)
        proxy = self._landscape.proxies[name]
        proxy.stall("down")
        self._later(seconds, proxy.flow)
        return f"{name} for {seconds:.1f} s"

    def _fill(self) -> str:
        """No server restarts meanwhile: one that cannot write its own disk does not come back."""
        seconds, by_pages = self._random.uniform(1.5, 4), self._random.random() < 0.5
        landscape = self._landscape
        by_pages = landscape.kind == "embedded" and (by_pages or not landscape.disk.is_small)
        if landscape.kind == "distributed" and not landscape.disk.is_small:
            self.counts["full disk of the journal"] -= 1
            return "left out: no small disk may be mounted here"
        landscape.disk.fill(landscape.programs, by_pages=by_pages)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            landscape.tend()
            time.sleep(0.05)
        landscape.disk.free(landscape.programs)
        return f"for {seconds:.1f} s" + (", by a limit of pages" if by_pages else "")
