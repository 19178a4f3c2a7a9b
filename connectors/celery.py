"""
Celery as the doorbell of many machines, on RabbitMQ or Redis.

A ring carries the ids of a task, is published after the commit and acknowledged when the task is claimed, before the work: the
journal knows what is unfinished, and Redis's visibility timeout means nothing here. No results, no retries, no times: Celery brings delivery and threads, and nothing else is asked of it.
"""

from __future__ import annotations

import json
import logging
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from typing import Any

import structlog
from celery import Celery
from celery.utils import uuid
from celery.worker import WorkController, state
from kombu.common import maybe_declare
from kombu.entity import TRANSIENT_DELIVERY_MODE, Queue
from kombu.exceptions import KombuError

from ..core.errors import ConfigError, DrawbarError, Unavailable

log = structlog.get_logger("drawbar.ring")
_celery_log = logging.getLogger("celery.worker")
QUEUE = "drawbar"
"""The default queue; a pinned one is `drawbar.NAME`."""
_RING = "drawbar.ring"
_CONNECT_S = 3
_AWAY_S = 2.0
_PRODUCERS = 40
_SILENT_S = 10
_SETTINGS: dict[str, Any] = {
    "task_default_queue": QUEUE,
    "task_ignore_result": True,
    "task_acks_late": False,
    "task_publish_retry": False,
    "task_serializer": "json",
    "accept_content": ["json"],
    "broker_connection_timeout": _CONNECT_S,
    "broker_connection_retry": True,
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "broker_pool_limit": _PRODUCERS,
    "broker_heartbeat": 20,
    "worker_prefetch_multiplier": 1,
    "worker_enable_remote_control": False,
    "worker_hijack_root_logger": False,
    "worker_redirect_stdouts": False,
    "worker_send_task_events": False,
    "worker_cancel_long_running_tasks_on_connection_loss": False,
}
# Without them a broker that went silent holds the sweeper for ever, and with it every timer.
_AMQP: dict[str, Any] = {"read_timeout": _SILENT_S, "write_timeout": _SILENT_S}
_REDIS: dict[str, Any] = {
    "socket_timeout": _SILENT_S,
    "socket_connect_timeout": _CONNECT_S,
    "socket_keepalive": True,
    "health_check_interval": 20,
}
Place = tuple[str, str, int, str | None]


