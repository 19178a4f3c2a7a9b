"""RabbitMQ with TLS and certificates for logins, quorum queues, and a restart in the middle of the work."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import threading
import time
from functools import partial

import pytest
import queues
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from servers import process
from servers.rabbitmq import RabbitMQ
from waiting import eventually

from drawbar.connectors.amqp import Endpoint, Tls
from drawbar.core.errors import ConfigError, OutcomeUnknown, Unavailable

run = partial(queues.run, timeout_s=10)
TLS = """
listeners.ssl.1 = 127.0.0.1:{port}
ssl_options.cacertfile = {folder}/ca.pem
ssl_options.certfile = {folder}/server.pem
ssl_options.keyfile = {folder}/server.pem
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = true
ssl_cert_login_from = common_name
auth_mechanisms.1 = PLAIN
auth_mechanisms.2 = EXTERNAL
"""


class Authority:
    """Signs certificates into a folder: `ca.pem`, and `NAME.pem` with its key."""

    def __init__(self, folder):
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "the authority")])
        made = self._certificate("the authority", self._key, ca=True)
        (folder / "ca.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))

    def signed(self, name, common_name):
        key = ec.generate_private_key(ec.SECP256R1())
        made = self._certificate(common_name, key, ca=False)
        plain = serialization.NoEncryption()
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        path = self._folder / f"{name}.pem"
        path.write_bytes(pem + made.public_bytes(serialization.Encoding.PEM))
        return path

    def _certificate(self, common_name, key, *, ca):
        now = dt.datetime.now(dt.UTC)
        loopback = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(loopback, critical=False)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    """A broker that asks everybody for a certificate of its authority."""
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority(folder)
    authority.signed("server", "127.0.0.1")
    authority.signed("drawbar", "drawbar")
    authority.signed("stranger", "stranger")
    port = process.free_port()
    more = TLS.format(port=port, folder=folder)
    with RabbitMQ(more, "rabbitmq_management,rabbitmq_auth_mechanism_ssl") as server:
        server.folder, server.tls_port = folder, port
        yield server


@pytest.fixture
def open_adapter(secure, tmp_path):
    def open_adapter(url=None, certificate="drawbar", login="certificate", **changes):
        tls = {"ca_file": str(secure.folder / "ca.pem"), "login": login}
        if certificate:
            tls["certificate_file"] = str(secure.folder / f"{certificate}.pem")
        config = {
            "url": url or f"amqps://127.0.0.1:{secure.tls_port}/%2F",
            "tls": tls,
            "declare": True,
            "publish": {"out": {"exchange": "orders", "routing_key": "new"}},
            "consume": {
                "in": {
                    "queue": "orders.in",
                    "dead_letter": {"routing_key": "orders.dead"},
                    "declare": {"bind": [{"exchange": "orders", "routing_key": "#"}]},
                }
            },
            **changes,
        }
        return opened(**config)

    with queues.opening(tmp_path) as opened:
        yield open_adapter


def test_a_broker_is_named_without_reading_certificates(tmp_path):
    """Each call names it; what a connection needs is read when one is made."""
    endpoint = Endpoint("amqps://a:b@host/v", Tls(ca_file=tmp_path / "missing.pem"), hosts=("other:5673",))

    assert endpoint.where == "host:5671/v"
    with pytest.raises(ConfigError, match="TLS files"):
        endpoint.parameters()


@pytest.mark.slow
def test_a_certificate_is_the_login_and_nobody_else_comes_in(open_adapter, secure):
    adapter = open_adapter()

    run(adapter, "publish_out", body=1)

    assert run(adapter, "get_in")["message"]["body"] == 1
    assert all(one.ok for one in adapter.check())
    with_password = f"amqps://drawbar:drawbar@127.0.0.1:{secure.tls_port}/%2F"
    assert run(open_adapter(with_password, login="password"), "publish_out", body=2)
    assert run(adapter, "get_in")["message"]["body"] == 2
    with pytest.raises(ConfigError, match="refused the login"):
        run(open_adapter(certificate="stranger"), "publish_out", body=3)
    with pytest.raises((ConfigError, Unavailable)):
        run(open_adapter(with_password, certificate=None, login="password"), "publish_out", body=4)


@pytest.mark.slow
def test_over_a_restart_in_the_middle_nothing_is_lost_on_quorum_queues(open_adapter, secure):
    """Tools, a sync's batch and a trigger live through it; what is doubtful is sent again under its ids."""
    adapter = open_adapter()
    run(adapter, "publish_out", body={"n": -1})
    seen, stop = [], threading.Event()
    watched = threading.Thread(target=adapter.trigger({"consume": "in"}, name="t").run, args=(seen.append, stop))
    watched.start()
    sink = adapter.sink({"publish": "out"}, sync="s")
    rows = [{"n": number, "text": "x" * 500} for number in range(3000)]
    begun = threading.Event()

    def send():
        for portion in range(3):
            if portion == 1:
                begun.set()
            sent_until_done(sink, rows, portion)

    sending = threading.Thread(target=send)
    sending.start()
    assert begun.wait(60)
    secure.restart()
    sending.join(90)
    assert not sending.is_alive()
    run(adapter, "publish_out", body={"n": -2}, timeout_s=30)
    eventually(lambda: len({one.id for one in seen}), lambda count: count == 9002, 90)
    stop.set()
    watched.join(60)

    assert len({one.id for one in seen}) == 9002
    assert run(adapter, "browse_in")["messages"] == []
    assert secure.api("GET", "queues/%2F/orders.in")["type"] == "quorum"


def sent_until_done(sink, rows, portion):
    ends = time.monotonic() + 90
    while time.monotonic() < ends:
        with contextlib.suppress(OutcomeUnknown, Unavailable), sink.writing(portion=f"p{portion}") as writing:
            writing.write(rows)
            writing.commit(portion=f"p{portion}", cursor=None)
            return
        time.sleep(0.5)
    pytest.fail("it was never done")
