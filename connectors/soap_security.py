"""
WS-Security headers of a request: username token (plain or digest), timestamp, and what a signature needs.

OASIS WS-Security 1.1 with its UsernameToken profile.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from .soap_text import escaped

MASK = "***"
_OASIS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss"
WSSE = f"{_OASIS}-wssecurity-secext-1.0.xsd"
WSU = f"{_OASIS}-wssecurity-utility-1.0.xsd"
BASE64 = f"{_OASIS}-soap-message-security-1.0#Base64Binary"
X509 = f"{_OASIS}-x509-token-profile-1.0#X509v3"
_TOKEN = f"{_OASIS}-username-token-profile-1.0"
BODY, TIMESTAMP, TOKEN, KEY = "drawbar-body", "drawbar-time", "drawbar-user", "drawbar-key"
"""The ids by which a signature refers to the parts of an envelope."""


@dataclass(frozen=True, slots=True)
class Login:
    username: str
    password: str
    digest: bool

    def __repr__(self) -> str:
        return f"Login({self.username!r})"


def security(login: Login | None, ttl_s: float | None, certificate: str | None = None) -> Callable[[bool], str]:
    """
    Give what writes the `wsse:Security` header of one call; the mask in it when it is only shown.

    `certificate` (base64) goes along where the call is signed. The header must be understood, as the profile recommends.
    """
    if login is None and ttl_s is None and certificate is None:
        return lambda masked: ""
    key = (
        f'<wsse:BinarySecurityToken EncodingType="{BASE64}" ValueType="{X509}" wsu:Id="{KEY}">{certificate}'
        "</wsse:BinarySecurityToken>"
        if certificate
        else ""
    )
    start = f'<wsse:Security xmlns:wsse="{WSSE}" xmlns:wsu="{WSU}" soap:mustUnderstand="1">{key}'

    def write(masked: bool) -> str:
        now = datetime.now(UTC)
        token = _token(login, now, masked=masked) if login else ""
        return f"{start}{_timestamp(now, ttl_s) if ttl_s is not None else ''}{token}</wsse:Security>"

    return write


def _token(login: Login, now: datetime, *, masked: bool) -> str:
    start = f'<wsse:UsernameToken wsu:Id="{TOKEN}"><wsse:Username>{escaped(login.username)}</wsse:Username>'
    if not login.digest:
        password = MASK if masked else login.password
        said = f'<wsse:Password Type="{_TOKEN}#PasswordText">{escaped(password)}</wsse:Password>'
        return f"{start}{said}</wsse:UsernameToken>"
    nonce, created = secrets.token_bytes(16), _moment(now)
    digest = hashlib.sha1(nonce + created.encode() + login.password.encode()).digest()  # noqa: S324 - the profile's
    shown = MASK if masked else base64.b64encode(digest).decode()
    return (
        f'{start}<wsse:Password Type="{_TOKEN}#PasswordDigest">{shown}</wsse:Password>'
        f'<wsse:Nonce EncodingType="{BASE64}">{base64.b64encode(nonce).decode()}</wsse:Nonce>'
        f"<wsu:Created>{created}</wsu:Created></wsse:UsernameToken>"
    )


def _timestamp(now: datetime, ttl_s: float) -> str:
    expires = _moment(now + timedelta(seconds=ttl_s))
    return (
        f'<wsu:Timestamp wsu:Id="{TIMESTAMP}"><wsu:Created>{_moment(now)}</wsu:Created>'
        f"<wsu:Expires>{expires}</wsu:Expires></wsu:Timestamp>"
    )


def _moment(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%S.") + f"{when.microsecond // 1000:03}Z"
