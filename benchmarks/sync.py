"""
Batch syncs against the hand-written limit and other tools: rows of 12 mixed columns, rounds in turn.

Each of our runs is a job of a service that is open; what it wrote is compared with the source by value, type and key before
its time counts.
"""

import argparse
import os
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from _hosts import ROOT
from _sync_memory import memory, memory_of_all
from _sync_yard import COLUMNS, TYPES, Contestant, Yard, compete, pipe, timed, to_csv
from _table import Row, show


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="a list of rows instead of a table")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--only", action="append", choices=PARTS, help="this part only")
    parser.add_argument("--peers", default="duckdb,ingestr,sling,dlt,sqlalchemy", help="whom to run beside us")
    given = parser.parse_args()
    sys.path.insert(0, str(ROOT / "tests"))
    from servers.postgres import Postgres

    with Postgres() as server, tempfile.TemporaryDirectory() as folder:
        yard = Yard(server.url.replace("+psycopg", ""), Path(folder), given.rows, given.rounds, given.peers.split(","))
        yard.fill()
        rows = [row for name in given.only or _USUAL for row in PARTS[name](yard)]
    show(f"Syncs of {given.rows:,} rows; every path compared by value, type and key", rows, as_json=given.json)


def copied(yard: Yard) -> list[Row]:
    adapters = {"a": yard.database("src"), "b": yard.database("dst")}
    syncs = {"s": {"from": {"adapter": "a", "table": "src"}, "to": {"adapter": "b", "table": "dst", "mode": "replace"}}}
    uri, count = yard.url, yard.rows
    with yard.service(adapters, syncs) as service:

        def ours() -> float:
            yard.fresh()
            seconds = service.sync("s", count)
            yard.gate()
            return seconds

        ours()
        peers: dict[str, tuple[Contestant, float | None]] = {
            "binary COPY by hand, with key": (lambda: timed(yard.fresh, lambda: pipe(uri)), 0.9)
        }
        if "duckdb" in yard.peers:
            sql = "insert into target.public.dst select * from source.public.src"
            peers["DuckDB 1.5.5, with key"] = (lambda: (yard.fresh(), yard.peer("duckdb", "duckdb", source=uri, target=uri, sql=sql, extensions=["postgres_scanner"]))[1], 1)  # fmt: skip
        if "ingestr" in yard.peers:
            words = ("ingest", "--source-uri", uri, "--source-table", "public.src", "--dest-uri", uri, "--dest-table", "public.of_ingestr", "--yes", "--full-refresh")  # fmt: skip
            peers["ingestr 0.15.9"] = (lambda: yard.tool("ingestr==0.15.9", "ingestr", *words), 1.4)
        if "sling" in yard.peers:
            run = ("run", "--src-conn", f"{uri}?sslmode=disable", "--src-stream", "public.src", "--tgt-conn", f"{uri}?sslmode=disable", "--tgt-object", "public.of_sling", "--mode", "full-refresh")  # fmt: skip
            peers["sling 1.4.11"] = (lambda: yard.tool("sling-linux-amd64==1.4.11", "sling-linux-amd64", *run), 3.5)
        if "dlt" in yard.peers:
            peers["dlt, pyarrow and parquet"] = (lambda: yard.peer("dlt", "dlt", source=uri.replace("postgresql:", "postgresql+psycopg2:"), target=uri, table="src", mode="replace", into="of_dlt"), 6)  # fmt: skip
        return compete(yard, "PostgreSQL to PostgreSQL, full", service, ours, peers)


