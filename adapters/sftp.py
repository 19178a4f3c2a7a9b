"""Adapter = meaning: an SFTP server as a file drop."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, SecretStr, model_validator

from ..connectors.drop import Drop
from ..core.strict import Strict
from .feeds import DropAdapter, FeedsConfig

_LATER = "comes with the release that deepens file drops; remove it until then"
_EXTRA_LINES = 3


class SshConfig(Strict):
    """What is said about the connection itself."""

    keepalive_s: int = Field(
        30, ge=1, le=3600, description="A sign of life on an idle connection, every so many seconds."
    )

    later: ClassVar[dict[str, str]] = {
        "jump": f"a jump host {_LATER}",
        "algorithms": f"legacy algorithms by name {_LATER}",
    }


class SftpConfig(FeedsConfig):
    """An SFTP server. Its host key must be known."""

    kind: Literal["sftp"] = Field("sftp", description="An SFTP server.")
    host: str = Field(min_length=1, description="Name or address of the server.")
    port: int = Field(22, ge=1, le=65535, description="SSH port.")
    username: str = Field(min_length=1, description="Who logs in.")
    password: SecretStr | None = Field(None, description="Password, where no key is used.")
    private_key_file: Path | None = Field(None, description="Private key: OpenSSH or PEM, RSA, ECDSA or Ed25519.")
    passphrase: SecretStr | None = Field(None, description="What the private key is encrypted with.")
    known_hosts: Path | None = Field(None, description="Keys of known hosts; ~/.ssh/known_hosts when absent.")
    root: str = Field(".", description="The folder on the server. Nothing outside of it is reached.")
    ssh: SshConfig = Field(SshConfig(), description="The connection itself.")

    later: ClassVar[dict[str, str]] = {"certificate_file": f"certificates {_LATER}"}

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if (self.password is None) == (self.private_key_file is None):
            raise ValueError("either password or private_key_file is needed")
        return self


class SftpAdapter(DropAdapter[SftpConfig]):
    kind = "sftp"
    Config: ClassVar[type[SftpConfig]] = SftpConfig

    def open_drop(self) -> Drop:
        from ..connectors.sftp import Login, SftpDrop

        config, base = self.config, self.place.base
        login = Login(
            config.host,
            config.port,
            config.username,
            config.password.get_secret_value() if config.password else None,
            base / config.private_key_file if config.private_key_file else None,
            config.passphrase.get_secret_value() if config.passphrase else None,
            base / config.known_hosts if config.known_hosts else None,
            config.ssh.keepalive_s,
        )
        lines = config.budget.concurrency + _EXTRA_LINES
        return SftpDrop(login, config.root, most=lines, call_timeout_s=config.call_timeout_s)
