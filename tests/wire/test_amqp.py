"""The AMQP adapter on RabbitMQ: what leaves, what comes, and what each failure is called."""

from __future__ import annotations

import contextlib
import threading
import time
from decimal import Decimal
from functools import partial

import pika
import pytest
from pydantic import ValidationError
from queues import opening, run
from waiting import eventually

from drawbar.adapters.amqp import AmqpAdapter
from drawbar.connectors import amqp_consumer
from drawbar.core.errors import ConfigError, InputError, OutcomeUnknown, Rejected, Unavailable
from drawbar.core.tool import Call

DEAD = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}


@pytest.fixture
def channel(vhost):
    connection = pika.BlockingConnection(pika.URLParameters(vhost))
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare("in", durable=True, arguments=DEAD)
    channel.queue_declare("out", durable=True)
    channel.queue_declare("dead", durable=True)
    channel.exchange_declare("erp", "topic", durable=True)
    channel.queue_bind("out", "erp", "order.*")
    yield channel
    if connection.is_open:
        connection.close()


@pytest.fixture
def open_adapter(tmp_path):
    publish = {
        "billed": {"exchange": "erp", "routing_key": "order.${{ arguments.body.plant }}"},
        "direct": {"routing_key": "out"},
    }
    with opening(tmp_path) as opened:
        yield partial(opened, publish=publish, consume={"incoming": {"queue": "in"}})


@pytest.fixture
def adapter(open_adapter, vhost, channel):
    return open_adapter(vhost)


def put(channel, body, queue="in", **properties):
    channel.basic_publish("", queue, body, pika.BasicProperties(delivery_mode=2, **properties), mandatory=True)


def get(channel, queue, within_s=60):
    return eventually(lambda: channel.basic_get(queue, auto_ack=True), lambda got: got[0], within_s)


def depth(channel, queue):
    return channel.queue_declare(queue, passive=True).method.message_count


class Started:
    """A trigger on its thread, and the runs that it started."""

    def __init__(self, adapter, start=None):
        self.seen = []
        self._start = start or (lambda occurrence: None)
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=adapter.trigger({"consume": "incoming"}, name="bill_order").run, args=(self._take, self._stop)
        )

    def _take(self, occurrence):
        self.seen.append(occurrence)
        self._start(occurrence)

    @property
    def bodies(self):
        return [one.env["message"]["body"] for one in self.seen]

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._stop.set()
        self._thread.join(60)
        assert not self._thread.is_alive()


def test_a_published_message_is_in_the_queue_with_its_properties(adapter, channel):
    answer = run(
        adapter,
        "publish_billed",
        body={"order": 7, "plant": "M", "amount": Decimal("10.00")},
        headers={"a": 1},
        correlation_id="c",
    )

    method, properties, body = get(channel, "out")
    assert body == b'{"order":7,"plant":"M","amount":"10.00"}'
    assert (method.exchange, method.routing_key) == ("erp", "order.M")
    assert (properties.content_type, properties.delivery_mode) == ("application/json", 2)
    assert (properties.message_id, properties.correlation_id, properties.headers) == (
        answer["message_id"],
        "c",
        {"a": 1},
    )


def test_the_message_id_of_a_repeated_call_is_the_same(adapter, channel):
    tool = next(one for one in adapter.tools() if one.name == "publish_direct")
    call = Call("call-1", "test", time.monotonic() + 5)

    assert [tool.run({"body": 1}, call), tool.run({"body": 1}, call)] == [{"message_id": "call-1"}] * 2
    assert call.notes["routing_key"] == "out"


def test_a_message_that_no_queue_takes_is_rejected(adapter):
    with pytest.raises(Rejected, match=r"no queue takes it: exchange 'erp' with routing key 'order\.M\.x'"):
        run(adapter, "publish_billed", body={"plant": "M.x"})


