"""Who comes in: credentials become a caller, in one place for REST, WebSocket and MCP."""

from __future__ import annotations

import hashlib
import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .access import Caller
from .door_config import Authentication, said_in
from .errors import DrawbarError, InputError
from .keys import PREFIX, Key, Keys, id_of
from .measure import LOGINS, METER

_REMEMBERED_S = 1.0
_MAX_REMEMBERED = 10_000
_GUESSES = 20
_GUESSES_S = 60.0
Claims = Mapping[str, Any]
ReadToken = Callable[[str], tuple[str | Sequence[str], frozenset[str] | None, Claims]]
"""Proves a token and gives its agent (of a list: the only name that is one), its scopes (None: all of the agent's), its claims."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request shows. `peer` is the address that it comes from, `subject` what a proxy says of a certificate."""

    bearer: str | None = None
    peer: str | None = None
    subject: str | None = None


class Door:
    """
    Lets callers in. What it found it remembers for a second, so that a revoked key is shut out soon.

    `agent` gives an agent's caller by name, `local` the one without credentials.
    """

    def __init__(
        self,
        config: Authentication,
        keys: Keys,
        agent: Callable[[str], Caller | None],
        local: Callable[[], Caller],
        read_token: ReadToken | None,
    ) -> None:
        self._config = config
        self._keys = keys
        self._agent = agent
        self._local = local
        self._read_token = read_token
        self._lock = threading.Lock()
        self._remembered: OrderedDict[str, tuple[float, Caller]] = OrderedDict()
        self._wrong: OrderedDict[tuple[str, str | None], tuple[float, int]] = OrderedDict()
        self._good: OrderedDict[str, None] = OrderedDict()
        self._renewing: set[str] = set()
        self._networks = [ipaddress.ip_network(one) for one in (config.proxy.from_ if config.proxy else ())]
        self.refused: Callable[[str | None, DrawbarError], None] = lambda peer, error: None
        """Hears of who is not let in, and why."""
        self.on_loopback = True
        """False where the service listens elsewhere: then nobody is let in without credentials."""

    @property
    def header(self) -> str | None:
        """Name the header in which the proxy says whose certificate it saw."""
        return self._config.proxy.header if self._config.proxy else None

    @property
    def tenant_header(self) -> str:
        """Name the header in which a request says for which tenant it is."""
        return self._config.tenants.header

    def has_locks(self) -> bool:
        """Tell whether callers can show who they are at all."""
        return bool(self._config.oidc) or self._config.proxy is not None or self._keys.any()

    def remembered(self, credentials: Credentials) -> Caller | None:
        """Give the caller where that takes no look at anything; None: ask `admit`."""
        return self.known(digest_of(credentials))

    def known(self, digest: str) -> Caller | None:
        """Give the caller of remembered credentials by their digest."""
        found = self._remembered.get(digest)
        return found[1] if found is not None and found[0] > time.monotonic() else None

    def was_known(self, digest: str) -> bool:
        """Tell whether such credentials were let in before, and nothing has shut them out since: `renew` may know them again."""
        return digest in self._remembered

    def renews(self, digest: str) -> bool:
        """Tell, once, that what is remembered will soon be forgotten: time for `renew`."""
        found = self._remembered.get(digest)
        if found is None or found[0] - time.monotonic() > _REMEMBERED_S / 2 or digest in self._renewing:
            return False
        self._renewing.add(digest)
        return True

    def renew(self, credentials: Credentials) -> None:
        """Look again at credentials that are remembered; what opens nothing by now is forgotten at once."""
        digest = digest_of(credentials)
        try:
            self._remember(credentials, self._found(credentials))
        except InputError:
            with self._lock:
                self._remembered.pop(digest, None)
        except DrawbarError:
            pass  # the state is away: it is forgotten when its time is over
        finally:
            self._renewing.discard(digest)

    def admit(self, credentials: Credentials) -> Caller:
        """Give the caller. InputError: unauthenticated, or rate for who tries too many wrong keys."""
        caller = self.remembered(credentials)
        if caller is None:
            try:
                self._look_at_guesses(credentials)
                caller = self._found(credentials)
            except InputError as error:
                refusal = error
                if error.reason == "unauthenticated" and credentials.bearer is not None:
                    refusal = self._noted(credentials) or error
                METER.count(LOGINS)
                self.refused(credentials.peer, refusal)
                if refusal is error:
                    raise
                raise refusal from error
            self._remember(credentials, caller)
        return caller

    def _found(self, credentials: Credentials) -> Caller:
        if credentials.bearer is not None:
            return self._of_bearer(credentials.bearer)
        if credentials.subject is not None and self.is_proxy(credentials.peer):
            assert self._config.proxy is not None
            return self._of_agent(self._config.proxy.agents.get(credentials.subject), None, {})
        if self.on_loopback and (self._config.anonymous == "loopback" or not self.has_locks()):
            return self._local()
        raise InputError(
            "this service lets nobody in without credentials",
            reason="unauthenticated",
            next="send Authorization: Bearer KEY; drawbar keys add AGENT makes one",
        )

    def _of_bearer(self, bearer: str) -> Caller:
        if bearer.startswith(PREFIX) or self._read_token is None:
            key: Key = self._keys.opened(bearer)
            return self._of_agent(key.agent, key.scopes, {})
        agent, scopes, claims = self._read_token(bearer)
        return self._of_tenants(self._of_agent(self._only(agent), scopes, claims))

    def _only(self, named: str | Sequence[str]) -> str | None:
        """Give the one of several names that is an agent's; None when none is, or more than one."""
        if isinstance(named, str):
            return named
        agents = [name for name in dict.fromkeys(named) if self._agent(name) is not None]
        return agents[0] if len(agents) == 1 else None

    def _of_tenants(self, caller: Caller) -> Caller:
        """Bind a caller to the tenants that its token names."""
        claim = self._config.tenants.claim
        if claim is None:
            return caller
        said = said_in(caller.claims, claim)
        named = frozenset(map(str, said if isinstance(said, list) else [] if said is None else [said]))
        return replace(caller, tenants=named if caller.tenants is None else caller.tenants & named)

    def _of_agent(self, name: str | None, scopes: frozenset[str] | None, claims: Claims) -> Caller:
        caller = None if name is None else self._agent(name)
        if caller is None:
            raise InputError(
                "these credentials are for no agent that is registered",
                reason="unauthenticated",
                next="ask who administers Drawbar",
            )
        return replace(caller, claims=dict(claims), scopes=caller.scopes if scopes is None else caller.scopes & scopes)

    def is_proxy(self, peer: str | None) -> bool:
        """Tell whether a request from this address may say what the proxy before us has seen."""
        try:
            address = ipaddress.ip_address(peer or "")
        except ValueError:
            return False
        return any(address in network for network in self._networks)

    def _remember(self, credentials: Credentials, caller: Caller) -> None:
        digest = digest_of(credentials)
        with self._lock:
            self._remembered[digest] = (time.monotonic() + _REMEMBERED_S, caller)
            if len(self._remembered) > _MAX_REMEMBERED:
                self._remembered.popitem(last=False)
            if credentials.bearer is not None:
                self._good[digest] = None
                self._good.move_to_end(digest)
                if len(self._good) > _MAX_REMEMBERED:
                    self._good.popitem(last=False)

    def _look_at_guesses(self, credentials: Credentials) -> None:
        """
        Refuse what is shown at an address where many wrong keys were tried, unlooked at.

        Many callers may come from one address, that of a proxy. So who was let in before is not stopped, nor who shows another
        key than those that are guessed at; a token is looked at always, since its signature leaves nothing to guess.
        """
        if credentials.bearer is None:
            return
        place = _place(credentials.peer)
        left_s = self._left_s(place, None)
        if left_s <= 0:
            return
        with self._lock:
            if digest_of(credentials) in self._good:
                return
        if not self._is_key(credentials.bearer):
            return
        key_id = id_of(credentials.bearer)
        if self._left_s(place, key_id) <= 0 and self._keys.is_known(key_id):
            return
        raise _guesses(left_s)

    def _is_key(self, bearer: str) -> bool:
        return bearer.startswith(PREFIX) or self._read_token is None

    def _left_s(self, place: str, key_id: str | None) -> float:
        """Say for how long nothing more is looked at; `key_id` None: of all that was wrong from there."""
        with self._lock:
            since, count = self._wrong.get((place, key_id), (0.0, 0))
        return since + _GUESSES_S - time.monotonic() if count >= _GUESSES else 0.0

    def _noted(self, credentials: Credentials) -> InputError | None:
        """Count a wrong one, at its address and for its key; give what is said when there were too many."""
        place, bearer, now = _place(credentials.peer), credentials.bearer or "", time.monotonic()
        left_s = self._left_s(place, None)
        guessed = (None, id_of(bearer)) if self._is_key(bearer) else (None,)
        with self._lock:
            for key_id in guessed:
                since, count = self._wrong.pop((place, key_id), (now, 0))
                self._wrong[place, key_id] = (since, count + 1) if now < since + _GUESSES_S else (now, 1)
            while len(self._wrong) > _MAX_REMEMBERED:
                self._wrong.popitem(last=False)
        return _guesses(left_s) if left_s > 0 else None


def _guesses(left_s: float) -> InputError:
    return InputError(
        "too many wrong keys from this address",
        reason="rate",
        retry_after_s=round(left_s, 3),
        next="come back then, with a key that opens something",
    )


def _place(peer: str | None) -> str:
    """Give an address as guesses are counted: of IPv6 the network, in which one machine has addresses without end."""
    try:
        address = ipaddress.ip_address((peer or "").partition("%")[0])
    except ValueError:
        return peer or ""
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else peer or ""


def digest_of(credentials: Credentials) -> str:
    """Give what credentials are remembered by."""
    said = f"{credentials.bearer}\n{credentials.subject}\n{credentials.peer if credentials.subject else ''}"
    return hashlib.sha256(said.encode()).hexdigest()
