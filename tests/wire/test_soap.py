"""SOAP against two servers that are not written in Python: what a call gives, and what every way of failing means."""

import base64
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from servers.billing_service import BillingService
from servers.process import free_port
from servers.soap_node import SoapNode
from spending import at_most
from structlog.testing import capture_logs

from drawbar.adapters.soap import SoapAdapter, SoapConfig
from drawbar.app import open_app
from drawbar.core.adapter import Place
from drawbar.core.errors import ConfigError, DrawbarError, OutcomeUnknown, Rejected, Unavailable
from drawbar.core.schema import Checker
from drawbar.core.tool import Call, Tool
from drawbar.core.values import Wide, to_json

READS = {"GetInvoice": "read", "FindInvoice": "read"}


def adapter(tmp_path: Path, wsdl: str, **said: Any) -> SoapAdapter:
    config = SoapConfig.model_validate({"kind": "soap", "wsdl": wsdl, "effects": READS, **said})
    return SoapAdapter("billing", config, Place(tmp_path, tmp_path))


class Billing:
    """The tools of one billing service, called as the guard calls them."""

    def __init__(self, service: BillingService, tools: dict[str, Tool]) -> None:
        self.service = service
        self.tools = tools
        self.call = Call("1", "test", 0)

    def __call__(self, name: str, within_s: float = 20, **given: Any) -> Any:
        tool = self.tools[name]
        arguments = Checker.of(tool.input_schema).arguments(given, outside=False)
        self.call = Call("1", "test", time.monotonic() + within_s)
        answer = tool.run(arguments, self.call)
        assert Checker.of(tool.output_schema).deviation(answer) is None
        return answer

    def create(self, order: int, within_s: float = 20, amount: str = "10.00") -> Any:
        return self("CreateInvoice", within_s, orderId=order, customer="ACME & <Sons> é", amount=amount)


@pytest.fixture(params=["soap_node", "soap_php"])
def billing(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Billing]:
    service = request.getfixturevalue(request.param)
    opened = adapter(tmp_path, service.wsdl)
    yield Billing(service, {tool.name: tool for tool in opened.tools()})
    opened.close()


@pytest.fixture
def node(soap_node: SoapNode, tmp_path: Path) -> Iterator[Billing]:
    opened = adapter(tmp_path, soap_node.wsdl)
    yield Billing(soap_node, {tool.name: tool for tool in opened.tools()})
    opened.close()


def test_every_operation_is_a_tool_with_its_effect(billing: Billing) -> None:
    effects = {tool.name: tool.effect for tool in billing.tools.values()}

    assert effects == {"CreateInvoice": "write", "GetInvoice": "read", "FindInvoice": "read", "CancelInvoice": "write"}
    assert billing.tools["FindInvoice"].description == "Find the invoices of one order; none is an empty answer."


def test_an_invoice_is_created_read_found_and_cancelled_without_loss(billing: Billing) -> None:
    # When
    made = billing.create(9_007_199_254_740_993, amount="1234567890123.10")

    # Then
    assert made == {"invoiceId": "INV-9007199254740993", "rc": 0, "text": "created"}
    (kept,) = billing.service.invoices()
    assert (kept["customer"], kept["amount"]) == ("ACME & <Sons> é", "1234567890123.10")
    invoice = billing("GetInvoice", invoiceId=made["invoiceId"])["invoice"]
    assert invoice == {
        "id": "INV-9007199254740993",
        "orderId": 9_007_199_254_740_993,
        "amount": Decimal("1234567890123.10"),
        "status": "OPEN",
    }
    assert type(invoice["orderId"]) is Wide
    assert to_json(invoice)["orderId"] == "9007199254740993"
    assert billing("FindInvoice", orderId="9007199254740993") == {"invoices": [invoice]}
    assert billing("CancelInvoice", invoiceId=made["invoiceId"]) == {"done": True}
    assert billing("CancelInvoice", invoiceId=made["invoiceId"]) == {"done": False}
    assert billing.call.notes == {"endpoint": billing.service.url, "http_status": 200}


