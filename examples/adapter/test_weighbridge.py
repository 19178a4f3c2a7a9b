"""The weighbridge against its simulator: the suite of Drawbar, and what only this system can do wrong."""

import time
from pathlib import Path

import pytest
from weighbridge.adapter import WeighbridgeAdapter
from weighbridge.simulator import Terminal

from drawbar.config import load
from drawbar.core.adapter import Place
from drawbar.core.errors import ConfigError, OutcomeUnknown, Rejected, Unavailable
from drawbar.core.tool import Call
from drawbar.testing import conformance

EXAMPLES = {
    "read_weight": {"examples": [{"arguments": {}}]},
    "find_ticket": {"examples": [{"arguments": {"reference": "D-1"}}]},
    "print_ticket": {"examples": [{"arguments": {"vehicle": "M-AB 123", "reference": "D-1"}}]},
}


def address(port):
    return {"host": "127.0.0.1", "port": port, "pin": "pin-of-gate-2", "tools": EXAMPLES}


@pytest.fixture
def terminal():
    with Terminal(pin="pin-of-gate-2") as started:
        yield started


TestWeighbridge = conformance(
    WeighbridgeAdapter,
    config=lambda terminal: address(terminal.port),
    dead=lambda closed_port: address(closed_port),  # noqa: PLW0108 - the name asks for the fixture
)


@pytest.fixture
def call(terminal, tmp_path):
    config = WeighbridgeAdapter.Config.model_validate({"kind": "weighbridge", **address(terminal.port)})
    scale = WeighbridgeAdapter("scale", config, Place(tmp_path, tmp_path))
    tools = {tool.name: tool for tool in scale.tools()}
    yield lambda name, **arguments: tools[name].run(arguments, Call("1", "test", time.monotonic() + 2))
    scale.close()


def test_a_ticket_whose_answer_was_lost_is_found_and_not_printed_again(call, terminal):
    terminal.answers = False

    with pytest.raises(OutcomeUnknown):
        call("print_ticket", vehicle="M-AB 123", reference="D-7")

    terminal.answers = True
    (found,) = call("find_ticket", reference="D-7")["tickets"]
    assert (found["number"], found["kg"]) == (1, 12340)
    assert len(terminal.tickets) == 1


def test_a_truck_that_still_moves_is_weighed_later(call, terminal):
    terminal.moves = True

    for tool, arguments in (("read_weight", {}), ("print_ticket", {"vehicle": "M-AB 123", "reference": "D-8"})):
        with pytest.raises(Unavailable) as refused:
            call(tool, **arguments)
        assert refused.value.retry_after_s == 2

    terminal.moves = False
    assert call("read_weight") == {"kg": 12340}
    assert terminal.tickets == []


def test_an_empty_platform_gives_no_ticket(call, terminal):
    terminal.platform_kg = 0

    with pytest.raises(Rejected, match="platform is empty"):
        call("print_ticket", vehicle="M-AB 123", reference="D-9")


def test_a_wrong_pin_is_for_a_person(call, terminal):
    terminal.pin = "another"

    with pytest.raises(ConfigError, match="refuses the pin"):
        call("read_weight")


def test_the_terminal_may_hang_up_between_two_calls(call, terminal):
    """It does so after each power cut; the next command must not be lost, nor sent twice."""
    terminal.answers = False
    with pytest.raises(OutcomeUnknown):
        call("read_weight")
    terminal.answers = True

    assert call("print_ticket", vehicle="M-AB 123", reference="D-10")["number"] == 1


def test_the_configuration_loads():
    config = load(Path(__file__).parent / "drawbar.yaml")

    assert isinstance(config.adapters["scale"], WeighbridgeAdapter.Config)
