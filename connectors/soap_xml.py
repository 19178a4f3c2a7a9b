"""XML from outside: no DTD, no entity, no network, and a limit on size and depth."""

from __future__ import annotations

import re
import threading
from typing import Any

from lxml import etree

XSD = "http://www.w3.org/2001/XMLSchema"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
XML = "http://www.w3.org/XML/1998/namespace"
WSDL = "http://schemas.xmlsoap.org/wsdl/"
SOAP_11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP_12 = "http://www.w3.org/2003/05/soap-envelope"
ENCODING = "http://schemas.xmlsoap.org/soap/encoding/"
ENCODING_12 = "http://www.w3.org/2003/05/soap-encoding"
ENCODINGS = (ENCODING, ENCODING_12)

Node = Any
"""An lxml element: its stubs promise less than it does."""

_WIDE_DOCTYPE = ["<!DOCTYPE".encode(code) for code in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "cp037")]
_BEGINS = {b"<", b" ", b"\t", b"\r", b"\n"}
_DECLARED = re.compile(rb"^\s*<\?xml[^>]*encoding\s*=", re.IGNORECASE)
_LATIN = re.compile(rb"[a-zA-Z0-9._-]+")


class BadXml(ValueError):
    """What came is no XML that we take; the message says why, for a person."""


def parse(body: bytes, *, charset: str | None = None) -> Node:
    """
    Parse XML that somebody else wrote; raise BadXml.

    libxml2 itself bounds depth (256), text nodes (10 MB) and names while `huge_tree` is off. `charset` is what HTTP said.
    """
    if not body.strip():
        raise BadXml("it is empty")
    if _has_doctype(body):
        raise BadXml(f"it has a document type declaration (DTD), which is refused{_page(body)}")
    try:
        root = etree.fromstring(body, _parser(_encoding(body, charset)))
    except (etree.XMLSyntaxError, LookupError, ValueError) as error:
        raise BadXml(f"it is no well-formed XML: {str(error).split(' (<string>')[0]}{_page(body)}") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise BadXml("it has a document type declaration (DTD), which is refused")
    return root


def _encoding(body: bytes, charset: str | None) -> str | None:
    """Give what HTTP says where the document itself says nothing; None is what XML says: UTF-8, or a byte order mark."""
    if charset is None or charset.lower() == "utf-8" or _DECLARED.match(body[:200]):
        return None
    return charset if _LATIN.fullmatch(charset.encode("ascii", "replace")) else None


def _has_doctype(body: bytes) -> bool:
    """Look before the root element; text further on may speak of document types as it likes."""
    at = 3 if body.startswith(b"\xef\xbb\xbf") else 0
    if b"\0" in body[:4] or body[at : at + 1] not in _BEGINS:
        return any(mark in body for mark in _WIDE_DOCTYPE)
    while True:
        while body[at : at + 1].isspace():
            at += 1
        end = {b"<?": b"?>", b"<!": b"-->"}.get(body[at : at + 2])
        if end is None or body.startswith(b"<!DOCTYPE", at):
            return end == b"-->"
        at = body.find(end, at)
        if at < 0:
            return False
        at += len(end)


_PARSERS = threading.local()


def _parser(encoding: str | None) -> etree.XMLParser:
    """Give this thread's parser: lxml locks one that threads share."""
    if encoding is not None:
        return _new_parser(encoding)
    if not hasattr(_PARSERS, "plain"):
        _PARSERS.plain = _new_parser(None)
    return _PARSERS.plain  # type: ignore[no-any-return]  # a thread's own


def _new_parser(encoding: str | None) -> etree.XMLParser:
    return etree.XMLParser(
        encoding=encoding,
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )


def _page(body: bytes) -> str:
    return "; it looks like a web page" if b"<html" in body[:2000].lower() else ""


def local(tag: Any) -> str:
    """Give the local part of `{namespace}name`."""
    text = str(tag)
    return text.rpartition("}")[2]


def namespace(tag: Any) -> str:
    text = str(tag)
    return text[1:].partition("}")[0] if text.startswith("{") else ""


def clark(space: str | None, name: str) -> str:
    """Write a qualified name as `{namespace}name`."""
    return f"{{{space}}}{name}" if space else name


def qualified(node: Node, text: str, default: str | None = None) -> str:
    """Resolve `prefix:name` where `node` stands; a name without prefix is in the default namespace, or in `default`."""
    prefix, colon, name = text.strip().rpartition(":")
    space = node.nsmap.get(prefix if colon else None)
    return clark(space if space is not None else (None if colon else default), name)


def as_text(node: Node) -> str:
    """Write an element so that it stands on its own."""
    return str(etree.tostring(node, encoding="unicode", with_tail=False))


def element_from(text: str) -> str:
    """Check XML that a caller gave for a wildcard, and give it back so that it can stand in any place."""
    try:
        return as_text(parse(text.encode()))
    except UnicodeError as error:
        raise BadXml(str(error)) from error


def plain(node: Node, depth: int = 100) -> Any:
    """Read XML that no schema describes: text, or an object of its children (lists where a name repeats)."""
    children = list(node)
    if not children or depth == 0:
        return node.text or ""
    found: dict[str, Any] = {}
    for child in children:
        name, value = local(child.tag), plain(child, depth - 1)
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    return found
