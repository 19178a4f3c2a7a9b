"""What a sync holds in memory does not grow with its rows: each runs in a process of its own, over few rows and over ten times as many."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from syncing import execute, rows

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
FEW = 40_000
MOST_MORE_MB = 8
COLUMNS = "id bigint primary key, amount numeric(12,2), changed timestamp not null, name varchar(40) not null"
MADE = """select n, n / 7.0, timestamp '2026-01-01' + n * interval '1 second', 'customer ' || mod(n, 5003)
    from generate_series(1, {}) n"""


def peak(folder: Path, adapters: dict[str, Any], sync: dict[str, Any], **options: Any) -> tuple[dict[str, Any], float]:
    """Run a sync in a fresh process; give its report, and its peak over the idle process in MB."""
    folder.mkdir(exist_ok=True)
    (folder / "drawbar.yaml").write_text(json.dumps({"version": 1, "adapters": adapters, "syncs": {"load": sync}}))
    program = Path(__file__).parents[1] / "peaking.py"
    command = [sys.executable, program, folder / "drawbar.yaml", "load", json.dumps(options)]
    said = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert said["report"]["status"] == "succeeded", said
    return said["report"], said["over_mb"]


def tables(url: str, count: int, more: str = "") -> dict[str, Any]:
    """Make a source of so many rows and an empty target."""
    execute(
        url,
        "drop table if exists source, target, drawbar_sync",
        f"create table source ({COLUMNS}{more})",
        f"insert into source (id, amount, changed, name) {MADE.format(count)}",
        "create index on source (changed, id)",
        f"create table target ({COLUMNS})",
        "analyze source",
    )
    return {"db": {"kind": "sql", "url": url, "call_timeout_s": 120, "tables": {"source": {}, "target": {}}}}


def between_tables(url: str, folder: Path, count: int, **more: Any) -> float:
    source = {"adapter": "db", "table": "source", **more.pop("source", {})}
    to = {"adapter": "db", "table": "target", "mode": "upsert"}
    report, over_mb = peak(folder, tables(url, count, more.pop("columns", "")), {"from": source, "to": to, **more})
    assert (report["written"], rows(url, "select count(*) from target")) == (count, [(count,)])
    return over_mb


def by_cursor(url: str, folder: Path, count: int) -> float:
    return between_tables(url, folder, count, source={"cursor": {"column": "changed", "tie_breaker": "id"}})


def by_row(url: str, folder: Path, count: int) -> float:
    fields = {"name": "${{ row.name + ' of ' + string(row.id) }}"}
    fields |= {name: f"${{{{ row.{name} }}}}" for name in ("id", "amount", "changed")}
    schema = {"type": "object", "properties": {"name": {"type": "string"}}}
    return between_tables(url, folder, count, map=fields, schema=schema)


def drifted(url: str, folder: Path, count: int) -> float:
    return between_tables(url, folder, count, columns=", more text", on_drift="ignore")


def deleting(url: str, folder: Path, count: int) -> float:
    """In each bucket of keys something is gone, so that all keys are compared."""
    adapters = tables(url, count)
    execute(
        url,
        "insert into target select * from source",
        "insert into target select id + 1000000000, amount, changed, name from source where mod(id, 20) = 0",
    )
    end = {"adapter": "db", "table": "source"}
    to = {"adapter": "db", "table": "target", "mode": "upsert"}
    report, over_mb = peak(folder, adapters, {"from": end, "to": to, "deletes": {}})
    assert (report["deleted"], rows(url, "select count(*) from target")) == (count // 20, [(count,)])
    return over_mb


def into_parquet(url: str, folder: Path, count: int) -> float:
    """In row groups of a hundred rows, so that the foot of the file has thousands of them."""
    feed = {"pattern": "*.parquet", "format": {"kind": "parquet", "row_group_rows": 100}}
    adapters = {**tables(url, count), "drop": {"kind": "local", "root": str(folder), "feeds": {"rows": feed}}}
    sync = {"from": {"adapter": "db", "table": "source"}, "to": {"adapter": "drop", "feed": "rows"}}
    report, over_mb = peak(folder, adapters, sync)
    assert report["written"] == count
    return over_mb


@pytest.mark.parametrize("way", [between_tables, by_cursor, by_row, drifted, deleting, into_parquet])
def test_from_a_table_ten_times_the_rows_take_the_same_memory(
    way: Callable[[str, Path, int], float], pg_url: str, tmp_path: Path
) -> None:
    few = way(pg_url, tmp_path / "few", FEW)

    assert way(pg_url, tmp_path / "many", 10 * FEW) < few + MOST_MORE_MB


def test_a_million_rejects_take_no_more_memory_than_a_hundred_thousand_and_none_more_when_corrected(
    pg_url: str, tmp_path: Path
) -> None:
    few = rejected(pg_url, tmp_path / "few", 100_000)

    many = rejected(pg_url, tmp_path / "many", 1_000_000)

    assert all(after < before + MOST_MORE_MB for before, after in zip(few, many, strict=True)), (few, many)


def rejected(url: str, folder: Path, count: int) -> tuple[float, float]:
    """Load a file in which every record is wrong, then one in twenty of them again; give both peaks."""
    adapters = tables(url, 1)
    (folder / "in").mkdir(parents=True)
    with (folder / "in" / "rows.csv").open("w") as file:
        file.write("id,amount,changed,name\n")
        file.writelines(f"{n},none,2026-01-01T00:00:00,customer {n}\n" for n in range(count))
    feed = {"pattern": "*.csv", "ready": {"min_age_s": 0}, "format": {"kind": "csv"}}
    adapters["drop"] = {"kind": "local", "root": str(folder / "in"), "feeds": {"rows": feed}}
    to = {"adapter": "db", "table": "target", "mode": "insert"}
    sync = {"from": {"adapter": "drop", "feed": "rows"}, "to": to, "rejects": {"max_share": 1}}

    report, over_mb = peak(folder, adapters, sync)

    assert (report["rejected"], report["written"]) == (count, 0)
    assert len(json.dumps(report)) < 10_000
    (file_of_rejects,) = (folder / "rejects" / "load").glob("*.jsonl")
    assert corrected(file_of_rejects) == count
    report, again_mb = peak(folder, adapters, sync, resubmit=True)
    assert (report["read"], report["written"]) == (count, count // 20)
    return over_mb, again_mb


def corrected(path: Path) -> int:
    """Give one in twenty rejects of a file its amount; say how many there are."""
    made = path.with_suffix(".made")
    number = 0
    with path.open() as lines, made.open("w") as out:
        for number, line in enumerate(lines, 1):
            said = json.loads(line)
            amount = "1.00" if number % 20 == 0 else "none"
            said["row"] = {"id": number, "amount": amount, "changed": "2026-01-01T00:00:00", "name": "n"}
            out.write(json.dumps(said) + "\n")
    made.replace(path)
    return number
