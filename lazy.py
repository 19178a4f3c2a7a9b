"""What a landscape may never need, and whose libraries are loaded by who needs it first: models, tokens, traces, webhooks, queues."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from .core.agents_config import ModelConfig
from .core.agents_model import Question, Said
from .core.door import ReadToken
from .core.door_config import Authentication
from .core.doorbell import Bell
from .core.errors import ConfigError
from .core.trace import Spans
from .core.trace_config import Traces


class Models:
    """The models of this process; what speaks to them is loaded when one is asked."""

    def __init__(self) -> None:
        self._line: Any = None
        self._lock = threading.Lock()

    def ask(self, question: Question, config: ModelConfig) -> Said:
        with self._lock:
            if self._line is None:
                from .connectors import models  # loads the clients of all providers

                self._line = models.Models()
        said: Said = self._line.ask(question, config)
        return said

    def close(self) -> None:
        if self._line is not None:
            self._line.close()


def reader(config: Authentication, base: Path) -> ReadToken | None:
    if not config.oidc:
        return None
    from .connectors.oidc import Providers  # loads what proves signatures

    return Providers(config.oidc, base).read


def spans(config: Traces) -> Spans | None:
    if not config.otlp:
        return None
    try:
        from .connectors.tracing import Otel  # loads OpenTelemetry
    except ImportError as error:
        said = f"traces: {error}"
        raise ConfigError(said, field="traces.otlp", next="pip install 'drawbar[otel]'") from error
    return Otel(config)


def post(url: str, body: bytes, headers: dict[str, str]) -> None:
    from .connectors import webhook  # its library is loaded by who tells somebody

    webhook.post(url, body, headers)


def bell(queue: str) -> Bell | None:
    if queue == "threads":
        return None
    try:
        from .connectors.celery import bell_of  # loads Celery
    except ImportError as error:
        extra = "redis" if queue.startswith("redis") else "celery"
        raise ConfigError(f"queue: {error}", field="queue", next=f"pip install 'drawbar[{extra}]'") from error
    return bell_of(queue)
