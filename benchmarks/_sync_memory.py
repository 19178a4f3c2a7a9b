"""The peak of a sync over the idle process, by every way: the same for few rows and for many."""

import json
from collections.abc import Iterable

from _sync_paths import PATHS, Job
from _sync_yard import ROWS, TYPES, Yard
from _table import Row

_MOST_MB = 80
_FLAT = 0.9
_MAIN = (
    "PostgreSQL to PostgreSQL",
    "PostgreSQL to PostgreSQL, upsert",
    "PostgreSQL to PostgreSQL, cursor",
    "PostgreSQL to PostgreSQL, expression",
    "PostgreSQL to PostgreSQL, deletes",
    "CSV to PostgreSQL",
    "Parquet to PostgreSQL",
    "SQLite to PostgreSQL",
    "PostgreSQL to CSV",
    "PostgreSQL to Parquet",
)


def memory(yard: Yard) -> list[Row]:
    """Measure the ways by bytes and by column at a tenth of the rows and at all of them."""
    return _measured(yard, _MAIN, yard.rows // 10, yard.rows)


def memory_of_all(yard: Yard) -> list[Row]:
    """Measure all others, most of which go row by row, at a twentieth and at a fifth."""
    from servers.mariadb import MariaDB
    from servers.rabbitmq import RabbitMQ

    with MariaDB() as yard.mariadb, RabbitMQ() as yard.rabbitmq:
        return _measured(yard, [name for name in PATHS if name not in _MAIN], yard.rows // 20, yard.rows // 5)


def _measured(yard: Yard, names: Iterable[str], few: int, all_: int) -> list[Row]:
    for count in (few, all_):
        table = f"rows_{count}"
        yard.run(f"drop table if exists {table}", f"create table {table} ({TYPES})", f"insert into {table} {ROWS} from generate_series(1, {count}) n", f"create index on {table} (changed, id)", f"vacuum analyze {table}")  # fmt: skip
    rows = []
    for name in names:
        less, most = _peak(yard, name, few), _peak(yard, name, all_)
        work = f"{name}: peak over idle, at {all_:,} rows"
        if name == _MAIN[0]:
            rows.append(Row(work, most, "MB", _MOST_MB, "at most", round(_MOST_MB / max(most, 0.1), 2), 1, most))
        rows.append(Row(work, most, "MB", less, f"at {few:,}", round(less / max(most, 0.1), 2), _FLAT, most))
    return rows


def _peak(yard: Yard, name: str, count: int) -> float:
    table = f"rows_{count}"
    yard.fresh()
    job = PATHS[name](yard, table, count)
    if job.first:
        _before(yard, job)
    with yard.service(job.adapters, job.syncs) as service:
        service.sync("s", job.written, job.rejected, **job.options)
        if job.is_copy:
            yard.gate(table)
        return service.over_idle_mb


def _before(yard: Yard, job: Job) -> None:
    with yard.service(job.adapters, job.syncs) as service:
        assert service.process.stdin is not None
        for name in job.first:
            service.process.stdin.write(f"{json.dumps([name, {}])}\n")
            service.process.stdin.flush()
            service.answer()
    job.between()
