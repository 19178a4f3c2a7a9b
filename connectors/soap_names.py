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
    """Tell whether values of a type are qualified names, or lists of them."""
    return kind.base in NAMES if kind.items is None else is_name(kind.items)


def read_in(kind: Simple, node: Node, text: str) -> Any:
    """Read names where `node` stands; one whose prefix nobody declared is given as it came."""
    found = [_resolved(node, part) for part in text.split()]
    return found if kind.items is not None else found[0] if len(found) == 1 else text


def text_in(kind: Simple, node: Node, text: str) -> str:
    """Give what a schema says of a value (an enumeration, a default) in the plain form, names of a list parted by blanks."""
    return " ".join(_resolved(node, part) for part in text.split()) if is_name(kind) else text


def _resolved(node: Node, text: str) -> str:
    prefix, colon, name = text.rpartition(":")
    space = XML if prefix == "xml" else node.nsmap.get(prefix if colon else None)
    return text if colon and space is None else clark(space, name)


def writer(kind: Simple) -> Callable[[Any, str], tuple[str, str]]:
    """
    Give what makes the declarations of prefixes and the text of a value.

    It takes what the prefixes begin with, and raises BadValue. Our envelopes have no default namespace, so that a name in none
    needs no declaration.
    """
    plain = soap_scalars.writer(kind)

    def write(value: Any, prefix: str) -> tuple[str, str]:
        spaces: dict[str, str] = {}
        texts = []
        for name in plain(value).split(" "):
            space = namespace(name)
            if space == XML:
                raise BadValue("a name in the namespace of xml cannot be sent")
            mark = f"{spaces.setdefault(space, f'{prefix}{len(spaces)}')}:" if space else ""
            texts.append(f"{mark}{local(name)}")
        said = "".join(f' xmlns:{mark}="{_quoted(space)}"' for space, mark in spaces.items())
        return said, " ".join(texts)

    return write


def _quoted(space: str) -> str:
    return space.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
