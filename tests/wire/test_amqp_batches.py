"""Many messages at once, as a sync sends them: of each it is known whether the broker has it."""

from __future__ import annotations

import struct
import threading
import time
from contextlib import closing

import pika
import pytest
from queues import opening

from drawbar.connectors.amqp_frames import Encoded, content, delivery, properties_of, publication
from drawbar.core.batch import RowRefused
from drawbar.core.errors import OutcomeUnknown, Rejected, Unavailable


@pytest.fixture
def channel(vhost):
    with closing(pika.BlockingConnection(pika.URLParameters(vhost))) as connection:
        channel = connection.channel()
        channel.queue_declare("out", durable=True)
        channel.exchange_declare("erp", "topic")
        channel.queue_bind("out", "erp", "order.M")
        yield channel


@pytest.fixture
def open_sink(tmp_path, vhost):
    def open_sink(url=vhost, timeout_s=20, publish=None, **changes):
        out = publish or {"routing_key": "out"}
        adapter = opened(url, call_timeout_s=timeout_s, publish={"out": out}, **changes)
        return adapter.sink({"publish": "out"}, sync="s")

    with opening(tmp_path) as opened:
        yield open_sink


def send(sink, rows, portion="p"):
    with sink.writing(portion=portion) as writing:
        writing.write(rows)
        writing.commit(portion=portion, cursor=None)


def taken(channel, queue="out"):
    found = []
    while (got := channel.basic_get(queue, auto_ack=True))[0]:
        found.append(got)
    return found


def test_all_of_a_portion_arrives_in_order_and_a_repetition_has_the_same_ids(open_sink, channel):
    sink = open_sink()
    rows = [{"n": number, "text": "ü" * (number % 50)} for number in range(5000)]

    send(sink, rows)
    first = taken(channel)
    send(sink, rows)

    assert len(first) == 5000
    assert [int(body.split(b",")[0][5:]) for _, _, body in first] == [*range(5000)]
    assert {one.message_id for _, one, _ in first} == {one.message_id for _, one, _ in taken(channel)}
    assert (first[0][1].delivery_mode, first[0][1].content_type, first[0][1].app_id) == (
        2,
        "application/json",
        "drawbar",
    )


def test_messages_of_several_frames_and_of_none_arrive_whole(open_sink, channel):
    sink = open_sink(publish={"routing_key": "out", "content_type": "text/plain", "schema": {"type": "object"}})
    adapter_rows = [{"n": "x" * 400_000}, {"n": ""}, {"n": "y" * 131_064}]

    send(sink, adapter_rows)

    assert [len(body) for _, _, body in taken(channel)] == [400_009, 9, 131_073]


def test_a_message_that_no_queue_takes_is_named_and_those_before_it_are_there(open_sink, channel):
    sink = open_sink(publish={"exchange": "erp", "routing_key": "order.${{ arguments.body.plant }}"})

    with pytest.raises(Rejected, match=r"no queue takes it: exchange 'erp' with routing key 'order.X'") as raised:
        send(sink, [*({"plant": "M"} for _ in range(10)), {"plant": "X"}, {"plant": "M"}])

    assert raised.value.detail["confirmed"] == 11
    assert len(raised.value.detail["refused"]) == 1
    assert len(taken(channel)) == 11


def test_a_queue_that_is_full_refuses_by_name(open_sink, channel):
    channel.queue_declare("full", arguments={"x-max-length": 5, "x-overflow": "reject-publish"})
    sink = open_sink(publish={"routing_key": "full"})

    with pytest.raises(Unavailable, match="a queue of it is full") as raised:
        send(sink, [{"n": number} for number in range(20)])

    said = raised.value.detail
    assert (said["confirmed"] + len(said["refused"]), said["doubtful"]) == (20, 0)
    assert len(taken(channel, "full")) == said["confirmed"]


def test_when_the_line_is_lost_it_is_known_which_messages_are_doubtful(open_sink, vhost, channel, proxy, rabbitmq):
    """Those that are confirmed are there; those that are neither confirmed nor doubtful never left."""
    between = proxy(rabbitmq.port)
    sink = open_sink(vhost.replace(f":{rabbitmq.port}", f":{between.port}"))
    rows = [{"n": number, "text": "x" * 2000} for number in range(5000)]
    between.cut(1_500_000, "up")

    with pytest.raises(OutcomeUnknown, match="messages are doubtful") as raised:
        send(sink, rows)

    said = raised.value.detail
    time.sleep(0.5)
    there = [body for _, _, body in taken(channel)]
    assert said["confirmed"] <= len(there) <= said["confirmed"] + said["doubtful"] < 5000
    assert 0 < len(said["doubtful_ids"]) <= 100
    between.flow()
    send(sink, rows)
    assert len(taken(channel)) == 5000


