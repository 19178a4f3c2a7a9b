"""Several addresses of one service: which is asked next."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

from .soap_http import Url

_AWAY_S = 5.0


class Endpoints:
    """
    The addresses of an operation, in the order to try them.

    One that could not be reached comes last for some seconds. The next is tried only when nothing has left to the one before.
    """

    def __init__(self, urls: tuple[str, ...], *, balanced: bool) -> None:
        self._urls = [Url.of(each) for each in urls]
        self._turns = itertools.count() if balanced and len(urls) > 1 else None
        self._away: dict[str, float] = {}

    def in_order(self) -> Iterator[Url]:
        first = next(self._turns) % len(self._urls) if self._turns else 0
        turned = self._urls[first:] + self._urls[:first]
        if self._away:
            now = time.monotonic()
            turned.sort(key=lambda url: self._away.get(url.text, 0) > now)
        yield from turned

    def is_away(self, url: Url) -> None:
        self._away[url.text] = time.monotonic() + _AWAY_S

    def __len__(self) -> int:
        return len(self._urls)
