"""Every mistake is named at its line and column, with what to do; and all of them at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from drawbar.config import ConfigErrors, load
from drawbar.config.problems import Problem
from drawbar.core.errors import ConfigError

ERP = """\
adapters:
  erp:
    kind: sql
    url: sqlite:///erp.db
    statements:
      find_order:
        sql: select id from orders where id = :id
        parameters: { id: { type: integer } }
        effect: read
    tables:
      orders: { key: [id], read: true, upsert: true }
"""

DROP = """\
adapters:
  drop:
    kind: local
    root: ./inbox
    feeds:
      orders: { pattern: "*.csv", format: { kind: csv } }
"""

MISTAKES = {
    # name: (what is written, line, column, words of the sentence)
    "an unknown key at the top": ("version: 1\nadaptrs: {}\n", 2, 1, "unknown key 'adaptrs'; did you mean 'adapters'?"),
    "an unknown key of an adapter": (
        ERP.replace("    url:", "    urll:"), 4, 5, "unknown key 'urll'; did you mean 'url'?",
    ),
    "an unknown key of a statement": (
        ERP.replace("        effect: read", "        efect: read"), 9, 9, "unknown key 'efect'; did you mean 'effect'?",
    ),
    "a required key that is missing": (ERP.replace("    url: sqlite:///erp.db\n", ""), 2, 3, "'url' is missing"),
    "an unknown kind of adapter": (ERP.replace("kind: sql", "kind: sqll"), 3, 11, "no adapter of kind 'sqll'; did you mean 'sql'?"),
    "an adapter without a kind": (ERP.replace("    kind: sql\n", ""), 2, 3, "'kind' is missing"),
    "a number that is none": ("server: { port: eighty }\n", 1, 17, "'port' must be a whole number, found 'eighty'"),
    "a number out of range": ("server: { port: 70000 }\n", 1, 17, "'port' must be less than or equal to 65535"),
    "a word that is not one of the choices": (
        ERP.replace("effect: read", "effect: reads"), 9, 17, "found 'reads'; did you mean 'read'?",
    ),
    "a list where a mapping belongs": ("adapters: [erp]\n", 1, 11, "'adapters' must be a mapping, found a list"),
    "a write without an end": ("syncs: { s: { from: { adapter: a, table: t }, to: { adapter: a, writes: [] } } }\n", 1, 73, "'writes' must have at least 1"),
    "a model of no provider": ("agents: { clerk: { model: { name: x } } }\n", 1, 20, "'provider' is missing"),
    "a protocol that no model speaks": ("agents: { clerk: { model: { provider: opneai, name: x } } }\n", 1, 39, "did you mean 'openai'?"),
    "claims of nearly nothing": ("claims: { over_bytes: 10 }\n", 1, 23, "'over_bytes' must be greater than or equal to 1024"),
    "a webhook that is none": (
        "notify: [ { on: [parked], to: { webhook: localhost } } ]\n", 1, 42, "a webhook is an http or https URL",
    ),
    "a queue on a broker that nobody speaks": ("queue: kafka://localhost\n", 1, 8, "amqp://USER@HOST/VHOST or redis://HOST/NUMBER"),
    "a sync between two queues": (
        ("adapters:\n  a: { kind: local, root: ., queue: inside, feeds: { f: { pattern: '*', format: { kind: jsonl } } } }\n"
        "  b: { kind: sql, url: 'sqlite:///b.db', queue: outside, tables: { t: { key: [id] } } }\n"
        "syncs: { s: { from: { adapter: a, feed: f }, to: { adapter: b, table: t } } }\n"),
        4, 61, "no process need reach both", "pin both to one queue",
    ),
    "a queue without a journal for many machines": ("queue: amqp://localhost\n", 1, 8, "needs state: postgresql+psycopg"),
    "a version that does not exist": ("version: 2\n", 1, 10, "'version' must be 1, found 2"),
    "a tab": ("adapters:\n\terp: {}\n", 2, 1, "a tab; indent with spaces"),
    "a colon in a plain value": ("state: a: b\n", 1, 9, "a second ': ' in one plain value", "quotes"),
    "a quote that is not closed": ("state: 'sqlite\nqueue: threads\n", 1, 8, "the quote that begins here is not closed"),
    "a list that is not closed": ("agents: { a: { tools: [x, y }\n", 1, 23, "not closed with ]"),
    "a second document": ("version: 1\n---\nversion: 1\n", 2, 1, "one file holds one document"),
    "a key that is said twice": ("queue: threads\nversion: 1\nqueue: threads\n", 3, 1, "'queue' is defined twice; the first is at", "drawbar.yaml:1:1"),
    "an alias without an anchor": ("state: *.db\n", 1, 8, "a value that begins with * must stand in quotes"),
    "a value that begins with @": ("state: @home\n", 1, 8, "cannot begin with @", "quotes"),
    "an alias that contains itself": ("adapters: &a\n  x: *a\n", 1, 11, "the alias *a contains itself"),
    "a file that is a list": ("- version: 1\n", 1, 1, "a configuration is a mapping"),
    "a control character": ("version: 1\nstate: \x07\n", 2, 8, "control character"),
    "a secret that is missing": (
        ERP.replace("sqlite:///erp.db", "${env:DRAWBAR_TEST_NO_SUCH}"), 4, 10, "the environment has no DRAWBAR_TEST_NO_SUCH; export",
    ),
    "a secret file that is missing": (ERP.replace("sqlite:///erp.db", "${file:./nothing}"), 4, 10, "cannot be read: No such file"),
    "a reference of a form that does not exist": (ERP.replace("sqlite:///erp.db", "${ERP_URL}"), 4, 10, "${ERP_URL} is no reference; write ${env:ERP_URL}"),
    "an expression cut off by a comment": (
        "workflows:\n  w:\n    output: ${{ 'a #1' + input.x }}\n", 3, 13, "cut off", "put the whole value in quotes",
    ),
    "an expression with a colon and no quotes": (
        "workflows:\n  w:\n    output: ${{ input.x ? 1 : 2 }}\n", 3, 13, "put the whole value in quotes",
    ),
    "an expression in braces without quotes": (
        "workflows:\n  w:\n    tasks: { a: { tool: erp.x, with: { id: ${{ input.x }} } } }\n", 3, 44, "put the whole value in quotes",
    ),
    "an expression that is not closed": ('workflows:\n  w:\n    output: "${{ input.x"\n', 3, 13, "not closed by '}}'"),
    "an expression that is no CEL": ('workflows:\n  w:\n    output: "${{ input.x + }}"\n', 3, 13, "not a CEL expression"),
    "a name that an expression does not see": (
        'workflows:\n  w:\n    key: "${{ inputs.x }}"\n', 3, 10, "'inputs' is not seen here; seen are: input",
    ),
    "a task that does not exist": (
        ERP + "workflows:\n  w:\n    tasks:\n      one: { tool: erp.find_order }\n      two: { tool: erp.find_order, needs: [on] }\n",
        16, 44, "there is no task 'on'; did you mean 'one'?",
    ),
    "tasks that need each other": (
        ERP + "workflows:\n  w:\n    tasks:\n      a: { tool: erp.find_order, needs: [b] }\n      b: { tool: erp.find_order, needs: [a] }\n",
        15, 41, "'a' needs itself: a -> b -> a",
    ),
    "an expression that needs does not reach": (
        ERP + 'workflows:\n  w:\n    tasks:\n      a: { tool: erp.find_order }\n      b: { tool: erp.find_order, with: { id: "${{ tasks.a.output.x }}" } }\n',
        16, 46, "add 'a' to the needs of 'b'",
    ),
    "a tool that does not exist": (
        ERP + "workflows:\n  w:\n    tasks:\n      a: { tool: erp.find_ordr }\n", 15, 18, "there is no tool 'erp.find_ordr'; did you mean 'erp.find_order'?",
    ),
    "a tool of an adapter that does not exist": (
        ERP + "workflows:\n  w:\n    tasks:\n      a: { tool: epr.find_order }\n", 15, 18, "no adapter 'epr'; did you mean 'erp.find_order'?",
    ),
    "a task that is nothing": (
        "workflows:\n  w:\n    tasks:\n      a: { needs: [] }\n", 4, 10, "a task is exactly one of tool",
    ),
    "a workflow that does not exist": (
        "workflows:\n  w:\n    tasks:\n      a: { workflow: bil }\n  bill: {}\n", 4, 22, "there is no workflow 'bil'; did you mean 'bill'?",
    ),
    "a workflow that is given what it does not take": (
        "workflows:\n  w:\n    tasks:\n      a: { workflow: bill, with: { n: one } }\n  bill: { input: { properties: { n: { type: integer } } } }\n",
        4, 39, 'workflow bill: n: "one" is not of type "integer"',
    ),
    "a workflow that lacks what it needs": (
        'workflows:\n  w:\n    tasks:\n      a: { workflow: bill, with: { m: "${{ input.m }}" } }\n  bill: { input: { required: [n] } }\n',
        4, 34, '"n" is a required property',
    ),
    "a workflow that runs itself": (
        "workflows:\n  w:\n    tasks:\n      a: { workflow: w }\n", 4, 22, "w runs itself without end: w -> w; give one of these tasks an `if`",
    ),
    "a retry of what another run does": (
        "workflows:\n  w:\n    tasks:\n      a: { workflow: v, retry: { attempts: 3 } }\n  v: {}\n", 4, 10, "'retry' beside workflow",
    ),
    "a limit of what an agent does": (
        "workflows:\n  w:\n    tasks:\n      a: { agent: local, timeout_s: 3 }\n", 4, 10, "an agent has within_h",
    ),
    "an agent's task without that agent": (
        "workflows:\n  w:\n    tasks:\n      a: { agent: clrk }\nagents:\n  clerk: {}\n", 4, 19, "there is no agent 'clrk'; did you mean 'clerk'?",
    ),
    "an agent's answer that is no schema": (
        "workflows:\n  w:\n    tasks:\n      a: { agent: local, output: { type: nothing } }\n", 4, 10, "output is not a JSON Schema",
    ),
    "a place in the context that is none": (
        "workflows:\n  w:\n    tasks:\n      a: { agent: local, save: { orders: 1 } }\n", 4, 10, "'orders' is no place in the context: write SCOPE.KEY",
    ),
    "an output that sees what it cannot": (
        ERP + 'workflows:\n  w:\n    tasks:\n      a: { tool: erp.find_order, output: "${{ results.x }}" }\n',
        15, 42, "'results' is not seen here; seen are: context, input, result, run, tasks",
    ),
    "retry after what no error is": (
        ERP + "workflows:\n  w:\n    tasks:\n      a: { tool: erp.find_order, retry: { on: [stop] } }\n", 15, 48, "'retry' or 'reconcile'",
    ),
    "a compensation by a tool that does not exist": (
        ERP + "workflows:\n  w:\n    tasks:\n      a: { tool: erp.find_order, compensate: { tool: erp.find_ordr } }\n",
        15, 54, "there is no tool 'erp.find_ordr'; did you mean 'erp.find_order'?",
    ),
    "a compensation that sees what it cannot": (
        ERP + 'workflows:\n  w:\n    tasks:\n      a: { tool: erp.find_order, compensate: { tool: erp.find_order, with: { id: "${{ fault.id }}" } } }\n',
        15, 82, "'fault' is not seen here; seen are: arguments, context, input, result, run, tasks",
    ),
    "a compensation of what does nothing": (
        ERP + "workflows:\n  w:\n    tasks:\n      a: { wait_s: 1, compensate: { tool: erp.find_order } }\n",
        15, 10, "compensate is for tools, syncs, workflows and agents: 'compensate' beside wait_s",
    ),
    "a compensation of what comes after all is undone": (
        ERP + "workflows:\n  w:\n    on_failure:\n      a: { tool: erp.find_order, compensate: { tool: erp.find_order } }\n",
        15, 46, "on_failure tasks run after all is undone: nothing undoes them",
    ),
    "a cron expression that is none": ("workflows:\n  w:\n    triggers: [ { cron: 5 o'clock } ]\n", 3, 25, "not a cron expression"),
    "a time zone that does not exist": (
        'workflows:\n  w:\n    triggers: [ { cron: "0 5 * * *", timezone: Europe/Berlyn } ]\n', 3, 48, "there is no time zone 'Europe/Berlyn'",
    ),
    "an agent's tool that does not exist": (
        ERP + "agents:\n  clerk: { tools: [erp.find_orders] }\n", 13, 20, "did you mean 'erp.find_order'?",
    ),
    "a scope that does not exist": ("agents:\n  clerk: { scopes: [reed] }\n", 2, 21, "'scopes[0]' must be", "did you mean 'read'?"),
    "a table that does not exist": (
        ERP + "syncs:\n  s:\n    from: { adapter: erp, table: order }\n    to: { adapter: erp, table: orders }\n",
        14, 34, "erp has no table 'order'; did you mean 'orders'?",
    ),
    "a table of the database that is not listed": (
        (
            'adapters:\n  erp: { kind: sql, url: "sqlite:///erp.db" }\n  to: { kind: sql, url: "sqlite:///to.db", tables: { t: { key: [id], upsert: true } } }\n'
            "syncs:\n  s:\n    from: { adapter: erp, table: orders }\n    to: { adapter: to, table: t, mode: upsert, key: [id] }\n"
        ),
        6, 34, "erp has no table 'orders'; known: none; only what stands under adapters.erp.tables is used",
    ),
    "a statement that writes, as a source": (
        ERP + "syncs:\n  s:\n    from: { adapter: erp, statement: set_status }\n    to: { adapter: erp, table: orders }\n",
        14, 38, "only what stands under adapters.erp.statements (effect: read) is used",
    ),
    "a feed of a database": (
        ERP + "syncs:\n  s:\n    from: { adapter: erp, feed: orders }\n    to: { adapter: erp, table: orders }\n",
        14, 27, "erp is of kind sql and has no feeds",
    ),
    "a feed that does not exist": (
        DROP + "workflows:\n  w: { triggers: [ { adapter: drop, feed: order } ] }\n", 8, 43, "drop has no feed 'order'; did you mean 'orders'?",
    ),
    "a table of a file drop": (
        DROP + "syncs:\n  s:\n    from: { adapter: drop, table: orders }\n    to: { adapter: drop, feed: orders }\n",
        9, 28, "drop is of kind local and has no tables",
    ),
    "an unknown key of a feed": (DROP.replace("pattern", "patern"), 6, 17, "unknown key 'patern'; did you mean 'pattern'?"),
    "a sync that does not exist": (
        "syncs: {}\nworkflows:\n  w: { tasks: { a: { sync: nightly } } }\n", 3, 28, "there is no sync 'nightly'",
    ),
    "a sync to an adapter that does not exist": (
        ERP + "syncs:\n  s:\n    from: { adapter: erp, table: orders }\n    to: { adapter: epr, table: orders }\n",
        15, 20, "there is no adapter 'epr'; did you mean 'erp'?",
    ),
    "a rule for a tool that does not exist": (
        ERP + "    tools: { find_ordr: { timeout_s: 5 } }\n", 12, 14, "erp has no tool 'find_ordr'; did you mean 'find_order'?",
    ),
    "a probe that does not exist": (
        ERP + '    tools: { find_order: { probe: { tool: erp.look, with: {}, done: "${{ true }}" } } }\n', 12, 43, "there is no tool 'erp.look'",
    ),
    "a name with a blank": ("workflows:\n  my flow: {}\n", 2, 3, "'my flow' is no name here"),
    "an input schema that is none": ("workflows:\n  w:\n    input: { type: objekt }\n", 3, 12, "not a JSON Schema"),
}  # fmt: skip


def mistakes(folder: Path, text: str, monkeypatch) -> tuple[Problem, ...]:
    monkeypatch.chdir(folder)
    Path("drawbar.yaml").write_text(text)
    with pytest.raises(ConfigErrors) as caught:
        load()
    return tuple(caught.value.problems)


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_at_its_place_with_what_to_do(name, tmp_path, monkeypatch):
    text, line, column, *words = MISTAKES[name]

    found = mistakes(tmp_path, text, monkeypatch)

    first = found[0]
    assert (first.spot.line, first.spot.column) == (line, column), str(first)
    assert str(first).startswith(f"drawbar.yaml:{line}:{column}: ")
    for word in words:
        assert word in str(first)


def test_one_mistake_gives_one_sentence(tmp_path, monkeypatch):
    """What follows from a mistake is not reported beside it."""
    several = {
        name: [str(problem) for problem in found]
        for name, (text, *_) in MISTAKES.items()
        if len(found := mistakes(tmp_path, text, monkeypatch)) != 1
    }

    assert set(several) == {"tasks that need each other"}, several


def test_all_mistakes_come_at_once(tmp_path, monkeypatch):
    text = (
        ERP.replace("effect: read", "effect: reads").replace("sqlite:///erp.db", "${env:DRAWBAR_TEST_NO_SUCH}")
        + "claims: { over_byte: 1 }\nserver: { prot: 1 }\n"
        + "workflows:\n  w:\n    tasks:\n      a: { tool: epr.x, needs: [b], compensate: { tool: x } }\n      b: { wait_s: soon }\n"
        + "agents:\n  clerk: { tools: [erpp.x] }\n"
    )

    found = mistakes(tmp_path, text, monkeypatch)

    assert [problem.spot.line for problem in found] == sorted(problem.spot.line for problem in found)
    for word in ("NO_SUCH", "'reads'", "'over_byte'", "'prot'", "'epr.x'", "no adapter 'x'", "'wait_s'", "'erpp.x'"):
        assert any(word in str(problem) for problem in found), word
    assert len(found) == 8, list(map(str, found))


def test_a_name_defined_in_two_files_names_both(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    conf = Path("conf")
    conf.mkdir()
    (conf / "a.yaml").write_text("version: 1\n" + ERP)
    (conf / "b.yml").write_text("version: 1\nadapters:\n  erp: { kind: sql, url: sqlite:///b.db }\nx-any: [1]\n")

    with pytest.raises(ConfigErrors) as caught:
        load(conf)

    assert str(caught.value) == (
        "conf/b.yml:3:3: 'erp' is defined twice; the first is at conf/a.yaml:3:3; remove or rename one"
    )


def test_files_of_a_folder_are_one_configuration(tmp_path):
    (tmp_path / "a.yaml").write_text("version: 1\n" + ERP)
    (tmp_path / "b.yml").write_text("version: 1\nworkflows:\n  w: { tasks: { a: { tool: erp.find_order } } }\n")
    (tmp_path / "notes.txt").write_text("no YAML: [")

    config = load(tmp_path)

    assert config.workflows["w"].tasks["a"].tool == "erp.find_order"
    assert config.base == tmp_path


def test_anchors_are_merged_and_x_keys_ignored(tmp_path):
    file = tmp_path / "drawbar.yaml"
    file.write_text(
        "x-db: &db { kind: sql, call_timeout_s: 7 }\n"
        "adapters:\n  a: { <<: *db, url: 'sqlite:///a.db' }\n  b: { <<: *db, url: 'sqlite:///b.db', call_timeout_s: 9 }\n"
    )

    config = load(file)

    assert (config.adapters["a"].call_timeout_s, config.adapters["b"].call_timeout_s) == (7, 9)


def test_a_mistake_in_an_anchor_is_named_where_it_is_written(tmp_path):
    file = tmp_path / "drawbar.yaml"
    file.write_text("x-db: &db { kind: sql, call_timeout_s: no }\nadapters:\n  a: { <<: *db, url: 'sqlite:///a.db' }\n")

    with pytest.raises(ConfigErrors) as caught:
        load(file)

    assert f"{file}:1:40: 'call_timeout_s' must be a number" in str(caught.value)


def test_two_tools_of_one_name_are_refused(tmp_path, monkeypatch):
    text = (
        "adapters:\n"
        "  erp: { kind: sql, url: 'sqlite:///a.db', tables: { sub_orders: { key: [id], read: true } } }\n"
        "  erp_read: { kind: sql, url: 'sqlite:///b.db', statements: { sub_orders: { sql: select 1, effect: read } } }\n"
    )

    (found,) = mistakes(tmp_path, text, monkeypatch)

    assert "drawbar.yaml:3:3: the tools erp.read_sub_orders and erp_read.sub_orders are both called" in str(found)


def test_no_configuration_at_all_is_the_empty_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    config = load()

    assert (config.adapters, config.workflows, config.files) == ({}, {}, ())


def test_a_configuration_that_was_named_must_be_there(tmp_path):
    with pytest.raises(ConfigError, match=r"there is no configuration at .*nothing\.yaml"):
        load(tmp_path / "nothing.yaml")


def test_a_billion_laughs_are_refused(tmp_path, monkeypatch):
    lines = ["x-a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"x-{b}: &{b} [{', '.join([f'*{a}'] * 10)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)]

    found = mistakes(tmp_path, "\n".join(lines) + "\n", monkeypatch)

    assert "do aliases repeat aliases?" in str(found[0])


def test_validate_offline_imports_no_wire_library(tmp_path):
    (tmp_path / "drawbar.yaml").write_text(ERP)
    script = (
        "import sys\n"
        "from drawbar.config.validate import validate\n"
        "report = validate('drawbar.yaml', offline=True)\n"
        "assert report.config is not None, report.problems\n"
        "wires = {'zeep', 'paramiko', 'pika', 'sqlalchemy', 'psycopg', 'pymysql', 'fastapi', 'pyarrow', 'lxml', 'requests'}\n"
        "print(sorted(wires & set(sys.modules)))\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script],
        check=False,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=os.environ,
        timeout=60,
    )

    assert done.stderr == ""
    assert done.stdout.strip() == "[]"
