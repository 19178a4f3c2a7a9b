"""A process that calls a system again and again within a shared budget; what it did stands in a file."""

import json
import sys
import threading
import time
from pathlib import Path

from drawbar.core.budget import Share
from drawbar.core.errors import Unavailable
from drawbar.core.policy import Budget
from drawbar.core.slices import Holdings
from drawbar.core.store.budgets import Budgets
from drawbar.core.store.journal import Journal


def main(url: str, budget: str, threads: int, call_s: float, before_s: float, seconds: float, out: str) -> None:
    """`before_s` after it has its place a call begins, as one does that must open its line first."""
    journal = Journal.open(url)
    holdings = Holdings(Budgets(journal))
    share = Share("erp", Budget.model_validate_json(budget), holdings=holdings)
    calls: list[tuple[float, float]] = []
    end = time.monotonic() + seconds

    def work() -> None:
        while time.monotonic() < end:
            try:
                with share.slot(max(end - time.monotonic(), 0.1)) as place:
                    time.sleep(before_s)
                    begun = place.leaving()
                    time.sleep(call_s)
                    calls.append((begun, time.monotonic()))
            except Unavailable:
                time.sleep(0.01)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    holdings.close()
    journal.close()
    with Path(out).open("w") as file:
        json.dump(calls, file)


if __name__ == "__main__":
    url, budget, threads, call_s, before_s, seconds, out = sys.argv[1:]
    main(url, budget, int(threads), float(call_s), float(before_s), float(seconds), out)
