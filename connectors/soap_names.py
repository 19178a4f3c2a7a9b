"""
Values of xsd:QName: plain they are `{namespace}name`, since a prefix means nothing outside of the message that declares it.

W3C XML Schema 1.0 part 2, 3.2.18; how names without prefix are resolved: Namespaces in XML 1.0, 6.2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import soap_scalars
from .soap_scalars import BadValue
from .soap_types import Simple
from .soap_xml import XML, Node, clark, local, namespace

NAMES = frozenset({"QName", "NOTATION"})


def is_name(kind: Simple) -> bool:
    """Tell whether values of a type are, or may be, qualified names, or lists of them."""
    if kind.items is not None:
        return is_name(kind.items)
    return any(map(is_name, kind.members)) if kind.members else kind.base in NAMES


def read_in(kind: Simple, node: Node, text: str) -> Any:
    """Read names where `node` stands; one whose prefix nobody declared is given as it came."""
    if kind.items is not None:
        return [read_in(kind.items, node, part) for part in text.split()]
    if kind.members:
        return _read_member(kind, node, text)
    parts = text.split()
    return _resolved(node, parts[0]) if len(parts) == 1 else text


def _read_member(kind: Simple, node: Node, text: str) -> Any:
    """Read by the first member of a union that the text fits, as XML Schema has it."""
    for member in kind.members:
        found = read_in(member, node, text) if is_name(member) else soap_scalars.reader(member)(text)
        try:
            soap_scalars.writer(member)(found)
        except BadValue:
            continue
        return found
    return text


def text_in(kind: Simple, node: Node, text: str) -> str:
    """Give what a schema says of a value (an enumeration, a default) in the plain form, names of a list parted by blanks."""
    if not is_name(kind):
        return text
    if kind.items is not None:
        return " ".join(text_in(kind.items, node, part) for part in text.split())
    found = read_in(kind, node, text)
    return found if isinstance(found, str) else text


def _resolved(node: Node, text: str) -> str:
    prefix, colon, name = text.rpartition(":")
    space = XML if prefix == "xml" else node.nsmap.get(prefix if colon else None)
    return text if colon and space is None else clark(space, name)


def writer(kind: Simple) -> Callable[[Any, str], tuple[str, str]]:
    """
    Give what makes the declarations of prefixes and the text of a value, not yet escaped.

    It takes what the prefixes begin with, and raises BadValue. Our envelopes have no default namespace, so that a name in none
    needs no declaration.
    """
    plain, spell = soap_scalars.writer(kind), _speller(kind)

    def write(value: Any, prefix: str) -> tuple[str, str]:
        plain(value)
        spaces: dict[str, str] = {}
        text = spell(value, lambda space: spaces.setdefault(space, f"{prefix}{len(spaces)}"))
        said = "".join(f' xmlns:{mark}="{_quoted(space)}"' for space, mark in spaces.items())
        return said, text

    return write


def _speller(kind: Simple) -> Callable[[Any, Callable[[str], str]], str]:
    """Give what spells a value with the prefixes that it is given for namespaces."""
    if kind.items is not None:
        one = _speller(kind.items)
        return lambda value, mark: " ".join(one(each, mark) for each in (value if isinstance(value, list) else [value]))
    if kind.members:
        return _member_speller(kind)
    plain = soap_scalars.writer(kind)

    def spell(value: Any, mark: Callable[[str], str]) -> str:
        name = plain(value)
        space = namespace(name)
        if space == XML:
            raise BadValue("a name in the namespace of xml cannot be sent")
        return f"{mark(space)}:{local(name)}" if space else local(name)

    return spell


def _member_speller(kind: Simple) -> Callable[[Any, Callable[[str], str]], str]:
    ways = [(soap_scalars.writer(each), _speller(each) if is_name(each) else None) for each in kind.members]

    def spell(value: Any, mark: Callable[[str], str]) -> str:
        for plain, named in ways:
            try:
                text = plain(value)
            except BadValue:
                continue
            return text if named is None else named(value, mark)
        raise BadValue(f"{value!r} fits no type of the union")

    return spell


def _quoted(space: str) -> str:
    return space.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
