"""WS-Security headers: username token (plain or digest) and timestamp, by zeep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lxml import etree
from zeep.wsse.username import UsernameToken
from zeep.wsse.utils import WSU

from .soap_xml import SOAP_11, as_text

MASK = "***"


@dataclass(frozen=True, slots=True)
class Login:
    username: str
    password: str
    digest: bool

    def __repr__(self) -> str:
        return f"Login({self.username!r})"


def security(login: Login | None, ttl_s: float | None) -> Callable[[bool], str]:
    """
    Give what writes the `wsse:Security` header of one call; the mask in it when it is only shown.

    OASIS WS-Security UsernameToken Profile 1.1. The header must be understood, as the profile recommends.
    """
    if login is None and ttl_s is None:
        return lambda masked: ""

    def write(masked: bool) -> str:
        envelope = etree.Element(f"{{{SOAP_11}}}Envelope")
        stamp = _timestamp(ttl_s) if ttl_s is not None else None
        secret = MASK if masked or login is None else login.password
        token = UsernameToken(
            login.username if login else "",
            secret,
            use_digest=bool(login and login.digest and not masked),
            timestamp_token=stamp,
            zulu_timestamp=True,
        )
        token.apply(envelope, {})
        header = envelope[0][0]
        if login is None:
            header.remove(header[0])
        return as_text(header)

    return write


def _timestamp(ttl_s: float) -> etree._Element:
    now = datetime.now(UTC).replace(microsecond=0)
    times = (now, now + timedelta(seconds=ttl_s))
    created, expires = (moment.isoformat().replace("+00:00", "Z") for moment in times)
    stamp: etree._Element = WSU.Timestamp()
    stamp.append(WSU.Created(created))
    stamp.append(WSU.Expires(expires))
    return stamp
