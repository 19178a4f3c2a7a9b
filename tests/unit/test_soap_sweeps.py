"""The search for cycles waits while a large answer is read, and is on again whatever happened."""

import gc
import threading
from collections.abc import Iterator

import pytest

from drawbar.connectors import soap_sweeps
from drawbar.connectors.soap_sweeps import put_off


@pytest.fixture(autouse=True)
def swept() -> Iterator[None]:
    gc.enable()
    yield
    gc.enable()


def test_it_is_off_while_anybody_reads_and_on_afterwards() -> None:
    inside, go = threading.Event(), threading.Event()

    def read() -> None:
        with put_off():
            inside.set()
            go.wait(5)

    other = threading.Thread(target=read)
    with put_off():
        other.start()
        inside.wait(5)
    assert not gc.isenabled()

    go.set()
    other.join()
    assert gc.isenabled()


def test_it_is_on_again_where_reading_failed() -> None:
    with pytest.raises(ZeroDivisionError), put_off():
        raise ZeroDivisionError

    assert gc.isenabled()


def test_many_readers_do_not_put_it_off_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes late does not join those who put it off."""
    monkeypatch.setattr(soap_sweeps, "_LONGEST_S", 0)
    first = put_off()
    first.__enter__()

    with put_off():
        first.__exit__(None, None, None)
        assert gc.isenabled()


def test_where_the_user_switched_it_off_it_stays_off() -> None:
    gc.disable()

    with put_off():
        pass

    assert not gc.isenabled()
