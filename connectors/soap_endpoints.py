"""Several addresses of one service: a call goes to one that takes calls, and is never repeated on another once it has left."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from ..core.endpoints import Endpoint, Endpoints
from ..core.errors import Unavailable
from ..core.tool import Call, Effect
from .discovery import Directory, Look
from .soap_http import Http, Url
from .soap_wire import Answer

T = TypeVar("T")
_SICK = {502, 503, 504}
_MAX_KEPT = 2000


class Ways:
    """The ways to a service. Several threads share them."""

    def __init__(
        self, look: Look, endpoints: Endpoints, http: Http, *, refresh_s: float | None, connect_timeout_s: float
    ) -> None:
        self._endpoints = endpoints
        self._http = http
        self._connect_timeout_s = connect_timeout_s
        self._directory = Directory(look, endpoints, refresh_s=refresh_s, patience_s=connect_timeout_s + 1)
        self._urls: dict[str, Url] = {}
        endpoints.reach = self._look_at

    def ask(
        self,
        body: bytes,
        headers: str,
        call: Call,
        effect: Effect,
        read: Callable[[Url, Answer], T],
    ) -> T:
        """Send a request to one of them; another is asked only when nothing has left to the one before."""
        self._directory.refresh(call.left_s())

        def send(end: Endpoint) -> tuple[Url, Answer]:
            url = self.url(end.name)
            call.notes["endpoint"] = end.name
            until = min(call.deadline, time.monotonic() + self._connect_timeout_s)
            answer = self._http.post(
                url, body, headers, deadline=call.deadline, leaving=call.leaving, connect_deadline=until
            )
            call.notes["http_status"] = answer.status
            return url, answer

        return self._endpoints.ask(effect, call.left_s(), send, lambda answer: read(*answer))

    def names(self) -> list[str]:
        """Name the endpoints as they are known by now; Unavailable, or what is wrong with their list, when there are none."""
        self._directory.refresh()
        return [end.name for end in self._endpoints.every]

    def url(self, name: str) -> Url:
        """Give the URL of an endpoint; Unavailable when the list has it no more."""
        found = self._directory.found.get(name)
        if found is None:
            raise Unavailable(f"{name} is no endpoint any more")
        known = self._urls.get(name)
        if known is None:
            if len(self._urls) > _MAX_KEPT:
                self._urls.clear()
            known = self._urls[name] = Url.of(found.url, found.at)
        return known

    def _look_at(self, name: str) -> None:
        """Look whether something that speaks HTTP is there: a GET changes nothing, and any answer of its own is a sign of life."""
        url = self.url(name)
        answer = self._http.ask(url, deadline=time.monotonic() + self._connect_timeout_s)
        if answer.status in _SICK:
            raise Unavailable(f"{name} answers {answer.status}")
