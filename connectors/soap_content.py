"""
The inside of an element: its members one after the other, one of several, again and again, or anything.

What writes a member comes from `soap_write`; what is here decides which members are written, and says where a value does not fit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .soap_types import Group, Particle, Wildcard
from .soap_xml import BadXml, element_from

Out = list[str]
Write = Callable[[Any, Out], None]
"""Writes one occurrence of an element with its tags."""
Fill = Callable[[Any, Out], None]
"""Writes the inside of an element."""


class Unfit(ValueError):
    """A value that its type does not take; `path` leads to it."""

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.path = path

    def under(self, name: str) -> Unfit:
        return Unfit(self.message, f"{name}.{self.path}" if self.path else name)


def keys(particle: Particle) -> list[str]:
    """Name what of an object a particle writes."""
    if isinstance(particle, Group) and not particle.repeated:
        return [key for item in particle.items for key in keys(item)]
    return [particle.key]


def choice(group: Group, parts: list[tuple[frozenset[str], Fill]]) -> Fill:
    """Make what writes the one of several parts that was given."""
    every = ", ".join(sorted(frozenset[str]().union(*(names for names, _ in parts))))
    optional = not group.min_occurs or any(not item.min_occurs for item in group.items)

    def fill(value: Any, out: Out) -> None:
        present = value.keys()
        given = [(len(names & present), fill) for names, fill in parts if names & present]
        if given:
            # Alternatives may share names: the one that takes most of what was given is meant.
            max(given, key=lambda each: each[0])[1](value, out)
        elif not optional:
            raise Unfit(f"one of {every} is needed")

    return fill


def occurrences(group: Group, inner: Fill) -> Fill:
    """Make what writes a group as often as it was given."""
    key, low = group.key, group.min_occurs

    def fill(value: Any, out: Out) -> None:
        items = value.get(key)
        if items is None:
            if low:
                raise Unfit("it is missing", key)
            return
        try:
            many(inner, items, out)
        except Unfit as error:
            raise error.under(key) from None

    return fill


def wildcard(item: Wildcard) -> Fill:
    """Make what writes elements that the contract does not know."""
    key, low = item.key, item.min_occurs

    def fill(value: Any, out: Out) -> None:
        given = value.get(key)
        if given is None:
            if low:
                raise Unfit("it is missing", key)
            return
        try:
            many(_wild, given if isinstance(given, list) else [given], out)
        except Unfit as error:
            raise error.under(key) from None

    return fill


def many(write: Write, items: list[Any], out: Out) -> None:
    """Write one after the other, and say which of them does not fit."""
    for index, item in enumerate(items):
        try:
            write(item, out)
        except Unfit as error:
            raise error.under(str(index)) from None


def _wild(value: Any, out: Out) -> None:
    out.append(xml(value))


def xml(text: str) -> str:
    """Give a piece of XML as it may stand in an element."""
    try:
        return element_from(text)
    except BadXml as error:
        raise Unfit(str(error)) from None
