"""From the configuration of a SOAP service to what its connector needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...core.adapter import Place
from .config import Correction, SoapConfig

if TYPE_CHECKING:
    from ...connectors.discovery import Look
    from ...connectors.soap import Settings
    from ...connectors.soap_overlay import Patch
    from ...connectors.soap_security import Login
    from ...connectors.soap_signature import Seal


def settings_of(said: SoapConfig, place: Place, pin: Path | None) -> Settings:
    """Resolve paths and secrets; nothing is read and no wire is touched."""
    from ...connectors.soap import Settings, Tls

    security, ends = said.security, said.endpoints
    basic, tls, verify = security.basic, security.tls, security.verify
    return Settings(
        wsdl=said.wsdl if "://" in said.wsdl else str((place.base / said.wsdl).resolve()),
        pin=pin,
        patches=tuple(_patch(each) for each in said.overlay),
        kept=place.state / "soap",
        endpoint=ends.urls[0] if ends and len(ends.urls) == 1 else None,
        look=_look(said, place) if ends and len(ends.urls) != 1 else None,
        refresh_s=ends.refresh_s if ends and not ends.urls else None,
        connect_timeout_s=min(ends.connect_timeout_s, said.call_timeout_s) if ends else 5,
        headers=said.constant_headers(),
        varying=tuple(said.varying_headers()),
        login=_login(said),
        timestamp_ttl_s=security.timestamp.ttl_s if security.timestamp else None,
        seal=_seal(said, place),
        trust_file=place.base / verify.trust_file if verify else None,
        must_be_signed=verify.required if verify else True,
        trust_sha1=verify.legacy_sha1 if verify else False,
        basic=(basic.username, basic.password.get_secret_value()) if basic else None,
        bearer=security.bearer.get_secret_value() if security.bearer else None,
        tls=Tls(*(place.base / each if each else None for each in (tls.ca_file, tls.certificate_file, tls.key_file))),
        mtom_over=said.attachments.over_bytes if said.attachments and said.attachments.mtom else None,
        load_timeout_s=said.call_timeout_s,
        max_bytes=int(said.max_answer_mb * 2**20),
    )


def _patch(said: Correction) -> Patch:
    from ...connectors.soap_overlay import Patch

    return Patch(said.at, said.within, said.set, said.add, said.remove, said.replace)


def _login(said: SoapConfig) -> Login | None:
    from ...connectors.soap_security import Login

    token = said.security.username_token
    return Login(token.username, token.password.get_secret_value(), token.digest) if token else None


def _seal(said: SoapConfig, place: Place) -> Seal | None:
    from ...connectors.soap_signature import Seal

    sign = said.security.sign
    if sign is None:
        return None
    phrase = sign.passphrase.get_secret_value() if sign.passphrase else None
    files = (place.base / sign.key_file, place.base / sign.certificate_file)
    return Seal(*files, tuple(sign.parts), phrase, sign.legacy_sha1)


def _look(said: SoapConfig, place: Place) -> Look:
    from ...connectors.discovery import Named, in_file, listed

    ends = said.endpoints
    assert ends is not None
    failover = ends.mode == "failover"
    if ends.file is not None:
        return in_file(place.base / ends.file, ends.url_of, failover=failover)
    if ends.dns is None:
        return listed(ends.urls, failover=failover)
    own = {"https": 443, "http": 80}[ends.scheme]
    return Named(
        ends.dns,
        ends.scheme,
        ends.host_of_dns,
        ends.port or own,
        ends.path or "/",
        ends.resolver,
        min(ends.connect_timeout_s, said.call_timeout_s),
    ).look
