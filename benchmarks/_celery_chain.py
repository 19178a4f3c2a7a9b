"""
A Celery chain of five no-op tasks, in the environment of the peer: `python _celery_chain.py BROKER_URL WORKERS`, see `_lines`.

Options: pool of threads (16), no results, no gossip, no heartbeat, acknowledged early, prefetch 4 a thread. The last task says
by a datagram that its chain is over, which costs less than any result back-end. It keeps no state at all: what a dead worker
had taken is lost.
"""

import itertools
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from _lines import answer, rounds_of
from celery import Celery, chain

app = Celery("bench", broker=os.environ.get("BENCH_BROKER", ""), backend=None)
app.conf.update(
    task_ignore_result=True,
    worker_prefetch_multiplier=4,
    broker_pool_limit=32,
    worker_hijack_root_logger=False,
    task_default_queue=os.environ.get("BENCH_QUEUE", "bench"),
)
OPTIONS = ["--pool=threads", "--concurrency=16", "--without-gossip", "--without-mingle", "--without-heartbeat"]
_out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


@app.task(name="bench.step")
def step(_=None):
    return None


@app.task(name="bench.last")
def last(_, number, port):
    _out.sendto(str(number).encode(), ("127.0.0.1", port))


class Chains:
    def __init__(self):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._over = {}
        self._numbers = itertools.count()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            number = int(self._socket.recv(100))
            self._over.pop(number).put(None)

    def run(self):
        over = queue.SimpleQueue()
        number = next(self._numbers)
        self._over[number] = over
        before = time.perf_counter()
        steps = [step.si() for _ in range(4)]
        chain(*steps, last.s(number, self.port)).apply_async()
        over.get(timeout=60)
        return time.perf_counter() - before


def worker(number):
    name = f"--hostname=bench{number}@%h"
    python = [sys.executable, "-P"]  # not this folder first: our amqp.py would stand before the library of that name
    command = [*python, "-m", "celery", "-A", "_celery_chain", "--quiet", "worker", name, *OPTIONS]
    folder = Path(__file__).resolve().parent
    said = {**os.environ, "PYTHONWARNINGS": "ignore"}
    return subprocess.Popen([*command, "--loglevel=CRITICAL"], cwd=folder, stdout=subprocess.DEVNULL, env=said)


def main(broker, workers):
    queue_name = f"bench{os.getpid()}"
    os.environ |= {"BENCH_BROKER": broker, "BENCH_QUEUE": queue_name}
    app.conf.update(broker_url=broker, task_default_queue=queue_name)
    children = [worker(number) for number in range(int(workers))]
    try:
        round_ = rounds_of(Chains().run)
        round_(1, 1)
        time.sleep(3 * (len(children) - 1))  # the first one answers; the others are on their way
        round_(50, 16)
        answer(round_)
    finally:
        for child in children:
            child.send_signal(signal.SIGTERM)
        for child in children:
            try:
                child.wait(15)
            except subprocess.TimeoutExpired:
                child.kill()


if __name__ == "__main__":
    main(*sys.argv[1:])
