"""The main job, end to end: one YAML over four kinds of real systems, driven by the command line and over REST."""

import json
import os
import shutil
import time
from decimal import Decimal
from pathlib import Path

import pika
import psycopg
import pymysql
import pytest
from servers import warm
from servers.drawbar import Serving
from servers.process import folder

import drawbar.testing
from drawbar.testing.night import BAD, RECORDS, order_file

DATA = Path(drawbar.testing.__file__).parent / "data"
ORDERS = """
create table orders (
    id integer primary key,
    customer varchar(30) not null check (trim(customer) <> ''),
    amount numeric(11, 2) not null,
    plant varchar(4) not null,
    status varchar(8) not null default 'open',
    updated_at timestamp(6) not null default current_timestamp
)
"""
YAML = """
version: 1
state_key: ${env:DRAWBAR_STATE_KEY}
x-order: &order { id: { type: integer, description: Order number. } }
adapters:
  erp:
    kind: sql
    url: ${env:ERP_URL}
    owner: "ERP desk, +49 89 1234"
    budget: { concurrency: 4, batch: 2, per_second: 200 }
    statements:
      find_order:
        description: Find one order by its number.
        sql: select id, customer, amount, plant, status from orders where id = :id
        parameters: *order
        effect: read
        max_rows: 1
      set_status:
        description: Set the status of an order that is still open.
        sql: update orders set status = :status, updated_at = clock_timestamp() where id = :id and status = 'open'
        parameters:
          <<: *order
          status: { type: string, enum: [billed, held], description: New status. }
        effect: write
        expect_rows: 1
    tables:
      orders: { table: public.orders, key: [id], read: true, upsert: true, insert: false }
    tools:
      set_status:
        probe:
          tool: erp.find_order
          with: { id: "${{ arguments.id }}" }
          done: "${{ size(result.rows) == 1 && result.rows[0].status == arguments.status }}"
          after_s: 1
          absent_after_s: 5
  warehouse: { kind: sql, url: "${env:WAREHOUSE_URL}", tables: { orders: { key: [id], upsert: true } } }
  drop:
    kind: sftp
    host: 127.0.0.1
    port: ${env:DROP_PORT}
    username: ${env:DROP_USER}
    private_key_file: ${env:DROP_KEY}
    known_hosts: ${env:DROP_KNOWN_HOSTS}
    root: ${env:DROP_ROOT}
    feeds:
      orders:
        pattern: "ORD.D{date:%y%m%d}.S{seq:d}.DAT"
        ready: { stable_s: 0.2 }
        claim: rename
        after: archive
        archive: archive
        quarantine: rejected
        spool: ./spool
        max_attempts: 3
        format:
          kind: copybook
          copybook: ./orders.cpy
          encoding: cp037
          record: fixed
          layouts: { row: "${{ record.REC_TYPE == 'D' }}", trailer: "${{ record.REC_TYPE == 'T' }}" }
        totals:
          - { count: row, equals: "${{ trailer.TRAILER_DATA.REC_COUNT }}" }
      out:
        pattern: "*.csv"
        format: { kind: csv, columns: [id, customer, amount] }
  events:
    kind: amqp
    url: ${env:AMQP_URL}
    publish:
      billed: { exchange: "", routing_key: billed, content_type: application/json }
    consume:
      incoming: { queue: orders.in, prefetch: 20, max_attempts: 5 }
  billing:
    kind: soap
    wsdl: ${env:BILLING_WSDL}
    effects: { GetInvoice: read, FindInvoice: read }
    call_timeout_s: 5
    tools:
      CreateInvoice:
        as: create_invoice
        description: Create one invoice. Amount in EUR, gross.
        effect: write
        key: "${{ arguments.orderId }}"
        key_h: 72
        outcome:
          - { when: "${{ fault.code == 'ERR-017' }}", is: rejected, message: "${{ 'already billed: ' + fault.message }}" }
          - { when: "${{ result.rc >= 8 }}", is: rejected, message: "${{ result.text }}" }
        approval: { when: "${{ arguments.amount > 10000 }}", by: [billing_lead], within_h: 24 }
        personal: [customer]
      CancelInvoice: { effect: write }
workflows:
  bill_order:
    description: Bill one order and tell everybody.
    input: { type: object, required: [order], properties: { order: { type: integer } } }
    key: "${{ input.order }}"
    triggers: [ { adapter: events, consume: incoming, input: "${{ {'order': message.body.order} }}" } ]
    tasks:
      order:   { tool: erp.find_order, with: { id: "${{ input.order }}" } }
      invoice:
        tool: billing.create_invoice
        needs: [order]
        if: "${{ size(tasks.order.output.rows) == 1 }}"
        with:
          orderId: "${{ input.order }}"
          customer: "${{ tasks.order.output.rows[0].customer }}"
          amount: "${{ tasks.order.output.rows[0].amount }}"
        retry: { attempts: 5, within_s: 600 }
        timeout_s: 5
      mark:    { tool: erp.set_status, needs: [invoice], with: { id: "${{ input.order }}", status: billed } }
      tell:    { tool: events.publish_billed, needs: [mark], with: { body: { order: "${{ input.order }}", plant: "M" } } }
    output: "${{ {'invoice': tasks.invoice.output.invoiceId} }}"
syncs:
  nightly_orders:
    from: { adapter: drop, feed: orders }
    to: { adapter: erp, table: orders, mode: upsert, key: [id], load: staged }
    map:
      id: "${{ row.DETAIL_DATA.ORDER_ID }}"
      customer: "${{ row.DETAIL_DATA.CUSTOMER }}"
      amount: "${{ row.DETAIL_DATA.AMOUNT }}"
      plant: "${{ row.DETAIL_DATA.PLANT }}"
      status: open
    rejects: { max_share: 0.01, max_count: 1000, to: ./rejects }
    triggers: [ { cron: "15 4 * * *", timezone: Europe/Berlin, missed: last } ]
  changed_orders:
    from: { adapter: erp, table: orders, cursor: { column: updated_at, tie_breaker: id, timezone: UTC } }
    to: { adapter: warehouse, table: orders, mode: upsert, key: [id] }
    batch_rows: 2000
    on_drift: fail
  to_partner:
    from: { adapter: erp, table: orders }
    where: "${{ row.status == 'billed' }}"
    to: { adapter: drop, feed: out }
    map: { id: "${{ row.id }}", customer: "${{ row.customer }}", amount: "${{ row.amount }}" }
agents:
  local: { tools: [billing.create_invoice], scopes: [read, run, operate, approve] }
"""


