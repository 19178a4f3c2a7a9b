"""
A process that forks engines to be killed: imports are done once, so that a kill costs no second.

Started with a folder; each line on stdin forks one engine on that folder's journal and prints its pid. With the URL of a
database as well the journal is there, and the engines are workers on it.
"""

import json
import os
import random
import signal
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from drawbar.core.store import runs

LEASE_S = 3.0
URL = sys.argv[2] if __name__ == "__main__" and len(sys.argv) > 2 else None
WORK_S = 0.08 if URL else 0.01  # of what is killed seldom, each shall meet something
if URL is not None:  # elsewhere a process that died is found by its lock
    runs.LEASE_S = LEASE_S  # before anybody copies it: a test cannot wait for half a minute

from scripted import House  # noqa: E402 - after the lease was shortened
from tenacity.wait import wait_fixed  # noqa: E402

from drawbar.core.errors import Rejected  # noqa: E402

FLOW = {
    "tasks": {
        "look": {"tool": "sys.look", "with": {"place": "${{ run.id + '/look' }}"}},
        "left": {"tool": "sys.TOOL", "needs": ["look"], "with": {"place": "${{ run.id + '/left' }}"}},
        "right": {"tool": "sys.TOOL", "needs": ["look"], "with": {"place": "${{ run.id + '/right' }}"}},
        "each": {
            "tool": "sys.TOOL",
            "needs": ["left"],
            "for_each": {"in": "${{ ['a', 'b', 'c'] }}", "concurrency": 2},
            "with": {"place": "${{ run.id + '/each/' + item }}"},
        },
        "last": {
            "tool": "sys.look",
            "needs": ["right", "each"],
            "with": {"place": "${{ run.id + '/last' }}", "after": "${{ tasks.each.output }}"},
        },
    },
}
BACK = {
    "tasks": {
        **{
            name: {**FLOW["tasks"][name], "needs": [], "compensate": {"tool": "sys.TOOL", "with": {"place": "UNDONE"}}}
            for name in ("left", "right", "each")
        },
        "fails": {"tool": "sys.fail", "needs": ["left", "right", "each"]},
    },
}
ABOVE = {
    "tasks": {
        "sub": {"workflow": "below", "with": {"place": "${{ run.id + '/sub' }}"}},
        "subs": {
            "workflow": "below",
            "for_each": {"in": "${{ ['a', 'b', 'c'] }}", "concurrency": 2},
            "with": {"place": "${{ run.id + '/subs/' + item }}"},
        },
        "last": {
            "tool": "sys.sure",
            "needs": ["sub", "subs"],
            "with": {"place": "${{ run.id + '/last' }}", "after": "${{ tasks.subs.output }}"},
            "save": {"crashes.ended": "${{ run.id }}"},
        },
    },
}
BELOW = {
    "tasks": {
        "one": {"tool": "sys.sure", "with": {"place": "${{ input.place + '/one' }}"}},
        "two": {"tool": "sys.sure", "needs": ["one"], "with": {"place": "${{ input.place + '/two' }}"}},
    },
    "output": "${{ tasks.two.output }}",
}
ABOVE_WRITES = ("last", *(f"{sub}/{task}" for sub in ("sub", "subs/a", "subs/b", "subs/c") for task in ("one", "two")))
WRITES = ("left", "right", "each/a", "each/b", "each/c")
READS = ("look", "last")
RULES = {
    "sure": {
        "timeout_s": 2,
        "probe": {
            "tool": "sys.find",
            "with": {"place": "${{ arguments.place }}"},
            "done": "${{ size(result) > 0 }}",
            "result": "${{ result[0] }}",
            "after_s": 0,
            "absent_after_s": 0.05,
        },
    },
    "unsure": {"timeout_s": 2},
}


def flow(tool, said=FLOW):
    text = json.dumps(said).replace("TOOL", tool).replace("UNDONE", "${{ arguments.place + '/undone' }}")
    return json.loads(text)


def house(folder: Path, **said) -> House:
    """An engine whose effects are counted where no journal of ours has a say."""

    def effects():
        conn = sqlite3.connect(folder / "effects.db", timeout=60, isolation_level=None)
        conn.execute("PRAGMA synchronous=OFF")
        return closing(conn)

    def do(arguments):
        time.sleep(random.uniform(0, WORK_S))
        with effects() as conn:
            conn.execute("INSERT INTO effects VALUES (?, ?)", (arguments["place"], os.getpid()))
        time.sleep(random.uniform(0, WORK_S))
        return arguments["place"]

    def find(arguments):
        with effects() as conn:
            return [row[0] for row in conn.execute("SELECT place FROM effects WHERE place = ?", (arguments["place"],))]

    def fail(_):
        raise Rejected("no")

    functions = {"look": ("read", do), "find": ("read", find), "sure": ("write", do), "unsure": ("write", do)}
    functions["fail"] = ("read", fail)
    flows = {name: flow(name) for name in ("sure", "unsure")}
    flows |= {f"back_{name}": flow(name, BACK) for name in ("sure", "unsure")}
    flows |= {"above": ABOVE, "below": BELOW}
    return House(folder, functions, flows, rules=RULES, wait=wait_fixed(0.02), poll_s=0.05, **said)


def warm_up() -> None:
    """Load all that is loaded on first use, so that the engines to come begin at once; its threads end with it."""
    with TemporaryDirectory() as folder:
        prepare(Path(folder))
        with house(Path(folder)) as warm:
            assert warm.run("sure").state == "succeeded"


def prepare(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "effects.db")) as conn:
        conn.execute("PRAGMA journal_mode=WAL")
        conn.execute("CREATE TABLE effects (place TEXT, pid INTEGER)")


def main(folder: Path) -> None:
    answers = os.fdopen(os.dup(1), "w")  # the log goes elsewhere
    os.dup2(os.open(folder / "engines.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)
    warm_up()
    House.state = URL
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    forker = os.getpid()
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            sys.stdin.close()
            house(folder, threads=4).begin()
            while os.getppid() == forker:
                time.sleep(1)
            os._exit(0)
        answers.write(f"{pid}\n")
        answers.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
