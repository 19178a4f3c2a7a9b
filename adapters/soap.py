"""Adapter = meaning: a SOAP service, whose WSDL gives a typed tool for each operation."""

from __future__ import annotations

import difflib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, GetJsonSchemaHandler, SecretStr, field_validator, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from ..core.adapter import Adapter, AdapterConfig, Finding, Place
from ..core.errors import ConfigError, DrawbarError
from ..core.strict import Strict
from ..core.tool import Call, Effect, Tool

if TYPE_CHECKING:
    from ..connectors.soap import Bound, Service, Settings
    from ..connectors.soap_contract import Operation

_LATER = "comes with the release that deepens SOAP; remove it until then"
_MASK = "***"


class UsernameToken(Strict):
    """WS-Security username token."""

    username: str = Field(description="Who calls.")
    password: SecretStr = Field(description="Its password.")
    digest: bool = Field(False, description="Send a digest with nonce and time instead of the password.")


class Timestamp(Strict):
    ttl_s: float = Field(300, gt=0, description="Seconds until a message expires.")


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

    later: ClassVar[dict[str, str]] = {"sign": _LATER, "verify": _LATER}

    username_token: UsernameToken | None = Field(None, description="WS-Security username token.")
    timestamp: Timestamp | None = Field(None, description="WS-Security timestamp.")
    basic: Basic | None = Field(None, description="HTTP basic authentication.")
    bearer: SecretStr | None = Field(None, description="Sent as Authorization: Bearer.")
    tls: Tls = Field(Tls(), description="Whom to trust, and our own certificate.")


class Endpoints(Strict):
    """Where calls go instead of the WSDL's own address. A call that has left is never repeated on another endpoint."""

    mode: Literal["balance", "failover"] = Field("balance", description="failover: the next one only when one is away.")
    urls: list[Annotated[str, Field(pattern=r"^https?://\S+$")]] = Field(
        min_length=1, description="Addresses of one and the same service."
    )

    @model_validator(mode="before")
    @classmethod
    def _short(cls, given: Any) -> Any:
        if isinstance(given, str):
            return {"urls": [given]}
        return {"urls": given} if isinstance(given, list) else given

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [handler(core), {"type": "array", "items": {"type": "string"}}, {"type": "string"}]}


class SoapConfig(AdapterConfig):
    """A SOAP service by its WSDL."""

    later: ClassVar[dict[str, str]] = {
        "pin": _LATER,
        "overlay": _LATER,
        "attachments": _LATER,
        "tolerant": _LATER,
    }

    kind: Literal["soap"] = "soap"
    wsdl: str = Field(min_length=1, description="A file, relative to the configuration, or an http(s) URL.")
    endpoints: Endpoints | None = Field(None, description="One URL, a list (balanced), or mode and urls.")
    include: list[str] = Field(default_factory=list, description="Globs: only these operations become tools.")
    exclude: list[str] = Field(default_factory=list, description="Globs: these do not.")
    effects: dict[str, Effect] = Field(default_factory=dict, description="By operation; what is not named is a write.")
    headers: dict[str, str] = Field(default_factory=dict, description="SOAP headers sent with every call.")
    security: Security = Field(Security(), description="How the service knows us, and we it.")
    max_answer_mb: float = Field(64, gt=0, le=1024, description="A larger answer, or WSDL, is refused.")

    @field_validator("wsdl")
    @classmethod
    def _no_password(cls, text: str) -> str:
        if text.startswith(("http://", "https://")) and "@" in text.split("/")[2]:
            raise ValueError("an URL with a password in it is refused; use security.basic")
        return text


