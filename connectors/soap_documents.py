"""The WSDL and what it imports, under our own rules, before zeep or anybody else reads them."""

from __future__ import annotations

import stat
from pathlib import Path
from urllib.parse import urlsplit

from lxml import etree

from ..core.errors import ConfigError, DrawbarError, OutcomeUnknown, Unavailable
from .soap_http import Http, Url
from .soap_overlay import Overlay, Patch
from .soap_pin import Pin
from .soap_xml import ENCODING, BadXml, Node, parse

_STANDARD = Path(__file__).parent / "soap_standard"
SERVED = {
    ENCODING: "encoding.xsd",
    ENCODING.rstrip("/"): "encoding.xsd",
    "http://www.w3.org/2001/xml.xsd": "xml.xsd",
    "https://www.w3.org/2001/xml.xsd": "xml.xsd",
    "http://www.w3.org/2005/05/xmlmime": "xmlmime.xsd",
    "http://ws-i.org/profiles/basic/1.1/swaref.xsd": "swaref.xsd",
    "http://ws-i.org/profiles/basic/1.1/xsd": "swaref.xsd",
}


class Documents:
    """The WSDL and what it imports, each fetched once: from its host, from files, or from a pin, and then corrected."""

    def __init__(
        self,
        location: str,
        http: Http,
        *,
        deadline: float,
        max_bytes: int,
        pin: Pin | None = None,
        patches: tuple[Patch, ...] = (),
    ) -> None:
        self.location = location if pin is None else pin.location
        self.overlay = Overlay(patches)
        self.fetched: dict[str, bytes] = {}
        """What came, by address, in the order in which it was asked for."""
        self._http = http
        self._deadline = deadline
        self._max_bytes = max_bytes
        self._pin = pin
        self._bodies: dict[str, bytes] = {}
        self._roots: dict[str, Node] = {}

    def raw(self, location: str) -> bytes:
        """Give the bytes of a document as they came."""
        if location not in self.fetched:
            body = self._fetch(location)
            if sum(map(len, self.fetched.values())) + len(body) > self._max_bytes:
                raise ConfigError(f"the WSDL with its imports is larger than {self._max_bytes} bytes", field="wsdl")
            self.fetched[location] = body
        return self.fetched[location]

    def load(self, location: str) -> bytes:
        """Give a document's bytes, corrected; zeep calls this as its transport."""
        if location not in self._bodies:
            body = self.overlay.text(location, self.raw(location))
            try:
                root = parse(body)
            except BadXml as error:
                raise ConfigError(f"{location} is no WSDL: {error}", field="wsdl") from error
            if self.overlay.tree(location, root):
                body = etree.tostring(root.getroottree(), encoding="utf-8", xml_declaration=True)
            self._roots[location], self._bodies[location] = root, body
        return self._bodies[location]

    def root(self, location: str) -> Node:
        self.load(location)
        return self._roots[location]

    def _fetch(self, location: str) -> bytes:
        if self._pin is not None and location not in SERVED:
            return self._pin.read(location)
        if location in SERVED:
            return (_STANDARD / SERVED[location]).read_bytes()
        if urlsplit(location).scheme in {"http", "https"}:
            return self._from_host(location)
        if urlsplit(self.location).scheme in {"http", "https"}:
            raise ConfigError(f"a WSDL from a host may not import the file {location}", field="wsdl")
        return _from_file(location, self._max_bytes)

    def _from_host(self, location: str) -> bytes:
        here, there = urlsplit(self.location), urlsplit(location)
        if location != self.location and here.hostname != there.hostname:
            raise ConfigError(
                f"the WSDL imports {location}, which is not on its own host",
                field="wsdl",
                next="save that document on the WSDL's host or beside it, and let overlay set its schemaLocation",
            )
        try:
            answer = self._http.get(Url.of(location), deadline=self._deadline)
        except OutcomeUnknown as error:  # only a question was asked
            raise Unavailable(error.message, field="wsdl") from error
        if answer.status != 200:
            raise _refused(location, answer.status)
        return answer.body


def _refused(location: str, status: int) -> DrawbarError:
    if status in {408, 429} or status >= 500:
        return Unavailable(f"{location} answered {status} instead of a WSDL", field="wsdl")
    hint = (
        "security.basic or bearer may be missing"
        if status in {401, 403}
        else "look at the address, often ?wsdl is missing"
    )
    return ConfigError(f"{location} answered {status} instead of a WSDL", field="wsdl", next=hint)


def _from_file(location: str, max_bytes: int) -> bytes:
    try:
        if not stat.S_ISREG(Path(location).stat().st_mode):  # a device has no end, and a pipe no writer
            raise ConfigError(f"{location} is no ordinary file", field="wsdl")
        with Path(location).open("rb") as file:
            body = file.read(max_bytes + 1)
        if len(body) > max_bytes:
            raise ConfigError(f"{location} is larger than {max_bytes} bytes", field="wsdl")
        return body
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigError(f"the WSDL {location} cannot be read: {reason}", field="wsdl") from error
