"""Keys of an OpenID provider that is slow, or says odd things: nobody else pays for it."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from openid import Provider

from drawbar.connectors import oidc
from drawbar.connectors.oidc import Providers
from drawbar.core.door_config import Oidc
from drawbar.core.errors import InputError, Unavailable


@pytest.fixture
def provider() -> Iterator[Provider]:
    with closing(Provider()) as made:
        yield made


@pytest.fixture
def reads(provider):
    config = Oidc.model_validate({"issuer": provider.issuer, "audience": "drawbar", "scope_claim": "scope"})
    return Providers([config], Path()).read


def age(monkeypatch, seconds):
    """Let so many seconds pass for whoever reads keys."""
    now = time.monotonic
    monkeypatch.setattr(oidc.time, "monotonic", lambda: now() + seconds)


@pytest.mark.parametrize("later_s", [11, 700])
def test_tokens_with_made_up_keys_hold_nobody_up_while_the_provider_is_slow(provider, reads, monkeypatch, later_s):
    """Anybody can send such tokens, and each would make the provider be asked."""
    reads(provider.token("first", scope="read"))
    age(monkeypatch, later_s)
    provider.open.clear()
    made_up = provider.token("nobody", key=provider.keys["first"])
    with ThreadPoolExecutor(8) as pool:
        guesses = [pool.submit(reads, made_up) for _ in range(8)]
        asked = time.perf_counter()
        while not provider.asked > 2 and time.perf_counter() - asked < 5:
            time.sleep(0.01)

        began = time.perf_counter()
        agent, _, _ = reads(provider.token("first", scope="read", jti="another"))
        took_s = time.perf_counter() - began
        provider.open.set()
        answers = [guess.exception(30) for guess in guesses]

    assert agent == "clerk"
    assert took_s < 1
    assert sum(isinstance(error, Unavailable) for error in answers) == 7  # 503, come back: one of them asks
    assert sum(isinstance(error, InputError) for error in answers) == 1


RUBBISH = {
    "no JSON": (b"<html>", {}),
    "no set": (b"[]", {}),
    "no list": (b'{"keys": {"first": 1}}', {}),
    "no keys": (b'{"keys": [1, null, {"kty": ["RSA"]}]}', {}),
    "a broken key": (b'{"keys": [{"kty": "RSA", "n": 5, "e": null, "kid": "first"}]}', {}),
    "a list for a name": (b'{"keys": [{"kty": "oct", "k": "AAAA", "kid": ["first"]}]}', {}),
    "a list for a use": (b'{"keys": [{"kty": "oct", "k": "AAAA", "kid": "first", "use": ["sig"]}]}', {}),
    "no gzip": (b"xxxx", {"Content-Encoding": "gzip"}),
    "cut off": (b'{"keys": [', {"Content-Length": "5000"}),
}


@pytest.mark.parametrize("rubbish", RUBBISH)
def test_rubbish_for_keys_is_a_provider_that_is_away_and_keys_that_were_read_stay_good(provider, monkeypatch, rubbish):
    config = Oidc.model_validate({"issuer": provider.issuer, "audience": "drawbar"})
    before, after = Providers([config], Path()).read, Providers([config], Path()).read
    before(provider.token("first"))

    provider.body, provider.headers = RUBBISH[rubbish]
    with pytest.raises(Unavailable) as caught:
        after(provider.token("first"))
    age(monkeypatch, 700)

    assert provider.issuer in caught.value.message
    assert before(provider.token("first"))[0] == "clerk"


def test_who_has_a_known_key_does_not_wait_for_a_provider_that_hangs(provider, reads, monkeypatch):
    reads(provider.token("first", scope="read"))
    age(monkeypatch, 700)
    provider.open.clear()

    assert reads(provider.token("first", scope="read"))[0] == "clerk"

    assert not provider.open.is_set()  # it still hangs


def test_a_key_that_was_withdrawn_is_good_for_ten_minutes_at_most(provider, reads, monkeypatch):
    token = provider.token("first", scope="read")
    reads(token)
    provider.add_key("second")
    del provider.keys["first"]
    age(monkeypatch, 700)

    with pytest.raises(InputError, match="does not show"):
        reads(token)
    assert reads(provider.token("second", scope="read"))[0] == "clerk"


@pytest.mark.parametrize(("algorithm", "is_taken"), [("RS512", True), ("PS256", True), ("RS384", False)])
def test_an_rsa_key_that_names_no_algorithm_is_good_for_each_that_is_configured(
    provider, monkeypatch, algorithm, is_taken
):
    shown = [{name: value for name, value in key.items() if name != "alg"} for key in provider.jwks()["keys"]]
    monkeypatch.setattr(provider, "jwks", lambda: {"keys": shown})
    said = {"issuer": provider.issuer, "audience": "drawbar", "algorithms": ["RS256", "RS512", "PS256", "ES256"]}
    read = Providers([Oidc.model_validate(said)], Path()).read

    try:
        taken = read(provider.token("first", algorithm=algorithm))[0] == "clerk"
    except InputError:
        taken = False

    assert taken is is_taken


def test_a_provider_that_failed_is_not_asked_for_every_token(provider, reads, monkeypatch):
    monkeypatch.setattr(provider, "discovery", lambda: {"issuer": "another"})

    errors = []
    for _ in range(5):
        with pytest.raises(Unavailable) as caught:
            reads(provider.token("first", scope="read"))
        errors.append(caught.value)

    assert provider.asked == 1
    assert {"says that it is another" in error.message for error in errors} == {True}
    assert all(error.retry_after_s for error in errors)
    monkeypatch.undo()
    age(monkeypatch, 6)
    assert reads(provider.token("first", scope="read"))[0] == "clerk"


def test_many_who_come_for_the_first_keys_all_get_in(provider, reads):
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(reads, provider.token("first", scope="read")) for _ in range(8)]

        assert {answer.result(30)[0] for answer in answers} == {"clerk"}
    assert provider.asked == 2


@pytest.mark.parametrize("scope", [3, {"read": True}, True])
def test_scopes_that_are_no_words_are_refused(provider, reads, scope):
    with pytest.raises(InputError, match="neither a text nor a list"):
        reads(provider.token("first", scope=scope))


def test_a_key_for_encryption_signs_nothing(provider, reads):
    provider.add_key("sealing", use="enc")

    assert reads(provider.token("first", scope="read"))[0] == "clerk"
    with pytest.raises(InputError, match="does not show"):
        reads(provider.token("sealing", scope="read"))


@pytest.mark.parametrize(
    ("claim", "scopes"),
    [
        ("https://plant.example.com/may", {"read"}),  # a name with dots of its own
        ("realm_access.roles", {"run"}),
        (["realm_access", "roles"], {"run"}),
        ("realm_access.nothing", set()),
        ("realm_access.roles.0", set()),
        ("sub.x", set()),
    ],
)
def test_what_a_token_says_is_found_by_its_own_name_or_by_its_path(provider, claim, scopes):
    config = Oidc.model_validate({"issuer": provider.issuer, "audience": "drawbar", "scope_claim": claim})
    said = {"https://plant.example.com/may": "read", "realm_access": {"roles": ["run"]}}

    _, found, _ = Providers([config], Path()).read(provider.token("first", **said))

    assert found == scopes
