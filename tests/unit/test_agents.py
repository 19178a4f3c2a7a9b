"""Agents with a model: what it is told, what it may have done, and what becomes of its task."""

import json
import time
from contextlib import contextmanager

import pytest
from scripted import ME, Scripted

from drawbar.app import App
from drawbar.config import Config
from drawbar.core.access import SCOPES, Caller
from drawbar.core.errors import InputError, Rejected, Unavailable
from drawbar.testing.models import Call, Fails, Says, ScriptedModel, calls, says

ORDER = {"rows": [{"id": 7, "customer": "Ada", "amount": "10.00"}]}
NUMBER = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}, "additionalProperties": False}
LEAD = Caller("lead", scopes=SCOPES)


@contextmanager
def office(
    tmp_path, script, functions=None, *, provider="openai", model=None, flows=None, rules=None, key=None, **clerk
):
    """A landscape whose agent `clerk` works with a scripted model; `office.done` says which calls arrived."""
    done = []

    def spied(name, function):
        def call(arguments):
            done.append((name, arguments))
            return function(arguments)

        return call

    functions = functions or {"find": ("read", lambda _: ORDER)}
    Scripted.functions = {name: (effect, spied(name, function)) for name, (effect, function) in functions.items()}
    with ScriptedModel(script, key=key) as scripted:
        said = {**getattr(scripted, provider), "timeout_s": 5, **(model or {})}
        agent = {"tools": ["sys.*"], "model": said, "instructions": "You are a clerk.", **clerk}
        config = Config.model_validate(
            {
                "state": f"sqlite:///{tmp_path}/state.db",
                "adapters": {"sys": {"kind": "scripted", "tools": rules or {}}},
                "agents": {"clerk": agent},
                "workflows": flows
                or {
                    "w": {
                        "tasks": {"think": {"agent": "clerk", "with": {"task": "Do it."}}},
                        "output": "${{ tasks.think.output }}",
                    }
                },
            }
        )
        with App(config) as app:
            app.begin()
            app.script, app.done = scripted, done
            yield app


def ran(app, given=None, timeout_s=20, workflow="w"):
    run = app.engine.start(workflow, given or {}, caller=ME)
    return app.engine.wait(run.id, timeout_s)


def events(app, run, *types):
    return [one for one in app.engine.events(limit=1000, run_id=run.id) if one.type in types]


def heard(app, request=-1):
    return json.dumps(app.script.requests[request]["messages"])


def until(condition, timeout_s=10):
    end = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_task_is_done_with_two_calls_of_tools(tmp_path, provider):
    """Given a model that looks twice, when it is given a task, then its answer is the task's output."""
    script = [calls("sys_find", id=7), calls("sys_find", id=8), says("Both are billed.", output_tokens=20)]
    price = {"price_per_million": {"input": "3", "output": "15"}}
    with office(tmp_path, script, provider=provider, model=price) as app:
        run = ran(app)

        assert (run.state, run.output) == ("succeeded", "Both are billed.")
        assert app.done == [("find", {"id": 7}), ("find", {"id": 8})]
        [answered] = events(app, run, "agent.answered")
        assert answered.body["usage"] == {
            "questions": 3,
            "calls": 2,
            "input_tokens": 300,
            "output_tokens": 40,
            "cost": "0.0015",
        }
        assert [one.type for one in events(app, run, "agent.said", "agent.called", "agent.heard")] == [
            *("agent.said", "agent.called", "agent.heard"),
            *("agent.said", "agent.called", "agent.heard"),
            "agent.said",
        ]
        assert "Ada" in heard(app)
        [first, second] = app.engine.runs(workflow="call:sys.find")
        assert (first.caller, second.parent_run) == ("clerk", run.id)
