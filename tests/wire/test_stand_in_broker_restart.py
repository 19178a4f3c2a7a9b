"""With a path the stand-in keeps what it confirmed, however it ends."""

from __future__ import annotations

import random
import signal
import subprocess
import sys

import pika
import pytest
from pika.exceptions import AMQPError, ChannelClosedByBroker

from drawbar.testing.broker import Broker

SERVE = """
import sys, time
from pathlib import Path
from drawbar.testing.broker import Broker
with Broker(path=Path(sys.argv[1]), port=int(sys.argv[2])) as broker:
    print(broker.port, flush=True)
    time.sleep(60)
"""
PERSISTENT = pika.BasicProperties(delivery_mode=2, headers={"n": 1})


def channel_of(port):
    channel = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", port)).channel()
    channel.confirm_delivery()
    return channel


def drain(channel, queue):
    got = []
    while (found := channel.basic_get(queue, auto_ack=True))[0]:
        got.append((found[2], found[0].redelivered))
    return got


def test_durable_things_come_back_and_others_do_not(tmp_path):
    path = tmp_path / "broker.jsonl"
    with Broker(path=path) as broker:
        channel = channel_of(broker.port)
        channel.exchange_declare("orders", "topic", durable=True)
        channel.queue_declare("kept", durable=True, arguments={"x-dead-letter-exchange": ""})
        channel.queue_declare("gone")
        channel.queue_bind("kept", "orders", "a.*")
        channel.basic_publish("", "kept", b"settled", PERSISTENT)
        channel.basic_get("kept", auto_ack=True)
        channel.basic_publish("orders", "a.b", b"1", PERSISTENT)
        channel.basic_publish("", "kept", b"transient")
        channel.basic_publish("", "kept", b"2", PERSISTENT)
        channel.connection.close()

    for _ in range(2):
        with Broker(path=path) as broker:
            channel = channel_of(broker.port)
            channel.queue_declare("kept", durable=True, arguments={"x-dead-letter-exchange": ""})
            assert broker.depth("kept") == 2
            with pytest.raises(ChannelClosedByBroker):
                channel.queue_declare("gone", passive=True)
            channel.connection.close()
    with Broker(path=path) as broker:
        channel = channel_of(broker.port)
        channel.basic_publish("orders", "a.c", b"3", PERSISTENT, mandatory=True)
        assert [body for body, _ in drain(channel, "kept")] == [b"1", b"2", b"3"]
        channel.connection.close()


def test_a_killed_broker_keeps_every_confirmed_message_and_no_acknowledged_one(tmp_path):
    path, port = tmp_path / "broker.jsonl", 0
    sent, settled = set(), set()
    for life in range(5):
        process = subprocess.Popen([sys.executable, "-c", SERVE, path, str(port)], stdout=subprocess.PIPE, text=True)
        channel = channel_of(port := int(process.stdout.readline()))
        channel.queue_declare("q", durable=True)
        for number in range(random.randint(1, 60)):
            channel.basic_publish("", "q", f"{life}-{number}".encode(), PERSISTENT)
            sent.add(f"{life}-{number}".encode())
        for _ in range(random.randint(1, 20)):
            method, _, body = channel.basic_get("q")
            if method:
                channel.basic_ack(method.delivery_tag)
                settled.add(body)
        channel.queue_declare("q", passive=True)  # the acks have arrived
        process.send_signal(signal.SIGKILL)
        process.wait()
        with pytest.raises(AMQPError):
            channel.queue_declare("q", passive=True)

    with Broker(path=path) as broker:
        channel = channel_of(broker.port)
        assert {body for body, _ in drain(channel, "q")} == sent - settled
        channel.connection.close()


def test_a_last_line_that_was_cut_is_left_out(tmp_path):
    path = tmp_path / "broker.jsonl"
    with Broker(path=path) as broker:
        channel_of(broker.port).queue_declare("q", durable=True)
    with path.open("ab") as file:
        file.write(b'{"op": "put", "queue": "q", "posi')

    with Broker(path=path) as broker:
        assert broker.depth("q") == 0
        channel_of(broker.port).queue_declare("q", passive=True)


def test_a_broker_that_closes_says_so_to_its_clients():
    broker = Broker()
    channel = channel_of(broker.port)

    broker.close()

    with pytest.raises(pika.exceptions.ConnectionClosedByBroker, match="CONNECTION_FORCED"):
        channel.connection.process_data_events(time_limit=1)
