"""The chaos run's own count: what it would say if something were lost or done twice."""

import io
from collections import Counter
from dataclasses import replace

import pytest
from chaos.count import Bus, done_and_undone, steps, tally
from chaos.load import Order, orders
from chaos.table import Report, show
from rich.console import Console

GOOD = Report(
    kind="embedded", seed=7, seconds=1.0, tallies=[tally("rows", ["1", "2"], {"1": 1, "2": 1})], windows=Counter(),
    runs=Counter(succeeded=2), not_ended=0, not_accepted=0, events=Counter({"dead.parked": 1}), settled=Counter(probe=1),
    by_operator=Counter(), faults=Counter(), exits=Counter(), answers=Counter(),
)  # fmt: skip


def test_what_is_not_there_is_lost_and_what_nobody_ordered_is_one_too_many():
    found = tally("rows", ["1", "2", "3"], {"1": 1, "2": 2, "4": 1})

    assert (found.expected, found.found) == (3, 4)
    assert found.lost == ("3",)
    assert found.twice == ("2", "4")


def test_a_message_counts_by_its_id_and_a_second_id_of_an_order_is_done_twice():
    bus = Bus()
    bus.seen["billed"] = {"1": Counter(a=3), "2": Counter(a=1, b=1)}

    found = bus.tally("billed", ["1", "2"])

    assert (found.lost, found.twice) == ((), ("2",))
    assert "2 repeated ids" in found.note


AHEAD = {
    "1": Order(1, "ahead", "yes"),
    "2": Order(2, "ahead", "no"),
    "3": Order(3, "ahead", "cancel"),
    "4": Order(4, "ahead", "cancel at once"),
}


@pytest.mark.parametrize(
    ("done", "undone", "lost", "twice"),
    [
        ("1 2 3", "2 3", "", ""),
        ("1 2 3 4", "2 3 4", "", ""),
        ("1 2 3 4", "2 3", "4", ""),  # cancelled at once, done, and left
        ("1 2 3", "3", "2", ""),
        ("1 2 3", "2 2 3", "", "2"),  # undone twice
        ("1 2 3", "1 2 3", "", "1"),  # undone, though somebody wanted it
        ("1 2 3", "2 3 4", "", "4"),  # undone, though it was never done
        ("1 2 2 3", "2 3", "", "2"),
        ("2 3", "2 3", "1", ""),
    ],
)
def test_what_is_undone_was_done_and_each_is_there_once(done, undone, lost, twice):
    tallies = done_and_undone("rows", AHEAD, Counter(done.split()), Counter(undone.split()))

    assert [name for one in tallies for name in one.lost] == lost.split()
    assert [name for one in tallies for name in one.twice] == twice.split()


def test_each_run_has_its_steps_and_one_that_was_cancelled_at_once_may_have_none():
    given = [Order(5, "two messages"), Order(6, "agent"), *AHEAD.values()]

    assert steps(given, {"5": 2, "1": 1, "2": 1, "3": 1}).lost == ()
    assert steps(given, {"5": 1, "1": 1, "2": 1, "3": 1}).lost == ("5",)
    assert steps(given, {"5": 2, "1": 1, "2": 2, "3": 1, "4": 2}).twice == ("2", "4")


@pytest.mark.parametrize(
    "bad",
    [
        {"tallies": [tally("rows", ["1"], {})]},
        {"tallies": [tally("rows", ["1"], {"1": 2})]},
        {"runs": Counter(failed=1)},
        {"runs": Counter(failed=2), "as_meant": 1},
        {"failed_compensations": 1},
        {"not_ended": 1},
        {"not_accepted": 1},
    ],
    ids=str,
)
def test_one_zero_that_is_none_fails_the_run(bad):
    assert GOOD.is_good
    assert not replace(GOOD, **bad).is_good


def test_what_a_stopped_process_did_in_its_window_is_counted_apart():
    twice = replace(GOOD, tallies=[tally("rows", ["1"], {"1": 2})], windows=Counter({"rows": 1}))

    assert twice.is_good
    assert "done twice 0" in twice.line() and "window of a stopped process 1" in twice.line()


def test_the_table_ends_with_one_line_for_a_script():
    console = Console(record=True, width=110, file=io.StringIO())

    show(console, GOOD)

    last = console.export_text().rstrip().splitlines()[-1]
    assert last.startswith(
        "CHAOS embedded: seed 7; runs 2; lost 0; never ended 0; ended wrong 0; done twice 0; parked 1"
    )


def test_the_same_seed_draws_the_same_orders():
    drawn = orders(100, 5)

    assert drawn == orders(100, 5) != orders(100, 6)
    assert sum(one.runs for one in drawn) >= 100
    assert {one.way for one in drawn} == {"message", "two messages", "rest", "agent", "ahead"}
    assert {one.verdict for one in drawn} == {None, "yes", "no", "cancel", "cancel at once"}