def test_a_message_that_need_not_be_taken_is_not_rejected(open_adapter, vhost, channel):
    adapter = open_adapter(
        vhost, publish={"event": {"exchange": "erp", "routing_key": "nobody.listens", "mandatory": False}}
    )

    assert run(adapter, "publish_event", body={})["message_id"]


def test_an_unknown_exchange_is_rejected_and_the_next_message_goes_out(open_adapter, vhost, channel):
    adapter = open_adapter(
        vhost, publish={"lost": {"exchange": "nowhere", "routing_key": "x"}, "direct": {"routing_key": "out"}}
    )

    for _ in range(2):
        with pytest.raises(Rejected, match="no exchange 'nowhere'"):
            run(adapter, "publish_lost", body={})
    assert run(adapter, "publish_direct", body={})


def test_a_full_queue_takes_it_later(open_adapter, vhost, channel):
    channel.queue_declare("full", arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    adapter = open_adapter(vhost, publish={"full": {"routing_key": "full"}})
    run(adapter, "publish_full", body=1)

    with pytest.raises(Unavailable, match="a queue of it is full"):
        run(adapter, "publish_full", body=2)
    channel.queue_purge("full")
    assert run(adapter, "publish_full", body=2)


def test_many_threads_publish_over_one_connection(adapter, channel, rabbitmq):
    def publish(who):
        for number in range(100):
            run(adapter, "publish_direct", body=f"{who}-{number}")

    threads = [threading.Thread(target=publish, args=(who,)) for who in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert depth(channel, "out") == 800


def test_a_lost_confirm_is_an_unknown_outcome(open_adapter, vhost, channel, proxy, rabbitmq):
    """The message is there, and nobody told us."""
    between = proxy(rabbitmq.port)
    adapter = open_adapter(vhost.replace(f":{rabbitmq.port}", f":{between.port}"))
    run(adapter, "publish_direct", body=1)

    between.stall("down")
    with pytest.raises(OutcomeUnknown, match="no confirm within 1 s"):
        run(adapter, "publish_direct", body=2, timeout_s=1)
    between.flow()

    assert [get(channel, "out")[2] for _ in range(2)] == [b"1", b"2"]


def test_a_line_that_is_cut_before_the_confirm_is_an_unknown_outcome(open_adapter, vhost, channel, proxy, rabbitmq):
    between = proxy(rabbitmq.port)
    adapter = open_adapter(vhost.replace(f":{rabbitmq.port}", f":{between.port}"))
    run(adapter, "publish_direct", body=1)
    between.stall("down")
    cutting = threading.Timer(0.5, between.drop)
    cutting.start()

    with pytest.raises(OutcomeUnknown, match="lost before the confirm"):
        run(adapter, "publish_direct", body=2)
    cutting.join()
    between.flow()

    assert run(adapter, "publish_direct", body=3)


def test_an_idle_connection_that_was_cut_is_opened_anew(open_adapter, vhost, channel, proxy, rabbitmq):
    between = proxy(rabbitmq.port)
    adapter = open_adapter(vhost.replace(f":{rabbitmq.port}", f":{between.port}"))
    run(adapter, "publish_direct", body=1)

    between.drop()
    time.sleep(0.3)
    run(adapter, "publish_direct", body=2)

    assert depth(channel, "out") == 2


def test_a_publisher_that_was_idle_for_many_heartbeats_still_publishes(open_adapter, vhost, channel, rabbitmq):
    adapter = open_adapter(vhost, heartbeat_s=1)
    run(adapter, "publish_direct", body=1)
    line = adapter._wire.publisher._line

    time.sleep(4)
    run(adapter, "publish_direct", body=2)

    assert adapter._wire.publisher._line is line


def test_a_closed_port_is_unavailable(open_adapter, vhost, rabbitmq, proxy, channel):
    between = proxy(rabbitmq.port)
    between.stop()
    adapter = open_adapter(vhost.replace(f":{rabbitmq.port}", f":{between.port}"))

    with pytest.raises(Unavailable, match="Connection refused"):
        run(adapter, "publish_direct", body=1)
    with pytest.raises(Unavailable, match="Connection refused"):
        run(adapter, "get_incoming")
    assert [(one.ok, "Connection refused" in one.found) for one in adapter.check()] == [(False, True)]


def test_a_host_that_never_answers_is_unavailable_in_time(open_adapter, vhost, rabbitmq, proxy, channel):
    between = proxy(rabbitmq.port)
    between.stall("down")
    adapter = open_adapter(vhost.replace(f":{rabbitmq.port}", f":{between.port}"), connect_timeout_s=1)
    began = time.monotonic()

    for name, arguments in (("publish_direct", {"body": 1}), ("get_incoming", {})):
        with pytest.raises(Unavailable):
            run(adapter, name, **arguments)

    assert time.monotonic() - began < 30


@pytest.mark.slow
def test_an_acknowledgement_without_an_answer_is_an_unknown_outcome(open_adapter, vhost, channel, proxy, rabbitmq):
    between = proxy(rabbitmq.port)
    adapter = open_adapter(vhost.replace(f":{rabbitmq.port}", f":{between.port}"))
    put(channel, b"{}", message_id="m-1")
    tool = next(one for one in adapter.tools() if one.name == "get_incoming")
    call = Call("c", "test", time.monotonic() + 3, leaving=lambda: between.stall("down"))
    began = time.monotonic()

    with pytest.raises(OutcomeUnknown, match="acknowledgement"):
        tool.run({}, call)

    assert time.monotonic() - began < 15


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda url: url.replace("drawbar:drawbar@", "drawbar:wrong-secret@"), "refused the login"),
        (lambda url: url.rsplit("/", 1)[0] + "/nowhere", "refused the virtual host"),
        (lambda url: url + "?heartbeat=7", "takes no options"),
    ],
)
def test_what_a_person_must_change_is_a_configuration_error(open_adapter, vhost, channel, change, said):
    adapter = open_adapter(change(vhost))

    for name, arguments in (("publish_direct", {"body": 1}), ("get_incoming", {})):
        with pytest.raises(ConfigError, match=said) as raised:
            run(adapter, name, **arguments)
        assert "wrong-secret" not in f"{raised.value.as_json()} {raised.value!r}"
    assert [one.ok for one in adapter.check()] == [False]


