"""
X.509 signatures: of the envelopes that leave, and of the answers that come.

OASIS WS-Security X.509 token profile, by signxml. A detached signature in the security header names the parts that it
covers by their `wsu:Id`; an answer's must cover its Body, or what it says about the certificate is worth nothing.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ..core.errors import ConfigError
from .soap_security import BODY, KEY, TIMESTAMP, TOKEN, WSSE, WSU, X509
from .soap_xml import Node, local, parse

DSIG = "http://www.w3.org/2000/09/xmldsig#"
_EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
_ID = f"{{{WSU}}}Id"
_SKEW = timedelta(seconds=60)
_PARTS = {"body": BODY, "timestamp": TIMESTAMP, "username_token": TOKEN}


class Distrust(ValueError):
    """An answer that is not signed as it must be; the message says in which way."""


@dataclass(frozen=True, slots=True)
class Seal:
    """Our key and certificate. `legacy_sha1` signs as services before 2010 want it."""

    key_file: Path
    certificate_file: Path
    parts: tuple[str, ...] = ("body", "timestamp")
    passphrase: str | None = None
    legacy_sha1: bool = False

    def __repr__(self) -> str:
        return f"Seal({str(self.certificate_file)!r})"


class Signer:
    """Signs envelopes. Making one reads the files: ConfigError names the one that is wrong."""

    def __init__(self, seal: Seal) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives.asymmetric import rsa
        from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

        self._parts = [_PARTS[part] for part in seal.parts]
        phrase = seal.passphrase.encode() if seal.passphrase else None
        self._key: Any = _read(seal.key_file, "key_file", lambda body: load_pem_private_key(body, phrase))
        own = _read(seal.certificate_file, "certificate_file", x509.load_pem_x509_certificates)[0]
        if own.public_key() != self._key.public_key():
            said = f"{seal.certificate_file} is not the certificate of {seal.key_file}"
            raise ConfigError(said, field="security.sign.certificate_file")
        self.certificate = base64.b64encode(own.public_bytes(Encoding.DER)).decode()
        kind = "rsa" if isinstance(self._key, rsa.RSAPrivateKey) else "ecdsa"
        self._algorithm = f"{kind}-sha{1 if seal.legacy_sha1 else 256}"
        self._digest = "sha1" if seal.legacy_sha1 else "sha256"
        self._signer = _old_signer if seal.legacy_sha1 else _signer
        self.expires_at: datetime = own.not_valid_after_utc

    def sign(self, envelope: str) -> str:
        """Put a signature of the parts into the envelope's security header; parts that it does not have are left out."""
        from lxml import etree

        root = etree.fromstring(envelope.encode())
        security = next(root.iter(f"{{{WSSE}}}Security"))
        present = {node.get(_ID) for node in root.iter("{*}Body", "{*}Timestamp", "{*}UsernameToken")}
        made = self._signer(self._algorithm, self._digest).sign(
            root,
            key=self._key,
            reference_uri=[f"#{part}" for part in self._parts if part in present],
            key_info=_key_info(),
            id_attribute="Id",
        )
        security.append(made)
        return str(etree.tostring(root, encoding="unicode"))


def _signer(algorithm: str, digest: str) -> Any:
    from signxml.algorithms import SignatureConstructionMethod
    from signxml.signer import XMLSigner

    return XMLSigner(SignatureConstructionMethod.detached, algorithm, digest, _EXCLUSIVE)


def _old_signer(algorithm: str, digest: str) -> Any:
    from signxml.algorithms import SignatureConstructionMethod
    from signxml.signer import XMLSigner

    class Old(XMLSigner):
        def check_deprecated_methods(self) -> None:
            """Take SHA-1: the configuration asked for it by name."""

    return Old(SignatureConstructionMethod.detached, algorithm, digest, _EXCLUSIVE)


def _key_info() -> Node:
    return parse(
        f'<ds:KeyInfo xmlns:ds="{DSIG}" xmlns:wsse="{WSSE}"><wsse:SecurityTokenReference>'
        f'<wsse:Reference URI="#{KEY}" ValueType="{X509}"/></wsse:SecurityTokenReference></ds:KeyInfo>'.encode()
    )


