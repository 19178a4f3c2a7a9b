"""Whoever may not keep a cursor in the target is told which table, which right, and what to run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from syncing import Night, execute, rows

from drawbar.core.errors import ConfigError

ORDERS = "create table orders (id integer primary key, changed timestamp)"
SYNC: dict[str, Any] = {
    "from": {"adapter": "erp", "table": "orders", "cursor": {"column": "changed"}},
    "to": {"adapter": "house", "table": "orders", "mode": "upsert"},
}


@pytest.fixture(params=["postgres", "mariadb"])
def house(request: pytest.FixtureRequest) -> tuple[str, str, Callable[..., None]]:
    """Give the owner's URL, that of somebody with fewer rights, and what grants him one."""
    owner = str(request.getfixturevalue(request.param).create_database())
    execute(owner, ORDERS)
    user = f"clerk_{abs(hash(owner)) % 10**8}"
    if request.param == "postgres":
        make = (f"create role {user} login password 'clerk'", "revoke create on schema public from public")
        who = user
    else:
        make = (f"create user '{user}'@'%' identified by 'clerk'".replace("%", "%%"),)
        who = f"'{user}'@'%'"
    execute(owner, *make)

    def grant(rights: str, table: str) -> None:
        execute(owner, f"grant {rights} on {table} to {who}".replace("%", "%%"))

    grant("select, insert, update, delete", "orders")
    return owner, owner.replace("drawbar:drawbar@", f"{user}:clerk@"), grant


def test_who_may_read_the_cursors_and_not_write_them_is_told_the_right_and_the_grant(
    house: tuple[str, str, Callable[..., None]], tmp_path: Path
) -> None:
    owner, clerk, grant = house
    (tmp_path / "erp.db").touch()
    execute(f"sqlite:///{tmp_path}/erp.db", ORDERS, "insert into orders values (1, '2026-01-01 00:00:00')")
    adapters = {
        "erp": {"kind": "sql", "url": f"sqlite:///{tmp_path}/erp.db", "tables": {"orders": {}}},
        "house": {"kind": "sql", "url": clerk, "tables": {"orders": {}}},
    }
    here = Night(tmp_path, adapters, {"s": SYNC})
    prepared = here.syncs.prepare("s")
    execute(owner, prepared["ddl"])
    grant("select, insert", "drawbar_sync")

    with pytest.raises(ConfigError, match=r"drawbar_sync, where the cursor is kept, .* UPDATE is refused") as refused:
        here.run("s")
    execute(owner, prepared["grants"].replace("%", "%%"))
    run = here.run("s")
    here.close()

    assert prepared["grants"] in str(refused.value.next)
    assert run["written"] == 1
    assert rows(owner, "select count(*) from drawbar_sync") == [(2,)]
