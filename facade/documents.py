"""What OpenAPI says of the routes: every answer that they give, by the models in shapes.py."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import Depends, FastAPI, Response
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from .. import __version__
from . import problems
from .deprecation import Deprecated
from .shapes import Problem

_REF = "#/components/schemas/{model}"
_ALWAYS = (401, 403, 422, 429, 500, 503)
_WITH_BODY = (408, 413, 415)
_SAID: dict[int, str] = {
    200: "Done.",
    201: "Created.",
    202: "Accepted; it goes on.",
    204: "Done; there is nothing to say.",
    206: "The part in Content-Range.",
    304: "Unchanged since the version in If-None-Match.",
    401: "Who sends it did not show who it is.",
    403: "The caller may not, or the request is from another host or origin.",
    404: "There is none of that name.",
    408: "The body did not arrive in time.",
    409: "It cannot be done in this state.",
    412: "It was changed since the version in If-Match.",
    413: "The body is too large.",
    415: "The body is not JSON, or compressed.",
    416: "There is no such part.",
    422: "The request is invalid.",
    428: "If-Match is missing, or the code of a preview.",
    429: "Too often.",
    500: "The configuration is wrong, or a defect; the log has more under the id.",
    503: "Nothing happened; try again after Retry-After.",
    504: "It was sent and no answer came back: do not send it again before it is settled.",
}
_PROSE = """
Every error is `application/problem+json` (RFC 9457) with `kind`, `happened` (no, yes, unknown), `field`, `next`,
`retry_after_s` and `id`. Decimals and wide integers are strings; `Prefer: numbers=exact` writes them as JSON numbers.
Lists answer `{items, next}`: `next` is the `after` of the following page. Every path exists under `/v1` too. `X-Request-Id`
is taken from the request or made, and stands in the log. HEAD answers as GET without the body, OPTIONS says what is allowed.
""".strip()
_models: set[type[BaseModel]] = {Problem}

Answers = Mapping[int, type[BaseModel] | str | None]


def says(
    operation: str,
    summary: str,
    answers: Answers,
    *,
    errors: Iterable[int] = (),
    body: type[BaseModel] | Mapping[str, Any] | None = None,
    body_required: bool = True,
    headers: Iterable[str] = (),
    example: Any = None,
    etag: bool = False,
    always: Iterable[int] = _ALWAYS,
    deprecated: Deprecated | None = None,
) -> dict[str, Any]:
    """Give the arguments of a route's decorator. An answer is a model, a media type, or nothing."""
    failures = {*always, *errors, *(_WITH_BODY if body is not None else ())}
    responses: dict[int | str, dict[str, Any]] = {status: _answer(status, is_) for status, is_ in answers.items()}
    if etag:
        for status in answers:
            responses[status]["headers"] = {"ETag": {"description": "The version.", "schema": {"type": "string"}}}
    responses |= {status: _failure(status) for status in sorted(failures)}
    seen = ("Seen",) if etag and 304 in answers else ()
    extra: dict[str, Any] = {"parameters": [_HEADERS[name] for name in (*headers, *seen, "Prefer")]}
    if body is not None:
        content: dict[str, Any] = {"schema": _schema(body)}
        if example is not None:
            content["examples"] = {"example": {"value": example}}
        extra["requestBody"] = {"required": body_required, "content": {"application/json": content}}
    return {
        "operation_id": operation,
        "summary": summary,
        "response_class": Response,
        "status_code": next(iter(answers)),
        "responses": responses,
        "openapi_extra": extra,
        **({} if deprecated is None else {"deprecated": True, "dependencies": [Depends(deprecated)]}),
    }


def describe(api: FastAPI) -> dict[str, Any]:
    """Make the whole OpenAPI document."""
    if api.openapi_schema is None:
        document = get_openapi(title="Drawbar", version=__version__, description=_PROSE, routes=api.routes)
        _, schemas = models_json_schema([(model, "validation") for model in _models], ref_template=_REF)
        document.setdefault("components", {})["schemas"] = dict(sorted(schemas["$defs"].items()))
        document["components"]["securitySchemes"] = {
            "bearer": {
                "type": "http",
                "scheme": "bearer",
                "description": "An API key, or a token of a configured provider.",
            }
        }
        document["security"] = [{"bearer": []}, {}]
        for operation in (item["post"] for item in document["paths"].values() if "post" in item):
            _says_once(operation)
        for operation in (one for item in document["paths"].values() for one in item.values()):
            _says_headers(operation["responses"])
        document["components"]["headers"] = _SAID_OF
        document["servers"] = [{"url": "/", "description": "The newest version."}, {"url": "/v1"}]
        api.openapi_schema = document
    return api.openapi_schema


