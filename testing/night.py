"""The demo's landscape: a mainframe's drop, a legacy database, a billing service, a bus and a warehouse, all stand-ins."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

import pika

from .billing import WSDL, Billing
from .broker import Broker
from .sftp import SftpServer
from .soap import Answer, Close, HttpError, SoapService

RECORDS = 10_000
BAD = {1203, 2718, 3141, 4711, 5040, 7777, 9999}
"""Records of the order file that are wrong: six with a broken amount, one whose customer is blank."""
BLANK = 5040
MESSAGES = 150
APPROVAL = 42
"""The order over the limit."""
PASSWORD = "eight-oh-five"
_DATA = Path(__file__).parent / "data"
_ORDERS = """
create table orders (
    id integer primary key,
    customer varchar(30) not null check (trim(customer) <> ''),
    amount numeric(11, 2) not null,
    plant varchar(4) not null,
    status varchar(8) not null,
    updated_at timestamp not null default (strftime('%Y-%m-%d %H:%M:%f', 'now'))
)
"""


class FailingBilling(Billing):
    """A billing service of its age: away now and then, and sometimes it books and hangs up."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[int] = Counter()
        self.mishaps: Counter[str] = Counter()
        self._count = threading.Lock()

    def create(self, arguments: dict[str, Any]) -> Answer:
        order = int(arguments["orderId"])
        with self._count:
            self.calls[order] += 1
            first = self.calls[order] == 1
        if first and order % 10 == 3:
            self.mishaps["answered 503"] += 1
            return HttpError(503, "come back later", {"Retry-After": "1"})
        if first and order % 50 == 7:
            self.mishaps["hung up before booking"] += 1
            return Close()
        answer = super().create(arguments)
        if first and order % 50 == 21:
            self.mishaps["booked, then hung up"] += 1
            return Close()
        return answer


class Night:
    """Everything that is not Drawbar, in one folder; close it to stop the servers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.inbox = folder / "mainframe" / "outgoing"
        self.inbox.mkdir(parents=True, exist_ok=True)
        (folder / "secrets").mkdir(mode=0o700, exist_ok=True)
        for name, legacy in (("erp", True), ("warehouse", False)):
            self._database(folder / f"{name}.db", legacy=legacy)
        self.sftp = SftpServer(folder / "mainframe", users={"partner": PASSWORD})
        self.broker = Broker()
        self.billing = FailingBilling()
        self.soap = SoapService(WSDL, self.billing.answers)
        self._declare()
        self._write()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        for server in (self.sftp, self.broker, self.soap):
            server.close()

    @property
    def config(self) -> Path:
        return self.folder / "drawbar.yaml"

    def _database(self, path: Path, *, legacy: bool) -> None:
        with sqlite3.connect(path) as database:
            database.execute("pragma journal_mode=wal")
            database.execute(_ORDERS if legacy else _ORDERS.replace(" check (trim(customer) <> '')", ""))
        database.close()

    def _declare(self) -> None:
        with self._channel() as channel:
            channel.queue_declare("orders.in", durable=True)
            channel.queue_declare("billed", durable=True)

    def _channel(self) -> _Channel:
        return _Channel(self.broker.url)

    def _write(self) -> None:
        """Put the configuration and what it refers to into the folder."""
        shutil.copy(_DATA / "night.yaml", self.config)
        shutil.copy(_DATA / "orders.cpy", self.folder)
        shutil.copy(WSDL, self.folder)
        (self.folder / "known_hosts").write_text(self.sftp.known_hosts)
        secrets = {
            "drop_password": PASSWORD,
            "drop_port": str(self.sftp.port),
            "events_url": self.broker.url,
            "billing_url": self.soap.url,
        }
        for name, secret in secrets.items():
            (self.folder / "secrets" / name).write_text(secret)

    def drop_orders(self) -> Path:
        """Let the mainframe write its order file, as another program would: a temporary name, then a rename."""
        name = self.inbox / "ORD.D261122.S1.DAT"
        unfinished = self.inbox / ".unfinished"
        unfinished.write_bytes(b"".join(order_file()))
        return unfinished.rename(name)

    def send_orders(self) -> int:
        """Ask for bills: one message for each order, published with confirms."""
        with self._channel() as channel:
            channel.confirm_delivery()
            for order in billed_orders():
                channel.basic_publish(
                    "",
                    "orders.in",
                    f'{{"order": {order}}}'.encode(),
                    pika.BasicProperties(content_type="application/json", delivery_mode=2, message_id=f"order-{order}"),
                    mandatory=True,
                )
        return MESSAGES

    def announced(self) -> tuple[int, int]:
        """Drain the bus as a consumer that drops repeated message ids: give messages and distinct ones."""
        ids: list[str] = []
        with self._channel() as channel:
            while (got := channel.basic_get("billed", auto_ack=True))[0] is not None:
                ids.append(str(got[1].message_id))
        return len(ids), len(set(ids))

    def rows(self, database: str, query: str) -> list[tuple[Any, ...]]:
        with sqlite3.connect(self.folder / f"{database}.db", timeout=10) as connection:
            found = connection.execute(query).fetchall()
        connection.close()
        return found


class _Channel:
    """One connection for one job."""

    def __init__(self, url: str) -> None:
        self._connection = pika.BlockingConnection(pika.URLParameters(url))

    def __enter__(self) -> Any:
        return self._connection.channel()

    def __exit__(self, *error: object) -> None:
        self._connection.close()


def billed_orders() -> list[int]:
    """Name the orders that messages ask to bill: good ones, spread over the file, the one over the limit among them."""
    orders = [APPROVAL]
    order = 0
    while len(orders) < MESSAGES:
        order += 1
        if order not in BAD and order != APPROVAL:
            orders.append(order)
    return sorted(orders)


def order_file() -> Iterator[bytes]:
    """Write the mainframe's file byte by byte, on purpose without Drawbar's own copybook code."""
    total = Decimal(0)
    for order in range(1, RECORDS + 1):
        amount = Decimal("25000.00") if order == APPROVAL else Decimal(order % 9000) + Decimal("0.99")
        total += amount
        customer = "" if order == BLANK else f"CUSTOMER {order % 317:03d} GMBH"
        text = f"D{order:09d}{customer:<30}".encode("cp037")
        packed = b"\xee" * 6 if order in BAD and order != BLANK else _packed(amount, 6)
        yield text + packed + f"{'M' if order % 2 else 'X'}{order % 7:03d}N".encode("cp037") + b"\x40" * 13
    yield b"\xe3" + f"{RECORDS:09d}".encode("cp037") + _packed(total, 8) + b"\x40" * 46


def _packed(value: Decimal, size: int) -> bytes:
    """Give packed decimal (COMP-3): two digits a byte, the sign in the last half byte."""
    digits = f"{int(value * 100):0{size * 2 - 1}d}"
    return bytes.fromhex(digits + "c")
