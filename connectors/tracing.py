"""
Spans by OpenTelemetry, sent by OTLP over HTTP.

A provider of our own, not the process's global one: nothing else in the process is traced by it. Spans are sent by a thread, in
batches; a collector that is away costs spans and no call.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from .. import __version__
from ..core.trace import About, Carried
from ..core.trace_config import Traces

_SENT_S = 10
_DONE = "done"


class _Span:
    def __init__(self, span: trace.Span, carried: Carried) -> None:
        self._span = span
        self.carried = carried

    def end(self, outcome: str, about: About) -> None:
        self._span.set_attributes({"drawbar.outcome": outcome, **about})
        if outcome != _DONE:
            self._span.set_status(Status(StatusCode.ERROR, outcome))


class Otel:
    """`core.trace.Spans` by OpenTelemetry."""

    def __init__(self, config: Traces, processor: SpanProcessor | None = None) -> None:
        """`processor` takes the spans instead of the collector."""
        self._config = config
        resource = Resource.create({SERVICE_NAME: config.service, SERVICE_VERSION: __version__})
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(config.sample)), resource=resource, shutdown_on_exit=False
        )
        self._provider.add_span_processor(processor or BatchSpanProcessor(_exporter(config)))
        self._tracer = self._provider.get_tracer("drawbar", __version__)

    @contextmanager
    def call(self, name: str, parent: str | None, about: About) -> Iterator[_Span]:
        """Begin the span of a tool call; what is raised in it is an error of it."""
        span = self._tracer.start_span(name, _context(parent), SpanKind.CLIENT, dict(about))
        carried = Carried(_traceparent(span.get_span_context()), self._config.soap_header, self._config.sql_comments)
        try:
            yield _Span(span, carried)
        except BaseException as error:
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise
        finally:
            span.end()

    def mark(self, name: str, parent: str | None, about: About) -> str:
        """Record that something began, as a span without length."""
        span = self._tracer.start_span(name, _context(parent), SpanKind.INTERNAL, dict(about))
        span.end()
        return _traceparent(span.get_span_context())

    def close(self) -> None:
        """Send what is left, for some seconds at most; a second call does nothing."""
        self._provider.shutdown()


def _exporter(config: Traces) -> Any:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    headers = {name: value.get_secret_value() for name, value in config.headers.items()}
    return OTLPSpanExporter(f"{config.otlp}/v1/traces", headers=headers, timeout=_SENT_S)


def _context(parent: str | None) -> Context:
    """Give the context of a traceparent, an empty one without: never the process's own."""
    if parent is None:
        return Context()
    _, trace_id, span_id, flags = parent.split("-")
    said = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))
    return trace.set_span_in_context(NonRecordingSpan(said), Context())


def _traceparent(context: SpanContext) -> str:
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"
