"""An operation that is asked for what changed: the greatest stamp is found by its meaning, however answers spell it."""

from typing import Any

import pytest

from drawbar.core.syncs.config import SyncFrom
from drawbar.core.syncs.tool_source import ToolSource

FROM = {
    "adapter": "a",
    "operation": "Find",
    "with": {"since": "${{ since }}"},
    "rows": "${{ result.rows }}",
    "changed": "${{ row.at }}",
}


@pytest.mark.parametrize(
    ("stamps", "greatest"),
    [
        (["9", "10", "8"], "10"),
        (["1.5", "1.25"], "1.5"),
        (["2026-10-25T02:45:00+02:00", "2026-10-25T02:30:00+01:00"], "2026-10-25T02:30:00+01:00"),
        (["2026-01-02", "2026-01-01T23:00:00Z"], "2026-01-02"),
        (["a", "b"], "b"),
        ([3, None, 2], 3),
    ],
)
def test_the_cursor_of_an_operation_is_the_latest_stamp_by_its_meaning(stamps: list[Any], greatest: Any) -> None:
    rows = [{"at": stamp} for stamp in stamps]
    source = ToolSource(SyncFrom.model_validate(FROM), lambda tool, given: {"rows": rows}, {})

    [*_, last] = source.portions(None, batch_rows=10)

    assert last.cursor == {"since": greatest}


def test_a_page_without_rows_does_not_end_what_names_the_next_page() -> None:
    """What lies behind it, changed before the greatest stamp, would never be asked for again."""
    pages = {
        None: {"rows": [{"at": "9"}], "next": "b"},
        "b": {"rows": [], "next": "c"},
        "c": {"rows": [{"at": "2"}], "next": None},
    }
    paged = FROM | {"with": {"token": "${{ next }}"}, "next": "${{ result.next }}"}
    source = ToolSource(SyncFrom.model_validate(paged), lambda tool, given: pages[given.get("token")], {})

    first, last = source.portions(None, batch_rows=10)

    assert [*first.rows, *last.rows] == [{"at": "9"}, {"at": "2"}]  # type: ignore[attr-defined]
    assert last.cursor == {"since": "9"}
