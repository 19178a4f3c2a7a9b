"""
Copybook: fixed EBCDIC records of 200 bytes and 20 fields (zoned, packed, binary, text) into Arrow batches, on one core.

The limit beside it is numpy doing nothing but translating the same bytes by one table and laying them out by column; the
goal is a number of records a minute. Variable records (RDW) and the way of rows, which every other path takes, stand below;
then a whole sync of the file into PostgreSQL, against one of the same data as CSV.
"""

import io
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import psycopg
from _hosts import ROOT
from _sync_yard import Yard
from _table import Row, arguments, at_most, peak_mb, show

from drawbar.adapters.formats import CopybookConfig, Format

RECORDS = 1_000_000
RECORD_BYTES = 200
GOAL_FIXED, GOAL_VARIABLE = 10_000_000, 1_000_000
MOST_MB = 128
COPYBOOK = """
       01 REC.
          05 ID         PIC 9(9).
          05 ACCOUNT    PIC 9(10).
          05 BRANCH     PIC 9(4).
          05 QUANTITY   PIC S9(5).
          05 BALANCE    PIC S9(9)V99.
          05 RATE       PIC S9(3)V9(4) SIGN TRAILING SEPARATE.
          05 AMOUNT     PIC S9(9)V99 COMP-3.
          05 TOTAL      PIC S9(13)V99 COMP-3.
          05 KEY-NO     PIC 9(5) COMP-3.
          05 FEE        PIC S9(7)V99 COMP-3.
          05 VOLUME     PIC S9(15)V99 COMP-3.
          05 SMALL-B    PIC S9(4) COMP.
          05 MIDDLE-B   PIC S9(9) COMP.
          05 LARGE-B    PIC S9(16)V99 COMP.
          05 NATIVE-B   PIC S9(9) COMP-5.
          05 NAME       PIC X(30).
          05 CITY       PIC X(25).
          05 COUNTRY    PIC X(2).
          05 STATUS-X   PIC X(1).
          05 NOTE       PIC X(40).
          05 FILLER     PIC X(6).
"""
TABLE = """"ID" integer, "ACCOUNT" bigint, "BRANCH" smallint, "QUANTITY" integer, "BALANCE" numeric(11,2),
    "RATE" numeric(7,4), "AMOUNT" numeric(11,2), "TOTAL" numeric(15,2), "KEY_NO" integer, "FEE" numeric(9,2),
    "VOLUME" numeric(17,2), "SMALL_B" smallint, "MIDDLE_B" integer, "LARGE_B" numeric(18,2), "NATIVE_B" bigint,
    "NAME" varchar(30), "CITY" varchar(25), "COUNTRY" char(2), "STATUS_X" char(1), "NOTE" text"""


def rows(count: int) -> Iterator[dict[str, Any]]:
    chance = random.Random(7)
    for number in range(count):
        cents = chance.randrange(-(10**9), 10**9)
        yield {
            "ID": number, "ACCOUNT": chance.randrange(10**10), "BRANCH": chance.randrange(10**4), "QUANTITY": -number,
            "BALANCE": f"{cents / 100:.2f}", "RATE": "-12.3456", "AMOUNT": f"{cents / 100:.2f}",
            "TOTAL": f"{cents / 50:.2f}", "KEY_NO": number, "FEE": "1.25", "VOLUME": "123456789012345.67",
            "SMALL_B": -5, "MIDDLE_B": cents // 10, "LARGE_B": f"{cents}.75", "NATIVE_B": cents,
            "NAME": f"Customer {number} and Sons", "CITY": "Springfield", "COUNTRY": "DE", "STATUS_X": "A",
            "NOTE": "paid in full, no questions",
        }  # fmt: skip


