"""
A Celery chain of five no-op tasks, in the environment of the peer: `python _celery_chain.py BROKER_URL`.

Options: pool of threads (16), no results, no gossip, no heartbeat, acknowledged early, prefetch 4 a thread. The last task says
by a datagram that its chain is over, which costs less than any result back-end. It keeps no state at all: what a dead worker
had taken is lost. Each line on stdin is `CHAINS AT_ONCE`; the answer is JSON with seconds and the single times.
"""

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from celery import Celery, chain

app = Celery("bench", broker=os.environ.get("BENCH_BROKER", ""), backend=None)
app.conf.update(
    task_ignore_result=True, worker_prefetch_multiplier=4, broker_pool_limit=32, worker_hijack_root_logger=False
)
WORKER = ["--pool=threads", "--concurrency=16", "--without-gossip", "--without-mingle", "--without-heartbeat"]
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
        self._lock = threading.Lock()
        self._number = 0
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            number = int(self._socket.recv(100))
            self._over.pop(number).put(None)

    def run(self):
        over = queue.SimpleQueue()
        with self._lock:
            self._number += 1
            number = self._number
        self._over[number] = over
        before = time.perf_counter()
        steps = [step.si() for _ in range(4)]
        chain(*steps, last.s(number, self.port)).apply_async()
        over.get(timeout=60)
        return time.perf_counter() - before

    def round(self, chains, at_once):
        left, times = iter(range(chains)), []

        def work():
            times.extend(self.run() for _ in left)

        threads = [threading.Thread(target=work) for _ in range(at_once)]
        before = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return {"seconds": time.perf_counter() - before, "times": times}


def main():
    app.conf.broker_url = os.environ["BENCH_BROKER"] = sys.argv[1]
    command = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "_celery_chain",
        "--quiet",
        "worker",
        *WORKER,
        "--loglevel=CRITICAL",
    ]
    folder = Path(__file__).resolve().parent
    worker = subprocess.Popen(command, cwd=folder, stdout=sys.stderr, env={**os.environ, "PYTHONWARNINGS": "ignore"})
    try:
        chains = Chains()
        chains.run()
        print("ready", flush=True)
        for line in sys.stdin:
            number, at_once = map(int, line.split())
            print(json.dumps(chains.round(number, at_once)), flush=True)
    finally:
        worker.send_signal(signal.SIGTERM)
        try:
            worker.wait(15)
        except subprocess.TimeoutExpired:
            worker.kill()


if __name__ == "__main__":
    main()