def test_nothing_found_is_an_empty_list(billing: Billing) -> None:
    assert billing("FindInvoice", orderId=1) == {"invoices": []}


def test_a_polite_no_is_an_answer(billing: Billing) -> None:
    assert billing.create(1, amount="-1")["rc"] == 8


def test_a_fault_of_the_caller_is_rejected_with_its_typed_detail(billing: Billing) -> None:
    # Given
    billing.create(17)

    # When
    with pytest.raises(Rejected) as refused:
        billing.create(17)

    # Then
    assert refused.value.detail == {
        "code": "ERR-017",
        "message": "order 17 has invoice INV-17",
        "detail": {"code": "ERR-017", "text": "order 17 has invoice INV-17"},
        "faultcode": "Client",
    }
    with pytest.raises(Rejected, match="ERR-404"):
        billing("GetInvoice", invoiceId="INV-0")


def test_a_fault_of_the_server_leaves_a_write_unknown_and_a_read_unavailable(billing: Billing) -> None:
    # Given
    billing.service.behave("server_fault", after=True)
    billing.service.behave("server_fault", operation="FindInvoice")

    # Then
    with pytest.raises(OutcomeUnknown) as unknown:
        billing.create(1)
    assert unknown.value.detail["detail"]["code"] == "ERR-500"
    with pytest.raises(Unavailable):
        billing("FindInvoice", orderId=1)


def test_a_service_that_hangs_leaves_a_write_unknown_in_time(billing: Billing) -> None:
    """The service does the work all the same, after the caller has given up."""
    # Given
    billing.service.behave("delay", seconds=3)
    started = time.monotonic()

    # When
    with pytest.raises(OutcomeUnknown, match="did not answer in time"):
        billing.create(1, within_s=1.5)

    # Then
    assert time.monotonic() - started < 10
    while billing.service.created() == 0 and time.monotonic() - started < 60:
        time.sleep(0.05)
    assert billing.service.created() == 1


@pytest.mark.parametrize("do", ["drop", "truncate"])
def test_a_lost_answer_is_unknown_and_the_effect_can_be_found(node: Billing, do: Any) -> None:
    """The invoice exists although nobody was told: a probe sees it, a retry would make two."""
    # Given
    node.service.behave(do, after=True)

    # When
    with pytest.raises(OutcomeUnknown):
        node.create(5)

    # Then
    assert [invoice["id"] for invoice in node("FindInvoice", orderId=5)["invoices"]] == ["INV-5"]


ODD: list[tuple[str, int, type[DrawbarError], type[DrawbarError]]] = [
    ("html", 200, OutcomeUnknown, Unavailable),
    ("html", 500, OutcomeUnknown, Unavailable),
    ("http", 500, OutcomeUnknown, Unavailable),
    ("http", 502, OutcomeUnknown, Unavailable),
    ("http", 504, OutcomeUnknown, Unavailable),
    ("garbage", 200, OutcomeUnknown, Unavailable),
    ("empty", 200, OutcomeUnknown, Unavailable),
    ("http", 503, Unavailable, Unavailable),
    ("http", 429, Unavailable, Unavailable),
    ("http", 400, Rejected, Rejected),
    ("http", 401, ConfigError, ConfigError),
    ("http", 404, ConfigError, ConfigError),
]


@pytest.mark.parametrize(("do", "status", "write", "read"), ODD, ids=lambda value: getattr(value, "__name__", value))
def test_an_answer_that_is_no_soap_means_what_its_phase_says(
    billing: Billing, do: Any, status: int, write: type[DrawbarError], read: type[DrawbarError]
) -> None:
    # Given
    for operation in ("CreateInvoice", "FindInvoice"):
        billing.service.behave(do, operation=operation, status=status)

    # Then
    with pytest.raises(DrawbarError) as failed:
        billing.create(1)
    assert type(failed.value) is write
    with pytest.raises(DrawbarError) as failed:
        billing("FindInvoice", orderId=1)
    assert type(failed.value) is read


