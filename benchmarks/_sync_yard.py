"""Where syncs are measured: one PostgreSQL with the table `src`, a folder, our open service, and the peers."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from _peers import python_with
from _table import Row

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


@dataclass
class Yard:
    """Where it happens: one server with the table `src`, and a folder."""

    url: str
    folder: Path
    rows: int
    rounds: int
    peers: list[str]
    mariadb: Any = None
    rabbitmq: Any = None

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
        if (keys := self.one("select array_agg(pg_get_constraintdef(oid)) from pg_constraint where contype = 'p' and conrelid = 'dst'::regclass")[0]) != ["PRIMARY KEY (id)"]:  # fmt: skip
            raise SystemExit(f"fidelity: the keys are {keys}")

    def fresh_folder(self, name: str) -> Path:
        """Give an empty folder; what was in it is gone."""
        path = self.folder / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        return path

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
            "dlt": ("dlt[postgres,parquet,sql_database]", "sqlalchemy", "adbc-driver-postgresql", "psycopg2-binary"),
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

    def sync(self, name: str, expected: int, rejected: int = 0, **options: Any) -> float:
        assert self.process.stdin is not None
        began = time.perf_counter()
        self.process.stdin.write(f"{json.dumps([name, options])}\n")
        self.process.stdin.flush()
        said = self.answer()
        seconds = time.perf_counter() - began
        if (said["status"], said["written"], said["rejected"]) != ("succeeded", expected, rejected):
            raise SystemExit(f"{name}: {said}")
        self.peak_mb = max(self.peak_mb, said["peak_mb"])
        self.over_idle_mb = max(self.over_idle_mb, said["peak_mb"] - said["idle_mb"])
        return seconds


Goals = Mapping[str, float | None]


def compete(
    yard: Yard, work: str, service: Service, ours: Contestant, peers: Mapping[str, tuple[Contestant, float | None]],
    rows: int | None = None, also: Mapping[str, tuple[Contestant, Goals]] | None = None,
) -> list[Row]:  # fmt: skip
    """
    Run all in turn; the ratio is the median of the rounds' ratios of rates.

    `also` are other ways of ours to do the work, with what each has to reach of which peer.
    """
    goals = {work: {name: goal for name, (_, goal) in peers.items()}}
    goals |= {f"{work}, {way}": {one: goal for one, goal in said.items() if one in peers} for way, (_, said) in (also or {}).items()}  # fmt: skip
    contestants = [ours, *(run for run, _ in (also or {}).values()), *(run for run, _ in peers.values())]
    order = list(zip([*goals, *peers], contestants, strict=True))
    times: dict[str, list[float]] = {name: [] for name, _ in order}
    for turn in range(yard.rounds):
        for name, run in order if turn % 2 == 0 else reversed(order):
            times[name].append(run())
    count = rows or yard.rows
    return [
        Row(
            way, round(count / statistics.median(times[way])), "rows/s", round(count / statistics.median(times[name])), name,
            round(statistics.median(b / a for a, b in zip(times[way], times[name], strict=True)), 2), goal,
            round(service.over_idle_mb, 1),
        )
        for way, said in goals.items() for name, goal in said.items()
    ]  # fmt: skip


def timed(before: Callable[[], object], run: Callable[[], object]) -> float:
    before()
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def pipe(url: str, query: str = f"select {COLUMNS} from src") -> None:
    """Copy as one writes it by hand."""
    with psycopg.connect(url) as source, psycopg.connect(url) as target:
        out = source.cursor().copy(f"copy ({query}) to stdout (format binary)")  # type: ignore[arg-type]
        into = target.cursor().copy(f"copy dst ({COLUMNS}) from stdin (format binary)")
        with out as rows, into as sink:
            for row in rows:
                sink.write(row)
        target.commit()


def to_csv(yard: Yard, table: str, file: Path) -> None:
    query = f"copy (select {COLUMNS}::text from {table}) to stdout (format csv, header, null '\\N')"
    with psycopg.connect(yard.url) as line, file.open("wb") as out, line.cursor().copy(query) as rows:  # type: ignore[arg-type]
        out.writelines(map(bytes, rows))
