"""Connecting to an SSH server: strict host keys, jump hosts, and errors that say what to do."""

from __future__ import annotations

import base64
import hashlib
import logging
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from paramiko import HostKeys, PKey, SSHException, Transport
from paramiko.hostkeys import HostKeyEntry, InvalidHostKey
from paramiko.ssh_exception import ChannelException, IncompatiblePeer

from ..core.errors import ConfigError, Unavailable
from .sftp_algorithms import Line, unknown_names
from .sftp_keys import Secrets, log_in, private_key

_SSH_PORT = 22
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


@dataclass(frozen=True)
class _Hosts:
    """What known_hosts says."""

    known: HostKeys = field(default_factory=HostKeys)
    revoked: frozenset[str] = frozenset()


def connect(login: Login, limit_s: float) -> Transport:
    """
    Open a connection and log in. Closing it closes the way through other hosts too.

    ConfigError: a person must act (host key, password, key, algorithms). Unavailable: nobody answers.
    """
    if unknown := unknown_names(login.algorithms):
        raise ConfigError(unknown, field="ssh.algorithms")
    hosts = _Hosts() if login.fingerprint else _known_hosts(login)
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
        _shake_hands(transport, login, hosts, limit_s)
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


def _shake_hands(transport: Line, login: Login, hosts: _Hosts, limit_s: float) -> None:
    transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = transport.channel_timeout = (
        limit_s
    )
    transport.allow(login.algorithms)
    known = _known_keys(hosts.known, login)
    options = transport.get_security_options()
    wanted = [name for name in options.key_types if _family(name) in {_family(each) for each in known}]
    if wanted:  # ask for a kind of key that we can compare
        options.key_types = wanted
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
    if offered.get_base64() in hosts.revoked:
        raise ConfigError(
            f"the host key of {login.host} is revoked in {_known_hosts_file(login)}: it shows {fingerprint(offered)}",
            field="known_hosts",
            next="ask the server's owner for its new key",
        )
    _compare(offered, known, login)


def _compare(offered: PKey, known: Mapping[str, PKey], login: Login) -> None:
    shows = fingerprint(offered)
    if login.fingerprint is not None:
        if shows.partition(" ")[2] != login.fingerprint.rstrip("="):
            raise ConfigError(
                f"the host key of {login.host} is not the pinned one: it shows {shows}, pinned is {login.fingerprint}",
                field="fingerprint",
                next="somebody may be in between; ask the server's owner before you change fingerprint",
            )
        return
    expected = known.get(offered.get_name())
    if expected is None:
        raise ConfigError(
            f"the host key of {_place(login)} is not known; it shows {shows}",
            field="known_hosts",
            next=f"compare the fingerprint with the server's owner, then add the key to {_known_hosts_file(login)}",
        )
    if expected != offered:
        raise ConfigError(
            f"the host key of {login.host} has changed: it shows {shows}, known is {fingerprint(expected)}",
            field="known_hosts",
            next="somebody may be in between; ask the server's owner before you change known_hosts",
        )


def _place(login: Login) -> str:
    return login.host if login.port == _SSH_PORT else f"[{login.host}]:{login.port}"


def _known_keys(hosts: HostKeys, login: Login) -> dict[str, PKey]:
    found: Mapping[str, PKey] = hosts.lookup(_place(login)) or {}
    return {kind: found[kind] for kind in found}


def _known_hosts_file(login: Login) -> Path:
    return login.known_hosts or Path.home() / ".ssh" / "known_hosts"


def _known_hosts(login: Login) -> _Hosts:
    """Read the file line by line: the library knows neither markers nor what to say of a line that is broken."""
    path = _known_hosts_file(login)
    lines = _lines_of(path)
    found = _Hosts(revoked=_revoked(lines))
    for number, line in enumerate(lines, 1):
        if line[:1] in {"", "#", "@"}:
            continue
        try:
            entry = HostKeyEntry.from_line(line, number)
        except (InvalidHostKey, SSHException, ValueError) as error:
            said = f"known_hosts {path} cannot be read: line {number} holds no key"
            raise ConfigError(said, field="known_hosts") from error
        for name in entry.hostnames if entry is not None and entry.key is not None else ():
            found.known.add(name, entry.key.get_name(), entry.key)  # type: ignore[union-attr]  # there is one
    return found


def _lines_of(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
    except OSError as error:
        raise ConfigError(f"known_hosts {path} cannot be read: {error.strerror}", field="known_hosts") from error


def _revoked(lines: Sequence[str]) -> frozenset[str]:
    """Give the keys of `@revoked` lines, which the library passes over; they count whatever host they name (sshd(8))."""
    fields = (line.split() for line in lines if line.startswith("@revoked"))
    return frozenset(field[3] for field in fields if len(field) > 3)


def _family(name: str) -> str:
    """Give the kind of key of a signature algorithm: rsa-sha2-512 signs with an ssh-rsa key."""
    return "ssh-rsa" if name.startswith("rsa-sha2") else name