class Place:
    """A folder with the configuration, and the command line in it."""

    def __init__(self, environ: dict[str, str]) -> None:
        self.folder = folder("main-job")
        self.environ = {**{k: v for k, v in os.environ.items() if not k.startswith("DRAWBAR_")}, **environ}
        (self.folder / "drawbar.yaml").write_text(YAML)
        shutil.copy(DATA / "orders.cpy", self.folder)

    def cli(self, *words: str, code: int = 0) -> str:
        done = warm.run(words, cwd=self.folder, env=self.environ)
        assert done.returncode == code, f"{words}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stdout + done.stderr
        return done.stdout

    def json(self, *words: str, code: int = 0):
        return json.loads(self.cli("--json", *words, code=code))


@pytest.fixture
def place(sshd, drop, rabbitmq, vhost, postgres, pg_url, mariadb, mariadb_url, soap_node):
    postgres_run(pg_url, ORDERS)
    mariadb_run(mariadb_url, ORDERS)
    with ChannelOf(vhost) as channel:
        channel.queue_declare("orders.in", durable=True)
        channel.queue_declare("billed", durable=True)
    return Place(
        {
            "DRAWBAR_STATE_KEY": "correct horse battery staple",
            "ERP_URL": pg_url,
            "WAREHOUSE_URL": mariadb_url,
            "DROP_PORT": str(sshd.port),
            "DROP_USER": sshd.user,
            "DROP_KEY": str(sshd.key_file),
            "DROP_KNOWN_HOSTS": str(sshd.known_hosts),
            "DROP_ROOT": str(drop),
            "AMQP_URL": vhost,
            "BILLING_WSDL": soap_node.wsdl,
        }
    )


class ChannelOf:
    def __init__(self, url: str) -> None:
        self.connection = pika.BlockingConnection(pika.URLParameters(url))

    def __enter__(self):
        return self.connection.channel()

    def __exit__(self, *error: object) -> None:
        self.connection.close()


def postgres_run(url: str, sql: str):
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchall() if cursor.description else None


