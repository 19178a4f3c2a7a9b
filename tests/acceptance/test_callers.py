"""Who is let in: API keys, tokens of a provider, a proxy's word, and nobody else."""

import datetime as dt
import hashlib
import hmac
import http.client
import json
import re
import time
from collections.abc import Iterator
from contextlib import closing

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.utils import base64url_encode
from openid import Provider
from servers import warm
from servers.drawbar import Serving
from servers.process import folder
from waiting import eventually
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from drawbar.facade.identity import credentials_of

AGENTS = """\
version: 1
agents:
  clerk: { description: Reads., tools: ["erp.*"], scopes: [read] }
  lead: { description: Leads., scopes: [read, run, approve, operate] }
workflows:
  nothing: { description: Nothing. }
"""


def drawbar(at, *words, code=0):
    done = warm.run(words, cwd=at)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def make_key(at, agent, *words):
    return json.loads(drawbar(at, "--json", "keys", "add", agent, *words))


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def place():
    at = folder("callers")
    (at / "drawbar.yaml").write_text(AGENTS)
    return at


def test_until_there_is_a_key_loopback_is_open_and_then_it_is_not(place):
    with Serving(AGENTS, at=place) as served:
        assert served.ask("GET", "/workflows").status_code == 200

        key = make_key(place, "clerk")["key"]

        refused = eventually(lambda: served.ask("GET", "/workflows"), lambda answer: answer.status_code == 401)
        assert refused.headers["WWW-Authenticate"] == "Bearer"
        assert refused.json()["happened"] == "no"
        assert "drawbar keys add" in refused.json()["next"]
        assert served.ask("GET", "/workflows", headers=bearer(key)).status_code == 200
        assert served.ask("GET", "/health/live").status_code == 200
        assert served.ask("GET", "/health/ready").status_code == 200
        assert served.ask("GET", "/health/systems").status_code == 401


def test_a_key_opens_what_its_agent_and_its_own_scopes_allow(place):
    clerk, lead = make_key(place, "clerk")["key"], make_key(place, "lead", "--scope", "read")["key"]
    whole = make_key(place, "lead")["key"]
    with Serving(AGENTS, at=place) as served:
        for key in (clerk, lead):
            refused = served.ask("POST", "/workflows/nothing/run", headers=bearer(key))
            assert (refused.status_code, refused.json()["kind"]) == (403, "input")
        started = served.ask("POST", "/workflows/nothing/run", headers=bearer(whole))
        assert started.status_code == 202
        run = served.ask("GET", f"/runs/{started.json()['run_id']}", headers=bearer(clerk)).json()
        assert run["caller"] == "lead"


def test_a_revoked_or_expired_key_soon_opens_nothing(place):
    made, short = make_key(place, "clerk"), make_key(place, "clerk", "--days", "0.01")
    with Serving(AGENTS, at=place) as served:
        assert served.ask("GET", "/runs", headers=bearer(made["key"])).status_code == 200
        drawbar(place, "keys", "revoke", made["id"], "--reason", "it leaked")
        eventually(lambda: served.ask("GET", "/runs", headers=bearer(made["key"])).status_code == 401)
        assert served.ask("GET", "/runs", headers=bearer(short["key"])).status_code == 200

    listed = {one["id"]: one for one in json.loads(drawbar(place, "--json", "keys", "list"))}
    assert listed[made["id"]]["state"] == "revoked"
    assert listed[short["id"]]["state"] == "live"
    assert listed[short["id"]]["used_at"] is not None


def test_the_key_itself_is_kept_nowhere_and_said_once(place):
    made = make_key(place, "clerk", "--reason", "for the report")
    with Serving(AGENTS, at=place) as served:
        served.ask("GET", "/runs", headers=bearer(made["key"]))
        served.ask("GET", "/runs", headers=bearer(made["key"] + "x"))
        lead = make_key(place, "lead")["key"]
        events = served.ask("GET", "/events", headers=bearer(lead)).text

    secret = made["key"].removeprefix(f"drawbar_{made['id']}_")
    kept = b"".join(path.read_bytes() for path in place.iterdir() if path.is_file())
    assert secret.encode() not in kept
    assert secret not in events
    assert "key.added" in events
    assert made["key"] not in drawbar(place, "keys", "list")


