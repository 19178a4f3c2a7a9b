"""Drawbar's own books, read past every proxy: what has not ended, what waits for a person, what was kept as evidence."""

from __future__ import annotations

from collections import Counter
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

    def runs_of_orders(self) -> Counter[str]:
        """Count runs by the order that they are of."""
        return Counter({str(key): count for key, count in self.rows("select key, count(*) from runs group by key")})

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
            "select attempts.task, runs.key from attempts join runs on runs.id = attempts.run_id where attempts.state = 'stale'"
        )
        return {(str(task), str(key)) for task, key in found}

    def failures(self) -> list[Any]:
        return self.rows("select id, key, error from runs where state in ('failed', 'cancelled')")