def test_a_busy_service_says_when_to_come_back(billing: Billing) -> None:
    # Given
    billing.service.behave("http", status=503, headers={"Retry-After": "17"})

    # When
    with pytest.raises(Unavailable) as busy:
        billing.create(1)

    # Then
    assert busy.value.retry_after_s == 17
    assert billing.service.created() == 0


def test_a_service_that_came_back_is_called_again(tmp_path: Path) -> None:
    """A kept connection that the host has closed costs no call."""
    with SoapNode() as service:
        opened = adapter(tmp_path, service.wsdl)
        billing = Billing(service, {tool.name: tool for tool in opened.tools()})
        billing.create(1)

        service.stop()
        with pytest.raises(Unavailable, match="cannot be reached"):
            billing.create(2)
        service.start()

        assert billing.create(2)["invoiceId"] == "INV-2"
        opened.close()


def test_threads_call_at_the_same_time(node: Billing) -> None:
    # Given
    made: list[str] = []

    def create(first: int) -> None:
        for order in range(first, first + 25):
            arguments = {"orderId": order, "customer": "x", "amount": "1"}
            call = Call(str(order), "test", time.monotonic() + 20)
            made.append(node.tools["CreateInvoice"].run(arguments, call)["invoiceId"])

    threads = [threading.Thread(target=create, args=(1 + 100 * each,)) for each in range(8)]

    # When
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    # Then
    assert len(set(made)) == 200
    assert node.service.created() == 200


def test_a_preview_shows_the_envelope_and_no_secret(soap_node: SoapNode, tmp_path: Path) -> None:
    # Given
    said = {
        "security": {"username_token": {"username": "drawbar", "password": "Geheim-1"}, "timestamp": {"ttl_s": 60}},
        "tools": {"CreateInvoice": {"secret": ["customer"]}},
        "headers": {"{urn:x}Tenant": "42"},
    }
    opened = adapter(tmp_path, soap_node.wsdl, **said)
    tool = next(tool for tool in opened.tools() if tool.name == "CreateInvoice")
    assert tool.preview is not None

    # When
    shown = tool.preview({"orderId": 1, "customer": "Mrs Secret & Co", "amount": Decimal("1.50")})

    # Then
    assert shown["endpoint"] == soap_node.url
    assert ":amount>1.50<" in shown["envelope"]
    assert ":Tenant>42<" in shown["envelope"]
    assert "drawbar" in shown["envelope"]
    assert "Geheim-1" not in str(shown)
    assert "Secret" not in shown["envelope"]
    assert soap_node.received() == 0


@pytest.mark.parametrize("digest", [False, True])
def test_a_username_token_is_sent_new_with_each_call(soap_node: SoapNode, tmp_path: Path, digest: bool) -> None:
    """node-soap ignores it unless it is asked to check, so the bytes are looked at."""
    # Given
    security = {"username_token": {"username": "u", "password": "p & <q>", "digest": digest}, "timestamp": {}}
    opened = adapter(tmp_path, soap_node.wsdl, security=security)
    billing = Billing(soap_node, {tool.name: tool for tool in opened.tools()})

    # When
    headers = [opened._open().security_header(masked=False) for _ in range(2)]

    # Then
    assert billing.create(1)["rc"] == 0
    assert ("p &amp; &lt;q&gt;" in headers[0]) is not digest
    assert ("PasswordDigest" in headers[0]) is digest
    assert (headers[0] != headers[1]) or not digest
    assert "Expires" in headers[0]