def test_a_port_that_speaks_no_amqp_is_told_so(open_adapter, postgres):
    adapter = open_adapter(f"amqp://a:b@127.0.0.1:{postgres.port}/")

    with pytest.raises((ConfigError, Unavailable)):
        run(adapter, "publish_direct", body=1)


@pytest.mark.parametrize("verb", ["publish_direct", "get_incoming"])
def test_a_line_that_is_lost_while_it_is_made_is_no_mistake_of_the_configuration(
    open_adapter, vhost, rabbitmq, proxy, verb
):
    """The chaos run found it: pika takes a line lost in the login for a wrong password, and runs failed for good."""
    between = proxy(rabbitmq.port)
    for after_bytes in (0, 8, 100, 400, *range(480, 580, 4)):
        adapter = open_adapter(vhost.replace(str(rabbitmq.port), str(between.port)))
        between.cut(after_bytes)

        with contextlib.suppress(Unavailable, OutcomeUnknown):
            run(adapter, verb, **({"body": 1} if verb == "publish_direct" else {}))
        adapter.close()


def test_tls_to_a_port_without_tls_is_an_error(open_adapter, vhost, channel):
    adapter = open_adapter(vhost.replace("amqp://", "amqps://"))

    with pytest.raises((ConfigError, Unavailable)):
        run(adapter, "publish_direct", body=1)


