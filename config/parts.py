"""Parts of a configuration that do not come from a file: what is registered over REST."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError

from ..core.access import AgentConfig
from ..core.adapter import AdapterConfig
from ..core.errors import InputError
from .explain import explain, places
from .models import Config
from .positions import Document, Path
from .problems import Problem, Spot
from .secrets import remember, resolve, secret_fields, secrets_in


def adapter(
    name: str, body: Mapping[str, Any], *, base: FilePath, environ: Mapping[str, str] | None = None
) -> AdapterConfig:
    """
    Check one adapter as `adapters:` spells it, with its references filled.

    Raises InputError that names the field; a secret that is no reference is refused, since the body is kept and shown.
    """
    found: AdapterConfig = _checked("adapters", name, body, base, environ)
    return found


def agent(
    name: str, body: Mapping[str, Any], *, base: FilePath, environ: Mapping[str, str] | None = None
) -> AgentConfig:
    """Check one agent in the same way. Most have no model, and so nothing secret and nothing to fill."""
    if "model" not in body:
        return AgentConfig.model_validate(body)
    found: AgentConfig = _checked("agents", "agent", body, base, environ)
    return found


def _checked(
    section: str, name: str, body: Mapping[str, Any], base: FilePath, environ: Mapping[str, str] | None
) -> Any:
    document = Document(data={section: {name: dict(body)}}, start=Spot("body", 1, 1))
    resolved = resolve(document, base, environ)
    if document.problems:
        raise _refused(document.problems)
    try:
        found = getattr(Config.model_validate(document.data), section)[name]
    except ValidationError as error:
        first = min(places(error, document.data), key=lambda path: (path[-1] not in body, len(path), str(path)))
        raise _refused(explain(error, document, document.data, resolved), first[2:]) from error
    for path, secret in secret_fields(found):
        if _is_written(body, path) and (section, name, *path) not in resolved.at and secrets_in(secret, "password"):
            field = ".".join(map(str, path))
            raise InputError(
                f"{field}: a secret must be a reference",
                field=field,
                next="write ${env:NAME} or ${file:/run/secrets/x}",
            )
    remember(resolved.values)
    return found


def _is_written(body: Any, path: Path) -> bool:
    """Tell whether a value stands at this place of a body, and did not get there from what tenants have in common."""
    for step in path:
        body = body.get(step) if isinstance(body, Mapping) else body[int(step)] if isinstance(body, list) else None
    return body is not None


def _refused(problems: list[Problem], path: Path = ()) -> InputError:
    said = [f"{problem.message}{f'; {problem.suggestion}' if problem.suggestion else ''}" for problem in problems]
    return InputError("; ".join(said), field=".".join(map(str, path)) or None)
