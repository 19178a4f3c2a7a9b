"""What COBOL writes we read, and what we write COBOL reads: programs of tests/cobol, compiled by GnuCOBOL."""

import io
import os
import shutil
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest

from drawbar.adapters.formats import CopybookConfig, Format, Record

SOURCES = Path(__file__).resolve().parent.parent / "cobol"
EVERY = {
    "copybook": "every.cpy", "native": "little", "floats": "ieee", "enums": "check",
    "redefines": {"PLACE-NO": "${{ record.BIN_2 != 32000 }}"},
}  # fmt: skip


class Program:
    """A compiled program: it writes and reads the file that it is given."""

    def __init__(self, name: str, folder: Path) -> None:
        self._binary = folder / name
        self._variable = f"{name.upper()}_FILE"
        compiler = shutil.which("cobc")
        if compiler is None:
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("GnuCOBOL (cobc) is not installed")
        subprocess.run(
            [compiler, "-x", "-std=ibm", "-fsign=EBCDIC", "-I", SOURCES, "-o", self._binary, SOURCES / f"{name}.cbl"],
            check=True, cwd=folder, timeout=60,
        )  # fmt: skip

    def __call__(self, mode: str, file: Path) -> list[str]:
        found = subprocess.run(
            [self._binary, mode], check=True, capture_output=True, text=True, timeout=60,
            env={**os.environ, self._variable: str(file)},
        )  # fmt: skip
        return [line.rstrip() for line in found.stdout.splitlines()]


@pytest.fixture(scope="module")
def every(tmp_path_factory):
    return Program("every", tmp_path_factory.mktemp("every"))


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    return Program("machine", tmp_path_factory.mktemp("machine"))


@pytest.fixture(scope="module")
def vary(tmp_path_factory):
    return Program("vary", tmp_path_factory.mktemp("vary"))


def opened(**keys) -> Format:
    return CopybookConfig(kind="copybook", **keys).open(SOURCES)


def shown(values) -> str:
    """Show a record as the program does."""
    inner = values["SHOWN"]
    fields = [
        inner["TXT"].ljust(10), inner["RIGHT_TXT"].ljust(6), inner["ZON"], inner["ZONED_S"], inner["LEAD_S"],
        f"{inner['SEP_T']:.2f}", inner["SEP_L"], f"{'-' if inner['EDITED'] < 0 else ' '}{abs(inner['EDITED']):08.2f}",
        f"{inner['SMALL_P']:f}", inner["BIG_P"], inner["KIND"], values["PACKED_ODD"], values["PACKED_EVEN"],
        values["PACKED_LONG"], values["BIN_2"], values["BIN_4"], values["BIN_8"], values["NAT_2"], values["NAT_4"],
        values["NAT_8"], f"{values['FLT']:.2f}", f"{values['DBL']:.2f}", values["PLACE_NO"],
        *(part for entry in values["TAB"] for part in (entry["T_NO"], entry["T_BIN"])),
    ]  # fmt: skip
    return "|".join(map(str, fields)) + "|"


MODES = [("", "ascii"), ("e", "cp037")]


@pytest.mark.parametrize(("mode", "encoding"), MODES)
def test_every_usage_that_cobol_wrote_is_read_by_rows_and_by_columns(every, tmp_path, mode, encoding):
    file = tmp_path / "every.dat"
    every(f"write{mode}", file)
    form = opened(**EVERY, encoding=encoding)

    with file.open("rb") as stream:
        records = list(form.read(stream))

    assert [shown(record.values) for record in records] == every(f"read{mode}", file)
    assert records[0].values["SHOWN"]["ZONED_S"] == Decimal("-3703.68")
    assert {record.values["SHOWN"]["KIND"] for record in records} == {"O", "T"}
    columnar = opened(**{**EVERY, "redefines": {}}, encoding=encoding)
    by_columns = [
        row for batch in columnar.arrow_batches(io.BytesIO(file.read_bytes())) for row in batch.rows.to_pylist()
    ]
    assert [{**row, "PLACE": None} for row in by_columns] == [record.values for record in records]


