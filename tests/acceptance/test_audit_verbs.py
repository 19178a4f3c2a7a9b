"""The audit on the command line, with its exit codes."""

import json
import sqlite3

import pytest

from drawbar.cli import main

CONFIG = (
    "version: 1\nadapters: { drop: { kind: local, root: ./inbox, feeds: { orders: { pattern: '*.csv',"
    " format: { kind: csv } } } } }\n"
)
RECORD = '{"name": "a.csv", "records": [{"id": "1", "name": "Zebulon"}]}'


@pytest.fixture
def drawbar(tmp_path, capsys, monkeypatch):
    (tmp_path / "drawbar.yaml").write_text(CONFIG)
    (tmp_path / "inbox").mkdir()

    def run(*words):
        capsys.readouterr()
        code = main(["-c", str(tmp_path / "drawbar.yaml"), "--json", *words])
        out = capsys.readouterr()
        return code, json.loads(out.out) if out.out.strip() else out.err

    run.state = tmp_path / "drawbar.db"
    return run


def test_what_was_done_is_listed_verified_and_forgotten(drawbar):
    drawbar("call", "drop.write_orders", "--input", RECORD)
    drawbar("hold", "drop", "--reason", "the night")
    drawbar("release", "drop")

    _, told = drawbar("audit")
    _, mine = drawbar("audit", "--what", "hold.set")
    sound, walked = drawbar("audit", "verify")
    shown, would = drawbar("forget", "arguments.records[0].name == 'Zebulon'")
    done, erased = drawbar("forget", "arguments.records[0].name == 'Zebulon'", "--yes", "--reason", "asked to")
    nothing, _ = drawbar("forget", "arguments.records[0].name == 'Zebulon'", "--yes")

    assert [one["what"] for one in told] == ["hold.released", "hold.set", "drop.write_orders"]
    assert mine[0]["about"]["reason"] == "the night"
    assert (sound, walked["sound"], walked["entries"]) == (0, True, 3)
    assert (shown, would["erased"], done, erased["erased"], nothing) == (3, False, 0, True, 5)
    assert b"Zebulon" not in drawbar.state.read_bytes()
    assert drawbar("audit", "verify")[0] == 0


def test_a_sync_that_a_person_starts_is_told_with_its_options(drawbar, tmp_path):
    with sqlite3.connect(tmp_path / "d.db") as database:
        database.execute("create table o (id integer primary key)")
    table = "    db: { kind: sql, url: 'sqlite:///d.db', tables: { o: {} } }\n  }\n"
    sync = "syncs: { s: { from: { adapter: drop, feed: orders }, to: { adapter: db, table: o } } }\n"
    (tmp_path / "drawbar.yaml").write_text(CONFIG.removesuffix(" }\n") + f",\n{table}{sync}")

    drawbar("sync", "s", "--dry-run")

    _, [told] = drawbar("audit", "--what", "sync.started")
    assert (told["what"], told["about"]["sync"], told["about"]["dry_run"]) == ("sync.started", "s", True)


def test_a_broken_chain_is_exit_1_and_names_the_entry(drawbar):
    drawbar("call", "drop.write_orders", "--input", RECORD)
    with sqlite3.connect(drawbar.state) as database:
        database.execute("UPDATE audit_blocks SET body = replace(body, 'done', 'lost')")

    code, found = drawbar("audit", "verify")

    assert code == 1
    assert "entry 1 (" in found["first_broken"] and "was changed" in found["first_broken"]


@pytest.mark.parametrize("words", [("forget", "1 ="), ("forget", "true"), ("forget", "nobody.knows == 1"), ("audit", "--since", "now"), ("audit", "--limit", "0")])  # fmt: skip
def test_what_is_wrong_is_said_plainly(drawbar, words):
    code, _ = drawbar(*words)

    assert code in {1, 2}
