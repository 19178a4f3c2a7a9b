"""Adapter = meaning: a SOAP service, whose WSDL gives a typed tool for each operation."""

from __future__ import annotations

import difflib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, SecretStr, field_validator

from ..core.adapter import Adapter, AdapterConfig, Finding, Place
from ..core.endpoints import Endpoints
from ..core.endpoints_config import EndpointsConfig
from ..core.errors import ConfigError, DrawbarError
from ..core.strict import Strict
from ..core.tool import Call, Effect, Tool

if TYPE_CHECKING:
    from ..connectors.discovery import Look
    from ..connectors.soap import Bound, Service, Settings
    from ..connectors.soap_contract import Operation
    from ..connectors.soap_http import Url

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
    endpoints: EndpointsConfig | None = Field(
        None, description="One URL, a list (balanced), or mode and urls, dns or file."
    )
    include: list[str] = Field(default_factory=list, description="Globs: only these operations become tools.")
    exclude: list[str] = Field(default_factory=list, description="Globs: these do not.")
    effects: dict[str, Effect] = Field(default_factory=dict, description="By operation; what is not named is a write.")
    headers: dict[str, str] = Field(default_factory=dict, description="SOAP headers sent with every call.")
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


class SoapAdapter(Adapter[SoapConfig]):
    """A SOAP service. The WSDL is loaded when the tools are first asked for."""

    kind: ClassVar[str] = "soap"
    Config: ClassVar[type[AdapterConfig]] = SoapConfig

    def __init__(self, name: str, config: SoapConfig, place: Place) -> None:
        super().__init__(name, config, place)
        self._opening = threading.RLock()
        self._service: Service | None = None
        own = place.endpoints
        self._endpoints = Endpoints(name, config.budget.breaker) if own is None else own
        if config.endpoints is not None and len(config.endpoints.urls) > 1:
            self._endpoints.put(config.endpoints.addresses())  # so that each is seen before the first call

    @classmethod
    def mistakes(cls, config: SoapConfig, base: Path) -> Iterator[tuple[tuple[str | int, ...], str]]:
        if config.endpoints is not None and config.endpoints.file is not None:
            from ..connectors.discovery import entries

            try:
                for text in entries(base / config.endpoints.file):
                    config.endpoints.url_of(text)
            except ConfigError as error:
                yield ("endpoints", "file"), error.message

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
        yield from self._reached(service)
        yield self._login(tools)

    def close(self) -> None:
        service, self._service = self._service, None
        if service is not None:
            service.close()

    def _open(self) -> Service:
        with self._opening:
            if self._service is None:
                from ..connectors.soap import Service

                self._service = Service(self._settings(), self._endpoints)
            return self._service

    def _settings(self) -> Settings:
        from ..connectors.soap import Settings
        from ..connectors.soap import Tls as Files
        from ..connectors.soap_security import Login

        said, security = self.config, self.config.security
        token, basic, tls, ends = security.username_token, security.basic, security.tls, said.endpoints
        return Settings(
            wsdl=said.wsdl if "://" in said.wsdl else str((self.place.base / said.wsdl).resolve()),
            endpoint=ends.urls[0] if ends and len(ends.urls) == 1 else None,
            look=self._look() if ends and len(ends.urls) != 1 else None,
            refresh_s=ends.refresh_s if ends and not ends.urls else None,
            connect_timeout_s=min(ends.connect_timeout_s, said.call_timeout_s) if ends else 5,
            headers=said.headers,
            login=Login(token.username, token.password.get_secret_value(), token.digest) if token else None,
            timestamp_ttl_s=security.timestamp.ttl_s if security.timestamp else None,
            basic=(basic.username, basic.password.get_secret_value()) if basic else None,
            bearer=security.bearer.get_secret_value() if security.bearer else None,
            tls=Files(self._path(tls.ca_file), self._path(tls.certificate_file), self._path(tls.key_file)),
            load_timeout_s=said.call_timeout_s,
            max_bytes=int(said.max_answer_mb * 2**20),
        )

    def _look(self) -> Look:
        from ..connectors.discovery import Named, in_file, listed

        said = self.config.endpoints
        assert said is not None
        failover = said.mode == "failover"
        if said.file is not None:
            return in_file(self.place.base / said.file, said.url_of, failover=failover)
        if said.dns is None:
            return listed(said.urls, failover=failover)
        own = {"https": 443, "http": 80}[said.scheme]
        return Named(
            said.dns,
            said.scheme,
            said.host_of_dns,
            said.port or own,
            said.path or "/",
            said.resolver,
            min(said.connect_timeout_s, self.config.call_timeout_s),
        ).look

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

    def _reached(self, service: Service) -> Iterator[Finding]:
        """Try to connect to every address that calls may go to."""
        try:
            if service.ways is not None:
                urls = {name: service.ways.url(name) for name in service.ways.names()}
            else:
                urls = {url.text: url for url in (service.bound(each).to() for each in service.contract.operations)}
        except DrawbarError as error:
            yield Finding.of("find the endpoints", error)
            return
        if self._endpoints.trouble:
            yield Finding("find the endpoints", ok=False, found=self._endpoints.trouble)
        for name, url in sorted(urls.items()):
            yield _connected(service, name, url)

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


def _connected(service: Service, name: str, url: Url) -> Finding:
    what = f"connect to {name}"
    try:
        return Finding(what, ok=True, found=service.reach(url))
    except DrawbarError as error:
        return Finding.of(what, error)


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
