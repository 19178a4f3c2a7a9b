"""Every kind of source into every kind of sink, on real wires: what arrives is what was there, each row once."""

import csv
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pika
import pytest
from syncing import Night, execute, rows

from drawbar.testing.billing import WSDL, Billing
from drawbar.testing.soap import SoapService

ORDERS = [(n, Decimal(f"{n}.50")) for n in range(1, 8)]
SOURCES = ("feed", "table", "queue", "operation")
SINKS = ("feed", "table", "queue", "operation")


class Landscape:
    """One of each, empty; `fill` puts the orders into a source, `found` reads a sink."""

    def __init__(self, folder: Path, pg_url: str, vhost: str, soap: SoapService, billing: Billing) -> None:
        self.folder, self.url, self.vhost, self.billing = folder, pg_url, vhost, billing
        for name in ("in", "out"):
            (folder / name).mkdir()
        execute(
            pg_url,
            "create table source (id integer primary key, amount numeric(12,2), changed timestamp default now())",
            "create table target (id integer, amount numeric(12,2))",
        )
        self.connection = pika.BlockingConnection(pika.URLParameters(vhost))
        self.channel = self.connection.channel()
        for queue in ("in", "out"):
            self.channel.queue_declare(queue, durable=True)
        form = {"kind": "csv", "columns": {"id": "integer", "amount": "decimal"}}
        self.adapters: dict[str, Any] = {
            **{
                name: {
                    "kind": "local",
                    "root": str(folder / name),
                    "feeds": {"orders": {"pattern": "*.csv", "ready": {"stable_s": 0}, "format": form}},
                }
                for name in ("in", "out")
            },
            "data": {"kind": "sql", "url": pg_url, "tables": {"source": {}, "target": {}}},
            "events": {
                "kind": "amqp",
                "url": vhost,
                "consume": {"in": {"queue": "in"}},
                "publish": {"out": {"routing_key": "out"}},
            },
            "billing": {"kind": "soap", "wsdl": soap.wsdl, "effects": {"FindInvoice": "read"}},
        }

    def sync(self, source: str, sink: str) -> dict[str, Any]:
        names = ("orderId" if source == "operation" else "id", "amount")
        values = [f"${{{{ row.{name} }}}}" for name in names]
        if source == "queue":
            values[1] = "${{ decimal(row.amount) }}"
        fields = dict(zip(("orderId" if sink == "operation" else "id", "amount"), values, strict=True))
        from_ = {
            "feed": {"adapter": "in", "feed": "orders"},
            "table": {"adapter": "data", "table": "source", "cursor": {"column": "changed"}},
            "queue": {"adapter": "events", "consume": "in"},
            "operation": {
                "adapter": "billing",
                "operation": "FindInvoice",
                "with": {"orderId": "${{ page }}"},
                "rows": "${{ result.invoices }}",
                "changed": "${{ row.orderId }}",
            },
        }[source]
        to = {
            "feed": {"adapter": "out", "feed": "orders"},
            "table": {"adapter": "data", "table": "target"},
            "queue": {"adapter": "events", "publish": "out"},
            "operation": {"adapter": "billing", "operation": "CreateInvoice", "key": ["orderId"]},
        }[sink]
        customer = {"customer": "Ada"} if sink == "operation" else {}
        return {"from": from_, "to": to, "map": {**fields, **customer}, "batch_rows": 3}

    def fill(self, source: str) -> None:
        if source == "feed":
            with (self.folder / "in/a.csv").open("w", newline="") as file:
                csv.writer(file).writerows([("id", "amount"), *ORDERS])
        elif source == "table":
            values = ", ".join(f"({n}, {amount})" for n, amount in ORDERS)
            execute(self.url, f"insert into source (id, amount) values {values}")
        elif source == "queue":
            for n, amount in ORDERS:
                body = json.dumps({"id": n, "amount": str(amount)})
                self.channel.basic_publish("", "in", body, pika.BasicProperties(message_id=f"m{n}"))
        else:
            for n, amount in ORDERS:
                self.billing.create({"orderId": n, "amount": amount, "customer": "Ada"})

    def found(self, sink: str) -> list[tuple[int, Decimal]]:
        if sink == "feed":
            read = [
                row for file in (self.folder / "out").glob("*.csv") for row in csv.DictReader(file.open(newline=""))
            ]
        elif sink == "table":
            return rows(self.url, "select id, amount from target order by id")  # type: ignore[return-value]
        elif sink == "queue":
            read = []
            while (message := self.channel.basic_get("out", auto_ack=True))[0] is not None:
                assert message[1].message_id
                read.append(json.loads(message[2]))
        else:
            read = [{"id": one["orderId"], "amount": one["amount"]} for one in self.billing.invoices.values()]
        return sorted((int(row["id"]), Decimal(str(row["amount"]))) for row in read)


@pytest.fixture
def landscape(tmp_path: Path, pg_url: str, vhost: str) -> Iterator[Landscape]:
    billing = Billing()
    with SoapService(WSDL, billing.answers, port=0) as soap:
        made = Landscape(tmp_path, pg_url, vhost, soap, billing)
        yield made
        made.connection.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "sink"),
    [(source, sink) for source in SOURCES for sink in SINKS if (source, sink) != ("operation", "operation")],
)
def test_what_arrives_is_what_was_there_each_row_once(landscape: Landscape, source: str, sink: str) -> None:
    landscape.fill(source)
    night = Night(landscape.folder, landscape.adapters, {"s": landscape.sync(source, sink)})
    try:
        run = night.run("s")
        again = night.run("s")
    finally:
        night.close()

    assert (run["read"], run["written"], run["rejected"]) == (7, 7, 0)
    if source != "operation":
        assert again["status"] == "nothing"
    expected = ORDERS if source != "operation" or sink == "operation" else None
    found = landscape.found(sink)
    assert found == expected if expected is not None else set(found) == set(ORDERS)
