"""How the configuration spells tracing."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_core import PydanticCustomError

from .strict import Strict


class Traces(Strict):
    """Where spans of tool calls go, by OpenTelemetry. Without `otlp` nothing is traced and nothing is loaded."""

    otlp: str = Field("", description="Collector that takes OTLP over HTTP, as `http://localhost:4318`; empty: none.")
    headers: dict[str, SecretStr] = Field(default_factory=dict, description="Headers for the collector.")
    service: str = Field("drawbar", max_length=200, description="`service.name` of what is sent.")
    sample: float = Field(
        1.0, ge=0, le=1, description="Share of traces that begin here and are recorded; a caller's trace is as it says."
    )
    soap_header: bool = Field(
        False, description="Carry the trace in a SOAP header too, beside HTTP's `traceparent`: some services refuse it."
    )
    sql_comments: bool = Field(
        False, description="Carry the trace in a comment of each statement: it defeats the database's statement cache."
    )

    @field_validator("otlp")
    @classmethod
    def _is_web(cls, given: str) -> str:
        parts = urlsplit(given)
        if given and (parts.scheme not in {"http", "https"} or not parts.hostname):
            raise PydanticCustomError("otlp", "otlp is an http or https URL of a collector; empty: none")
        return given.rstrip("/")
