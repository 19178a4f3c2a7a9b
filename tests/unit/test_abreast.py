"""What two threads make of items for one caller."""

from collections.abc import Iterator
from threading import Event, current_thread

import pytest

from drawbar.core.ahead import abreast


def test_what_is_made_comes_in_the_order_of_the_items() -> None:
    second = Event()

    def work(item: int) -> int:
        if item == 4:
            second.set()
        if item == 3:  # the one before it waits for the other thread
            assert second.wait(10)
        return item * 2

    assert list(abreast(iter(range(1, 20)), work)) == [item * 2 for item in range(1, 20)]


def test_two_items_take_no_thread() -> None:
    assert set(abreast(iter(range(2)), lambda _: current_thread())) == {current_thread()}


def test_an_error_comes_where_its_item_would_have() -> None:
    def work(item: int) -> float:
        return 1 / (5 - item)

    made = abreast(iter(range(9)), work)

    assert [next(made) for _ in range(5)] == [1 / (5 - item) for item in range(5)]
    with pytest.raises(ZeroDivisionError):
        next(made)


def test_only_a_few_items_are_read_ahead_and_none_after_the_caller_has_left() -> None:
    read = []

    def items() -> Iterator[int]:
        for item in range(1000):
            read.append(item)
            yield item

    made = abreast(items(), lambda item: item)
    for _ in range(3):
        next(made)
    ahead = len(read)

    made.close()

    assert ahead <= 8
    assert len(read) == ahead
