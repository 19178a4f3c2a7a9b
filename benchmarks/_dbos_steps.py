"""Five no-op steps of DBOS on SQLite, as its documentation shows them: `python _dbos_steps.py FOLDER`, see `_lines`."""

import sys
import time

from _lines import answer, rounds_of
from dbos import DBOS

DBOS(
    config={
        "name": "bench",
        "system_database_url": f"sqlite:///{sys.argv[1]}/dbos.db",
        "log_level": "ERROR",
        "console_log_level": "ERROR",
        "enable_otlp": False,
    }
)


@DBOS.step()
def step(number):
    return {"n": number}


@DBOS.workflow()
def five():
    for number in range(5):
        step(number)


def run():
    before = time.perf_counter()
    five()
    return time.perf_counter() - before


if __name__ == "__main__":
    DBOS.launch()
    run()
    answer(rounds_of(run))
    DBOS.destroy()
