"""Connections of one port are shared out evenly among its processes."""

import asyncio
import socket

import pytest

from drawbar.facade.fellows import Fellows, Reception

WAITING = 40


class Process:
    """Takes connections as one process of a port does."""

    def __init__(self, port, file, place):
        self.open = set()
        self.fellows = Fellows(file, place)
        self.port = port.dup()  # as a process inherits it
        self.reception = Reception([self.port], self._line, self.fellows, lambda: len(self.open))

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


def test_each_process_has_its_part_of_the_connections(port, tmp_path):
    """A machine that stands still for longer than one waits for the other moves one now and then; by chance 10 or 11 of 80 move."""

    async def scenario():
        processes = [Process(port, tmp_path / "connections", place) for place in range(2)]
        moved = 0
        for _ in range(10):
            lines = await _opened(port, 8)
            first, second = await _shared_out(processes, 8)
            assert first + second == 8
            moved += abs(first - 4)
            for _, writer in lines:
                writer.close()
            assert await _shared_out(processes, 0) == [0, 0]
        for one in processes:
            one.close()
        assert moved <= 4

    asyncio.run(scenario())


def test_one_that_died_or_takes_no_more_leaves_all_to_the_others(port, tmp_path):
    async def scenario():
        Fellows(tmp_path / "connections", 1).tell(1)  # it died with one connection
        left, leaves = (Process(port, tmp_path / "connections", place) for place in (0, 2))
        leaves.close()
        lines = await _opened(port, 10)
        assert await _shared_out([left, leaves], len(lines)) == [10, 0]
        left.close()

    asyncio.run(scenario())