def test_who_guesses_keys_is_stopped_and_good_keys_are_not_told_apart(place):
    made = make_key(place, "clerk")
    wrong = [made["key"][:-1] + "!", f"drawbar_{made['id']}_", "drawbar_0_0", "x"]
    with Serving(AGENTS, at=place) as served:
        said = [served.ask("GET", "/runs", headers=bearer(one)) for one in wrong]
        assert {(one.status_code, re.sub("[0-9.]+ s", "", one.json()["detail"])) for one in said} == {
            (401, "this key opens nothing")
        }
        more = [served.ask("GET", "/runs", headers=bearer(f"drawbar_{n}_x")).status_code for n in range(30)]
        assert more.count(401) <= 20
        assert more[-1] == 429
        stopped = served.ask("GET", "/runs", headers=bearer("drawbar_1_x"))
        assert int(stopped.headers["Retry-After"]) >= 1


@pytest.fixture(scope="module")
def guarded():
    at = folder("callers")
    (at / "drawbar.yaml").write_text(AGENTS)
    make_key(at, "clerk")
    with Serving(at=at) as served:
        yield served


@pytest.mark.parametrize("said", ["Basic eDp5", "Bearer", "Bearer ", "nonsense", "bearer\tx"])
def test_another_way_to_say_who_one_is_is_refused(guarded, said):
    assert guarded.ask("GET", "/runs", headers={"Authorization": said}).status_code == 401


def test_a_websocket_without_a_key_is_refused_before_it_opens(place):
    key = make_key(place, "clerk")["key"]
    with Serving(AGENTS, at=place) as served:
        with pytest.raises(InvalidStatus) as refused:
            connect(f"ws://127.0.0.1:{served.port}/ws")
        assert refused.value.response.status_code == 403
        with connect(f"ws://127.0.0.1:{served.port}/ws?after=0", additional_headers=bearer(key)) as socket_:
            assert json.loads(socket_.recv(timeout=30))["type"] == "key.added"


@pytest.mark.slow
def test_elsewhere_than_on_loopback_it_starts_only_with_credentials(place):
    said = drawbar(place, "serve", "--host", "0.0.0.0", "--port", "0", code=2)
    assert "0.0.0.0 is not a loopback address" in said
    assert "drawbar keys add" in said

    key = make_key(place, "clerk")["key"]
    with Serving(AGENTS, at=place, host="0.0.0.0") as served:
        name = {"Host": f"drawbar.example.com:{served.port}"}
        assert served.ask("GET", "/runs", headers=name).status_code == 401
        assert served.ask("GET", "/runs", headers={**name, **bearer(key)}).status_code == 200


def test_an_open_loopback_is_no_excuse_for_another_address(place):
    (place / "drawbar.yaml").write_text(AGENTS + "server: { authentication: { anonymous: loopback } }\n")
    key = make_key(place, "clerk")["key"]
    with Serving(at=place) as served:
        assert served.ask("GET", "/runs").status_code == 200
    with Serving(at=place, host="0.0.0.0") as served:
        assert served.ask("GET", "/runs").status_code == 401
        assert served.ask("GET", "/runs", headers=bearer(key)).status_code == 200


def test_a_key_for_an_agent_that_is_gone_opens_nothing(place):
    key = make_key(place, "clerk")["key"]
    (place / "drawbar.yaml").write_text("version: 1\n")
    with Serving(at=place) as served:
        assert served.ask("GET", "/runs", headers=bearer(key)).status_code == 401


def test_keys_are_made_for_agents_that_there_are(place):
    assert "did you mean 'clerk'" in drawbar(place, "keys", "add", "clrk", code=2)
    assert "there is no scope 'rule'" in drawbar(place, "keys", "add", "clerk", "--scope", "rule", code=2)
    drawbar(place, "keys", "add", "local", code=2)
    drawbar(place, "keys", "revoke", "nothing", code=2)


