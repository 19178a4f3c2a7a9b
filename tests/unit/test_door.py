"""Who guesses keys is stopped, and nobody else at the same address is."""

import pytest

from drawbar.core import door as doors
from drawbar.core.access import AgentConfig, Caller
from drawbar.core.door import Credentials, Door
from drawbar.core.door_config import Authentication
from drawbar.core.errors import InputError
from drawbar.core.keys import Keys
from drawbar.core.store.journal import Journal

PROXY = "10.0.0.7"


@pytest.fixture
def keys(tmp_path):
    journal = Journal.open(f"sqlite:///{tmp_path}/state.db")
    yield Keys(journal)
    journal.close()


def make(keys, read_token=None):
    agent = lambda name: Caller.agent(name, AgentConfig())  # noqa: E731
    return Door(Authentication(), keys, agent, lambda: agent("local"), read_token)


def key_of(keys, agent):
    made = keys.add(agent, scopes=None, days=None, by="test")
    return made["id"], made["key"]


def shown(door, bearer, peer=PROXY):
    """Say what comes of these credentials."""
    try:
        return door.admit(Credentials(bearer=bearer, peer=peer)).name
    except InputError as error:
        return error.reason


def guessed(door, times, key_id=None, peer=PROXY):
    return [shown(door, f"drawbar_{key_id or number}_{number}", peer) for number in range(times)]


def test_after_twenty_wrong_keys_no_more_are_looked_at(keys, monkeypatch):
    door = make(keys)
    assert set(guessed(door, 20)) == {"unauthenticated"}
    monkeypatch.setattr(keys, "opened", lambda given: pytest.fail("it was looked at"))

    assert set(guessed(door, 30)) == {"rate"}


@pytest.mark.parametrize("peer", ["10.0.0.8", "2001:db8:0:1::1"])
def test_another_address_is_not_stopped(keys, peer):
    door = make(keys)
    guessed(door, 30)

    assert shown(door, "drawbar_x_y", peer) == "unauthenticated"


def test_a_machine_with_a_network_of_addresses_is_one_guesser(keys):
    door = make(keys)

    said = [shown(door, f"drawbar_{number}_x", f"2001:db8::{number:x}") for number in range(1, 30)]

    assert said.count("unauthenticated") == 20


def test_a_good_key_that_was_never_seen_opens_behind_the_proxy_of_a_guesser(keys):
    _, good = key_of(keys, "clerk")
    door = make(keys)
    guessed(door, 50)

    assert shown(door, good) == "clerk"


def test_who_guesses_at_one_key_is_stopped_and_who_was_let_in_by_it_is_not(keys, monkeypatch):
    key_id, good = key_of(keys, "clerk")
    _, other = key_of(keys, "lead")
    door = make(keys)
    assert shown(door, good) == "clerk"
    monkeypatch.setattr(doors, "_REMEMBERED_S", -1.0)

    said = guessed(door, 40, key_id)

    assert said.count("unauthenticated") == 20
    assert said[-1] == "rate"
    assert (shown(door, good), shown(door, other)) == ("clerk", "lead")


def test_a_guesser_does_not_even_hear_that_a_guess_was_right(keys):
    key_id, good = key_of(keys, "clerk")
    door = make(keys)
    guessed(door, 40, key_id)

    assert shown(door, good) == "rate"
    assert shown(door, good, "10.0.0.8") == "clerk"


def test_tokens_that_ran_out_stop_no_token_that_is_good(keys):
    def read(token):
        if token != "good":
            raise InputError("it ran out", reason="unauthenticated")
        return "clerk", None, {}

    door = make(keys, read)
    said = [shown(door, "old") for _ in range(30)]

    assert said.count("unauthenticated") == 20
    assert said[-1] == "rate"
    assert shown(door, "good") == "clerk"


def test_a_minute_later_it_may_be_tried_again(keys, monkeypatch):
    door = make(keys)
    monkeypatch.setattr(doors, "_GUESSES_S", 0.2)
    guessed(door, 30)
    monkeypatch.setattr(doors, "_GUESSES_S", 0.0)

    assert shown(door, "drawbar_x_y") == "unauthenticated"