def test_no_log_holds_a_message_or_a_secret(
    soap_node: SoapNode, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """zeep writes whole messages into its debug log; nothing of ours goes through it."""
    for name in (None, "zeep", "zeep.transports", "zeep.wsdl", "urllib3", "drawbar"):
        caplog.set_level(1, logger=name)
    token = {"username": "drawbar", "password": "hush-hush", "digest": False}
    opened = adapter(tmp_path, soap_node.wsdl, security={"username_token": token, "bearer": "hush-token"})
    tools = {tool.name: tool for tool in opened.tools()}

    tools["FindInvoice"].run({"orderId": 1947114711}, Call("1", "test", time.monotonic() + 20))

    assert "hush" not in caplog.text
    assert "1947114711" not in caplog.text


def test_basic_and_bearer_go_into_http(soap_node: SoapNode, tmp_path: Path) -> None:
    for security, expected in (
        ({"basic": {"username": "u", "password": "ü:x"}}, "Basic " + base64.b64encode("u:ü:x".encode()).decode()),
        ({"bearer": "token-1"}, "Bearer token-1"),
    ):
        opened = adapter(tmp_path, soap_node.wsdl, security=security)
        billing = Billing(soap_node, {tool.name: tool for tool in opened.tools()})
        billing("FindInvoice", orderId=1)
        assert soap_node.headers()[-1]["authorization"] == expected


def test_a_dead_endpoint_is_passed_over_before_anything_left(soap_node: SoapNode, tmp_path: Path) -> None:
    # Given
    endpoints = {"mode": "failover", "urls": [f"http://127.0.0.1:{free_port()}/billing", soap_node.url]}
    opened = adapter(tmp_path, soap_node.wsdl, endpoints=endpoints)
    billing = Billing(soap_node, {tool.name: tool for tool in opened.tools()})

    # Then
    assert billing.create(1)["rc"] == 0
    assert billing.call.notes["endpoint"] == soap_node.url


def test_an_unknown_outcome_is_not_tried_on_another_endpoint(soap_node: SoapNode, tmp_path: Path) -> None:
    # Given
    soap_node.behave("drop", after=True, times=1)
    urls = [soap_node.url, soap_node.url.replace("127.0.0.1", "localhost")]
    opened = adapter(tmp_path, soap_node.wsdl, endpoints={"mode": "failover", "urls": urls})
    billing = Billing(soap_node, {tool.name: tool for tool in opened.tools()})

    # Then
    with pytest.raises(OutcomeUnknown):
        billing.create(1)
    assert soap_node.received() == 1


def test_check_says_what_was_tried(soap_node: SoapNode, tmp_path: Path) -> None:
    # When
    findings = list(adapter(tmp_path, soap_node.wsdl).check())

    # Then
    assert [finding.ok for finding in findings] == [True, True, True]
    assert findings[0].found == "4 tools"
    assert "not tried" in findings[2].found


def test_check_names_a_closed_port(tmp_path: Path) -> None:
    # When
    (finding,) = adapter(tmp_path, f"http://127.0.0.1:{free_port()}/x?wsdl").check()

    # Then
    assert not finding.ok
    assert "cannot be reached" in finding.found


def test_include_exclude_and_effects_speak_of_operations(soap_node: SoapNode, tmp_path: Path) -> None:
    # Given
    some = adapter(tmp_path, soap_node.wsdl, include=["*Invoice"], exclude=["Cancel*"])
    none = adapter(tmp_path, soap_node.wsdl, include=["Nothing*"], effects={})
    wrong = adapter(tmp_path, soap_node.wsdl, effects={"GetInvoce": "read"})

    # Then
    assert {tool.name for tool in some.tools()} == {"CreateInvoice", "GetInvoice", "FindInvoice"}
    with pytest.raises(ConfigError, match="leave no operation"):
        list(none.tools())
    with pytest.raises(ConfigError, match="did you mean 'GetInvoice'"):
        list(wrong.tools())


def test_a_wsdl_whose_names_collide_gives_full_names(tmp_path: Path) -> None:
    # Given
    text = (Path(__file__).parents[2] / "testing" / "data" / "billing.wsdl").read_text()
    port = text[text.index("    <wsdl:port ") : text.index("  </wsdl:service>")]
    (tmp_path / "two.wsdl").write_text(text.replace(port, port + port.replace('name="BillingPort"', 'name="Second"')))

    # When
    names = {tool.name for tool in adapter(tmp_path, "two.wsdl").tools()}

    # Then
    assert "BillingService.BillingPort.GetInvoice" in names
    assert "BillingService.Second.GetInvoice" in names


@contextmanager
def answering(*parts: bytes, pause_s: float = 0, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """A host that answers every connection with these bytes and says nothing else."""
    listener = socket.create_server(("127.0.0.1", 0))
    stopped = threading.Event()

    def serve() -> None:
        while not stopped.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            try:
                with tls.wrap_socket(connection, server_side=True) if tls else connection as wire:
                    wire.settimeout(5)
                    wire.recv(65536)
                    for part in parts:
                        wire.sendall(part)
                        stopped.wait(pause_s)
            except OSError:
                continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{listener.getsockname()[1]}/x"
    finally:
        stopped.set()
        listener.close()


def over_http(body: bytes, content_type: str = "text/xml", status: str = "200 OK") -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


BOMB = (
    b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "%s">' % (97 + each, b"&%c;" % (96 + each) * 10) for each in range(1, 10))
    + b"]><a>&j;</a>"
)
OUTSIDE = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'
ENVELOPE = b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>%s</s:Body></s:Envelope>'

HOSTILE: list[tuple[str, bytes]] = [
    ("entity bomb", BOMB),
    ("external entity", OUTSIDE),
    ("utf-16 entity bomb", b"\xff\xfe" + BOMB.decode().encode("utf-16-le")),
    ("comments before an entity bomb", b"<?xml version='1.0'?>" + b"<!-- -->\n" * 5_000 + BOMB),
    ("byte order mark before an entity bomb", b"\xef\xbb\xbf" + BOMB),
    ("deep nesting", ENVELOPE % (b"<a>" * 100_000)),
    ("deep nesting that ends", ENVELOPE % (b"<a>" * 5_000 + b"</a>" * 5_000)),
    ("wrong root", b"<html/>"),
    ("no body", b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"/>'),
    ("wrong envelope namespace", b'<s:Envelope xmlns:s="urn:x"><s:Body/></s:Envelope>'),
    ("not its charset", '<?xml version="1.0" encoding="utf-8"?><a>é</a>'.encode("latin-1")),
    ("an unknown charset", b'<?xml version="1.0" encoding="x-none"?><a/>'),
    ("binary", bytes(range(256))),
    ("too large", ENVELOPE % (b"<a>" + b"x" * 3_000_000 + b"</a>")),
]


@pytest.mark.parametrize(("what", "body"), HOSTILE, ids=[what for what, _ in HOSTILE])
def test_a_hostile_answer_is_one_clear_error(tmp_path: Path, what: str, body: bytes) -> None:
    wsdl = Path(__file__).parents[2] / "testing" / "data" / "billing.wsdl"
    with answering(over_http(body)) as url:
        opened = adapter(tmp_path, str(wsdl), endpoints=url, max_answer_mb=2)
        tools = {tool.name: tool for tool in opened.tools()}
        started = time.monotonic()
        for name, arguments in (
            ("CreateInvoice", {"orderId": 1, "customer": "x", "amount": 1}),
            ("FindInvoice", {"orderId": 1}),
        ):
            with at_most(cpu_s=5, megabytes=60), pytest.raises((OutcomeUnknown, Unavailable)) as failed:
                tools[name].run(arguments, Call("1", "test", time.monotonic() + 10))
            assert isinstance(failed.value, OutcomeUnknown) or name == "FindInvoice"
            assert "root:" not in str(failed.value)
        assert time.monotonic() - started < 15


def certificate(folder: Path) -> Path:
    """Write a certificate for 127.0.0.1 that signs itself, with its key, into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "drawbar test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    secret = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain)
    file = folder / "tls.pem"
    file.write_bytes(made.public_bytes(encoding) + secret)
    return file


def test_a_certificate_is_verified_whatever_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    file = certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(file)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(file))
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    wsdl = (Path(__file__).parents[2] / "testing" / "data" / "billing.wsdl").read_bytes()

    # Then
    with answering(over_http(wsdl), tls=tls) as url:
        with pytest.raises(ConfigError, match="not trusted"):
            list(adapter(tmp_path, url).tools())
        trusting = adapter(tmp_path, url, security={"tls": {"ca_file": "tls.pem"}})
        assert len(list(trusting.tools())) == 4
        with pytest.raises(ConfigError, match="not valid for 'localhost'"):
            list(
                adapter(
                    tmp_path, url.replace("127.0.0.1", "localhost"), security={"tls": {"ca_file": "tls.pem"}}
                ).tools()
            )


@pytest.mark.parametrize("tolerant", [False, True])
def test_an_answer_that_breaks_its_schema_fails_a_read_or_is_taken_and_reported(tmp_path: Path, tolerant: bool) -> None:
    said = b"<invoices><id>1</id><orderId>7</orderId><amount>ten</amount><status>OPEN</status></invoices>"
    body = ENVELOPE % (b'<FindInvoiceResponse xmlns="urn:drawbar:billing">' + said + b"</FindInvoiceResponse>")
    wsdl = str(Path(__file__).parents[2] / "testing" / "data" / "billing.wsdl")
    with answering(over_http(body)) as url:
        billing = {"kind": "soap", "wsdl": wsdl, "endpoints": url, "effects": READS, "tolerant": tolerant}
        (tmp_path / "drawbar.yaml").write_text(json.dumps({"version": 1, "adapters": {"billing": billing}}))
        with open_app(tmp_path / "drawbar.yaml") as app, capture_logs() as logs:
            if tolerant:
                answer = app.direct.call("billing.FindInvoice", {"orderId": 7}, caller=app.owner())
                assert answer.result["invoices"][0]["amount"] == "ten"
            else:
                with pytest.raises(Rejected, match=r"invoices\.0\.amount"):
                    app.direct.call("billing.FindInvoice", {"orderId": 7}, caller=app.owner())
    [deviates] = [each for each in logs if each["event"] == "answer.deviates"]
    assert "invoices.0.amount" in deviates["deviation"]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_host_that_wants_our_certificate_gets_it_or_has_done_nothing(tmp_path: Path, version: ssl.TLSVersion) -> None:
    """With TLS 1.3 the host refuses us only after the request may have left; it has not read it all the same."""
    # Given
    file = certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(file)
    tls.load_verify_locations(file)
    tls.verify_mode, tls.maximum_version = ssl.CERT_REQUIRED, version
    wsdl = str(Path(__file__).parents[2] / "testing" / "data" / "billing.wsdl")
    body = ENVELOPE % b'<CreateInvoiceResponse xmlns="urn:drawbar:billing"><rc>0</rc></CreateInvoiceResponse>'

    def create(**said: str) -> Any:
        known = adapter(tmp_path, wsdl, endpoints=url, security={"tls": {"ca_file": "tls.pem", **said}})
        tools = {tool.name: tool for tool in known.tools()}
        given = {"orderId": 1, "customer": "x", "amount": 1}
        return tools["CreateInvoice"].run(given, Call("1", "test", time.monotonic() + 5))

    # Then
    with answering(over_http(body), tls=tls) as url:
        assert create(certificate_file="tls.pem") == {"rc": 0}
        with pytest.raises((ConfigError, Unavailable), match=r"certificate|handshake|whole request"):
            create()


def test_a_redirect_is_not_followed_with_what_was_to_be_sent(tmp_path: Path) -> None:
    wsdl = str(Path(__file__).parents[2] / "testing" / "data" / "billing.wsdl")
    there = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://us:pw@127.0.0.1:9/in?token=s3cret#here\r\nContent-Length: 0\r\n\r\n"
    with answering(there) as url:
        tools = {tool.name: tool for tool in adapter(tmp_path, wsdl, endpoints=url).tools()}
        with pytest.raises(ConfigError, match=r"leads to http://127\.0\.0\.1:9/in, and a call is not sent on"):
            tools["FindInvoice"].run({"orderId": 1}, Call("1", "test", time.monotonic() + 5))


def test_a_host_that_drips_is_cut_off_at_the_deadline(tmp_path: Path) -> None:
    """A byte now and then is no answer: the limit is for the whole call, headers included."""
    wsdl = Path(__file__).parents[2] / "testing" / "data" / "billing.wsdl"
    with answering(*[bytes([each]) for each in b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200], pause_s=0.05) as url:
        tools = {tool.name: tool for tool in adapter(tmp_path, str(wsdl), endpoints=url).tools()}
        started = time.monotonic()

        with pytest.raises(OutcomeUnknown, match="in time"):
            tools["FindInvoice"].run({"orderId": 1}, Call("1", "test", started + 1))

        assert time.monotonic() - started < 8


NO_WSDL: list[tuple[str, bytes, type[DrawbarError], str]] = [
    ("html", over_http(b"<!doctype html><html><body>Hi</body></html>", "text/html"), ConfigError, "web page"),
    ("plain html", over_http(b"<html><body><p>Hi<br></body></html>", "text/html"), ConfigError, "web page"),
    ("empty", over_http(b""), ConfigError, "empty"),
    ("truncated", over_http(b"<wsdl:definitions xmlns:wsdl='http://schemas.xmlsoap.org/wsdl/'><wsdl:types>"), ConfigError, "well-formed"),
    ("bomb", over_http(BOMB), ConfigError, "DTD"),
    ("external entity", over_http(OUTSIDE), ConfigError, "DTD"),
    ("other xml", over_http(b"<a/>"), ConfigError, "root is <a>"),
    ("wsdl 2", over_http(b"<description xmlns='http://www.w3.org/ns/wsdl'/>"), ConfigError, "2.0"),
    ("no operation", over_http(b"<definitions xmlns='http://schemas.xmlsoap.org/wsdl/'/>"), ConfigError, "no SOAP operation"),
    ("404", over_http(b"no", status="404 Not Found"), ConfigError, "404"),
    ("401", over_http(b"no", status="401 Unauthorized"), ConfigError, "401"),
    ("500", over_http(b"no", status="500 Oops"), Unavailable, "500"),
    ("too large", over_http(b"<a>" + b"x" * 3_000_000 + b"</a>"), OutcomeUnknown, "larger"),
    ("redirect elsewhere", b"HTTP/1.1 302 Found\r\nLocation: http://198.51.100.1/in?token=s3cret\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", ConfigError, "leads to http://198.51.100.1/in, another host"),
    ("import from elsewhere", over_http(b"<definitions xmlns='http://schemas.xmlsoap.org/wsdl/'><import namespace='u' location='http://198.51.100.1/x.wsdl'/></definitions>"), ConfigError, "not on its own host"),
    ("import of a file", over_http(b"<definitions xmlns='http://schemas.xmlsoap.org/wsdl/'><import namespace='u' location='file:///etc/passwd'/></definitions>"), ConfigError, "may not import the file"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "answer", "kind", "said"), NO_WSDL, ids=[each[0] for each in NO_WSDL])
def test_what_is_no_wsdl_is_refused_by_name(
    tmp_path: Path, what: str, answer: bytes, kind: type[DrawbarError], said: str
) -> None:
    with answering(answer) as url, at_most(cpu_s=5, megabytes=60), pytest.raises(DrawbarError) as failed:
        list(adapter(tmp_path, url, max_answer_mb=2, call_timeout_s=5).tools())

    assert isinstance(failed.value, kind if kind is not OutcomeUnknown else (OutcomeUnknown, Unavailable))
    assert said in str(failed.value)


def test_a_wsdl_that_is_no_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "empty.wsdl").touch()
    for wsdl, said in ((".", "no ordinary file"), ("missing.wsdl", "No such file"), ("empty.wsdl", "empty")):
        with pytest.raises(ConfigError, match=said):
            list(adapter(tmp_path, wsdl).tools())
