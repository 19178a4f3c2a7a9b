"""The suite that every adapter passes, its second half: a system that is away, and one that never answers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from ..core.errors import DrawbarError, InputError, OutcomeUnknown, Unavailable
from ..core.values import to_json
from . import Given
from .disclosure import secrets_of
from .samples import sample
from .silence import SilentServer, moved
from .subject import Subject, answered, unsound
from .suite_present import Present, checked, filled, nothing, shown, unexplained

_CALL_S = 1.0
_SLACK_S = 5.0
"""What a timeout may take longer: some libraries round up to two seconds, and wait once for each step of a login."""


class Suite(Present):
    dead_config: ClassVar[Given]

    @pytest.fixture
    def given_dead(self, request: pytest.FixtureRequest) -> Mapping[str, Any]:
        return filled(self.dead_config, request)

    @pytest.fixture
    def dead(self, given_dead: Mapping[str, Any], tmp_path: Path) -> Iterator[Subject]:
        subject = Subject(self.kind, {**given_dead, "call_timeout_s": 2}, tmp_path)
        yield subject
        subject.adapter.close()

    def test_a_system_that_is_away_is_unavailable(self, dead: Subject, caplog: pytest.LogCaptureFixture) -> None:
        """Nothing happened over there, so every effect may be tried again."""
        caplog.set_level("INFO")
        met = []
        for doing, made_up, answer in _attempts(dead):
            met.append(type(answer))
            refused = made_up and isinstance(answer, InputError)
            assert refused or isinstance(answer, Unavailable), f"{doing}: {answer!r} instead of Unavailable"
            nothing(
                [*unsound(answer), *shown(secrets_of(dead.config), str(answer), json.dumps(to_json(answer.as_json())))]
            )
        nothing(shown(secrets_of(dead.config), caplog.text))
        assert Unavailable in met, "made-up arguments were refused by every tool: give an example in dead={...}"

    def test_the_check_explains_a_system_that_is_away(self, dead: Subject) -> None:
        findings = answered("check", checked, dead)

        nothing([*unexplained(findings)])
        assert not all(finding.ok for finding in findings), "check found nothing wrong"
        nothing(shown(secrets_of(dead.config), *map(repr, findings)))

    def test_a_system_that_never_answers_holds_no_call_beyond_its_timeout(
        self, given_dead: Mapping[str, Any], tmp_path: Path
    ) -> None:
        with SilentServer() as silent:
            given = moved(given_dead, silent.port)
            if given == given_dead:
                return  # a folder, a file: nobody is there who could be silent
            subject = Subject(self.kind, {**given, "call_timeout_s": _CALL_S}, tmp_path)
            for doing, made_up, answer in _within(_CALL_S + _SLACK_S, _attempts(subject, each_effect=True)):
                met = isinstance(answer, (Unavailable, OutcomeUnknown)) or (made_up and isinstance(answer, InputError))
                assert met, f"{doing}: {answer!r} instead of Unavailable or OutcomeUnknown"
            _timed("check", _CALL_S + _SLACK_S, checked, subject)
            _timed("close", _CALL_S + _SLACK_S, subject.adapter.close)
            assert silent.connections, "nothing was called"


def _attempts(subject: Subject, *, each_effect: bool = False) -> Iterator[tuple[str, bool, Any]]:
    """
    Try every tool, or one of each effect; say whether the arguments were made up, and what came.

    A system that cannot say what it offers is tried once.
    """
    tools = answered("tools()", lambda: subject.tools)
    if isinstance(tools, DrawbarError):
        yield "tools()", False, tools
        return
    examples: dict[str, Any] = {}
    for tool, arguments in subject.examples():
        examples.setdefault(tool.name, arguments)
    tried = set()
    for tool in tools.values():
        if not each_effect or tool.effect not in tried:
            tried.add(tool.effect)
            arguments = examples[tool.name] if tool.name in examples else sample(tool.input_schema)
            yield tool.name, tool.name not in examples, answered(tool.name, subject.call, tool, arguments)


def _within(limit_s: float, steps: Iterator[tuple[str, bool, Any]]) -> Iterator[tuple[str, bool, Any]]:
    began = time.monotonic()
    for doing, made_up, answer in steps:
        _fast(doing, time.monotonic() - began, limit_s)
        yield doing, made_up, answer
        began = time.monotonic()


def _timed(doing: str, limit_s: float, act: Callable[..., Any], *given: Any) -> None:
    began = time.monotonic()
    answered(doing, act, *given)
    _fast(doing, time.monotonic() - began, limit_s)


def _fast(doing: str, took_s: float, limit_s: float) -> None:
    assert took_s <= limit_s, f"{doing} took {took_s:.1f} s with call_timeout_s: {_CALL_S:g}"
