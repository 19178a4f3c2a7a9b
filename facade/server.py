"""Serving: a socket of our own, loopback only where callers need no credentials, and an end that loses no answer."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import signal
import socket
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any

import structlog
import uvicorn

from ..core.errors import ConfigError, raise_as
from .fellows import Reception
from .front import web
from .patient import Patient

if TYPE_CHECKING:
    from ..app import App
    from ..core.door import Door
    from .fellows import Fellows
    from .numbers import Shared

DRAIN_S = 30
SWITCH_S = 0.001
"""So long the loop waits for a thread that computes; at Python's own 5 ms one busy thread is felt by every caller."""
_log = structlog.get_logger("drawbar.facade")


def serve(
    app: App,
    host: str,
    port: int,
    *,
    begin: Callable[[], None] = lambda: None,
    ready: Callable[[str], None] = lambda url: None,
    opened: Sequence[socket.socket] | None = None,
    shared: Shared | None = None,
    fellows: Fellows | None = None,
) -> None:
    """
    Answer requests until SIGTERM or SIGINT; what has begun is answered first, for half a minute at most.

    `begin` starts the work once the port is ours: a second service that finds it taken has touched nothing. `ready` hears
    the URL; port 0 takes a free one. `opened` are the sockets of a port that somebody else opened for us and our `fellows`.
    Opening and closing `app` is the caller's.
    """
    if opened is None:
        sockets = listen(host, port, app.door)
    else:
        _let_in(host, port, app.door)
        sockets = list(opened)
    begin()
    bound = sockets[0].getsockname()[1]
    api = web(app, shared=shared)
    config = uvicorn.Config(
        api,
        http=partial(Patient, lane=api.lane),  # type: ignore[arg-type]  # it makes a protocol as a class does
        ws=_websocket,  # type: ignore[arg-type]  # it makes a protocol as a class does
        log_config=None,
        access_log=False,
        server_header=False,
        ws_max_size=65536,
        timeout_graceful_shutdown=DRAIN_S,
        proxy_headers=False,
    )
    server = _Server(config, api.close, lambda: ready(url_of(host, bound)), fellows)
    sys.setswitchinterval(SWITCH_S)
    server.run(sockets=sockets)


def _websocket(*given: Any, **named: Any) -> Any:
    """Speak WebSocket; its library is loaded by who asks for it."""
    from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

    return WebSocketsSansIOProtocol(*given, **named)


def listen(host: str, port: int, door: Door) -> list[socket.socket]:
    """
    Open the port on every address of a name; ConfigError says what is wrong with it.

    Elsewhere than on loopback the door lets nobody in without credentials, and there must be some.
    """
    addresses = _let_in(host, port, door)
    sockets: list[socket.socket] = []
    for family, address in addresses:
        try:
            sockets.append(_bound(family, str(address), port))
        except OSError as error:
            if error.errno in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT} and (family, address) != addresses[0]:
                continue  # a machine without IPv6 still has localhost
            for one in sockets:
                one.close()
            raise _refused(error, str(address), port) from error
        port = sockets[0].getsockname()[1]
    return sockets


def _let_in(host: str, port: int, door: Door) -> Sequence[tuple[socket.AddressFamily, str | int]]:
    """Find the addresses of a name, and close the door where they may be reached from elsewhere."""
    with raise_as(ConfigError, OSError, doing=f"server.host {host!r}", field="server.host"):
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    addresses = sorted({(family, place[0]) for family, _, _, _, place in found})
    if not all(ipaddress.ip_address(str(address).partition("%")[0]).is_loopback for _, address in addresses):
        door.on_loopback = False
        if not door.has_locks():
            raise ConfigError(
                f"{host} is not a loopback address, and no caller could show who it is",
                field="server.host",
                next="make a key with drawbar keys add AGENT, or configure server.authentication; or use 127.0.0.1",
            )
    return addresses


def url_of(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _bound(family: int, address: str, port: int) -> socket.socket:
    # asyncio switches Nagle's delay off (40 ms an answer) only where the protocol is named.
    opened = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind((address, port))
        opened.listen(2048)
    except OSError:
        opened.close()
        raise
    opened.setblocking(False)
    return opened


def _refused(error: OSError, address: str, port: int) -> ConfigError:
    if error.errno == errno.EADDRINUSE:
        said, next_ = "is in use", "stop what uses it, or choose another with --port"
    else:
        said, next_ = f"cannot be opened: {error.strerror}", "choose another with --port"
    return ConfigError(f"port {port} of {address} {said}", field="server.port", next=next_)


class _Server(uvicorn.Server):
    """uvicorn, but a signal ends streams at once and is not raised again: the caller still has to close the journal."""

    def __init__(
        self,
        config: uvicorn.Config,
        stopping: Callable[[], None],
        started: Callable[[], None],
        fellows: Fellows | None = None,
    ) -> None:
        super().__init__(config)
        self._fellows = fellows
        self._reception: Reception | None = None
        self._stopping = stopping
        self._started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if self._fellows is None or not sockets:
            await super().startup(sockets)
        else:
            await super().startup([])
            self._reception = Reception(sockets, self._line, self._fellows, self.server_state.connections)
            self.servers.append(self._reception)  # type: ignore[arg-type]  # it is closed, and waited for
        if self.started:
            self._started()

    def _line(self) -> asyncio.Protocol:
        make: Callable[..., asyncio.Protocol] = self.config.http_protocol_class
        line = make(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)
        if isinstance(line, Patient) and self._reception is not None:
            line.left = self._reception.tell
        return line

    async def on_tick(self, counter: int) -> bool:
        if self._reception is not None:
            self._reception.tick()
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        _log.info("stopping", signal=signal.Signals(sig).name)
        self._stopping()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        kept: dict[int, Any] = {one: signal.signal(one, self.handle_exit) for one in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for one, handler in kept.items():
                signal.signal(one, handler)