def test_check_names_what_is_there_and_what_is_missing(open_adapter, vhost, channel):
    put(channel, b"{}")
    consume = {"incoming": {"queue": "in"}, "other": {"queue": "missing"}}
    adapter = open_adapter(vhost, consume=consume)

    found = {one.what: (one.ok, one.found) for one in adapter.check()}

    assert found["connect"][0] and found["exchange erp"] == (True, "is there")
    assert found["queue in"] == (True, "1 messages wait")
    assert found["queue missing"][0] is False and "no queue 'missing'" in found["queue missing"][1]


def test_a_got_message_is_ours_until_it_is_settled(adapter, channel):
    put(channel, b'{"order": 7, "amount": 10.10}', message_id="m-1", headers={"a": 1})

    got = run(adapter, "get_incoming")

    assert got["message"]["body"] == {"order": 7, "amount": Decimal("10.10")}
    assert (got["message"]["id"], got["message"]["headers"], got["message"]["routing_key"]) == ("m-1", {"a": 1}, "in")
    assert run(adapter, "get_incoming") == {"message": None, "claim": None}
    assert run(adapter, "settle_incoming", claim=got["claim"], outcome="done") == {
        "claim": got["claim"],
        "outcome": "done",
    }
    assert run(adapter, "settle_incoming", claim=got["claim"], outcome="done")["outcome"] == "done"
    with pytest.raises(Rejected, match="settled as 'done' before"):
        run(adapter, "settle_incoming", claim=got["claim"], outcome="again")
    assert depth(channel, "in") == 0


def test_a_got_message_can_go_back(adapter, channel):
    put(channel, b"{}", message_id="m-1", headers={"a": 1}, type="order")
    claim = run(adapter, "get_incoming")["claim"]

    run(adapter, "settle_incoming", claim=claim, outcome="again")

    _, properties, body = get(channel, "in")
    assert (body, properties.message_id, properties.headers, properties.type) == (b"{}", "m-1", {"a": 1}, "order")


def test_a_got_message_can_be_dead_lettered(open_adapter, vhost, channel):
    adapter = open_adapter(vhost, consume={"incoming": {"queue": "in", "dead_letter": {"routing_key": "dead"}}})
    put(channel, b"no json", message_id="m-1")

    got = run(adapter, "get_incoming")
    run(adapter, "settle_incoming", claim=got["claim"], outcome="dead")

    assert (got["message"]["body"], got["message"]["raw"]) == (None, b"no json")
    assert "not JSON" in got["message"]["problem"]
    _, properties, body = get(channel, "dead")
    assert (body, properties.headers["x-drawbar-reason"]) == (b"no json", "settled as dead")


@pytest.mark.parametrize("claim", ["0" * 32, "../../etc/passwd", ""])
def test_an_unknown_claim_is_not_found(adapter, claim):
    with pytest.raises(InputError, match="no claim"):
        run(adapter, "settle_incoming", claim=claim, outcome="done")


def test_a_message_starts_a_run_and_is_acknowledged(adapter, channel):
    put(channel, b'{"order": 7}', message_id="m-1", headers={"a": 1})

    with Started(adapter) as trigger:
        eventually(lambda: trigger.seen)
        eventually(lambda: depth(channel, "in") == 0)

    message = trigger.seen[0].env["message"]
    assert trigger.seen[0].id == "bill_order:in:m-1"
    assert (message["body"], message["headers"], message["id"], message["redelivered"]) == (
        {"order": 7},
        {"a": 1},
        "m-1",
        False,
    )
    assert depth(channel, "in") == 0


def test_work_longer_than_many_heartbeats_keeps_the_connection(open_adapter, vhost, channel):
    adapter = open_adapter(vhost, heartbeat_s=1)
    for number in range(2):
        put(channel, f'{{"order": {number}}}'.encode())

    with Started(adapter, lambda _: time.sleep(3)) as trigger:
        eventually(lambda: len(trigger.seen) == 2)
        time.sleep(3.5)

    assert [body["order"] for body in trigger.bodies] == [0, 1]
    assert depth(channel, "in") == 0