def upserted(yard: Yard) -> list[Row]:
    """Change 50,000 of the rows, found by their watermark."""
    changed = min(50_000, yard.rows // 20)
    adapters = {"a": yard.database("chg"), "b": yard.database("dst")}
    source = {"adapter": "a", "table": "chg"}
    syncs = {"s": {"from": source, "to": {"adapter": "b", "table": "dst", "mode": "upsert"}}}
    yard.run("drop table if exists chg", "create table chg (like src including all)", f"insert into chg select id, customer, quantity, amount + 1, tax, rate, ordered, created, changed, name, note, paid from src where id % {yard.rows // changed} = 0")  # fmt: skip
    count = int(yard.one("select count(*) from chg")[0])
    yard.fresh()
    full = "insert into dst select * from src"

    def back() -> None:
        yard.run("truncate dst", full, "vacuum analyze dst")

    with yard.service(adapters, syncs) as service:

        def ours() -> float:
            back()
            seconds = service.sync("s", count)
            if yard.one("select count(*) from dst join chg using (id) where dst.amount <> chg.amount or dst.note is distinct from chg.note")[0]:  # fmt: skip
                raise SystemExit("fidelity: an upsert is not there")
            return seconds

        def hand() -> None:
            with psycopg.connect(yard.url) as line, psycopg.connect(yard.url) as other:
                line.execute("create temp table stage (like dst) on commit drop")
                with other.cursor().copy("copy chg to stdout (format binary)") as out, line.cursor().copy("copy stage from stdin (format binary)") as into:  # fmt: skip
                    for row in out:
                        into.write(row)
                names = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS.split(", ")[1:])
                line.execute(f"insert into dst select * from stage on conflict (id) do update set {names}")  # type: ignore[call-overload]
                line.commit()

        ours()
        peers: dict[str, tuple[Contestant, float | None]] = {
            "COPY to a stage by hand": (lambda: timed(back, hand), None)
        }
        if "ingestr" in yard.peers:
            words = ("ingest", "--source-uri", yard.url, "--source-table", "public.chg", "--dest-uri", yard.url, "--dest-table", "public.dst", "--yes", "--incremental-strategy", "merge", "--incremental-key", "changed", "--primary-key", "id")  # fmt: skip
            peers["ingestr 0.15.9 merge"] = (lambda: (back(), yard.tool("ingestr==0.15.9", "ingestr", *words))[1], 1)
        if "dlt" in yard.peers:
            said = {
                "source": yard.url.replace("postgresql:", "postgresql+psycopg2:"),
                "target": yard.url,
                "into": "of_dlt",
            }
            yard.peer("dlt", "dlt", table="src", mode="replace", **said)
            peers["dlt merge"] = (lambda: yard.peer("dlt", "dlt", table="chg", mode="merge", **said), 5)
        return compete(yard, f"upsert of {count:,} rows", service, ours, peers, count)


def from_csv(yard: Yard) -> list[Row]:
    inbox = yard.folder / "inbox"
    (inbox / "files").mkdir(parents=True)
    file = yard.folder / "rows.csv"
    to_csv(yard, "src", file)
    feed = {"pattern": "files/*.csv", "ready": {"min_age_s": 0}, "format": {"kind": "csv", "null": "\\N"}}
    adapters = {"files": {"kind": "local", "root": str(inbox), "feeds": {"rows": feed}}, "b": yard.database("dst")}
    syncs = _kept_and_rebuilt({"adapter": "files", "feed": "rows"}, mode="insert")
    number = iter(range(1000))
    with yard.service(adapters, syncs) as service:

        def ours(sync: str = "keep") -> float:
            yard.fresh()
            os.link(file, inbox / "files" / f"rows{next(number)}.csv")
            seconds = service.sync(sync, yard.rows)
            yard.gate()
            return seconds

        def raw() -> None:
            with psycopg.connect(yard.url) as line, file.open("rb") as rows:
                with line.cursor().copy(f"copy dst ({COLUMNS}) from stdin (format csv, header, null '\\N')") as into:
                    while part := rows.read(1 << 16):
                        into.write(part)
                line.commit()

        ours()
        peers: dict[str, tuple[Contestant, float | None]] = {"raw COPY": (lambda: timed(yard.fresh, raw), 0.9)}
        if "duckdb" in yard.peers:
            sql = f"insert into target.public.dst select * from read_csv('{file}', nullstr='\\N', header=true)"
            peers["DuckDB 1.5.5"] = (lambda: (yard.fresh(), yard.peer("duckdb", "duckdb", source="", target=yard.url, sql=sql, extensions=["postgres_scanner"]), yard.gate())[1], 1.2)  # fmt: skip
        rebuilt = {"indexes: rebuild": (partial(ours, "rebuild"), {"DuckDB 1.5.5": 1.2})}
        return compete(yard, "CSV to PostgreSQL", service, ours, peers, also=rebuilt)


