"""Connections of one port are shared out evenly among its processes."""

import asyncio
import os
import socket

import pytest

from drawbar.facade import fellows
from drawbar.facade.fellows import Fellows, Reception

WAITING = 40


class Process:
    """Takes connections as one process of a port does."""

    def __init__(self, port, fellows):
        self.open = set()
        self.fellows = fellows
        self.port = port.dup()  # as a process inherits it
        self.reception = Reception([self.port], self._line, self.fellows, self.open)

    def close(self):
        self.reception.close()
        self.port.close()

    def _line(self):
        process = self

        class Line(asyncio.Protocol):
            def connection_made(self, transport):
                process.open.add(self)

            def connection_lost(self, exc):
                process.open.discard(self)
                process.reception.tell()

        return Line()


@pytest.fixture
def fellow(tmp_path):
    """Give what makes the fellows of a place; each has ends of its own of the lines, as a process inherits them."""
    pairs = [socket.socketpair() for _ in range(3)]
    doors = [tuple(end.fileno() for end in pair) for pair in pairs]
    yield lambda place: Fellows(tmp_path / "connections", place, [tuple(map(os.dup, door)) for door in doors])
    for pair in pairs:
        for end in pair:
            end.close()


@pytest.fixture
def port():
    with socket.create_server(("127.0.0.1", 0), backlog=WAITING) as one:
        one.setblocking(False)
        yield one


async def _opened(port, count):
    return [await asyncio.open_connection(*port.getsockname()) for _ in range(count)]


async def _shared_out(processes, count):
    for _ in range(1000):
        if sum(len(one.open) for one in processes) == count:
            break
        await asyncio.sleep(0.005)
    return [len(one.open) for one in processes]


def test_each_process_has_its_part_of_the_connections(port, fellow):
    async def scenario():
        processes = [Process(port, fellow(place)) for place in range(2)]
        for _ in range(10):
            lines = await _opened(port, WAITING)
            assert await _shared_out(processes, WAITING) == [WAITING / 2, WAITING / 2]
            for _, writer in lines:
                writer.close()
            assert await _shared_out(processes, 0) == [0, 0]
        for one in processes:
            one.close()

    asyncio.run(scenario())


def test_a_connection_that_is_let_in_is_counted_once(port, fellow):
    async def scenario():
        alone, told = fellow(0), []
        say = alone.tell
        alone.tell = lambda count: (told.append(count), say(count))
        lines = await _opened(port, 10)
        one = Process(port, alone)
        assert await _shared_out([one], len(lines)) == [10]
        await asyncio.sleep(0)
        one.close()
        return told

    told = asyncio.run(scenario())

    assert max(told) == 10


def test_one_that_died_or_takes_no_more_leaves_all_to_the_others(port, fellow, monkeypatch):
    async def scenario():
        left, leaves = (Process(port, fellow(place)) for place in (0, 2))
        leaves.close()
        fellow(1).tell(0)  # it died a moment ago, without a connection
        lines = await _opened(port, 10)
        assert sum(await _shared_out([left], 5)) == 5
        monkeypatch.setattr(fellows, "_ALIVE_S", 0)  # half a second later
        left.reception.tick()
        assert await _shared_out([left, leaves], len(lines)) == [10, 0]
        left.close()

    asyncio.run(scenario())