def test_a_message_that_is_no_json_is_dead_lettered_at_once_and_kept(adapter, channel, tmp_path):
    put(channel, b"not { json", message_id="m-1")
    put(channel, b'{"order": 8}')

    with Started(adapter) as trigger:
        eventually(lambda: trigger.bodies == [{"order": 8}])
        _, properties, body = get(channel, "dead")

    assert (body, properties.headers["x-death"][0]["reason"]) == (b"not { json", "rejected")
    assert len([*(tmp_path / "state").rglob("parked/*.json")]) == 1


def test_a_dead_letter_says_its_reason_where_the_configuration_sends_it(open_adapter, vhost, channel, tmp_path):
    adapter = open_adapter(
        vhost, consume={"incoming": {"queue": "in", "dead_letter": {"exchange": "", "routing_key": "dead"}}}
    )
    put(channel, b"not { json", message_id="m-1", headers={"a": 1})

    with Started(adapter):
        _, properties, body = get(channel, "dead")
        eventually(lambda: depth(channel, "in") == 0)

    assert (body, properties.message_id, properties.headers["a"]) == (b"not { json", "m-1", 1)
    assert "is not JSON" in properties.headers["x-drawbar-reason"]
    assert properties.headers["x-drawbar-queue"] == "in"
    assert [*(tmp_path / "state").rglob("parked/*")] == []


def test_a_message_that_can_start_no_run_is_dead_lettered(adapter, channel):
    def refuse(occurrence):
        raise InputError("order is missing")

    put(channel, b"{}")
    with Started(adapter, refuse) as trigger:
        assert get(channel, "dead")[2] == b"{}"

    assert len(trigger.seen) == 1


def test_a_message_that_fails_each_time_is_dead_lettered_after_its_attempts(open_adapter, vhost, channel):
    def fail(occurrence):
        raise Rejected("no")

    adapter = open_adapter(vhost, consume={"incoming": {"queue": "in", "max_attempts": 3}})
    put(channel, b"{}", message_id="m-1")
    with Started(adapter, fail) as trigger:
        assert get(channel, "dead")[2] == b"{}"

    assert len(trigger.seen) == 3


def test_while_nothing_can_start_a_message_is_held_and_then_starts(adapter, channel):
    tries, started = [], []

    def away(occurrence):
        tries.append(occurrence)
        if len(tries) < 5:
            raise Unavailable("the journal is away")
        started.append(occurrence)

    put(channel, b"{}", message_id="m-1")
    with Started(adapter, away) as trigger:
        eventually(lambda: started)
        time.sleep(0.2)

    assert {one.id for one in trigger.seen} == {"bill_order:in:m-1"}
    assert depth(channel, "in") == depth(channel, "dead") == 0


def test_a_message_that_kills_its_worker_again_and_again_is_dead_lettered(open_adapter, vhost, channel):
    """It is counted when it begins, since nobody lives to count it later; so also on a classic queue."""

    class Killed(BaseException):
        """Nothing of the worker is run after this."""

    def die(occurrence):
        raise Killed

    adapter = open_adapter(vhost, consume={"incoming": {"queue": "in", "max_attempts": 3}})
    put(channel, b"{}", message_id="m-1")
    deaths = 0
    for _ in range(4):
        eventually(lambda: depth(channel, "in") == 1)
        with contextlib.suppress(Killed):
            adapter.trigger({"consume": "incoming"}, name="t").run(die, threading.Event())
        deaths += 1

    with Started(adapter) as trigger:
        assert get(channel, "dead")[2] == b"{}"

    assert (trigger.seen, deaths) == ([], 4)


