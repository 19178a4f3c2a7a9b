"""
The systems that benchmarks call, each in a process of its own: `python _hosts.py NAME` says in JSON where it is.

RabbitMQ, PostgreSQL and OpenSSH are the real ones when they are installed, otherwise the stand-ins (which are slow, so that
the ratio says less). SOAP is a host that answers at once: what a client costs must not hide behind a slow server.
"""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from _lines import stand_back

ROOT = Path(__file__).resolve().parent.parent
_ANSWER = (
    '<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>'
    "%s</soap:Body></soap:Envelope>"
)
_FOUND = (
    '<FindInvoiceResponse xmlns="urn:drawbar:billing"><invoices><id>INV-7</id><orderId>7</orderId><amount>10.00</amount>'
    "<status>OPEN</status></invoices></FindInvoiceResponse>"
)
_LATE_S = 1.0
_ROWS = 5000
_INVOICE = "<invoices><id>INV-%d</id><orderId>%d</orderId><amount>%d.50</amount><status>OPEN</status></invoices>"
_MANY = (
    '<FindInvoiceResponse xmlns="urn:drawbar:billing">'
    + "".join(_INVOICE % (number, number, number) for number in range(_ROWS))
    + "</FindInvoiceResponse>"
)
_CREATED = (
    '<CreateInvoiceResponse xmlns="urn:drawbar:billing"><invoiceId>INV-7</invoiceId><rc>0</rc><text>created</text>'
    "</CreateInvoiceResponse>"
)


@contextmanager
def host(name: str) -> Iterator[dict[str, Any]]:
    """Run a system while the block runs; gives `{url, name, ...}`."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    command = [sys.executable, __file__, name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        line = child.stdout.readline()
        if not line:
            raise RuntimeError(f"{name} did not start")
        yield json.loads(line)
        child.stdin.close()


def _soap() -> None:
    asyncio.run(_serve(asyncio.start_server(_answer, "127.0.0.1", 0, backlog=1000), "a host that answers at once"))


def _slow() -> None:
    import uvloop

    stand_back()
    loop = uvloop.new_event_loop()
    late = loop.create_server(_Late, "127.0.0.1", 0, backlog=1000)
    loop.run_until_complete(_serve(late, "a host that answers after a second"))


async def _serve(begun: Awaitable[asyncio.Server], name: str) -> None:
    server = await begun
    _say(url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/billing", name=name)
    await asyncio.to_thread(sys.stdin.read)
    os._exit(0)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(_length(head))
            writer.write(_whole(_said(body)))
            await writer.drain()


def _length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)


def _whole(said: str) -> bytes:
    content = (_ANSWER % said).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml; charset=utf-8\r\nContent-Length: %d\r\n\r\n" % len(content)
    return head + content


class _Late(asyncio.Protocol):
    """A line that answers each request after a second, and costs little more than a timer."""

    _answer = _whole(_FOUND)

    def __init__(self) -> None:
        self._heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self._heard += data
        head, found, body = self._heard.partition(b"\r\n\r\n")
        if found and len(body) >= _length(head):
            self._heard = b""
            asyncio.get_running_loop().call_later(_LATE_S, self._transport.write, self._answer)


def _said(body: bytes) -> str:
    """Answer by what is asked for: order 5000 has as many invoices."""
    if b"CreateInvoice" in body:
        return _CREATED
    return _MANY if f">{_ROWS}<".encode() in body else _FOUND


def many_rows() -> bytes:
    """Give the answer with many rows as the host sends it."""
    return (_ANSWER % _MANY).encode()


def _amqp() -> None:
    from servers.process import MissingServer
    from servers.rabbitmq import RabbitMQ

    try:
        with RabbitMQ() as server:
            _say(url=server.url, name="RabbitMQ")
            sys.stdin.read()
    except MissingServer:
        from drawbar.testing.broker import Broker

        with Broker() as stand_in:
            _say(url=stand_in.url, name="the stand-in broker")
            sys.stdin.read()


def _sql() -> None:
    from servers.postgres import Postgres
    from servers.process import MissingServer

    try:
        with Postgres() as server:
            _say(url=server.create_database(), name="PostgreSQL")
            sys.stdin.read()
    except MissingServer:
        folder = tempfile.mkdtemp()
        _say(url=f"sqlite:///{folder}/erp.db", name="SQLite")
        sys.stdin.read()
        shutil.rmtree(folder)


def _state() -> None:
    from servers import postgres

    postgres.SETTINGS = ("listen_addresses=127.0.0.1", "max_connections=200")  # its own defaults: durable
    with postgres.Postgres() as server:
        _say(url=server.create_database(), name="PostgreSQL, fsync on")
        sys.stdin.read()


def _sftp() -> None:
    from servers.openssh import OpenSSH

    with OpenSSH() as server:
        folder = server.folder()
        _say(
            url=server.url,
            name="OpenSSH",
            port=server.port,
            user=server.user,
            key_file=str(server.key_file),
            known_hosts=str(server.known_hosts),
            folder=str(folder),
        )
        sys.stdin.read()


def _say(**said: Any) -> None:
    print(json.dumps(said), flush=True)


if __name__ == "__main__":
    {"soap": _soap, "slow": _slow, "amqp": _amqp, "sql": _sql, "state": _state, "sftp": _sftp}[sys.argv[1]]()
