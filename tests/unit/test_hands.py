"""Threads that read and work: one system that hangs holds up neither another one nor the reading."""

import os
import select
import threading
from functools import partial

import pytest

from drawbar.facade.hands import Hands
from drawbar.facade.lines import Heard, Said

SOON_S = 10


class Asked:
    """What is read: batches that a test brings."""

    def __init__(self):
        self._lines, self._end = os.pipe()
        self._batches = []

    def bring(self, *works):
        self._batches.append(works)
        os.write(self._end, b".")

    def end(self):
        os.close(self._end)

    def read(self):
        return self._batches.pop(0) if os.read(self._lines, 1) else None


@pytest.fixture
def asked():
    return Asked()


@pytest.fixture
def hands(asked):
    hands = Hands("test", asked.read, lambda system: 20)
    thread = threading.Thread(target=hands.run)
    thread.start()
    yield thread
    thread.join(SOON_S)


def test_who_hangs_holds_up_neither_the_others_nor_the_reading(asked, hands):
    slow, others = threading.Event(), [threading.Event() for _ in range(3)]
    asked.bring(("slow", partial(slow.wait, SOON_S)))
    for one in others:
        asked.bring(("quick", one.set))

    assert all(one.wait(SOON_S) for one in others)

    slow.set()
    asked.end()
    hands.join(SOON_S)
    assert not hands.is_alive()


def test_a_slow_system_gets_threads_up_to_its_own_number_and_another_one_is_answered_meanwhile(asked, hands):
    go, most = threading.Event(), threading.Semaphore(0)

    def hang():
        most.release()
        go.wait(SOON_S)

    asked.bring(*[("slow", hang)] * 30)
    assert all(most.acquire(timeout=SOON_S) for _ in range(20))
    quick = threading.Event()
    asked.bring(("quick", quick.set))

    assert quick.wait(SOON_S)
    assert not most.acquire(timeout=0.05)

    go.set()
    asked.end()


def test_what_was_read_is_done_before_the_end(asked, hands):
    done = []
    asked.bring(*[("one", partial(done.append, number)) for number in range(100)])
    asked.end()

    hands.join(SOON_S)

    assert sorted(done) == list(range(100))


def test_lines_come_whole_and_one_that_is_too_long_is_told_once():
    given, end = os.pipe()
    heard = Heard(given, most=10)
    got = []

    for text in (b"one\ntw", b"o\n" + b"x" * 11, b"x" * 50, b"x\nfour\n", b"five"):
        os.write(end, text)
        got += heard.more()
    os.close(end)
    got += heard.more()

    assert got == [b"one", b"two", None, b"four", b"five"]
    assert heard.more() is None


def test_what_is_said_together_leaves_at_once_also_when_something_fails():
    given, end = os.pipe()
    said = Said(end)

    with pytest.raises(ValueError, match="one of them"), said:
        said.write(b"one")
        other = threading.Thread(target=said.write, args=(b"two",))
        other.start()
        other.join(SOON_S)
        assert not select.select([given], [], [], 0)[0]
        raise ValueError("one of them")

    assert os.read(given, 100) == b"one\ntwo\n"
    said.write(b"three")
    assert os.read(given, 100) == b"three\n"


def test_nobody_hears_and_nothing_fails():
    given, end = os.pipe()
    os.close(given)

    Said(end).write(b"an answer")
    os.close(end)


def test_what_reading_raises_is_heard_and_work_that_fails_stops_nothing():
    def fail():
        raise ValueError("no work")

    done = threading.Event()
    batches = [[("one", fail)], [("one", done.set)]]

    def read():
        if batches:
            return batches.pop(0)
        raise OSError("the line broke")

    with pytest.raises(OSError, match="the line broke"):
        Hands("test", read, lambda system: 20).run()

    assert done.is_set()
