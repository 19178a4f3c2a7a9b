"""A burst of messages at a service that has room for twenty: one run each, and no more memory than before."""

import json
import os
import sqlite3
import time

import pika
import pytest
from servers.drawbar import Serving
from servers.process import folder

CONFIG = """\
adapters:
  broker: { kind: amqp, url: "${env:BROKER}", consume: { in: { queue: burst.in, prefetch: 20 } } }
workflows:
  take:
    triggers: [ { adapter: broker, consume: in, input: "${{ message.body }}" } ]
    tasks: { wait: { wait_s: 0 } }
"""
GROWTH_KB = 30_000


def rows(at, query):
    with sqlite3.connect(f"file:{at}/drawbar.db?mode=ro", uri=True, timeout=30) as conn:
        return conn.execute(query).fetchone()


@pytest.mark.parametrize("count", [1000, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
def test_a_burst_of_messages_makes_one_run_each_without_growing(vhost, count):
    at = folder("burst")
    environ = {**os.environ, "BROKER": vhost}
    with pika.BlockingConnection(pika.URLParameters(vhost)) as connection:
        channel = connection.channel()
        channel.queue_declare("burst.in", durable=True)
        channel.confirm_delivery()

        def publish(first, last):
            for number in range(first, last):
                body = json.dumps({"n": number, "text": "x" * 1000})
                channel.basic_publish("", "burst.in", body, pika.BasicProperties(message_id=f"m{number}"))

        def taken(many, served):
            peak = 0
            until = time.monotonic() + 60 + many / 20
            while rows(at, "select count(*) from runs where state = 'succeeded'")[0] < many:
                assert time.monotonic() < until, rows(at, "select count(*) from runs")
                peak = max(peak, served.memory_kb())
                connection.process_data_events(0.1)
            return max(peak, served.memory_kb())

        with Serving(CONFIG, at=at, environ=environ) as served:
            publish(0, 200)
            before = taken(200, served)
            publish(200, count)
            peak = taken(count, served)
        left = channel.queue_declare("burst.in", durable=True, passive=True).method.message_count

    assert rows(at, "select count(*), count(distinct json_extract(input, '$.n')) from runs") == (count, count)
    assert left == 0
    assert peak - before < GROWTH_KB, (before, peak)
