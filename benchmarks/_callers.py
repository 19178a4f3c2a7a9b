"""
Callers in a process of their own, lean enough that what they cost hides nothing: the same for every contestant.

Each has one call open at a time. `_callers.py http URL KEY BODY EXPECTED` sends `BODY` to a server, and `crowd` in place of
`http` leaves the cores to others first; `_callers.py stdio BODY EXPECTED COMMAND...` sends it to a process that they start. A
`0000` in it becomes a number of four digits, `0009` the number of the call. A round is `CALLS CALLERS PAUSE_MS`, its answer as
`_lines.Round`, or null after a wrong answer.
"""

import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import uvloop
from _lines import Round, answer, stand_back

KEYS = 1000
_FIRST_KEY = 1000
NUMBER = b"0009"


def bodies(template: str) -> list[bytes]:
    return [template.replace("0000", str(_FIRST_KEY + number)).encode() for number in range(KEYS)]


class Course:
    """One round: how many calls are left, and how long those took that were made."""

    def __init__(self, calls: int) -> None:
        self.left: Iterator[int] = iter(range(calls))
        self.times: list[float] = []


class Line(asyncio.Protocol):
    """One caller: a connection, and the request that it waits for."""

    def __init__(self, requests: list[bytes], expected: bytes) -> None:
        self._requests = requests
        self._expected = expected
        self._heard = bytearray()
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def run(self, course: Course, pause_s: float) -> "asyncio.Future[None]":
        self._course, self._pause_s = course, pause_s
        self._done = asyncio.get_running_loop().create_future()
        self._next()
        return self._done

    def _next(self) -> None:
        number = next(self._course.left, None)
        if number is None:
            self._done.set_result(None)
            return
        self._began = time.perf_counter()
        self._transport.write(self._requests[number * 7 % KEYS])

    def data_received(self, data: bytes) -> None:
        self._heard += data
        head = self._heard.find(b"\r\n\r\n")
        if head < 0 or not _is_whole(self._heard, head):
            return
        self._course.times.append(time.perf_counter() - self._began)
        if not self._heard.startswith(b"HTTP/1.1 200") or self._expected not in self._heard:
            print(bytes(self._heard[:1000]), file=sys.stderr)
            self._done.set_exception(ValueError("a wrong answer"))
            return
        self._heard.clear()
        if self._pause_s:
            asyncio.get_running_loop().call_later(self._pause_s, self._next)
        else:
            self._next()

    def close(self) -> None:
        self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(exc or ConnectionError("closed"))


def _is_whole(heard: bytearray, head: int) -> bool:
    said = heard[:head].lower()
    at = said.find(b"content-length:")
    if at < 0:
        return heard.endswith(b"0\r\n\r\n")
    end = said.find(b"\r\n", at)
    return len(heard) >= head + 4 + int(said[at + 15 : end if end > 0 else head])


def over_http(url: str, key: str, template: str, expected: str) -> Callable[[int, int, int], Round | None]:
    place = urlsplit(url)
    requests = [
        f"POST {place.path} HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Type: application/json\r\n"
        f"Accept: application/json, text/event-stream\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
        for body in bodies(template.replace(NUMBER.decode(), "1"))
    ]
    loop = uvloop.new_event_loop()

    async def round_(calls: int, callers: int, pause_ms: int) -> Round:
        lines = [
            (await loop.create_connection(lambda: Line(requests, expected.encode()), place.hostname, place.port))[1]
            for _ in range(callers)
        ]
        course = Course(calls)
        before = time.perf_counter()
        await asyncio.gather(*(line.run(course, pause_ms / 1000) for line in lines))
        rate = calls / (time.perf_counter() - before)
        for line in lines:
            line.close()
        return rate, course.times

    def ask(calls: int, callers: int, pause_ms: int = 0) -> Round | None:
        try:
            return loop.run_until_complete(round_(calls, callers, pause_ms))
        except (ValueError, OSError) as error:
            print(repr(error), file=sys.stderr)
            return None

    return ask


def over_stdio(template: str, expected: str, *command: str) -> Callable[[int, int, int], Round | None]:
    import subprocess

    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    given, said = child.stdin, child.stdout
    assert given is not None
    assert said is not None
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
    for message in (
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
    ):
        given.write(json.dumps(message).encode() + b"\n")
    given.flush()
    said.readline()
    lines, wanted = [body + b"\n" for body in bodies(template)], expected.encode()

    def ask(calls: int, callers: int, pause_ms: int = 0) -> Round | None:
        began: dict[int, float] = {}
        times: list[float] = []
        sent = iter(range(calls))

        def send(many: int) -> None:
            for _, number in zip(range(many), sent, strict=False):
                began[number] = time.perf_counter()
                given.write(lines[number * 7 % KEYS].replace(NUMBER, b"%d" % number))
            given.flush()

        before = time.perf_counter()
        send(callers)
        while len(times) < calls:
            heard = said.readline()
            now = time.perf_counter()
            send(1)  # while the next is made, this one is looked at
            if wanted not in heard:
                print(heard[:1000], file=sys.stderr)
                return None
            times.append(now - began[json.loads(heard)["id"]])
        return calls / (time.perf_counter() - before), times

    threading.Thread(target=lambda: (child.wait(), os._exit(1)), daemon=True).start()
    return ask


if __name__ == "__main__":
    if sys.argv[1] == "crowd":
        stand_back()
    answer({"http": over_http, "crowd": over_http, "stdio": over_stdio}[sys.argv[1]](*sys.argv[2:]))
