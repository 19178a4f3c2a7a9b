"""A guarded tool call against the same call made with the bare library: zeep, SQLAlchemy, pika, paramiko."""

import json
import logging
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import structlog
from _hosts import ROOT, host
from _table import Row, Side, arguments, duel, row, show, timed

from drawbar.app import App, open_app
from drawbar.core.access import Caller

CALLS = 200
THREADS = 8
WSDL = ROOT / "testing" / "data" / "billing.wsdl"
Work = Callable[[int], object]


def main() -> None:
    given = arguments(__doc__)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    rows: list[Row] = []
    for measure in (soap, sql, amqp, sftp):
        rows.extend(measure(given.rounds))
    show("A guarded call against the bare library, same host, rounds in turn", rows, as_json=given.json)


@contextmanager
def opened(adapters: dict[str, Any]) -> Iterator[App]:
    """Open the product with these adapters and a state of its own."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "drawbar.yaml"
        file.write_text(json.dumps({"version": 1, "adapters": adapters}))
        with open_app(file) as app:
            yield app


def guarded(app: App, tool: str, given: Callable[[int], dict[str, Any]]) -> Work:
    """Make what calls a tool as the facade does: checked, permitted, within budget, in the ledger when it is a write."""
    caller = Caller.cli("benchmark")
    guard = app.guard
    return lambda number: guard.call(guard.prepare(tool, given(number), caller))


def soap(rounds: int) -> list[Row]:
    with ExitStack() as stack:
        service = stack.enter_context(host("soap"))
        effects = {"FindInvoice": "read"}
        billing = {"kind": "soap", "wsdl": str(WSDL), "endpoints": service["url"], "effects": effects}
        app = stack.enter_context(opened({"billing": {**billing, "budget": {"concurrency": 64}}}))
        ours = guarded(app, "billing.FindInvoice", lambda number: {"orderId": number})
        created = guarded(app, "billing.CreateInvoice", invoice)
        ours(0)
        import zeep

        bare = zeep.Client(str(WSDL)).create_service("{urn:drawbar:billing}BillingSoap", service["url"])

        def find(number: int) -> object:
            return bare.FindInvoice(orderId=number)

        def create(number: int) -> object:
            return bare.CreateInvoice(**invoice(number))

        found = duel(ours, find, calls=CALLS, rounds=rounds)
        written = duel(created, create, calls=CALLS, rounds=rounds)
        return [
            row("SOAP: read, one small answer", "zeep", found, goal=1),
            row(f"SOAP: the same, {THREADS} threads", "zeep", crowd(ours, find, rounds), goal=1),
            row("SOAP: write, intent and outcome in the ledger", "zeep", written),
            row(f"SOAP: the same, {THREADS} threads", "zeep", crowd(created, create, rounds)),
        ]


def invoice(number: int) -> dict[str, Any]:
    return {"orderId": number, "customer": "ACME & Sons", "amount": "10.00"}


def threaded(work: Work, calls: int) -> float:
    """Give the rate of `THREADS` callers at once."""
    each = calls // 2
    threads = [threading.Thread(target=timed, args=(work, each)) for _ in range(THREADS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return each * THREADS / (time.perf_counter() - began)


def crowd(ours: Work, peer: Work, rounds: int) -> tuple[Side, Side]:
    """Like `duel`, by `THREADS` callers at once."""
    first, second = Side([]), Side([])
    for turn in range(rounds):
        order = ((first, ours), (second, peer)) if turn % 2 == 0 else ((second, peer), (first, ours))
        for side, work in order:
            side.rates.append(threaded(work, CALLS))
    return first, second


def sql(rounds: int) -> list[Row]:
    import sqlalchemy as sa

    with ExitStack() as stack:
        system = stack.enter_context(host("sql"))
        engine = sa.create_engine(system["url"])
        stack.callback(engine.dispose)
        fill(engine)
        statements = {
            "find_order": {
                "description": "Find one order.",
                "sql": "select id, customer, amount, status from orders where id = :id",
                "parameters": {"id": {"type": "integer"}},
                "effect": "read",
            },
            "set_status": {
                "description": "Set the status of an order.",
                "sql": "update orders set status = :status where id = :id",
                "parameters": {"id": {"type": "integer"}, "status": {"type": "string"}},
                "effect": "write",
                "expect_rows": 1,
            },
        }
        app = stack.enter_context(opened({"erp": {"kind": "sql", "url": system["url"], "statements": statements}}))
        select = sa.text(statements["find_order"]["sql"])
        update = sa.text(statements["set_status"]["sql"])

        def find(number: int) -> object:
            with engine.connect() as connection:
                return [dict(each) for each in connection.execute(select, {"id": number % 1000}).mappings()]

        def put(number: int) -> object:
            with engine.begin() as connection:
                return connection.execute(update, {"id": number % 1000, "status": f"s{number}"}).rowcount

        ours = guarded(app, "erp.find_order", lambda number: {"id": number % 1000})
        wrote = guarded(app, "erp.set_status", lambda number: {"id": number % 1000, "status": f"t{number}"})
        read = duel(ours, find, calls=CALLS, rounds=rounds)
        written = duel(wrote, put, calls=CALLS, rounds=rounds)
        return [
            row(f"SQL: one row by key, {system['name']}", "SQLAlchemy", read),
            row("SQL: update, intent and outcome in the ledger", "SQLAlchemy", written),
        ]


def fill(engine: Any) -> None:
    import sqlalchemy as sa

    with engine.begin() as connection:
        connection.execute(
            sa.text("create table orders (id integer primary key, customer text, amount numeric(12,2), status text)")
        )
        orders = [{"id": number, "customer": f"c{number}", "amount": "10.00"} for number in range(1000)]
        connection.execute(sa.text("insert into orders values (:id, :customer, :amount, 'open')"), orders)


def amqp(rounds: int) -> list[Row]:
    import pika

    with ExitStack() as stack:
        broker = stack.enter_context(host("amqp"))
        line = pika.BlockingConnection(pika.URLParameters(broker["url"]))
        stack.callback(line.close)
        channel = line.channel()
        channel.confirm_delivery()
        channel.queue_declare("orders", durable=True)
        publish = {"order": {"exchange": "", "routing_key": "orders"}}
        app = stack.enter_context(opened({"events": {"kind": "amqp", "url": broker["url"], "publish": publish}}))
        properties = pika.BasicProperties(delivery_mode=2, content_type="application/json")

        def bare(number: int) -> object:
            return channel.basic_publish("", "orders", b'{"order": %d}' % number, properties, mandatory=True)

        ours = guarded(app, "events.publish_order", lambda number: {"body": {"order": number}})
        sides = duel(ours, bare, calls=CALLS, rounds=rounds)
        return [row(f"AMQP: publish with confirm, in the ledger, {broker['name']}", "pika", sides)]


def sftp(rounds: int) -> list[Row]:
    import paramiko

    with ExitStack() as stack:
        server = stack.enter_context(host("sftp"))
        folder = Path(server["folder"])
        (folder / "a.csv").write_text("id,amount\n1,10.00\n")
        client = stack.enter_context(paramiko.SSHClient())
        client.load_host_keys(server["known_hosts"])
        client.connect("127.0.0.1", server["port"], server["user"], key_filename=server["key_file"])
        line = client.open_sftp()
        drop = {
            "kind": "sftp",
            "host": "127.0.0.1",
            "port": server["port"],
            "username": server["user"],
            "private_key_file": server["key_file"],
            "known_hosts": server["known_hosts"],
            "root": str(folder),
            "feeds": {"orders": {"pattern": "*.csv", "format": {"kind": "csv"}}},
        }
        app = stack.enter_context(opened({"drop": drop}))
        ours = guarded(app, "drop.stat_orders", lambda number: {"name": "a.csv"})
        sides = duel(ours, lambda number: line.stat(f"{folder}/a.csv"), calls=CALLS, rounds=rounds)
        return [row(f"SFTP: look at one file, {server['name']}", "paramiko", sides)]


if __name__ == "__main__":
    main()