class Bench:
    """One file of each kind on disk, and what is done with it."""

    def __init__(self, folder: Path) -> None:
        (folder / "rec.cpy").write_text(COPYBOOK)
        self.folder = folder
        self.forms = {kind: self._opened(kind) for kind in ("fixed", "rdw")}
        for kind, form in self.forms.items():
            part = io.BytesIO()
            form.write(rows(1000), part)
            with (folder / kind).open("wb") as file:
                for _ in range(RECORDS // 1000):
                    file.write(part.getvalue())

    def _opened(self, kind: str) -> Format:
        return CopybookConfig(kind="copybook", copybook=Path("rec.cpy"), record=kind).open(self.folder)

    def columns(self, kind: str) -> int:
        form: Any = self.forms[kind]
        with (self.folder / kind).open("rb") as stream:
            return sum(batch.rows.num_rows for batch in form.arrow_batches(stream))

    def rows(self) -> int:
        count = RECORDS // 20
        with (self.folder / "fixed").open("rb") as stream:
            return sum(1 for _ in zip(self.forms["fixed"].read(stream), range(count), strict=False))

    def limit(self) -> int:
        table = np.arange(255, -1, -1, dtype=np.uint8)
        count = 0
        with (self.folder / "fixed").open("rb") as stream:
            while chunk := stream.read(32768 * RECORD_BYTES):
                block = np.frombuffer(chunk, dtype=np.uint8).reshape(-1, RECORD_BYTES)
                count += np.ascontiguousarray(table[block].T).shape[1]
        return count


def rate(work: Callable[[], int]) -> float:
    """Give records a minute."""
    before = time.perf_counter()
    count = work()
    return count / (time.perf_counter() - before) * 60


def against(work: str, ours: list[float], peer: list[float], name: str, goal: float | None, peak: float) -> Row:
    ratio = statistics.median(a / b for a, b in zip(ours, peer, strict=True))
    figures = (round(statistics.median(ours)), "records/min", round(statistics.median(peer)))
    return Row(work, *figures, name, round(ratio, 2), goal, peak)


@contextmanager
def bench() -> Iterator[Bench]:
    with TemporaryDirectory() as folder:
        yield Bench(Path(folder))


def synced(made: Bench, rounds: int) -> list[Row]:
    """Load the file and a CSV of the same data into PostgreSQL, in turn; a table that differs ends it."""
    sys.path.insert(0, str(ROOT / "tests"))
    from servers.postgres import Postgres

    feeds = {
        "copybook": {"kind": "copybook", "copybook": str(made.folder / "rec.cpy")},
        "csv": {"kind": "csv", "null": "\\N"},
    }
    with Postgres() as server:
        yard = Yard(server.url.replace("+psycopg", ""), made.folder, RECORDS, rounds, [])
        yard.run(f"create table dst ({TABLE})")
        inbox = made.folder / "inbox"
        inbox.mkdir()
        drop = {"kind": "local", "root": str(inbox)}
        drop["feeds"] = {
            name: {"pattern": f"{name}*", "ready": {"min_age_s": 0}, "format": form} for name, form in feeds.items()
        }
        adapters = {"files": drop, "b": yard.database("dst")}
        syncs = {
            name: {"from": {"adapter": "files", "feed": name}, "to": {"adapter": "b", "table": "dst", "mode": "insert"}}
            for name in feeds
        }
        files = {"copybook": made.folder / "fixed", "csv": made.folder / "rows.csv"}
        number = iter(range(10_000))
        hashed = "select count(*), sum(hashtextextended(t::text, 0)) from dst t"

        def run(name: str) -> float:
            yard.run("truncate dst")
            os.link(files[name], inbox / f"{name}{next(number)}")
            return service.sync(name, RECORDS)

        with yard.service(adapters, syncs) as service:
            run("copybook")
            expected = yard.one(hashed)
            with psycopg.connect(yard.url) as line, files["csv"].open("wb") as out:
                query = "copy dst to stdout (format csv, header, null '\\N')"
                with line.cursor().copy(query) as rows_out:
                    out.writelines(map(bytes, rows_out))
            run("csv")
            if yard.one(hashed) != expected:
                raise SystemExit("the two tables differ")
            times = [
                (run("copybook"), run("csv")) if turn % 2 else (run("csv"), run("copybook"))[::-1]
                for turn in range(rounds)
            ]
            rates = [[RECORDS / seconds * 60 for seconds in one] for one in zip(*times, strict=True)]
            return [against("sync into PostgreSQL", rates[0], rates[1], "the same as CSV", 1, service.over_idle_mb)]


def main() -> None:
    said = arguments(__doc__, rounds=3)
    with bench() as made:
        loads = synced(made, said.rounds)
        works: dict[str, Callable[[], int]] = {
            "fixed": partial(made.columns, "fixed"), "rdw": partial(made.columns, "rdw"),
            "rows": made.rows, "limit": made.limit,
        }  # fmt: skip
        idle = peak_mb()
        works["fixed"]()
        works["rdw"]()
        held = round(peak_mb() - idle, 1)
        rates: dict[str, list[float]] = {name: [] for name in works}
        for _ in range(said.rounds):
            for name, work in works.items():
                rates[name].append(rate(work))
    fixed, variable, by_rows, limit = (rates[name] for name in ("fixed", "rdw", "rows", "limit"))
    found = [
        against("fixed, by columns", fixed, [GOAL_FIXED] * len(fixed), "the goal", 1, held),
        against("fixed, by columns", fixed, limit, "numpy: translate and lay out", None, held),
        against("fixed, by columns", fixed, by_rows, "our way of rows", None, held),
        against("variable (RDW), by columns", variable, [GOAL_VARIABLE] * len(variable), "the goal", 1, held),
        at_most(f"memory, {RECORDS * RECORD_BYTES // 1_000_000} MB file", held, "MB", MOST_MB),
    ]
    show("Copybook", found + loads, as_json=said.json)


if __name__ == "__main__":
    main()
