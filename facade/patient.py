"""The lines of HTTP: uvicorn's on httptools, with what that one leaves to others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ..core.store.ids import new_id
from . import problems
from .errands import spelled
from .gate import REQUEST_ID
from .outgoing import ALWAYS

if TYPE_CHECKING:
    from .lane import Head, Lane, Passage
    from .turns import Turn

HEAD_TIMEOUT_S = 15.0
HEAD_LIMIT_BYTES = 65_536
HELD_S = 0.25
"""So long, and so long a body, may go the short way; what takes longer is the application's."""
LONGEST_BYTES = 65_536
_NEVER = float("-inf")
_TOO_LARGE = f"the head of the request is over {HEAD_LIMIT_BYTES} bytes"


class Patient(HttpToolsProtocol):
    """
    One connection: who does not say the whole head of a request in time, or says too much, is not heard.

    As RFC 9112 asks, a request names its host once (3.2), and what comes after its body changes no header (6.5).
    """

    _slow: asyncio.TimerHandle | None = None
    _in_head = False
    url = b""
    _head_bytes = 0
    _head: Head | None = None
    _held = b""
    _held_until: asyncio.TimerHandle | None = None
    _passage: Passage | None = None
    _always: tuple[object, bytes] = (None, b"")
    left: Callable[[], None] | None = None
    """Hears that the connection is over."""
    _between = True
    _ended_one = False
    _whole = b""
    _rests_since = _NEVER
    _is_held = False
    _ends = False
    _turn: Turn | None = None

    def __init__(self, *said: Any, lane: Lane | None = None, **named: Any) -> None:
        """`lane` is the short way for what is usual; without one all goes through the application."""
        super().__init__(*said, **named)
        self._lane = lane

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        if not (self._between and self._takes_known(data)):
            self._parse(data)

    def _parse(self, data: bytes) -> None:
        self._whole = data if self._between else b""
        self._ended_one = False
        super().data_received(data)
        if self._head is not None and self._held_until is None:
            self._held_until = self.loop.call_later(HELD_S, self._go_long)
        if self.transport.is_closing():
            return
        # Of a read that ended one request too, nobody knows how much is the next one's: then the head counts from the next read.
        self._head_bytes = self._head_bytes + len(data) if self._in_head and not self._ended_one else 0
        if self._head_bytes > HEAD_LIMIT_BYTES:
            self._refuse(431 if self.headers else 414, _TOO_LARGE)
        elif self.cycle is not None and not self.cycle.response_complete:
            self._forget()
        elif self._slow is None and self.timeout_keep_alive_task is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        self._let_go()
        if self._passage is not None:
            self._passage.disconnected = True
            self._passage.lost()
        super()._unset_keepalive_if_required()
        super().connection_lost(exc)
        if self.left is not None:
            self.left()

    def on_message_begin(self) -> None:
        self._in_head = True
        self._between = False
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts > 1 or (hosts == 0 and self.parser.get_http_version() == "1.1"):
            raise ValueError("not one Host")  # the parser makes it an invalid request
        if self._said_bytes() > HEAD_LIMIT_BYTES:
            raise ValueError(_TOO_LARGE)
        self._head = self._usual()
        if self._head is None:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self._head is None:
            super().on_body(body)
            return
        self._held += body
        if len(self._held) >= LONGEST_BYTES:
            self._go_long()

    def on_message_complete(self) -> None:
        self._between = self._ended_one = True
        head, lane = self._head, self._lane
        if head is None or lane is None:
            super().on_message_complete()
            return
        self._passage = lane.take(self, head, self.headers, self._held)
        if self._passage is None:
            self._go_long()
            super().on_message_complete()
            return
        if self._whole:
            lane.learn(self._whole, self._held, head, self.headers)
        self._let_go()
        self.cycle = self._passage  # type: ignore[assignment]  # what is asked of it, it has

    def _takes_known(self, data: bytes, *, rests: bool = True) -> bool:
        """Take a request that came whole, under a head that the parser has read before, letter by letter the same."""
        lane, cycle = self._lane, self.cycle
        if lane is None or (cycle is not None and not cycle.response_complete) or self.transport.is_closing():
            return False
        end = data.find(b"\r\n\r\n") + 4
        head = lane.learned(data[:end], len(data) - end, self.client[0] if self.client else None)
        if head is None:
            return False
        go_on = partial(self._go_on, data)
        if rests and ((self._turn is not None and lane.puts_off(self._turn, go_on)) or lane.rests(head, go_on)):
            self._forget()
            self._is_held = True
            self.flow.pause_reading()
            return True
        passage = lane.take(self, head, (), data[end:])
        if passage is None:
            return False
        self._forget()
        self._passage = passage
        self.cycle = passage  # type: ignore[assignment]  # what is asked of it, it has
        return True

    def _go_on(self, data: bytes) -> None:
        """Hear that a request may be looked at that was held."""
        self._is_held = False
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if not self._takes_known(data, rests=False):
            self._parse(data)
        if self._ends:
            super().shutdown()

    def shutdown(self) -> None:
        """End the line when it has answered; what is held has begun too."""
        self._ends = self._is_held
        if not self._is_held:
            super().shutdown()

    def replied(self, answer: bytes) -> None:
        """Write the answer to a request that went the short way."""
        passage, self._passage = self._passage, None
        assert passage is not None
        passage.response_complete = True
        self._turn = passage.turn
        if passage.disconnected or self.transport.is_closing():
            return
        if passage.keep_alive:
            self.transport.write(answer)
        else:
            self.transport.write(answer.replace(b"\r\n", b"\r\nconnection: close\r\n", 1))
            self.transport.close()
        if self.pipeline or self.flow.read_paused:
            self.on_response_complete()
            return
        self.server_state.total_requests += 1
        self._rests_since = self.loop.time()
        if self.timeout_keep_alive_task is None and not self.transport.is_closing():
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def timeout_keep_alive_handler(self) -> None:
        """Close a line that rests for too long: after an answer of the short way nobody sets the clock anew."""
        self.timeout_keep_alive_task = None
        if self._passage is not None or self._is_held:
            return
        left_s = self._rests_since + self.timeout_keep_alive - self.loop.time()
        if left_s > 0:
            self.timeout_keep_alive_task = self.loop.call_later(left_s, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()

    def always(self) -> bytes:
        """Give the headers that the server adds to every answer, spelled."""
        said = self.server_state.default_headers
        if self._always[0] is not said:
            self._always = said, b"".join(b"%b: %b\r\n" % pair for pair in said)
        return self._always[1]

    def _usual(self) -> Head | None:
        """Look whether a request may go the short way; None where it may not, or another of this line is not answered."""
        if self._lane is None or self.limit_concurrency is not None or self.root_path:
            return None
        if self.cycle is not None and not self.cycle.response_complete:
            return None
        parser = self.parser
        if parser.get_method() != b"POST" or parser.get_http_version() != "1.1" or not parser.should_keep_alive():
            return None
        return self._lane.head(self.url, self.headers, self.client[0] if self.client else None)

    def _go_long(self) -> None:
        """Let the application have what was held for the short way."""
        held = self._held
        self._let_go()
        self._forget()
        super().on_headers_complete()
        if held:
            super().on_body(held)

    def _let_go(self) -> None:
        self._head, self._held = None, b""
        if self._held_until is not None:
            self._held_until.cancel()
            self._held_until = None

    def _wait(self) -> None:
        self._slow = self.loop.call_later(HEAD_TIMEOUT_S, self._give_up)

    def _forget(self) -> None:
        if self._slow is not None:
            self._slow.cancel()
            self._slow = None

    def _give_up(self) -> None:
        self._slow = None
        if not self.transport.is_closing():
            self._refuse(408, f"the head of the request did not arrive within {HEAD_TIMEOUT_S:g} s")

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP; uvicorn's own word for it is plain text."""
        if len(self.url) > HEAD_LIMIT_BYTES:
            self._refuse(414, _TOO_LARGE)
        elif self._said_bytes() > HEAD_LIMIT_BYTES:
            self._refuse(431, _TOO_LARGE)
        else:
            self._refuse(400, "this is no request of HTTP/1.1 with one Host")

    def _said_bytes(self) -> int:
        """Count the head as far as it was read: its last part may have come together with its end, and with a body."""
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers or ())

    def _refuse(self, status: int, said: str) -> None:
        """Answer a request that is not heard to its end, and hang up."""
        known_as = new_id()
        problem = problems.respond(status, problems.of_status(status, said, id_=known_as), {"Connection": "close"})
        headers = [*problem.raw_headers, *ALWAYS, (REQUEST_ID, known_as.encode())]
        line = b"HTTP/1.1 %d %b\r\n" % (status, HTTPStatus(status).phrase.encode())
        self.transport.write(b"".join([line, spelled(headers), b"\r\n", bytes(problem.body)]))
        self.transport.close()
