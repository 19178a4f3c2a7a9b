"""A TCP proxy that misbehaves on request: slow, cut in the middle, silent, or not there."""

import contextlib
import socket
import struct
import threading
import time
from typing import Literal, Self

from . import process

CHUNK = 65536
# Closing with this option sends a reset, as a dead host's firewall does, instead of an orderly end.
RESET = struct.pack("ii", 1, 0)

Direction = Literal["up", "down"]


class Proxy:
    """
    Stand between a client and a server on loopback.

    `up` is from the client to the server, `down` the way back. What is set holds for open connections too.
    """

    host = "127.0.0.1"

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.port = process.free_port()
        self.delay_s = 0.0
        self.passed: dict[Direction, int] = {"up": 0, "down": 0}
        self.connections = 0
        self._limit: dict[Direction, int | None] = {"up": None, "down": None}
        self._flowing = {"up": threading.Event(), "down": threading.Event()}
        self._listener: socket.socket | None = None
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.flow()

    def start(self) -> Self:
        """Listen; also after `refuse`."""
        listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return self

    def stop(self) -> None:
        self.refuse()
        self.drop()
        self.flow()

    def restart(self) -> None:
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def refuse(self) -> None:
        """Refuse new connections; those that are open go on."""
        listener, self._listener = self._listener, None
        if listener is not None:
            # Closing alone leaves the accepting thread, and with it the port, alive.
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def drop(self) -> None:
        """Reset every open connection."""
        with self._lock:
            ends = [*self._open]
            self._open.clear()
        for end in ends:
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                end.shutdown(socket.SHUT_RD)  # wakes the thread that reads; sends nothing
            end.close()

    def cut(self, after_bytes: int, direction: Direction = "down") -> None:
        """Reset every connection once so many more bytes have passed in one direction."""
        self._limit[direction] = self.passed[direction] + after_bytes

    def stall(self, direction: Direction | None = None) -> None:
        """Pass nothing on, in one direction or both, and keep the connections open."""
        for name, flowing in self._flowing.items():
            if direction in {None, name}:
                flowing.clear()

    def flow(self) -> None:
        """Pass everything on again; connections that were cut stay cut."""
        self.delay_s = 0.0
        self._limit = {"up": None, "down": None}
        for flowing in self._flowing.values():
            flowing.set()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target_port), timeout=10)
            except OSError:
                client.close()
                continue
            threading.Thread(target=self._join, args=(client, server), daemon=True).start()

    def _join(self, client: socket.socket, server: socket.socket) -> None:
        server.settimeout(None)
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self.connections += 1
            self._open |= {client, server}
        back = threading.Thread(target=self._pump, args=(server, client, "down"), daemon=True)
        back.start()
        self._pump(client, server, "up")
        back.join()
        with self._lock:
            self._open -= {client, server}
        client.close()
        server.close()

    def _pump(self, source: socket.socket, target: socket.socket, direction: Direction) -> None:
        try:
            while data := source.recv(CHUNK):
                time.sleep(self.delay_s)
                self._flowing[direction].wait()
                self._pass(data, target, direction)
            if target in self._open:
                target.shutdown(socket.SHUT_WR)
        except OSError:
            # What one end lost, the other one hears.
            for end in (source, target):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def _pass(self, data: bytes, target: socket.socket, direction: Direction) -> None:
        limit = self._limit[direction]
        left = len(data) if limit is None else max(0, limit - self.passed[direction])
        self.passed[direction] += len(data[:left])
        target.sendall(data[:left])
        if left < len(data):
            self.drop()
