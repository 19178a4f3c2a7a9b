"""Who is let in: how callers of REST show who they are."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from .strict import Strict

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]

Claim = Annotated[str, Field(min_length=1)] | Annotated[list[str], Field(min_length=1)]
"""Where a token says something: the name of a claim, a path of names with dots between them, or the path as a list."""


class Oidc(Strict):
    """Tokens of one OpenID provider (JWT, RFC 7519), proven with the keys that its discovery document names."""

    issuer: str = Field(pattern=r"^https?://", description="Its URL, as `iss` of the tokens says it.")
    audience: str = Field(description="What `aud` of the tokens must name.")
    agent_claim: Claim = Field(
        "sub",
        description="The claim that names the agent; of one that lists names, the only one that is an agent's. One that lies in others by its path: `realm_access.roles`, or as a list where names have dots.",
    )
    scope_claim: Claim | None = Field(
        None, description="The claim that narrows the agent's scopes, named as `agent_claim` is; absent: all of them."
    )
    algorithms: list[Algorithm] = Field(["RS256", "ES256"], min_length=1, description="Signatures that are accepted.")
    leeway_s: float = Field(60, ge=0, le=600, description="How far the provider's clock may differ.")
    ca_file: Path | None = Field(None, description="Certificates that prove the provider's TLS.")

    @field_validator("issuer")
    @classmethod
    def _is_proven(cls, given: str) -> str:
        host = urlsplit(given).hostname
        if given.startswith("http://") and host not in {"localhost", "127.0.0.1", "::1"}:
            raise PydanticCustomError("issuer", "keys are read by https only, except from this machine")
        return given


class Proxy(Strict):
    """A proxy before us that has checked the client's certificate and says whose it is."""

    header: str = Field(pattern=r"^[A-Za-z0-9-]+$", description="The header with the certificate's subject.")
    from_: list[str] = Field(
        alias="from", min_length=1, description="Addresses of the proxy, as CIDR; nobody else is believed."
    )
    agents: dict[str, str] = Field(min_length=1, description="Agents by the subject, as the proxy writes it.")

    @field_validator("from_")
    @classmethod
    def _are_networks(cls, given: list[str]) -> list[str]:
        for one in given:
            try:
                ipaddress.ip_network(one)
            except ValueError as error:
                raise PydanticCustomError("network", "{said}", {"said": str(error)}) from error
        return given


class Tenants(Strict):
    """Whose systems a caller's calls go to, where adapters have `tenants`."""

    header: str = Field(
        "X-Tenant", pattern=r"^[A-Za-z0-9-]+$", description="The header in which a request names its tenant."
    )
    claim: Claim | None = Field(
        None,
        description="The claim of a token that binds its caller to a tenant, or to several, named as `agent_claim` is; a token without it has none.",
    )


class Authentication(Strict):
    """How callers show who they are, beside API keys (`drawbar keys add AGENT`)."""

    anonymous: Literal["first_try", "loopback"] = Field(
        "first_try",
        description="Who comes without credentials on loopback is the agent `local`: first_try: until there is a key, a provider or a proxy; loopback: always.",
    )
    oidc: list[Oidc] = Field(default_factory=list, description="OpenID providers whose tokens are accepted.")
    proxy: Proxy | None = Field(None, description="A proxy that checks client certificates.")
    tenants: Tenants = Field(Tenants(), description="How callers say for which tenant they call.")


def said_in(claims: Mapping[str, Any], claim: str | Sequence[str]) -> Any:
    """Give what a token says in a claim; None when it has none. A claim whose own name has dots comes before a path."""
    if isinstance(claim, str):
        if claim in claims:
            return claims[claim]
        claim = claim.split(".")
    found: Any = claims
    for name in claim:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found
