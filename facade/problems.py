"""Errors as problem+json (RFC 9457): what happened, what to do next, and never a traceback or a secret."""

from __future__ import annotations

import http
import math
from collections.abc import Mapping
from typing import Any

import structlog
from starlette.responses import Response

from ..core.errors import ConfigError, DrawbarError, InputError, Unavailable
from ..core.store.ids import new_id
from ..core.trace import REQUEST
from ..core.values import write_json

MEDIA_TYPE = "application/problem+json"
_log = structlog.get_logger("drawbar.facade")


def of_error(error: DrawbarError) -> tuple[int, dict[str, Any]]:
    """Give the status and the problem of one of the five."""
    said = error.as_json()
    problem = {
        "type": f"urn:drawbar:error:{said.get('reason', error.kind)}",
        "title": http.HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": said.pop("message"),
        "kind": said.pop("kind"),
        "happened": said.pop("happened"),
        "field": said.pop("field", None),
        "next": said.pop("next", None),
        "retry_after_s": said.pop("retry_after_s", None),
        "id": said.pop("id", None) or REQUEST.get(),
    }
    if (more := said.pop("detail", None)) is not None:
        problem["errors" if _is_list_of_fields(more) else "evidence"] = more
    return error.status, {**problem, **said}


def of_status(status: int, detail: str, *, next_: str | None = None, id_: str | None = None) -> dict[str, Any]:
    """Give the problem of what the framework itself refuses (404, 405) or of our own mistake (500)."""
    kind = "config" if status >= 500 else "input"
    return {
        "type": f"urn:drawbar:error:{'internal' if status >= 500 else kind}",
        "title": http.HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "kind": kind,
        "happened": "unknown" if status >= 500 else "no",
        "field": None,
        "next": next_,
        "retry_after_s": None,
        "id": id_ or REQUEST.get(),
    }


def unexpected(error: BaseException, doing: str) -> tuple[int, dict[str, Any]]:
    """Log what nobody expected, under an id that the answer names."""
    known_as = REQUEST.get() or new_id()
    _log.error("unexpected", id=known_as, doing=doing, error=type(error).__name__, exc_info=error)
    return 500, of_defect(known_as)


def of_defect(known_as: str | None = None) -> dict[str, Any]:
    """Give the problem of what nobody expected; whoever caught it logs it."""
    said = "an unexpected error; the log has more under this id"
    return of_status(500, said, next_="give the id to who operates Drawbar", id_=known_as)


def respond(status: int, problem: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    headers = dict(headers or {})
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if problem.get("retry_after_s") is not None:
        headers["Retry-After"] = str(max(1, math.ceil(problem["retry_after_s"])))
    elif status == Unavailable.status:
        headers["Retry-After"] = "5"
    return Response(write_json(_scrubbed(problem)), status, headers, MEDIA_TYPE)


def sent_by_caller(error: ConfigError) -> InputError:
    """Tell who sent a wrong definition that it is theirs to change."""
    return InputError(error.message, field=error.field, next=error.next, detail=error.detail)


def _scrubbed(problem: Mapping[str, Any]) -> Any:
    from ..config.secrets import scrub_values

    return scrub_values(dict(problem))


def _is_list_of_fields(detail: Any) -> bool:
    return isinstance(detail, list) and all(isinstance(one, dict) and "message" in one for one in detail)
