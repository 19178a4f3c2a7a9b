"""What an operator does at night: many letters at once, approvals by role, previews with their code; on a service and here."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import requests
from servers.drawbar import Serving
from servers.openssh import OpenSSH
from servers.postgres import Postgres
from servers.rabbitmq import RabbitMQ
from servers.soap_node import SoapNode

from drawbar.cli import main

CONFIG = """\
version: 1
state_key: a-key-for-tests
adapters:
  erp:
    kind: sql
    url: {url}
    statements:
      mark: {{ sql: "update orders set status = :status where id = :id", parameters: {{ id: {{ type: integer }}, status: {{ type: string }} }}, effect: write }}
      lose: {{ sql: "update orders set sent = sent + 1 where id = :id", parameters: {{ id: {{ type: integer }} }}, effect: write }}
      pay: {{ sql: "update orders set sent = sent + 1 where id = :id", parameters: {{ id: {{ type: integer }} }}, effect: write }}
      note: {{ sql: "update orders set status = :status where id = :id", parameters: {{ id: {{ type: integer }}, status: {{ type: string }} }}, effect: idempotent }}
    tables: {{ orders: {{ key: [id], read: true, insert: true, update: true, upsert: true }} }}
    tools:
      lose: {{ outcome: [ {{ when: "${{{{ result.count >= 0 && arguments.id < 90 }}}}", is: unknown, message: the answer was lost }} ] }}
      pay: {{ approval: {{ by: [night_desk, Ada], within_h: 1 }} }}
      mark: {{ key: "${{{{ string(arguments.id) }}}}" }}
workflows:
  losing: {{ input: {{ type: object }}, tasks: {{ lose: {{ tool: erp.lose, with: {{ id: "${{{{ input.id }}}}" }} }} }} }}
agents:
  clerk: {{ tools: ["erp.*", erp.mark, erp.pay, erp.lose], scopes: [read, run], confirm: [idempotent, write] }}
  Ada: {{ scopes: [read, approve] }}
  nora: {{ scopes: [read, approve], roles: [night_desk] }}
  day: {{ scopes: [read, approve], roles: [day_desk] }}
  chief: {{ tools: [erp.pay, erp.lose, erp.insert_orders, erp.update_orders, erp.upsert_orders], scopes: [read, run, approve, operate], roles: [night_desk] }}
