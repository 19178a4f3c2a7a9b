"""A flow of five no-op tasks of Prefect on its own local server: `python _prefect_steps.py FOLDER`, see `_lines`."""

import os
import signal
import sys
import time
from pathlib import Path

from _lines import answer, rounds_of

os.environ |= {
    "PREFECT_HOME": sys.argv[1],
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "DO_NOT_TRACK": "1",
}

from prefect import flow, task


@task
def step(number):
    return {"n": number}


@flow
def five():
    for number in range(5):
        step(number)


def run():
    before = time.perf_counter()
    five()
    return time.perf_counter() - before


if __name__ == "__main__":
    run()
    answer(rounds_of(run))
    tasks = Path("/proc/self/task").glob("*/children")  # a server is the child of the thread that started it
    for child in [pid for task in tasks for pid in task.read_text().split()]:
        os.kill(int(child), signal.SIGKILL)  # its local server would take ten seconds to stop
    os._exit(0)
