"""
Batch syncs against the hand-written limit and other tools: rows of 12 mixed columns, rounds in turn.

Each of our runs is a job of a service that is open; what it wrote is compared with the source by value, type and key before
its time counts.
"""

import argparse
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from _hosts import ROOT
from _peers import python_with
from _table import Row, show

COLUMNS = "id, customer, quantity, amount, tax, rate, ordered, created, changed, name, note, paid"
TYPES = """id bigint primary key, customer integer not null, quantity smallint, amount numeric(12,2), tax numeric(14,4),
    rate double precision, ordered date, created timestamp, changed timestamp not null, name varchar(40) not null,
    note text, paid boolean"""
ROWS = """select n, n % 10007, (n % 100)::smallint, (n * 37 % 1000000) / 100.0, (n * 31 % 10000000) / 10000.0, n / 7.0,
    date '2020-01-01' + (n % 2000)::int, timestamp '2024-01-01' + n * interval '1.001 second',
    timestamp '2026-01-01' + n * interval '37 millisecond', 'customer ' || n % 5003,
    case when n % 3 = 0 then null when n % 50 = 0 then E'a "quoted"\\nline, with comma' when n % 7 = 0 then ''
    else 'note number ' || n end, n % 2 = 0"""
Contestant = Callable[[], float]


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
        rows = [row for name in given.only or PARTS for row in PARTS[name](yard)]
    show(f"Syncs of {given.rows:,} rows; every path compared by value, type and key", rows, as_json=given.json)


