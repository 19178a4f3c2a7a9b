"""`queue: amqp://...` and `redis://...`: Celery as the doorbell, with the journal on PostgreSQL."""

import os
import signal
import time
from collections import Counter

import many
import pika
import pytest
import redis
from scripted import ME, House
from servers.rabbitmq import RabbitMQ
from servers.redis import Redis
from waiting import eventually

from drawbar.connectors import celery
from drawbar.connectors.celery import QUEUE, CeleryBell
from drawbar.core.errors import Unavailable


@pytest.fixture
def state(pg_url, monkeypatch):
    monkeypatch.setattr(House, "state", pg_url)
    many.prepare(pg_url)
    return pg_url


@pytest.fixture(params=["rabbitmq", "redis"])
def queue(request):
    """The URL of a fresh, empty place on a broker."""
    server = request.getfixturevalue(request.param)
    return server.make_vhost() if request.param == "rabbitmq" else server.make_database()


def test_a_broker_that_goes_silent_is_away_and_holds_no_thread_for_ever(rabbitmq, vhost, proxy, monkeypatch):
    """The chaos run led to it: the sweeper asked how many rings wait, and no timer was looked at any more."""
    monkeypatch.setitem(celery._AMQP, "read_timeout", 1)
    between = proxy(rabbitmq.port)
    bell = CeleryBell(vhost.replace(str(rabbitmq.port), str(between.port)))
    bell.ring([("run", "task", -1, None)])
    between.stall("down")

    began = time.monotonic()
    with pytest.raises(Unavailable):
        bell.waiting()
    assert time.monotonic() - began < 60

    between.flow()
    time.sleep(celery._AWAY_S)
    assert bell.waiting() == 1


@pytest.fixture
def machines(tmp_path, state, queue):
    machines = many.Machines(tmp_path, state, queue)
    yield machines
    machines.end()


def empty(url):
    """Lose every ring that waits."""
    if url.startswith("redis"):
        with redis.Redis.from_url(url) as connection:
            connection.flushdb()
    else:
        with pika.BlockingConnection(pika.URLParameters(url)) as connection:
            connection.channel().queue_purge(QUEUE)


def ended(house, ids, timeout_s=90):
    return Counter(house.engine.wait(one, timeout_s).state for one in ids)


def owned(house, ids, worker):
    """Tell whether a worker has begun anything."""
    return any(f":{worker.pid}" in said["owner"] for one in ids for said in house.engine.attempts(one))


def assert_once(url, ids):
    done = many.effects(url)
    assert [done[f"{one}/{name}"] for one in ids for name in many.WRITES] == [1] * len(ids) * len(many.WRITES)


@pytest.mark.parametrize("queue", ["rabbitmq", pytest.param("redis", marks=pytest.mark.slow)], indirect=True)
def test_runs_are_rung_to_two_workers_and_one_may_be_killed(machines, tmp_path, queue):
    """The one that starts runs works on none; a ring that died with its worker is rung again."""
    house = many.house(tmp_path, bell=CeleryBell(queue))
    first, second = machines.add(), machines.add()
    ids = [house.engine.start("sure", {}, caller=ME).id for _ in range(40)]
    eventually(lambda: owned(house, ids, first))
    os.kill(first.pid, signal.SIGKILL)
    states = ended(house, ids)
    owners = {said["owner"] for one in ids for said in house.engine.attempts(one)}
    house.end()

    assert states == {"succeeded": 40}
    assert {owner.split(":")[1] for owner in owners} == {str(first.pid), str(second.pid)}
    assert_once(machines.url, ids)


def test_a_password_that_redis_refuses_is_unavailable(request):
    """The broker may be told another one while we run: work goes on without it."""
    server = request.getfixturevalue("redis")
    bell = CeleryBell(server.url.replace(server.password, "wr0ng"))
    with pytest.raises(Unavailable) as refused:
        bell.waiting()

    assert "wr0ng" not in str(refused.value)


def test_a_ring_carries_ids_and_nothing_else(tmp_path, state, vhost):
    house = many.house(tmp_path, bell=CeleryBell(vhost))
    run = house.engine.start("sure", {"secret": "s3cret-4711"}, caller=ME)
    house.end()
    with pika.BlockingConnection(pika.URLParameters(vhost)) as connection:
        _, properties, body = connection.channel().basic_get(QUEUE)

    assert run.id.encode() in body
    assert b"look" in body
    assert b"s3cret" not in body + repr(properties).encode()


@pytest.mark.parametrize("queue", ["rabbitmq", pytest.param("redis", marks=pytest.mark.slow)], indirect=True)
def test_1000_ready_tasks_without_a_worker_leave_at_most_1000_messages(tmp_path, state, queue):
    """The sweeper rings nothing again while the queue holds rings; when they are gone, it rings later each time."""
    bell = CeleryBell(queue)
    house = many.house(tmp_path, bell=bell)
    for _ in range(1000):
        house.engine.start("sure", {}, caller=ME)
    until = time.monotonic() + 4
    while time.monotonic() < until:
        house.engine._sweep.beat()
        time.sleep(0.1)
    before = bell.waiting()
    empty(queue)
    time.sleep(1.1)
    rung_again = eventually(lambda: (house.engine._sweep.beat(), bell.waiting())[1])
    house.end()

    assert 900 <= before <= 1000
    assert 0 < rung_again <= 1000


@pytest.mark.parametrize("kind", [pytest.param(RabbitMQ, marks=pytest.mark.slow), Redis])
def test_work_goes_on_while_the_broker_is_away_and_by_it_when_it_is_back(tmp_path, state, kind):
    """Also where its rings are gone when it comes back, as with a Redis that keeps nothing."""
    with kind() as broker:
        url = broker.make_vhost() if kind is RabbitMQ else broker.make_database()
        machines = many.Machines(tmp_path, state, url)
        house = many.house(tmp_path, bell=CeleryBell(url))
        try:
            machines.add(), machines.add()
            before = [house.engine.start("sure", {}, caller=ME).id for _ in range(5)]
            assert ended(house, before) == {"succeeded": 5}
            broker.stop()
            away = [house.engine.start("sure", {}, caller=ME).id for _ in range(10)]
            states_away = ended(house, away)
            broker.start()
            after = [house.engine.start("sure", {}, caller=ME).id for _ in range(10)]
            states_after = ended(house, after)

            assert (states_away, states_after) == ({"succeeded": 10}, {"succeeded": 10})
            assert_once(state, before + away + after)
        finally:
            machines.end()
            house.end()


@pytest.mark.parametrize("url", ["amqp://guest:s3cret@127.0.0.1:1//", "redis://:s3cret@127.0.0.1:1/0"])
def test_a_broker_that_is_away_is_unavailable_and_soon_said_so(url):
    bell = CeleryBell(url)
    begun = time.monotonic()
    with pytest.raises(Unavailable) as away:
        bell.ring([("r", "t", -1, None)])
    with pytest.raises(Unavailable):
        bell.waiting()

    assert time.monotonic() - begun < 30
    assert "s3cret" not in str(away.value)