def _says_once(operation: dict[str, Any]) -> None:
    """Say of a POST that it takes an Idempotency-Key."""
    operation["parameters"].append(_HEADERS["Idempotency-Key"])
    operation["responses"].setdefault("409", _failure(409))
    for status, said in operation["responses"].items():
        if status[0] == "2" or status in _REPLAYED:
            said.setdefault("headers", {})["Idempotent-Replayed"] = {"$ref": "#/components/headers/Idempotent-Replayed"}


def _says_headers(responses: dict[str, Any]) -> None:
    """Say which headers every answer has, and which those of a caller with a limit."""
    for status, said in responses.items():
        names = ["X-Request-Id"]
        if status.startswith("2") or status == "429":
            names += ["RateLimit", "RateLimit-Policy"]
        if status in {"429", "503"}:
            names.append("Retry-After")
        told = said.setdefault("headers", {})
        told.update({name: {"$ref": f"#/components/headers/{name}"} for name in names if name not in told})


def _answer(status: int, is_: type[BaseModel] | str | None) -> dict[str, Any]:
    said: dict[str, Any] = {"description": _SAID[status]}
    if isinstance(is_, str):
        said["content"] = {is_: {"schema": {"type": "string"}}}
    elif is_ is not None:
        said["content"] = {"application/json": {"schema": _schema(is_)}}
    return said


def _failure(status: int) -> dict[str, Any]:
    return {
        "description": _SAID[status],
        "content": {problems.MEDIA_TYPE: {"schema": _schema(Problem)}},
    }


def _schema(model: type[BaseModel] | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(model, Mapping):
        return dict(model)
    _models.add(model)
    return {"$ref": _REF.format(model=model.__name__)}


def _header(name: str, said: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "description": said, "schema": dict(schema)}


_ETAG = {"type": "string", "pattern": r'^(\*|(W/)?"[0-9a-f-]{1,40}")$'}
_ETAGS = {"type": "string", "pattern": r'^(\*|(W/)?"[0-9a-f-]{1,40}"(, (W/)?"[0-9a-f-]{1,40}")*)$'}
_TEXT = {"type": "string"}
_REPLAYED = ("404", "409", "412", "422")
_SAID_OF = {
    "Idempotent-Replayed": {
        "description": "`true`: the first answer to this Idempotency-Key, or to this business key, given again.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "X-Request-Id": {"description": "The request's own, or one made for it; the log has it too.", "schema": _TEXT},
    "RateLimit": {"description": "What is left of a limit (`r`), and for how many seconds (`t`).", "schema": _TEXT},
    "RateLimit-Policy": {"description": "The limit (`q`) in so many seconds (`w`).", "schema": _TEXT},
    "Retry-After": {"description": "Seconds.", "schema": _TEXT},
}
_HEADERS = {
    "If-Match": _header("If-Match", "The ETag of what the caller has seen, or several.", _ETAGS),
    "If-None-Match": _header("If-None-Match", "`*`: only when there is none yet.", {"type": "string", "enum": ["*"]}),
    "Seen": _header("If-None-Match", "The ETags of what the caller has: 304 when one is still so.", _ETAGS),
    "Drawbar-Session": _header(
        "Drawbar-Session",
        "The session that this call belongs to: an agent's `max_steps` are counted in each.",
        {"type": "string", "minLength": 1, "maxLength": 100, "pattern": "^[!-~]+$"},
    ),
    "Idempotency-Key": _header(
        "Idempotency-Key",
        "The same key has one effect and one answer.",
        {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"},
    ),
    "Last-Event-ID": _header(
        "Last-Event-ID", "Go on after this event.", {"type": "string", "pattern": "^[0-9]{1,18}$"}
    ),
    "Prefer": _header("Prefer", "numbers=exact", {"type": "string", "enum": ["numbers=exact"]}),
}
