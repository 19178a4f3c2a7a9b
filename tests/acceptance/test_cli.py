"""The command line as a user types it: in a folder with a database, by subprocess, with exit codes."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from servers.drawbar import Serving
from servers.process import free_port

CONFIG = """\
version: 1
adapters:
  erp:
    kind: sql
    url: sqlite:///erp.db
    owner: "ERP desk, +49 89 1234"
    statements:
      find_order:
        description: Find one order by its number.
        sql: select id, customer, amount, status from orders where id = :id
        parameters: { id: { type: integer, description: Order number. } }
        effect: read
        max_rows: 1
      set_status:
        description: Set the status of an order that is still open.
        sql: update orders set status = :status where id = :id and status = 'open'
        parameters:
          id: { type: integer, description: Order number. }
          status: { type: string, enum: [billed, held], description: New status. }
        effect: write
        expect_rows: 1
      cancel:
        description: Cancel an order; somebody else must agree.
        sql: update orders set status = 'cancelled' where id = :id
        parameters: { id: { type: integer } }
      tell:
        description: Tell the warehouse; the answer is always lost.
        sql: update orders set customer = customer where id = :id
        parameters: { id: { type: integer } }
    tables:
      orders: { key: [id], read: true, upsert: true }
    tools:
      cancel: { approval: { within_h: 1 } }
      tell: { outcome: [ { when: "${{ result.count >= 0 }}", is: unknown, message: the answer was lost } ] }
  warehouse: { kind: sql, url: "sqlite:///warehouse.db", tables: { orders: { key: [id], read: true, upsert: true } } }
workflows:
  bill:
    description: Bill one order.
    input: { type: object, required: [order], properties: { order: { type: integer } } }
    key: "${{ input.order }}"
    tasks:
      find: { tool: erp.find_order, with: { id: "${{ input.order }}" } }
      mark: { tool: erp.set_status, needs: [find], with: { id: "${{ input.order }}", status: billed } }
    output: "${{ {'customer': tasks.find.output.rows[0].customer} }}"
  ask:
    tasks:
      ask: { approval: { within_h: 1 }, description: "Close the day?" }
      mark: { tool: erp.set_status, needs: [ask], with: { id: 3, status: held } }
  lose:
    tasks:
      tell: { tool: erp.tell, with: { id: 1 } }
      find: { tool: erp.find_order, needs: [tell], with: { id: 1 } }
syncs:
  changed:
    from: { adapter: erp, table: orders }
    to: { adapter: warehouse, table: orders, mode: upsert, key: [id] }
