"""A message that `get_` took lies in the journal: whoever shares the state settles it, on whatever machine."""

from contextlib import closing, contextmanager

import pika
import pytest
from queues import run

from drawbar.adapters.amqp import AmqpAdapter
from drawbar.core.adapter import Place
from drawbar.core.errors import InputError, Rejected
from drawbar.core.store.journal import Journal
from drawbar.core.store.taken import Taken


@pytest.fixture(params=["sqlite", "postgresql"])
def state(request, tmp_path):
    return f"sqlite:///{tmp_path}/state.db" if request.param == "sqlite" else request.getfixturevalue("pg_url")


@contextmanager
def machine(vhost, state, folder):
    """Open the adapter as another process on another machine does: the same state, a folder of its own."""
    config = {"kind": "amqp", "url": vhost, "consume": {"incoming": {"queue": "in"}}}
    with closing(Journal.open(state)) as journal:
        place = Place(folder, folder, Taken(journal))
        with closing(AmqpAdapter("events", AmqpAdapter.Config.model_validate(config), place)) as adapter:
            yield adapter


@pytest.fixture
def channel(vhost):
    with closing(pika.BlockingConnection(pika.URLParameters(vhost))) as connection:
        channel = connection.channel()
        channel.queue_declare("in")
        yield channel


def test_another_machine_settles_what_one_has_taken(vhost, channel, state, tmp_path):
    channel.basic_publish(
        "", "in", b'{"n": 1}', pika.BasicProperties(content_type="application/json", message_id="m-1")
    )
    with machine(vhost, state, tmp_path / "one") as one, machine(vhost, state, tmp_path / "two") as two:
        got = run(one, "get_incoming")
        assert got["message"]["body"] == {"n": 1}
        assert not (tmp_path / "one").exists()

        run(two, "settle_incoming", claim=got["claim"], outcome="again")

        _, properties, body = channel.basic_get("in", auto_ack=True)
        assert (body, properties.message_id) == (b'{"n": 1}', "m-1")
        assert run(one, "settle_incoming", claim=got["claim"], outcome="again")["outcome"] == "again"
        with pytest.raises(Rejected, match="settled as 'again' before"):
            run(one, "settle_incoming", claim=got["claim"], outcome="done")
        with pytest.raises(InputError, match="no claim"):
            run(two, "settle_incoming", claim="0" * 32, outcome="done")


def test_what_the_first_release_left_in_a_file_is_settled_from_there(vhost, channel, state, tmp_path):
    channel.basic_publish("", "in", b"old")
    config = {"kind": "amqp", "url": vhost, "consume": {"incoming": {"queue": "in", "content_type": "text/plain"}}}
    with closing(AmqpAdapter("events", AmqpAdapter.Config.model_validate(config), Place(tmp_path, tmp_path))) as before:
        claim = run(before, "get_incoming")["claim"]
    with machine(vhost, state, tmp_path) as now:
        run(now, "settle_incoming", claim=claim, outcome="again")

        assert channel.basic_get("in", auto_ack=True)[2] == b"old"
        assert run(now, "settle_incoming", claim=claim, outcome="again")["outcome"] == "again"
