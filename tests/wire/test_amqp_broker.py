"""The AMQP adapter while the broker restarts, runs out of memory, or asks for TLS."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
import threading
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import pika
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from queues import opening

from drawbar.core.errors import ConfigError, OutcomeUnknown, Unavailable
from drawbar.core.tool import Call

PERSISTENT = pika.BasicProperties(delivery_mode=2)


@pytest.fixture
def open_adapter(tmp_path):
    with opening(tmp_path) as opened:
        yield partial(opened, publish={"out": {"routing_key": "in"}}, consume={"incoming": {"queue": "in"}})


@pytest.fixture
def channel(vhost):
    connection = pika.BlockingConnection(pika.URLParameters(vhost))
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare("in", durable=True)
    yield channel
    with suppress(pika.exceptions.AMQPError):
        connection.close()


def publish(adapter, body, timeout_s=20):
    tool = next(one for one in adapter.tools() if one.name == "publish_out")
    return tool.run({"body": body}, Call("call", "test", time.monotonic() + timeout_s))


@pytest.mark.slow
def test_over_a_restart_of_the_broker_nothing_is_lost(open_adapter, vhost, channel, rabbitmq):
    adapter = open_adapter(vhost)
    seen, stop = [], threading.Event()
    for number in range(3):
        publish(adapter, {"n": number})
    rabbitmq.restart()
    trigger = threading.Thread(
        target=adapter.trigger({"consume": "incoming"}, name="t").run,
        args=(lambda one: seen.append(one.env["message"]["body"]["n"]), stop),
    )

    trigger.start()
    publish(adapter, {"n": 3}, timeout_s=20)
    wait(lambda: len(seen) == 4, 30)
    rabbitmq.restart()
    publish(adapter, {"n": 4}, timeout_s=20)
    wait(lambda: len(seen) >= 5, 60)
    stop.set()
    trigger.join(60)

    assert sorted({*seen}) == [0, 1, 2, 3, 4]
    connection = pika.BlockingConnection(pika.URLParameters(vhost))
    assert connection.channel().queue_declare("in", passive=True).method.message_count == 0
    connection.close()


def wait(good, within_s):
    ends = time.monotonic() + within_s
    while not good():
        assert time.monotonic() < ends
        time.sleep(0.1)


def test_a_broker_without_memory_takes_nothing_and_says_so(open_adapter, vhost, channel, rabbitmq):
    adapter = open_adapter(vhost)
    publish(adapter, 1)
    rabbitmq.control("set_vm_memory_high_watermark", "absolute", "1MB")
    try:
        with pytest.raises(OutcomeUnknown):  # the first one left before the broker had told us
            publish(adapter, 2, timeout_s=3)
        with pytest.raises(Unavailable, match="takes no messages now"):
            publish(adapter, 3, timeout_s=3)
    finally:
        rabbitmq.control("set_vm_memory_high_watermark", "0.4")

    wait(lambda: published(adapter), 60)


def published(adapter):
    with suppress(Unavailable):
        return publish(adapter, 4)
    return None


@pytest.fixture
def tls(rabbitmq, tmp_path):
    """A line to the broker inside TLS: its port, and the authority that signed its certificate."""
    certificate = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=accept, args=(server, context, rabbitmq.port), daemon=True).start()
    yield server.getsockname()[1], certificate
    server.close()


def accept(server, context, port):
    with suppress(OSError):
        while True:
            client, _ = server.accept()
            threading.Thread(target=serve, args=(client, context, port), daemon=True).start()


def serve(client, context, port):
    with suppress(OSError):
        inside = context.wrap_socket(client, server_side=True)
        inside.settimeout(0.01)
        with socket.create_connection(("127.0.0.1", port)) as broker:
            broker.settimeout(0.01)
            while pump(inside, broker) and pump(broker, inside):
                pass
            inside.close()


def pump(source, target):
    try:
        data = source.recv(65536)
    except TimeoutError:
        return True
    target.sendall(data)
    return bool(data)


def self_signed(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "broker.pem"
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    path.write_bytes(pem + made.public_bytes(serialization.Encoding.PEM))
    return path


def test_tls_is_spoken_with_who_is_trusted(open_adapter, vhost, channel, tls, rabbitmq):
    port, certificate = tls
    url = vhost.replace("amqp://", "amqps://").replace(f":{rabbitmq.port}", f":{port}")

    publish(open_adapter(url, tls={"ca_file": str(certificate)}), {"n": 1})

    assert channel.queue_declare("in", passive=True).method.message_count == 1


def test_a_certificate_that_nobody_vouches_for_is_refused(open_adapter, vhost, channel, tls, rabbitmq):
    url = vhost.replace("amqp://", "amqps://").replace(f":{rabbitmq.port}", f":{tls[0]}")

    with pytest.raises(ConfigError, match="self-signed certificate"):
        publish(open_adapter(url), {"n": 1})
    with pytest.raises(ConfigError, match="TLS files"):
        publish(open_adapter(url, tls={"ca_file": "missing.pem"}), {"n": 1})