class CeleryBell:
    """Rings and hears through durable queues, one for each name that systems are pinned to."""

    def __init__(self, url: str) -> None:
        self._app = Celery("drawbar", broker=url, set_as_current=False)
        self._app.conf.update(_SETTINGS)
        self._app.conf.broker_transport_options = _REDIS if url.startswith("redis") else _AMQP
        if url.startswith("rediss:"):
            self._app.conf.broker_use_ssl = {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True}
        elif url.startswith("amqps:"):  # a host name of None is that of the URL; unsaid, no name is looked at
            self._app.conf.broker_use_ssl = {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": None}
        self._app.task(name=_RING, ignore_result=True, Strategy=f"{__name__}:straight")(self._rung)
        self._heard: Callable[[str, str, int], None] | None = None
        self._worker: Any = None
        self._thread: threading.Thread | None = None
        self._away_until = 0.0
        transport = self._app.connection_for_write().transport
        self._failures: tuple[type[BaseException], ...] = (
            KombuError,
            OSError,
            *transport.connection_errors,
            *transport.channel_errors,
        )

    def ring(self, places: Sequence[Place]) -> None:
        """Publish a ring for each place; Unavailable while the broker is away."""

        def publish(connection: Any) -> None:
            channel = connection.default_channel
            for *place, queue in places:
                _publish(connection, channel, place, queue)

        self._with_connection(publish)

    def waiting(self, queue: str | None = None) -> int:
        """Count the rings of a queue that nobody has taken."""

        def look(connection: Any) -> int:
            with connection.channel() as channel:
                found = channel.queue_declare(queue=_named(queue), durable=True, auto_delete=False)
                return int(found.message_count)

        return int(self._with_connection(look))

    def answer(
        self, heard: Callable[[str, str, int], None], threads: int, queues: Sequence[str | None] = (None,)
    ) -> None:
        """Hear these queues on so many threads until `stop`; a broker that is away is waited for."""
        self._heard = heard
        for queue in queues:
            self._app.amqp.queues.add(_queue(queue))
        state.should_stop = None
        self._worker = WorkController(
            app=self._app,
            pool="threads",
            concurrency=threads,
            queues=[_named(queue) for queue in queues],
            without_heartbeat=True,
            without_mingle=True,
            without_gossip=True,
            loglevel="WARNING",
        )
        self._thread = threading.Thread(target=self._work, name="drawbar-celery", daemon=True)
        self._thread.start()

    def stop(self, drain_s: float) -> None:
        """Take no more rings, and wait so long for what runs. A second call does nothing."""
        thread, self._thread = self._thread, None
        if thread is not None:
            state.should_stop = 0
            thread.join(drain_s)
            state.should_stop = None
        self._app.close()

    def _work(self) -> None:
        with suppress(SystemExit):
            self._worker.start()

    def _rung(self, run_id: str, task: str, item: int) -> None:
        if self._heard is not None:
            self._heard(run_id, task, item)

    def _with_connection(self, act: Callable[[Any], Any]) -> Any:
        if time.monotonic() < self._away_until:
            raise Unavailable("the broker of the queue was away a moment ago")
        try:
            with self._app.pool.acquire(block=True, timeout=_CONNECT_S) as connection:
                try:
                    connection.ensure_connection(max_retries=1, timeout=_CONNECT_S)
                    return act(connection)
                except BaseException:
                    connection.collect(_CONNECT_S)  # the next one connects anew
                    raise
        except self._failures as error:
            self._away_until = time.monotonic() + _AWAY_S
            raise Unavailable(
                f"the broker of the queue is away: {type(error).__name__}", retry_after_s=_AWAY_S
            ) from error


def straight(task: Any, app: Any, consumer: Any, **_: Any) -> Callable[..., None]:
    """
    Hand rings to the threads of Celery's pool as they come (a Strategy in Celery's words), acknowledged when it is claimed.

    Celery's own strategy first makes a request of each, with a result, times, limits and signals, of which a ring has none.
    """
    submit, failures = consumer.pool.executor.submit, consumer.connection_errors

    def take(ack: Callable[..., object], place: Sequence[Any]) -> None:
        try:
            try:
                task.run(*place)
            finally:
                ack(_celery_log, failures)
        except DrawbarError as error:  # the task is found by the sweep
            log.warning("ring.fails", error=error.message)
        except Exception:
            log.exception("ring.fails")

    def hear(message: Any, payload: Any, ack: Callable[..., object], *_: Any) -> None:
        submit(take, ack, message.decode()[0] if payload is None else payload["args"])

    return hear


def _publish(connection: Any, channel: Any, place: list[Any], queue: str | None) -> None:
    """Publish Celery's own message without its way there: routes, a result and repetitions are for what we do not use."""
    declared = _declared(queue)
    if hash(declared) not in connection.declared_entities:
        maybe_declare(declared, channel)
    headers = {"lang": "py", "task": _RING, "id": uuid()}
    # A ring that is lost is rung again; to keep it costs the broker a disk.
    kept = {"delivery_mode": TRANSIENT_DELIVERY_MODE}
    body = json.dumps([place, {}, {}])
    message = channel.prepare_message(body, 0, "application/json", "utf-8", headers, kept)
    channel.basic_publish(message, exchange="", routing_key=declared.name)


def _named(queue: str | None) -> str:
    return QUEUE if queue is None else f"{QUEUE}.{queue}"


def _queue(queue: str | None) -> Queue:
    return Queue(_named(queue), durable=True)


@cache
def _declared(queue: str | None) -> Queue:
    return _queue(queue)


def bell_of(url: str) -> CeleryBell:
    """Make the doorbell of a `queue:` URL; nothing is connected yet."""
    try:
        return CeleryBell(url)
    except (ValueError, KeyError, ImportError) as error:
        raise ConfigError(f"queue: {error}", field="queue") from error
