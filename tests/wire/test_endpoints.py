"""Several addresses of one system: who is asked, who is left alone, how they are found, and what is never sent twice."""

import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from servers.dns import DnsServer

from drawbar.app import open_app
from drawbar.config.models import Config
from drawbar.core.errors import ConfigError, OutcomeUnknown, Unavailable
from drawbar.core.tool import Call
from drawbar.testing.billing import WSDL, Billing
from drawbar.testing.soap import Hang, HttpError, SoapService

FIND = {"orderId": "1"}
BREAKER = {"failures": 2, "open_s": 0.4, "longest_s": 0.8}


class Pair:
    """Two services of one system, each behind a proxy, and programs that call them over one state."""

    def __init__(self, folder, proxy, **answers):
        self.folder = folder
        self.billing = [Billing(), Billing()]
        self.services = [SoapService(WSDL, {**one.answers, **answers}) for one in self.billing]
        self.proxies = [proxy(service.port) for service in self.services]
        self.urls = [f"http://127.0.0.1:{one.port}/billing" for one in self.proxies]
        self.apps = []

    def app(self, endpoints=None, breaker=BREAKER, **said):
        config = Config.model_validate(
            {
                "state": f"sqlite:///{self.folder}/state.db",
                "adapters": {
                    "billing": {
                        "kind": "soap",
                        "wsdl": str(WSDL),
                        "effects": {"FindInvoice": "read"},
                        "endpoints": endpoints or {"mode": "failover", "urls": self.urls},
                        "budget": {"concurrency": 20, "breaker": breaker},
                        "call_timeout_s": 5,
                        **said,
                    }
                },
            }
        )
        self.apps.append(open_app(config))
        return self.apps[-1]

    def die(self, *which):
        for at in which:
            self.proxies[at].refuse()
            self.proxies[at].drop()

    def received(self):
        return [len(service.received) for service in self.services]

    def close(self):
        for one in (*self.apps, *self.services):
            one.close()


@pytest.fixture
def pair(tmp_path, proxy):
    found = Pair(tmp_path, proxy)
    yield found
    found.close()


def find(app):
    return app.direct.call("billing.FindInvoice", FIND, caller=app.owner()).result


def create(app, order):
    given = {"orderId": str(order), "customer": "ACME", "amount": "10.00"}
    return app.direct.call("billing.CreateInvoice", given, caller=app.owner()).result


def system(app):
    (found,) = app.catalogue.systems()
    return found


def states(app, what="reads"):
    return [end[what]["state"] for end in system(app)["endpoints"]]


def until(true, within_s=60):
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


def asked_last_no_more(app):
    """As some seconds after a failure."""
    for end in app.landscape.share("billing").endpoints.every:
        end.last_until = 0


