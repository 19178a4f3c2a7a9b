"""What travels: deletions among a million unchanged rows are found without carrying them over the wire."""

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from syncing import CALLER, Night, execute, rows

ROWS = 1_000_000


@pytest.mark.slow
def test_an_unchanged_million_rows_is_not_carried_over_the_wire_to_find_what_is_gone(
    postgres: Any, proxy: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = postgres.create_database(), postgres.create_database()
    table = "create table orders (id integer primary key, name text, changed timestamp)"
    fill = (
        f"insert into orders select n, 'order number ' || n, timestamp '2026-01-01' from generate_series(1, {ROWS}) n"
    )
    for url in (source, target):
        execute(url, table, fill, "create index by_stamp on orders (changed, id)")
    execute(source, "delete from orders where id in (17, 500000)")
    wires = [proxy(postgres.port), proxy(postgres.port)]
    urls = [
        sa.make_url(url).set(port=wire.port).render_as_string(hide_password=False)
        for url, wire in zip((source, target), wires, strict=True)
    ]
    adapters = {
        name: {"kind": "sql", "url": url, "call_timeout_s": 60, "tables": {"orders": {}}}
        for name, url in zip(("erp", "house"), urls, strict=True)
    }
    sync = {
        "from": {"adapter": "erp", "table": "orders", "cursor": {"column": "changed"}},
        "to": {"adapter": "house", "table": "orders", "mode": "upsert"},
        "deletes": {},
    }
    night = Night(tmp_path, adapters, {"s": sync})
    try:
        night.syncs.set_cursor("s", {"at": "2026-01-01T00:00:00", "key": [ROWS]}, caller=CALLER)
        before = [dict(wire.passed) for wire in wires]

        run = night.run("s")

        carried = [sum(wire.passed.values()) - sum(was.values()) for wire, was in zip(wires, before, strict=True)]
    finally:
        night.close()
    with capsys.disabled():
        print(f"\ndeletions among {ROWS} rows: {carried[0]} bytes to and from the source, {carried[1]} the target")
    assert (run["read"], run["deleted"]) == (0, 2)
    assert rows(target, "select count(*) from orders") == [(ROWS - 2,)]
    assert max(carried) < 1_000_000  # a byte a row
