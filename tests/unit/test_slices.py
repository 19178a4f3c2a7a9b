"""How slots are shared between processes that want them, and what one process does with its part."""

import itertools
import threading
import time
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drawbar.core.budget import Share
from drawbar.core.errors import NotNow, Unavailable
from drawbar.core.policy import Budget
from drawbar.core.slices import Holdings, Rate, Slots, fair
from drawbar.core.store import budgets
from drawbar.core.store.budgets import Budgets
from drawbar.core.store.journal import Journal

wants = st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.integers(0, 20), max_size=6)


@contextmanager
def process(folder):
    """Hold budgets as one process does of those that have their state in a folder."""
    journal = Journal.open(f"sqlite:///{folder}/state.db")
    holdings = Holdings(Budgets(journal))
    yield holdings
    holdings.close()
    journal.close()


@pytest.fixture
def holdings(tmp_path):
    with process(tmp_path) as holdings:
        yield holdings


@given(total=st.integers(0, 40), wants=wants, turn=st.integers(0, 100))
def test_shares_never_exceed_the_budget_and_leave_nothing_unused(total, wants, turn):
    got = fair(total, wants, turn)

    assert sum(got.values()) == min(total, sum(wants.values()))
    assert all(got[owner] <= want for owner, want in wants.items())


@given(total=st.integers(0, 40), wants=wants, turn=st.integers(0, 100))
def test_nobody_gets_more_while_another_gets_less_than_it_wants(total, wants, turn):
    got = fair(total, wants, turn)

    short = [got[owner] for owner, want in wants.items() if got[owner] < want]
    if short:
        assert max(got.values()) <= min(short) + 1


@given(wants=st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.integers(1, 20), min_size=1, max_size=6))
def test_a_single_slot_is_everybodys_in_turn(wants):
    served = {owner for turn in range(len(wants)) for owner, slots in fair(1, wants, turn).items() if slots}

    assert served == set(wants)


def test_a_process_that_is_alone_gets_all_that_it_wants(holdings):
    slots = Slots("erp", 8, holdings)

    assert all(slots.acquire(time.monotonic() + 30) for _ in range(8))
    assert not slots.acquire(time.monotonic() + 0.1)
    slots.release()
    assert slots.acquire(time.monotonic() + 30)


def test_a_budget_that_two_need_to_its_last_slot_serves_both(tmp_path):
    """One needs more than half, the other less: what the other leaves idle is not shared as if it were used."""
    with process(tmp_path) as one, process(tmp_path) as other:
        more, less = Slots("erp", 20, one), Slots("erp", 20, other)
        for _ in range(8):
            assert less.acquire(time.monotonic() + 30)
            assert more.acquire(time.monotonic() + 30)

        assert all(more.acquire(time.monotonic() + 30) for _ in range(4))
        assert not more.acquire(time.monotonic() + 0.1)


def test_what_two_have_beside_is_not_kept_from_a_third_that_needs_it(tmp_path):
    """Each of the two needs one and has two: one of these four is the third's, and not spare for both."""
    with process(tmp_path) as one, process(tmp_path) as two, process(tmp_path) as three:
        for holdings in (one, two):
            assert Slots("erp", 4, holdings).acquire(time.monotonic() + 30)

        assert Slots("erp", 4, three).acquire(time.monotonic() + 10)


def test_at_rest_a_process_keeps_what_nobody_wants_and_gives_it_to_who_does(tmp_path):
    with process(tmp_path) as one, process(tmp_path) as other:
        first, second = Slots("erp", 8, one), Slots("erp", 8, other)
        for _ in range(8):
            assert first.acquire(time.monotonic() + 30)
        for _ in range(8):
            first.release()
        for _ in range(2):  # what it peaked at is forgotten, then nothing more is needed
            with first.asking:
                first.rest(time.monotonic())
                first.settle()

        assert first.has_room
        assert all(second.acquire(time.monotonic() + 30) for _ in range(8))


def test_a_lease_that_was_not_renewed_starts_nothing_until_it_is(holdings):
    """What a process does that slept past its lease: it asks again before the next call."""
    slots = Slots("erp", 2, holdings)
    assert slots.acquire(time.monotonic() + 30)
    slots._until = 0.0
    holdings._store.write(
        lambda conn: budgets.put(conn, "erp", "other", slots=2, wanted=2, until=holdings._store.now() + 60)
    )
    holdings._store.write(lambda conn: budgets.drop(conn, "erp", holdings._owner))

    assert not slots.acquire(time.monotonic() + 0.3)


def test_a_place_whose_lease_ended_before_its_call_left_is_not_used(holdings):
    """Also where the lease was renewed since: what it grants then may be less."""
    share = Share("erp", Budget(concurrency=2), holdings=holdings)
    slots = share._slots
    with share.slot(30) as place:
        place.leaving()
        slots._until = 0.0
        with pytest.raises(NotNow, match="too slow: its place in the budget erp was given up"):
            place.leaving()

        holdings._store.write(
            lambda conn: budgets.put(conn, "erp", "other", slots=2, wanted=2, until=holdings._store.now() + 60)
        )
        holdings._store.write(lambda conn: budgets.drop(conn, "erp", holdings._owner))
        slots.ask()
        with pytest.raises(NotNow, match="given up"):
            place.leaving()


def test_many_threads_stay_within_what_is_granted(holdings):
    share = Share("erp", Budget(concurrency=5), holdings=holdings)
    now, most, lock = 0, 0, threading.Lock()

    def work():
        nonlocal now, most
        for _ in range(30):
            with share.slot(20):
                with lock:
                    now += 1
                    most = max(most, now)
                time.sleep(0.001)
                with lock:
                    now -= 1

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert now == 0
    assert 2 <= most <= 5


def test_a_rate_gives_starts_at_its_distance(holdings, monkeypatch):
    monkeypatch.setattr("drawbar.core.slices.SLICE_S", 2.5)  # ten at a time
    rate = Rate("erp", 4, holdings)
    far = time.monotonic() + 60

    starts = [rate.start(far) for _ in range(30)]

    assert all(b - a >= 0.2 for a, b in itertools.pairwise(starts))


def test_a_start_that_comes_too_late_is_not_taken(holdings):
    rate = Rate("erp", 1 / 60, holdings)
    assert rate.start(time.monotonic() + 5) <= time.monotonic()

    late = rate.start(time.monotonic() + 0.1)

    assert 30 < late - time.monotonic() <= 60
    assert rate.start(time.monotonic() + 90) - time.monotonic() <= 60


def test_a_file_of_budgets_that_was_spoilt_is_made_anew(tmp_path):
    journal = Journal.open(f"sqlite:///{tmp_path}/state.db")
    (tmp_path / "state.db-budget").write_bytes(b"\0" * 5000)
    holdings = Holdings(Budgets(journal))
    share = Share("erp", Budget(), holdings=holdings)
    try:
        with pytest.raises(Unavailable), share.slot(1):
            pass
        with share.slot(1):
            pass
    finally:
        holdings.close()
        journal.close()
