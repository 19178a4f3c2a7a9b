"""Adapter = meaning: an SFTP server as a file drop."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from ..connectors.drop import Drop
from ..core.strict import Strict
from .feeds import DropAdapter, FeedsConfig

if TYPE_CHECKING:
    from ..connectors.sftp import Login

_EXTRA_LINES = 3
_SSH_PORT = 22
_FINGERPRINT = r"^SHA256:[A-Za-z0-9+/]{43}=?$"


class Algorithms(Strict):
    """Legacy algorithms that this connection may use too, each by its name."""

    kex: tuple[str, ...] = Field((), description="Key exchange: diffie-hellman-group14-sha1.")
    host_keys: tuple[str, ...] = Field((), description="Signatures of the server's key: ssh-rsa.")
    public_keys: tuple[str, ...] = Field((), description="Signatures of our own key: ssh-rsa.")
    ciphers: tuple[str, ...] = Field((), description="Encryption: aes128-cbc, 3des-cbc.")
    macs: tuple[str, ...] = Field((), description="Integrity: hmac-sha1.")

    def named(self) -> dict[str, tuple[str, ...]]:
        return {part: names for part, names in self if names}


class Entrance(Strict):
    """A host and who we are there."""

    host: str = Field(min_length=1, description="Name or address of the server.")
    port: int = Field(_SSH_PORT, ge=1, le=65535, description="SSH port.")
    username: str = Field(min_length=1, description="Who logs in.")
    password: SecretStr | None = Field(
        None,
        description="Password: for a login by password, for hidden questions, and beside a key where both are asked.",
    )
    private_key_file: Path | None = Field(
        None, description="Private key: OpenSSH, PEM or PKCS #8; RSA, ECDSA or Ed25519."
    )
    passphrase: SecretStr | None = Field(None, description="What the private key is encrypted with.")
    certificate_file: Path | None = Field(None, description="Certificate of the private key: id_ed25519-cert.pub.")
    agent: bool = Field(False, description="Use the keys of the SSH agent ($SSH_AUTH_SOCK).")
    known_hosts: Path | None = Field(None, description="Keys of known hosts; ~/.ssh/known_hosts when absent.")
    fingerprint: str | None = Field(
        None,
        pattern=_FINGERPRINT,
        description="The server's key by its fingerprint, SHA256:..., instead of known_hosts.",
    )

    @property
    def has_a_way_in(self) -> bool:
        return self.password is not None or self.private_key_file is not None or self.agent


class Jump(Entrance):
    """A host to go through."""


class SshConfig(Strict):
    """What is said about the connection itself."""

    keepalive_s: int = Field(
        30, ge=1, le=3600, description="A sign of life on an idle connection, every so many seconds."
    )
    jump: str | Jump | None = Field(
        None, description="A host to go through: user@bastion, user@bastion:2222 (with the same key), or its own login."
    )
    algorithms: Algorithms = Field(Algorithms(), description="Legacy algorithms, offered after the good ones.")

    @field_validator("jump")
    @classmethod
    def _named(cls, given: str | Jump | None) -> str | Jump | None:
        if isinstance(given, str):
            _parts(given)
        elif given is not None and not given.has_a_way_in:
            raise ValueError("jump: one of password, private_key_file and agent is needed")
        return given


class SftpConfig(FeedsConfig, Entrance):
    """An SFTP server. Its host key must be known."""

    kind: Literal["sftp"] = Field("sftp", description="An SFTP server.")
    root: str = Field(".", description="The folder on the server. Nothing outside of it is reached.")
    ssh: SshConfig = Field(SshConfig(), description="The connection itself.")

    @model_validator(mode="after")
    def _a_way_in(self) -> Self:
        if not self.has_a_way_in:
            raise ValueError("either password or private_key_file is needed, or agent: true")
        if self.certificate_file is not None and self.private_key_file is None:
            raise ValueError("certificate_file needs the private_key_file that it is for")
        if self.fingerprint is not None and self.known_hosts is not None:
            raise ValueError("either known_hosts or fingerprint: one of them decides")
        if isinstance(self.ssh.jump, str) and self.private_key_file is None and not self.agent:
            raise ValueError("jump: user@host goes by key; write { host, username, password } for a password there")
        return self


class SftpAdapter(DropAdapter[SftpConfig]):
    kind = "sftp"
    Config: ClassVar[type[SftpConfig]] = SftpConfig

    def open_drop(self) -> Drop:
        from ..connectors.sftp import SftpDrop

        config = self.config
        through = self._jump()
        login = self._login(config, self.config.ssh.algorithms.named(), through)
        lines = config.budget.concurrency + _EXTRA_LINES
        return SftpDrop(login, config.root, most=lines, call_timeout_s=config.call_timeout_s)

    def _jump(self) -> Login | None:
        jump, config = self.config.ssh.jump, self.config
        if jump is None:
            return None
        if isinstance(jump, str):
            username, host, port = _parts(jump)
            same = ("private_key_file", "passphrase", "certificate_file", "agent")
            known = {"known_hosts": config.known_hosts, **{name: getattr(config, name) for name in same}}
            jump = Jump.model_construct(host=host, port=port, username=username, **known)
        return self._login(jump, {}, None)

    def _login(self, entrance: Entrance, algorithms: Mapping[str, tuple[str, ...]], through: Login | None) -> Login:
        from ..connectors.sftp import Login, Secrets

        def beside(path: Path | None) -> Path | None:
            return self.place.base / path.expanduser() if path else None

        secrets = Secrets(
            entrance.password.get_secret_value() if entrance.password else None,
            beside(entrance.private_key_file),
            entrance.passphrase.get_secret_value() if entrance.passphrase else None,
            beside(entrance.certificate_file),
            entrance.agent,
        )
        return Login(
            entrance.host, entrance.port, entrance.username, secrets, beside(entrance.known_hosts),
            entrance.fingerprint, self.config.ssh.keepalive_s, algorithms, through,
        )  # fmt: skip


def _parts(jump: str) -> tuple[str, str, int]:
    username, at, place = jump.rpartition("@")
    host, colon, port = place.rpartition(":")
    if not colon:
        host, port = place, str(_SSH_PORT)
    if not (at and username and host) or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"jump: {jump!r} is not user@host or user@host:port")
    return username, host, int(port)
