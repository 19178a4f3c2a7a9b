"""
Reads of a database: our guarded call in process, everything on, against bare SQLAlchemy and bare psycopg.

One row by its key and 1,000 rows, of PostgreSQL on loopback, as a statement and as a tool of a table. The peers check, limit
and record nothing: SQLAlchemy has its pool and a statement that it compiled before, psycopg one connection and a prepared
statement; both give dictionaries.
"""

from contextlib import ExitStack
from typing import Any

import psycopg
import sqlalchemy as sa
from _hosts import host
from _table import Row, arguments, duel, row, show
from calls import Work, guarded, opened
from psycopg.rows import dict_row

FILL = [
    "drop table if exists lines",
    "create table lines (id integer primary key, customer varchar(40) not null, amount numeric(12,2), placed date, note text)",
    """insert into lines select n, 'customer ' || n, n * 1.10, date '2026-01-01' + mod(n, 300), repeat('x', 40)
       from generate_series(1, 5000) n""",
    "analyze lines",
]
COLUMNS = "id, customer, amount, placed, note"
ONE = f"select {COLUMNS} from lines where id = :id"
MANY = f"select {COLUMNS} from lines where id > :id order by id limit 1000"
CALLS = {"one": 400, "many": 25}


def main() -> None:
    given = arguments(__doc__)
    with ExitStack() as stack:
        url = stack.enter_context(host("sql"))["url"]
        engine = sa.create_engine(url)
        stack.callback(engine.dispose)
        with engine.begin() as connection:
            for statement in FILL:
                connection.exec_driver_sql(statement)
        read = {"effect": "read", "parameters": {"id": {"type": "integer"}}, "max_rows": 1000}
        statements = {"one": {"sql": ONE, **read}, "many": {"sql": MANY, **read}}
        adapter = {"kind": "sql", "url": url, "statements": statements, "tables": {"lines": {"read": True}}}
        app = stack.enter_context(opened({"db": adapter}))
        line = stack.enter_context(psycopg.connect(psycopg_url(url), autocommit=True, row_factory=dict_row))
        ours = {name: guarded(app, f"db.{name}", by_id) for name in statements}
        table = guarded(app, "db.read_lines", lambda number: {"where": {"id": by_id(number)["id"]}})
        pages = guarded(
            app, "db.read_lines", lambda number: {"where": {"id": {">": by_id(number)["id"]}}, "limit": 1000}
        )
        same(ours, alchemy(engine, ONE), alchemy(engine, MANY))
        rows: list[Row] = []
        for name, sql, what in (("one", ONE, "one row by its key"), ("many", MANY, "1,000 rows")):
            peer = duel(ours[name], alchemy(engine, sql), calls=CALLS[name], rounds=given.rounds)
            rows.append(row(what, "SQLAlchemy", peer, goal=1))
            bare = duel(ours[name], driver(line, sql), calls=CALLS[name], rounds=given.rounds)
            rows.append(row(what, "psycopg", bare))
        found = duel(table, alchemy(engine, ONE), calls=CALLS["one"], rounds=given.rounds)
        rows.append(row("one row by its key, tool of a table", "SQLAlchemy", found, goal=1))
        page = duel(pages, alchemy(engine, MANY), calls=CALLS["many"], rounds=given.rounds)
        rows.append(row("1,000 rows, tool of a table", "SQLAlchemy", page, goal=1))
    show("A guarded read against the bare library, same database, rounds in turn", rows, as_json=given.json)


def by_id(number: int) -> dict[str, Any]:
    return {"id": number * 37 % 4000 + 1}


def psycopg_url(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://")


def alchemy(engine: sa.Engine, sql: str) -> Work:
    statement = sa.text(sql)

    def find(number: int) -> object:
        with engine.connect() as connection:
            return [dict(each) for each in connection.execute(statement, by_id(number)).mappings()]

    return find


def driver(line: psycopg.Connection[dict[str, Any]], sql: str) -> Work:
    spelled = sql.replace(":id", "%(id)s")
    return lambda number: line.execute(spelled, by_id(number), prepare=True).fetchall()


def same(ours: dict[str, Work], one: Work, many: Work) -> None:
    """See that both sides answer the same before they are measured."""
    for name, peer in (("one", one), ("many", many)):
        answer: Any = ours[name](7)
        if answer.result["rows"] != peer(7):
            raise SystemExit(f"{name}: the sides answer differently")


if __name__ == "__main__":
    main()
