"""A read that nobody waits for, against hosts that answer in pieces, in every framing, too late, too much or not at all."""

import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from drawbar.connectors.soap_http import Http, Url
from drawbar.connectors.soap_reading import LONG_BYTES, Reading
from drawbar.core.errors import OutcomeUnknown, Unavailable

FIRST = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@contextmanager
def line(*pieces: bytes, pause_s: float = 0.03, keeps: bool = True) -> Iterator[tuple[Http, Url]]:
    """A host that answers the first request at once, so that its connection lies idle, and the second in these pieces."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(FIRST)
            connection.recv(65536)
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause_s)
            if keeps:
                connection.recv(65536)

    threading.Thread(target=serve, daemon=True).start()
    url = Url.of(f"http://127.0.0.1:{listener.getsockname()[1]}/x")
    http = Http(tls=ssl.create_default_context, headers={}, max_bytes=100_000)
    http.post(url, b"<a/>", "", deadline=time.monotonic() + 5)
    yield http, url
    http.close()
    listener.close()


def begun(http: Http, url: Url, within_s: float = 5) -> Reading:
    wire = http.begin(url, b"<a/>", "", time.monotonic() + within_s)
    assert wire is not None
    return Reading(http, wire, url, lambda url, answer: answer.body)


def stepped(reading: Reading, until: float) -> str:
    """Step whenever the line has something to say, as an event loop does."""
    state = reading.step()
    while state == "waits" and (left := until - time.monotonic()) > 0:
        if select.select([reading.fileno], [], [], left)[0]:
            state = reading.step()
    return state


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ENDED = [
    ("at once", (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody",)),
    ("byte by byte", tuple(bytes([each]) for each in b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody")),
    ("in chunks", (CHUNKED + b"3\r\nbod\r\n", b"1\r\ny\r\n0\r\n\r\n")),
    ("chunks cut anywhere", (CHUNKED + b"3", b"\r\nb", b"od\r", b"\n1\r\ny\r\n0", b"\r\n\r", b"\n")),
]


@pytest.mark.parametrize(("what", "pieces"), ENDED, ids=[each[0] for each in ENDED])
def test_an_answer_is_read_as_it_comes_and_its_connection_is_kept(what: str, pieces: tuple[bytes, ...]) -> None:
    with line(*pieces, pause_s=0.002) as (http, url):
        reading = begun(http, url)

        assert stepped(reading, time.monotonic() + 5) == "ended"
        assert reading.answer() == b"body"
        assert http.begin(url, b"<a/>", "", time.monotonic() + 5) is not None


RESTS = [
    ("with a trailer", (CHUNKED + b"4\r\nbody\r\n0\r\nTrailer: 1\r\n\r\n",)),
    ("to the end", (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nbody",)),
    ("with a word before", (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody")),
    ("long", (b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (LONG_BYTES + 4), b"body" + b" " * LONG_BYTES)),
]


@pytest.mark.parametrize(("what", "pieces"), RESTS, ids=[each[0] for each in RESTS])
def test_what_is_not_usual_is_left_for_a_thread_which_reads_it_whole(what: str, pieces: tuple[bytes, ...]) -> None:
    with line(*pieces, keeps=False) as (http, url):
        reading = begun(http, url)

        assert stepped(reading, time.monotonic() + 5) == "rest"
        assert reading.rest().strip() == b"body"


def test_a_read_whose_line_broke_is_asked_again() -> None:
    with line(b"HTTP/1.1 200 OK\r\nContent-Le", keeps=False) as (http, url):
        reading = begun(http, url)

        assert stepped(reading, time.monotonic() + 5) == "rest"
        with pytest.raises(Unavailable, match="broke off"):
            reading.rest()


def test_a_host_that_says_nothing_is_waited_for_until_the_deadline_and_no_longer() -> None:
    with line(b"HTTP/1.1 200 OK\r\n") as (http, url):
        reading, began = begun(http, url, within_s=0.2), time.monotonic()

        assert stepped(reading, began + 0.1) == "waits"
        with pytest.raises(OutcomeUnknown, match="in time"):
            reading.rest()
        assert time.monotonic() - began < 1


def test_nothing_is_begun_without_a_connection_that_lies_idle() -> None:
    http = Http(tls=ssl.create_default_context, headers={}, max_bytes=100)

    assert http.begin(Url.of("http://127.0.0.1:9/x"), b"", "", time.monotonic() + 1) is None