@dataclass
class Yard:
    """Where it happens: one server with the table `src`, and a folder."""

    url: str
    folder: Path
    rows: int
    rounds: int
    peers: list[str]
    stack: ExitStack = field(default_factory=ExitStack)

    def fill(self) -> None:
        self.run(
            f"create table src ({TYPES})",
            f"insert into src {ROWS} from generate_series(1, {self.rows}) n",
            "vacuum analyze src",
        )

    def run(self, *statements: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as line:
            for statement in statements:
                line.execute(statement)  # type: ignore[call-overload]  # our own text

    def one(self, query: str) -> Any:
        with psycopg.connect(self.url) as line:
            return line.execute(query).fetchone()  # type: ignore[call-overload]  # our own text

    def fresh(self) -> None:
        self.run("drop table if exists dst, drawbar_sync", f"create table dst ({TYPES})")

    def gate(self, source: str = "src") -> None:
        """Refuse a path whose rows, types or key differ."""
        hashed = "select count(*), sum(hashtextextended(t::text, 0)) from {} t"
        if (ours := self.one(hashed.format("dst"))) != (theirs := self.one(hashed.format(source))):
            raise SystemExit(f"fidelity: {ours} is not {theirs}")

    @contextmanager
    def service(self, adapters: Mapping[str, Any], syncs: Mapping[str, Any]) -> Iterator["Service"]:
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        (folder / "drawbar.yaml").write_text(json.dumps({"version": 1, "adapters": adapters, "syncs": syncs}))
        command = [sys.executable, Path(__file__).with_name("_sync_service.py"), folder / "drawbar.yaml"]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            service = Service(process)
            service.answer()
            yield service
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(30)

    def database(self, *tables: str, **more: Any) -> dict[str, Any]:
        return {"kind": "sql", "url": self.url, "call_timeout_s": 300, "tables": {name: {} for name in tables}, **more}

    def peer(self, name: str, work: str, **given: Any) -> float:
        """Run a peer's script in its own environment."""
        packages = {
            "duckdb": ("duckdb==1.5.5", "duckdb-extension-postgres-scanner", "duckdb-extension-sqlite-scanner"),
            "dlt": ("dlt[postgres,parquet,sql_database]", "adbc-driver-postgresql", "psycopg2-binary"),
        }[name]
        command = [python_with(name, *packages), Path(__file__).with_name("_sync_peers.py"), work, json.dumps(given)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{name}: {done.stderr[-2000:]}")
        return float(done.stdout.strip().splitlines()[-1])

    def tool(self, package: str, program: str, *words: str) -> float:
        """Run a peer's command line."""
        python = Path(python_with(program.split("-", maxsplit=1)[0], package))
        found = next(iter(python.parent.parent.glob(f"**/bin/{program}")))
        found.chmod(0o755)
        environment = {
            **os.environ,
            "HOME": str(self.folder),
            "SLING_DISABLE_TELEMETRY": "true",
            "DISABLE_TELEMETRY": "true",
        }
        began = time.perf_counter()
        done = subprocess.run([found, *words], capture_output=True, text=True, check=False, env=environment)
        seconds = time.perf_counter() - began
        if done.returncode:
            raise SystemExit(f"{program}: {(done.stdout + done.stderr)[-2000:]}")
        return seconds


@dataclass
class Service:
    process: "subprocess.Popen[str]"
    over_idle_mb: float = 0.0
    peak_mb: float = 0.0

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("our service ended")
        return dict(json.loads(line))

    def sync(self, name: str, expected: int) -> float:
        assert self.process.stdin is not None
        began = time.perf_counter()
        self.process.stdin.write(f"{name}\n")
        self.process.stdin.flush()
        said = self.answer()
        seconds = time.perf_counter() - began
        if (said["status"], said["written"], said["rejected"]) != ("succeeded", expected, 0):
            raise SystemExit(f"{name}: {said}")
        self.peak_mb = max(self.peak_mb, said["peak_mb"])
        self.over_idle_mb = max(self.over_idle_mb, said["peak_mb"] - said["idle_mb"])
        return seconds


def compete(
    yard: Yard, work: str, service: Service, ours: Contestant, peers: Mapping[str, tuple[Contestant, float | None]],
    rows: int | None = None,
) -> list[Row]:  # fmt: skip
    """Run all in turn; the ratio is the median of the rounds' ratios of rates."""
    times: dict[str, list[float]] = {name: [] for name in ("ours", *peers)}
    for turn in range(yard.rounds):
        order = [("ours", ours), *((name, run) for name, (run, _) in peers.items())]
        for name, run in order if turn % 2 == 0 else reversed(order):
            times[name].append(run())
    count = rows or yard.rows
    return [
        Row(
            work, round(count / statistics.median(times["ours"])), "rows/s", round(count / statistics.median(times[name])), name,
            round(statistics.median(b / a for a, b in zip(times["ours"], times[name], strict=True)), 2), goal,
            round(service.over_idle_mb, 1),
        )
        for name, (_, goal) in peers.items()
    ]  # fmt: skip


def _timed(before: Callable[[], object], run: Callable[[], object]) -> float:
    before()
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def _pipe(url: str, query: str = f"select {COLUMNS} from src") -> None:
    """Copy as one writes it by hand."""
    with psycopg.connect(url) as source, psycopg.connect(url) as target:
        out = source.cursor().copy(f"copy ({query}) to stdout (format binary)")  # type: ignore[arg-type]
        into = target.cursor().copy(f"copy dst ({COLUMNS}) from stdin (format binary)")
        with out as rows, into as sink:
            for row in rows:
                sink.write(row)
        target.commit()


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
            "binary COPY by hand, with key": (lambda: _timed(yard.fresh, lambda: _pipe(uri)), 0.9)
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
            "COPY to a stage by hand": (lambda: _timed(back, hand), None)
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
    _to_csv(yard, "src", file)
    feed = {"pattern": "files/*.csv", "ready": {"min_age_s": 0}, "format": {"kind": "csv", "null": "\\N"}}
    adapters = {"files": {"kind": "local", "root": str(inbox), "feeds": {"rows": feed}}, "b": yard.database("dst")}
    syncs = {
        "s": {"from": {"adapter": "files", "feed": "rows"}, "to": {"adapter": "b", "table": "dst", "mode": "insert"}}
    }
    number = iter(range(1000))
    with yard.service(adapters, syncs) as service:

        def ours() -> float:
            yard.fresh()
            os.link(file, inbox / "files" / f"rows{next(number)}.csv")
            seconds = service.sync("s", yard.rows)
            yard.gate()
            return seconds

        def raw() -> None:
            with psycopg.connect(yard.url) as line, file.open("rb") as rows:
                with line.cursor().copy(f"copy dst ({COLUMNS}) from stdin (format csv, header, null '\\N')") as into:
                    while part := rows.read(1 << 16):
                        into.write(part)
                line.commit()

        ours()
        peers: dict[str, tuple[Contestant, float | None]] = {"raw COPY": (lambda: _timed(yard.fresh, raw), 0.9)}
        if "duckdb" in yard.peers:
            sql = f"insert into target.public.dst select * from read_csv('{file}', nullstr='\\N', header=true)"
            peers["DuckDB 1.5.5"] = (lambda: (yard.fresh(), yard.peer("duckdb", "duckdb", source="", target=yard.url, sql=sql, extensions=["postgres_scanner"]), yard.gate())[1], 1.2)  # fmt: skip
        return compete(yard, "CSV to PostgreSQL", service, ours, peers)


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
            "COPY TO by hand, as CSV": (lambda: _timed(lambda: by_hand.unlink(missing_ok=True), hand), goal)
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
    syncs = {"s": {"from": {"adapter": "a", "table": "src"}, "to": {"adapter": "b", "table": "dst", "mode": "replace"}}}
    with yard.service(adapters, syncs) as service:

        def ours() -> float:
            yard.fresh()
            seconds = service.sync("s", yard.rows)
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
            "rows into COPY by hand": (lambda: _timed(yard.fresh, hand), 0.95)
        }
        if "duckdb" in yard.peers:
            sql = "insert into target.public.dst select * from source.src"
            peers["DuckDB 1.5.5"] = (lambda: (yard.fresh(), yard.peer("duckdb", "duckdb", source=str(path), target=yard.url, sql=sql, extensions=["postgres_scanner", "sqlite_scanner"]), yard.gate())[1], 1.2)  # fmt: skip
        if "ingestr" in yard.peers:
            words = ("ingest", "--source-uri", f"sqlite:///{path}", "--source-table", "src", "--dest-uri", yard.url, "--dest-table", "public.of_ingestr_sqlite", "--yes", "--full-refresh")  # fmt: skip
            peers["ingestr 0.15.9"] = (lambda: yard.tool("ingestr==0.15.9", "ingestr", *words), 2)
        return compete(yard, "SQLite to PostgreSQL", service, ours, peers)


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
            "binary COPY by hand, with key": (lambda: _timed(yard.fresh, lambda: _pipe(yard.url)), 0.28)
        }
        if "sqlalchemy" in yard.peers:
            peers["SQLAlchemy insertmanyvalues"] = (lambda: _timed(yard.fresh, library), 4)
        return compete(yard, "any to any, a row's expression", service, ours, peers)


