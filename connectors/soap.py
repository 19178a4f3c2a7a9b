"""
The wire to a SOAP service: its operations, and one call of one of them.

A connector is the wire: plain values go in and come out, and only the five errors leave it.
"""

from __future__ import annotations

import base64
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from ..core.endpoints import Endpoints
from ..core.errors import ConfigError
from ..core.tool import Call, Effect
from ..core.trace import CARRIED
from .discovery import Look
from .soap_bound import Bound
from .soap_contract import Contract, Operation
from .soap_documents import Documents
from .soap_endpoints import Ways
from .soap_http import Http, Url
from .soap_kept import contract
from .soap_overlay import Patch
from .soap_pin import Pin
from .soap_reading import Reading
from .soap_security import Login, security
from .soap_signature import Seal, Signer, Verifier
from .soap_wire import Answer

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Tls:
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """
    What a service needs to be reached; secrets in it are never shown.

    `endpoint` goes before the WSDL's own address, and `look`, which finds several, before both. `varying` names the SOAP
    headers that each call brings itself. `kept` is a folder for contracts that were read.
    """

    wsdl: str
    endpoint: str | None = None
    look: Look | None = None
    refresh_s: float | None = None
    connect_timeout_s: float = 5
    headers: Mapping[str, Any] = field(default_factory=dict)
    varying: tuple[str, ...] = ()
    pin: Path | None = None
    patches: tuple[Patch, ...] = ()
    kept: Path | None = None
    seal: Seal | None = None
    trust_file: Path | None = None
    must_be_signed: bool = True
    trust_sha1: bool = False
    mtom_over: int | None = None
    login: Login | None = None
    timestamp_ttl_s: float | None = None
    basic: tuple[str, str] | None = field(default=None, repr=False)
    bearer: str | None = field(default=None, repr=False)
    tls: Tls = Tls()
    load_timeout_s: float = 30
    max_bytes: int = 64 * 2**20


class Service:
    """A service by its WSDL. Creating one loads the WSDL; calls share its connections and may come from any thread."""

    def __init__(self, settings: Settings, endpoints: Endpoints | None = None) -> None:
        """`endpoints` is where it is kept how those stand that `settings.look` finds."""
        self.settings = settings
        self._http = _http(settings)
        try:
            documents = _documents(settings, self._http)
            self.contract: Contract = contract(documents, settings.kept, partial(_loaded, documents))
            self.signer = Signer(settings.seal) if settings.seal else None
            self.verifier = _verifier(settings)
        except BaseException:
            self._http.close()
            raise
        certificate = self.signer.certificate if self.signer else None
        self._security = security(settings.login, settings.timestamp_ttl_s, certificate)
        self.ways: Ways | None = None
        if settings.look is not None and endpoints is not None:
            self.ways = Ways(
                settings.look,
                endpoints,
                self._http,
                refresh_s=settings.refresh_s,
                connect_timeout_s=settings.connect_timeout_s,
            )

    def bound(self, operation: Operation) -> Bound:
        """Make what calls an operation; its writers and readers are made at its first call."""
        return Bound(self, operation)

    def close(self) -> None:
        self._http.close()

    def ask(
        self,
        address: Callable[[], Url],
        body: bytes,
        http_headers: str,
        call: Call,
        effect: Effect,
        read: Callable[[Url, Answer], T],
    ) -> T:
        """Post a body, to `address` or to one of several, and read the answer."""
        http_headers = _traced(http_headers)
        if self.ways is not None:
            return self.ways.ask(body, http_headers, call, effect, read)
        url = address()
        call.notes["endpoint"] = url.text
        answer = self._http.post(url, body, http_headers, deadline=call.deadline, leaving=call.leaving)
        call.notes["http_status"] = answer.status
        return read(url, answer)

    def begin(
        self, url: Url, body: bytes, http_headers: str, call: Call, read: Callable[[Url, Answer], Any]
    ) -> Reading | None:
        """Post a body on a connection that lies idle; None where there is none."""
        call.notes["endpoint"] = url.text
        wire = self._http.begin(url, body, _traced(http_headers), call.deadline)
        return None if wire is None else Reading(self._http, wire, url, read)

    def reach(self, url: Url) -> str:
        """Open a connection and say what was found; raises like a call."""
        self._http.reach(url, deadline=time.monotonic() + self.settings.load_timeout_s)
        return "TLS is trusted" if url.secure else "without TLS"

    def security_header(self, *, masked: bool) -> str:
        return self._security(masked)


def _traced(http_headers: str) -> str:
    carried = CARRIED.get()
    return http_headers if carried is None else f"{http_headers}traceparent: {carried.traceparent}\r\n"


def read_contract(settings: Settings) -> tuple[Contract, Documents]:
    """Read a contract without keeping it, live or from its pin; give it with its documents."""
    http = _http(settings)
    try:
        documents = _documents(settings, http)
        return _loaded(documents), documents
    finally:
        http.close()


def _http(settings: Settings) -> Http:
    return Http(tls=lambda: _context(settings.tls), headers=_http_headers(settings), max_bytes=settings.max_bytes)


def _documents(settings: Settings, http: Http) -> Documents:
    return Documents(
        settings.wsdl,
        http,
        deadline=time.monotonic() + settings.load_timeout_s,
        max_bytes=settings.max_bytes,
        pin=Pin(settings.pin) if settings.pin is not None else None,
        patches=settings.patches,
    )


def _loaded(documents: Documents) -> Contract:
    from .soap_load import load  # whose contract is kept does without

    return load(documents)


def _verifier(settings: Settings) -> Verifier | None:
    if settings.trust_file is None:
        return None
    return Verifier(settings.trust_file, required=settings.must_be_signed, legacy_sha1=settings.trust_sha1)


def _http_headers(settings: Settings) -> dict[str, str]:
    said = {
        "User-Agent": "drawbar",
        "Accept": "text/xml, application/soap+xml, multipart/related, */*;q=0.1",
        "Accept-Encoding": "identity",
    }
    if settings.basic:
        token = base64.b64encode(":".join(settings.basic).encode()).decode()
        said["Authorization"] = f"Basic {token}"
    elif settings.bearer:
        if any(c <= " " or c > "~" for c in settings.bearer):
            raise ConfigError("the bearer token has characters that HTTP cannot carry", field="security.bearer")
        said["Authorization"] = f"Bearer {settings.bearer}"
    return said


def _context(tls: Tls) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(tls.ca_file) if tls.ca_file else None)
        if tls.certificate_file:
            context.load_cert_chain(str(tls.certificate_file), str(tls.key_file) if tls.key_file else None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"a certificate cannot be read: {error}", field="security.tls") from error
    return context
