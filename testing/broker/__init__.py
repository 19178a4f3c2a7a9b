"""A stand-in for RabbitMQ: AMQP 0-9-1 on a loopback port, on threads of this process."""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

from .connection import ClientConnection
from .errors import Refused
from .host import VirtualHost
from .journal import Journal

EXPIRY_TICK_S = 0.02


class Broker:
    """
    Serve one virtual host, "/", until closed.

    With `path`, durable queues and their persistent messages survive a restart and a killed process.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        users: Mapping[str, str] | None = None,
        heartbeat_s: int = 60,
        path: Path | None = None,
    ) -> None:
        self.users = dict(users or {"guest": "guest"})
        self.heartbeat_s = heartbeat_s
        self.host = VirtualHost()
        if path:
            Journal(path).restore(self.host)
        self._server = socket.create_server(("127.0.0.1", port))
        self.port: int = self._server.getsockname()[1]
        self._connections: dict[ClientConnection, threading.Thread] = {}
        self._closed = threading.Event()
        for target in (self._accept, self._expire):
            threading.Thread(target=target, name=f"broker-{target.__name__}", daemon=True).start()

    @property
    def url(self) -> str:
        user, password = next(iter(self.users.items()))
        return f"amqp://{user}:{password}@127.0.0.1:{self.port}/%2F"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def depth(self, queue: str) -> int:
        """Count what waits in a queue; 0 for one that is not there."""
        with self.host.lock:
            return len(self.host.queues.get(queue, ()))

    def drop_connections(self) -> None:
        """Cut every line without a word."""
        for connection in list(self._connections):
            connection.abort()

    def close(self) -> None:
        """Tell every client, then stop; a second call does nothing."""
        if self._closed.is_set():
            return
        self._closed.set()
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        going = dict(self._connections)
        for connection in going:
            connection.end(Refused(320, "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'"))
        for connection, thread in going.items():
            thread.join(timeout=0.5)
            connection.abort()
            thread.join(timeout=2)
        if self.host.journal:
            self.host.journal.close()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = ClientConnection(client, self.host, self.users, self.heartbeat_s)
            thread = threading.Thread(target=self._run, args=(connection,), name="broker-reader", daemon=True)
            self._connections[connection] = thread
            thread.start()

    def _run(self, connection: ClientConnection) -> None:
        try:
            connection.run()
        finally:
            self._connections.pop(connection, None)

    def _expire(self) -> None:
        while not self._closed.wait(EXPIRY_TICK_S):
            with self.host.lock:
                self.host.expire()
