"""How the command line speaks: short tables for people, JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..config.secrets import scrub, scrub_values
from ..core.values import to_json, write_json

_PIPE_WIDTH = 200
_STATES = {
    "succeeded": "green", "done": "green", "ok": "green", "up": "green", "approved": "green", "archived": "green",
    "failed": "red", "down": "red", "rejected": "red", "expired": "red", "quarantined": "red",
    "parked": "yellow", "unknown": "yellow", "waiting": "yellow", "paused": "yellow", "held": "yellow",
    "running": "cyan", "queued": "cyan", "cancelled": "dim", "skipped": "dim",
    "read": "green", "idempotent": "cyan", "write": "yellow",
}  # fmt: skip


def console(*, stderr: bool = False) -> Console:
    """Give a console; one that is no terminal is wide, so that nothing is cut off for a program that reads it."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(
        stderr=stderr, width=None if stream.isatty() else _PIPE_WIDTH, highlight=False, soft_wrap=not stream.isatty()
    )


def say(text: str, *, style: str = "", stderr: bool = False) -> None:
    console(stderr=stderr).print(Text(scrub(text), style=style))


def json_out(value: Any, *, exact: bool = False) -> None:
    """Write one JSON document to standard output."""
    text = write_json(scrub_values(value if exact else to_json(value)), exact=exact, indent=True)
    sys.stdout.write(text.decode() + "\n")


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Iterable[str] = (), wrap: str = "") -> None:
    """Print rows under small headings; the column `wrap` takes the rest of the line, the others are never cut."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold dim", show_edge=False)
    aligned = set(right)
    for name in columns:
        made.add_column(
            name, justify="right" if name in aligned else "left", no_wrap=name != wrap, overflow="fold" if name == wrap else "ellipsis"
        )  # fmt: skip
    for row in rows:
        made.add_row(*(_cell(value) for value in row))
    console().print(made)


def facts(pairs: Mapping[str, Any]) -> None:
    """Print names and values in two columns; what is empty is left out."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in pairs.items():
        if value not in (None, "", [], {}):
            made.add_row(name.replace("_", " "), _cell(value))
    console().print(made)


def state(word: str | None) -> Text:
    return Text(word or "", style=_STATES.get(word or "", ""))


def _cell(value: Any) -> Text:
    if isinstance(value, Text):
        return Text.from_markup("") + value if scrub(value.plain) == value.plain else Text(scrub(value.plain))
    if value is None:
        return Text("")
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    if isinstance(value, (dict, list)):
        return Text(scrub(write_json(value).decode()))
    if isinstance(value, int):
        return Text(f"{value:,}")
    return Text(scrub(str(value)))


def one_line(text: str | None, limit: int = 100) -> str:
    """Give the first line of a text, cut to a limit."""
    first = (text or "").strip().partition("\n")[0]
    return first if len(first) <= limit else f"{first[: limit - 1]}…"


def when(stamp: Any) -> str:
    """Give a moment as local time, the day only when it is another one."""
    moment = _moment(stamp)
    if moment is None:
        return ""
    local = moment.astimezone()
    today = datetime.now(UTC).astimezone().date()
    return local.strftime("%H:%M:%S" if local.date() == today else "%Y-%m-%d %H:%M")


def lasted(start: Any, end: Any = None) -> str:
    """Give how long something took, or has taken so far."""
    begun = _moment(start)
    if begun is None:
        return ""
    return seconds(((_moment(end) or datetime.now(UTC)) - begun).total_seconds())


def seconds(value: float | None) -> str:
    if value is None:
        return ""
    if value < 1:
        return f"{value * 1000:.0f} ms"
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(int(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def _moment(stamp: Any) -> datetime | None:
    if isinstance(stamp, datetime):
        return stamp
    if isinstance(stamp, (int, float)):
        return datetime.fromtimestamp(stamp, UTC)
    if not isinstance(stamp, str) or not stamp:
        return None
    try:
        found = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
