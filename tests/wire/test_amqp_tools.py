"""Requests and their answers, browsing, properties, and what is declared, on RabbitMQ."""

from __future__ import annotations

import threading
import time
from contextlib import closing, suppress

import pika
import pytest
from queues import opening, run

from drawbar.core.errors import ConfigError, OutcomeUnknown, Rejected


@pytest.fixture
def channel(vhost):
    with closing(pika.BlockingConnection(pika.URLParameters(vhost))) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare("in", durable=True)
        channel.queue_declare("prices", durable=True)
        yield channel


@pytest.fixture
def open_adapter(tmp_path, vhost):
    with opening(tmp_path) as opened:
        yield lambda url=vhost, **config: opened(url, **config)


class Answering:
    """A service that answers what comes to a queue, as `answer` says; None answers nothing."""

    def __init__(self, url, queue, answer):
        self.seen = []
        self._url, self._queue, self._answer = url, queue, answer
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        with closing(pika.BlockingConnection(pika.URLParameters(self._url))) as connection:
            channel = connection.channel()
            channel.basic_consume(self._queue, self._take, auto_ack=True)
            while not self._stop.is_set():
                connection.process_data_events(0.05)

    def _take(self, channel, method, properties, body):
        self.seen.append((properties, body))
        if (said := self._answer(body)) is not None:
            answered = pika.BasicProperties(
                correlation_id=properties.correlation_id, content_type="application/json", headers={"rc": 0}
            )
            channel.basic_publish("", properties.reply_to, said, answered)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._stop.set()
        self._thread.join(60)


@pytest.mark.parametrize("reply", ["direct", "exclusive"])
def test_a_request_gives_its_answer(open_adapter, vhost, channel, reply):
    adapter = open_adapter(request={"price": {"routing_key": "prices", "reply": {"queue": reply}}})

    with Answering(vhost, "prices", lambda body: b'{"eur": "1.50", "of": %s}' % body) as service:
        answers = [run(adapter, "request_price", body=number) for number in range(3)]

    assert [one["message"]["body"] for one in answers] == [{"eur": "1.50", "of": number} for number in range(3)]
    assert answers[0]["message"]["headers"] == {"rc": 0}
    properties, _ = service.seen[0]
    assert properties.message_id == answers[0]["message_id"]
    assert 0 < int(properties.expiration) <= 20_000  # who asked gives up then