"""


@dataclass
class House:
    """A landscape on PostgreSQL, its service, and its command line."""

    place: Path
    served: Serving
    keys: dict[str, str]
    sql: Callable[[str], Any]

    def ask(self, agent: str, method: str, path: str, **sent: Any) -> requests.Response:
        answer = self.served.ask(method, path, headers={"Authorization": f"Bearer {self.keys[agent]}"}, **sent)
        assert answer.status_code != 500, answer.text
        return answer

    def cli(self, *words: str, code: int = 0, by: str | None = None) -> str:
        """Run a command here, or, by an agent, on the service; it must end so."""
        environ = {name: value for name, value in os.environ.items() if not name.startswith("DRAWBAR_")}
        if by is not None:
            environ |= {"DRAWBAR_URL": self.served.url, "DRAWBAR_KEY": self.keys[by]}
        out, err = io.StringIO(), io.StringIO()
        with (
            patch.dict(os.environ, environ, clear=True),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            came = main(["-c", str(self.place / "drawbar.yaml"), *words])
        said, complained = out.getvalue(), err.getvalue()
        assert "Traceback" not in said + complained, complained
        assert "defect" not in complained, complained
        assert came == code, (came, said, complained)
        return said + ("" if "--json" in words else complained)

    def json(self, *words: str, code: int = 0, by: str | None = None) -> Any:
        return json.loads(self.cli("--json", *words, code=code, by=by))

    def lost(self, *ids: int) -> list[str]:
        """Lose the answers of direct calls, and give the letters, the oldest first."""
        for number in ids:
            assert (
                self.ask("chief", "POST", "/tools/erp.lose/call", json={"arguments": {"id": number}}).status_code == 504
            )
        return [one["id"] for one in reversed(self.json("dead", by="chief"))]

    def sent(self, number: int) -> int:
        return int(self.sql(f"select sent from orders where id = {number}"))

    def status(self, number: int) -> str:
        return str(self.sql(f"select status from orders where id = {number}"))


@pytest.fixture(scope="module")
def house(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    url = postgres.create_database()
    name = url.rpartition("/")[2]

    def sql(text: str) -> Any:
        return postgres.execute(text, name)

    sql("create table orders (id integer primary key, status text, sent integer not null default 0)")
    sql("insert into orders select n, 'open', 0 from generate_series(1, 99) n")
    place = tmp_path_factory.mktemp("operator")
    (place / "drawbar.yaml").write_text(CONFIG.format(url=url))
    made = House(place, None, {}, lambda text: _value(url, text))  # type: ignore[arg-type]  # begun below
    for agent in ("clerk", "Ada", "nora", "day", "chief"):
        made.keys[agent] = made.cli("keys", "add", agent).split()[-1]
    with Serving(at=place) as made.served:
        yield made


def _value(url: str, text: str) -> Any:
    import sqlalchemy

    engine = sqlalchemy.create_engine(url)
    with engine.connect() as connection:
        found = connection.execute(sqlalchemy.text(text)).scalar()
    engine.dispose()
    return found


@pytest.fixture(autouse=True)
def nothing_is_left(house: House) -> Iterator[None]:
    yield
    left = house.ask("chief", "POST", "/dead-letters/settle", json={"all": True, "dry_run": False, "done": False})
    assert left.status_code == 200, left.text
    house.ask("chief", "POST", "/dead-letters/drop", json={"all": True, "dry_run": False})


# --- many letters


@pytest.mark.parametrize("by", [None, "chief"])
def test_many_are_looked_at_then_settled_then_sent(house: House, by: str | None) -> None:
    """The same here and on a service: without --yes nothing happens."""
    # Given
    first, second = (21, 22) if by else (11, 12)
    letters = house.lost(first, second)

    # When
    looked = house.cli("dead", "settle", "--tool", "erp.l*", "--not-done", by=by)
    states = {one["state"] for one in house.json("dead", by=by)}
    done = house.cli("dead", "settle", "--tool", "erp.l*", "--not-done", "--yes", "--reason", "dead night", by=by)
    would = house.json("dead", "send", "--state", "not_done", by=by)
    sent = house.json("dead", "send", "--state", "not_done", "--yes", code=3, by=by)

    # Then
    assert "nothing was done" in looked
    assert all(letter in looked for letter in letters)
    assert "dead settle --tool 'erp.l*' --not-done --until" in looked
    assert states == {"unknown"}
    assert "2 done" in done
    assert [one["outcome"] for one in would["items"]] == ["would", "would"]
    assert [one["id"] for one in sent["items"]] == letters, "the oldest first"
    assert [one["outcome"] for one in sent["items"]] == ["unknown", "unknown"], "their answers are lost again"
    assert (house.sent(first), house.sent(second)) == (2, 2)


def test_a_refusal_stops_nothing_and_each_says_why(house: House) -> None:
    [one, two] = house.lost(31, 32)
    house.cli("dead", "settle", two, "--not-done")

    shown = house.cli("dead", "drop", "--all")
    dropped = house.json("dead", "drop", "--all", "--yes", code=1)

    assert "1 refused, 1 would" in shown
    assert {item["id"]: item["outcome"] for item in dropped["items"]} == {one: "refused", two: "done"}
    assert "settle it first" in dropped["items"][0]["said"]
    assert [letter["id"] for letter in house.json("dead")] == [one]


def test_what_none_fits_is_nothing_to_do(house: House) -> None:
    house.lost(33)

    assert house.json("dead", "send", "--tool", "other.*", "--yes", code=5)["items"] == []
    assert house.json("dead", "send", "--until", "2020-01-01", "--yes", code=5)["items"] == []
    assert house.json("dead", "--q", "lost") != []
    assert house.json("dead", "--workflow", "losing") == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("dead", "send"), "say which"),
        (("dead", "drop", "x", "--all"), "leave out the filters"),
        (("dead", "send", "--since", "soon"), "no moment"),
        (("dead", "settle", "--all"), "say whether it happened"),
    ],
)
@pytest.mark.parametrize("by", [None, "chief"])
def test_what_is_not_said_clearly_is_refused(house: House, words: tuple[str, ...], said: str, by: str | None) -> None:
    assert said in house.cli(*words, code=2, by=by)


def test_letters_of_runs_let_their_runs_go_on(house: House) -> None:
    for number in (41, 42):
        house.cli("run", "losing", "--input", json.dumps({"id": number}), code=3)

    house.cli("dead", "settle", "--workflow", "losing", "--done", "--result", '{"count": 1}', "--yes")

    assert [run["status"] for run in house.json("runs", "--workflow", "losing")][:2] == ["succeeded"] * 2
    assert (house.sent(41), house.sent(42)) == (1, 1)


def test_pages_of_many_are_bounded_and_asking_again_does_nothing_twice(house: House) -> None:
    letters = house.lost(51, 52, 53)
    body = {"filter": {"ids": letters}, "dry_run": False, "done": False, "limit": 2}

    first = house.ask("chief", "POST", "/dead-letters/settle", json=body).json()
    again = house.ask("chief", "POST", "/dead-letters/settle", json=body).json()
    rest = house.ask("chief", "POST", "/dead-letters/settle", json={**body, "after": first["next"]}).json()

    assert [item["outcome"] for item in first["items"]] == ["done", "done"]
    assert [item["outcome"] for item in again["items"]] == ["refused", "refused"]
    assert first["next"] == letters[1]
    assert [item["outcome"] for item in rest["items"]] == ["done"]
    assert rest["next"] is None


def test_many_over_rest_needs_a_filter_or_all_and_the_scope(house: House) -> None:
    house.lost(54)

    without = house.ask("chief", "POST", "/dead-letters/send", json={"dry_run": False})
    quiet = house.ask("chief", "POST", "/dead-letters/settle", json={"all": True, "done": True, "result": {"count": 1}})
    foreign = house.ask("nora", "POST", "/dead-letters/drop", json={"all": True})

    assert (without.status_code, without.json()["field"]) == (422, "filter")
    assert quiet.json()["dry_run"] is True
    assert [item["outcome"] for item in quiet.json()["items"]] == ["would"]
    assert foreign.status_code == 403
    assert house.ask("chief", "GET", "/dead-letters?state=unknown&tool=erp.*").json()["items"] != []
    assert house.ask("chief", "GET", "/dead-letters?since=2026-01-01T00:00:00").status_code == 422


def test_a_letter_that_could_not_be_sent_stays_on_the_list(house: House) -> None:
    [letter] = house.lost(55)
    house.cli("dead", "settle", letter, "--not-done", by="chief")
    house.cli("hold", "erp", by="chief")
    try:
        held = house.json("dead", "send", "--all", "--yes", code=4, by="chief")
    finally:
        house.cli("release", "erp", by="chief")

    assert held["items"][0]["outcome"] == "later"
    assert [one["id"] for one in house.json("dead", by="chief")] == [letter]


def test_the_reason_of_a_drop_is_kept(house: House) -> None:
    [letter] = house.lost(56)
    house.cli("dead", "settle", letter, "--not-done", by="chief")

    house.cli("dead", "drop", letter, "--reason", "sent by hand", by="chief")

    events = house.ask("chief", "GET", "/events?limit=1000").json()["items"]
    dropped = [
        event["body"] for event in events if event["type"] == "dead.dropped" and event["body"]["entry"] == letter
    ]
    assert [body["reason"] for body in dropped] == ["sent by hand"]


# --- approvals by role


def _asked(house: House, agent: str, number: int) -> str:
    answer = house.ask(agent, "POST", "/tools/erp.pay/call", json={"arguments": {"id": number}})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def test_who_has_the_role_or_the_name_answers_and_nobody_else(house: House) -> None:
    by_role, by_name = _asked(house, "chief", 61), _asked(house, "chief", 62)

    refused = house.ask("day", "POST", f"/approvals/{by_role}/approve")
    lists = {
        who: {one["id"] for one in house.ask(who, "GET", "/approvals?mine=true").json()["items"]} & {by_role, by_name}
        for who in ("nora", "Ada", "day", "chief", "clerk")
    }
    own = house.ask("chief", "POST", f"/approvals/{by_role}/approve")
    table = house.cli("approvals", "--mine", by="nora")

    assert (refused.status_code, own.status_code) == (403, 403)
    assert "night_desk, Ada" in refused.json()["detail"]
    assert "asked for this" in own.json()["detail"], "the role does not help who asked"
    everything = {by_role, by_name}
    assert lists == {"nora": everything, "Ada": everything, "day": set(), "chief": set(), "clerk": set()}
    assert "night_desk, Ada" in table
    assert house.ask("nora", "POST", f"/approvals/{by_role}/approve").json()["answered_by"] == "nora"
    assert house.ask("Ada", "POST", f"/approvals/{by_name}/reject").json()["state"] == "rejected"


def test_the_owner_of_the_state_stands_above_the_list(house: House) -> None:
    question = _asked(house, "chief", 63)

    assert question in house.cli("approvals", "--mine")
    assert "approved" in house.cli("approve", question)
    assert house.sent(63) == 1


# --- previews and their code


def _preview(house: House, tool: str, agent: str = "clerk", **arguments: Any) -> dict[str, Any]:
    answer = house.ask(agent, "POST", f"/tools/{tool}/preview", json={"arguments": arguments})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def _call(
    house: House, tool: str, code: str | None, agent: str = "clerk", key: str = "", **arguments: Any
) -> requests.Response:
    body = {"arguments": arguments, **({"code": code} if code else {})}
    headers = {"Authorization": f"Bearer {house.keys[agent]}", **({"Idempotency-Key": key} if key else {})}
    return house.served.ask("POST", f"/tools/{tool}/call", json=body, headers=headers)


def test_who_must_confirm_calls_with_the_code_of_a_preview_once(house: House) -> None:
    bare = _call(house, "erp.note", None, id=71, status="x")
    shown = _preview(house, "erp.note", id=71, status="x")
    before = house.status(71)
    other = _call(house, "erp.note", shown["code"], id=71, status="y")
    elsewhere = _call(house, "erp.mark", shown["code"], id=71, status="x")
    foreign = _call(house, "erp.lose", shown["code"], agent="chief", id=91)
    used = _call(house, "erp.note", shown["code"], id=71, status="x")
    again = _call(house, "erp.note", shown["code"], id=71, status="x")
    wrong = _call(house, "erp.note", "never-given", id=71, status="x")

    assert bare.status_code == 428
    assert bare.json()["field"] == "code"
    assert "preview" in bare.json()["next"]
    assert shown["needs_code"] is True
    assert shown["would"]["rows"] == 1
    assert before == "open"
    assert (other.status_code, elsewhere.status_code, foreign.status_code) == (422, 422, 409)
    assert used.status_code == 200, "what was refused did not spend it"
    assert (again.status_code, wrong.status_code) == (409, 409)
    assert house.status(71) == "x"
    assert house.sent(91) == 0


def test_of_two_calls_with_one_code_one_is_made(house: House) -> None:
    shown = _preview(house, "erp.lose", id=92)

    with ThreadPoolExecutor(8) as pool:
        came = sorted(pool.map(lambda _: _call(house, "erp.lose", shown["code"], id=92).status_code, range(8)))

    assert came == [200, *[409] * 7]
    assert house.sent(92) == 1


def test_the_first_answer_of_a_key_needs_no_code(house: House) -> None:
    by_business, by_call = _preview(house, "erp.mark", id=72, status="x"), _preview(house, "erp.lose", id=93)

    first = _call(house, "erp.mark", by_business["code"], id=72, status="x")
    same = _call(house, "erp.mark", None, id=72, status="x")
    sent = _call(house, "erp.lose", by_call["code"], key="k-93", id=93)
    repeated = _call(house, "erp.lose", by_call["code"], key="k-93", id=93)

    assert (first.status_code, same.status_code) == (200, 200)
    assert same.json()["id"] == first.json()["id"]
    assert (sent.status_code, repeated.status_code) == (200, 200)
    assert house.sent(93) == 1


def test_a_code_is_spent_when_the_question_is_asked(house: House) -> None:
    bare = _call(house, "erp.pay", None, id=73)
    shown = _preview(house, "erp.pay", id=73)

    asked = _call(house, "erp.pay", shown["code"], id=73)
    again = _call(house, "erp.pay", shown["code"], id=73)

    assert shown["needs_approval"] is True
    assert (bare.status_code, asked.status_code, again.status_code) == (428, 202, 409)


@pytest.mark.parametrize("by", [None, "clerk"])
def test_a_code_by_the_command_line(house: House, by: str | None) -> None:
    number = "74" if by else "75"
    words = ("call", "erp.note", f"id={number}", "status=seen")
    shown = house.json(*words, "--preview", by=by)
    text = house.cli(*words, "--preview", by=by)

    house.cli(*words, "--code", shown["code"], by=by)

    assert "nothing was sent" in text
    assert "--code" in text
    assert house.status(int(number)) == "seen"
    assert "code" in house.cli(*words, "--code", shown["code"], code=1, by=by)
    if by:
        assert "preview" in house.cli(*words, code=2, by=by)


def test_previews_of_sql_show_the_statement_its_values_and_its_rows_and_change_nothing(house: House) -> None:
    update = _preview(house, "erp.update_orders", "chief", id=76, status="z")["would"]
    absent = _preview(house, "erp.update_orders", "chief", id=700, status="z")["would"]
    upsert = _preview(house, "erp.upsert_orders", "chief", id=76, status="z", sent=9)["would"]
    insert = _preview(house, "erp.insert_orders", "chief", id=701, status="z", sent=0)["would"]

    assert "UPDATE orders SET" in update["sql"] or "UPDATE public.orders SET" in update["sql"]
    assert update["parameters"] == {"id": 76, "status": "z"}
    assert (update["rows"], absent["rows"], upsert["rows"], insert["rows"]) == (1, 0, 1, 0)
    assert (house.status(76), house.sent(76)) == ("open", 0)
    assert house.sql("select count(*) from orders where id > 99") == 0


FOREIGN = """\
version: 1
adapters:
  drop:
    kind: sftp
    host: {ssh.host}
    port: {ssh.port}
    username: {ssh.user}
    private_key_file: {ssh.key_file}
    known_hosts: {ssh.known_hosts}
    root: {root}
    feeds: {{ orders: {{ pattern: "*.csv", format: {{ kind: csv, columns: [ {{ name: id, type: integer }} ] }} }} }}
  events:
    kind: amqp
    url: {amqp}
    publish: {{ billed: {{ routing_key: out, headers: {{ plant: M }} }} }}
    consume: {{ incoming: {{ queue: in }} }}
    tools: {{ publish_billed: {{ secret: [body.iban] }} }}
  billing:
    kind: soap
    wsdl: {soap.wsdl_file}
    security: {{ username_token: {{ username: drawbar, password: Geheim-1 }} }}
