"""Keys of an OpenID provider that is slow, or says odd things: nobody else pays for it."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from drawbar.connectors import oidc
from drawbar.connectors.oidc import Providers
from drawbar.core.door_config import Oidc
from drawbar.core.errors import InputError, Unavailable


class Provider:
    """It answers only while `open` is set."""

    def __init__(self) -> None:
        self.keys: dict[str, ec.EllipticCurvePrivateKey] = {}
        self.uses: dict[str, str] = {}
        self.asked = 0
        self.open = threading.Event()
        self.open.set()
        self.add_key("first")
        provider = self

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked += 1
                provider.open.wait(30)
                said = provider.jwks() if self.path == "/keys" else provider.discovery()
                sent = json.dumps(said).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def add_key(self, name: str, use: str = "sig") -> None:
        self.keys[name], self.uses[name] = ec.generate_private_key(ec.SECP256R1()), use

    def discovery(self) -> dict:
        return {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys"}

    def jwks(self) -> dict:
        made = {
            name: json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key())) for name, key in self.keys.items()
        }
        return {"keys": [{**key, "kid": name, "use": self.uses[name]} for name, key in made.items()]}

    def token(self, kid: str, signed_by: str | None = None, **claims: object) -> str:
        said = {"iss": self.issuer, "aud": "drawbar", "sub": "clerk", "exp": int(time.time()) + 300, "scope": "read"}
        return jwt.encode({**said, **claims}, self.keys[signed_by or kid], "ES256", headers={"kid": kid})


@pytest.fixture
def provider() -> Iterator[Provider]:
    made = Provider()
    yield made
    made.open.set()
    made.server.shutdown()
    made.server.server_close()


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
    reads(provider.token("first"))
    age(monkeypatch, later_s)
    provider.open.clear()
    made_up = provider.token("nobody", signed_by="first")
    with ThreadPoolExecutor(8) as pool:
        guesses = [pool.submit(reads, made_up) for _ in range(8)]
        asked = time.perf_counter()
        while not provider.asked > 2 and time.perf_counter() - asked < 5:
            time.sleep(0.01)

        began = time.perf_counter()
        agent, _, _ = reads(provider.token("first", jti="another"))
        took_s = time.perf_counter() - began
        provider.open.set()
        answers = [guess.exception(30) for guess in guesses]

    assert agent == "clerk"
    assert took_s < 1
    assert sum(isinstance(error, Unavailable) for error in answers) == 7  # 503, come back: one of them asks
    assert sum(isinstance(error, InputError) for error in answers) == 1


def test_a_provider_that_failed_is_not_asked_for_every_token(provider, reads, monkeypatch):
    monkeypatch.setattr(provider, "discovery", lambda: {"issuer": "another"})

    errors = []
    for _ in range(5):
        with pytest.raises(Unavailable) as caught:
            reads(provider.token("first"))
        errors.append(caught.value)

    assert provider.asked == 1
    assert {"says that it is another" in error.message for error in errors} == {True}
    assert all(error.retry_after_s for error in errors)
    monkeypatch.undo()
    age(monkeypatch, 6)
    assert reads(provider.token("first"))[0] == "clerk"


def test_many_who_come_for_the_first_keys_all_get_in(provider, reads):
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(reads, provider.token("first")) for _ in range(8)]

        assert {answer.result(30)[0] for answer in answers} == {"clerk"}
    assert provider.asked == 2


@pytest.mark.parametrize("scope", [3, {"read": True}, True])
def test_scopes_that_are_no_words_are_refused(provider, reads, scope):
    with pytest.raises(InputError, match="neither a text nor a list"):
        reads(provider.token("first", scope=scope))


def test_a_key_for_encryption_signs_nothing(provider, reads):
    provider.add_key("sealing", use="enc")

    assert reads(provider.token("first"))[0] == "clerk"
    with pytest.raises(InputError, match="does not show"):
        reads(provider.token("sealing"))
