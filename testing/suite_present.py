"""The suite that every adapter passes, its first half: the configuration, the tools, a system that answers."""

from __future__ import annotations

import inspect
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import jsonschema_rs
import pytest
from pydantic import ValidationError

from ..core.adapter import Adapter, AdapterConfig, Finding, find
from ..core.errors import DrawbarError, InputError, Unavailable
from ..core.schema import Checker
from ..core.tool import Tool
from ..core.values import to_json
from . import Given
from .disclosure import logins_in_the_open, models_of, own_fields, secrets_of, unhidden
from .samples import strange
from .silence import closed_port
from .subject import Subject, answered, deviations, unsound

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_.-]*$")
_ALONE = """
import importlib, importlib.util, json, pathlib, sys
said = json.load(sys.stdin)
sys.path[:] = said["path"]
sys.modules.update(dict.fromkeys(said["needs"]))
try:
    module = importlib.import_module(said["module"])
except ModuleNotFoundError as missing:
    if missing.name != said["module"]:
        raise
    spec = importlib.util.spec_from_file_location(said["module"], said["file"])
    module = sys.modules[said["module"]] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
from drawbar.core.adapter import Place
kind = getattr(module, said["name"])
config = kind.Config.model_validate(said["config"])
kind.tool_names(config), kind.endpoints(config)
kind("tested", config, Place(pathlib.Path(said["base"]), pathlib.Path(said["base"])))
"""


def nothing(problems: list[str]) -> None:
    if problems:
        pytest.fail("\n".join(dict.fromkeys(problems)))