@pytest.fixture
def provider() -> Iterator[Provider]:
    with closing(Provider()) as made:
        yield made


def with_provider(provider: Provider, said: str = "scope_claim: scope") -> str:
    oidc = f"{{ issuer: '{provider.issuer}', audience: drawbar, {said} }}"
    return AGENTS + f"server: {{ authentication: {{ oidc: [{oidc}] }} }}\n"


def test_a_token_of_the_provider_lets_its_agent_in(place, provider):
    with Serving(with_provider(provider), at=place) as served:
        ask = lambda token: served.ask("GET", "/runs", headers=bearer(token))  # noqa: E731
        past = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=3)

        assert ask(provider.token("first", scope="read")).status_code == 200
        assert ask(provider.token("first", scope="run")).status_code == 403
        refused = {
            "expired": provider.token("first", exp=past, scope="read"),
            "another audience": provider.token("first", aud="else", scope="read"),
            "another issuer": provider.token("first", iss="https://evil.example.com", scope="read"),
            "no such agent": provider.token("first", sub="nobody", scope="read"),
            "the agent without credentials": provider.token("first", sub="local", scope="read"),
            "another key of that name": provider.token(
                "first", key=rsa.generate_private_key(public_exponent=65537, key_size=2048), scope="read"
            ),
            "no signature": jwt.encode({"iss": provider.issuer, "aud": "drawbar", "sub": "clerk"}, None, "none"),
            "no end": _without_end(provider),
        }
        assert {what: ask(token).status_code for what, token in refused.items()} == dict.fromkeys(refused, 401)
        assert served.ask("GET", "/runs").status_code == 401
        slow_clock = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=30)
        assert ask(provider.token("first", exp=slow_clock, scope="read")).status_code == 200


def test_a_token_of_keycloak_says_agent_and_scopes_where_keycloak_writes_them(place, provider):
    said = "agent_claim: azp, scope_claim: [resource_access, drawbar.eu, roles]"
    of = lambda *roles, **more: provider.token(  # noqa: E731
        "first",
        sub="6f0c6b0e-7f0e-4a5e-9f0c-1c1e0b7d2c11",
        azp="lead",
        aud=["account", "drawbar"],
        scope="openid profile run",
        realm_access={"roles": ["offline_access", "run"]},
        **{"resource_access": {"drawbar.eu": {"roles": list(roles)}, "account": {"roles": ["run"]}}, **more},
    )
    with Serving(with_provider(provider, said), at=place) as served:
        ask = lambda method, path, token: served.ask(method, path, headers=bearer(token)).status_code  # noqa: E731

        assert ask("POST", "/workflows/nothing/run", of("run", "read")) == 202
        assert ask("POST", "/workflows/nothing/run", of("read")) == 403
        assert ask("GET", "/runs", of("read")) == 200
        assert {ask("GET", "/runs", of(resource_access=odd)) for odd in ({}, [], "run", None, {"drawbar.eu": []})} == {
            403
        }


def test_of_the_roles_of_a_token_one_alone_may_be_an_agents(place, provider):
    """Which of two would be meant is nothing to guess at; and `local` is nobody's."""
    with Serving(with_provider(provider, "agent_claim: realm_access.roles"), at=place) as served:

        def ask(said):
            token = provider.token("first", sub="lead", realm_access=said)
            return served.ask("GET", "/runs", headers=bearer(token)).status_code

        assert ask({"roles": ["offline_access", "clerk", "clerk", 7]}) == 200
        assert ask({"roles": "clerk"}) == 200
        assert {
            ask(said)
            for said in ({"roles": ["clerk", "lead"]}, {"roles": ["local"]}, {"roles": []}, {"roles": {}}, {}, None, 3)
        } == {401}


def _without_end(provider: Provider) -> str:
    said = {"iss": provider.issuer, "aud": "drawbar", "sub": "clerk", "scope": "read"}
    return jwt.encode(said, provider.keys["first"], "RS256", headers={"kid": "first"})


