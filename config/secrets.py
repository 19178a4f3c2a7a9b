"""Secrets by reference: `${env:NAME}`, `${env:NAME:-default}`, `${file:/path}`; and keeping them out of what we print."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from pydantic import BaseModel, SecretStr

from ..core.values import ClaimCheck
from .positions import Document, Path
from .problems import Problem, meant

MAX_SECRET_BYTES = 1024 * 1024
HIDDEN = "***"
_REFERENCE = re.compile(r"\$\$\{|\$\{\{.*?\}\}(?!\})|\$\{([^{}]*)\}|\$\{", re.DOTALL)
_NOT_SECRET = {
    "host", "port", "kind", "root", "path", "database", "queue", "exchange", "vhost", "timezone", "encoding", "username", "user",
    "pattern", "description", "owner", "table", "schema", "known_hosts",
}  # fmt: skip
_SHORTEST = 4


@dataclass
class Resolved:
    """
    What became of the references of a document.

    `values` are the secrets, to be scrubbed; `at` are the paths that hold one; `open` those whose secret is missing.
    """

    values: set[str] = field(default_factory=set)
    at: set[Path] = field(default_factory=set)
    open: set[Path] = field(default_factory=set)


def resolve(document: Document, base: FilePath, environ: Mapping[str, str] | None = None) -> Resolved:
    """Fill the references of a document in place; what is missing becomes one of its problems."""
    resolved = Resolved()
    known = os.environ if environ is None else environ

    def look_up(name: str) -> str:
        return _look_up(name, base, known)

    document.data = _walk(document.data, (), document, resolved, look_up)
    return resolved


def _walk(value: Any, path: Path, document: Document, resolved: Resolved, look_up: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {name: _walk(item, (*path, name), document, resolved, look_up) for name, item in value.items()}
    if isinstance(value, list):
        return [_walk(item, (*path, index), document, resolved, look_up) for index, item in enumerate(value)]
    if not isinstance(value, str) or "${" not in value:
        return value
    return _fill(value, path, document, resolved, look_up)


def _fill(text: str, path: Path, document: Document, resolved: Resolved, look_up: Callable[[str], str]) -> str:
    secret: set[str] = set()

    def put(found: re.Match[str]) -> str:
        whole, reference = found.group(), found.group(1)
        if whole == "$${":
            # `$${{` is left for the expressions, which unescape it themselves
            return "$${" if text.startswith("{", found.end()) else "${"
        if whole.startswith("${{") or reference is None:
            return whole
        resolved.at.add(path)
        try:
            value = look_up(reference)
        except _Missing as missing:
            resolved.open.add(path)
            problem = Problem(document.value(path), missing.message, missing.suggestion, "secrets")
            document.problems.append(problem)
            return whole
        if not _is_default(reference, value):
            secret.update(secrets_in(value, str(path[-1]) if path else ""))
        return value

    filled = _REFERENCE.sub(put, text)
    if path in resolved.at and path not in resolved.open and filled != text:
        secret -= _where(filled)
        secret |= _url_secrets(filled)
    resolved.values |= secret
    return filled


class _Missing(Exception):
    def __init__(self, message: str, suggestion: str) -> None:
        super().__init__(message)
        self.message = message
        self.suggestion = suggestion


def _look_up(reference: str, base: FilePath, environ: Mapping[str, str]) -> str:
    kind, colon, rest = reference.partition(":")
    if kind == "env" and colon:
        name, has_default, default = rest.partition(":-")
        if environ.get(name):
            return environ[name]
        if has_default:
            return default
        if name in environ:
            return ""
        near = meant(name, (known for known in environ if known[:2] == name[:2]), what="")
        hint = f"; {near}" if near.startswith("did") else ""
        raise _Missing(
            f"the environment has no {name}", f"export {name}=..., or write ${{env:{name}:-a default}}{hint}"
        )
    if kind == "file" and colon:
        return _from_file(base / rest)
    raise _Missing(
        f"${{{reference}}} is no reference",
        f"write ${{env:{reference}}} for the environment, ${{file:/path}} for a file, or $${{ for the characters themselves",
    )


def _from_file(path: FilePath) -> str:
    try:
        if path.stat().st_size > MAX_SECRET_BYTES:
            raise _Missing(f"the secret file {path} is larger than 1 MiB", "name a file that holds the secret alone")
        return path.read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise _Missing(f"the secret file {path} cannot be read: {reason}", "check its path and its rights") from error


def _is_default(reference: str, value: str) -> bool:
    """Tell whether the value is only the default, which stands in the file for all to see."""
    return reference.startswith("env:") and reference.partition(":-")[2] == value


def secrets_in(value: str, key: str) -> set[str]:
    """Give what of a value must not be shown: of a URL its password, of a host's name nothing."""
    if "://" in value:
        return _url_secrets(value) | ({value} if "webhook" in key else set())
    if len(value) < _SHORTEST or key in _NOT_SECRET or key.endswith("_file"):
        return set()
    return {value, *(line for line in value.splitlines() if len(line) > 16)}


def _url_secrets(value: str) -> set[str]:
    """Give the password in a URL, as it is written and as it is meant, and the whole of its query."""
    if "://" not in value:
        return set()
    try:
        parts = urlsplit(value)
        password = parts.password
    except ValueError:
        return {value}
    found = {password, unquote(password)} if password else set()
    found |= set(re.findall(r"(?i)(?:pass\w*|pwd|token|secret|key)=([^&;]+)", parts.query))
    return {one for one in found if len(one) >= _SHORTEST}


def _where(value: str) -> set[str]:
    """Give host and port of a URL: without them no message could say where something failed."""
    if "://" not in value:
        return set()
    try:
        parts = urlsplit(value)
        return {str(part) for part in (parts.hostname, parts.port) if part}
    except ValueError:
        return set()


def secret_fields(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Give every secret of a model, with its path as it is written."""
    if isinstance(value, SecretStr):
        yield path, value.get_secret_value()
    elif isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            yield from secret_fields(getattr(value, name), (*path, field.alias or name))
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from secret_fields(item, (*path, name))
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from secret_fields(item, (*path, index))


_known: set[str] = set()
_pattern: re.Pattern[str] | None = None


def remember(values: Iterable[str]) -> None:
    """Scrub these from now on, in this process."""
    global _pattern
    for value in values:
        if len(value) >= _SHORTEST:
            _known.update(
                {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], quote(value, safe="")}
            )
    longest_first = sorted(_known, key=len, reverse=True)
    _pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None


def scrub(text: str) -> str:
    """Replace every secret that the configuration named."""
    return _pattern.sub(HIDDEN, text) if _pattern is not None else text


def longest() -> int:
    """Give how many bytes the longest of them has."""
    return max((len(one.encode()) for one in _known), default=0)


def scrub_bytes(body: bytes) -> bytes:
    """Replace every secret in a part of a file by as many asterisks."""
    for one in sorted(_known, key=len, reverse=True):
        secret = one.encode()
        body = body.replace(secret, b"*" * len(secret)) if secret in body else body
    return body


def scrub_values(value: Any) -> Any:
    """Scrub every string in a plain value, keys too."""
    if isinstance(value, ClaimCheck):
        value = value.as_json()
    if _pattern is None:
        return value
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, Mapping):
        return {scrub(str(name)): scrub_values(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [scrub_values(item) for item in value]
    return value


def scrub_event(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Scrub a log event: a structlog processor, to stand before the renderer."""
    for name, value in event.items():
        plain = value if isinstance(value, (int, float, bool, type(None), str, Mapping, list, tuple)) else str(value)
        event[name] = scrub_values(plain)
    return event
