"""
Tokens of OpenID providers: discovery, keys that rotate, and the proof of a token.

OpenID Connect Discovery 1.0, RFC 7517 (JWKS), RFC 7519 (JWT), RFC 8725 (algorithms come from the configuration).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jwt
import orjson
import requests
from urllib3.exceptions import HTTPError

from ..core.door_config import Claim, Oidc, said_in
from ..core.errors import InputError, Unavailable, raise_as

_TIMEOUT_S = (3, 5)
_KEEP_S = 600.0
_AGAIN_S = 10.0
_AFTER_FAILURE_S = 5.0
_FIRST_S = 2.0
_KNOWN_S = 1.0
"""So long one caller whose key was read before waits for the provider, which may have withdrawn it."""
_MAX_BYTES = 1_000_000
Read = tuple[str | Sequence[str], frozenset[str] | None, Mapping[str, Any]]


class Providers:
    """Reads tokens of any of these providers."""

    def __init__(self, configs: Sequence[Oidc], base: Path) -> None:
        self._providers = {config.issuer: _Provider(config, base) for config in configs}

    def read(self, token: str) -> Read:
        """Prove a token and give its agent, its scopes and its claims; InputError, unauthenticated, when it proves nothing."""
        try:
            issuer = jwt.decode(token, options={"verify_signature": False}).get("iss")
        except jwt.PyJWTError as error:
            raise _refused("it is neither a key nor a token") from error
        provider = self._providers.get(str(issuer))
        if provider is None:
            raise _refused("its issuer is not one that is configured")
        return provider.read(token)


class _Provider:
    """One provider and its keys. A key that is not known makes it look again, not oftener than every ten seconds."""

    def __init__(self, config: Oidc, base: Path) -> None:
        self._config = config
        self._verify: str | bool = str(base / config.ca_file) if config.ca_file else True
        self._lock = threading.Lock()
        self._keys: dict[str | None, Any] = {}
        self._read_at = float("-inf")
        self._failed: str | None = None
        self._not_before = float("-inf")

    def read(self, token: str) -> Read:
        config = self._config
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            claims = jwt.decode(
                token,
                self._key(kid),
                algorithms=list(config.algorithms),
                audience=config.audience,
                issuer=config.issuer,
                leeway=config.leeway_s,
                options={"require": ["exp", "iss", "aud"]},
            )
        except jwt.PyJWTError as error:
            raise _refused(str(error)) from error
        return _agent(claims, config.agent_claim), _scopes(claims, config.scope_claim), claims

    def _key(self, kid: str | None) -> Any:
        now = time.monotonic()
        if now - self._read_at > (_KEEP_S if kid in self._keys else _AGAIN_S) and now >= self._not_before:
            self._look_beside(kid) if kid in self._keys else self._look(kid)
        elif kid not in self._keys and self._failed is not None:
            raise self._away(self._failed, self._not_before - now)
        if kid not in self._keys:
            raise _refused("it is signed with a key that the issuer does not show")
        return self._keys[kid]

    def _look_beside(self, kid: str | None) -> None:
        """Read the keys, but let who has a known one wait no longer than a moment."""
        if not self._lock.locked():
            looking = threading.Thread(target=self._look, args=(kid,), name="oidc", daemon=True)
            looking.start()
            looking.join(_KNOWN_S)

    def _look(self, kid: str | None) -> None:
        """
        Read the keys; whose own is there waits for nobody, and keys that were read before are good while the provider is away.

        Anybody can name a key that is not known, so one thread waits for the provider and the others are sent away: only at
        the very first they wait a little, since they all come for the first keys.
        """
        read_at = self._read_at
        if not self._lock.acquire(timeout=0 if self._keys else _FIRST_S):
            if kid not in self._keys:
                raise self._away("its keys are being read", 1.0)
            return
        try:
            if self._read_at == read_at and time.monotonic() >= self._not_before:
                self._keys = self._fetched()
                self._read_at, self._failed = time.monotonic(), None
        except Unavailable as error:
            self._failed, self._not_before = error.message, time.monotonic() + _AFTER_FAILURE_S
        finally:
            self._lock.release()
        if kid not in self._keys and self._failed is not None:
            raise self._away(self._failed, _AFTER_FAILURE_S)

    def _away(self, why: str, again_s: float) -> Unavailable:
        why = why if self._config.issuer in why else f"OpenID provider {self._config.issuer}: {why}"
        return Unavailable(why, retry_after_s=max(again_s, 1.0))

    def _fetched(self) -> dict[str | None, Any]:
        found = self._get(self._config.issuer.rstrip("/") + "/.well-known/openid-configuration")
        if found.get("issuer") != self._config.issuer:
            raise Unavailable(f"{self._config.issuer} says that it is {found.get('issuer')}")
        scheme = self._config.issuer.partition("://")[0]
        if not str(found.get("jwks_uri", "")).startswith(f"{scheme}://"):
            raise Unavailable(f"{self._config.issuer} names no keys that are read by {scheme}")
        named = dict(_usable(self._get(found["jwks_uri"]).get("keys")))
        if not named:
            raise Unavailable(f"{self._config.issuer} shows no keys that prove a signature")
        return {**named, None: next(iter(named.values()))} if len(named) == 1 else named  # a single key needs no name

    def _get(self, url: str) -> dict[str, Any]:
        with (
            raise_as(
                Unavailable,
                requests.RequestException,
                HTTPError,
                ValueError,
                doing=f"OpenID provider {self._config.issuer}",
            ),
            requests.get(url, timeout=_TIMEOUT_S, verify=self._verify, allow_redirects=False, stream=True) as answer,
        ):
            body = answer.raw.read(_MAX_BYTES + 1, decode_content=True)
            if answer.status_code != requests.codes.ok or len(body) > _MAX_BYTES:
                raise ValueError(f"{url} answers {answer.status_code} with {len(body)} bytes")
            found = orjson.loads(body)
        if not isinstance(found, dict):
            raise Unavailable(f"{url} gives no JSON object")
        return found


def _usable(said: Any) -> Iterator[tuple[str | None, Any]]:
    """Give the keys for signatures by name, and leave out what is none."""
    for one in said if isinstance(said, list) else ():
        if (
            not isinstance(one, dict)
            or one.get("use") not in (None, "sig")
            or not isinstance(one.get("kid"), str | None)
        ):
            continue
        try:
            key = jwt.PyJWK(one)
        except jwt.PyJWTError:
            continue
        # An RSA key that names no algorithm is good for each that is configured: the library would take RS256 for it.
        yield key.key_id, key.key if key.key_type == "RSA" and "alg" not in one else key


def _agent(claims: Mapping[str, Any], claim: Claim) -> str | Sequence[str]:
    said = said_in(claims, claim)
    if isinstance(said, list):
        return [one for one in said if isinstance(one, str)]
    if not isinstance(said, str):
        raise _refused(f"it has no claim {_shown(claim)}")
    return said


def _scopes(claims: Mapping[str, Any], claim: Claim | None) -> frozenset[str] | None:
    if claim is None:
        return None
    said = said_in(claims, claim)
    if said is None:
        return frozenset()
    if not isinstance(said, str | list):
        raise _refused(f"its claim {_shown(claim)} is neither a text nor a list")
    return frozenset(said.split() if isinstance(said, str) else map(str, said))


def _shown(claim: Claim) -> str:
    return claim if isinstance(claim, str) else ".".join(claim)


def _refused(why: str) -> InputError:
    return InputError(f"the token is not accepted: {why}", reason="unauthenticated", next="get a new one")