state_key: a-key-for-tests
agents: {{ local: {{ tools: [events.publish_billed, events.get_incoming, billing.CreateInvoice, "drop.*", "events.*"] }} }}
"""


def test_previews_of_files_messages_and_envelopes_change_nothing(
    sshd: OpenSSH, drop: Path, rabbitmq: RabbitMQ, vhost: str, soap_node: SoapNode, tmp_path: Path
) -> None:
    """On an SSH server, a broker and a SOAP service as they are."""
    import pika

    config = FOREIGN.format(ssh=sshd, root=drop, amqp=vhost, soap=soap_node)
    (drop / "there.csv").write_bytes(b"id\n1\n")
    with pika.BlockingConnection(pika.URLParameters(vhost)) as connection:
        channel = connection.channel()
        for queue in ("in", "out"):
            channel.queue_declare(queue)
        channel.basic_publish("", "in", b'{"n": 1}', pika.BasicProperties(content_type="application/json"))

    def waiting(queue: str) -> int:
        with pika.BlockingConnection(pika.URLParameters(vhost)) as connection:
            return int(connection.channel().queue_declare(queue, passive=True).method.message_count)

    with Serving(config, at=tmp_path) as served:

        def would(tool: str, **arguments: Any) -> dict[str, Any]:
            answer = served.ask("POST", f"/tools/{tool}/preview", json={"arguments": arguments})
            assert answer.status_code == 200, answer.text
            assert "Geheim-1" not in answer.text
            return dict(answer.json()["would"])

        new = would("drop.write_orders", name="new.csv", records=[{"id": 7}])
        same = would("drop.write_orders", name="there.csv", records=[{"id": 1}])
        other = would("drop.write_orders", name="there.csv", records=[{"id": 2}])
        published = would("events.publish_billed", body={"iban": "DE99", "n": 5})
        got = would("events.get_incoming")
        made = would("billing.CreateInvoice", orderId=4711, customer="Ada", amount="1.50")
        taken = served.ask("POST", "/tools/events.get_incoming/call", json={}).json()["result"]
        settled = would("events.settle_incoming", claim=taken["claim"], outcome="again")

    assert (new["exists"], new["size"], new["begins"]) == (None, 5, "id\n7\n")
    assert (same["exists"]["size"], same["does"][:15]) == (5, "changes nothing")
    assert other["does"].startswith("is refused")
    assert [one.name for one in drop.iterdir() if not one.name.startswith(".")] == ["there.csv"]
    assert (published["routing_key"], published["properties"]["headers"]) == ("out", {"plant": "M"})
    assert json.loads(published["body"]) == {"iban": "***", "n": 5}
    assert (got["queue"], got["waiting"]) == ("in", 1)
    assert made["endpoint"] == soap_node.url
    assert "4711" in made["envelope"]
    assert soap_node.received() == 0
    assert (settled["routing_key"], settled["body"]) == ("in", '{"n": 1}')
    assert (waiting("in"), waiting("out")) == (0, 0)
