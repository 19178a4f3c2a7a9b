"""The AMQP adapter on a cluster whose nodes are killed: it goes on at the next one, and nothing is lost."""

from __future__ import annotations

import json
import threading
from contextlib import closing, suppress
from functools import partial

import pika
import pytest
from queues import opening, run
from servers.process import MissingServer
from servers.rabbitmq_cluster import RabbitMQCluster
from waiting import eventually

from drawbar.app import open_app
from drawbar.core.errors import OutcomeUnknown, Unavailable

pytestmark = pytest.mark.slow

SENT = 240
CONFIG = """
version: 1
adapters:
  events:
    kind: amqp
    url: {url}
    hosts: [{hosts}]
    connect_timeout_s: 3
    heartbeat_s: 2
    consume: {{ incoming: {{ queue: {queue}, declare: true, {more} }} }}
workflows:
  bill:
    triggers: [ {{ adapter: events, consume: incoming, input: "${{{{ message.body }}}}" }} ]
    tasks: {{ rest: {{ wait_s: 0.05 }} }}
"""


@pytest.fixture(scope="module")
def cluster():
    try:
        with RabbitMQCluster() as cluster:
            yield cluster
    except MissingServer as missing:
        pytest.skip(str(missing))


@pytest.fixture
def queue(cluster):
    return cluster.nodes[0].name("orders")


@pytest.fixture
def adapter(cluster, queue, tmp_path):
    with opening(tmp_path) as open_adapter:
        yield open_adapter(
            cluster.url,
            hosts=cluster.hosts,
            call_timeout_s=10,
            publish={"out": {"routing_key": queue}},
            consume={"in": {"queue": queue, "declare": True}},
        )


def connected(cluster, adapter):
    """Give the node to which the adapter's connections go."""
    place = next(iter(adapter.check())).found
    return next(node for node in cluster.nodes if place == f"127.0.0.1:{node.port}")


def sent(adapter, number):
    """Publish one message until it is confirmed, each time with the same id."""

    def tried():
        with suppress(Unavailable, OutcomeUnknown):
            return run(adapter, "publish_out", timeout_s=5, body={"n": number}, message_id=f"m-{number}")
        return None

    eventually(tried, within_s=90)


def unsettled(cluster, queue):
    """Count what is on a queue together with what was delivered and is not acknowledged yet."""
    rows = json.loads(cluster.nodes[0].control("list_queues", "name", "messages", "--formatter", "json"))
    return next(row["messages"] for row in rows if row["name"] == queue)


def ids_in(cluster, queue):
    """Empty a queue by way of any node that is up; give the ids of what was in it."""
    for node in cluster.nodes:
        with (
            suppress(pika.exceptions.AMQPError),
            closing(pika.BlockingConnection(pika.URLParameters(node.url))) as line,
        ):
            found, channel = [], line.channel()
            while (got := channel.basic_get(queue, auto_ack=True))[0] is not None:
                found.append(got[1].message_id)
            return found
    raise AssertionError("no node is up")


def test_what_is_published_while_nodes_are_killed_is_all_there(cluster, queue, adapter):
    first = connected(cluster, adapter)
    for number in range(SENT):
        sent(adapter, number)
        if number == SENT // 4:
            first.kill()
        if number == SENT // 2:
            second = connected(cluster, adapter)
            assert second is not first
            first.start()
            second.kill()
    second.start()

    assert {*ids_in(cluster, queue)} == {f"m-{number}" for number in range(SENT)}


def test_a_portion_that_a_killed_node_breaks_off_is_sent_again_under_its_ids(cluster, queue, adapter):
    rows = [{"n": number, "text": "x" * 1000} for number in range(20_000)]
    node = connected(cluster, adapter)
    killer = threading.Timer(0.3, node.kill)
    tries = []

    def send():
        with adapter.sink({"publish": "out"}, sync="s").writing(portion="p") as writing:
            writing.write(rows)
            if not tries:
                killer.start()
            tries.append(1)
            with suppress(Unavailable, OutcomeUnknown):
                writing.commit(portion="p", cursor=None)
                return True
        return False

    eventually(send, within_s=90)
    killer.join()
    node.start()

    found = []
    for portion in adapter.source({"consume": "in"}, sync="t").portions(None, batch_rows=5000):
        for batch in portion.batches(5000):
            found += [row["n"] for row in batch.rows]
        portion.finished()
    assert len(tries) > 1
    assert {*found} == {*range(20_000)}


def twenty_more(begun):
    had = len(begun())
    eventually(begun, lambda found: len(found) > had + 20, within_s=90)


@pytest.mark.parametrize("more", ["prefetch: 20", "settle: finished, prefetch: 20"])
def test_each_message_starts_one_run_while_nodes_are_killed(cluster, queue, adapter, tmp_path, more):
    hosts = ", ".join(f'"{host}"' for host in cluster.hosts)
    (tmp_path / "drawbar.yaml").write_text(CONFIG.format(url=cluster.url, hosts=hosts, queue=queue, more=more))
    run(adapter, "get_in")  # makes the queue
    enough, numbers = threading.Event(), []

    def publish():
        while not enough.wait(0.01):
            sent(adapter, len(numbers))
            numbers.append(len(numbers))

    with closing(open_app(tmp_path / "drawbar.yaml")) as app:
        events, begun = app.landscape.adapter("events"), partial(app.engine.runs, workflow="bill", limit=5000)
        app.begin(starts=True)
        sending = threading.Thread(target=publish)
        sending.start()
        for _ in range(2):
            twenty_more(begun)
            node = connected(cluster, events)
            node.kill()
            twenty_more(begun)
            node.start()
        enough.set()
        sending.join(60)

        eventually(begun, lambda found: sorted(one.input["n"] for one in found) == numbers, within_s=90)
        eventually(begun, lambda found: {one.state for one in found} == {"succeeded"}, within_s=90)
        eventually(partial(unsettled, cluster, queue), lambda found: found == 0, within_s=90)
        assert events.depths() == {queue: 0}
    assert ids_in(cluster, queue) == []