def at_once(count, call):
    threads = [threading.Thread(target=call) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_system_with_one_dead_endpoint_keeps_working_and_all_processes_leave_the_dead_one_alone(pair):
    # Given
    one, two = (pair.app(breaker={"failures": 2, "open_s": 20}) for _ in range(2))
    find(one)
    find(two)
    pair.die(0)

    # When
    for order in range(6):
        asked_last_no_more(one)
        find(one)
        asked_last_no_more(one)
        create(one, order)
    for _ in range(3):
        find(two)

    # Then
    until(lambda: states(two) == ["down", "up"] and states(two, "writes") == ["down", "up"])
    for app in (one, two):
        assert system(app)["state"] == "up"
        assert system(app)["endpoints"][0]["url"] == pair.urls[0]
    assert len(pair.services[1].received) >= 12
    assert sorted(pair.billing[1].invoices) == [f"INV-{order}" for order in range(6)]
    events = {(event.type, event.body.get("endpoint")) for event in one.engine.events(limit=1000)}
    assert ("endpoint.down", pair.urls[0]) in events
    assert "system.down" not in {what for what, _ in events}


def test_the_system_is_down_when_all_its_endpoints_are_and_comes_back_with_the_first(pair):
    app = pair.app()
    find(app)
    pair.die(0, 1)
    for _ in range(4):
        with pytest.raises(Unavailable):
            find(app)

    down = system(app)
    with pytest.raises(Unavailable, match="all 2 endpoints are left alone"):
        find(app)
    pair.proxies[1].start()
    until(lambda: _works(app))

    assert down["state"] == "down"
    assert down["since"]
    assert states(app)[1] == "up"
    assert system(app)["state"] == "up"
    assert [event.type for event in app.engine.events(limit=1000)].count("system.down") == 1


def _works(app):
    try:
        find(app)
    except Unavailable:
        return False
    return True


def test_one_look_of_all_processes_finds_out_that_an_endpoint_is_back_and_no_write_is_risked(pair):
    # Given
    endpoints = {"mode": "failover", "urls": pair.urls, "connect_timeout_s": 0.3}
    apps = [pair.app(endpoints) for _ in range(3)]
    orders = iter(range(1, 100_000))
    for app in apps:
        find(app)
    pair.proxies[0].stall()  # takes connections, and says nothing
    for _ in range(2):
        asked_last_no_more(apps[0])
        with pytest.raises(OutcomeUnknown):
            apps[0].landscape.tool("billing.CreateInvoice").tool.run(order(next(orders)), call(1))
    for app in apps:
        app.holdings.lines.look()  # as each does twice a second
    pair.proxies[0].drop()

    # When
    before = pair.proxies[0].connections
    began = time.monotonic()
    while time.monotonic() < began + 1.5:
        at_once(3, lambda: [create(app, next(orders)) for app in apps])
    looks, took_s = pair.proxies[0].connections - before, time.monotonic() - began
    pair.proxies[0].flow()
    written = len(pair.billing[0].invoices)

    # Then
    assert 1 <= looks <= 2 * took_s
    until(lambda: create(apps[1], next(orders)) and len(pair.billing[0].invoices) > written)


def order(number):
    return {"orderId": number, "customer": "ACME", "amount": Decimal("1.00")}


def call(within_s):
    return Call("1", "test", time.monotonic() + within_s)


def test_a_write_that_has_left_is_repeated_nowhere(pair):
    app = pair.app(call_timeout_s=2)
    find(app)
    pair.proxies[0].stall("down")

    with pytest.raises(OutcomeUnknown):
        create(app, 1)

    until(lambda: pair.billing[0].invoices)
    assert [len(one.invoices) for one in pair.billing] == [1, 0]


def test_failover_keeps_the_order_and_comes_back_to_the_first(pair):
    app = pair.app()
    find(app)
    pair.die(0)
    for _ in range(3):
        find(app)
    away = pair.received()
    pair.proxies[0].start()
    asked_last_no_more(app)

    find(app)

    assert away == [1, 3]
    until(lambda: find(app) and pair.received()[0] > 1)


def test_balance_asks_the_one_with_the_fewest_calls(tmp_path, proxy):
    """One of two takes its time for each call: while it does, the other gets all the rest."""
    pair = Pair(tmp_path, proxy)
    slow = SoapService(WSDL, {**pair.billing[0].answers, "FindInvoice": [Hang(0.8, {"invoices": []})]})
    try:
        app = pair.app([slow.url, pair.services[1].url])
        threads = [threading.Thread(target=lambda: [find(app) for _ in range(8)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(slow.received) < 12
        assert len(pair.services[1].received) > 20
    finally:
        slow.close()
        pair.close()


def test_an_endpoint_that_says_503_is_left_alone_and_its_question_goes_to_the_other(tmp_path, proxy):
    pair = Pair(tmp_path, proxy)
    sick = SoapService(WSDL, {name: [HttpError(503)] for name in pair.billing[0].answers})
    try:
        app = pair.app({"mode": "failover", "urls": [sick.url, pair.urls[1]]}, breaker={"failures": 2, "open_s": 60})
        for number in range(5):
            create(app, number)
            asked_last_no_more(app)

        assert states(app, "writes") == ["down", "up"]
        assert len(sick.received) < 5
        assert len(pair.billing[1].invoices) == 5
    finally:
        sick.close()
        pair.close()


@pytest.fixture
def dns():
    with DnsServer() as server:
        yield server


def test_addresses_of_a_name_are_found_by_dns_and_looked_up_again(pair, dns):
    """TLS and the header Host keep to the configured name: the address is only where the connection goes."""
    service = pair.services[0]
    dns.zone = {("billing.test", "A"): ["127.0.0.1", "127.0.0.2"]}
    endpoints = {"dns": "billing.test", "scheme": "http", "port": service.port, "path": "/billing"}
    app = pair.app({**endpoints, "resolver": dns.address, "refresh_s": 0.1})
    for _ in range(4):
        find(app)
    first = [end["url"] for end in system(app)["endpoints"]]

    dns.zone = {("billing.test", "A"): ["127.0.0.1"]}
    until(lambda: find(app) and len(system(app)["endpoints"]) == 1)
    dns.zone = {}
    until(lambda: find(app) and system(app).get("discovery"))

    at = f"http://billing.test:{service.port}/billing at"
    assert first == [f"{at} 127.0.0.1:{service.port}", f"{at} 127.0.0.2:{service.port}"]
    assert {one.headers["Host"] for one in service.received} == {f"billing.test:{service.port}"}
    assert system(app)["discovery"] == "DNS knows no billing.test; the last good list stays"
    assert system(app)["state"] == "up"


@pytest.mark.parametrize(("said", "trusted"), [({}, True), ({"host": "other.test"}, False)])
def test_tls_is_proven_for_the_configured_name_and_never_for_an_address(pair, dns, tmp_path, said, trusted):
    # Given
    files = certificate(tmp_path, "billing.test")
    service = pair.services[0]
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(files)
    service._http.socket = tls.wrap_socket(service._http.socket, server_side=True)
    dns.zone = {("billing.test", "A"): ["127.0.0.1"]}
    endpoints = {"dns": "billing.test", "port": service.port, "path": "/billing", "resolver": dns.address, **said}
    app = pair.app(endpoints, security={"tls": {"ca_file": str(files)}})

    # Then
    if trusted:
        assert find(app) == {"invoices": []}
    else:
        with pytest.raises(ConfigError, match=r"not valid for 'other\.test'"):
            find(app)


def certificate(folder, name):
    """Write a certificate for a name that signs itself, with its key, into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "drawbar test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(issuer, issuer, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    file = folder / "tls.pem"
    file.write_bytes(made.public_bytes(pem) + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return file


def test_places_of_a_service_are_asked_by_priority_and_weight(pair, dns):
    # Given
    third = SoapService(WSDL, pair.billing[0].answers)
    first, second = (one.port for one in pair.proxies)
    dns.zone = {
        ("_billing._tcp.example.test", "SRV"): [
            f"10 30 {first} a.example.test.",
            f"10 10 {second} b.example.test.",
            f"20 1 {third.port} b.example.test.",
            "20 1 1 gone.example.test.",
        ],
        ("a.example.test", "A"): ["127.0.0.1"],
        ("b.example.test", "A"): ["127.0.0.1", "169.254.169.254"],
    }
    endpoints = {"dns": "_billing._tcp.example.test", "scheme": "http", "path": "/billing", "resolver": dns.address}
    app = pair.app(endpoints)

    # When
    for _ in range(40):
        find(app)
    shares = pair.received()
    pair.die(0, 1)
    find(app)

    # Then
    assert shares == [30, 10]
    assert len(third.received) == 1
    assert all("169.254" not in end["url"] for end in system(app)["endpoints"])
    assert {one.headers["Host"] for one in third.received} == {f"example.test:{third.port}"}
    third.close()


def test_a_resolver_that_is_silent_is_unavailable_and_soon_said_so(pair, dns):
    dns.silent = True
    app = pair.app({"dns": "billing.test", "resolver": dns.address, "connect_timeout_s": 0.5})

    with pytest.raises(Unavailable, match=r"DNS did not answer in time for billing\.test"):
        app.landscape.tool("billing.FindInvoice").tool.run({"orderId": 1}, call(20))
    findings = app.catalogue.check("billing")

    assert [one.what for one in findings if not one.ok] == ["find the endpoints"]


def test_a_watched_file_changes_the_endpoints_and_a_wrong_one_changes_nothing(pair):
    # Given
    file = pair.folder / "billing.endpoints"
    file.write_text(f"# the north\n{pair.urls[0]}\n")
    app = pair.app({"file": str(file), "scheme": "http", "refresh_s": 0.05})
    find(app)

    # When
    seen = []
    for text, trouble in (
        ("", "is empty"),
        ("- [1]", "is no list of URLs"),
        ("https://elsewhere.example.com/billing", "is no http URL"),
        ("http://user:x@elsewhere.example.com/billing", "is no URL"),
    ):
        file.write_text(text)
        until(lambda trouble=trouble: find(app) and trouble in system(app).get("discovery", ""))
        seen.append([end["url"] for end in system(app)["endpoints"]])
    file.write_text(f'["{pair.urls[1]}", "{pair.urls[0]}"]')
    until(lambda: find(app) and len(system(app)["endpoints"]) == 2)

    # Then
    assert seen == [[pair.urls[0]]] * 4
    assert "discovery" not in system(app)
    until(lambda: find(app) and pair.services[1].received)


def test_check_names_each_endpoint(pair):
    app = pair.app()
    pair.die(1)

    findings = {one.what: one.ok for one in app.catalogue.check("billing")}

    assert findings[f"connect to {pair.urls[0]}"] is True
    assert findings[f"connect to {pair.urls[1]}"] is False


def test_a_process_that_has_called_nothing_names_the_endpoint_that_is_down(pair):
    app = pair.app(breaker={"failures": 1, "open_s": 20})
    find(app)
    pair.die(0)
    find(app)

    fresh = pair.app()

    assert states(fresh) == ["down", "up"]
    assert system(fresh)["state"] == "unopened"