def test_lines_that_are_lost_are_no_attempts_of_a_message(open_adapter, vhost, channel):
    """A quorum queue counts every delivery; a message that only waited here has not failed."""
    channel.queue_declare("quorum", durable=True, arguments={"x-queue-type": "quorum", **DEAD})
    put(channel, b"{}", queue="quorum", message_id="m-1")
    for _ in range(5):
        method, _, _ = eventually(lambda: channel.basic_get("quorum"), lambda got: got[0])
        channel.basic_nack(method.delivery_tag, requeue=True)
    adapter = open_adapter(vhost, consume={"incoming": {"queue": "quorum", "max_attempts": 2}})

    with Started(adapter) as trigger:
        eventually(lambda: trigger.seen)
        eventually(lambda: depth(channel, "quorum") == 0)

    assert depth(channel, "dead") == 0


def test_a_trigger_that_stops_leaves_what_it_did_not_start(adapter, channel):
    def never(occurrence):
        raise Unavailable("away")

    for _ in range(3):
        put(channel, b"{}")
    with Started(adapter, never) as trigger:
        eventually(lambda: trigger.seen)

    eventually(lambda: depth(channel, "in") == 3)


def test_a_trigger_waits_for_its_queue_and_comes_back_when_it_is_deleted(open_adapter, vhost, channel):
    adapter = open_adapter(vhost, consume={"incoming": {"queue": "late"}})

    with Started(adapter) as trigger:
        time.sleep(1)
        for round_ in (1, 2):
            channel.queue_declare("late")
            put(channel, b"{}", queue="late")
            eventually(lambda round_=round_: len(trigger.seen) == round_)
            channel.queue_delete("late")

    assert len(trigger.seen) == 2


def test_a_trigger_comes_back_when_the_broker_cuts_it(adapter, channel, rabbitmq, open_adapter, vhost, proxy):
    between = proxy(rabbitmq.port)
    adapter = open_adapter(vhost.replace(f":{rabbitmq.port}", f":{between.port}"))
    with Started(adapter) as trigger:
        for round_ in range(3):
            put(channel, f'{{"n": {round_}}}'.encode(), message_id=f"m-{round_}")
            eventually(lambda round_=round_: len(trigger.seen) > round_)
            time.sleep(0.2)
            between.drop()

    assert [body["n"] for body in trigger.bodies] == [0, 1, 2]


def test_the_same_message_delivered_again_has_the_same_identity(adapter, channel):
    put(channel, b"{}", message_id="m-1")
    put(channel, b"{}", message_id="m-1")
    put(channel, b"{}")
    put(channel, b"{}")

    with Started(adapter) as trigger:
        eventually(lambda: len(trigger.seen) == 4)

    ids = [one.id for one in trigger.seen]
    assert ids[0] == ids[1] == "bill_order:in:m-1"
    assert len({*ids}) == 3


def drain(adapter, rows=10, committed=lambda portion: True):
    loaded, rejects = [], []
    source = adapter.source({"consume": "incoming"}, sync="load")
    for portion in source.portions(None, batch_rows=rows):
        for batch in portion.batches(rows):
            loaded += batch.rows
            rejects += batch.rejects
        if committed(portion):
            portion.finished()
        else:
            portion.failed(Rejected("no"), rejects)
            break
    source.close()
    return loaded, rejects


def test_a_sync_drains_a_queue_in_portions(adapter, channel):
    for number in range(25):
        put(channel, f'{{"n": {number}}}'.encode(), message_id=f"m-{number}")
    source = adapter.source({"consume": "incoming"}, sync="load")

    assert source.total(None) == 25
    loaded, rejects = drain(adapter)

    assert ([row["n"] for row in loaded], rejects) == ([*range(25)], [])
    assert depth(channel, "in") == 0
    assert drain(adapter) == ([], [])


