"""The numbers of a process that has no REST, at a port of their own."""

import socket
import urllib.request

import pytest

from drawbar.core.errors import ConfigError
from drawbar.core.gauges import JOURNAL_UP
from drawbar.facade.numbers import offered


def test_a_process_gives_its_numbers_at_a_port_of_their_own():
    with offered("127.0.0.1", 0, lambda: [(JOURNAL_UP, (), 1.0)]) as url:
        said = urllib.request.urlopen(url, timeout=10).read().decode()

    assert "drawbar_journal_up 1.0" in said
    assert "drawbar_tool_calls_total" in said


def test_a_port_that_is_taken_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} of 127.0.0.1"), offered("127.0.0.1", port, list):
            pass