def test_answers_find_the_calls_that_wait_for_them(open_adapter, vhost, channel):
    adapter = open_adapter(request={"price": {"routing_key": "prices"}})
    found = {}

    with Answering(vhost, "prices", lambda body: body):
        threads = [
            threading.Thread(target=lambda n=n: found.update({n: run(adapter, "request_price", body={"n": n})}))
            for n in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

    assert {n: one["message"]["body"] for n, one in found.items()} == {n: {"n": n} for n in range(20)}


def test_a_request_without_an_answer_is_an_unknown_outcome_and_a_late_answer_is_nobodys(open_adapter, vhost, channel):
    adapter = open_adapter(request={"price": {"routing_key": "prices"}})

    late = threading.Event()

    def slow(body):
        if body == b"1":
            late.wait(60)
        return body

    with Answering(vhost, "prices", slow) as service:
        with pytest.raises(OutcomeUnknown, match=r"no answer within [01]\b"):
            run(adapter, "request_price", timeout_s=1.2, body=1)
        late.set()
        assert run(adapter, "request_price", body=2)["message"]["body"] == 2

    assert [body for _, body in service.seen] == [b"1", b"2"]


def test_a_request_that_nobody_can_take_is_rejected(open_adapter, channel):
    adapter = open_adapter(
        request={"price": {"routing_key": "nowhere"}, "lost": {"exchange": "nowhere", "routing_key": "x"}}
    )

    with pytest.raises(Rejected, match="no queue takes it"):
        run(adapter, "request_price", body=1)
    with pytest.raises(Rejected, match="no exchange 'nowhere'"):
        run(adapter, "request_lost", body=1)


def test_a_line_that_is_cut_while_a_request_waits_leaves_its_outcome_open(
    open_adapter, vhost, channel, proxy, rabbitmq
):
    between = proxy(rabbitmq.port)
    adapter = open_adapter(
        vhost.replace(f":{rabbitmq.port}", f":{between.port}"), request={"price": {"routing_key": "prices"}}
    )
    cutting = threading.Timer(0.5, between.drop)
    cutting.start()

    with pytest.raises(OutcomeUnknown, match="no answer came"):
        run(adapter, "request_price", body=1)
    cutting.join()

    with Answering(vhost, "prices", lambda body: body):
        assert run(adapter, "request_price", body=3)["message"]["body"] == 3


def test_an_answer_that_cannot_be_read_is_given_with_its_bytes(open_adapter, vhost, channel):
    adapter = open_adapter(request={"price": {"routing_key": "prices"}})

    with Answering(vhost, "prices", lambda body: b"no { json"):
        message = run(adapter, "request_price", body=1)["message"]

    assert (message["body"], message["raw"]) == (None, b"no { json")
    assert "not JSON" in message["problem"]


def test_browsing_shows_and_takes_nothing(open_adapter, channel):
    adapter = open_adapter(consume={"in": {"queue": "in"}})
    for number in range(5):
        channel.basic_publish("", "in", b'{"n": %d}' % number, pika.BasicProperties(message_id=f"m-{number}"))

    shown = run(adapter, "browse_in", limit=3)

    assert [one["body"]["n"] for one in shown["messages"]] == [0, 1, 2]
    assert shown["waiting"] == 5
    assert [run(adapter, "get_in")["message"]["id"] for _ in range(5)] == [f"m-{number}" for number in range(5)]
    assert run(adapter, "browse_in", limit=3) == {"messages": [], "waiting": 0}


def test_what_a_publication_says_stands_in_its_messages(open_adapter, channel):
    said = {
        "routing_key": "in",
        "type": "order.${{ arguments.body.kind }}",
        "correlation_id": "${{ arguments.body.id }}",
        "reply_to": "answers",
        "priority": 3,
        "expiration_s": 60,
        "headers": {"plant": "M"},
    }
    adapter = open_adapter(publish={"out": said})

    run(adapter, "publish_out", body={"kind": "new", "id": "4711"}, priority=5, expiration_s=0.5)

    _, properties, _ = channel.basic_get("in", auto_ack=True)
    assert (properties.type, properties.correlation_id, properties.reply_to) == ("order.new", "4711", "answers")
    assert (properties.priority, properties.expiration, properties.headers) == (5, "500", {"plant": "M"})


def test_what_expires_is_gone(open_adapter, channel):
    adapter = open_adapter(publish={"out": {"routing_key": "in", "expiration_s": 0.05}})

    run(adapter, "publish_out", body=1)
    time.sleep(0.3)

    assert channel.basic_get("in")[0] is None


DECLARED = {
    "declare": True,
    "publish": {"billed": {"exchange": "erp", "routing_key": "order.M"}},
    "consume": {
        "incoming": {
            "queue": "orders",
            "dead_letter": {"routing_key": "orders.dead"},
            "declare": {"bind": [{"exchange": "erp", "routing_key": "order.*"}], "arguments": {"x-max-length": 9}},
        }
    },
}


def test_what_is_declared_is_made(open_adapter, channel, rabbitmq, vhost):
    adapter = open_adapter(**DECLARED)

    run(adapter, "publish_billed", body=1)

    assert run(adapter, "get_incoming")["message"]["body"] == 1
    made = rabbitmq.api("GET", f"queues/{vhost.rpartition('/')[2]}/orders")
    assert (made["durable"], made["arguments"]) == (
        True,
        {
            "x-queue-type": "quorum",
            "x-max-length": 9,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": "orders.dead",
        },
    )
    assert all(one.ok for one in adapter.check())


def test_what_was_deleted_is_made_again(open_adapter, channel):
    adapter = open_adapter(**DECLARED)
    run(adapter, "publish_billed", body=1)
    channel.exchange_delete("erp")
    channel.queue_delete("orders")

    for _ in range(3):
        with suppress(Rejected):
            run(adapter, "publish_billed", body=2)

    assert run(adapter, "get_incoming")["message"]["body"] == 2


def test_what_is_there_and_does_not_fit_is_said(open_adapter, channel):
    adapter = open_adapter(consume={"in": {"queue": "in", "declare": True}})

    with pytest.raises(ConfigError, match=r"the queue 'in' is there and has x-queue-type: none, which is declared as"):
        run(adapter, "get_in")
    assert [(one.what, one.ok, one.next) for one in adapter.check()][1:] == [
        ("declare", False, "declare it as it is, or remove declare")
    ]


def test_what_is_not_there_is_looked_for_and_named(open_adapter, channel):
    adapter = open_adapter(consume={"in": {"queue": "missing"}})

    finding = next(one for one in adapter.check() if one.what == "queue missing")

    assert (finding.ok, finding.next) == (False, "make it over there, or say declare: true")