def _kept_and_rebuilt(source: Mapping[str, Any], mode: str) -> dict[str, Any]:
    """Give two syncs into the same table, by what each does with its key."""
    to = {"adapter": "b", "table": "dst", "mode": mode}
    return {way: {"from": source, "to": {**to, "indexes": way}} for way in ("keep", "rebuild")}


def into_files(yard: Yard, kind: str, goal: float) -> list[Row]:
    """Write a file and load it again by other means; the limit is COPY's text in a file."""
    drop = yard.folder / f"drop_{kind}"
    (drop / "files").mkdir(parents=True)
    form = {"kind": "csv", "null": "\\N", "datetimes": "sql"} if kind == "csv" else {"kind": "parquet"}
    feed = {"pattern": "files/*.out", "ready": {"min_age_s": 0}, "format": form}
    adapters = {"a": yard.database("src"), "files": {"kind": "local", "root": str(drop), "feeds": {"rows": feed}}}
    syncs = {"s": {"from": {"adapter": "a", "table": "src"}, "to": {"adapter": "files", "feed": "rows"}}}
    by_hand = yard.folder / "by_hand.csv"
    with yard.service(adapters, syncs) as service:

        def ours() -> float:
            seconds = service.sync("s", yard.rows)
            (file,) = (drop / "files").glob("*.out")
            yard.fresh()
            _load(yard, file, kind)
            yard.gate()
            file.unlink()
            return seconds

        def hand() -> None:
            query = f"copy (select {COLUMNS} from src) to stdout (format csv, header, null '\\N')"
            with psycopg.connect(yard.url) as line, by_hand.open("wb") as out, line.cursor().copy(query) as rows:
                for part in rows:
                    out.write(part)

        ours()
        peers: dict[str, tuple[Contestant, float | None]] = {
            "COPY TO by hand, as CSV": (lambda: timed(lambda: by_hand.unlink(missing_ok=True), hand), goal)
        }
        return compete(yard, f"PostgreSQL to {'CSV' if kind == 'csv' else 'Parquet'}", service, ours, peers)


def _load(yard: Yard, file: Path, kind: str) -> None:
    if kind == "parquet":
        import pyarrow.csv
        import pyarrow.parquet

        table = pyarrow.parquet.read_table(file)
        file = yard.folder / "of_parquet.csv"
        options = pyarrow.csv.WriteOptions(quoting_style="needed")
        pyarrow.csv.write_csv(table, file, options)
    null = "\\N" if kind == "csv" else ""
    with psycopg.connect(yard.url) as line, file.open("rb") as rows:
        with line.cursor().copy(f"copy dst ({COLUMNS}) from stdin (format csv, header, null '{null}')") as into:
            while part := rows.read(1 << 16):
                into.write(part)
        line.commit()