def test_a_public_key_is_no_shared_secret(place, provider):
    """The old attack: a token signed by HS256 with the public key as its secret."""
    public = provider.keys["first"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head = base64url_encode(json.dumps({"alg": "HS256", "kid": "first", "typ": "JWT"}).encode())
    body = base64url_encode(
        json.dumps({"iss": provider.issuer, "aud": "drawbar", "sub": "clerk", "scope": "read", "exp": 2**33}).encode()
    )
    signature = base64url_encode(hmac.new(public, head + b"." + body, hashlib.sha256).digest())
    with Serving(with_provider(provider), at=place) as served:
        token = (head + b"." + body + b"." + signature).decode()
        assert served.ask("GET", "/runs", headers=bearer(token)).status_code == 401


@pytest.mark.slow
def test_a_provider_that_changes_its_keys_or_is_away_stops_nobody(place, provider):
    with Serving(with_provider(provider), at=place) as served:
        ask = lambda token: served.ask("GET", "/runs", headers=bearer(token))  # noqa: E731
        assert ask(provider.token("first", scope="read")).status_code == 200
        provider.add_key("second")
        time.sleep(10.1)
        assert ask(provider.token("second", scope="read")).status_code == 200

        asked = provider.asked
        guesses = [ask(provider.token("first", scope="read")[:-8] + "AAAAAAAA").status_code for _ in range(5)]
        provider.keys["unknown"] = provider.keys["first"]
        unknown = [ask(provider.token("unknown", scope="read")).status_code for _ in range(5)]
        assert {*guesses, *unknown} == {401}
        assert provider.asked == asked
        provider.server.shutdown()
        provider.server.server_close()
        assert ask(provider.token("second", scope="read", jti="another")).status_code == 200


@pytest.mark.slow
def test_a_proxy_says_whose_certificate_it_saw_and_nobody_else_does(place):
    told = '{ header: X-Client-Subject, from: ["127.0.0.0/8"], agents: { "CN=clerk,O=Example": clerk } }'
    config = AGENTS + f"server: {{ authentication: {{ proxy: {told} }} }}\n"
    with Serving(config, at=place) as served:
        ask = lambda subject: served.ask("GET", "/runs", headers={"X-Client-Subject": subject}).status_code  # noqa: E731
        assert ask("CN=clerk,O=Example") == 200
        assert ask("CN=lead,O=Example") == 401
        assert served.ask("GET", "/runs").status_code == 401
    with Serving(config.replace("127.0.0.0/8", "10.9.9.9/32"), at=place) as served:
        assert served.ask("GET", "/runs", headers={"X-Client-Subject": "CN=clerk,O=Example"}).status_code == 401


def test_a_certificate_that_is_said_twice_is_nobodys_and_not_the_agent_without_credentials(place):
    """A client sent the header too, and the proxy added its own beside it: nobody knows which is whose."""
    told = '{ header: X-Client-Subject, from: ["127.0.0.0/8"], agents: { "CN=clerk,O=Example": clerk } }'
    config = AGENTS + f"server: {{ authentication: {{ anonymous: loopback, proxy: {told} }} }}\n"
    with Serving(config, at=place) as served:
        for path in ("/runs", "/v1/tools"):
            line = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
            line.putrequest("GET", path)
            for subject in ("CN=lead,O=Example", "CN=clerk,O=Example"):
                line.putheader("X-Client-Subject", subject)
            line.endheaders()

            assert line.getresponse().status == 401
            line.close()


@pytest.mark.parametrize("said", ["CN=Müller".encode(), "CN=Müller".encode("latin-1"), b"CN=M\\C3\\BCller"])
def test_a_name_in_a_certificate_is_found_as_its_proxy_writes_it(said):
    written = "CN=M\\C3\\BCller" if b"C3" in said else "CN=Müller"

    found = credentials_of([], [said.decode("latin-1")], "127.0.0.1")

    assert found.subject == written
