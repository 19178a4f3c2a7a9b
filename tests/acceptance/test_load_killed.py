"""Loads in ranges on three workers and a facade, each of them killed -9 at random moments: no range lost, none twice."""

import os
import random
import time
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
import requests
from servers import warm
from servers.drawbar import Serving
from servers.process import folder

SEED = int(os.environ.get("SEED", "7"))
KILLS = {"insert": 24, "replace": 12}
ROWS = 6000
_OF_FACADE = 0.2
_PATIENCE_S = 10
"""Ranges of who died wait for half a minute, and a load for its dead facade two thirds of that."""

CONFIG = """\
state: ${env:STATE}
queue: ${env:QUEUE}
adapters:
  erp: { kind: sql, url: "${env:ERP}", tables: { orders: {} }, budget: { concurrency: 30 } }
  house: { kind: sql, url: "${env:HOUSE}", tables: { orders: {} }, budget: { concurrency: 30 } }
syncs:
  copy:
    from: { adapter: erp, table: orders }
    to: { adapter: house, table: orders, mode: "${env:MODE}" }
    partitions: { ranges: 48, parallel: 24, workers: true }
"""
SLOW = """
create table orders (id integer, name text, amount numeric(12,2));
create function slow() returns trigger as $$ begin perform pg_sleep(1); return null; end $$ language plpgsql;
create trigger slow after insert on orders for each statement execute function slow()
"""
SLOW_STAGES = """
create function slow_stage() returns event_trigger as $$
declare made record;
begin
  for made in select * from pg_event_trigger_ddl_commands() where object_identity like '%.drawbar\\_%' loop
    if made.object_type = 'table' and made.object_identity not like '%.drawbar\\_sync' then
      execute format('create trigger slow after insert on %s for each statement execute function slow()', made.object_identity);
    end if;
  end loop;
end $$ language plpgsql;
create event trigger slow_stage on ddl_command_end when tag in ('CREATE TABLE') execute function slow_stage()
"""
OLD = (1, 0)
"""How many rows there are, and the sum of their numbers, before the first load."""


def connected(url: str) -> psycopg.Connection:
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)


def rows(url: str) -> list[tuple]:
    with connected(url) as conn:
        return conn.execute(
            "select count(*), sum(id), md5(string_agg(t::text, ',' order by id)) from orders t"
        ).fetchall()


def writing(url: str) -> int:
    query = "select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'"
    with connected(url) as conn:
        return conn.execute(query).fetchone()[0]


class Crew:
    """One facade and three workers, which are replaced when they die."""

    def __init__(self, at: Path, environ: dict[str, str], stack: ExitStack) -> None:
        self.at, self.environ, self.stack = at, environ, stack
        self.facade = Serving(CONFIG, at=at, environ=environ)
        stack.callback(self.end)
        self.facade.__enter__()
        self.workers = [self._worker() for _ in range(3)]

    def _worker(self):
        with (self.at / "worker.log").open("ab") as log:
            return warm.start(["worker"], cwd=self.at, env=self.environ, stdout=log, stderr=log)

    def kill_one(self, dice: random.Random) -> str:
        at = 3 if dice.random() < _OF_FACADE else dice.randrange(3)
        victim = self.facade.process if at == 3 else self.workers[at]
        assert victim.poll() is None, (self.at / "worker.log").read_text()[-3000:]
        victim.kill()
        victim.wait()
        if at == 3:
            self.facade.__enter__()
            return "facade"
        self.workers[at] = self._worker()
        return "worker"

    def end(self) -> None:
        for one in (*self.workers, self.facade.process):
            one.kill()
            one.wait()


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(KILLS))
def test_kill_9_of_workers_and_facade_leaves_every_load_complete_and_no_row_twice(mode, postgres, vhost, capsys):
    """What is replaced is at every moment the whole old table or the whole new one."""
    dice, kills = random.Random(f"{SEED} crew"), KILLS[mode]
    erp, house, state = (postgres.create_database() for _ in range(3))
    with connected(erp) as conn:
        conn.execute("create table orders (id integer primary key, name text, amount numeric(12,2))")
        conn.execute(f"insert into orders select n * 3, 'n' || n, n / 8.0 from generate_series(1, {ROWS}) n")
    with connected(house) as conn:
        conn.execute(SLOW)
    if mode == "replace":
        with connected(house) as conn:
            conn.execute(SLOW_STAGES)
            conn.execute("insert into orders values (0, 'old', 0)")
    environ = {**os.environ, "MODE": mode, "STATE": state, "QUEUE": vhost, "ERP": erp, "HOUSE": house}
    whole = rows(erp)
    killed: dict[str, int] = {"facade": 0, "worker": 0}
    loads = at_work = 0

    def ended() -> int:
        with connected(state) as conn:
            return conn.execute("select count(*) from sync_runs where state = 'succeeded'").fetchone()[0]

    def look(crew: Crew) -> None:
        """Compare when a load has ended, and begin the next one; a dead facade's hold refuses that for a while."""
        nonlocal loads
        if mode == "replace":
            found = rows(house)[0]
            assert found == whole[0] or (found[:2] == OLD and loads == 0), f"load {loads} (seed {SEED})"
        if ended() > loads:
            loads += 1
            assert rows(house) == whole, f"load {loads} (seed {SEED})"
            if mode == "insert":
                with connected(house) as conn:
                    conn.execute("truncate orders")
        answer = crew.facade.ask("POST", "/syncs/copy/run", json={})
        assert answer.status_code in {200, 202, 409}, answer.text

    with ExitStack() as stack:
        crew = Crew(folder("crew"), environ, stack)
        for _ in range(kills):
            look(crew)
            until = time.monotonic() + _PATIENCE_S
            while not (is_busy := writing(house) > 0) and time.monotonic() < until:
                look(crew)
                time.sleep(0.2)
            time.sleep(dice.uniform(0, 0.8))
            at_work += is_busy
            killed[crew.kill_one(dice)] += 1
        until, last = time.monotonic() + 150, loads
        while loads == last:
            assert time.monotonic() < until, "the load does not end"
            try:
                look(crew)
            except requests.RequestException:
                continue
            time.sleep(0.5)
    with capsys.disabled():
        print(
            f"\nload on workers, {mode}: {killed} killed, {at_work} of {kills} at work (seed {SEED}), {loads} loads, 0 lost, 0 doubled"
        )
    assert at_work > kills // 2, "the kills came too late"
