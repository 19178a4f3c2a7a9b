"""Logs: events with fields, on standard error, with every secret scrubbed."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from typing import Any

import structlog

from ..config.secrets import scrub_event
from ..core.trace import where

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}


def quiet() -> None:
    """Say nothing below an error: a verb speaks by its output. $DRAWBAR_LOG=info says more."""
    _configure(_LEVELS.get(os.environ.get("DRAWBAR_LOG", ""), logging.CRITICAL))


def talkative() -> None:
    """Log what a service does; JSON lines where nobody watches."""
    _configure(_LEVELS.get(os.environ.get("DRAWBAR_LOG", ""), logging.INFO))


def _configure(level: int) -> None:
    terminal = sys.stderr.isatty()
    renderer: Any = _on_terminal() if terminal else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            where,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([] if terminal else [structlog.processors.format_exc_info]),
            scrub_event,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(_Stderr()),  # type: ignore[arg-type]  # it writes and flushes
        cache_logger_on_first_use=False,
    )
    # the libraries' own lines carry what their peers sent: only what is dire, and scrubbed
    root = logging.getLogger()
    root.handlers = [_Scrubbing()]
    root.setLevel(max(level, logging.WARNING))


class _Stderr:
    """Standard error, and nothing where it cannot be written to (its reader is gone): work does not end for that."""

    def write(self, text: str) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.flush()


def _on_terminal() -> Any:
    # A traceback that shows local variables would show secrets.
    return structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)


class _Scrubbing(logging.Handler):
    """Give a library's record to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger(record.name).log(record.levelno, record.getMessage())