def test_a_drain_goes_on_when_the_broker_gives_nothing_for_a_while(adapter, channel, monkeypatch):
    """A broker that pages a long queue in from its disk is silent for longer than the drain waits for one message."""
    for number in range(25):
        put(channel, f'{{"n": {number}}}'.encode())
    silences = iter([True, True])
    take = amqp_consumer.Consumer.take
    monkeypatch.setattr(amqp_consumer.Consumer, "take", lambda *given: [] if next(silences, False) else take(*given))

    loaded, _ = drain(adapter)

    assert [row["n"] for row in loaded] == [*range(25)]


def test_messages_of_a_portion_that_was_not_committed_come_again(adapter, channel):
    for number in range(5):
        put(channel, f'{{"n": {number}}}'.encode())

    drain(adapter, committed=lambda portion: False)

    eventually(lambda: depth(channel, "in") == 5)
    assert [row["n"] for row in drain(adapter)[0]] == [*range(5)]


def test_messages_that_are_no_rows_are_rejects_with_their_bytes(adapter, channel):
    for body in (b'{"n": 1}', b"no json", b"[1]", b'{"n": 4}'):
        put(channel, body)

    loaded, rejects = drain(adapter)

    assert [row["n"] for row in loaded] == [1, 4]
    assert [(one.record_no, one.raw) for one in rejects] == [(2, b"no json"), (3, b"[1]")]
    assert depth(channel, "in") == 0


def test_a_portion_whose_line_was_cut_is_not_acknowledged(open_adapter, vhost, channel, rabbitmq, proxy):
    between = proxy(rabbitmq.port)
    adapter = open_adapter(vhost.replace(f":{rabbitmq.port}", f":{between.port}"))
    put(channel, b'{"n": 1}', message_id="m-1")
    ids = []

    def cut(portion):
        ids.append(portion.id)
        between.drop()
        time.sleep(0.3)
        return True

    with pytest.raises(Unavailable, match="lost before the acknowledgement"):
        drain(adapter, committed=cut)
    eventually(lambda: depth(channel, "in") == 1)

    loaded, _ = drain(adapter, committed=lambda portion: ids.append(portion.id) or True)
    assert (loaded, ids[0] == ids[1]) == ([{"n": 1}], True)


def test_a_sync_of_a_missing_queue_is_rejected(open_adapter, vhost, channel):
    adapter = open_adapter(vhost, consume={"incoming": {"queue": "missing"}})

    with pytest.raises(Rejected, match="no queue 'missing'"):
        drain(adapter)


def test_text_and_bytes_are_bodies_too(open_adapter, vhost, channel):
    publish = {
        "text": {"routing_key": "out", "content_type": "text/plain; charset=iso-8859-1"},
        "bytes": {"routing_key": "out", "content_type": "application/octet-stream"},
    }
    adapter = open_adapter(vhost, publish=publish)
    run(adapter, "publish_text", body="Größe")
    run(adapter, "publish_bytes", body="AP8=")

    assert [get(channel, "out")[2] for _ in range(2)] == ["Größe".encode("iso-8859-1"), b"\x00\xff"]
    with pytest.raises(InputError, match="base64"):
        run(adapter, "publish_bytes", body="?")


def test_a_schema_file_describes_the_body(open_adapter, vhost, tmp_path):
    (tmp_path / "order.json").write_text(
        '{"$schema": "x", "$defs": {"n": {"type": "integer"}}, "type": "object", "properties": {"n": {"$ref": "#/$defs/n"}}}'
    )
    adapter = open_adapter(vhost, publish={"order": {"routing_key": "out", "schema": "./order.json"}})

    body = next(iter(adapter.tools())).input_schema["properties"]["body"]

    assert body["properties"]["n"] == {"$ref": "#/properties/body/$defs/n"}
    broken = open_adapter(vhost, publish={"order": {"routing_key": "out", "schema": "./missing.json"}})
    with pytest.raises(ConfigError, match=r"missing\.json"):
        list(broken.tools())


