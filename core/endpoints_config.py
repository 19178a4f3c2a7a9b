"""How the configuration says where the addresses of one system are."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, GetJsonSchemaHandler, field_validator, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from .endpoints import Address
from .errors import ConfigError
from .strict import Strict

_OF_DNS = ("host", "port", "resolver")
_OF_FOUND = ("scheme", "path", "refresh_s")
_NAME = r"^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9.])?$"


class EndpointsConfig(Strict):
    """Where calls go instead of the WSDL's own address. A call that has left is never repeated on another endpoint."""

    mode: Literal["balance", "failover"] = Field(
        "balance",
        description="balance: to the one with the fewest calls; failover: the next one only when one is away.",
    )
    urls: list[Annotated[str, Field(pattern=r"^https?://\S+$")]] = Field(
        default_factory=list, description="Addresses of one and the same service."
    )
    dns: str | None = Field(
        None,
        pattern=_NAME,
        description="Or a name whose addresses they are; one that begins with `_` has SRV records with priority and weight.",
    )
    file: str | None = Field(
        None, min_length=1, description="Or a file that is watched: a URL a line, or a YAML or JSON list."
    )
    scheme: Literal["https", "http"] = Field("https", description="Of what `dns` or `file` finds.")
    host: str | None = Field(
        None, pattern=_NAME, description="Whom TLS must prove and HTTP names, for `dns`; without it the name itself."
    )
    port: int | None = Field(None, ge=1, le=65535, description="For `dns` without SRV; without it the scheme's own.")
    path: str | None = Field(
        None, pattern=r"^/[^\s#]*$", description="Path of what `dns` finds, and all URLs of `file`."
    )
    resolver: str | None = Field(None, description="DNS server, such as 192.0.2.1:53; without it this machine's own.")
    refresh_s: float = Field(
        10, gt=0, le=86400, description="How old what was found may be before it is looked up again."
    )
    connect_timeout_s: float = Field(
        5,
        gt=0,
        le=300,
        description="How long connecting to one may take before the next is tried, and looking them up.",
    )

    @property
    def host_of_dns(self) -> str:
        """Name the host of what DNS finds: never the address, and never the target of a record."""
        labels = (self.dns or "").rstrip(".").split(".")
        return self.host or ".".join(label for label in labels if not label.startswith("_"))

    def addresses(self) -> list[Address]:
        """Give the addresses that stand in the configuration itself."""
        return [Address(url, at if self.mode == "failover" else 0) for at, url in enumerate(self.urls)]

    def url_of(self, entry: str) -> str:
        """Give the URL of an entry of the file; ConfigError for one that leads elsewhere than the configuration allows."""
        text = entry if "://" in entry else f"{self.scheme}://{entry}{self.path or ''}"
        try:
            split = urlsplit(text)
            fits = bool(split.hostname) and (split.port or 1) > 0 and not any(c <= " " for c in text)
        except ValueError:
            fits = False
        if not fits or "@" in split.netloc or split.fragment:
            raise ConfigError(f"{entry[:100]!r} in the file of endpoints is no URL", field="endpoints.file")
        path = split.path + (f"?{split.query}" if split.query else "")
        if split.scheme != self.scheme:
            raise ConfigError(
                f"{entry[:100]!r} in the file of endpoints is no {self.scheme} URL",
                field="endpoints.file",
                next="endpoints.scheme says what it may be",
            )
        if self.path is not None and path not in {"", self.path}:
            raise ConfigError(
                f"{entry[:100]!r} in the file of endpoints has another path than {self.path}", field="endpoints.file"
            )
        return text if path or self.path is None else f"{text}{self.path}"

    @model_validator(mode="before")
    @classmethod
    def _short(cls, given: Any) -> Any:
        if isinstance(given, str):
            return {"urls": [given]}
        return {"urls": given} if isinstance(given, list) else given

    @field_validator("resolver")
    @classmethod
    def _is_server(cls, given: str | None) -> str | None:
        if given is not None:
            server_of(given)
        return given

    @field_validator("urls")
    @classmethod
    def _are_several(cls, given: list[str]) -> list[str]:
        if len(set(given)) != len(given):
            raise PydanticCustomError("endpoints", "the same URL stands here twice")
        return given

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        said = self.model_fields_set
        ways = [way for way in ("urls", "dns", "file") if getattr(self, way)]
        if len(ways) != 1:
            what = "one of urls, dns and file must say where the endpoints are"
            raise PydanticCustomError("endpoints", what if not ways else "urls, dns and file exclude each other")
        if ways == ["urls"]:
            _refuse(said, (*_OF_DNS, *_OF_FOUND), "is for dns and file: urls say everything themselves")
        if ways == ["file"]:
            _refuse(said, _OF_DNS, "is for dns")
        if self.dns is not None and self.mode == "failover":
            raise PydanticCustomError(
                "endpoints", "mode: failover needs an order; SRV records bring their own priorities"
            )
        if self.dns is not None and self.dns.startswith("_"):
            _refuse(said, ("port",), "is not for SRV records: they name it")
            if not self.host_of_dns:
                raise PydanticCustomError("endpoints", "{name} names no host", {"name": self.dns})
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [handler(core), {"type": "array", "items": {"type": "string"}}, {"type": "string"}]}


def server_of(text: str) -> tuple[str, int]:
    """Read the address of a DNS server: `192.0.2.1`, `192.0.2.1:5353`, `[2001:db8::1]:5353`. Raises what a validator raises."""
    host, colon, port = text.rpartition(":") if text.count(":") == 1 or "]:" in text else (text, "", "53")
    try:
        ip = str(ipaddress.ip_address(host.strip("[]")))
        if colon and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise ValueError(port)
    except ValueError:
        said = "{text} is no address of a DNS server: write 192.0.2.1 or 192.0.2.1:5353"
        raise PydanticCustomError("resolver", said, {"text": text}) from None
    return ip, int(port)


def _refuse(said: set[str], names: tuple[str, ...], why: str) -> None:
    for name in names:
        if name in said:
            raise PydanticCustomError("endpoints", "{name} {why}", {"name": name, "why": why})