class Present:
    kind: ClassVar[type[Adapter[Any]]]
    live_config: ClassVar[Given]
    needs: ClassVar[tuple[str, ...]]

    @pytest.fixture
    def closed_port(self) -> int:
        return closed_port()

    @pytest.fixture
    def given(self, request: pytest.FixtureRequest) -> Mapping[str, Any]:
        return filled(self.live_config, request)

    @pytest.fixture
    def live(self, given: Mapping[str, Any], tmp_path: Path) -> Iterator[Subject]:
        subject = Subject(self.kind, given, tmp_path)
        yield subject
        subject.adapter.close()

    def test_it_is_found_by_its_kind(self) -> None:
        assert find(self.kind.kind) is self.kind, "another class has this kind"
        assert issubclass(self.kind.Config, AdapterConfig)

    def test_the_configuration_refuses_unknown_keys(self, given: Mapping[str, Any]) -> None:
        open_models = [m.__name__ for m in models_of(self.kind.Config) if m.model_config.get("extra") != "forbid"]

        assert not open_models, "subclass drawbar.core.strict.Strict, else a key that is written wrong is ignored"
        with pytest.raises(ValidationError):
            self.kind.Config.model_validate({"kind": self.kind.kind, **given, "no_such_key": 1})

    def test_every_field_of_the_configuration_has_a_description(self) -> None:
        fields = [field for model in models_of(self.kind.Config) for field in own_fields(model)]

        nothing([f"{name} has no description" for name, field in fields if not field.description])

    def test_secrets_are_hidden_in_the_configuration(self, live: Subject) -> None:
        secrets = secrets_of(live.config)

        nothing([f"{name} should be a SecretStr" for name in unhidden(self.kind.Config)])
        nothing([f"{name} holds a login in the open: SecretStr" for name in logins_in_the_open(live.config)])
        nothing(shown(secrets, repr(live.config), str(live.config), live.config.model_dump_json(), repr(live.adapter)))

    def test_it_is_created_without_a_wire(
        self, given: Mapping[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A dead system stops nothing else: validate and serve create every adapter."""

        def refuse(*_: Any) -> None:
            pytest.fail("creating the adapter opened a connection")

        monkeypatch.setattr(socket.socket, "connect", refuse)
        monkeypatch.setattr(socket.socket, "connect_ex", refuse)
        threads = threading.active_count()

        subject = Subject(self.kind, given, tmp_path)
        self.kind.tool_names(subject.config)
        self.kind.endpoints(subject.config)

        assert threading.active_count() == threads, "creating the adapter started a thread"

    def test_its_module_imports_without_its_wire_library(self, given: Mapping[str, Any], tmp_path: Path) -> None:
        """`drawbar validate --offline` runs where the library is not installed, and loads none that it does not use."""
        said = {
            "path": [path for path in sys.path if path] + [os.getcwd()],  # noqa: PTH109 - what '' on the path means
            "needs": self.needs,
            "module": self.kind.__module__,
            "name": self.kind.__qualname__,
            "file": inspect.getfile(self.kind),
            "config": {"kind": self.kind.kind, **given},
            "base": str(tmp_path),
        }

        done = subprocess.run(
            [sys.executable, "-c", _ALONE],
            input=json.dumps(said, default=str),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

        assert done.returncode == 0, done.stderr[-2000:]

    def test_its_tools_have_legal_names_descriptions_and_effects(self, live: Subject) -> None:
        tools = live.tools.values()

        nothing([f"{tool.name!r} is no legal name" for tool in tools if not _NAME.match(tool.name)])
        flat = [tool.name.replace(".", "_") for tool in tools]
        assert len(set(flat)) == len(flat), "two names are one when . becomes _, as over MCP"
        nothing([f"{tool.name} has no description" for tool in tools if not tool.description.strip()])
        effects = {"read", "idempotent", "write"}
        nothing([f"{tool.name}: {tool.effect!r} is no effect" for tool in tools if tool.effect not in effects])

    def test_its_schemas_are_json_schemas(self, live: Subject) -> None:
        for tool in live.tools.values():
            for what, schema in (("input", tool.input_schema), ("output", tool.output_schema)):
                where = f"the {what} schema of {tool.name}"
                assert schema.get("$schema", _DRAFT) == _DRAFT, f"{where} is not of 2020-12"
                try:
                    jsonschema_rs.meta.validate({"$schema": _DRAFT, **schema})
                except jsonschema_rs.ValidationError as error:
                    pytest.fail(f"{where}: {str(error).splitlines()[0]}")
                Checker.of(schema, where)
            form = tool.input_schema
            assert form.get("type") == "object", f"{tool.name}: arguments are an object"
            unknown = set(form.get("required", ())) - set(form.get("properties", {}))
            assert not unknown, f"{tool.name}: {sorted(unknown)} are required and no properties"

    def test_the_names_known_without_a_wire_are_those_of_the_tools(self, live: Subject) -> None:
        named = self.kind.tool_names(live.config)

        if named is not None:
            assert named == set(live.tools)

    def test_the_configuration_speaks_of_tools_that_are_there(self, live: Subject) -> None:
        unknown = set(live.config.tools) - set(live.tools)

        assert not unknown, f"tools: names {sorted(unknown)}, there are {sorted(live.tools)}"

    def test_the_examples_fit_their_schemas(self, live: Subject) -> None:
        for tool, arguments in live.examples():
            try:
                live.accepted(tool, arguments)
            except InputError as error:
                pytest.fail(f"an example of {tool.name}: {error.message}")

    def test_a_read_answers_what_its_output_schema_says(self, live: Subject) -> None:
        for tool, arguments in _reads(live):
            answer = answered(tool.name, live.call, tool, arguments)
            nothing([*deviations(tool, answer)])

    def test_two_threads_can_call_at_the_same_time(
        self, given: Mapping[str, Any], tmp_path: Path, live: Subject
    ) -> None:
        """The first calls of a process come together, and open the line together."""
        reads, fresh = _reads(live) * 4, Subject(self.kind, given, tmp_path)
        together = threading.Barrier(2)

        def work(_: int) -> list[str]:
            together.wait(10)
            answers = [(tool, answered(tool.name, fresh.call, tool, arguments)) for tool, arguments in reads]
            return [problem for tool, answer in answers for problem in deviations(tool, answer)]

        fresh.tools  # noqa: B018 - the landscape derives them once, under its lock
        with ThreadPoolExecutor(2) as pool:
            problems = [problem for found in pool.map(work, range(2)) for problem in found]
        fresh.adapter.close()

        nothing(problems)

    def test_strange_arguments_of_a_read_raise_one_of_the_five(self, live: Subject) -> None:
        reads = _reads(live)
        for tool, arguments in reads:
            for odd in strange(arguments):
                doing = f"{tool.name} with {str(odd)[:200]}"
                answer = answered(doing, live.call, tool, odd)
                if isinstance(answer, DrawbarError):
                    nothing([f"{doing}: {problem}" for problem in unsound(answer)])
                    assert not isinstance(answer, Unavailable), f"{doing}: {answer.message}: trying again will not help"

        for tool, arguments in reads[:1]:
            answer = answered(tool.name, live.call, tool, arguments)
            nothing([f"after strange arguments: {problem}" for problem in deviations(tool, answer)])

    def test_a_preview_touches_nothing_and_is_json(self, live: Subject) -> None:
        for tool, arguments in live.examples():
            if tool.preview is not None:
                would = answered(f"preview of {tool.name}", tool.preview, live.accepted(tool, arguments))
                assert not isinstance(would, DrawbarError), f"preview of {tool.name}: {would}"
                json.dumps(to_json(would))
                nothing(shown(secrets_of(live.config), json.dumps(to_json(would))))

    def test_a_system_that_answers_passes_its_check(self, live: Subject) -> None:
        findings = answered("check", checked, live)

        nothing([*unexplained(findings)])
        nothing([f"{finding.what}: {finding.found}" for finding in findings if not finding.ok])
        nothing(shown(secrets_of(live.config), *map(repr, findings)))

    def test_closing_twice_does_nothing(self, given: Mapping[str, Any], tmp_path: Path, live: Subject) -> None:
        unused = Subject(self.kind, given, tmp_path)
        unused.adapter.close()
        for tool, arguments in _reads(live)[:1]:
            live.call(tool, arguments)

        live.adapter.close()
        live.adapter.close()


def filled(config: Given, request: pytest.FixtureRequest) -> Mapping[str, Any]:
    if not callable(config):
        return config
    return config(**{name: request.getfixturevalue(name) for name in inspect.signature(config).parameters})


def checked(subject: Subject) -> list[Finding]:
    return list(subject.adapter.check())


def _reads(subject: Subject) -> list[tuple[Tool, Any]]:
    """Give the reads that can be called; an author who gives none has not tested any."""
    found = list(subject.examples(reads=True))
    if not found:
        reads = [tool.name for tool in subject.tools.values() if subject.effect(tool) == "read"]
        assert not reads, f"give an example in config: tools: {{{reads[0]}: {{examples: [{{arguments: ...}}]}}}}"
    return found


def shown(secrets: set[str], *texts: str) -> list[str]:
    return ["a secret of the configuration is shown" for text in texts if any(secret in text for secret in secrets)]


def unexplained(findings: list[Finding] | DrawbarError) -> Iterator[str]:
    if isinstance(findings, DrawbarError):
        yield f"check raised {findings!r} instead of giving a finding"
        return
    if not findings:
        yield "check says nothing"
    for finding in findings:
        if not finding.ok and not (finding.found and finding.next):
            yield f"{finding.what}: what was found, and what to do about it?"
