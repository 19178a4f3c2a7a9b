"""Copybook files into PostgreSQL, by whole columns of Arrow."""

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from syncing import Night, execute, rows

from drawbar.adapters.formats import CopybookConfig
from drawbar.connectors import sql_arrow, sql_load
from drawbar.connectors.sql_arrow import Unfit, binary_rows, fits

COPYBOOK = """
       01 ORDER-REC.
          05 ID       PIC 9(6).
          05 AMOUNT   PIC S9(7)V99 COMP-3.
          05 HUGE     PIC S9(20)V9(4) COMP-3.
          05 COUNT-B  PIC S9(9) COMP.
          05 NAME     PIC X(12).
          05 DAY      PIC 9(6).
"""
TABLE = """create table orders ("ID" integer primary key, "AMOUNT" numeric(9,2), "HUGE" numeric, "COUNT_B" integer,
    "NAME" varchar(12), "DAY" date)"""


@pytest.fixture
def binary(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the batches that went as columns."""
    sent: list[int] = []
    kept = sql_load._as_binary

    def counted(found: Any, types: Any) -> Any:
        made = kept(found, types)
        sent.append(len(found[0]))
        return made

    monkeypatch.setattr(sql_load, "_as_binary", counted)
    return sent


@pytest.fixture
def night(tmp_path: Path, pg_url: str) -> Iterator[Night]:
    execute(pg_url, TABLE)
    (tmp_path / "order.cpy").write_text(COPYBOOK)
    (tmp_path / "drop").mkdir()
    form = {"kind": "copybook", "copybook": "order.cpy", "types": {"DAY": {"date": "%y%m%d", "null": ["000000"]}}}
    feed = {"pattern": "*.dat", "ready": {"min_age_s": 0}, "format": form}
    made = Night(
        tmp_path,
        {
            "drop": {"kind": "local", "root": str(tmp_path / "drop"), "feeds": {"orders": feed}},
            "house": {"kind": "sql", "url": pg_url, "tables": {"orders": {}}},
        },
        {
            "load": {
                "from": {"adapter": "drop", "feed": "orders"},
                "to": {"adapter": "house", "table": "orders", "mode": "upsert", "key": ["ID"]},
                "rejects": {"max_share": 0.5},
                "batch_rows": 100,
            }
        },
    )
    yield made
    made.close()


def written(folder: Path, count: int) -> bytes:
    form = CopybookConfig(kind="copybook", copybook=Path("order.cpy")).open(folder)
    with (folder / "all").open("w+b") as stream:
        form.write((record(number) for number in range(count)), stream)
        stream.seek(0)
        return stream.read()


def record(number: int) -> dict[str, Any]:
    return {
        "ID": number, "AMOUNT": Decimal(number - 50) / 4, "HUGE": Decimal(f"-123456789012345678{number % 10}.0001"),
        "COUNT_B": -number, "NAME": f"Müller {number}" if number % 3 else "", "DAY": 0 if number % 5 else 260131,
    }  # fmt: skip


def test_a_copybook_file_passes_by_columns_and_bad_records_are_rejects(
    night: Night, pg_url: str, tmp_path: Path, binary: list[int]
) -> None:
    content = bytearray(written(tmp_path, 250))
    width = len(content) // 250
    content[7 * width + 6] = 0xFF  # no packed digit
    (tmp_path / "drop/a.dat").write_bytes(content)

    result = night.run("load")

    assert (result["read"], result["written"], result["rejected"]) == (250, 249, 1)
    assert sum(binary) == 249
    found = rows(pg_url, 'select * from orders order by "ID"')
    assert found == [
        (n, Decimal(n - 50) / 4, record(n)["HUGE"], -n, record(n)["NAME"], None if n % 5 else date(2026, 1, 31))
        for n in range(250)
        if n != 7
    ]


def test_a_value_that_does_not_fit_is_found_by_its_row(
    night: Night, pg_url: str, tmp_path: Path, binary: list[int]
) -> None:
    execute(pg_url, 'alter table orders alter "COUNT_B" type smallint')
    execute(pg_url, 'alter table orders alter "AMOUNT" type numeric(4,2)')
    (tmp_path / "drop/a.dat").write_bytes(written(tmp_path, 500))

    result = night.run("load")

    assert (result["read"], result["written"], result["rejected"]) == (500, 450, 50)  # 100.00 and more


def test_every_type_is_what_the_database_reads(pg_url: str) -> None:
    columns: dict[str, tuple[Any, list[Any]]] = {
        "numeric(38,4)": (pa.decimal128(38, 4), [Decimal("0.0000"), Decimal("-9" * 1 + "9" * 33 + ".9999"), None]),
        "numeric(9,2)": (pa.decimal128(9, 2), [Decimal("-0.01"), Decimal("9999999.99"), Decimal("10000.00")]),
        "numeric(18,17)": (
            pa.decimal128(18, 17),
            [Decimal("-1.91487697199892453"), None, Decimal("0.00000000000000001")],
        ),
        "numeric(18,18)": (pa.decimal128(18, 18), [Decimal("0.999999999999999999"), Decimal("0." + "0" * 18), None]),
        "numeric(8,4)": (pa.decimal128(8, 4), [Decimal("0.0001"), Decimal("0.0000"), Decimal("-0.9999")]),
        "numeric": (pa.decimal128(5, 5), [Decimal("0.00001"), None, Decimal("-0.99999")]),
        "bigint": (pa.int64(), [-(2**63), 2**63 - 1, None]),
        "smallint": (pa.int32(), [-(2**15), 2**15 - 1, 0]),
        "numeric(20,0)": (pa.int64(), [-(2**63), None, 2**63 - 1]),
        "text": (pa.string(), ["", "ä€\n", None]),
        "character varying(4)": (pa.string(), ["äöüß", None, ""]),
        "date": (pa.date32(), [date(1900, 2, 28), None, date(9999, 12, 31)]),
        "timestamp without time zone": (
            pa.timestamp("us"),
            [datetime(1, 1, 1), datetime(2026, 1, 2, 3, 4, 5, 6), None],
        ),
        "boolean": (pa.bool_(), [True, None, False]),
        "double precision": (pa.float64(), [1.5, -0.1, None]),
        "bytea": (pa.binary(), [b"\0\xff", None, b""]),
    }
    # sliced, as a batch of a larger one is
    arrays = [pa.array([values[-1], *values], kind)[1:] for kind, values in columns.values()]
    assert all(fits(array.type, said) for array, said in zip(arrays, columns, strict=True))
    names = ", ".join(f"c{at} {said}" for at, said in enumerate(columns))
    execute(pg_url, f"create table kinds ({names})")

    import psycopg

    with psycopg.connect(pg_url.replace("+psycopg", "")) as line:
        with line.cursor().copy("copy kinds from stdin (format binary)") as copy:
            copy.write(b"PGCOPY\n\xff\r\n\0" + bytes(8) + binary_rows(arrays, list(columns)) + b"\xff\xff")
        line.commit()

    found = rows(pg_url, "select * from kinds")
    expected = list(zip(*(values for _, values in columns.values()), strict=True))
    assert [list(map(str, row)) for row in found] == [list(map(str, row)) for row in expected]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (pa.decimal128(9, 3), "numeric(9,2)"), (pa.decimal128(9, 2), "double precision"), (pa.string(), "integer"),
        (pa.float64(), "numeric"), (pa.timestamp("us"), "timestamp(3) without time zone"), (pa.int64(), "enum"),
        (pa.timestamp("us"), "timestamp with time zone"), (pa.int64(), ""),
    ],
)  # fmt: skip
def test_what_would_be_rounded_or_guessed_goes_by_rows(kind: Any, said: str) -> None:
    assert not sql_arrow.fits(kind, said)


@pytest.mark.parametrize(
    ("array", "said"), [(pa.array([2**15]), "smallint"), (pa.array(["abcde"]), "character varying(4)")]
)
def test_a_value_too_large_is_named(array: Any, said: str) -> None:
    with pytest.raises(Unfit, match="fit"):
        binary_rows([array], [said])