def memory(yard: Yard) -> list[Row]:
    """Compare the peak over the idle process at a twentieth of the rows and at all of them, from a table and from a file."""
    few = max(yard.rows // 20, 1)
    yard.run("drop table if exists part", f"create table part as select * from src where id <= {few}", "alter table part add primary key (id)")  # fmt: skip
    into = {"adapter": "b", "table": "dst", "mode": "replace"}
    tables = {"a": yard.database("src", "part"), "b": yard.database("dst")}
    inbox = yard.folder / "memory"
    inbox.mkdir()
    feeds = {
        name: {"pattern": f"{name}.csv", "ready": {"min_age_s": 0}, "format": {"kind": "csv", "null": "\\N"}}
        for name in ("part", "src")
    }
    files = {"files": {"kind": "local", "root": str(inbox), "feeds": feeds}, "b": yard.database("dst")}

    def peak(adapters: Mapping[str, Any], source: Mapping[str, Any], name: str, count: int) -> float:
        with yard.service(adapters, {"s": {"from": source, "to": into}}) as service:
            yard.fresh()
            service.sync("s", count)
            yard.gate(name)
            return service.over_idle_mb

    rows = []
    for what in ("PostgreSQL", "CSV"):
        peaks = []
        for name, count in (("part", few), ("src", yard.rows)):
            if what == "CSV":
                _to_csv(yard, name, inbox / f"{name}.csv")
                peaks.append(peak(files, {"adapter": "files", "feed": name}, name, count))
            else:
                peaks.append(peak(tables, {"adapter": "a", "table": name}, name, count))
        less, all_ = peaks
        work = f"{what} to PostgreSQL: peak over idle, MB, at {yard.rows:,} rows"
        limit = 80 / max(all_, 0.1)
        rows += [
            Row(work, all_, "MB", 80, "at most", round(limit, 2), 1 if what == "PostgreSQL" else None, all_),
            Row(work, all_, "MB", less, f"at {few:,} rows", round(less / max(all_, 0.1), 2), None, all_),
        ]
    return rows


def _to_csv(yard: Yard, table: str, file: Path) -> None:
    query = f"copy (select {COLUMNS}::text from {table}) to stdout (format csv, header, null '\\N')"
    with psycopg.connect(yard.url) as line, file.open("wb") as out, line.cursor().copy(query) as rows:  # type: ignore[arg-type]
        out.writelines(map(bytes, rows))


PARTS: Mapping[str, Callable[[Yard], list[Row]]] = {
    "copy": copied,
    "upsert": upserted,
    "csv": from_csv,
    "to_csv": partial(into_files, kind="csv", goal=0.95),
    "to_parquet": partial(into_files, kind="parquet", goal=0.55),
    "sqlite": from_sqlite,
    "expression": computed,
    "memory": memory,
}


if __name__ == "__main__":
    main()
