"""One client's connection: a thread that reads frames, a thread that writes them and the heartbeats."""

from __future__ import annotations

import hmac
import queue
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from pika import frame, spec
from pika.amqp_object import Method
from pika.exceptions import AMQPError
from pika.spec import Basic, BasicProperties, Connection

from .channel import Channel
from .errors import Refused
from .host import VirtualHost

FRAME_MAX = 131072
PROTOCOL = b"AMQP\x00\x00\x09\x01"
CAPABILITIES = {
    "publisher_confirms": True,
    "basic.nack": True,
    "consumer_cancel_notify": True,
    "authentication_failure_close": True,
    "per_consumer_qos": True,
}


class ClientConnection:
    def __init__(self, sock: socket.socket, host: VirtualHost, users: Mapping[str, str], heartbeat_s: int) -> None:
        self._socket = sock
        self._host = host
        self._users = users
        self._heartbeat_s = heartbeat_s
        self._channels: dict[int, Channel] = {}
        self._content: dict[int, _Content] = {}
        self._out: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._frame_max = FRAME_MAX
        self._opened = False
        self._closing = False

    def run(self) -> None:
        """Serve the client until it or the broker goes."""
        writer = threading.Thread(target=self._write, name="broker-writer", daemon=True)
        writer.start()
        try:
            with suppress(OSError):
                self._serve()
        finally:
            self._release()
            self._out.put(None)
            writer.join(timeout=1)
            self._socket.close()

    def abort(self) -> None:
        """Cut the line without a word, as a dead host does."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def end(self, refused: Refused, method: Method | None = None) -> None:
        """Send Connection.Close; what still comes from the client is not served any more."""
        if not self._closing:
            self._closing = True
            self.send(0, Connection.Close(refused.code, refused.text[:255], *_number(method)))

    def send(self, channel: int, method: Method) -> None:
        self._out.put(frame.Method(channel, method).marshal())

    def send_content(self, channel: int, method: Method, properties: BasicProperties, body: bytes) -> None:
        size = self._frame_max - 8
        pieces = [frame.Method(channel, method), frame.Header(channel, len(body), properties)]
        pieces += [frame.Body(channel, body[at : at + size]) for at in range(0, len(body), size)]
        self._out.put(b"".join(piece.marshal() for piece in pieces))

    def _serve(self) -> None:
        self._socket.settimeout(10)
        if self._socket.recv(8, socket.MSG_WAITALL) != PROTOCOL:
            self._out.put(PROTOCOL)
            return
        properties = {"product": "Drawbar stand-in", "version": "0", "capabilities": CAPABILITIES}
        self.send(0, Connection.Start(0, 9, properties, "PLAIN", "en_US"))
        for received in self._frames():
            try:
                if self._serve_frame(received):
                    return
            except Refused as refused:
                self._refuse(received, refused)

    def _frames(self) -> Iterator[Any]:
        waiting = b""
        while chunk := self._socket.recv(1 << 16):
            waiting += chunk
            at = 0
            while len(waiting) - at >= 7:
                size = int.from_bytes(waiting[at + 3 : at + 7], "big") + 8
                if size > FRAME_MAX:
                    self.end(Refused(501, f"FRAME_ERROR - frame of {size} bytes"))
                    return
                if len(waiting) - at < size:
                    break
                yield self._decode(waiting[at : at + size])
                at += size
            waiting = waiting[at:]
            self._confirm()

    def _decode(self, data: bytes) -> Any:
        try:
            return frame.decode_frame(data)[1]
        except (AMQPError, KeyError, ValueError, IndexError, AssertionError, OSError) as error:
            self.end(Refused(501, f"FRAME_ERROR - {type(error).__name__}"))
            return frame.Heartbeat()

    def _serve_frame(self, received: Any) -> bool:
        """Answer whether the connection is over."""
        if isinstance(received, frame.Heartbeat):
            return False
        if isinstance(received, frame.Method) and isinstance(received.method, Connection.CloseOk):
            return True
        if self._closing:
            return False
        if received.channel_number == 0:
            return self._negotiate(received.method)
        if not self._opened:
            raise Refused(504, "CHANNEL_ERROR - the connection is not open", ends_connection=True)
        with self._host.lock:
            self._serve_channel(received)
        return False

    def _negotiate(self, method: Method) -> bool:
        match method:
            case Connection.StartOk():
                self._authenticate(method)
                self.send(0, Connection.Tune(2047, FRAME_MAX, self._heartbeat_s))
            case Connection.TuneOk():
                self._frame_max = min(method.frame_max or FRAME_MAX, FRAME_MAX)
                self._heartbeat_s = method.heartbeat
                self._socket.settimeout(2 * method.heartbeat or None)
            case Connection.Open() if method.virtual_host == "/":
                self._opened = True
                self.send(0, Connection.OpenOk())
            case Connection.Open():
                text = f"NOT_ALLOWED - vhost {method.virtual_host} not found"
                raise Refused(530, text, ends_connection=True)
            case Connection.Close():
                self.send(0, Connection.CloseOk())
                return True
            case _:
                raise Refused(540, f"NOT_IMPLEMENTED - {method.NAME}", ends_connection=True)
        return False

    def _authenticate(self, method: Connection.StartOk) -> None:
        said = method.response if isinstance(method.response, bytes) else str(method.response).encode()
        _, user, password = [*said.split(b"\x00"), b"", b"", b""][:3]
        known = self._users.get(user.decode(errors="replace"))
        if method.mechanism != "PLAIN" or known is None or not hmac.compare_digest(known.encode(), password):
            refusal = "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN"
            raise Refused(403, refusal, ends_connection=True)

    def _serve_channel(self, received: Any) -> None:
        number = received.channel_number
        if isinstance(received, frame.Method) and isinstance(received.method, spec.Channel.Open):
            self._channels[number] = Channel(number, self._host, self, self)
            self.send(number, spec.Channel.OpenOk())
            return
        channel = self._channels.get(number)
        if channel is None:
            raise Refused(504, "CHANNEL_ERROR - expected 'channel.open'", ends_connection=True)
        if isinstance(received, frame.Method) and isinstance(
            received.method, spec.Channel.Close | spec.Channel.CloseOk
        ):
            self._close_channel(number, received.method)
        elif channel.closing:
            return
        elif isinstance(received, frame.Method) and isinstance(received.method, Basic.Publish):
            self._content[number] = _Content(received.method)
        elif isinstance(received, frame.Method):
            channel.call(received.method)
        elif content := self._content.get(number):
            self._take_content(channel, number, content, received)
        else:
            raise Refused(505, "UNEXPECTED_FRAME - content without a method", ends_connection=True)

    def _take_content(self, channel: Channel, number: int, content: _Content, received: Any) -> None:
        if isinstance(received, frame.Header):
            content.properties, content.size = received.properties, received.body_size
        else:
            content.parts.append(received.fragment)
        if content.complete:
            del self._content[number]
            channel.publish(content.method, content.properties, b"".join(content.parts))

    def _close_channel(self, number: int, method: Method) -> None:
        self._channels.pop(number).close()
        self._content.pop(number, None)
        if isinstance(method, spec.Channel.Close):
            self._confirm()
            self.send(number, spec.Channel.CloseOk())

    def _refuse(self, received: Any, refused: Refused) -> None:
        method = getattr(received, "method", None)
        number = received.channel_number
        if refused.ends_connection or number not in self._channels:
            self.end(refused, method)
            return
        self._confirm()
        with self._host.lock:
            self._channels[number].close()
        self.send(number, spec.Channel.Close(refused.code, refused.text[:255], *_number(method or Basic.Publish())))

    def _confirm(self) -> None:
        """Confirm all that came in one piece, after one sync."""
        with self._host.lock:
            waiting = [one for one in self._channels.items() if one[1].published > one[1].confirmed]
            if waiting and self._host.journal:
                self._host.journal.sync()
        for number, channel in waiting:
            channel.confirmed = channel.published
            self.send(number, Basic.Ack(channel.published, multiple=True))

    def _release(self) -> None:
        with self._host.lock:
            for channel in self._channels.values():
                channel.close()
            for owned in [one for one in self._host.queues.values() if one.owner is self]:
                self._host.delete_queue(owned)

    def _write(self) -> None:
        with suppress(OSError):
            while (data := self._next_output()) is not None:
                self._socket.sendall(data)
        self.abort()

    def _next_output(self) -> bytes | None:
        try:
            return self._out.get(timeout=self._heartbeat_s / 2 or None if self._opened else None)
        except queue.Empty:
            return frame.Heartbeat().marshal()


def _number(method: Method | None) -> tuple[int, int]:
    return divmod(method.INDEX or 0, 1 << 16) if method else (0, 0)


class _Content:
    """A message that is still coming in."""

    def __init__(self, method: Basic.Publish) -> None:
        self.method = method
        self.properties = BasicProperties()
        self.size = -1
        self.parts: list[bytes] = []

    @property
    def complete(self) -> bool:
        return sum(map(len, self.parts)) == self.size
