"""Adapter = meaning: a SOAP service, whose WSDL gives a typed tool for each operation."""

from __future__ import annotations

import difflib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ...core.adapter import Adapter, AdapterConfig, Finding, Place
from ...core.drift import Survey
from ...core.endpoints import Endpoints
from ...core.errors import ConfigError, DrawbarError, InputError
from ...core.expressions import EvaluationError
from ...core.tool import Call, Effect, Reading, Tool
from .config import SoapConfig
from .settings import settings_of

if TYPE_CHECKING:
    from ...connectors.soap import Service, Settings
    from ...connectors.soap_bound import Bound
    from ...connectors.soap_contract import Contract, Operation
    from ...connectors.soap_documents import Documents
    from ...connectors.soap_http import Url

__all__ = ["SoapAdapter", "SoapConfig"]

_MASK = "***"


class SoapAdapter(Adapter[SoapConfig]):
    """A SOAP service. The WSDL is loaded when the tools are first asked for."""

    kind: ClassVar[str] = "soap"
    Config: ClassVar[type[AdapterConfig]] = SoapConfig

    def __init__(self, name: str, config: SoapConfig, place: Place) -> None:
        super().__init__(name, config, place)
        self._opening = threading.RLock()
        self._service: Service | None = None
        self._read: Documents | None = None
        self._varying = config.varying_headers()
        own = place.endpoints
        self._endpoints = Endpoints(name, config.budget.breaker) if own is None else own
        if config.endpoints is not None and len(config.endpoints.urls) > 1:
            self._endpoints.put(config.endpoints.addresses())  # so that each is seen before the first call

    @classmethod
    def mistakes(cls, config: SoapConfig, base: Path) -> Iterator[tuple[tuple[str | int, ...], str]]:
        if config.endpoints is not None and config.endpoints.file is not None:
            from ...connectors.discovery import entries

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
        yield Finding(f"load the WSDL {self.config.wsdl}", ok=True, found=_found(len(tools), service))
        if service.signer is not None:
            yield _signing(service.signer.expires_at)
        yield from self._reached(service)
        yield self._login(tools)

    def close(self) -> None:
        service, self._service = self._service, None
        if service is not None:
            service.close()

    def _open(self) -> Service:
        with self._opening:
            if self._service is None:
                from ...connectors.soap import Service

                self._service = Service(self._settings(), self._endpoints)
            return self._service

    @property
    def pin_folder(self) -> Path:
        return self.place.base / (self.config.pin or Path("pins") / self.name)

    def survey(self) -> Survey:
        from ...connectors.soap import read_contract
        from ...connectors.soap_survey import survey

        contract, self._read = read_contract(self._settings(pinned=False))
        return survey(contract)

    def pinned(self) -> Survey | None:
        from ...connectors.soap import read_contract
        from ...connectors.soap_survey import survey

        if not (self.pin_folder / "pin.json").is_file():
            return None
        return survey(read_contract(self._settings(pinned=True))[0])

    def pin(self, survey: Survey) -> None:
        from ...connectors.soap_pin import keep

        assert self._read is not None, "a pin keeps what was surveyed"
        keep(self.pin_folder, self._read.location, self._read.fetched)

    def _settings(self, *, pinned: bool | None = None) -> Settings:
        """Give what the connector needs; by default the pin is taken where one is configured, or there."""
        wanted = self.config.pin is not None or (self.pin_folder / "pin.json").is_file()
        pin = self.pin_folder if (wanted if pinned is None else pinned) else None
        return settings_of(self.config, self.place, pin)

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
            run=lambda arguments, call: bound.call(arguments, call, effect, self._headers(arguments, call)),
            preview=self._preview(bound, self._secret_paths(name)),
            strict=not self.config.tolerant,
            begin=self._begin(bound) if effect == "read" and service.ways is None else None,
        )

    def _begin(self, bound: Bound) -> Callable[[dict[str, Any], Call], Reading | None]:
        return lambda arguments, call: bound.begin(arguments, call, self._headers(arguments, call))

    def _headers(self, arguments: Mapping[str, Any], call: Call) -> dict[str, Any]:
        """Make the headers of one call; what an expression names and is not there makes the call wrong, not the header empty."""
        if not self._varying:
            return {}
        caller = {"name": call.caller, "claims": dict(call.claims)}
        env = {"arguments": arguments, "caller": caller, "call": {"id": call.id, "run": call.run_id}}
        try:
            return {name: one.fill(env) for name, one in self._varying.items()}
        except EvaluationError as error:
            raise InputError(f"a SOAP header cannot be made: {error.message}", field="headers") from error

    def _preview(self, bound: Bound, secret: list[str]) -> Callable[[dict[str, Any]], Any]:
        """Show what would be sent, with the password of the header and the secret fields masked."""

        def preview(arguments: dict[str, Any]) -> Any:
            varying = {name: one.raw if isinstance(one.raw, str) else None for name, one in self._varying.items()}
            envelope = bound.envelope(arguments, varying, masked=True)
            for path in secret:
                for value in _at(arguments, path.split(".")):
                    envelope = bound.without(envelope, value, _MASK)
            return {"endpoint": bound.address, "action": bound.operation.action, "envelope": envelope}

        return preview

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


def _found(count: int, service: Service) -> str:
    contract: Contract = service.contract
    said = f"{count} tools" + (" from the pin" if service.settings.pin else "")
    if contract.skipped:
        said += f"; left out: {'; '.join(contract.skipped)}"
    return said + (f"; noted: {'; '.join(contract.notes)}" if contract.notes else "")


def _signing(expires_at: datetime) -> Finding:
    left = expires_at - datetime.now(UTC)
    until = f"our certificate is good until {expires_at.date()}"
    return Finding("sign", ok=left.days >= 0, found=until, next="" if left.days >= 0 else "ask for a new certificate")


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


def _at(value: Any, path: list[str]) -> Iterator[Any]:
    if not path:
        if value is not None:
            yield value
    elif isinstance(value, list):
        for item in value:
            yield from _at(item, path)
    elif isinstance(value, Mapping) and path[0] in value:
        yield from _at(value[path[0]], path[1:])