"""
ORDERS = "create table orders (id integer primary key, customer text not null, amount numeric(10, 2), status text)"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return furnished(tmp_path)


def furnished(place: Path) -> Path:
    """A folder with two databases and the configuration."""
    for name in ("erp.db", "warehouse.db"):
        with sqlite3.connect(place / name) as db:
            db.execute(ORDERS)
            if name == "erp.db":
                rows = [(1, "Ada", "10.00", "open"), (2, "Grace", "20.50", "billed"), (3, "Mary", "7.25", "open")]
                db.executemany("insert into orders values (?, ?, ?, ?)", rows)
        db.close()
    (place / "drawbar.yaml").write_text(CONFIG)
    return place


SHELL = """
import contextlib, io, json, os, sys
from drawbar.cli import main
for line in sys.stdin:
    cwd, environ, words = json.loads(line)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environ)
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    print(json.dumps([code, out.getvalue(), err.getvalue()]), flush=True)
"""


class Shell:
    """A child process that runs one command after the other: starting Python costs ten times a command."""

    def __init__(self) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-c", SHELL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, place: Path, words: list[str], environ: dict[str, str]) -> tuple[int, str, str]:
        assert self._child.stdin
        assert self._child.stdout
        self._child.stdin.write(json.dumps([str(place), environ, words]) + "\n")
        self._child.stdin.flush()
        code, out, err = json.loads(self._child.stdout.readline())
        return code, out, err

    def close(self) -> None:
        assert self._child.stdin
        assert self._child.stdout
        self._child.stdin.close()
        self._child.wait(60)
        self._child.stdout.close()


@pytest.fixture(scope="module", autouse=True)
def shell():
    Done.shell = Shell()
    yield
    Done.shell.close()


@dataclass
class Done:
    shell: ClassVar[Shell]
    code: int
    stdout: str
    stderr: str


def surroundings(**environ: str) -> dict[str, str]:
    return {**{name: value for name, value in os.environ.items() if not name.startswith("DRAWBAR_")}, **environ}


def drawbar(place: Path, *words: str, code: int = 0, **environ: str) -> Done:
    """Run one command in a folder; the exit code must be this one, and nothing may ever be a traceback."""
    return looked_at(Done(*Done.shell.run(place, list(words), surroundings(**environ))), code)


def looked_at(done: Done, code: int) -> Done:
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    assert "defect" not in done.stderr, done.stderr
    assert done.code == code, (done.code, done.stdout, done.stderr)
    return done


def typed(place: Path, *words: str, code: int = 0) -> Done:
    """Run one command as a process of its own."""
    command = [str(Path(sys.executable).with_name("drawbar")), *words]
    done = subprocess.run(
        command, cwd=place, env=surroundings(), capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL
    )  # fmt: skip
    return looked_at(Done(done.returncode, done.stdout, done.stderr), code)


def answer(place: Path, *words: str, code: int = 0, **environ: str) -> Any:
    return json.loads(drawbar(place, "--json", *words, code=code, **environ).stdout)


def order(place: Path, number: int) -> tuple[Any, ...]:
    with sqlite3.connect(place / "erp.db") as db:
        row = db.execute("select customer, status from orders where id = ?", (number,)).fetchone()
    db.close()
    return tuple(row)


# --- configuration


def test_a_configuration_from_nothing_works_at_once(place):
    """Each command here is a process of its own."""
    (place / "drawbar.yaml").unlink()

    written = typed(place, "init", "--database", "sqlite:///erp.db")

    assert "drawbar.yaml is written" in written.stdout
    assert "effect" in (place / "drawbar.yaml").read_text()
    assert "fine" in typed(place, "validate").stdout
    assert {tool["name"]: tool["effect"] for tool in json.loads(typed(place, "tools", "--json").stdout)} == {
        "erp.read_orders": "read"
    }
    assert len(answer(place, "call", "erp.read_orders")["result"]["rows"]) == 3
    assert "succeeded" in typed(place, "run", "hello").stdout
    assert "there is no tool" in typed(place, "call", "erp.nothing", code=2).stderr


def test_init_never_overwrites(place):
    done = drawbar(place, "init", code=1)

    assert "drawbar.yaml is there already" in done.stderr
    assert (place / "drawbar.yaml").read_text() == CONFIG


def test_init_keeps_passwords_out_of_the_file(tmp_path):
    url = f"postgresql://u:tops3cret@127.0.0.1:{free_port()}/erp"

    done = drawbar(tmp_path, "init", "--database", url, "--amqp", "amqp://u:tops3cret@127.0.0.1/")

    text = (tmp_path / "drawbar.yaml").read_text()
    assert "tops3cret" not in text + done.stdout + done.stderr
    assert "url: ${env:ERP_URL}" in text
    assert "export ERP_URL=..." in done.stdout


def test_validate_names_every_mistake_at_its_place(place):
    text = CONFIG.replace("kind: sql\n    url: sqlite:///erp.db", "kind: sqll\n    url: sqlite:///erp.db")
    (place / "drawbar.yaml").write_text(text.replace("needs: [find]", "needs: [fnd]").replace("syncs:", "synks:"))

    done = drawbar(place, "validate", code=2)

    lines = done.stderr.splitlines()
    assert lines[0] == "drawbar.yaml:4:11: there is no adapter of kind 'sqll'; did you mean 'sql'?"
    assert any(line.startswith("drawbar.yaml:") and "did you mean 'find'?" in line for line in lines)
    assert any("unknown key 'synks'; did you mean 'syncs'?" in line for line in lines)
    assert lines[-1] == "3 mistakes"


def test_validate_tries_the_systems_unless_offline(place):
    closed = f"postgresql://u:tops3cret@127.0.0.1:{free_port()}/x"
    (place / "drawbar.yaml").write_text("adapters:\n  far: { kind: sql, url: '${env:FAR}' }\n")

    offline = drawbar(place, "validate", "--offline", FAR=closed)
    tried = drawbar(place, "validate", code=4, FAR=closed)

    assert "fine" in offline.stdout
    assert tried.stderr.startswith("drawbar.yaml:2:3: far: ")
    assert "tops3cret" not in tried.stdout + tried.stderr


def test_every_verb_refuses_a_wrong_configuration_with_exit_2(place):
    (place / "drawbar.yaml").write_text("adaptors: {}\n")

    done = drawbar(place, "tools", code=2)

    assert "drawbar.yaml:1:1: unknown key 'adaptors'; did you mean 'adapters'?" in done.stderr


def test_a_folder_of_files_is_a_configuration(place):
    conf = place / "conf"
    conf.mkdir()
    (conf / "systems.yaml").write_text(
        "adapters:\n  erp: { kind: sql, url: sqlite:///../erp.db, tables: { orders: { read: true, key: [id] } } }\n"
    )
    (conf / "flows.yml").write_text("workflows:\n  hello: {}\n")

    assert [tool["name"] for tool in answer(place, "tools", "-c", "conf")] == ["erp.read_orders"]
    assert answer(place, "-c", "conf", "run", "hello")["status"] == "succeeded"
    assert [run["workflow"] for run in answer(place, "runs", DRAWBAR_CONFIG="conf")] == ["hello"]


def test_the_schema_is_one_document(place):
    schema = json.loads(drawbar(place, "schema").stdout)

    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_the_reference_pages_are_what_the_code_says():
    done = subprocess.run(
        [sys.executable, "-m", "drawbar.cli.reference", "--check"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout


# --- systems and tools


def test_check_explains_what_fails(place):
    config = CONFIG + f"  far: {{ kind: sql, url: 'postgresql://u:tops3cret@127.0.0.1:{free_port()}/x' }}\n"
    lines = config.splitlines()
    lines.insert(lines.index("workflows:"), lines.pop())
    (place / "drawbar.yaml").write_text("\n".join(lines))

    fine = drawbar(place, "check", "erp")
    failing = drawbar(place, "check", code=1)

    assert "ok" in fine.stdout
    assert "fails  far" in failing.stdout
    assert "tops3cret" not in failing.stdout + failing.stderr
    assert answer(place, "check", "erp")["ok"] is True


def test_tools_are_listed_found_and_described(place):
    listed = drawbar(place, "tools", "--q", "status").stdout
    described = drawbar(place, "describe", "erp.set_status").stdout

    assert "erp.set_status" in listed
    assert "erp.find_order" not in listed
    for words in ("write", "Set the status of an order", "billed | held", "required"):
        assert words in described


def test_a_call_takes_words_and_json(place):
    by_words = answer(place, "call", "erp.find_order", "id=1")
    by_json = answer(place, "call", "erp.find_order", "--input", '{"id": 1}')
    (place / "order.json").write_text('{"id": 1}')
    by_file = answer(place, "call", "erp.find_order", "--input", "@order.json")

    assert by_words["result"] == by_json["result"] == by_file["result"]
    assert by_words["result"]["rows"][0]["customer"] == "Ada"
    assert "Ada" in drawbar(place, "call", "erp.find_order", "id=1").stdout


def test_decimals_are_text_unless_exact_numbers_are_wanted(place):
    text = drawbar(place, "call", "erp.read_orders", "--json").stdout
    exact = drawbar(place, "call", "erp.read_orders", "--json", "--numbers", "exact").stdout

    assert '"amount": "10.00"' in text
    assert '"amount": 10.00' in exact


def test_a_preview_sends_nothing(place):
    shown = drawbar(place, "call", "erp.set_status", "id=1", "status=held", "--preview")

    assert "update orders" in shown.stdout
    assert "nothing was sent" in shown.stdout
    assert order(place, 1) == ("Ada", "open")


WRONG: list[tuple[tuple[str, ...], int, str]] = [
    (("call", "erp.find_ordr", "id=1"), 2, "did you mean 'erp.find_order'?"),
    (("call", "epr.find_order", "id=1"), 2, "there is no tool 'epr.find_order'"),
    (("call", "erp.find_order", "id=one"), 2, "id"),
    (("call", "erp.find_order"), 2, "id"),
    (("call", "erp.find_order", "--input", "{"), 2, "--input is not JSON"),
    (("call", "erp.find_order", "--input", "[1]"), 2, "--input must be a JSON object"),
    (("call", "erp.find_order", "--input", "@nothing.json"), 2, "nothing.json cannot be read"),
    (("call", "erp.find_order", "id"), 2, "'id' is no name=value"),
    (("call", "erp.find_order", "id=1", "--input", '{"id": 2}'), 2, "id is given twice"),
    (("call", "erp.set_status", "id=2", "status=held"), 1, "rejected over there"),
    (("describe", "erp.nothing"), 2, "there is no tool"),
    (("check", "nothing"), 2, "there is no adapter 'nothing'"),
    (("run", "bil"), 2, "bill"),
    (("run", "bill"), 2, "order"),
    (("run", "bill", "--input", '{"order": "x"}'), 2, "order"),
    (("show", "nothing"), 2, "there is no run 'nothing'"),
    (("cancel", "nothing"), 2, "there is no run 'nothing'"),
    (("approve", "nothing"), 2, "nothing"),
    (("dead", "show", "nothing"), 2, "nothing"),
    (("dead", "settle", "nothing"), 2, "say whether it happened"),
    (("sync", "chnged"), 2, "did you mean 'changed'?"),
    (("files", "erp.orders"), 2, "erp"),
    (("files", "nothing"), 2, "ADAPTER.FEED"),
    (("runs", "--state", "asleep"), 2, "there is no state 'asleep'"),
    (("runs", "--since", "yesterday"), 2, "'yesterday' is no moment"),
    (("tols",), 2, "tols"),
    (("tools", "--quick"), 2, "--quick"),
    (("-c", "nothing.yaml", "tools"), 2, "there is no configuration at nothing.yaml"),
    (("pin", "erp", "--diff", "--accept"), 2, "one of them"),
    (("drift", "erp"), 2, "erp is not pinned"),
    (("hold", "erp", "--until", "noon"), 2, "'noon' is no moment"),
    (("hold", "erq"), 2, "did you mean 'erp'?"),
    (("release", "erp"), 2, "is not held"),
    (("resubmit", "load"), 2, "there is no sync 'load'"),
    (("serve", "--host", "0.0.0.0"), 2, "not a loopback address"),
    (("--server", "nothing", "tools"), 2, "no URL of a service"),
]


@pytest.mark.parametrize(("words", "code", "says"), WRONG)
def test_wrong_input_is_a_clear_sentence_and_an_exit_code(place, words, code, says):
    done = drawbar(place, *words, code=code)

    assert says in done.stderr
    assert len(done.stderr.splitlines()) <= 6


def test_a_system_that_is_away_means_try_later(place):
    (place / "drawbar.yaml").write_text(
        "adapters:\n  far: { kind: sql, url: '${env:FAR}', statements: { one: { sql: select 1, effect: read } } }\n"
    )

    done = drawbar(place, "call", "far.one", code=4, FAR=f"postgresql://u:tops3cret@127.0.0.1:{free_port()}/x")
    away = drawbar(place, "tools", "--server", f"http://127.0.0.1:{free_port()}", code=4, FAR="sqlite:///x.db")

    assert "not available now" in done.stderr
    assert "tops3cret" not in done.stdout + done.stderr
    assert "is `drawbar serve` running there?" in away.stderr


def test_an_error_in_json_is_one_document(place):
    said = answer(place, "call", "erp.find_ordr", "id=1", code=2)

    assert said["exit"] == 2
    assert said["error"]["kind"] == "input"


# --- runs


def test_a_run_is_followed_to_its_end_and_shown(place):
    followed = drawbar(place, "run", "bill", "--input", '{"order": 1}', "--follow")
    (run,) = answer(place, "runs", "--workflow", "bill")
    shown = drawbar(place, "show", run["run_id"]).stdout

    for word in ("find", "mark", "succeeded", '"customer": "Ada"'):
        assert word in followed.stdout
    assert order(place, 1) == ("Ada", "billed")
    assert run["status"] == "succeeded"
    assert run["key"] == "1"
    assert "find" in shown
    assert answer(place, "runs", "--key", "1")[0]["run_id"] == run["run_id"]
    assert answer(place, "runs", "--state", "failed") == []


def test_a_run_that_fails_says_why_and_exits_1(place):
    done = drawbar(place, "run", "bill", "--input", '{"order": 2}', code=1)

    assert "failed" in done.stdout
    assert "0 rows" in done.stdout or "expect" in done.stdout


def test_a_failed_run_is_retried_from_where_it_failed(place):
    failed = answer(place, "run", "bill", "--input", '{"order": 2}', code=1)
    with sqlite3.connect(place / "erp.db") as db:
        db.execute("update orders set status = 'open' where id = 2")
    db.close()

    retried = answer(place, "retry", failed["run_id"], "--reason", "opened it again")

    assert retried["status"] == "succeeded"
    assert order(place, 2) == ("Grace", "billed")


def test_a_run_that_waits_for_a_person_exits_3_and_goes_on_when_it_is_approved(place):
    waiting = drawbar(place, "run", "ask", code=3)
    (question,) = answer(place, "approvals")
    listed = drawbar(place, "approvals").stdout

    approved = drawbar(place, "approve", question["id"], "--reason", "looked at it", LOGNAME="lead")

    assert f"drawbar approve {question['id']}" in waiting.stdout
    assert "Close the day?" in listed
    assert "succeeded" in approved.stdout
    assert order(place, 3) == ("Mary", "held")
    assert answer(place, "approvals") == []


def test_a_question_that_is_rejected_fails_its_run(place):
    drawbar(place, "run", "ask", code=3)
    (question,) = answer(place, "approvals")

    drawbar(place, "reject", question["id"], "--reason", "not tonight", code=1, LOGNAME="lead")

    assert order(place, 3) == ("Mary", "open")


def test_a_call_that_needs_an_approval_waits_for_it(place):
    said = answer(place, "call", "erp.cancel", "id=1", code=3)

    assert said["status"] == "waiting"
    assert order(place, 1) == ("Ada", "open")

    refused = drawbar(place, "approve", said["id"], code=1)
    drawbar(place, "approve", said["id"], LOGNAME="lead")
    assert "ask another person" in refused.stderr
    assert order(place, 1) == ("Ada", "cancelled")


def test_a_run_is_cancelled_while_it_waits(place):
    waiting = answer(place, "run", "ask", code=3)

    cancelled = answer(place, "cancel", waiting["run_id"], "--reason", "wrong day")

    assert cancelled["status"] == "cancelled"
    assert answer(place, "approvals") == []


# --- dead letters


def test_an_unknown_outcome_is_parked_shown_and_settled_as_done(place):
    parked = drawbar(place, "run", "lose", code=3)
    (letter,) = answer(place, "dead")
    shown = drawbar(place, "dead", "show", letter["id"]).stdout
    refused = drawbar(place, "dead", "drop", letter["id"], code=1)

    settled = answer(place, "dead", "settle", letter["id"], "--done", "--result", '{"count": 1}', "--reason", "seen")

    assert "parked" in parked.stdout
    assert letter["id"] in parked.stdout
    for word in ("erp.tell", "ERP desk", "the answer was lost", f"drawbar dead settle {letter['id']} --done"):
        assert word in shown
    assert "unknown" in refused.stderr
    assert settled["status"] == "succeeded"
    assert answer(place, "dead") == []


def test_a_direct_call_whose_outcome_is_unknown_is_settled_as_not_done_and_sent_again(place):
    lost = drawbar(place, "call", "erp.tell", "id=1", code=3)
    (letter,) = answer(place, "dead")
    wrong = drawbar(place, "dead", "settle", letter["id"], "--done", "--result", '"x"', code=2)

    drawbar(place, "dead", "settle", letter["id"], "--not-done")
    drawbar(place, "dead", "send", letter["id"], code=3)

    assert "outcome unknown" in lost.stderr
    assert f"drawbar dead settle {letter['id']}" in lost.stderr
    assert "does not fit" in wrong.stderr


# --- batches


def test_a_sync_runs_and_has_nothing_to_do_the_second_time(place):
    first = drawbar(place, "sync", "changed")
    listed = drawbar(place, "syncs").stdout

    with sqlite3.connect(place / "warehouse.db") as db:
        assert db.execute("select count(*) from orders").fetchone() == (3,)
    db.close()
    assert "succeeded" in first.stdout
    assert "erp.orders" in listed
    assert "warehouse.orders" in listed


def test_a_dry_run_writes_nothing(place):
    drawbar(place, "sync", "changed", "--dry-run")

    with sqlite3.connect(place / "warehouse.db") as db:
        assert db.execute("select count(*) from orders").fetchone() == (0,)
    db.close()


def test_the_files_of_a_feed_are_listed_and_acted_on(place):
    feed = "      orders: { pattern: '*.csv', ready: { stable_s: 0.1 }, format: { kind: csv }, max_attempts: 1 }\n"
    drop = f"  drop:\n    kind: local\n    root: ./inbox\n    feeds:\n{feed}"
    (place / "drawbar.yaml").write_text(CONFIG.replace("workflows:\n", f"{drop}workflows:\n", 1))
    (place / "inbox").mkdir()
    (place / "inbox" / "one.csv").write_text("id,customer,amount,status\n7,Joan,1.00,open\n")

    (listed,) = answer(place, "files", "drop.orders")

    assert listed["name"] == "one.csv"
    assert "one.csv" in drawbar(place, "files", "drop.orders").stdout
    assert answer(place, "files", "show", "drop.orders", "one.csv")["name"] == "one.csv"
    assert "two.csv" in drawbar(place, "files", "show", "drop.orders", "two.csv", code=2).stderr
    assert "two.csv" in drawbar(place, "files", "retry", "drop.orders", "two.csv", code=2).stderr


# --- operation


def test_the_operators_page_shows_what_waits(place):
    drawbar(place, "run", "ask", code=3)

    page = drawbar(place, "status").stdout
    said = answer(place, "status")

    for word in ("erp", "waiting", "ERP desk"):
        assert word in page
    assert said["runs"]["waiting"]["count"] == 1


def test_json_works_with_every_verb_before_and_after_it(place):
    verbs = ["adapters", "tools", "runs", "approvals", "dead", "syncs", "status", "validate", "schema"]

    for words in [words for verb in verbs for words in (("--json", verb), (verb, "--json"))]:
        done = drawbar(place, *words)

        assert done.stderr == ""
        json.loads(done.stdout)


def test_every_operators_verb_works_on_a_running_service(place):
    config = (
        CONFIG + "agents:\n  local: { tools: ['erp.set_status', 'erp.tell'], scopes: [read, run, approve, operate] }\n"
    )
    with Serving(config, at=place) as served:
        at = {"DRAWBAR_URL": served.url}

        assert {one["name"] for one in answer(place, "adapters", **at)} == {"erp", "warehouse"}
        assert "erp.find_order" in drawbar(place, "tools", **at).stdout
        assert "required" in drawbar(place, "describe", "erp.find_order", **at).stdout
        assert answer(place, "call", "erp.find_order", "id=1", **at)["result"]["rows"][0]["customer"] == "Ada"
        assert "did you mean" in drawbar(place, "call", "erp.find_ordr", "id=1", code=2, **at).stderr
        drawbar(place, "call", "erp.set_status", "id=2", "status=held", code=1, **at)
        assert (
            "update orders" in drawbar(place, "call", "erp.set_status", "id=1", "status=held", "--preview", **at).stdout
        )
        assert "succeeded" in drawbar(place, "run", "bill", "--input", '{"order": 1}', "--follow", **at).stdout
        drawbar(place, "run", "ask", "--follow", code=3, **at)
        (question,) = answer(place, "approvals", **at)
        assert "ask another person" in drawbar(place, "approve", question["id"], code=1, **at).stderr
        drawbar(place, "approve", question["id"])
        drawbar(place, "run", "lose", "--follow", code=3, **at)
        (letter,) = answer(place, "dead", **at)
        drawbar(place, "dead", "settle", letter["id"], "--done", "--result", '{"count": 1}', **at)
        assert "succeeded" in drawbar(place, "sync", "changed", **at).stdout
        assert "ok" in drawbar(place, "check", "erp", **at).stdout
        assert "erp" in drawbar(place, "status", **at).stdout
        assert len(answer(place, "runs", **at)) == 3
        assert drawbar(place, "show", answer(place, "runs", **at)[0]["run_id"], **at).stdout


def test_run_and_serve_share_one_state(place):
    """A question that `serve` asked is answered from the shell beside it, and `serve` goes on."""
    config = CONFIG + "agents:\n  local: { tools: ['erp.set_status'] }\n"
    with Serving(config, at=place) as served:
        started = served.ask("POST", "/workflows/ask/run").json()
        for _ in range(100):
            if questions := answer(place, "approvals"):
                break
            time.sleep(0.05)

        drawbar(place, "approve", questions[0]["id"])

        assert served.ask("GET", f"/runs/{started['run_id']}").json()["status"] == "succeeded"
