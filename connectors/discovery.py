"""Where the addresses of a system come from: a list, a watched file, or DNS; a list that cannot be made anew stays as it was."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from ..core.endpoints import Address, Endpoints
from ..core.errors import ConfigError, DrawbarError, Unavailable

log = structlog.get_logger("drawbar.discovery")
_STALE = 3
_MAX_BYTES = 1_000_000
_MAX_FOUND = 1000


@dataclass(frozen=True, slots=True)
class Found:
    """One address: a URL, and the host and port to connect to where these are not the URL's own."""

    url: str
    at: tuple[str, int] | None = None
    priority: int = 0
    weight: float = 1.0

    @property
    def name(self) -> str:
        if self.at is None:
            return self.url
        host, port = self.at
        return f"{self.url} at {f'[{host}]' if ':' in host else host}:{port}"


Look = Callable[[], Sequence[Found]]
"""Gives the addresses as they are now. Raises one of the five."""


class Directory:
    """
    The addresses of one system, kept in its `endpoints` and looked up again at most every `refresh_s`, beside the calls.

    A look that fails, or finds nothing, changes nothing but `endpoints.trouble`.
    """

    def __init__(self, look: Look, endpoints: Endpoints, *, refresh_s: float | None, patience_s: float) -> None:
        """Without `refresh_s` the list never changes."""
        self._look = look
        self._endpoints = endpoints
        self._refresh_s = refresh_s
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._looking: threading.Event | None = None
        self._looked_at = float("-inf")
        self._failure: DrawbarError | None = None
        self.found: dict[str, Found] = {}

    def refresh(self, within_s: float | None = None) -> None:
        """See that there is a list which is not too old; Unavailable, or what is wrong with it, when there is none."""
        age_s = time.monotonic() - self._looked_at
        if self.found and (self._refresh_s is None or age_s < self._refresh_s):
            return
        if not self.found and self._failure is not None and age_s < min(self._refresh_s or 1, 1):
            raise self._failure
        looked = self._begin()
        if not self.found or age_s > _STALE * (self._refresh_s or 0):
            looked.wait(self._patience_s if within_s is None else min(within_s, self._patience_s))
        if not self.found:
            raise self._failure or Unavailable("the endpoints could not be looked up in time", retry_after_s=1)

    def _begin(self) -> threading.Event:
        with self._lock:
            if self._looking is None:
                self._looking = threading.Event()
                threading.Thread(target=self._run, name="drawbar-discovery", daemon=True).start()
            return self._looking

    def _run(self) -> None:
        try:
            self._take(self._look())
        except DrawbarError as error:
            self._fail(error)
        except Exception as error:  # the outermost loop of a thread
            log.exception("discovery.defect")
            self._fail(ConfigError(f"the endpoints cannot be looked up ({type(error).__name__}): this is a defect"))
        finally:
            self._looked_at = time.monotonic()
            with self._lock:
                done, self._looking = self._looking, None
            if done is not None:
                done.set()

    def _take(self, found: Sequence[Found]) -> None:
        if not found:
            raise Unavailable("no endpoint was found")
        by_name = {one.name: one for one in found}
        if by_name != self.found:
            if self.found:
                log.info("endpoints.changed", endpoints=sorted(by_name))
            self.found = {**self.found, **by_name}  # calls that are on their way find both
            self._endpoints.put(Address(one.name, one.priority, one.weight) for one in by_name.values())
            self.found = by_name
        if self._endpoints.trouble is not None:
            log.info("endpoints.found_again")
        self._failure = self._endpoints.trouble = None

    def _fail(self, error: DrawbarError) -> None:
        said = f"{error.message}; the last good list stays" if self.found else error.message
        if said != self._endpoints.trouble:
            log.warning("endpoints.not_refreshed", error=error.message)
        self._failure, self._endpoints.trouble = error, said


def listed(urls: Sequence[str], *, failover: bool) -> Look:
    """Give the URLs of the configuration; with `failover` each is asked only after those before it."""
    found = [Found(url, priority=at if failover else 0) for at, url in enumerate(urls)]
    return lambda: found


def in_file(path: Path, check: Callable[[str], str], *, failover: bool) -> Look:
    """Give the URLs of a file, one a line or as a YAML or JSON list; `check` gives an entry's URL or raises ConfigError."""

    def look() -> Sequence[Found]:
        return [Found(check(text), priority=at if failover else 0) for at, text in enumerate(entries(path))]

    return look


def entries(path: Path) -> list[str]:
    """Read the entries of a file of endpoints. Raises ConfigError for one that is no such file, or empty."""
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
        text = raw.decode()
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise ConfigError(
            f"the file of endpoints {path.name} cannot be read: {said}", field="endpoints.file"
        ) from error
    if len(raw) > _MAX_BYTES:
        raise ConfigError(f"the file of endpoints {path.name} is too large", field="endpoints.file")
    lines = [line for line in map(str.strip, text.splitlines()) if line and not line.startswith("#")]
    found = (
        _of_yaml(text, path) if lines and lines[0][0] in "[-{" else [line.partition(" #")[0].strip() for line in lines]
    )
    if not found:
        raise ConfigError(f"the file of endpoints {path.name} is empty", field="endpoints.file")
    if len(found) > _MAX_FOUND or len(set(found)) != len(found):
        why = "names one twice" if len(found) <= _MAX_FOUND else f"has more than {_MAX_FOUND}"
        raise ConfigError(f"the file of endpoints {path.name} {why}", field="endpoints.file")
    return found


def _of_yaml(text: str, path: Path) -> list[str]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        given = YAML(typ="safe").load(text)
    except (YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"the file of endpoints {path.name} is no YAML or JSON", field="endpoints.file") from error
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise ConfigError(f"the file of endpoints {path.name} is no list of URLs", field="endpoints.file")
    return given


@dataclass(frozen=True, slots=True)
class Named:
    """
    A name in DNS, and what its addresses have in common: the scheme, the path, and the host that TLS is checked for.

    A name that begins with `_` is asked for SRV records, any other for addresses. `resolver` is a server of our own choice.
    """

    name: str
    scheme: str
    host: str
    port: int
    path: str
    resolver: str | None = None
    timeout_s: float = 5

    def look(self) -> Sequence[Found]:
        """Ask DNS. Raises Unavailable."""
        from .dns import addresses, services

        if not self.name.startswith("_"):
            where = addresses(self.name, self.resolver, self.timeout_s)
            return [Found(self._url(self.port), (ip, self.port)) for ip in where if _is_usable(ip)]
        found = []
        for one in services(self.name, self.resolver, self.timeout_s):
            usable = [ip for ip in one.addresses if _is_usable(ip)]
            weight = max(one.weight, 0.01) / max(len(usable), 1)
            found += [Found(self._url(one.port), (ip, one.port), one.priority, weight) for ip in usable]
        return found

    def _url(self, port: int) -> str:
        own = {"https": 443, "http": 80}[self.scheme]
        return f"{self.scheme}://{self.host}{'' if port == own else f':{port}'}{self.path}"


def _is_usable(text: str) -> bool:
    """Refuse what is no address of one host: a name must not lead to a cloud's metadata or to everybody."""
    ip = ipaddress.ip_address(text)
    return not (ip.is_multicast or ip.is_unspecified or ip.is_link_local)
