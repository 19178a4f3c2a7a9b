"""What `drawbar validate` finds at the systems: all of it at once, each at its own line."""

import json
import sqlite3
from pathlib import Path

import pytest

from drawbar.cli import main

CONFIG = """\
adapters:
  erp:
    kind: sql
    url: sqlite:///erp.db
    tables:
      orders: {}
      customers: {}
    statements:
      fine: { sql: select id from orders, effect: read }
      gone: { sql: select id from nowhere, effect: read }
      odd: { sql: select colour from orders, effect: read }
"""


def test_every_wrong_table_and_statement_of_a_database_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sqlite3.connect(tmp_path / "erp.db").execute("create table orders (id integer primary key)")
    (tmp_path / "drawbar.yaml").write_text(CONFIG)

    assert main(["-c", str(tmp_path / "drawbar.yaml"), "--json", "validate"]) != 0

    said = json.dumps(json.loads(capsys.readouterr().out))
    for line, name in ((7, "table customers"), (10, "statement gone"), (11, "statement odd")):
        assert f"erp: {name}" in said and f'"line": {line}' in said, said
    assert "fine" not in said
