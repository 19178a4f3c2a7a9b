"""The peak of a sync over the idle process: the same for few rows and for many."""

from collections.abc import Mapping
from typing import Any

from _sync_yard import Yard, to_csv
from _table import Row


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
                to_csv(yard, name, inbox / f"{name}.csv")
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