def test_a_broker_that_confirms_nothing_leaves_all_in_doubt_in_time(open_sink, vhost, channel, proxy, rabbitmq):
    between = proxy(rabbitmq.port)
    sink = open_sink(vhost.replace(f":{rabbitmq.port}", f":{between.port}"), timeout_s=1, heartbeat_s=60)
    send(sink, [{"n": 0}])

    def stall_when_it_flows():
        while between.passed["up"] < 1_000_000:
            time.sleep(0.001)
        between.stall("down")

    stalling = threading.Thread(target=stall_when_it_flows, daemon=True)
    with sink.writing(portion="p") as writing:
        writing.write([{"n": number, "text": "x" * 3000} for number in range(6000)])
        stalling.start()
        began = time.monotonic()

        with pytest.raises(OutcomeUnknown, match="doubtful"):
            writing.commit(portion="p", cursor=None)

    assert time.monotonic() - began < 60
    stalling.join()
    between.flow()


def test_an_unknown_exchange_is_rejected_before_anything_leaves(open_sink, channel):
    sink = open_sink(publish={"exchange": "nowhere", "routing_key": "x"})

    with pytest.raises(Rejected, match="no exchange 'nowhere'"):
        send(sink, [{"n": 1}])


def test_a_row_that_amqp_cannot_carry_is_refused_by_its_number(open_sink, channel):
    sink = open_sink(publish={"routing_key": "out", "headers": {"n": "${{ arguments.body.n }}"}})

    with sink.writing(portion="p") as writing, pytest.raises(RowRefused) as raised:
        writing.write([{"n": 1}, {"n": 2**70}, {"n": 3}])

    assert list(raised.value.reasons) == [1]
    assert taken(channel) == []


def test_no_connection_is_unavailable(open_sink, closed_port_url):
    with pytest.raises(Unavailable):
        send(open_sink(closed_port_url), [{"n": 1}])


@pytest.fixture
def closed_port_url(proxy, rabbitmq, vhost):
    between = proxy(rabbitmq.port)
    between.stop()
    return vhost.replace(f":{rabbitmq.port}", f":{between.port}")


PROPERTIES = {
    "content_type": "application/json",
    "content_encoding": "utf-8",
    "headers": {"a": 1, "b": "ü", "c": [1, {"d": None}]},
    "delivery_mode": 2,
    "priority": 7,
    "correlation_id": "c",
    "reply_to": "r",
    "expiration": "500",
    "message_id": "m-1",
    "timestamp": 1_700_000_000,
    "type": "t",
    "app_id": "drawbar",
}


def test_our_frames_are_those_that_pika_makes():
    properties = pika.BasicProperties(**PROPERTIES)
    method = pika.frame.Method(3, pika.spec.Basic.Publish(exchange="e", routing_key="k", mandatory=True))
    whole = pika.frame.Header(3, 5, properties).marshal() + pika.frame.Body(3, b"12345").marshal()
    encoded = Encoded().bytes_of(PROPERTIES)

    assert publication(3, "e", "k", True) == method.marshal()
    assert b"".join(content(3, encoded, b"12345", 131_072)) == whole
    assert properties_of(encoded) == PROPERTIES
    assert Encoded().bytes_of({"message_id": "x"}) == b"".join(pika.BasicProperties(message_id="x").encode())


def test_a_delivery_is_read_as_pika_reads_it():
    said = pika.spec.Basic.Deliver("ctag", 12, True, "e", "k.ü")

    assert delivery(b"".join(said.encode()), 0) == (12, True, "e", "k.ü")
    with pytest.raises((struct.error, IndexError)):
        delivery(b"\x01c", 0)


def test_the_inner_names_of_pika_that_the_fast_way_stands_on_are_there():
    connection, transport = pika.SelectConnection, pika.adapters.utils.io_services_utils._AsyncTransportBase

    for name in ("_on_data_available", "_output_marshaled_frames", "_proto_connection_made"):
        assert callable(getattr(connection, name))
    assert transport._MAX_RECV_BYTES == 4096
