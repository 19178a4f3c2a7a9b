"""How the command line speaks: short tables for people, JSON for programs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..config.secrets import scrub, scrub_values
from ..core.values import to_json, write_json

if TYPE_CHECKING:  # what draws for people is loaded when somebody is shown something
    from rich.console import Console, JustifyMethod
    from rich.table import Table
    from rich.text import Text

_PIPE_WIDTH = 200
_NARROW = 30
_CONTROLS = dict.fromkeys(map(ord, "\a\b\v\f\r"))
_STATES = {
    "succeeded": "green", "done": "green", "ok": "green", "up": "green", "approved": "green", "archived": "green",
    "failed": "red", "down": "red", "rejected": "red", "expired": "red", "quarantined": "red",
    "parked": "yellow", "unknown": "yellow", "waiting": "yellow", "paused": "yellow", "held": "yellow",
    "running": "cyan", "queued": "cyan", "cancelled": "dim", "skipped": "dim",
    "read": "green", "idempotent": "cyan", "write": "yellow",
}  # fmt: skip


def console(*, stderr: bool = False) -> Console:
    """Give a console; one that is no terminal is wide, so that nothing is cut off for a program that reads it."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(
        stderr=stderr, width=None if stream.isatty() else _PIPE_WIDTH, highlight=False, soft_wrap=not stream.isatty()
    )


def say(text: str, *, style: str = "", stderr: bool = False) -> None:
    stream = sys.stderr if stderr else sys.stdout
    if stream.isatty() or "FORCE_COLOR" in os.environ:
        console(stderr=stderr).print(_text(scrub(text), style=style))
    else:
        stream.write(f"{scrub(text).translate(_CONTROLS)}\n")
        stream.flush()


def json_out(value: Any, *, exact: bool = False) -> None:
    """Write one JSON document to standard output."""
    text = write_json(scrub_values(value if exact else to_json(value)), exact=exact, indent=True)
    sys.stdout.write(text.decode() + "\n")


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Iterable[str] = (), wrap: str = "") -> None:
    """
    Print rows under small headings; a column that is empty in all of them is left out.

    The column `wrap` takes the rest of the line, or, where that is narrow, lines of its own; the others are not cut.
    """
    cells = [[_cell(value) for value in row] for row in rows]
    used = [at for at in range(len(columns)) if any(row[at].plain for row in cells)]
    if wrap in columns and _too_narrow(columns, cells, used, columns.index(wrap)):
        _stacked(columns, cells, used, columns.index(wrap), right)
        return
    from rich.table import Table

    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold dim", show_edge=False)
    aligned = set(right)
    for at in used:
        name, flows = columns[at], columns[at] == wrap
        side: JustifyMethod = "right" if name in aligned else "left"
        made.add_column(name, justify=side, no_wrap=not flows, overflow="fold" if flows else "ellipsis")
    for row in cells:
        made.add_row(*(row[at] for at in used))
    _print(made)


def _widths(columns: Sequence[str], cells: Sequence[Sequence[Text]], used: Sequence[int]) -> dict[int, int]:
    return {at: max(len(columns[at]), *(row[at].cell_len for row in cells)) for at in used}


def _too_narrow(columns: Sequence[str], cells: Sequence[Sequence[Text]], used: Sequence[int], wrap: int) -> bool:
    widths = _widths(columns, cells, used)
    if wrap not in widths:
        return False
    left = console().width - sum(width + 2 for at, width in widths.items() if at != wrap)
    return left < min(widths[wrap], _NARROW)


def _stacked(
    columns: Sequence[str], cells: Sequence[Sequence[Text]], used: Sequence[int], wrap: int, right: Iterable[str]
) -> None:
    """Print the wrapped column below its row."""
    from rich.padding import Padding

    fixed, aligned = [at for at in used if at != wrap], set(right)
    widths = _widths(columns, cells, fixed)
    head = [_text(columns[at], style="bold dim") for at in range(len(columns))]
    out = console()
    for row in [head, *cells]:
        line = _text("  ").join(_padded(row[at], widths[at], columns[at] in aligned) for at in fixed)
        line.rstrip()
        out.print(line, no_wrap=True, overflow="ellipsis")
        if row is not head and row[wrap].plain:
            out.print(Padding(_text(row[wrap].plain, style="dim"), (0, 0, 0, 2)))


def _padded(cell: Text, width: int, right: bool) -> Text:
    made = cell.copy()
    if right:
        made.pad_left(width - cell.cell_len)
    else:
        made.pad_right(width - cell.cell_len)
    return made


def _print(made: Table) -> None:
    """Print a table; what no terminal shows ends without blanks."""
    out = console()
    if sys.stdout.isatty():
        out.print(made)
        return
    with out.capture() as captured:
        out.print(made)
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def facts(pairs: Mapping[str, Any]) -> None:
    """Print names and values in two columns; what is empty is left out."""
    from rich.table import Table

    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in pairs.items():
        if value not in (None, "", [], {}):
            made.add_row(name.replace("_", " "), _cell(value))
    if made.row_count:
        _print(made)


def state(word: str | None) -> Text:
    return _text(word or "", style=_STATES.get(word or "", ""))


def _text(text: str = "", *, style: str = "") -> Text:
    from rich.text import Text

    return Text(text, style=style)


def _cell(value: Any) -> Text:
    from rich.text import Text

    if isinstance(value, Text):
        return value if scrub(value.plain) == value.plain else _text(scrub(value.plain))
    if value is None:
        return _text("")
    if isinstance(value, bool):
        return _text("yes" if value else "no")
    if isinstance(value, (dict, list)):
        return _text(scrub(write_json(value).decode()))
    if isinstance(value, int):
        return _text(f"{value:,}")
    return _text(scrub(str(value)))


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
