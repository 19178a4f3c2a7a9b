"""What a configuration model gives away, and what it does not say about itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args
from urllib.parse import unquote

from pydantic import BaseModel, RootModel, SecretBytes, SecretStr

from ..core.adapter import AdapterConfig

_OURS = AdapterConfig.__module__.rpartition(".")[0]
_HUSH = re.compile(r"(^|[_.])(password|passphrase|secret|token|api_?key)$", re.IGNORECASE)
_LOGIN = re.compile(r"://[^/@\s:]*:(?P<password>[^/@\s]+)@")


def models_of(model: type[BaseModel]) -> list[type[BaseModel]]:
    """List the model and every model in its fields, each once, without those of `drawbar.core`."""
    found: dict[type[BaseModel], None] = {}

    def visit(kind: Any) -> None:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            if kind in found or kind.__module__.startswith(_OURS):
                return
            found[kind] = None
            for field in kind.model_fields.values():
                visit(field.annotation)
        for inner in get_args(kind):
            visit(inner)

    visit(model)
    return list(found)


def own_fields(model: type[BaseModel]) -> Iterator[tuple[str, Any]]:
    """Give the fields that the adapter's author wrote, with the name of the model."""
    inherited = AdapterConfig.model_fields if issubclass(model, AdapterConfig) else {}
    for name, field in model.model_fields.items():
        if name not in inherited and not issubclass(model, RootModel):
            yield f"{model.__name__}.{name}", field


def unhidden(model: type[BaseModel]) -> list[str]:
    """Name fields that a secret is written in by their name, and whose type shows it."""
    kept = (SecretStr, SecretBytes)
    return [
        where
        for each in models_of(model)
        for where, field in own_fields(each)
        if _HUSH.search(where) and not _mentions(field.annotation, kept) and _mentions(field.annotation, (str, bytes))
    ]


def _mentions(annotation: Any, kinds: tuple[type, ...]) -> bool:
    if annotation in kinds:
        return True
    return any(_mentions(inner, kinds) for inner in get_args(annotation))


def logins_in_the_open(value: Any) -> list[str]:
    """Name the fields whose plain text holds `user:password@`."""
    return [path for path, text in _texts(value, "") if isinstance(text, str) and _LOGIN.search(text)]


def secrets_of(config: BaseModel) -> set[str]:
    """
    Give the texts that must never be shown: secret values, and the password within a secret URL.

    A secret that the configuration also says in the open (a password like the user's name) cannot be told apart: left out.
    """
    hidden: set[str] = set()
    shown: list[str] = []
    for _, value in _texts(config, ""):
        if isinstance(value, str):
            shown.append(value)
            continue
        text = value.get_secret_value()
        secret = text.decode(errors="replace") if isinstance(text, bytes) else text
        login = _LOGIN.search(secret)
        if login is not None:
            hidden |= {secret, login["password"], unquote(login["password"])}
            shown.append(_LOGIN.sub(lambda found: found[0].replace(f":{found['password']}@", "@"), secret))
        elif "://" not in secret:
            hidden.add(secret)
    return {secret for secret in hidden if len(secret) > 3 and not any(secret in text for text in shown)}


def _texts(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, (str, SecretStr, SecretBytes)):
        yield path, value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _texts(getattr(value, name), f"{path}.{name}".lstrip("."))
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _texts(inner, f"{path}.{name}".lstrip("."))
    elif isinstance(value, (list, tuple, set, frozenset)):
        for index, inner in enumerate(value):
            yield from _texts(inner, f"{path}.{index}".lstrip("."))
