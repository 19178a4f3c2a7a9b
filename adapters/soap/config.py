"""What the configuration says about a SOAP service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_core import PydanticCustomError

from ...core.adapter import AdapterConfig
from ...core.endpoints_config import EndpointsConfig
from ...core.expressions import Sees, Template
from ...core.strict import Strict
from ...core.tool import Effect

HeaderTemplate = Annotated[Template, Sees("arguments", "caller", "call")]
SignedPart = Literal["body", "timestamp", "username_token"]
_SIGNED: list[SignedPart] = ["body", "timestamp"]


class UsernameToken(Strict):
    """WS-Security username token."""

    username: str = Field(description="Who calls.")
    password: SecretStr = Field(description="Its password.")
    digest: bool = Field(False, description="Send a digest with nonce and time instead of the password.")


class Timestamp(Strict):
    ttl_s: float = Field(300, gt=0, description="Seconds until a message expires.")


class Sign(Strict):
    """An X.509 signature of each request, with our certificate in it. Files are in PEM."""

    key_file: Path = Field(description="Our private key.")
    certificate_file: Path = Field(description="Its certificate.")
    passphrase: SecretStr | None = Field(None, description="Opens the key, where it is closed.")
    parts: list[SignedPart] = Field(
        _SIGNED,
        min_length=1,
        description="What is signed; what a message does not have is left out.",
    )
    legacy_sha1: bool = Field(False, description="Sign with RSA-SHA1, for services that know nothing else.")


class Verify(Strict):
    """What an answer's signature must be. It covers the body, and the timestamp where one is there."""

    trust_file: Path = Field(description="PEM: the service's certificates, or the authorities that issue them.")
    required: bool = Field(True, description="An answer without a signature is not taken, a fault neither.")
    legacy_sha1: bool = Field(False, description="Also take RSA-SHA1.")


class Basic(Strict):
    """HTTP basic authentication, also for fetching the WSDL."""

    username: str = Field(description="Who calls.")
    password: SecretStr = Field(description="Its password.")


class Tls(Strict):
    """Files are in PEM; paths are relative to the configuration."""

    ca_file: str | None = Field(None, description="Authorities to trust instead of the system's.")
    certificate_file: str | None = Field(None, description="Our certificate, for services that ask for one.")
    key_file: str | None = Field(None, description="Its key, when it is not in the same file.")


class Security(Strict):
    """How the service knows us, and we it."""

    username_token: UsernameToken | None = Field(None, description="WS-Security username token.")
    timestamp: Timestamp | None = Field(None, description="WS-Security timestamp.")
    sign: Sign | None = Field(None, description="WS-Security X.509 signature of what we send.")
    verify: Verify | None = Field(None, description="The signature that answers must have.")
    basic: Basic | None = Field(None, description="HTTP basic authentication.")
    bearer: SecretStr | None = Field(None, description="Sent as Authorization: Bearer.")
    tls: Tls = Field(Tls(), description="Whom to trust, and our own certificate.")


class Correction(Strict):
    """One patch of a broken contract: of the elements at an XPath, or of the text of a document."""

    at: str | None = Field(
        None, min_length=1, description="XPath; prefixes wsdl xsd xs soap soap12 mime tns are known."
    )
    within: str = Field("*", description="Glob: only documents with this address, or this last part of it.")
    set: dict[str, str | None] = Field(default_factory=dict, description="Attributes to set; null takes one away.")
    add: str | None = Field(None, description="XML to add inside; imports go first.")
    remove: bool = Field(False, description="Take the elements away.")
    replace: dict[str, str] = Field(default_factory=dict, description="Texts to replace, instead of `at`: namespaces.")

    @model_validator(mode="after")
    def _does_something(self) -> Correction:
        changes = bool(self.set or self.add is not None or self.remove)
        if (self.at is None) == (not self.replace) or changes == (self.at is None):
            raise PydanticCustomError("patch", "say `at` with set, add or remove; or `replace` alone")
        return self


class Attachments(Strict):
    """How binary values travel. What comes beside an envelope is always understood."""

    mtom: bool = Field(True, description="Send base64Binary beside the envelope (MTOM/XOP).")
    over_bytes: int = Field(1024, ge=0, description="Smaller values stay inside.")


class SoapConfig(AdapterConfig):
    """A SOAP service by its WSDL."""

    kind: Literal["soap"] = "soap"
    wsdl: str = Field(min_length=1, description="A file, relative to the configuration, or an http(s) URL.")
    pin: Path | None = Field(
        None,
        description="Folder of the pinned WSDL (`drawbar pin NAME`); it is taken instead of the live one. "
        "pins/NAME beside the configuration where it is there.",
    )
    overlay: list[Correction] = Field(default_factory=list, description="Patches for what is wrong in the WSDL.")
    tolerant: bool = Field(
        False, description="Take answers that break their schema, and report each deviation. Else a read fails then."
    )
    attachments: Attachments | None = Field(None, description="Send binary values beside the envelope.")
    endpoints: EndpointsConfig | None = Field(
        None, description="One URL, a list (balanced), or mode and urls, dns or file."
    )
    include: list[str] = Field(default_factory=list, description="Globs: only these operations become tools.")
    exclude: list[str] = Field(default_factory=list, description="Globs: these do not.")
    effects: dict[str, Effect] = Field(default_factory=dict, description="By operation; what is not named is a write.")
    headers: dict[str, HeaderTemplate] = Field(
        default_factory=dict, description="SOAP headers of every call; expressions see arguments, caller and call.id."
    )
    security: Security = Field(Security(), description="How the service knows us, and we it.")
    max_answer_mb: float = Field(64, gt=0, le=1024, description="A larger answer, or WSDL, is refused.")

    @property
    def has_endpoints(self) -> bool:
        return self.endpoints is not None

    @field_validator("wsdl")
    @classmethod
    def _no_password(cls, text: str) -> str:
        if text.startswith(("http://", "https://")) and "@" in text.split("/")[2]:
            raise ValueError("an URL with a password in it is refused; use security.basic")
        return text

    @model_validator(mode="after")
    def _signed_whole(self) -> SoapConfig:
        if self.security.sign is not None and self.attachments is not None and self.attachments.mtom:
            said = "attachments.mtom and security.sign do not go together: a signature is made of the whole envelope"
            raise PydanticCustomError("mtom_signed", said)
        return self

    def constant_headers(self) -> dict[str, Any]:
        return {name: one.fill({}) for name, one in self.headers.items() if not one.paths}

    def varying_headers(self) -> dict[str, Template]:
        """Give the headers that every call makes anew."""
        return {name: one for name, one in self.headers.items() if one.paths}