def mariadb_run(url: str, sql: str):
    from sqlalchemy import make_url

    said = make_url(url)
    with (
        pymysql.connect(
            host=said.host,
            port=said.port,
            user=said.username,
            password=said.password,
            database=said.database,
            autocommit=True,
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(sql)
        return list(cursor.fetchall())


def publish(url: str, orders: list[int]) -> None:
    with ChannelOf(url) as channel:
        channel.confirm_delivery()
        for order in orders:
            channel.basic_publish(
                "",
                "orders.in",
                json.dumps({"order": order}).encode(),
                pika.BasicProperties(content_type="application/json", delivery_mode=2, message_id=f"o-{order}"),
            )


def until(true, seconds: float = 60):
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.1)
    return found


def drop_file(drop: Path) -> None:
    (drop / "unfinished").write_bytes(b"".join(order_file()))
    (drop / "unfinished").rename(drop / "ORD.D261122.S1.DAT")
    (drop / "ORD.D261122.S1.DAT").chmod(0o666)


@pytest.mark.long
def test_a_night_over_four_kinds_of_real_systems(place, drop, pg_url, mariadb_url, vhost, soap_node):
    """Validate, check, call, load a file, bill by messages, approve, and carry the changes on."""
    assert "fine" in place.cli("validate")
    place.cli("check")
    names = {tool["name"] for tool in place.json("tools")}
    assert {
        "erp.find_order",
        "erp.read_orders",
        "drop.list_orders",
        "events.publish_billed",
        "billing.create_invoice",
    } <= names

    # The mainframe's file into PostgreSQL.
    drop_file(drop)
    loaded = place.json("sync", "nightly_orders")
    assert (loaded["read"], loaded["written"], loaded["rejected"]) == (RECORDS, RECORDS - len(BAD), len(BAD))
    assert postgres_run(pg_url, "select count(*), sum(amount) from orders")[0][0] == RECORDS - len(BAD)
    rejects = [json.loads(line) for path in (place.folder / "rejects").rglob("*.jsonl") for line in path.open()]
    assert {reject["record_no"] for reject in rejects} == BAD
    assert (drop / "archive" / "ORD.D261122.S1.DAT").exists()
    assert place.json("sync", "nightly_orders", code=5)["status"] == "nothing"

    found = place.json("call", "erp.find_order", "id=42")
    assert found["result"]["rows"][0]["amount"] == "25000.00"

    # Messages become runs, runs become invoices; one waits for a person.
    orders = [*range(1, 21), 42]
    place_environ = place.environ
    with Serving(at=place.folder, environ=place_environ) as serving:
        publish(vhost, orders)
        [question] = until(lambda: place.json("approvals"))
        assert question["asked_by"] == "workflow:bill_order"
        assert question["arguments"]["customer"] == "***"
        place.cli("approve", question["id"], "--reason", "known customer")
        until(
            lambda: (
                sum(run["status"] == "succeeded" for run in serving.ask("GET", "/runs").json()["items"]) == len(orders)
            )
        )

    assert sorted(int(invoice["orderId"]) for invoice in soap_node.invoices()) == orders
    assert soap_node.created() == len(orders)
    assert postgres_run(pg_url, "select count(*) from orders where status = 'billed'")[0][0] == len(orders)
    with ChannelOf(vhost) as channel:
        assert channel.queue_declare("billed", durable=True, passive=True).method.message_count == len(orders)

    # What changed goes on to MariaDB, and as a file to a partner.
    carried = place.json("sync", "changed_orders")
    assert carried["written"] == RECORDS - len(BAD)
    content = "select id, customer, amount, plant, status from orders order by id"
    assert list(mariadb_run(mariadb_url, content)) == list(postgres_run(pg_url, content))
    assert place.json("sync", "to_partner")["written"] == len(orders)
    [written] = drop.glob("*.csv")
    assert len(written.read_text().splitlines()) == len(orders) + 1


def test_run_follow_bills_an_order_from_the_command_line(place, pg_url, soap_node):
    postgres_run(pg_url, "insert into orders (id, customer, amount, plant) values (7, 'Ada', 10.00, 'M001')")

    shown = place.cli("run", "bill_order", "--input", '{"order": 7}', "--follow")

    assert "succeeded" in shown
    [invoice] = soap_node.invoices()
    assert (int(invoice["orderId"]), Decimal(str(invoice["amount"]))) == (7, Decimal(10))
    assert postgres_run(pg_url, "select status from orders") == [("billed",)]
    assert place.json("runs", "--key", "7")[0]["status"] == "succeeded"


def test_a_lost_answer_is_parked_and_settled_by_a_person(place, soap_node):
    """The service booked and hung up: nothing is sent twice, and a person says what happened."""
    soap_node.behave("drop", operation="CreateInvoice", after=True, times=1)
    arguments = '{"orderId": 5, "customer": "Ada", "amount": "10.00"}'

    place.cli("call", "billing.create_invoice", "--input", arguments, code=3)

    [letter] = place.json("dead")
    assert letter["tool"] == "billing.create_invoice"
    shown = place.json("dead", "show", letter["id"])
    assert shown["arguments"]["customer"] == "***"
    assert shown["arguments"]["orderId"] in (5, "5")
    place.cli("dead", "drop", letter["id"], code=1)
    place.cli("dead", "send", letter["id"], code=1)
    place.cli("dead", "settle", letter["id"], "--done", "--result", '{"invoiceId": 5}', code=2)
    result = '{"invoiceId": "INV-5", "rc": 0, "text": "found at the desk"}'
    place.cli("dead", "settle", letter["id"], "--done", "--result", result, "--reason", "asked the billing desk")
    again = place.json("call", "billing.create_invoice", "--input", arguments)

    assert again["result"]["invoiceId"] == "INV-5"
    assert soap_node.created() == 1
    assert place.json("dead") == []


def test_no_secret_is_printed_anywhere(place, postgres, sshd):
    """Neither by the command line, nor into the state."""
    shown = "".join(
        place.cli(*words) for words in (["adapters"], ["check"], ["tools"], ["status"], ["--json", "adapters"])
    )

    state = b"".join(path.read_bytes() for path in place.folder.glob("drawbar.db*") if path.is_file())
    for secret in ("correct horse battery staple", "drawbar:drawbar@"):
        assert secret not in shown
        assert secret.encode() not in state
