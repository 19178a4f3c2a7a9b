"""Logging in over SSH: keys, certificates, the agent, passwords, and questions that a password answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_ssh_private_key,
)
from paramiko import (
    Agent,
    AuthenticationException,
    BadAuthenticationType,
    ECDSAKey,
    Ed25519Key,
    PasswordRequiredException,
    PKey,
    RSAKey,
    SSHException,
    Transport,
)

from ..core.errors import ConfigError, Unavailable
from .sftp_algorithms import LegacyRsa

_ANSWERS = "answers"
_PKCS8 = (b"-----BEGIN PRIVATE KEY-----", b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
_KINDS: dict[type, type[PKey]] = {RSAPrivateKey: RSAKey, Ed25519PrivateKey: Ed25519Key}


@dataclass(frozen=True, slots=True)
class Secrets:
    """What proves who we are: any of these, and several where a server asks for more than one."""

    password: str | None = field(default=None, repr=False)
    private_key_file: Path | None = None
    passphrase: str | None = field(default=None, repr=False)
    certificate_file: Path | None = None
    agent: bool = False


def private_key(secrets: Secrets) -> PKey | None:
    """Read the key and its certificate; ConfigError says which of them cannot be used, and why."""
    if secrets.private_key_file is None:
        return None
    path, passphrase = secrets.private_key_file, secrets.passphrase
    try:
        key = _read(path, passphrase.encode() if passphrase else None)
    except OSError as error:
        raise ConfigError(f"the key {path} cannot be read: {error.strerror}", field="private_key_file") from error
    except (PasswordRequiredException, TypeError) as error:
        said = "cannot be read" if passphrase else "is encrypted: give passphrase"
        raise ConfigError(f"the key {path} {said}", field="passphrase") from error
    except (SSHException, ValueError) as error:
        where = "passphrase" if passphrase else "private_key_file"
        said = " with this passphrase" if passphrase else ""
        raise ConfigError(f"the key {path} cannot be read{said}", field=where) from error
    if isinstance(key, RSAKey):
        key.HASHES = LegacyRsa.HASHES  # type: ignore[misc]  # the algorithm itself must still be allowed by name
    if secrets.certificate_file is not None:
        _certify(key, path, secrets.certificate_file)
    return key


def _read(path: Path, passphrase: bytes | None) -> PKey:
    """Read a key; those of PKCS #8, which the library does not know, by way of OpenSSH's own form."""
    content = path.read_bytes()
    if not content.lstrip().startswith(_PKCS8):
        try:
            return PKey.from_path(path, passphrase)  # type: ignore[arg-type]  # it wants bytes
        except (
            SSHException
        ):  # of ECDSA keys in OpenSSH's form it takes every other one for a curve that it does not know
            return _as_paramiko(load_ssh_private_key(content, passphrase))
    return _as_paramiko(load_pem_private_key(content, passphrase))


def _as_paramiko(key: Any) -> PKey:
    if isinstance(key, EllipticCurvePrivateKey):
        return ECDSAKey(vals=(key, key.public_key()))
    kind = next((ours for theirs, ours in _KINDS.items() if isinstance(key, theirs)), None)
    if kind is None:
        raise ValueError("a kind of key that SSH has not")
    text = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    return kind.from_private_key(StringIO(text))


def log_in(transport: Transport, host: str, port: int, username: str, secrets: Secrets, key: PKey | None) -> None:
    """
    Prove who we are, one way after the other, until the server is content.

    A password that was refused is not given a second time as an answer to a question: accounts are locked for less.
    """
    tried: list[str] = []
    asks: list[str] | None = None
    try:
        for what, kind, prove in _ways(transport, username, secrets, key):
            if (asks is None and what == _ANSWERS) or (asks is not None and kind not in asks):
                continue
            tried.append(what)
            try:
                if not (asks := prove()):
                    return
            except BadAuthenticationType as error:
                asks = [kind for kind in error.allowed_types if kind]
            except AuthenticationException as error:
                if "timeout" in str(error).lower():
                    raise Unavailable(f"{host} did not answer the login in time") from error
    except (SSHException, EOFError, OSError) as error:
        raise Unavailable(f"{host} ended the login of {username}: {str(error) or 'closed'}") from error
    what = " and the ".join(dict.fromkeys(tried)) or "login"
    more = f"; it asks for {', '.join(asks)}" if asks else ""
    raise ConfigError(
        f"{host}:{port} refuses the {what} of {username}{more}",
        field=tried[-1] if tried else "password",
        next=f"check username and {what}",
    )


def _ways(
    transport: Transport, username: str, secrets: Secrets, key: PKey | None
) -> Iterator[tuple[str, str, Callable[[], list[str]]]]:
    if key is not None:
        what = "certificate" if secrets.certificate_file else "key"
        yield what, "publickey", partial(transport.auth_publickey, username, key)
    if secrets.agent:
        agent = Agent()
        try:
            if not (keys := agent.get_keys()):
                said = "there is no SSH agent, or it holds no key"
                raise ConfigError(said, field="agent", next="ssh-add KEY, and set SSH_AUTH_SOCK for this process")
            for each in keys:
                yield "agent's keys", "publickey", partial(transport.auth_publickey, username, each)
        finally:
            agent.close()
    if secrets.password is not None:
        yield "password", "password", partial(transport.auth_password, username, secrets.password, fallback=False)
        answer = _answering(secrets.password)
        yield _ANSWERS, "keyboard-interactive", partial(transport.auth_interactive, username, answer)


def _answering(password: str) -> Callable[[str, str, Sequence[tuple[str, bool]]], list[str]]:
    """Answer each question that hides what is typed with the password; others are for a person."""

    def answer(_title: str, _said: str, questions: Sequence[tuple[str, bool]]) -> list[str]:
        return ["" if shown else password for _, shown in questions]

    return answer


def _certify(key: PKey, path: Path, certificate: Path) -> None:
    try:
        key.load_certificate(str(certificate))
        if key.public_blob is None or "-cert-" not in key.public_blob.key_type:
            raise ValueError("it is a plain key")
    except OSError as error:
        said = f"the certificate {certificate} cannot be read: {error.strerror}"
        raise ConfigError(said, field="certificate_file") from error
    except (SSHException, ValueError, IndexError) as error:
        said = f"{certificate} is no certificate of the key {path}: {error}"
        raise ConfigError(said, field="certificate_file") from error
