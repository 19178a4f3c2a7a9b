"""What a sync carries on of fields that its tools declare personal or secret: by the templates of its mapping, as for runs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace

from ..batch import Would
from ..expressions import Path
from ..masking import ALL, masked
from ..veils import carried, split
from .config import SyncConfig

Hidden = Callable[[str], Collection[str]]
_ROWS = "rows."
_SAMPLE = ("", "row.", "key.", "changes.")
"""Where the samples of a dry run have the fields of a row."""


def carried_by(config: SyncConfig, hidden: Hidden) -> tuple[str, ...]:
    """Name the fields of what a sync writes that come from a field which a tool hides."""
    seen = set(_read(config, hidden)) | {
        ("called", name, *split(path)) for name, call in config.calls.items() for path in hidden(call.tool)
    }
    for name, lookup in config.lookups.items():
        seen |= {("lookup", name, *split(path)) for path in _of_rows(hidden(f"{lookup.adapter}.read_{lookup.table}"))}
    if not seen:
        return ()
    if config.map is None:
        return tuple(".".join(path[1:]) or ALL for path in seen if path[0] == "row")
    return tuple(dict.fromkeys(carried({name: one.raw for name, one in config.map.items()}, seen)))


def shown(would: Would, config: SyncConfig, hidden: Hidden) -> Would:
    """Give what a dry run would do without what must not be seen of its samples."""
    to = config.to
    if to.operation is not None:
        own = list(hidden(f"{to.adapter}.{to.operation}"))
    else:
        own = _of_rows(hidden(f"{to.adapter}.read_{to.table}"))
    paths = [f"{place}{path}" for path in (*carried_by(config, hidden), *own) for place in _SAMPLE]
    return replace(would, samples=[masked(one, paths) for one in would.samples]) if paths else would


def _read(config: SyncConfig, hidden: Hidden) -> Iterator[Path]:
    """Name what is hidden of a row as it is read; of a table and a statement, what their own tools hide."""
    from_ = config.from_
    if from_.operation is not None and from_.rows is not None:
        result = {("result", *split(path)) for path in hidden(f"{from_.adapter}.{from_.operation}")}
        paths: Collection[str] = list(carried({"rows": from_.rows.raw}, result))
    else:
        name = from_.statement or f"read_{from_.table or from_.feed}"
        paths = [path.replace("records.", _ROWS, 1) for path in hidden(f"{from_.adapter}.{name}")]
    if "rows" in paths:
        yield ("row",)
    for path in _of_rows(paths):
        yield ("row", *split(path))


def _of_rows(paths: Collection[str]) -> list[str]:
    return [path.removeprefix(_ROWS) for path in paths if path.startswith(_ROWS)]
