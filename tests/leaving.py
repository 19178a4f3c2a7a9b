"""Runs in every state, for a release that leaves them behind and for the next one that takes them over."""

import threading
from typing import Any

from drawbar.core.errors import OutcomeUnknown, Rejected, Unavailable

LONG_H = 87_600
RULES: dict[str, Any] = {
    "pay": {"key": "${{ arguments.n }}", "key_h": 876_000},
    "guarded": {"approval": {"within_h": LONG_H}},
}


def _tool(name: str, **said: Any) -> dict[str, Any]:
    return {"tool": f"sys.{name}", "with": {"n": "${{ run.id }}"}, **said}


FIRST: dict[str, Any] = {
    "asked": {"tasks": {"ask": {"approval": {"within_h": LONG_H}}, "pay": _tool("pay", needs=["ask"])}},
    "guarded": {"tasks": {"do": _tool("guarded")}},
    "delayed": {"tasks": {"look": _tool("flaky", retry={"attempts": 100}), "pay": _tool("pay", needs=["look"])}},
    "timed": {"tasks": {"rest": {"wait_s": 30}, "pay": _tool("pay", needs=["rest"])}},
    "parked": {"tasks": {"lose": _tool("lose"), "pay": _tool("pay", needs=["lose"])}},
    "each": {
        "tasks": {
            "all": {
                "tool": "sys.item",
                "for_each": {"in": "${{ [0, 1, 2, 3, 4, 5] }}", "concurrency": 2},
                "with": {"n": "${{ item }}"},
                "retry": {"attempts": 100},
            },
            "pay": _tool("pay", needs=["all"]),
        },
        "output": "${{ tasks.all.output }}",
    },
    "paused": {"tasks": {"rest": {"wait_s": 1}, "pay": _tool("pay", needs=["rest"])}},
    "keyed": {
        "key": "${{ input.k }}",
        "tasks": {"ask": {"approval": {"within_h": LONG_H}}, "pay": _tool("pay", needs=["ask"])},
    },
    "reading": {"tasks": {"look": _tool("hang_read"), "pay": _tool("pay", needs=["look"])}},
    "writing": {"tasks": {"do": _tool("hang_write"), "pay": _tool("pay", needs=["do"])}},
    "done": {"tasks": {"pay": {"tool": "sys.pay", "with": {"n": "4711"}}}},
    "failed": {"tasks": {"no": _tool("refuse")}},
    "ready": {"tasks": {"look": _tool("look"), "pay": _tool("pay", needs=["look"])}},
}

SECOND: dict[str, Any] = {
    **FIRST,
    "undone": {"tasks": {"pay": _tool("pay", compensate=_tool("undo")), "no": _tool("refuse", needs=["pay"])}},
    "above": {"tasks": {"sub": {"workflow": "asked"}, "pay": _tool("pay", needs=["sub"])}},
    "handed": {"tasks": {"think": {"agent": "clerk"}, "pay": _tool("pay", needs=["think"])}},
}
FLOWS = {1: FIRST, 2: SECOND}
"""By the version that leaves them."""

_FIRST = {
    "asked": {"ask": "waiting"},
    "guarded": {"do": "waiting"},
    "delayed": {"look": "delayed"},
    "timed": {"rest": "waiting"},
    "parked": {"lose": "parked"},
    "each": {"all": "open", "all/0": "succeeded", "all/1": "succeeded", "all/2": "delayed", "all/3": "delayed"},
    "paused": {"rest": "succeeded"},
    "keyed": {"ask": "waiting"},
    "reading": {"look": "running"},
    "writing": {"do": "running"},
    "done": {"pay": "succeeded"},
    "failed": {"no": "failed"},
    "ready": {"look": "ready"},
}
_SECOND = {
    **_FIRST,
    "undone": {"pay": "succeeded", "no": "failed", "compensate:pay": "delayed"},
    "above": {"sub": "child_waits"},
    "handed": {"think": "waiting"},
}
LEFT = {1: _FIRST, 2: _SECOND}
"""What a version leaves: the tasks (and items) that it had begun, as the journal names their states."""


def functions(calls: list[tuple[str, Any]], *, badly: bool = False) -> dict[str, Any]:
    """Give a system that notes its calls; `badly`, it is away, loses answers and hangs."""

    def told(name: str, trouble: Exception | None = None, *, hangs: bool = False) -> Any:
        def do(arguments: dict[str, Any]) -> Any:
            if badly and trouble is not None and (name != "item" or arguments["n"] > 1):
                raise trouble
            if badly and hangs:
                threading.Event().wait()
            calls.append((name, arguments["n"]))
            return {"n": arguments["n"]}

        return do

    def refuse(arguments: dict[str, Any]) -> Any:
        raise Rejected("never")

    return {
        "look": ("read", told("look")),
        "flaky": ("read", told("flaky", Unavailable("away"))),
        "hang_read": ("read", told("hang_read", hangs=True)),
        "hang_write": ("write", told("hang_write", hangs=True)),
        "pay": ("write", told("pay")),
        "guarded": ("write", told("guarded")),
        "lose": ("write", told("lose", OutcomeUnknown("the answer was lost"))),
        "item": ("write", told("item", Unavailable("away"))),
        "refuse": ("write", refuse),
        "undo": ("write", told("undo", Unavailable("away"))),
    }
