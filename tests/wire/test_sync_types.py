"""What each type becomes between two databases: every value is read back by a plain driver. The guide holds the table."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import syncing
from syncing import Night, rows

DATABASES = ("postgresql", "mysql", "sqlite", "firebird")
# name: the column's type in each database, and a value as SQL that all of them understand
TYPES: dict[str, tuple[dict[str, str], str]] = {
    "integer": (dict.fromkeys(DATABASES, "integer"), "-2147483648"),
    "bigint": (dict.fromkeys(DATABASES, "bigint"), "9007199254740993"),
    "decimal": (dict.fromkeys(DATABASES, "decimal(12,2)"), "1234567.80"),
    "float": (dict.fromkeys(DATABASES, "double precision"), "0.1e0"),
    "boolean": (dict.fromkeys(DATABASES, "boolean"), "true"),
    "text": (
        {"postgresql": "text", "mysql": "text", "sqlite": "text", "firebird": "blob sub_type text"},
        "'é€ \"q\", x'",
    ),
    "varchar": (dict.fromkeys(DATABASES, "varchar(20)"), "''"),
    "date": (dict.fromkeys(DATABASES, "date"), "'2026-02-28'"),
    "timestamp": (
        {"postgresql": "timestamp", "mysql": "datetime(6)", "sqlite": "timestamp", "firebird": "timestamp"},
        "'2026-02-28 23:59:59.123456'",
    ),
    "time": (
        {"postgresql": "time", "mysql": "time(6)", "sqlite": "time", "firebird": "time"},
        "'23:59:59.123456'",
    ),
    "bytes": (
        {"postgresql": "bytea", "mysql": "varbinary(20)", "sqlite": "blob", "firebird": "blob sub_type binary"},
        "",
    ),
    "json": ({"postgresql": "jsonb", "mysql": "", "sqlite": "json", "firebird": ""}, "'{\"a\": 1.10}'"),
}
BYTES = {"postgresql": "'\\x00ff0a'", **dict.fromkeys(DATABASES[1:], "x'00ff0a'")}
PAIRS = [(one, other) for one in DATABASES for other in DATABASES]


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Callable[[str, str], Night]]:
    made: list[Night] = []

    def make(source: str, target: str) -> Night:
        adapters = {
            "a": {"kind": "sql", "url": source, "tables": {"src": {}}},
            "b": {"kind": "sql", "url": target, "tables": {"dst": {}}},
        }
        sync = {"from": {"adapter": "a", "table": "src"}, "to": {"adapter": "b", "table": "dst", "mode": "insert"}}
        made.append(Night(tmp_path, adapters, {"s": sync}))
        return made[-1]

    yield make
    for each in made:
        each.close()


def known(pair: tuple[str, str]) -> list[str]:
    """MariaDB and Firebird have no JSON."""
    return [name for name, (types, _) in TYPES.items() if all(types[kind] for kind in pair)]


def columns(kind: str, names: list[str]) -> str:
    return ", ".join(["id integer primary key", *(f"c_{name} {TYPES[name][0][kind]}" for name in names)])


def values(kind: str, names: list[str], pair: tuple[str, str]) -> str:
    """Firebird keeps four digits of a second, and takes no more; SQLite's texts have six."""
    said = ", ".join(BYTES[kind] if name == "bytes" else TYPES[name][1] for name in names)
    if "firebird" not in pair:
        return said
    return said.replace("59.123456", "59.1234" if kind == "firebird" else "59.123400")


@pytest.mark.slow
@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_every_type_is_what_the_target_itself_would_have_written(
    pair: tuple[str, str], request: pytest.FixtureRequest, tmp_path: Path, night: Any
) -> None:
    """The same literals, written by the target's own SQL, are what the sync must have made of the source's."""
    urls = []
    for at, kind in enumerate(pair):
        if kind == "sqlite":
            (tmp_path / f"{at}.db").touch()
            urls.append(f"sqlite:///{tmp_path}/{at}.db")
        else:
            server = {"postgresql": "postgres", "mysql": "mariadb", "firebird": "firebird"}[kind]
            urls.append(request.getfixturevalue(server).create_database())
    source, target = urls

    def execute(url: str, *statements: str) -> None:
        if "firebird" in url:
            plain = [one.replace("%%", "%") for one in statements]
            request.getfixturevalue("firebird").execute(plain, url)
        else:
            syncing.execute(url, *statements)

    named = known(pair)
    nothing = ", ".join(["null"] * len(named))
    execute(source, f"create table src ({columns(pair[0], named)})")
    for row in range(1, 61):
        execute(
            source,
            f"insert into src values ({row}, {(values(pair[0], named, pair) if row < 60 else nothing).replace('%', '%%')})",
        )
    execute(target, f"create table dst ({columns(pair[1], named)})", f"create table own ({columns(pair[1], named)})")
    execute(
        target, f"insert into own values (1, {values(pair[1], named, pair)})", f"insert into own values (60, {nothing})"
    )

    run = night(source, target).run("s")

    assert (run["written"], run["rejected"]) == (60, 0)
    own = rows(target, "select * from own order by id")
    found = rows(target, "select * from dst where id in (1, 60) order by id")
    names = ["id", *named]
    differing = {
        name: (ours, theirs) for name, ours, theirs in zip(names, found[0], own[0], strict=True) if ours != theirs
    }
    assert differing == {}
    assert found[1] == own[1]
