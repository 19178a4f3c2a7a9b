"""Systems that are not there, and systems that take a call and never answer."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Self

_ADDRESS = re.compile(r"(?P<before>(?:^|[/@]))(?P<host>[\w.-]+|\[[0-9a-fA-F:]+\]):\d{1,5}(?P<after>$|[/?])")


def closed_port() -> int:
    """Find a port of this machine where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


class SilentServer:
    """Take connections and whatever comes over them, and never say a word, until closed."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, name="silent-accept", daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                self._open.append(connection)
                threading.Thread(target=_swallow, args=[connection], name="silent", daemon=True).start()

    @property
    def connections(self) -> int:
        """Count the connections that came."""
        return len(self._open)

    def close(self) -> None:
        for each in (self._server, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _swallow(connection: socket.socket) -> None:
    with suppress(OSError):
        while connection.recv(65536):
            pass


def moved(config: Any, port: int) -> Any:
    """Give a configuration whose every `port:` and `host:port` is that port of this machine."""
    if isinstance(config, Mapping):
        return {name: _field(name, value, port) for name, value in config.items()}
    if isinstance(config, (list, tuple)):
        return [moved(item, port) for item in config]
    if isinstance(config, str):
        return _ADDRESS.sub(rf"\g<before>127.0.0.1:{port}\g<after>", config)
    return config


def _field(name: str, value: Any, port: int) -> Any:
    if name == "port" and isinstance(value, int):
        return port
    if name == "host" and isinstance(value, str):
        return "127.0.0.1"
    return moved(value, port)
