"""What a client may rely on is the same on the stand-in as on RabbitMQ."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from uuid import uuid4

import pika
import pytest
from pika.exceptions import (
    AMQPConnectionError,
    AMQPError,
    ChannelClosedByBroker,
    ConnectionClosedByBroker,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
    UnroutableError,
)

from drawbar.testing.broker import Broker


@pytest.fixture(params=["stand-in", "rabbitmq"])
def broker_url(request):
    if request.param == "rabbitmq":
        yield request.getfixturevalue("rabbitmq").url
    else:
        with Broker() as broker:
            yield broker.url


@pytest.fixture
def connect(broker_url):
    opened = []

    def connect(**changes):
        parameters = pika.URLParameters(broker_url)
        parameters.socket_timeout = parameters.stack_timeout = 5
        for name, value in changes.items():
            setattr(parameters, name, value)
        opened.append(pika.BlockingConnection(parameters))
        return opened[-1]

    yield connect
    for connection in opened:
        with suppress(AMQPError):
            connection.close()


@pytest.fixture
def channel(connect):
    channel = connect().channel()
    channel.confirm_delivery()
    return channel


@pytest.fixture
def name():
    return f"test.{uuid4().hex[:8]}"


def get(channel, queue, within_s=30):
    """Wait for one message and acknowledge it; None when there is none."""
    ends = time.monotonic() + within_s
    while time.monotonic() < ends:
        method, properties, body = channel.basic_get(queue, auto_ack=True)
        if method:
            return method, properties, body
        time.sleep(0.02)
    return None


def depth(channel, queue):
    return channel.queue_declare(queue, passive=True).method.message_count


def delivered(connection, got, count, within_s=30):
    ends = time.monotonic() + within_s
    while len(got) < count and time.monotonic() < ends:
        connection.process_data_events(time_limit=0.02)
    return len(got)


def test_a_message_comes_out_with_its_properties_and_its_bytes(channel, name):
    channel.queue_declare(name, durable=True)
    sent = pika.BasicProperties(
        content_type="application/json",
        delivery_mode=2,
        message_id="m-1",
        correlation_id="c-1",
        reply_to="back",
        priority=3,
        type="order",
        app_id="drawbar",
        timestamp=1700000000,
        headers={"n": 1, "text": "ü", "list": [1, "a"], "yes": True, "nested": {"a": None}},
    )

    channel.basic_publish("", name, b"\x00\xffbytes", sent, mandatory=True)
    method, properties, body = get(channel, name)

    assert body == b"\x00\xffbytes"
    assert (method.exchange, method.routing_key, method.redelivered) == ("", name, False)
    assert properties.headers == sent.headers
    for field in (
        "content_type",
        "delivery_mode",
        "message_id",
        "correlation_id",
        "reply_to",
        "priority",
        "type",
        "app_id",
        "timestamp",
    ):
        assert getattr(properties, field) == getattr(sent, field)


@pytest.mark.parametrize("size", [0, 1, 131063, 131064, 131065, 3_000_000])
def test_a_body_of_any_size_survives_its_frames(channel, name, size):
    channel.queue_declare(name)
    body = bytes(range(256)) * (size // 256 + 1)

    channel.basic_publish("", name, body[:size])

    assert get(channel, name)[2] == body[:size]


def test_messages_come_in_the_order_in_which_they_were_sent(channel, name):
    channel.queue_declare(name)
    for number in range(50):
        channel.basic_publish("", name, str(number).encode())

    got = [get(channel, name)[2] for _ in range(50)]

    assert got == [str(number).encode() for number in range(50)]


@pytest.mark.parametrize(
    ("kind", "binding", "key", "arrives"),
    [
        ("direct", "a.b", "a.b", True),
        ("direct", "a.b", "a.c", False),
        ("fanout", "", "anything", True),
        ("topic", "order.*", "order.m", True),
        ("topic", "order.*", "order.m.x", False),
        ("topic", "order.#", "order", True),
        ("topic", "order.#", "order.m.x", True),
        ("topic", "#.x", "order.m.x", True),
        ("topic", "*.m.*", "order.m.x", True),
        ("topic", "*", "", False),
        ("topic", "#", "", True),
    ],
)
def test_an_exchange_routes_by_its_kind(channel, name, kind, binding, key, arrives):
    channel.exchange_declare(name, kind, durable=True)
    channel.queue_declare(name)
    channel.queue_bind(name, name, binding)

    if arrives:
        channel.basic_publish(name, key, b"x", mandatory=True)
    else:
        with pytest.raises(UnroutableError):
            channel.basic_publish(name, key, b"x", mandatory=True)

    assert depth(channel, name) == (1 if arrives else 0)
    channel.exchange_delete(name)


def test_two_matching_bindings_of_one_queue_give_one_message(channel, name):
    channel.queue_declare(name)
    channel.queue_bind(name, "amq.topic", f"{name}.#")
    channel.queue_bind(name, "amq.topic", f"{name}.*")

    channel.basic_publish("amq.topic", f"{name}.x", b"x")

    assert depth(channel, name) == 1


def test_an_unbound_queue_gets_nothing_more(channel, name):
    channel.queue_declare(name)
    channel.queue_bind(name, "amq.direct", name)
    channel.queue_unbind(name, "amq.direct", name)

    with pytest.raises(UnroutableError) as returned:
        channel.basic_publish("amq.direct", name, b"x", mandatory=True)

    assert returned.value.messages[0].method.reply_code == 312


def test_a_message_without_a_queue_is_confirmed_when_it_is_not_mandatory(channel, name):
    channel.basic_publish("", name, b"lost", mandatory=False)

    assert channel.is_open


def refusal(call, channel):
    with pytest.raises(ChannelClosedByBroker) as refused:
        call()
    assert channel.is_closed
    return refused.value


def test_a_passive_declare_of_an_unknown_queue_closes_the_channel_with_404(channel, name, connect):
    refused = refusal(lambda: channel.queue_declare(name, passive=True), channel)

    assert (refused.reply_code, refused.reply_text) == (404, f"NOT_FOUND - no queue '{name}' in vhost '/'")
    assert channel.connection.channel().is_open


def test_a_passive_declare_of_an_unknown_exchange_closes_the_channel_with_404(channel, name):
    assert refusal(lambda: channel.exchange_declare(name, passive=True), channel).reply_code == 404


def test_publishing_to_an_unknown_exchange_closes_the_channel_with_404(channel, name):
    refused = refusal(lambda: channel.basic_publish(name, "k", b"x"), channel)

    assert (refused.reply_code, refused.reply_text) == (404, f"NOT_FOUND - no exchange '{name}' in vhost '/'")


@pytest.mark.parametrize(
    "changes",
    [
        {"durable": False},
        {"auto_delete": True},
        {"arguments": {"x-message-ttl": 1000}},
        {"arguments": {"x-queue-type": "quorum"}},
    ],
)
def test_declaring_a_queue_differently_closes_the_channel_with_406(channel, name, changes):
    channel.queue_declare(name, durable=True)

    refused = refusal(lambda: channel.queue_declare(name, **{"durable": True, **changes}), channel)

    assert refused.reply_code == 406
    assert refused.reply_text.startswith("PRECONDITION_FAILED - inequivalent arg '")


def test_declaring_an_exchange_differently_closes_the_channel_with_406(channel, name):
    channel.exchange_declare(name, "direct", auto_delete=True)

    refused = refusal(lambda: channel.exchange_declare(name, "fanout", auto_delete=True), channel)

    assert refused.reply_code == 406
    assert "inequivalent arg 'type'" in refused.reply_text


@pytest.mark.parametrize("call", ["basic_get", "queue_purge", "basic_consume"])
def test_using_an_unknown_queue_closes_the_channel_with_404(channel, name, call):
    arguments = (name, print) if call == "basic_consume" else (name,)

    assert refusal(lambda: getattr(channel, call)(*arguments), channel).reply_code == 404


def test_deleting_an_unknown_queue_is_no_error(channel, name):
    channel.queue_delete(name)

    assert channel.is_open


def test_a_reserved_queue_name_is_refused_with_403(channel):
    assert refusal(lambda: channel.queue_declare("amq.mine"), channel).reply_code == 403


def test_a_server_named_queue_is_the_last_one_of_its_channel(channel):
    queue = channel.queue_declare("", exclusive=True).method.queue

    assert queue.startswith("amq.gen-")
    channel.queue_bind("", "amq.direct", queue)
    channel.basic_publish("amq.direct", queue, b"x", mandatory=True)
    assert get(channel, queue)[2] == b"x"


def test_an_exclusive_queue_is_locked_for_others_and_goes_with_its_connection(connect, name):
    owner = connect()
    owner.channel().queue_declare(name, exclusive=True)
    other = connect().channel()

    assert refusal(lambda: other.queue_declare(name, passive=True), other).reply_code == 405
    owner.close()
    time.sleep(0.1)
    third = connect().channel()
    assert refusal(lambda: third.queue_declare(name, passive=True), third).reply_code == 404


def test_an_auto_delete_queue_goes_with_its_last_consumer(channel, name):
    channel.queue_declare(name, auto_delete=True)
    channel.basic_cancel(channel.basic_consume(name, print))
    time.sleep(0.1)

    assert refusal(lambda: channel.queue_declare(name, passive=True), channel).reply_code == 404


def test_purge_and_delete_say_how_many_messages_went(channel, name):
    channel.queue_declare(name)
    for _ in range(3):
        channel.basic_publish("", name, b"x")

    assert channel.queue_purge(name).method.message_count == 3
    channel.basic_publish("", name, b"x")
    assert channel.queue_delete(name).method.message_count == 1


def test_a_queue_that_is_not_empty_is_kept_by_if_empty(channel, name):
    channel.queue_declare(name)
    channel.basic_publish("", name, b"x")

    assert refusal(lambda: channel.queue_delete(name, if_empty=True), channel).reply_code == 406


def test_a_got_message_waits_for_its_ack_and_comes_back_redelivered(channel, connect, name):
    channel.queue_declare(name)
    channel.basic_publish("", name, b"x")
    other = connect()
    method, _, _ = other.channel().basic_get(name)

    assert (method.redelivered, depth(channel, name)) == (False, 0)
    other.close()
    method, _, body = get(channel, name)
    assert (method.redelivered, body) == (True, b"x")


def test_a_lost_connection_puts_its_messages_back_in_their_places(channel, connect, name):
    channel.queue_declare(name)
    for body in (b"1", b"2", b"3"):
        channel.basic_publish("", name, body)
    other = connect()
    taken = other.channel()
    for _ in range(2):
        taken.basic_get(name)

    other._impl._transport._sock.shutdown(socket.SHUT_RDWR)  # the line is cut without a word
    time.sleep(0.3)

    got = [get(channel, name) for _ in range(3)]
    assert [(body, method.redelivered) for method, _, body in got] == [(b"1", True), (b"2", True), (b"3", False)]


def test_an_ack_of_an_unknown_tag_closes_the_channel_with_406(channel, name):
    channel.queue_declare(name)
    channel.basic_publish("", name, b"x")
    method, _, _ = channel.basic_get(name)
    channel.basic_ack(method.delivery_tag)
    channel.basic_ack(method.delivery_tag)

    refused = refusal(lambda: channel.queue_declare(name, passive=True), channel)

    assert (refused.reply_code, refused.reply_text) == (406, "PRECONDITION_FAILED - unknown delivery tag 1")


def test_one_ack_settles_all_up_to_its_tag(channel, connect, name):
    channel.queue_declare(name)
    for body in (b"1", b"2", b"3"):
        channel.basic_publish("", name, body)
    other = connect()
    taken = other.channel()
    tags = [taken.basic_get(name)[0].delivery_tag for _ in range(3)]

    taken.basic_ack(tags[1], multiple=True)
    other.close()

    assert get(channel, name)[2] == b"3"
    assert depth(channel, name) == 0


@pytest.mark.parametrize("verb", ["basic_nack", "basic_reject"])
def test_a_requeued_message_comes_again_at_its_old_place(channel, name, verb):
    channel.queue_declare(name)
    channel.basic_publish("", name, b"1")
    channel.basic_publish("", name, b"2")
    method, _, _ = channel.basic_get(name)

    getattr(channel, verb)(method.delivery_tag, requeue=True)

    again, _, body = get(channel, name)
    assert (again.redelivered, body) == (True, b"1")
    assert get(channel, name)[0].redelivered is False


@pytest.mark.parametrize("queue_type", ["classic", "quorum"])
def test_a_rejected_message_is_dead_lettered_with_its_story(channel, name, queue_type):
    dead = f"{name}.dead"
    channel.queue_declare(dead)
    options = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead, "x-queue-type": queue_type}
    channel.queue_declare(name, durable=True, arguments=options)
    channel.queue_bind(name, "amq.direct", name)
    sent = pika.BasicProperties(headers={"mine": 1}, message_id="m-1")
    channel.basic_publish("amq.direct", name, b"x", sent)
    time.sleep(0.05)
    method, _, _ = wait_get(channel, name)

    channel.basic_reject(method.delivery_tag, requeue=False)

    method, properties, body = get(channel, dead)
    death = properties.headers["x-death"][0]
    assert (body, properties.message_id, properties.headers["mine"]) == (b"x", "m-1", 1)
    assert (death["count"], death["reason"], death["queue"]) == (1, "rejected", name)
    assert (death["exchange"], death["routing-keys"]) == ("amq.direct", [name])
    assert properties.headers["x-first-death-queue"] == name
    assert properties.headers["x-first-death-reason"] == "rejected"
    assert properties.headers["x-first-death-exchange"] == "amq.direct"
    assert (method.exchange, method.routing_key) == ("", dead)
    channel.queue_delete(name)


def wait_get(channel, queue, within_s=30):
    ends = time.monotonic() + within_s
    while time.monotonic() < ends:
        got = channel.basic_get(queue)
        if got[0]:
            return got
        time.sleep(0.02)
    raise AssertionError("nothing came")


def test_a_second_death_in_the_same_queue_counts_up(channel, name):
    dead = f"{name}.dead"
    channel.queue_declare(dead)
    channel.queue_declare(name, arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead})
    channel.basic_publish("", name, b"x")
    for _ in range(2):
        method, _, _ = wait_get(channel, name)
        channel.basic_reject(method.delivery_tag, requeue=False)
        _, properties, body = get(channel, dead)
        channel.basic_publish("", name, body, properties)

    assert properties.headers["x-death"][0]["count"] == 2
    assert len(properties.headers["x-death"]) == 1


def test_without_a_dead_letter_exchange_a_rejected_message_is_gone(channel, name):
    channel.queue_declare(name)
    channel.basic_publish("", name, b"x")
    method, _, _ = channel.basic_get(name)

    channel.basic_nack(method.delivery_tag, requeue=False)

    assert depth(channel, name) == 0


@pytest.mark.parametrize("where", ["queue", "message"])
def test_an_expired_message_is_dead_lettered(channel, name, where):
    dead = f"{name}.dead"
    channel.queue_declare(dead)
    options = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead}
    channel.queue_declare(name, arguments={**options, **({"x-message-ttl": 50} if where == "queue" else {})})
    properties = pika.BasicProperties(expiration="50" if where == "message" else None)

    channel.basic_publish("", name, b"x", properties)
    _, properties, _ = get(channel, dead)

    death = properties.headers["x-death"][0]
    assert (death["reason"], death["queue"]) == ("expired", name)
    assert death.get("original-expiration") == ("50" if where == "message" else None)
    assert properties.expiration is None


def test_an_expiration_that_is_no_number_closes_the_channel_with_406(channel, name):
    channel.queue_declare(name)
    properties = pika.BasicProperties(expiration="soon")

    assert refusal(lambda: channel.basic_publish("", name, b"x", properties), channel).reply_code == 406


def test_a_consumer_gets_no_more_than_its_prefetch(connect, channel, name):
    channel.queue_declare(name)
    for number in range(5):
        channel.basic_publish("", name, str(number).encode())
    connection = connect()
    consuming = connection.channel()
    got = []
    consuming.basic_qos(prefetch_count=2)
    consuming.basic_consume(name, lambda _, method, __, body: got.append((method.delivery_tag, body)))

    delivered(connection, got, 2)
    assert delivered(connection, got, 3, within_s=0.3) == 2
    consuming.basic_ack(got[0][0])
    delivered(connection, got, 3)
    assert delivered(connection, got, 4, within_s=0.3) == 3
    consuming.basic_ack(got[-1][0], multiple=True)
    assert delivered(connection, got, 5) == 5


def test_two_consumers_share_a_queue(connect, channel, name):
    channel.queue_declare(name)
    got = {"a": [], "b": []}
    connections = {}
    for who, seen in got.items():
        connections[who] = connect()
        consuming = connections[who].channel()
        consuming.basic_qos(prefetch_count=10)
        consuming.basic_consume(name, lambda _, __, ___, body, seen=seen: seen.append(body))
    for number in range(10):
        channel.basic_publish("", name, str(number).encode())

    for who, connection in connections.items():
        delivered(connection, got[who], 5)

    assert (len(got["a"]), len(got["b"])) == (5, 5)
    assert sorted(got["a"] + got["b"]) == [str(number).encode() for number in range(10)]


def test_a_cancelled_consumer_gets_nothing_more_and_may_still_ack(connect, channel, name):
    channel.queue_declare(name)
    channel.basic_publish("", name, b"1")
    connection = connect()
    consuming = connection.channel()
    got = []
    tag = consuming.basic_consume(name, lambda _, method, __, body: got.append(method.delivery_tag))
    delivered(connection, got, 1)

    consuming.basic_cancel(tag)
    channel.basic_publish("", name, b"2")
    consuming.basic_ack(got[0])
    connection.process_data_events(time_limit=0.2)

    assert len(got) == 1
    assert get(channel, name)[2] == b"2"
    assert depth(channel, name) == 0


def test_a_consumer_is_told_when_its_queue_is_deleted(connect, channel, name):
    channel.queue_declare(name)
    connection = connect()
    consuming = connection.channel()
    told = []
    consuming.add_on_cancel_callback(told.append)
    consuming.basic_consume(name, print)

    channel.queue_delete(name)

    assert delivered(connection, told, 1) == 1


def test_without_acks_messages_are_settled_when_sent(connect, channel, name):
    channel.queue_declare(name)
    for _ in range(3):
        channel.basic_publish("", name, b"x")
    connection = connect()
    got = []
    connection.channel().basic_consume(name, lambda *delivery: got.append(delivery), auto_ack=True)
    delivered(connection, got, 3)

    connection.close()

    assert len(got) == 3
    assert depth(channel, name) == 0


def test_a_quorum_queue_counts_how_often_a_message_came_back(channel, name):
    channel.queue_declare(name, durable=True, arguments={"x-queue-type": "quorum"})
    channel.basic_publish("", name, b"x", pika.BasicProperties(headers={"mine": 1}))
    counts = []
    for _ in range(3):
        method, properties, _ = wait_get(channel, name)
        counts.append(properties.headers.get("x-delivery-count", 0))
        channel.basic_nack(method.delivery_tag, requeue=True)

    assert counts == [0, 1, 2]
    channel.queue_delete(name)


def test_past_its_delivery_limit_a_quorum_queue_dead_letters(channel, name):
    dead = f"{name}.dead"
    channel.queue_declare(dead)
    options = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead}
    channel.queue_declare(name, durable=True, arguments={"x-queue-type": "quorum", "x-delivery-limit": 1, **options})
    channel.basic_publish("", name, b"x")
    for _ in range(2):
        method, _, _ = wait_get(channel, name)
        channel.basic_nack(method.delivery_tag, requeue=True)

    _, properties, _ = get(channel, dead)

    assert properties.headers["x-death"][0]["reason"] == "delivery_limit"
    channel.queue_delete(name)


def test_a_quorum_queue_must_be_durable(channel, name):
    options = {"x-queue-type": "quorum"}

    assert refusal(lambda: channel.queue_declare(name, arguments=options), channel).reply_code == 406


def test_a_wrong_password_is_refused(broker_url, connect):
    with pytest.raises(ProbableAuthenticationError, match="ACCESS_REFUSED"):
        connect(credentials=pika.PlainCredentials(pika.URLParameters(broker_url).credentials.username, "wrong"))


def test_an_unknown_virtual_host_is_refused(connect):
    with pytest.raises((ProbableAccessDeniedError, ConnectionClosedByBroker), match="NOT_ALLOWED"):
        connect(virtual_host="nowhere")


def test_whoever_speaks_another_protocol_is_told_which_one_is_spoken(broker_url):
    parameters = pika.URLParameters(broker_url)
    with socket.create_connection((parameters.host, parameters.port), timeout=5) as line:
        line.sendall(b"GET / HTTP/1.1\r\n\r\n")

        assert line.recv(8) == b"AMQP\x00\x00\x09\x01"


def test_an_unknown_exchange_kind_ends_the_connection(channel, name):
    with pytest.raises((ConnectionClosedByBroker, AMQPConnectionError)) as ended:
        channel.exchange_declare(name, "magic")

    assert ended.value.reply_code == 503


def test_heartbeats_keep_a_silent_connection(connect, channel, name):
    channel.queue_declare(name)
    connection = connect(heartbeat=1)
    beating = connection.channel()

    ends = time.monotonic() + 3.5
    while time.monotonic() < ends:
        connection.process_data_events(time_limit=0.2)

    assert beating.queue_declare(name, passive=True).method.queue == name


def test_a_client_without_heartbeats_is_taken_for_dead(connect, channel, name):
    channel.queue_declare(name)
    channel.basic_publish("", name, b"x")
    dead = connect(heartbeat=1).channel()
    dead.basic_get(name)

    assert get(channel, name)[2] == b"x"


def test_many_threads_publish_and_consume_and_nothing_is_lost_or_doubled(connect, channel, name):
    channel.queue_declare(name, durable=True)
    connections = [connect() for _ in range(4)]

    def publish(who, connection):
        publishing = connection.channel()
        publishing.confirm_delivery()
        for number in range(50):
            publishing.basic_publish("", name, f"{who}-{number}".encode(), mandatory=True)

    threads = [threading.Thread(target=publish, args=pair) for pair in enumerate(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    got = [get(channel, name)[2].decode() for _ in range(200)]
    assert sorted(got) == sorted(f"{who}-{number}" for who in range(4) for number in range(50))
    assert depth(channel, name) == 0
