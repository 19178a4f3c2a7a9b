"""Find the configuration, read it, check it: one call for everybody who needs it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError

from ..core.errors import ConfigError
from .explain import explain, not_yet, places
from .models import Config
from .positions import MAX_BYTES, Document, Path, parse
from .problems import ConfigErrors, Problem, Spot
from .references import Broken, catalogue, check_references, spots_of
from .secrets import Resolved, remember, resolve, secret_fields, secrets_in

DEFAULT = "drawbar.yaml"
READ_ONLY = "DRAWBAR_READ_ONLY"
"""The environment variable that `--read-only` sets, for the processes that a process starts too."""
_BY_NAME = ("adapters", "workflows", "syncs", "agents")
_SUFFIXES = {".yaml", ".yml"}


def load(path: str | FilePath | None = None, *, environ: Mapping[str, str] | None = None) -> Config:
    """
    Read a file or a folder of files; raise ConfigErrors with everything that is wrong.

    Without a path it is $DRAWBAR_CONFIG, or drawbar.yaml here, or, where neither is, the empty configuration.
    """
    found = locate(path, environ)
    config = Config() if found is None else check(*read(found), environ=environ)
    if (os.environ if environ is None else environ).get(READ_ONLY) == "1":
        return config.model_copy(update={"read_only": True})
    return config


def locate(path: str | FilePath | None = None, environ: Mapping[str, str] | None = None) -> FilePath | None:
    """Give the configuration's path; None when nobody named one and there is none here."""
    known = os.environ if environ is None else environ
    named = path or known.get("DRAWBAR_CONFIG")
    if named is None:
        return FilePath(DEFAULT) if FilePath(DEFAULT).is_file() else None
    if not FilePath(named).exists():
        raise ConfigError(
            f"there is no configuration at {named}", next="name a file or a folder by -c, or `drawbar init`"
        )
    return FilePath(named)


def read(path: FilePath) -> tuple[Document, FilePath, tuple[FilePath, ...]]:
    """Parse and merge; give the document, the folder that relative paths start from, and the files."""
    files = _files(path)
    document = Document(start=Spot(str(files[0]), 1, 1))
    for file in files:
        try:
            with file.open("rb") as stream:
                content = stream.read(MAX_BYTES + 1)
        except OSError as error:
            raise ConfigError(
                f"{file} cannot be read: {error.strerror}", next="check its path and its rights"
            ) from error
        _merge(document, parse(str(file), content))
    base = path if path.is_dir() else path.parent
    return document, base.resolve(), files


def _files(path: FilePath) -> tuple[FilePath, ...]:
    if not path.is_dir():
        return (path,)
    found = sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES and not file.name.startswith("."))
    if not found:
        raise ConfigError(f"the folder {path} holds no *.yaml or *.yml", next="name another by -c, or `drawbar init`")
    return tuple(found)


def _merge(into: Document, part: Document) -> None:
    into.problems += part.problems
    into.holes |= part.holes
    for key, value in part.data.items():
        if key.startswith("x-"):
            continue
        if key in _BY_NAME and isinstance(value, dict) and isinstance(into.data.get(key), dict):
            _merge_names(into, part, key, value)
        elif key not in into.data:
            into.data[key] = value
            _take(into, part, (key,))
        elif not (key == "version" and into.data[key] == value):
            _twice(into, part, (key,))


def _merge_names(into: Document, part: Document, key: str, value: dict[str, Any]) -> None:
    for name, item in value.items():
        if name in into.data[key]:
            _twice(into, part, (key, name))
        else:
            into.data[key][name] = item
            _take(into, part, (key, name))


def _take(into: Document, part: Document, path: tuple[str, ...]) -> None:
    size = len(path)
    into.spots.update((place, spots) for place, spots in part.spots.items() if place[:size] == path)


def _twice(into: Document, part: Document, path: tuple[str, ...]) -> None:
    first = into.key(path)
    said = f"{path[-1]!r} is defined twice"
    into.problems.append(Problem(part.key(path), said, f"the first is at {first}; remove or rename one", "syntax"))


def check(
    document: Document, base: FilePath, files: tuple[FilePath, ...] = (), *, environ: Mapping[str, str] | None = None
) -> Config:
    """Go through the stages that need no wire; raise ConfigErrors with what all of them found."""
    resolved = resolve(document, base, environ)
    remember(resolved.values)
    resolved.open |= document.holes
    said_at = {problem.spot for problem in document.problems}
    config, broken = _validated(document, resolved)
    document.problems += check_references(
        config, document, {**catalogue(config), **dict.fromkeys(broken.names("adapters"))}, broken, base
    )
    problems = [
        problem for problem in document.problems if problem.stage != "references" or problem.spot not in said_at
    ]
    if problems:
        raise ConfigErrors(problems)
    secrets = frozenset({*resolved.values, *_literal_secrets(config)})
    remember(secrets)
    warnings = tuple(_warnings(config, document, resolved))
    return config.placed(base=base, files=files, secrets=secrets, warnings=warnings, spots=spots_of(document))


def _validated(document: Document, resolved: Resolved) -> tuple[Config, Broken]:
    """
    Give the checked models; where there are mistakes, without the values that have some.

    So that the references of the rest are looked at too, and all mistakes come at once.
    """
    data = document.data
    broken: set[Path] = set()
    early: set[Path] = set()
    while True:
        try:
            return Config.model_validate(data), Broken(frozenset(broken | early))
        except ValidationError as error:
            if not broken:
                document.problems += explain(error, document, data, resolved, early)
            if new := not_yet(error, data) - early:
                # a key of a later version hides what else is wrong beside it
                early |= new
                data = _without(data, new)
                continue
            gone = {_removable(path, data) for path in places(error, data)}
            broken |= gone
            data = {} if () in gone else _without(data, gone)


def _removable(path: Path, data: Any) -> Path:
    """Give the nearest key that can be taken out without moving the items of a list."""
    here = data
    for at, step in enumerate(path):
        if not isinstance(here, dict) or step not in here:
            return path[:at]
        here = here[step]
    return path


def _without(data: Any, gone: set[Path], path: Path = ()) -> Any:
    if isinstance(data, dict):
        return {key: _without(item, gone, (*path, key)) for key, item in data.items() if (*path, key) not in gone}
    if isinstance(data, list):
        return [_without(item, gone, (*path, index)) for index, item in enumerate(data)]
    return data


def _literal_secrets(config: Config) -> Iterator[str]:
    for path, secret in secret_fields(config):
        yield from secrets_in(secret, "password" if "://" not in secret else str(path[-1]))


def _warnings(config: Config, document: Document, resolved: Resolved) -> Iterator[Problem]:
    """Name the secrets that stand in the file itself."""
    for path, secret in secret_fields(config):
        written = path in document.spots and path not in resolved.at
        if written and secrets_in(secret, "password" if "://" not in secret else str(path[-1])):
            said = f"{path[-1]!r} holds a secret in the file itself"
            yield Problem(document.value(path), said, "refer to it: ${env:NAME} or ${file:/run/secrets/x}", "secrets")