@pytest.mark.parametrize(("mode", "encoding"), MODES)
def test_what_was_read_goes_back_to_cobols_own_bytes(every, tmp_path, mode, encoding):
    file = tmp_path / "every.dat"
    every(f"write{mode}", file)
    form = opened(**EVERY, encoding=encoding)
    again = io.BytesIO()

    with file.open("rb") as stream:
        form.write(form.read(stream), again)

    assert again.getvalue() == file.read_bytes()


@pytest.mark.parametrize(("mode", "encoding"), MODES)
def test_cobol_reads_what_we_wrote(every, tmp_path, mode, encoding):
    rows = [
        {
            "SHOWN": {
                "TXT": f"Made {n}", "RIGHT_TXT": "   END", "ZON": 99999 - n, "ZONED_S": Decimal("-99999.99"), "LEAD_S": -n,
                "SEP_T": Decimal("-999.9"), "SEP_L": 999, "EDITED": Decimal("-99999.99"), "SMALL_P": Decimal("0.0099"),
                "BIG_P": 999000, "KIND": "S",
            },
            "PACKED_ODD": Decimal("-9999999.99"), "PACKED_EVEN": 9999, "PACKED_LONG": Decimal("999999999999999.99"),
            "BIN_2": -9999, "BIN_4": 999999999, "BIN_8": Decimal("-9999999999999999.99"), "NAT_2": 32767,
            "NAT_4": 999999999, "NAT_8": -(10**18) + 1, "FLT": -0.25, "DBL": 12345.5, "PLACE_NO": -9999999,
            "TAB": [{"T_NO": n, "T_BIN": 9999}, {"T_NO": -999, "T_BIN": 0}, {"T_NO": 1, "T_BIN": 1}],
        }
        for n in range(3)
    ]  # fmt: skip
    file = tmp_path / "ours.dat"
    with file.open("wb") as stream:
        opened(**EVERY, encoding=encoding).write(rows, stream)

    assert every(f"read{mode}", file) == [shown(row) for row in rows]


def test_variable_records_with_a_table_go_both_ways(vary, tmp_path):
    """GnuCOBOL's descriptor words do not count themselves."""
    file, ours = tmp_path / "vary.dat", tmp_path / "ours.dat"
    vary("write", file)
    form = opened(copybook="vary.cpy", encoding="ascii", record="rdw", rdw_includes_itself=False)

    with file.open("rb") as stream:
        records = list(form.read(stream))
    with ours.open("wb") as stream:
        form.write([record.values for record in records], stream)

    assert all(isinstance(record, Record) for record in records)
    assert [len(record.values["LINES_T"]) for record in records] == list(range(10))
    assert records[2].values["LINES_T"] == [{"L_NO": 0, "L_TXT": "LINE"}, {"L_NO": -2, "L_TXT": "LINE"}]
    assert ours.read_bytes() == file.read_bytes()
    assert vary("read", ours) == vary("read", file)


def test_packed_without_a_sign_and_numbers_without_a_picture_go_both_ways(machine, tmp_path):
    """COMP-6, COMP-X, BINARY-..., INDEX and POINTER, in the machine's own byte order."""
    file, ours = tmp_path / "machine.dat", tmp_path / "ours.dat"
    machine("write", file)
    form = opened(copybook="machine.cpy", encoding="ascii", native="little")

    with file.open("rb") as stream:
        rows = [record.values for record in form.read(stream)]
    with ours.open("wb") as stream:
        form.write(rows, stream)
    by_columns = [row for batch in form.arrow_batches(io.BytesIO(file.read_bytes())) for row in batch.rows.to_pylist()]

    flat = [{**row, "PLACES": "|".join(map(str, row["PLACES"].values()))} for row in rows]
    assert ["|".join(map(str, row.values())) + "|" for row in flat] == machine("read", file)
    assert len(rows) == 10
    assert by_columns == rows
    assert ours.read_bytes() == file.read_bytes()
    assert machine("read", ours) == machine("read", file)
