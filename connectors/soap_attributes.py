"""The attributes of an element, written in its start tag."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import soap_names, soap_scalars
from .soap_content import Fill, Unfit
from .soap_scalars import BadValue
from .soap_text import escaped, quoted
from .soap_types import ATTRIBUTES_KEY, TEXT_KEY, Attribute, Complex, Simple
from .soap_xml import local, namespace


def attributes(kind: Complex, named: Callable[[str], str]) -> Callable[[Any], str] | None:
    """Make what writes the attributes of a type; None where it has none. `named` gives a tag with its prefix."""
    known = [
        (
            each,
            named(each.tag),
            _in_attribute(each, at),
            None if each.fixed is None else soap_scalars.equals(each.type, each.fixed),
        )
        for at, each in enumerate(kind.attributes)
    ]
    if not known and not kind.any_attributes:
        return None
    return lambda value: "".join(_one_attribute(value, *each) for each in known) + _free_attributes(value)


def _one_attribute(
    value: Any, each: Attribute, name: str, text: Callable[[Any, str], str], is_it: Callable[[Any], bool] | None
) -> str:
    given = value.get(each.key)
    if given is None:
        given = each.fixed if each.required else None
    if given is None:
        if each.required and each.default is None:
            raise Unfit("it is missing", each.key)
        return ""
    if is_it is not None and not is_it(given):
        raise Unfit(f"it is always {each.fixed}", each.key)
    try:
        return text(given, name)
    except BadValue as error:
        raise Unfit(str(error), each.key) from None


def _in_attribute(each: Attribute, at: int) -> Callable[[Any, str], str]:
    """Give what writes the value of an attribute with its name; the prefixes of names are declared beside it."""
    if not soap_names.is_name(each.type):
        text = soap_scalars.writer(each.type)
        return lambda value, name: f' {name}="{quoted(text(value))}"'
    names = soap_names.writer(each.type)

    def write(value: Any, name: str) -> str:
        declared, said = names(value, f"q{at}_")
        return f'{declared} {name}="{quoted(said)}"'

    return write


def named_text(kind: Simple, others: Callable[[Any], str] | None) -> tuple[Callable[[Any], str], Fill]:
    """Write names that have attributes: their prefixes are declared among these."""
    text = soap_names.writer(kind)

    def said(value: Any) -> tuple[str, str]:
        try:
            declared, plain = text(value[TEXT_KEY], "q")
            return declared, escaped(plain)
        except KeyError:
            raise Unfit("it is missing", TEXT_KEY) from None
        except BadValue as error:
            raise Unfit(str(error), TEXT_KEY) from None

    return (
        lambda value: said(value)[0] + ("" if others is None else others(value)),
        lambda value, out: out.append(said(value)[1]),
    )


def _free_attributes(value: Any) -> str:
    given = value.get(ATTRIBUTES_KEY) or {}
    said = ""
    for index, (name, text) in enumerate(given.items()):
        space = namespace(name)
        if not all(c.isalnum() or c in "_.-" for c in local(name)):
            raise Unfit(f"{name!r} is no name of an attribute", ATTRIBUTES_KEY)
        mark = f' xmlns:a{index}="{quoted(space)}" a{index}:' if space else " "
        said += f'{mark}{local(name)}="{quoted(str(text))}"'
    return said
