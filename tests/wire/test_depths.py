"""How many messages wait at a broker, as /metrics says it: nobody waits for the answer."""

import time

import pika
import pytest

from drawbar.app import open_app

LANDSCAPE = """\
version: 1
adapters:
  bus:
    kind: amqp
    url: {url}
    consume: {{ orders: {{ queue: orders }}, none: {{ queue: not.there }} }}
  dead: {{ kind: amqp, url: "amqp://127.0.0.1:9", consume: {{ x: {{ queue: x }} }} }}
"""


@pytest.fixture
def app(tmp_path, vhost):
    (tmp_path / "drawbar.yaml").write_text(LANDSCAPE.format(url=vhost))
    connection = pika.BlockingConnection(pika.URLParameters(vhost))
    channel = connection.channel()
    channel.queue_declare("orders", durable=True)
    channel.confirm_delivery()
    for number in range(3):
        channel.basic_publish("", "orders", str(number).encode())
    connection.close()
    with open_app(tmp_path / "drawbar.yaml") as app:
        yield app


def test_the_depth_of_a_queue_is_told_once_it_is_known_and_a_dead_system_hides_no_other(app):
    began = time.monotonic()
    assert [value for metric, *value in app.gauges.read() if metric.name == "drawbar_system_queue_messages"] == []
    assert time.monotonic() - began < 10

    while not (found := app.gauges._depths()):
        assert time.monotonic() - began < 60
        time.sleep(0.02)

    assert found == [("bus", "orders", 3)]