def test_a_preview_shows_the_message_and_sends_nothing(adapter, channel):
    tool = next(one for one in adapter.tools() if one.name == "publish_billed")

    shown = tool.preview({"body": {"plant": "M"}})

    assert (shown["exchange"], shown["routing_key"], shown["body"]) == ("erp", "order.M", '{"plant":"M"}')
    assert depth(channel, "out") == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"publish": {"a": {"routing_key": "q", "expiration": 5}}}, "expiration: is written expiration_s here"),
        ({"request": {"a": {"routing_key": "q", "timeout_s": 5}}}, "timeout_s: is said of the tool"),
        ({"publish": {"a": {"routing_key": "q", "priority": 300}}}, "less than or equal to 255"),
        ({"hosts": ["amqp://b"]}, "should match pattern"),
        ({"hosts": ["b:70000"]}, "has no port that there is"),
        ({"consume": {"a": {"queue": "q", "on_poison": "hold_group"}}}, "needs group:, which says what is held"),
        ({"consume": {"a": {"queue": "q", "on_poison": "stop"}}}, "Input should be 'continue' or 'hold_group'"),
        ({"consume": {"a": {"queue": "q", "group": "${{ row.a }}"}}}, "'row' is not seen here"),
        ({"consume": {"a": {"queue": "q", "settle": "never"}}}, "Input should be 'accepted' or 'finished'"),
        ({"consume": {"a": {"queue": "q", "declare": {"type": "stream"}}}}, "Input should be 'quorum' or 'classic'"),
        ({"consume": {"a": {"queue": "q", "prefetsch": 1}}}, "Extra inputs are not permitted"),
        ({"consume": {"a b": {"queue": "q"}}}, "should match pattern"),
        ({"publish": {"a": {"routing_key": "${{ message.id }}"}}}, "'message' is not seen here"),
        ({"url": "http://127.0.0.1"}, "begins with amqp:// or amqps://"),
        ({"tls": {"ca_file": "ca.pem"}}, "tls: is for amqps://"),
    ],
)
def test_a_wrong_configuration_is_refused_with_a_sentence(change, said):
    with pytest.raises(ValidationError) as refused:
        AmqpAdapter.Config.model_validate({"kind": "amqp", "url": "amqp://u:geheim@h/", **change})

    assert said in str(refused.value)


def test_the_configuration_names_its_tools_and_endpoints():
    config = AmqpAdapter.Config.model_validate(
        {
            "kind": "amqp",
            "url": "amqp://u:geheim@h/",
            "publish": {"billed": {"routing_key": "q"}},
            "request": {"price": {"routing_key": "q"}},
            "consume": {"incoming": {"queue": "q"}},
        }
    )

    assert AmqpAdapter.tool_names(config) == {
        *("publish_billed", "request_price"),
        *("get_incoming", "settle_incoming", "browse_incoming"),
    }
    assert AmqpAdapter.endpoints(config) == {"consume": {"incoming"}, "publish": {"billed"}}
    assert "geheim" not in repr(config)


def test_the_next_broker_of_a_cluster_is_asked_when_one_cannot_be_reached(
    open_adapter, vhost, channel, rabbitmq, proxy
):
    """Who publishes and who consumes go on at the other one; nothing that has left is sent again by itself."""
    # Given
    one, other = proxy(rabbitmq.port), proxy(rabbitmq.port)
    adapter = open_adapter(vhost.replace(f":{rabbitmq.port}", f":{one.port}"), hosts=[f"127.0.0.1:{other.port}"])
    run(adapter, "publish_billed", body={"plant": "M"})

    # When
    one.refuse()
    one.drop()
    for _ in range(3):
        with contextlib.suppress(Unavailable, OutcomeUnknown):
            run(adapter, "publish_billed", body={"plant": "M"})
    put(channel, b"{}")
    taken = run(adapter, "get_incoming")

    # Then
    assert depth(channel, "out") >= 2
    assert taken["claim"]
    assert other.connections >= 2
    assert next(finding.ok for finding in adapter.check()) is True
