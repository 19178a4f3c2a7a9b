"""The HTTP line under SOAP against hosts that write HTTP in every way they can."""

import gzip
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from drawbar.connectors.soap_http import Http, Url
from drawbar.connectors.soap_wire import Answer
from drawbar.core.errors import ConfigError, OutcomeUnknown, Unavailable

MAX_BYTES = 100_000


class Host:
    """Answers each request with the next of `answers`; None closes the connection."""

    def __init__(self, *answers: bytes | None) -> None:
        self.answers = list(answers)
        self.connections = 0
        self.spoken: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = Url.of(f"http://127.0.0.1:{self._listener.getsockname()[1]}/x")
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self.spoken.append(connection)
            with connection, suppress(ConnectionResetError):
                connection.settimeout(5)
                while self.answers and connection.recv(65536):
                    answer = self.answers.pop(0)
                    if answer is None:
                        break
                    connection.sendall(answer)
                    if self.answers[:1] == [None]:
                        self.answers.pop(0)
                        break

    def close(self) -> None:
        self._listener.close()


@contextmanager
def asked(*answers: bytes | None) -> Iterator[tuple[Http, Host]]:
    host = Host(*answers)
    http = Http(tls=ssl.create_default_context, headers={}, max_bytes=MAX_BYTES)
    yield http, host
    http.close()
    host.close()


def post(http: Http, host: Host, within_s: float = 5) -> Answer:
    return http.post(host.url, b"<a/>", "", deadline=time.monotonic() + within_s)


PACKED = gzip.compress(b"body")
GOOD: list[tuple[str, bytes]] = [
    ("length", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"),
    (
        "chunks",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nbod\r\n1\r\ny\r\n0\r\nTrailer: 1\r\n\r\n",
    ),
    ("to the end", b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nbody"),
    ("old", b"HTTP/1.0 200 OK\r\n\r\nbody"),
    ("no reason", b"HTTP/1.1 200\r\nContent-Length: 4\r\n\r\nbody"),
    ("bare newlines", b"HTTP/1.1 200 OK\nContent-Length: 4\n\nbody"),
    ("continue first", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"),
    ("folded header", b"HTTP/1.1 200 OK\r\nX: a\r\n  b\r\nContent-Length: 4\r\n\r\nbody"),
    ("length twice", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nbody"),
    ("packed", b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (len(PACKED), PACKED)),
]


@pytest.mark.parametrize(("what", "answer"), GOOD, ids=[each[0] for each in GOOD])
def test_an_answer_is_read_however_it_is_framed(what: str, answer: bytes) -> None:
    one_shot = what in {"to the end", "old"}
    with asked(answer, None if one_shot else answer) as (http, host):
        assert post(http, host).body == b"body"
        if not one_shot:
            assert post(http, host).body == b"body"
            assert host.connections == 1


BOMB = gzip.compress(b"x" * 10_000_000)
BAD: list[tuple[str, bytes | None, str]] = [
    ("nothing", None, "without an answer"),
    ("cut in the head", b"HTTP/1.1 200 OK\r\nContent-Le", "cut off"),
    ("cut in the body", b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\nbody", "missing"),
    ("cut in a chunk", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nbody", "missing"),
    ("no http", b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "no HTTP"),
    ("endless head", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000, "head is larger"),
    ("too long", b"HTTP/1.1 200 OK\r\nContent-Length: 100001\r\n\r\n", "larger than"),
    ("huge length", b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", "larger than"),
    ("negative length", b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "length is"),
    ("two lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nbody", "length is"),
    ("huge chunk", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n", "larger than"),
    ("bad chunk", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "no length"),
    ("without end", b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"x" * 200_000, "larger than"),
    ("gzip bomb", b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (len(BOMB), BOMB), "unpacked"),
    ("no gzip", b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nbody", "no gzip"),
    ("brotli", b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 4\r\n\r\nbody", "nobody asked"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "answer", "said"), BAD, ids=[each[0] for each in BAD])
def test_what_is_no_answer_is_unknown_by_name(what: str, answer: bytes | None, said: str) -> None:
    with asked(answer) as (http, host), pytest.raises(OutcomeUnknown, match=said):
        post(http, host)


def test_a_connection_that_the_host_closed_is_not_used_again() -> None:
    """A request that is sent into a closed connection would leave its outcome unknown."""
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    with asked(ok, None, ok) as (http, host):
        post(http, host)
        time.sleep(0.2)

        assert post(http, host).status == 200
        assert host.connections == 2


def test_a_connection_whose_host_said_more_than_it_was_asked_is_not_used_again() -> None:
    """Another call would take it for its answer."""
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    with asked(ok, ok) as (http, host):
        post(http, host)
        host.spoken[0].sendall(b"HTTP/1.1 500 Late\r\nContent-Length: 0\r\n\r\n")
        time.sleep(0.05)

        assert post(http, host).status == 200
        assert host.connections == 2


def test_a_host_that_takes_no_request_has_done_nothing() -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=1)
    url = Url.of(f"http://127.0.0.1:{listener.getsockname()[1]}/")
    http = Http(tls=ssl.create_default_context, headers={}, max_bytes=MAX_BYTES)

    with listener, pytest.raises(Unavailable, match="did not take the whole request"):
        http.post(url, b"x" * 50_000_000, "", deadline=time.monotonic() + 0.5)


@pytest.mark.parametrize("text", ["ftp://x/", "http://", "http://u:p@h/", "http://h:port/", "http://h/a b", "h", ""])
def test_an_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Url.of(text)

    assert "u:p" not in str(refused.value)


def test_a_lease_is_looked_at_before_the_first_byte() -> None:
    """Who has lost the task must not send."""

    def lost() -> None:
        raise Unavailable("the lease is over")

    with asked(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as (http, host):
        with pytest.raises(Unavailable, match="lease"):
            http.post(host.url, b"<a/>", "", deadline=time.monotonic() + 5, leaving=lost)
        time.sleep(0.1)
        assert len(host.answers) == 1
