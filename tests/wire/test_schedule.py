"""Schedules and documents in a PostgreSQL journal, which many machines share."""

import concurrent.futures
import subprocess
import sys
import threading
import time

import pytest

from drawbar.core.context import Context
from drawbar.core.errors import InputError
from drawbar.core.store.journal import Journal

_BEAT = """
import sys, time
from drawbar.core.schedule import Schedule, Schedules
from drawbar.core.store.journal import Journal
from drawbar.core.workflow import CronTrigger

journal = Journal.open(sys.argv[1])
schedules = Schedules(journal)
every_second = CronTrigger.model_validate({"cron": "* * * * * *", "missed": "all"})
schedules.declare([Schedule("job", every_second, lambda tick: print(int(tick.timestamp()), flush=True))])
until = time.monotonic() + 4
while time.monotonic() < until:
    schedules.beat()
    time.sleep(0.02)
"""


@pytest.mark.slow
@pytest.mark.wire("postgres")
def test_of_three_processes_one_fires_each_tick(pg_url):
    Journal.open(pg_url).close()
    beating = [
        subprocess.Popen([sys.executable, "-c", _BEAT, pg_url], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    said = [process.communicate(timeout=60)[0].split() for process in beating]

    fired = sorted(int(tick) for ticks in said for tick in ticks)

    assert [process.returncode for process in beating] == [0, 0, 0]
    assert len(fired) >= 3
    assert fired == list(range(fired[0], fired[0] + len(fired)))


@pytest.mark.wire("postgres")
def test_a_machine_that_is_ten_minutes_ahead_fires_no_tick_before_its_time(pg_url):
    """All machines go by the database's clock."""
    Journal.open(pg_url).close()
    ahead = "import time\n_real = time.time\ntime.time = lambda: _real() + 600\n" + _BEAT
    beating = [
        subprocess.Popen([sys.executable, "-c", script, pg_url], stdout=subprocess.PIPE, text=True)
        for script in (ahead, _BEAT)
    ]
    said = [process.communicate(timeout=60)[0].split() for process in beating]

    fired = sorted(int(tick) for ticks in said for tick in ticks)

    assert [process.returncode for process in beating] == [0, 0]
    assert fired == list(range(fired[0], fired[0] + len(fired)))
    assert fired[-1] <= time.time() + 1


@pytest.mark.wire("postgres")
def test_of_many_writers_of_a_document_one_wins_and_no_change_is_lost(pg_url):
    journal = Journal.open(pg_url)
    context = Context(journal)
    barrier = threading.Barrier(8)

    def make(number):
        barrier.wait()
        try:
            return context.put("s", "k", {}, expect=0, by=str(number))
        except InputError as error:
            assert error.status == 412
            return None

    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        made = [one for one in threads.map(make, range(8)) if one is not None]
        list(threads.map(lambda n: context.merge("s", "k", {f"k{n}": n}, expect=None, by="me"), range(40)))

    assert len(made) == 1
    assert context.get("s", "k").value == {f"k{n}": n for n in range(40)}
    assert context.get("s", "k").version == 41
    journal.close()
