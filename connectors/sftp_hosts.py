"""Who an SSH server is: what known_hosts says of it, and whether a host certificate is good (sshd(8), PROTOCOL.certkeys)."""

from __future__ import annotations

import re
import time
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    SSHCertificate,
    SSHCertificateType,
    load_ssh_public_identity,
)
from paramiko import HostKeys, PKey, SSHException
from paramiko.hostkeys import HostKeyEntry, InvalidHostKey

from ..core.errors import ConfigError

CERTIFIED = "-cert-v01@openssh.com"
_AUTHORITY, _REVOKED = "@cert-authority", "@revoked"
_HASHED = "|1|"


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one host; authorities and revoked keys as known_hosts spells them, in base64."""

    keys: Sequence[PKey] = ()
    authorities: frozenset[str] = frozenset()
    revoked: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a host shows instead of its bare key; `authority` is who signed it."""

    authority: str
    wrong: str | None = field(default=None)
    """Why it would not be good, if its authority were known."""


def known_of(path: Path, host: str, place: str) -> Known:
    """
    Read what a known_hosts file says of a host; `place` is its name with its port.

    Read line by line: the library knows neither markers and patterns, nor what to say of a line that is broken.
    """
    keys: list[PKey] = []
    authorities: set[str] = set()
    revoked: set[str] = set()
    for number, line in enumerate(_lines_of(path), 1):
        marker, _, rest = line.partition(" ") if line[:1] == "@" else ("", "", line)
        fields = rest.split()
        if marker in {_AUTHORITY, _REVOKED} and len(fields) > 2:
            if marker == _REVOKED:
                revoked.add(fields[2])  # whatever host it names
            elif _is_named(fields[0], place, host):
                authorities.add(fields[2])
        elif not marker and fields and line[:1] != "#":
            keys += (key for key in _key(path, line, number) if _is_named(fields[0], place))
        elif marker in {_AUTHORITY, _REVOKED}:
            raise _broken(path, number)
    return Known(keys, frozenset(authorities), frozenset(revoked))


def certificate_of(offered: PKey, host: str) -> Certificate | None:
    """Give the certificate that came with a host's key, judged; None where it showed a bare key."""
    blob = offered.public_blob
    if blob is None or not blob.key_type.endswith(CERTIFIED):
        return None
    try:
        found = load_ssh_public_identity(f"{blob.key_type} ".encode() + b64encode(blob.key_blob))
        assert isinstance(found, SSHCertificate)
        signer = found.signature_key()
        authority = signer.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).split()[1].decode()
    except (ValueError, UnsupportedAlgorithm) as error:
        return Certificate("", f"cannot be read: {error}")
    old = isinstance(signer, RSAPublicKey) and blob.key_blob[: -signer.key_size // 8 - 4].endswith(b"ssh-rsa")
    return Certificate(authority, "is signed with SHA-1" if old else _wrong(found, host))


def _wrong(certificate: SSHCertificate, host: str) -> str | None:
    """Say what is wrong with a certificate whose authority is known."""
    now = time.time()
    try:
        certificate.verify_cert_signature()
    except InvalidSignature:
        return "has a signature that is not its authority's"
    if certificate.type is not SSHCertificateType.HOST:
        return "is one of a user, not of a host"
    if certificate.critical_options:
        return f"has options that are not known: {', '.join(map(_text, certificate.critical_options))}"
    if now < certificate.valid_after:
        return f"is not valid before {_moment(certificate.valid_after)}"
    if now >= certificate.valid_before:
        return f"was valid until {_moment(certificate.valid_before)}"
    names = [_text(name) for name in certificate.valid_principals]
    if not any(_matches(name, host) for name in names):
        return f"is for {', '.join(names) or 'no host by name'}, not for {host}"
    return None


def _moment(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _lines_of(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
    except OSError as error:
        raise ConfigError(f"known_hosts {path} cannot be read: {error.strerror}", field="known_hosts") from error


def _key(path: Path, line: str, number: int) -> Iterator[PKey]:
    try:
        entry = HostKeyEntry.from_line(line, number)
    except (InvalidHostKey, SSHException, ValueError) as error:
        raise _broken(path, number) from error
    if entry is not None and entry.key is not None:
        yield entry.key


def _broken(path: Path, number: int) -> ConfigError:
    return ConfigError(f"known_hosts {path} cannot be read: line {number} holds no key", field="known_hosts")


def _is_named(names: str, *places: str) -> bool:
    """Tell whether a line is about a host: by name, by pattern, or hashed; one that is negated is not."""
    if names.startswith(_HASHED):
        return any(HostKeys.hash_host(place, names) == names for place in places)
    patterns = names.split(",")
    if any(_matches(name[1:], place) for name in patterns if name.startswith("!") for place in places):
        return False
    return any(_matches(name, place) for name in patterns if not name.startswith("!") for place in places)


def _matches(pattern: str, name: str) -> bool:
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, name, re.IGNORECASE) is not None


__all__ = ["CERTIFIED", "Certificate", "Known", "certificate_of", "known_of"]
