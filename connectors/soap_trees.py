"""
Trees of usual answers, by the parser of the standard library.

lxml gives the interpreter's lock away several times for each document, which costs many threads more than a small document,
and it makes an object and a name anew for each element that is looked at. So an answer that is usual (UTF-8, nothing before its
root, of bounded size, depth and names) is read by expat, which does neither. Whatever is not is for `soap_xml`, which also says
what is wrong with it. A tree of this kind knows no prefixes: who must resolve them needs the other one.
"""

from __future__ import annotations

import re
from xml.etree.ElementTree import ParseError, XMLParser

from .soap_xml import Node

MAX_BYTES = 2 * 2**20
"""What is larger is read by libxml2, which needs less for it."""
_SMALL_BYTES = 32_768
_MAX_DEPTH = 250
_MAX_DECLARED = 1000
_PART = 65_536
_XML = rb"<\?xml[ ]version=(?:'1\.0'|\"1\.0\")(?:[ ]encoding=(?:'utf-8'|\"utf-8\"))?(?:[ ]standalone=(?:'\w+'|\"\w+\"))?[ ]?\?>"
_USUAL = re.compile(rb"(?:" + _XML + rb")?\s*<[a-z_]", re.IGNORECASE)
_DECLARED = re.compile(rb"xmlns(?::[\w.-]{1,100})?\s*=\s*(?:'[^']{0,200}'|\"[^\"]{0,200}\")")


def tree(message: bytes) -> Node | None:
    """Parse XML that somebody else wrote, where it is usual; None where `soap_xml.parse` must look."""
    size = len(message)
    if size > MAX_BYTES or _USUAL.match(message) is None or not _has_short_names(message):
        return None
    is_flat = size <= _SMALL_BYTES and message.count(b"</") <= _MAX_DEPTH
    parser = XMLParser()  # noqa: S314 - nothing with a DTD comes this far
    try:
        for at in range(0, size, _PART):  # other threads get their turn between two parts
            parser.feed(message if size <= _PART else message[at : at + _PART])
        root = parser.close()
    except ParseError:
        return None
    return root if is_flat or not _is_deep(root) else None


def _has_short_names(message: bytes) -> bool:
    """Look at the namespaces: each name in the tree holds its own whole."""
    at = message.find(b"xmlns")
    for _ in range(_MAX_DECLARED):
        if at < 0:
            return True
        declared = _DECLARED.match(message, at)
        if declared is None:
            return False
        at = message.find(b"xmlns", declared.end())
    return False


def _is_deep(root: Node) -> bool:
    level = [root]
    for _ in range(_MAX_DEPTH):
        level = [child for node in level for child in node if len(child)]
        if not level:
            return False
    return True