def from_sqlite(yard: Yard) -> list[Row]:
    path = yard.folder / "rows.db"
    line = sqlite3.connect(path)
    line.execute(f"create table src ({TYPES})")
    with psycopg.connect(yard.url) as source, source.cursor("rows") as rows:
        rows.itersize = 5000
        rows.execute("select id, customer, quantity, amount::float8, tax::float8, rate, ordered::text, created::text, changed::text, name, note, paid::int from src")  # fmt: skip
        line.executemany(f"insert into src values ({', '.join('?' * 12)})", rows)
    line.commit()
    line.close()
    adapters = {"a": {"kind": "sql", "url": f"sqlite:///{path}", "tables": {"src": {}}}, "b": yard.database("dst")}
    syncs = _kept_and_rebuilt({"adapter": "a", "table": "src"}, mode="replace")
    with yard.service(adapters, syncs) as service:

        def ours(sync: str = "keep") -> float:
            yard.fresh()
            seconds = service.sync(sync, yard.rows)
            yard.gate()
            return seconds

        def hand() -> None:
            source = sqlite3.connect(path)
            with psycopg.connect(yard.url) as target:
                with target.cursor().copy(f"copy dst ({COLUMNS}) from stdin") as into:
                    for row in source.execute(f"select {COLUMNS} from src"):
                        into.write_row(row)
                target.commit()

        ours()
        peers: dict[str, tuple[Contestant, float | None]] = {
            "rows into COPY by hand": (lambda: timed(yard.fresh, hand), 0.95)
        }
        if "duckdb" in yard.peers:
            sql = "insert into target.public.dst select * from source.src"
            peers["DuckDB 1.5.5"] = (lambda: (yard.fresh(), yard.peer("duckdb", "duckdb", source=str(path), target=yard.url, sql=sql, extensions=["postgres_scanner", "sqlite_scanner"]), yard.gate())[1], 1.2)  # fmt: skip
        if "ingestr" in yard.peers:
            words = ("ingest", "--source-uri", f"sqlite:///{path}", "--source-table", "src", "--dest-uri", yard.url, "--dest-table", "public.of_ingestr_sqlite", "--yes", "--full-refresh")  # fmt: skip
            peers["ingestr 0.15.9"] = (lambda: yard.tool("ingestr==0.15.9", "ingestr", *words), 2)
        rebuilt = {"indexes: rebuild": (partial(ours, "rebuild"), {"DuckDB 1.5.5": 1.2})}
        return compete(yard, "SQLite to PostgreSQL", service, ours, peers, also=rebuilt)


def computed(yard: Yard) -> list[Row]:
    adapters = {"a": yard.database("src"), "b": yard.database("dst")}
    fields = {name: f"${{{{ row.{name} }}}}" for name in COLUMNS.split(", ")}
    fields["tax"] = "${{ row.amount * decimal('0.19') }}"
    source = {"adapter": "a", "table": "src"}
    syncs = {"s": {"from": source, "map": fields, "to": {"adapter": "b", "table": "dst", "mode": "replace"}}}
    yard.run("create or replace view made as select id, customer, quantity, amount, (amount * 0.19)::numeric(14,4) as tax, rate, ordered, created, changed, name, note, paid from src")  # fmt: skip
    with yard.service(adapters, syncs) as service:

        def ours() -> float:
            yard.fresh()
            seconds = service.sync("s", yard.rows)
            yard.gate("made")
            return seconds

        def library() -> None:
            engine = sa.create_engine(yard.url.replace("postgresql:", "postgresql+psycopg:"))
            table = sa.Table("dst", sa.MetaData(), autoload_with=engine)
            with engine.connect() as source, engine.begin() as target:
                rows = (
                    source.execution_options(yield_per=5000).execute(sa.text(f"select {COLUMNS} from src")).mappings()
                )
                for part in rows.partitions(5000):
                    target.execute(sa.insert(table), [{**row, "tax": row["amount"] * 19 / 100} for row in part])
            engine.dispose()

        ours()
        peers: dict[str, tuple[Contestant, float | None]] = {
            "binary COPY by hand, with key": (lambda: timed(yard.fresh, lambda: pipe(yard.url)), 0.28)
        }
        if "sqlalchemy" in yard.peers:
            peers["SQLAlchemy insertmanyvalues"] = (lambda: timed(yard.fresh, library), 4)
        return compete(yard, "any to any, a row's expression", service, ours, peers)


PARTS: Mapping[str, Callable[[Yard], list[Row]]] = {
    "copy": copied,
    "upsert": upserted,
    "csv": from_csv,
    "to_csv": partial(into_files, kind="csv", goal=0.95),
    "to_parquet": partial(into_files, kind="parquet", goal=0.55),
    "sqlite": from_sqlite,
    "expression": computed,
    "memory": memory,
    "memory_of_all": memory_of_all,
}
_USUAL = [name for name in PARTS if name != "memory_of_all"]


if __name__ == "__main__":
    main()
