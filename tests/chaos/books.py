"""Drawbar's own books, read past every proxy: what has not ended, what waits for a person, what was kept as evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Engine, NullPool, create_engine, text

OPEN = ("queued", "running", "waiting", "paused", "parked")


class Books:
    def __init__(self, url: str) -> None:
        self._engine: Engine = create_engine(url, poolclass=NullPool)

    def rows(self, query: str) -> list[Any]:
        with self._engine.connect() as conn:
            return list(conn.execute(text(query)))

    def runs(self) -> Counter[str]:
        """Count runs by state."""
        return Counter(dict(self.rows("select state, count(*) from runs group by state")))

    def not_ended(self) -> int:
        return sum(count for state, count in self.runs().items() if state in OPEN)

    def begun(self) -> int:
        """Count runs that no other run began."""
        [(count,)] = self.rows("select count(*) from runs where parent_run is null")
        return int(count)

    def runs_of_orders(self) -> Counter[str]:
        """Count runs by the order that they are of."""
        found = self.rows("select key, count(*) from runs where parent_run is null group by key")
        return Counter({str(key): count for key, count in found})

    def children_of_orders(self) -> Counter[str]:
        """Count runs that are steps of other runs, by the order."""
        found = self.rows("select p.key, count(*) from runs c join runs p on p.id = c.parent_run group by p.key")
        return Counter({str(key): count for key, count in found})

    def ends(self) -> Counter[tuple[str, str]]:
        """Count runs by the order, or that of the run above, and by how they ended."""
        found = self.rows(
            "select coalesce(p.key, r.key), r.state, count(*) from runs r left join runs p on p.id = r.parent_run"
            " where r.finished_at is not null group by 1, 2"
        )
        return Counter({(str(key), str(state)): count for key, state, count in found})

    def failed_compensations(self) -> int:
        [(count,)] = self.rows("select count(*) from ledger where dead = 1")
        return int(count)

    def unknown(self) -> tuple[int, int]:
        """Count effects without an outcome: those that Drawbar itself will look at, and those that wait for a person."""
        [(by_itself, by_person)] = self.rows(
            "select coalesce(sum(case when state = 'intent' or probe_at is not null then 1 else 0 end), 0),"
            " coalesce(sum(case when state = 'unknown' and probe_at is null then 1 else 0 end), 0)"
            " from ledger where state in ('intent', 'unknown')"
        )
        return int(by_itself), int(by_person)

    def events(self) -> Counter[str]:
        return Counter(dict(self.rows("select type, count(*) from events group by type")))

    def settled(self) -> Counter[str]:
        """Count unknown outcomes that came to an end, by who ended them."""
        return Counter(
            dict(self.rows("select settled_by, count(*) from ledger where settled_by is not null group by settled_by"))
        )

    def stale(self) -> set[tuple[str, str]]:
        """Name task and order of which a result came too late and was kept as evidence."""
        found = self.rows(
            "select a.task, coalesce(p.key, r.key) from attempts a join runs r on r.id = a.run_id"
            " left join runs p on p.id = r.parent_run where a.state = 'stale'"
        )
        return {(str(task), str(key)) for task, key in found}

    def failures(self, but: Iterable[str] = ()) -> list[Any]:
        """Give runs that failed or were cancelled, but for those of some orders."""
        meant = set(but)
        found = self.rows(
            "select r.id, coalesce(p.key, r.key), r.error from runs r left join runs p on p.id = r.parent_run"
            " where r.state in ('failed', 'cancelled')"
        )
        return [row for row in found if str(row[1]) not in meant]
