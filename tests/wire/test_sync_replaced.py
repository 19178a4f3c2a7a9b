"""A table that is replaced by ranges: collected beside it, put there in one transaction, gone on with after a crash."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from syncing import CALLER, Night, execute, rows

from drawbar.core.errors import ConfigError, Rejected, Unavailable
from drawbar.core.syncs.collected import Collected
from drawbar.core.syncs.loads import Loads
from drawbar.core.syncs.work import SyncWork

ROWS = 120
SYNC: dict[str, Any] = {
    "from": {"adapter": "erp", "table": "orders"},
    "to": {"adapter": "house", "table": "orders", "mode": "replace"},
    "partitions": {"ranges": 6, "parallel": 3},
    "totals": [{"sum": "amount"}],
    "batch_rows": 50,
}
TABLE = "create table orders (id integer not null primary key, name varchar(10), amount decimal(12,2))"


@pytest.fixture
def house(server: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if server == "sqlite":
        (tmp_path / "house.db").touch()
        return f"sqlite:///{tmp_path}/house.db"
    return str(request.getfixturevalue(server).create_database())


@pytest.fixture
def night(tmp_path: Path, house: str) -> Iterator[Callable[..., Night]]:
    made: list[Night] = []
    (tmp_path / "erp.db").touch()
    many = f"with recursive n(i) as (select 1 union all select i + 1 from n where i < {ROWS}) "
    execute(f"sqlite:///{tmp_path}/erp.db", TABLE, f"{many} insert into orders select i * 3, 'n' || i, i + 0.25 from n")
    adapters = {"house": {"kind": "sql", "url": house, "tables": {"orders": {}}}}
    made.append(Night(tmp_path, adapters, {}))
    database = made[0].landscape.adapter("house").database
    for statement in (TABLE, *(f"insert into orders values ({n}, 'old', {n}.00)" for n in (1, 2))):
        with database.unit("write") as connection:  # Firebird knows a table once it is committed
            connection.exec_driver_sql(statement)

    def make(**more: Any) -> Night:
        adapters = {
            "erp": {"kind": "sql", "url": f"sqlite:///{tmp_path}/erp.db", "tables": {"orders": {}}},
            "house": {"kind": "sql", "url": house, "tables": {"orders": {}}},
        }
        made.append(Night(tmp_path, adapters, {"s": {**SYNC, **more}}))
        return made[-1]

    yield make
    for each in made:
        each.close()


def found(here: Night) -> tuple[Any, ...]:
    query = "select count(*), count(distinct id), sum(id), sum(amount) from orders"
    with here.landscape.adapter("house").database.unit("read") as connection:
        return tuple(connection.exec_driver_sql(query).one())


def stages(here: Night) -> list[str]:
    with here.landscape.adapter("house").database.unit("read") as connection:
        names = [str(name) for name in sa.inspect(connection).get_table_names()]
    return [name for name in names if name.startswith("drawbar_") and name != "drawbar_sync"]


def whole(n: int = ROWS) -> tuple[Any, ...]:
    total = n * (n + 1) // 2
    return (n, n, 3 * total, total + n * 0.25)


def away(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, *, when: Callable[..., bool], after: bool) -> Any:
    """Let one step fail as a process that died would, before it or behind it."""
    real = getattr(owner, name)

    def failing(self: Any, *given: Any, **said: Any) -> Any:
        if not when(*given):
            return real(self, *given, **said)
        if after:
            real(self, *given, **said)
        raise Unavailable("died")

    monkeypatch.setattr(owner, name, failing)


@pytest.mark.parametrize(
    ("server", "dies"),
    [
        ("sqlite", "in a range"),
        ("sqlite", "before the swap"),
        ("sqlite", "behind the swap"),
        ("sqlite", "at the end"),
        ("postgres", "in a range"),
        ("mariadb", "before the swap"),
        ("firebird", "behind the swap"),
    ],
)
def test_a_table_is_replaced_at_once_however_often_its_load_was_cut_off(
    night: Callable[..., Night], house: str, monkeypatch: pytest.MonkeyPatch, dies: str
) -> None:
    here = night()
    with monkeypatch.context() as patched, pytest.raises(Unavailable, match="died"):
        match dies:
            case "in a range":
                away(patched, Loads, "one", when=lambda held, plan, at, told: at == 4, after=False)
            case "before the swap":
                away(patched, Collected, "swap", when=lambda name: True, after=False)
            case "behind the swap":
                away(patched, Collected, "swap", when=lambda name: True, after=True)
            case _:
                away(patched, SyncWork, "_forget_load", when=lambda conn, held: True, after=False)
        here.run("s")
    between, left = found(here)[0], len(stages(here))
    run = here.run("s")
    again = here.run("s")

    is_swapped = dies in ("behind the swap", "at the end")
    assert (between, left) == (ROWS if is_swapped else 2, 0 if dies == "at the end" else 1)
    assert run["load"]["done_before"] >= 1
    assert tuple(map(float, found(here))) == whole()
    assert [(one["of"], one["balances"]) for one in again["totals"]] == [("count", True), ("sum(amount)", True)]
    assert stages(here) == []


@pytest.mark.parametrize("server", ["postgres", "mariadb"])
def test_what_the_target_refuses_is_a_reject_of_its_range(
    night: Callable[..., Night], house: str, tmp_path: Path
) -> None:
    execute(f"sqlite:///{tmp_path}/erp.db", "update orders set name = 'much too long a name' where id = 30")
    here = night(rejects={"max_count": 1}, totals=[])

    run = here.run("s")

    assert (run["read"], run["written"], run["rejected"]) == (ROWS, ROWS - 1, 1)
    assert found(here)[:2] == (ROWS - 1, ROWS - 1)


@pytest.mark.parametrize("server", ["sqlite", "mariadb"])
def test_what_does_not_balance_changes_nothing_and_the_load_begins_again(
    night: Callable[..., Night], house: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = night()
    pour = "drawbar.connectors.sql_stage.Stage.pour"
    with (
        monkeypatch.context() as patched,
        pytest.raises(Rejected, match=r"the totals differ: count is 120 .* 0 at the"),
    ):
        patched.setattr(pour, lambda self, connection, columns: None)
        here.run("s")
    between, left = found(here)[0], stages(here)
    run = here.run("s")

    assert (between, left) == (2, [])
    assert (run["load"]["done_before"], run["written"]) == (0, ROWS)


@pytest.mark.parametrize("server", ["sqlite"])
def test_a_load_that_is_dropped_leaves_no_table(night: Callable[..., Night], monkeypatch: pytest.MonkeyPatch) -> None:
    here = night()
    with monkeypatch.context() as patched, pytest.raises(Unavailable, match="died"):
        away(patched, Collected, "swap", when=lambda name: True, after=False)
        here.run("s")
    before = stages(here)
    here.syncs.set_cursor("s", None, caller=CALLER)

    assert (len(before), stages(here)) == (1, [])


@pytest.mark.parametrize("server", ["postgres"])
def test_who_may_make_no_table_is_told_what_to_do(
    night: Callable[..., Night], house: str, request: pytest.FixtureRequest
) -> None:
    execute(
        house,
        "create table drawbar_sync (sync varchar(100), portion_id varchar(64), version bigint not null, state text, committed_at timestamp default now(), primary key (sync, portion_id))",
    )
    execute(
        house,
        "create role carrier_s login password 'carrier'",
        "grant select, insert, update, delete on orders, drawbar_sync to carrier_s",
        "revoke create on schema public from public",
    )
    here = night()
    adapters = {
        **here.adapters,
        "house": {**here.adapters["house"], "url": house.replace("drawbar:drawbar@", "carrier_s:carrier@")},
    }
    other = Night(Path(here.syncs._ends.place.base), adapters, {"s": SYNC})

    with pytest.raises(ConfigError, match="which collects the ranges, cannot be made: permission denied") as refused:
        other.run("s")
    other.close()

    assert "grant CREATE" in str(refused.value.next)


@pytest.mark.parametrize("server", ["sqlite"])
@pytest.mark.parametrize("keeper", ["target", "state"])
def test_a_snapshot_is_read_in_ranges_and_what_changed_since_is_not(
    night: Callable[..., Night], tmp_path: Path, house: str, monkeypatch: pytest.MonkeyPatch, keeper: str
) -> None:
    """Rows without a stamp are in the snapshot too."""
    erp = f"sqlite:///{tmp_path}/erp.db"
    cursor = {"column": "changed", "snapshot": True}
    here = night(
        **{
            "from": {"adapter": "erp", "table": "orders", "cursor": cursor},
            "to": {"adapter": "house", "table": "orders", "mode": "upsert", "cursor": keeper},
            "map": {"id": "${{ row.id }}", "name": "${{ row.name }}", "amount": "${{ row.amount }}"},
        }
    )
    execute(
        erp,
        "alter table orders add column changed timestamp",
        "update orders set changed = '2026-01-01 00:00:00' where id > 30",
    )
    with monkeypatch.context() as patched, pytest.raises(Unavailable, match="died"):
        away(patched, Loads, "one", when=lambda held, plan, at, told: at == 4, after=False)
        here.run("s")
    execute(erp, "update orders set name = 'late', changed = '2026-01-02 00:00:00' where id = 3")
    first, second, third = here.run("s"), here.run("s"), here.run("s")

    assert (first["load"]["ranges"], first["cursor_after"]) == (6, {"at": "2026-01-01 00:00:00", "key": None})
    assert "load" not in second
    assert (second["read"], second["cursor_after"]["at"]) == (ROWS - 10 + 1, "2026-01-02 00:00:00")
    assert third["status"] == "nothing"
    assert rows(house, "select name from orders where id = 3") == [("late",)]
    assert found(here)[0] == ROWS + 2
