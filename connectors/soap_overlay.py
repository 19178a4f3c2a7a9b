"""Patches for contracts that are broken: applied to each document of a WSDL after it is parsed and before it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from lxml import etree

from ..core.errors import ConfigError
from .soap_xml import WSDL, XSD, BadXml, Node, local, namespace, parse

PREFIXES = {
    "wsdl": WSDL,
    "xsd": XSD,
    "xs": XSD,
    "soap": "http://schemas.xmlsoap.org/wsdl/soap/",
    "soap12": "http://schemas.xmlsoap.org/wsdl/soap12/",
    "mime": "http://schemas.xmlsoap.org/wsdl/mime/",
}
_FIRST = {"import", "include", "redefine", "annotation", "documentation"}


@dataclass(frozen=True, slots=True)
class Patch:
    """
    One correction: of the nodes that `at` finds (XPath), or of the text of a document (`replace`).

    `within` is a glob over the document's address, or over its last part. A null in `set` takes the attribute away.
    """

    at: str | None = None
    within: str = "*"
    set: Mapping[str, str | None] = field(default_factory=dict)
    add: str | None = None
    remove: bool = False
    replace: Mapping[str, str] = field(default_factory=dict)

    def meets(self, location: str) -> bool:
        return fnmatchcase(location, self.within) or fnmatchcase(location.rpartition("/")[2], self.within)


class Overlay:
    """The patches of one contract; it remembers which of them found nothing."""

    def __init__(self, patches: tuple[Patch, ...]) -> None:
        self.patches = patches
        self._unused = set(range(len(patches)))

    def text(self, location: str, body: bytes) -> bytes:
        """Correct the text of a document."""
        for index, patch in enumerate(self.patches):
            if patch.meets(location):
                for old, new in patch.replace.items():
                    if old.encode() in body:
                        self._unused.discard(index)
                        body = body.replace(old.encode(), new.encode())
        return body

    def tree(self, location: str, root: Node) -> bool:
        """Correct a parsed document in place; tell whether anything was changed."""
        changed = False
        for index, patch in enumerate(self.patches):
            if patch.at is not None and patch.meets(location):
                for node in _found(root, patch.at, index):
                    _correct(node, patch, index)
                    self._unused.discard(index)
                    changed = True
        return changed

    def require_used(self) -> None:
        """Refuse patches that found nothing: the contract is another one by now, or the patch is mistyped."""
        for index in sorted(self._unused):
            patch = self.patches[index]
            what = f"at {patch.at}" if patch.at is not None else f"with the text {next(iter(patch.replace), '')!r}"
            where = "" if patch.within == "*" else f" in {patch.within}"
            raise ConfigError(
                f"overlay: there is nothing {what}{where}",
                field=f"overlay.{index}",
                next=f"prefixes are {', '.join(PREFIXES)} and tns; drawbar pin NAME keeps the documents to look at",
            )


def _found(root: Node, at: str, index: int) -> list[Node]:
    space = root.get("targetNamespace")
    try:
        found = root.getroottree().xpath(at, namespaces={**PREFIXES, **({"tns": space} if space else {})})
    except etree.XPathError as error:
        if "Undefined namespace prefix" in str(error):
            return []  # tns of a document that has none
        raise ConfigError(f"overlay: {at} is no XPath: {error}", field=f"overlay.{index}.at") from error
    if not isinstance(found, list) or not all(etree.iselement(each) for each in found):
        raise ConfigError(f"overlay: {at} finds no elements", field=f"overlay.{index}.at")
    return found


def _correct(node: Node, patch: Patch, index: int) -> None:
    for name, value in patch.set.items():
        if value is None:
            node.attrib.pop(name, None)
        else:
            node.set(name, value)
    if patch.add is not None:
        for position, each in enumerate(_fragment(patch.add, node, index)):
            if local(each.tag) in _FIRST:
                node.insert(position, each)
            else:
                node.append(each)
    if patch.remove and node.getparent() is not None:
        node.getparent().remove(node)


def _fragment(text: str, node: Node, index: int) -> list[Node]:
    """Parse what is added; it may use the prefixes of the place where it goes."""
    known = {**{prefix: space for prefix, space in node.nsmap.items() if prefix}, **PREFIXES}
    declared = "".join(f' xmlns:{prefix}="{space}"' for prefix, space in known.items())
    default = node.nsmap.get(None, namespace(node.tag))
    try:
        return list(parse(f'<added xmlns="{default}"{declared}>{text}</added>'.encode()))
    except BadXml as error:
        raise ConfigError(f"overlay: what is to be added: {error}", field=f"overlay.{index}.add") from None