class SoapAdapter(Adapter[SoapConfig]):
    """A SOAP service. The WSDL is loaded when the tools are first asked for."""

    kind: ClassVar[str] = "soap"
    Config: ClassVar[type[AdapterConfig]] = SoapConfig

    def __init__(self, name: str, config: SoapConfig, place: Place) -> None:
        super().__init__(name, config, place)
        self._opening = threading.RLock()
        self._service: Service | None = None

    def tools(self) -> Iterable[Tool]:
        service = self._open()
        named = self._named(service.contract.operations)
        self._check_effects(set(named))
        return [self._tool(name, operation, service) for name, operation in named.items()]

    def check(self, *, write: bool = False) -> Iterator[Finding]:
        try:
            service = self._open()
            tools = list(self.tools())
        except DrawbarError as error:
            yield Finding.of(f"load the WSDL {self.config.wsdl}", error)
            return
        skipped = service.contract.skipped
        found = f"{len(tools)} tools" + (f"; left out: {'; '.join(skipped)}" if skipped else "")
        yield Finding(f"load the WSDL {self.config.wsdl}", ok=True, found=found)
        for url in sorted({url for operation in service.contract.operations for url in self._addresses(operation)}):
            yield from _reached(service, url)
        yield self._login(tools)

    def close(self) -> None:
        service, self._service = self._service, None
        if service is not None:
            service.close()

    def _open(self) -> Service:
        with self._opening:
            if self._service is None:
                from ..connectors.soap import Service

                self._service = Service(self._settings())
            return self._service

    def _settings(self) -> Settings:
        from ..connectors.soap import Settings
        from ..connectors.soap import Tls as Files
        from ..connectors.soap_security import Login

        said, security = self.config, self.config.security
        token, basic, tls = security.username_token, security.basic, security.tls
        return Settings(
            wsdl=said.wsdl if "://" in said.wsdl else str((self.place.base / said.wsdl).resolve()),
            endpoints=tuple(said.endpoints.urls) if said.endpoints else (),
            balanced=bool(said.endpoints and said.endpoints.mode == "balance"),
            headers=said.headers,
            login=Login(token.username, token.password.get_secret_value(), token.digest) if token else None,
            timestamp_ttl_s=security.timestamp.ttl_s if security.timestamp else None,
            basic=(basic.username, basic.password.get_secret_value()) if basic else None,
            bearer=security.bearer.get_secret_value() if security.bearer else None,
            tls=Files(self._path(tls.ca_file), self._path(tls.certificate_file), self._path(tls.key_file)),
            load_timeout_s=said.call_timeout_s,
            max_bytes=int(said.max_answer_mb * 2**20),
        )

    def _path(self, text: str | None) -> Path | None:
        return self.place.base / text if text else None

    def _named(self, operations: Iterable[Operation]) -> dict[str, Operation]:
        """Name the operations that become tools: in full where the short name would mean two."""
        wanted = [operation for operation in operations if self._is_wanted(operation)]
        if not wanted:
            raise ConfigError(
                f"{self.name}: include and exclude leave no operation of {self.config.wsdl}",
                field=f"adapters.{self.name}.include",
                next=f"it has {', '.join(sorted({each.name for each in operations}))}",
            )
        count = Counter(operation.name for operation in wanted)
        return {each.name if count[each.name] == 1 else _full_name(each): each for each in wanted}

    def _is_wanted(self, operation: Operation) -> bool:
        names = (operation.name, _full_name(operation))
        included = not self.config.include or _matches(names, self.config.include)
        return included and not _matches(names, self.config.exclude)

    def _check_effects(self, names: set[str]) -> None:
        known = names | {name.rpartition(".")[2] for name in names}
        for name in self.config.effects:
            if name not in known:
                near = difflib.get_close_matches(name, sorted(known), 1)
                hint = f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(sorted(names))}"
                raise ConfigError(
                    f"{self.name} has no operation {name!r}{hint}", field=f"adapters.{self.name}.effects.{name}"
                )

    def _effect(self, name: str, operation: Operation) -> Effect:
        rules = self.config.tools.get(name)
        said = self.config.effects.get(name) or self.config.effects.get(operation.name) or "write"
        return (rules.effect if rules else None) or said

    def _tool(self, name: str, operation: Operation, service: Service) -> Tool:
        bound = service.bound(operation)
        effect = self._effect(name, operation)
        return Tool(
            name=name,
            description=operation.doc or f"Operation {operation.name} of {operation.service}.",
            effect=effect,
            input_schema=bound.input_schema(),
            output_schema=bound.output_schema(),
            run=lambda arguments, call: bound.call(arguments, call, effect),
            preview=_preview(bound, self._secret_paths(name)),
        )

    def _secret_paths(self, name: str) -> list[str]:
        rules = self.config.tools.get(name)
        return list(rules.secret) if rules else []

    def _addresses(self, operation: Operation) -> list[str]:
        return self.config.endpoints.urls if self.config.endpoints else [operation.address]

    def _login(self, tools: list[Tool]) -> Finding:
        """Call a read tool that needs no argument, since nothing else tells whether the service takes us."""
        tool = next((each for each in tools if each.effect == "read" and not each.input_schema.get("required")), None)
        if tool is None:
            return Finding("call an operation", ok=True, found="not tried: no read operation works without arguments")
        deadline = time.monotonic() + self.config.call_timeout_s
        try:
            tool.run({}, Call("check", "check", deadline))
        except DrawbarError as error:
            return Finding.of(f"call {tool.name}", error)
        return Finding(f"call {tool.name}", ok=True, found="it answered")


def _reached(service: Service, url: str) -> Iterator[Finding]:
    what = f"connect to {url}"
    try:
        yield Finding(what, ok=True, found=service.reach(url))
    except DrawbarError as error:
        yield Finding.of(what, error)


def _full_name(operation: Operation) -> str:
    return f"{operation.service}.{operation.port}.{operation.name}"


def _matches(names: Iterable[str], globs: Iterable[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs for name in names)


def _preview(bound: Bound, secret: list[str]) -> Callable[[dict[str, Any]], Any]:
    """Show what would be sent, with the password of the header and the secret fields masked."""

    def preview(arguments: dict[str, Any]) -> Any:
        envelope = bound.envelope(arguments, masked=True)
        for path in secret:
            for value in _at(arguments, path.split(".")):
                envelope = bound.without(envelope, value, _MASK)
        return {"endpoint": bound.address, "action": bound.operation.action, "envelope": envelope}

    return preview


def _at(value: Any, path: list[str]) -> Iterator[Any]:
    if not path:
        if value is not None:
            yield value
    elif isinstance(value, list):
        for item in value:
            yield from _at(item, path)
    elif isinstance(value, Mapping) and path[0] in value:
        yield from _at(value[path[0]], path[1:])
