"""Connecting to an SSH server: strict host keys, jump hosts, and errors that say what to do."""

from __future__ import annotations

import base64
import hashlib
import logging
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from paramiko import PKey, SSHException, Transport
from paramiko.ssh_exception import ChannelException, IncompatiblePeer

from ..core.errors import ConfigError, Unavailable
from .sftp_algorithms import Line, unknown_names
from .sftp_hosts import CERTIFIED, Known, certificate_of, known_of
from .sftp_keys import Secrets, log_in, private_key

_SSH_PORT = 22
_LEGACY = "ssh-rsa"
logging.getLogger("paramiko").setLevel(logging.CRITICAL + 1)  # it logs tracebacks of what our errors say in a sentence


@dataclass(frozen=True, slots=True)
class Login:
    """Where and as whom; `through` is the host to jump from. Secrets are not shown."""

    host: str
    port: int
    username: str
    secrets: Secrets = field(default_factory=Secrets)
    known_hosts: Path | None = None
    fingerprint: str | None = None
    keepalive_s: int = 30
    algorithms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    through: Login | None = None


def connect(login: Login, limit_s: float) -> Transport:
    """
    Open a connection and log in. Closing it closes the way through other hosts too.

    ConfigError: a person must act (host key, password, key, algorithms). Unavailable: nobody answers.
    """
    if unknown := unknown_names(login.algorithms):
        raise ConfigError(unknown, field="ssh.algorithms")
    known = Known() if login.fingerprint else known_of(_known_hosts_file(login), login.host, _place(login))
    key = private_key(login.secrets)
    below = connect(login.through, limit_s) if login.through else None
    try:
        transport = Line(_tunnel(below, login, limit_s) if below else _wire(login, limit_s))
    except BaseException:
        _close(below)
        raise
    if below is not None:
        transport.below = below
    try:
        _shake_hands(transport, login, known, limit_s)
        log_in(transport, login.host, login.port, login.username, login.secrets, key)
    except BaseException:
        _close(transport)
        raise
    transport.set_keepalive(login.keepalive_s)
    return transport


def fingerprint(key: PKey) -> str:
    digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
    return f"{key.get_name()} SHA256:{digest}"


def _wire(login: Login, limit_s: float) -> socket.socket:
    try:
        wire = socket.create_connection((login.host, login.port), timeout=limit_s)
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        raise Unavailable(f"{login.host}:{login.port} does not answer: {error.strerror or error}") from error
    return wire


def _tunnel(below: Transport, login: Login, limit_s: float) -> socket.socket:
    jump = login.through.host if login.through else ""
    try:
        where = (login.host, login.port)
        return below.open_channel("direct-tcpip", where, ("127.0.0.1", 0), timeout=limit_s)  # type: ignore[return-value]  # a channel will do
    except ChannelException as error:
        said = f"{jump} opens no way to {login.host}:{login.port}: {error}"
        raise Unavailable(said, next=f"may {jump} reach it, and does its sshd allow TCP forwarding?") from error
    except (SSHException, EOFError, OSError) as error:
        raise Unavailable(f"{jump} was lost on the way to {login.host}: {str(error) or 'closed'}") from error


def _close(transport: Transport | None) -> None:
    if transport is not None:
        with suppress(OSError, SSHException, EOFError):
            transport.close()


def _shake_hands(transport: Line, login: Login, known: Known, limit_s: float) -> None:
    transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = transport.channel_timeout = (
        limit_s
    )
    transport.allow(login.algorithms)
    options = transport.get_security_options()
    families = {_family(key.get_name()) for key in known.keys}
    plain = [name for name in options.key_types if not families or _family(name) in families]
    certified = [name + CERTIFIED for name in options.key_types if name != _LEGACY] if known.authorities else []
    options.key_types = [*certified, *plain]  # ask for a kind of key that we can compare
    try:
        transport.start_client(timeout=limit_s)
        offered = transport.get_remote_server_key()
    except IncompatiblePeer as error:
        said = f"{login.host} and we have no algorithm in common: {error}"
        raise transport.why_not(login.host) or ConfigError(said, field="ssh") from error
    except (SSHException, EOFError, OSError) as error:
        raise Unavailable(
            f"{login.host}:{login.port} is no SSH server that answers: {str(error) or 'closed'}"
        ) from error
    _judge(offered, known, login)


def _judge(offered: PKey, known: Known, login: Login) -> None:
    """Refuse a host that is not the one that it should be."""
    shows = fingerprint(offered)
    if login.fingerprint is not None:
        if shows.partition(" ")[2] != login.fingerprint.rstrip("="):
            raise ConfigError(
                f"the host key of {login.host} is not the pinned one: it shows {shows}, pinned is {login.fingerprint}",
                field="fingerprint",
                next="somebody may be in between; ask the server's owner before you change fingerprint",
            )
        return
    certificate = certificate_of(offered, login.host)
    revoked = {offered.get_base64(), certificate.authority if certificate else ""} & known.revoked
    if revoked:
        raise ConfigError(
            f"the host key of {login.host} is revoked in {_known_hosts_file(login)}: it shows {shows}",
            field="known_hosts",
            next="ask the server's owner for its new key",
        )
    if certificate is None or certificate.authority not in known.authorities:
        _compare(offered, shows, known, login)
    elif certificate.wrong:
        raise ConfigError(
            f"the certificate of the host key of {login.host} {certificate.wrong}; the key is {shows}",
            field="known_hosts",
            next="ask the server's owner to have its host key signed anew (ssh-keygen -s CA -h -n NAME)",
        )


def _compare(offered: PKey, shows: str, known: Known, login: Login) -> None:
    """Compare a bare key, or one whose certificate nobody here knows the authority of."""
    expected = [key for key in known.keys if key.get_name() == offered.get_name()]
    if offered in expected:
        return
    if expected:
        raise ConfigError(
            f"the host key of {login.host} has changed: it shows {shows}, known is {fingerprint(expected[0])}",
            field="known_hosts",
            next="somebody may be in between; ask the server's owner before you change known_hosts",
        )
    signed = ", and no certificate of an authority in known_hosts" if known.authorities else ""
    raise ConfigError(
        f"the host key of {_place(login)} is not known; it shows {shows}{signed}",
        field="known_hosts",
        next=f"compare the fingerprint with the server's owner, then add the key to {_known_hosts_file(login)}",
    )


def _place(login: Login) -> str:
    return login.host if login.port == _SSH_PORT else f"[{login.host}]:{login.port}"


def _known_hosts_file(login: Login) -> Path:
    return login.known_hosts or Path.home() / ".ssh" / "known_hosts"


def _family(name: str) -> str:
    """Give the kind of key of a signature algorithm: rsa-sha2-512 signs with an ssh-rsa key."""
    return _LEGACY if name.startswith("rsa-sha2") else name
