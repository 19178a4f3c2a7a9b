"""X.509 signatures: ours as xmlsec reads them, and answers that zeep signs with it, good and bad."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import xmlsec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from lxml import etree
from zeep.wsse.signature import BinarySignature

from drawbar.adapters.soap import SoapAdapter, SoapConfig
from drawbar.connectors.soap_security import WSU
from drawbar.connectors.soap_signature import Distrust, Verifier
from drawbar.connectors.soap_xml import parse
from drawbar.core.adapter import Place
from drawbar.core.errors import ConfigError, OutcomeUnknown, Unavailable
from drawbar.core.tool import Call
from drawbar.testing import soap as stand_in
from drawbar.testing.billing import WSDL, Billing

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
KEYS = [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2)]


def identity(folder: Path, name: str, number: int = 0, *, days: int = 10, issuer: Any = None) -> tuple[Path, Path]:
    """Write a key and a certificate; `issuer` is the name and number of who signs it, an authority."""
    now = datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    above = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer[0] if issuer else name)])
    builder = (
        x509.CertificateBuilder(above, subject, KEYS[number].public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=20))
        .not_valid_after(now + timedelta(days=days))
    )
    if issuer is None:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    made = builder.sign(KEYS[issuer[1] if issuer else number], hashes.SHA256())
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    key, certificate = folder / f"{name}.key", folder / f"{name}.crt"
    key.write_bytes(KEYS[number].private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    certificate.write_bytes(made.public_bytes(pem))
    return key, certificate


def zeep_signed(envelope: bytes, key: Path, certificate: Path) -> bytes:
    root = etree.fromstring(envelope)
    BinarySignature(
        str(key),
        str(certificate),
        signature_method=xmlsec.Transform.RSA_SHA256,
        digest_method=xmlsec.Transform.SHA256,
    ).apply(root, {})
    return etree.tostring(root)


Change = Callable[[bytes], bytes]


class Signing(stand_in.SoapService):
    """The billing service, which signs what it answers and may tamper with it afterwards."""

    seal: tuple[Path, Path]
    bodies: list[bytes]
    tamper: Change = staticmethod(lambda body: body)

    def answer(self, data: bytes, headers: Any) -> Any:
        self.bodies.append(data)
        said = super().answer(data, headers)
        if not isinstance(said, tuple):
            return said
        status, kind, body = said
        return status, kind, self.tamper(zeep_signed(body, *self.seal))


def adapter(folder: Path, url: str, **security: Any) -> SoapAdapter:
    said = {
        "kind": "soap",
        "wsdl": str(WSDL),
        "endpoints": url,
        "security": security,
        "effects": {"FindInvoice": "read"},
    }
    return SoapAdapter("billing", SoapConfig.model_validate(said), Place(folder, folder))


def find(opened: SoapAdapter) -> Any:
    tool = next(tool for tool in opened.tools() if tool.name == "FindInvoice")
    return tool.run({"orderId": 1}, Call("1", "test", datetime.now().timestamp() + 1e9))


@pytest.fixture
def service(tmp_path: Path) -> Any:
    with Signing(WSDL, Billing().answers) as made:
        made.seal = identity(tmp_path, "service", 1)
        made.bodies = []
        yield made


def test_xmlsec_finds_our_signature_good_and_over_body_and_timestamp(service: Any, tmp_path: Path) -> None:
    # Given
    identity(tmp_path, "client")
    sign = {"key_file": "client.key", "certificate_file": "client.crt"}
    opened = adapter(tmp_path, service.url, sign=sign, timestamp={}, username_token={"username": "u", "password": "p"})

    # When
    answer = find(opened)

    # Then
    assert answer == {"invoices": []}
    root = etree.fromstring(service.bodies[-1])
    covered = {node.get("URI") for node in root.iter("{*}Reference") if node.getparent().tag.endswith("SignedInfo")}
    ids = {node.get(f"{{{WSU}}}Id") for node in root.iter("{*}Body", "{*}Timestamp")}
    assert covered == {f"#{each}" for each in ids}
    context = xmlsec.SignatureContext()
    for node in root.iter():
        if node.get(f"{{{WSU}}}Id"):
            context.register_id(node, "Id", WSU)
    context.key = xmlsec.Key.from_file(str(tmp_path / "client.crt"), xmlsec.constants.KeyDataFormatCertPem)
    context.verify(next(root.iter("{http://www.w3.org/2000/09/xmldsig#}Signature")))


def test_a_signed_answer_of_a_trusted_service_is_taken(service: Any, tmp_path: Path) -> None:
    opened = adapter(tmp_path, service.url, verify={"trust_file": "service.crt"})

    assert find(opened) == {"invoices": []}


def test_an_answer_signed_under_a_trusted_authority_is_taken(service: Any, tmp_path: Path) -> None:
    identity(tmp_path, "authority", 0)
    service.seal = identity(tmp_path, "issued", 1, issuer=("authority", 0))

    assert find(adapter(tmp_path, service.url, verify={"trust_file": "authority.crt"})) == {"invoices": []}


BAD: list[tuple[str, Change, str]] = [
    ("a changed body", lambda body: body.replace(b"InvoiceResponse", b"InvoiceResponsE"), "not valid"),
    ("no signature", lambda body: body.replace(b"Signature", b"Signatura"), "not signed"),
    (
        "a body beside the signed one",
        lambda body: body.replace(b"</soap:Header>", b"<x:old xmlns:x='urn:x'>" + body[body.index(b"<soap:Body") : body.index(b"</soap:Envelope>")] + b"</x:old></soap:Header>").replace(
            body[body.index(b"<soap:Body") : body.index(b"</soap:Envelope>")] + b"</soap:Envelope>",
            b"<soap:Body><n:FindInvoiceResponse xmlns:n='urn:drawbar:billing'/></soap:Body></soap:Envelope>",
        ),
        "Body is not signed",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("what", "tamper", "said"), BAD, ids=[each[0] for each in BAD])
def test_an_answer_that_was_touched_is_not_taken(
    service: Any, tmp_path: Path, what: str, tamper: Change, said: str
) -> None:
    service.tamper = tamper
    opened = adapter(tmp_path, service.url, verify={"trust_file": "service.crt"})

    with pytest.raises(Unavailable, match=said):
        find(opened)
    write = next(tool for tool in opened.tools() if tool.name == "CreateInvoice")
    with pytest.raises(OutcomeUnknown):
        write.run({"orderId": 1, "customer": "x", "amount": 1}, Call("1", "test", datetime.now().timestamp() + 1e9))


def test_a_certificate_that_is_strange_or_over_is_not_trusted(service: Any, tmp_path: Path) -> None:
    identity(tmp_path, "other", 0)
    with pytest.raises(Unavailable, match="CN=service is not trusted"):
        find(adapter(tmp_path, service.url, verify={"trust_file": "other.crt"}))

    service.seal = identity(tmp_path, "old", 1, days=-2)
    with pytest.raises(Unavailable, match="CN=old expired on"):
        find(adapter(tmp_path, service.url, verify={"trust_file": "old.crt"}))


def test_a_signed_answer_that_is_over_is_not_taken(tmp_path: Path) -> None:
    # Given
    key, certificate = identity(tmp_path, "service", 1)
    stamp = f'<u:Timestamp xmlns:u="{WSU}"><u:Created>2020-01-01T00:00:00Z</u:Created><u:Expires>2020-01-01T00:05:00Z</u:Expires></u:Timestamp>'
    security = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
    text = f'<s:Envelope xmlns:s="{SOAP}"><s:Header><w:Security xmlns:w="{security}">{stamp}</w:Security></s:Header><s:Body><a/></s:Body></s:Envelope>'

    # Then
    with pytest.raises(Distrust, match="expired at 2020"):
        Verifier(certificate)(parse(zeep_signed(text.encode(), key, certificate)))


def test_key_and_certificate_that_do_not_belong_together_are_refused_at_load(service: Any, tmp_path: Path) -> None:
    identity(tmp_path, "client", 0)
    identity(tmp_path, "other", 1)
    for said, files in (
        ("is not the certificate of", {"key_file": "client.key", "certificate_file": "other.crt"}),
        ("cannot be read", {"key_file": "missing.key", "certificate_file": "other.crt"}),
        ("no PEM", {"key_file": "client.crt", "certificate_file": "client.crt"}),
    ):
        with pytest.raises(ConfigError, match=said):
            list(adapter(tmp_path, service.url, sign=files).tools())
