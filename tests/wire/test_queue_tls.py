"""`queue: amqps://` and `rediss://`: a broker whose certificate proves nothing hears nothing of us."""

import socket
import ssl
import subprocess
import threading

import pytest
from waiting import eventually

from drawbar.connectors.celery import CeleryBell
from drawbar.core.errors import Unavailable


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate that signs itself, for another name than the one that is asked."""
    at = tmp_path_factory.mktemp("tls")
    subject = ["-subj", "/CN=other.example", "-addext", "subjectAltName=DNS:other.example"]
    files = ["-keyout", str(at / "key"), "-out", str(at / "cert")]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject, *files],
        check=True,
        capture_output=True,
    )
    return at / "cert", at / "key"


class Listener:
    """A TLS port that remembers whether anybody trusted it."""

    def __init__(self, cert, key):
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(cert, key)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.trusted, self.refused = 0, 0
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                line, _ = self._socket.accept()
            except OSError:
                return
            try:
                line.settimeout(5)
                self._context.wrap_socket(line, server_side=True).close()
                self.trusted += 1
            except OSError:
                self.refused += 1

    def close(self):
        self._socket.close()


@pytest.mark.parametrize("scheme", ["amqps", "rediss"])
@pytest.mark.parametrize("known", [False, True], ids=["unknown issuer", "another name"])
def test_a_broker_that_cannot_show_who_it_is_hears_nothing(certificate, monkeypatch, scheme, known):
    if known:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    listener = Listener(*certificate)
    bell = CeleryBell(f"{scheme}://drawbar:s3cret@127.0.0.1:{listener.port}/0")
    with pytest.raises(Unavailable):
        bell.waiting()
    eventually(lambda: listener.refused)  # it hears of the refusal after us
    listener.close()

    assert listener.refused >= 1
    assert listener.trusted == 0
