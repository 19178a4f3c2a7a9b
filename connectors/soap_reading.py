"""One call of a read on a kept connection that nobody waits for: sent at once, read when its socket speaks. See `core.tool.Reading`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal

from ..core.errors import OutcomeUnknown, Unavailable
from .soap_http import Http, Url, raise_if_refused
from .soap_wire import Answer, Broken, Wire

LONG_BYTES = 32_768
"""A longer answer is taken apart by a thread, and a longer request is sent by one."""
_STRANGE, _CHUNKED = -1, -2
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,9})[ \t]*\r\n", re.IGNORECASE)


class Reading:
    """A request that has left. `step` never waits; whatever is not usual is for `rest`, which reads as every call does."""

    until = None

    def __init__(self, http: Http, wire: Wire, url: Url, read: Callable[[Url, Answer], Any]) -> None:
        self._http = http
        self._wire = wire
        self._url = url
        self._read = read
        self._needs: int | None = None

    @property
    def fileno(self) -> int:
        return self._wire.fileno

    def step(self) -> Literal["waits", "ended", "rest"]:
        wire = self._wire
        heard = wire.hear()
        if heard is None:
            return "waits"
        if heard is False or len(wire.heard) > LONG_BYTES:
            return "rest"
        if self._needs is None:
            head = wire.heard.find(b"\r\n\r\n")
            if head < 0:
                return "waits"
            self._needs = _length(wire.heard, head)
        needs = _chunks_end(wire.heard) if self._needs == _CHUNKED else self._needs
        if needs == _STRANGE or (needs or 0) > LONG_BYTES:
            return "rest"
        return "ended" if needs is not None and len(wire.heard) >= needs else "waits"

    def answer(self) -> Any:
        return self._read(self._url, self._received())

    def rest(self) -> Any:
        return self._read(self._url, self._received())

    def _received(self) -> Answer:
        kept = False
        try:
            answer, kept = self._wire.receive(self._http.max_bytes)
        except TimeoutError:
            raise OutcomeUnknown(f"{self._url.text} did not answer in time") from None
        except (OSError, Broken) as error:  # it is a read: it is asked again
            raise_if_refused(self._url, error)
            raise Unavailable(f"{self._url.text} broke off its answer: {error or type(error).__name__}") from error
        finally:
            self._http.give_back(self._url, self._wire, kept=kept)
        return answer


def _length(heard: bytes, head: int) -> int:
    """Give how long an answer is with its head, as far as that says it."""
    if not heard.startswith(b"HTTP/1.1 2"):
        return _STRANGE
    if (said := _LENGTH.search(heard, 0, head + 2)) is not None:
        return head + 4 + int(said[1])
    return _CHUNKED if b"\r\ntransfer-encoding: chunked\r\n" in heard[: head + 2].lower() else _STRANGE


def _chunks_end(heard: bytes) -> int | None:
    """Give where the last chunk of an answer ends, None while it has not come."""
    at = heard.index(b"\r\n\r\n") + 4
    while (end := heard.find(b"\r\n", at)) >= 0:
        try:
            size = int(heard[at:end].partition(b";")[0], 16)
        except ValueError:
            return _STRANGE
        at = end + 4 + size
        if size == 0:
            return at if heard[end + 2 : at] == b"\r\n" else None if len(heard) < at else _STRANGE
    return None
