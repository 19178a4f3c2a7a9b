"""Which source goes into which sink, as the configuration alone can tell: what is refused, and why."""

from typing import Any

import pytest
from pydantic import ValidationError

from drawbar.core.syncs.config import SyncConfig

SOURCES: dict[str, dict[str, Any]] = {
    "feed": {"feed": "orders"},
    "table": {"table": "orders"},
    "changes": {"table": "orders", "cursor": {"column": "changed"}},
    "overlap": {"table": "orders", "cursor": {"column": "changed", "overlap_s": 60}},
    "snapshot": {"table": "orders", "cursor": {"column": "changed", "snapshot": True}},
    "statement": {"statement": "all"},
    "queue": {"consume": "in"},
    "operation": {"operation": "Find", "rows": "${{ result.rows }}"},
    "operation since": {
        "operation": "Find",
        "rows": "${{ result.rows }}",
        "changed": "${{ row.at }}",
        "with": {"since": "${{ since }}"},
    },
}
PLAIN = {"id": "${{ row.id }}"}
SINKS: dict[str, dict[str, Any]] = {
    "insert": {"table": "t"},
    "upsert": {"table": "t", "mode": "upsert"},
    "replace": {"table": "t", "mode": "replace"},
    "batched": {"table": "t", "load": "batched"},
    "batched upsert": {"table": "t", "mode": "upsert", "load": "batched"},
    "writes": {"writes": [{"table": "t", "map": PLAIN}, {"table": "l", "each": "row.lines", "map": PLAIN}]},
    "feed": {"feed": "export"},
    "queue": {"publish": "out"},
    "tool": {"operation": "Create"},
    "tool by key": {"operation": "Create", "key": ["id"]},
}
BY_STATE = {
    "replace by state": {"table": "t", "mode": "replace", "cursor": "state"},
    "rebuild": {"table": "t", "mode": "replace", "indexes": "rebuild"},
}
EVERYTHING = "everything at once"
PAGES = "page by page already"
UNNAMED = "no names for its rows"
REFUSED: dict[tuple[str, str], str] = {
    **{(source, "replace"): EVERYTHING for source in ("changes", "queue", "operation since")},
    ("overlap", "replace"): "overlap_s reads rows again",
    ("overlap", "insert"): "overlap_s reads rows again",
    ("overlap", "writes"): "overlap_s reads rows again",
    ("overlap", "batched"): "overlap_s reads rows again",
    ("overlap", "feed"): "overlap_s reads rows again",
    **{
        ("snapshot", sink): "snapshot reads rows again"
        for sink in ("insert", "writes", "batched", "feed", "queue", "tool", "tool by key")
    },
    ("snapshot", "replace"): "snapshot reads rows again",
    **{
        (source, sink): PAGES
        for source in ("changes", "queue", "operation", "operation since")
        for sink in ("batched", "batched upsert")
    },
    ("overlap", "batched upsert"): PAGES,
    ("snapshot", "batched upsert"): PAGES,
    ("table", "batched"): "mode upsert, or partitions",
    ("statement", "batched"): "mode upsert, or partitions",
    **{(source, sink): UNNAMED for source in ("table", "statement", "operation") for sink in ("queue", "tool")},
    ("operation since", "tool"): UNNAMED,
}
PAIRS = [(source, sink) for source in SOURCES for sink in SINKS]


def config(source: dict[str, Any], sink: dict[str, Any], **more: Any) -> SyncConfig:
    return SyncConfig.model_validate({"from": {"adapter": "a", **source}, "to": {"adapter": "b", **sink}, **more})


@pytest.mark.parametrize(("source", "sink"), PAIRS, ids=[f"{source} into {sink}" for source, sink in PAIRS])
def test_any_source_goes_into_any_sink_that_makes_sense_and_the_others_are_refused_with_the_reason(
    source: str, sink: str
) -> None:
    why = REFUSED.get((source, sink))
    if why is None:
        config(SOURCES[source], SINKS[sink])
        return
    with pytest.raises(ValidationError, match=why):
        config(SOURCES[source], SINKS[sink])


@pytest.mark.parametrize(
    ("source", "sink", "more", "why"),
    [
        ("feed", "insert", {"totals": [{"sum": "x"}]}, "files have totals of their own"),
        ("changes", "insert", {"totals": [{"sum": "x"}]}, "mode upsert"),
        ("feed", "upsert", {"deletes": {}}, "a table with a table"),
        ("table", "replace", {"deletes": {}}, "no such thing"),
        ("feed", "upsert", {"on_drift": "add_column"}, "from a table into a table"),
        ("feed", "insert", {"partitions": {}}, "ranges of a table's key"),
        ("table", "feed", {"partitions": {}}, "ranges of a table's key"),
        ("changes", "replace", {"partitions": {}}, "not a cursor"),
        ("table", "replace by state", {"partitions": {}}, "leave cursor: state out"),
        ("table", "batched upsert", {"partitions": {}}, "leave load out"),
        ("table", "rebuild", {"partitions": {}}, "locks the table"),
        ("feed", "writes", {"map": PLAIN}, "a map of its own"),
        ("feed", "writes", {"schema": {"type": "object"}}, "one mapped row"),
        ("table", "tool by key", {"map": {"other": "1"}}, "id is not in the map"),
        ("feed", "insert", {"triggers": [{"cron": "* * * * *", "input": "${{ 1 }}"}]}, "takes no input"),
    ],
)
def test_an_option_that_makes_no_sense_there_is_refused(source: str, sink: str, more: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        config(SOURCES[source], {**SINKS, **BY_STATE}[sink], **more)


@pytest.mark.parametrize(
    ("sink", "why"),
    [
        ({"feed": "f", "mode": "upsert"}, "only for a table"),
        ({"publish": "p", "key": ["id"]}, "only for a table"),
        ({"table": "t", "concurrency": 2}, "only for an operation"),
        ({"operation": "Create", "cursor": "target"}, "our state keeps it"),
        ({"table": "t", "name": "x.csv"}, "only files of a feed are named"),
        ({"table": "t", "cursor": "state"}, "mode upsert or replace"),
        ({"writes": [{"table": "t", "map": PLAIN}], "cursor": "state"}, "mode upsert or replace"),
        ({"writes": [{"table": "t", "map": PLAIN}, {"table": "t", "map": PLAIN}]}, "stands there twice"),
        ({"writes": [{"table": "t", "map": {"id": "${{ item.x }}"}}]}, "only there with each"),
        ({"writes": [{"table": "t", "each": "lines", "map": PLAIN}]}, "such as row.LINES"),
        ({"writes": [{"table": "t", "mode": "replace", "map": PLAIN}, {"table": "u", "map": PLAIN}]}, "either all"),
        ({"feed": "f", "indexes": "rebuild"}, "the load of one table"),
        ({"table": "t", "mode": "upsert", "indexes": "rebuild"}, "finds its rows by the key"),
        ({"table": "t", "load": "batched", "indexes": "rebuild"}, "finds the table empty"),
        ({"table": "t", "feed": "f"}, "exactly one of"),
        ({}, "none is given"),
    ],
)
def test_a_sink_that_contradicts_itself_is_refused(sink: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        config(SOURCES["feed"], sink)