class Verifier:
    """Looks whether an answer is signed by somebody that we trust: a certificate of the file, or one that it issued."""

    def __init__(self, trust_file: Path, *, required: bool = True, legacy_sha1: bool = False) -> None:
        from cryptography import x509

        self._trusted = _read(trust_file, "trust_file", x509.load_pem_x509_certificates, "security.verify")
        self._required = required
        self._legacy_sha1 = legacy_sha1

    def __call__(self, envelope: Node) -> None:
        """Verify an answer; raise Distrust."""
        signatures = list(envelope.iter(f"{{{DSIG}}}Signature"))
        if not signatures:
            if self._required:
                raise Distrust("it is not signed")
            return
        security = _security(envelope)
        if len(signatures) != 1 or signatures[0].getparent() is not security:
            raise Distrust("its signature does not stand alone in its security header")
        certificate = self._certificate(envelope, security)
        self._trust(certificate)
        covered = self._covered(envelope, certificate)
        for part in _must_be_covered(envelope, security):
            if part.get(_ID) not in covered and part.get("Id") not in covered:
                raise Distrust(f"its {local(part.tag)} is not signed")
        _still_good(security)

    def _certificate(self, envelope: Node, security: Node) -> Any:
        """Find whose key it is said to be: a token of the header, or a certificate of ours that is named by its serial."""
        from cryptography import x509

        info = security.find(f"{{{DSIG}}}Signature/{{{DSIG}}}KeyInfo")
        node = None
        if info is not None:
            reference = next(info.iter(f"{{{WSSE}}}Reference"), None)
            wanted = reference.get("URI", "").removeprefix("#") if reference is not None else None
            tokens = [each for each in envelope.iter(f"{{{WSSE}}}BinarySecurityToken") if each.get(_ID) == wanted]
            node = tokens[0] if len(tokens) == 1 else next(info.iter(f"{{{DSIG}}}X509Certificate"), None)
            serial = next(info.iter(f"{{{DSIG}}}X509SerialNumber"), None)
            if node is None and serial is not None:
                found = [each for each in self._trusted if str(each.serial_number) == (serial.text or "").strip()]
                if len(found) == 1:
                    return found[0]
        if node is None:
            if len(self._trusted) == 1:
                return self._trusted[0]
            raise Distrust("it does not say whose signature it is")
        try:
            return x509.load_der_x509_certificate(base64.b64decode("".join((node.text or "").split())))
        except (ValueError, binascii.Error) as error:
            raise Distrust(f"its certificate cannot be read: {error}") from None

    def _trust(self, certificate: Any) -> None:
        now = datetime.now(UTC)
        current, seen = certificate, 0
        while current not in self._trusted:
            _valid(current, now)
            issuer = next((each for each in self._trusted if _issued(each, current)), None)
            seen += 1
            if issuer is None or seen > len(self._trusted):
                raise Distrust(f"the certificate of {certificate.subject.rfc4514_string()} is not trusted")
            current = issuer
        _valid(current, now)

    def _covered(self, envelope: Node, certificate: Any) -> set[str]:
        """Verify the signature itself; give the ids that it covers."""
        from signxml.algorithms import DigestAlgorithm, SignatureMethod
        from signxml.exceptions import SignXMLException
        from signxml.verifier import SignatureConfiguration, XMLVerifier

        references = list(envelope.iter(f"{{{DSIG}}}Reference"))
        ids = {each.get("URI", "").removeprefix("#") for each in references if each.get("URI", "").startswith("#")}
        known = SignatureConfiguration()
        more = self._legacy_sha1
        config = SignatureConfiguration(
            location=".//",
            expect_references=len(references),
            signature_methods=known.signature_methods | ({SignatureMethod.RSA_SHA1} if more else frozenset()),
            digest_algorithms=known.digest_algorithms | ({DigestAlgorithm.SHA1} if more else frozenset()),
            ignore_ambiguous_key_info=True,
        )
        try:
            XMLVerifier().verify(envelope, x509_cert=certificate, id_attribute="Id", expect_config=config)
        except (SignXMLException, ValueError, LookupError, TypeError, AttributeError) as error:
            raise Distrust(f"its signature is not valid: {str(error).strip() or type(error).__name__}") from None
        return ids


def _security(envelope: Node) -> Node:
    header = next((each for each in envelope if local(each.tag) == "Header"), ())
    found = [each for each in header if each.tag == f"{{{WSSE}}}Security"]
    if len(found) != 1:
        raise Distrust("it has no security header of its own")
    return found[0]


def _must_be_covered(envelope: Node, security: Node) -> Iterable[Node]:
    yield from (each for each in envelope if local(each.tag) == "Body")
    yield from security.iterfind(f"{{{WSU}}}Timestamp")


def _still_good(security: Node) -> None:
    """Refuse an answer that was good once: somebody may have kept it."""
    for node in security.iterfind(f"{{{WSU}}}Timestamp/{{{WSU}}}Expires"):
        try:
            expires = datetime.fromisoformat((node.text or "").strip())
        except ValueError:
            raise Distrust(f"its timestamp expires at {node.text!r}") from None
        expires = expires if expires.tzinfo else expires.replace(tzinfo=UTC)
        if expires + _SKEW < datetime.now(UTC):
            raise Distrust(f"it expired at {expires.isoformat()}")


def _valid(certificate: Any, now: datetime) -> None:
    name = certificate.subject.rfc4514_string()
    if now < certificate.not_valid_before_utc:
        raise Distrust(f"the certificate of {name} is not valid before {certificate.not_valid_before_utc.date()}")
    if now > certificate.not_valid_after_utc:
        raise Distrust(f"the certificate of {name} expired on {certificate.not_valid_after_utc.date()}")


def _issued(issuer: Any, certificate: Any) -> bool:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature

    try:
        if not issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return False
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    return True


def _read(file: Path, key: str, read: Callable[[bytes], Any], section: str = "security.sign") -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm

    field = f"{section}.{key}"
    try:
        found = read(file.read_bytes())
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}", field=field) from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{file} is no PEM that can be read: {error}", field=field) from error
    return found
