"""Which version of a thing a writer has seen, so that it changes nothing else (If-Match of RFC 9110)."""

from __future__ import annotations

Expected = int | frozenset[int] | None
"""One version, any of several, or whatever there is (None)."""


def one_of(expected: Expected, version: int) -> int | None:
    """Give the one version that a thing of this version may have when it is changed; None: any."""
    if not isinstance(expected, frozenset):
        return expected
    return version if version in expected else max(expected)
