"""Workers on one PostgreSQL journal whose effects are counted in a table beside it; run as a script it is one of them."""

import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psycopg

from drawbar.core.store import runs

LEASE_S = 4.0
runs.LEASE_S = LEASE_S  # before anybody copies it: a test cannot wait for half a minute

from scripted import House  # noqa: E402 - after the lease was shortened
from tenacity.wait import wait_fixed  # noqa: E402

from drawbar.connectors.celery import CeleryBell  # noqa: E402

WRITES = ("left", "right", "each/a", "each/b")
FLOW = {
    "tasks": {
        "look": {"tool": "sys.look", "with": {"place": "${{ run.id + '/look' }}"}},
        "left": {"tool": "sys.sure", "needs": ["look"], "with": {"place": "${{ run.id + '/left' }}"}},
        "right": {"tool": "sys.sure", "needs": ["look"], "with": {"place": "${{ run.id + '/right' }}"}},
        "each": {
            "tool": "sys.sure",
            "needs": ["left"],
            "for_each": {"in": "${{ ['a', 'b'] }}", "concurrency": 2},
            "with": {"place": "${{ run.id + '/each/' + item }}"},
        },
        "last": {"tool": "sys.look", "needs": ["right", "each"], "with": {"place": "${{ run.id + '/last' }}"}},
    }
}
RULES = {
    "sure": {
        "timeout_s": 1,
        "probe": {
            "tool": "sys.find",
            "with": {"place": "${{ arguments.place }}"},
            "done": "${{ size(result) > 0 }}",
            "result": "${{ result[0] }}",
            "after_s": 0,
            "absent_after_s": 1,
        },
    }
}


def connected(url: str) -> psycopg.Connection:
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)


def prepare(url: str) -> None:
    with connected(url) as conn:
        conn.execute("create table effects (place text)")


def effects(url: str) -> Counter:
    with connected(url) as conn:
        return Counter(place for (place,) in conn.execute("select place from effects").fetchall())


def house(folder: Path, **said) -> House:
    url = House.state

    def do(arguments):
        time.sleep(random.uniform(0, 0.02))
        with connected(url) as conn:
            conn.execute("insert into effects values (%s)", (arguments["place"],))
        time.sleep(random.uniform(0, 0.02))
        return arguments["place"]

    def find(arguments):
        with connected(url) as conn:
            found = conn.execute("select place from effects where place = %s", (arguments["place"],)).fetchall()
        return [row[0] for row in found]

    functions = {"look": ("read", do), "find": ("read", find), "sure": ("write", do), "unsure": ("write", do)}
    unsure = {
        "tasks": {name: {**one, "tool": one["tool"].replace("sure", "unsure")} for name, one in FLOW["tasks"].items()}
    }
    return House(folder, functions, {"sure": FLOW, "unsure": unsure}, rules=RULES, wait=wait_fixed(0.05), **said)


class Machines:
    """Workers in processes of their own, all on one database; effects are counted in another one."""

    def __init__(self, folder, url, queue=None):
        self.folder, self.url, self.queue = folder, url, queue
        self.environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
        self.workers = []

    def add(self):
        log = (self.folder / "workers.log").open("a")
        command = [sys.executable, __file__, str(self.folder), self.url, *([self.queue] if self.queue else [])]
        self.workers.append(
            subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, stdin=subprocess.PIPE, text=True, env=self.environ
            )
        )
        assert self.workers[-1].stdout.readline() == "begun\n", (self.folder / "workers.log").read_text()
        return self.workers[-1]

    def end(self):
        for worker in self.workers:
            worker.kill()
            worker.wait()


if __name__ == "__main__":
    House.state = sys.argv[2]
    bell = CeleryBell(sys.argv[3]) if len(sys.argv) > 3 else None
    worker = house(Path(sys.argv[1]), threads=4, bell=bell).begin()
    print("begun", flush=True)
    sys.stdin.read()
