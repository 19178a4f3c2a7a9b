"""What went wrong, as one clear block and an exit code; never a traceback."""

from __future__ import annotations

import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

from ..config.problems import ConfigErrors
from ..config.secrets import scrub
from ..core.errors import DrawbarError, InputError
from .output import console, json_out, one_line

DONE, FAILED, USAGE, PERSON, LATER, NOTHING = range(6)
_BY_KIND = {"config": USAGE, "input": USAGE, "rejected": FAILED, "unavailable": LATER, "unknown": PERSON}
_BY_REASON = {"conflict": FAILED, "forbidden": FAILED, "unauthenticated": FAILED, "rate": LATER, "stale": FAILED}
_TITLES = {
    "config": "configuration",
    "input": "not accepted",
    "rejected": "rejected over there",
    "unavailable": "not available now",
    "unknown": "outcome unknown",
}


def exit_code(error: DrawbarError) -> int:
    """Sort an error by what the caller can do: 1 failed, 2 usage or configuration, 3 a person, 4 later."""
    if isinstance(error, InputError):
        return _BY_REASON.get(error.reason, USAGE)
    return _BY_KIND[error.kind]


def report(error: DrawbarError, *, as_json: bool) -> int:
    """Print one of the five; give the exit code."""
    code = exit_code(error)
    if as_json:
        json_out({"error": error.as_json(), "exit": code})
        return code
    from rich.text import Text

    err = console(stderr=True)
    if isinstance(error, ConfigErrors):
        for problem in error.problems:
            err.print(Text(scrub(f"{problem.spot}: ")) + Text(scrub(str(problem).removeprefix(f"{problem.spot}: "))))
        count = len(error.problems)
        err.print(Text(f"\n{count} mistake{'s' if count != 1 else ''}: nothing was done", style="red"))
        return code
    err.print(Text(f"{_TITLES[error.kind]}: ", style="red") + Text(scrub(error.message)))
    shown = {"tool": error.tool, "field": error.field, "id": error.id, "next": error.next}
    if error.retry_after_s is not None:
        shown["again in"] = f"{error.retry_after_s:g} s"
    for name, value in shown.items():
        if value and (name in {"next", "again in"} or str(value) not in error.message):
            err.print(Text(f"  {name}: ", style="dim") + Text(scrub(str(value))))
    return code


def defect(error: BaseException) -> int:
    """Keep the traceback in a file and say where; a person who reports it attaches that file."""
    folder = Path(os.environ.get("XDG_STATE_HOME") or tempfile.gettempdir())
    file = folder / f"drawbar-defect-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    text = scrub("".join(traceback.format_exception(error)))
    try:
        with open(file, "x", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as out:
            out.write(f"{' '.join(map(scrub, sys.argv))}\n\n{text}")
        where = f"the trace is in {file}"
    except OSError as cause:
        where = f"the trace could not be kept: {cause.strerror}"
    from rich.text import Text

    err = console(stderr=True)
    err.print(
        Text("defect: ", style="red")
        + Text(
            scrub(f"Drawbar failed in a way that nobody foresaw ({type(error).__name__}: {one_line(str(error), 200)})")
        )
    )
    err.print(Text(f"  {where}\n  please report it with that file", style="dim"))
    return FAILED
