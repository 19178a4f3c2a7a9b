"""What an answer over HTTP means: a body, or one of the five errors, by the phase and the effect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any

from ..core.errors import ConfigError, DrawbarError, OutcomeUnknown, Rejected, Unavailable
from ..core.tool import Effect
from .soap_attachments import Attachment, BadParts, put_back, unpacked
from .soap_http import without_secrets
from .soap_signature import Distrust
from .soap_trees import tree
from .soap_wire import Answer
from .soap_xml import SOAP_11, SOAP_12, BadXml, Node, local, namespace, parse, plain, qualified

_CLIENT = {"Client", "Sender", "MustUnderstand", "VersionMismatch", "DataEncodingUnknown"}
_SERVER = {"Server", "Receiver"}
_REFUSED = {
    "FailedAuthentication",
    "FailedCheck",
    "InvalidSecurity",
    "InvalidSecurityToken",
    "MessageExpired",
    "SecurityTokenUnavailable",
    "UnsupportedAlgorithm",
    "UnsupportedSecurityToken",
}
_CODES = ("code", "Code", "errorCode", "ErrorCode", "faultCode", "FaultCode")
_PASSING = {408, 429, 503}
_XML = ("text/xml", "application/soap+xml")
_ENVELOPES = {f"{{{space}}}Envelope": (f"{{{space}}}Body", f"{{{space}}}Header") for space in (SOAP_11, SOAP_12)}
_FAULTS = {f"{{{space}}}Fault" for space in (SOAP_11, SOAP_12)}
Details = Mapping[str, Callable[[Node], Any]]


def usual_body(answer: Answer) -> Node | None:
    """Give the `Body` of a usual answer that is no fault; None where `body_of` must look."""
    if answer.status != 200 or not _is_usual(answer.headers.get("content-type", "")):
        return None
    envelope = tree(answer.body)
    names = None if envelope is None else _ENVELOPES.get(envelope.tag)
    if envelope is None or names is None or not len(envelope):
        return None
    body = envelope[-1]
    if body.tag != names[0] or any(each.tag != names[1] for each in envelope[:-1]):
        return None
    return None if len(body) and body[0].tag in _FAULTS else body


@lru_cache(64)
def _is_usual(content_type: str) -> bool:
    return content_type.startswith(_XML) and (_charset(content_type) or "utf-8").lower() == "utf-8"


def body_of(
    answer: Answer,
    *,
    effect: Effect,
    details: Details,
    endpoint: str,
    one_way: bool,
    verify: Callable[[Node], None] | None = None,
) -> tuple[Node | None, list[Attachment]]:
    """
    Give the `Body` of a reply and the attachments that it does not name; no body when a one-way operation was taken.

    `verify` looks at the signature of whatever comes in an envelope, faults too. Raises Rejected for a fault that blames the caller, Unavailable and OutcomeUnknown as the design's section 3 says.
    """
    if answer.status in _PASSING:
        raise Unavailable(
            f"{endpoint} answered {answer.status}", retry_after_s=_retry_after(answer.headers.get("retry-after"))
        )
    if one_way and 200 <= answer.status < 300 and not answer.body.strip():
        return None, []
    try:
        answer, attachments = unpacked(answer)
        envelope = parse(answer.body, charset=_charset(answer.headers.get("content-type", "")))
    except (BadXml, BadParts) as error:
        raise _no_envelope(answer, effect, endpoint, f"and what came is no SOAP: {error}") from None
    if local(envelope.tag) != "Envelope" or namespace(envelope.tag) not in {SOAP_11, SOAP_12}:
        raise _no_envelope(answer, effect, endpoint, f"and what came is no SOAP envelope but <{local(envelope.tag)}>")
    beside: list[Attachment] = []
    try:
        if attachments:
            beside = put_back(envelope, attachments)
        if verify is not None:
            verify(envelope)
    except (BadParts, Distrust) as error:
        raise _no_envelope(answer, effect, endpoint, f"and its answer is not taken: {error}") from None
    body = next((child for child in envelope if local(child.tag) == "Body"), None)
    if body is None:
        raise _no_envelope(answer, effect, endpoint, "with an envelope that has no Body")
    first = next(iter(body), None)
    if first is not None and local(first.tag) == "Fault" and namespace(first.tag) in {SOAP_11, SOAP_12}:
        raise _fault(first, effect, details)
    if not 200 <= answer.status < 300:
        raise _no_envelope(answer, effect, endpoint, "with an envelope that holds no fault")
    return body, beside


def _no_envelope(answer: Answer, effect: Effect, endpoint: str, why: str) -> DrawbarError:
    said = f"{endpoint} answered {answer.status} {why}"
    if 300 <= answer.status < 400:
        where = without_secrets(answer.headers.get("location", "elsewhere"))
        return ConfigError(f"{endpoint} leads to {where}, and a call is not sent on", next="set endpoints to that URL")
    if answer.status in {401, 403}:
        return ConfigError(f"{endpoint} refuses the login ({answer.status})", next="look at security")
    if answer.status in {404, 405, 410}:
        return ConfigError(f"{endpoint} answered {answer.status}: there is no service", next="look at endpoints")
    if answer.status == 415:
        return ConfigError(
            f"{endpoint} does not speak this version of SOAP (415)", next="take the other port of the WSDL"
        )
    if 400 <= answer.status < 500:
        return Rejected(said)
    return Unavailable(said) if effect == "read" else OutcomeUnknown(said)


def _fault(fault: Node, effect: Effect, details: Details) -> DrawbarError:
    code, codes, message = _said(fault)
    detail = _detail(fault, details)
    shown = _business_code(codes, detail)
    said = {"code": shown, "message": message, "detail": detail, "faultcode": code}
    text = f"{message or 'the service gave no reason'} ({shown})"
    kinds = {part for each in codes for part in each.split(".")[:1]}
    if kinds & (_CLIENT | _REFUSED):
        return Rejected(text, detail=said)
    return Unavailable(text, detail=said) if effect == "read" else OutcomeUnknown(text, detail=said)


def _said(fault: Node) -> tuple[str, list[str], str]:
    """Give the fault's code, all its codes by their local names (subcodes last), and its text."""
    if namespace(fault.tag) == SOAP_12:
        values = list(fault.iter(f"{{{SOAP_12}}}Value"))
        codes = [local(qualified(each, each.text or "")) for each in values]
        reason = fault.find(f"{{{SOAP_12}}}Reason/{{{SOAP_12}}}Text")
        return (codes or [""])[0], codes, _line(reason)
    named = {local(child.tag): child for child in fault}
    node = named.get("faultcode")
    code = local(qualified(node, node.text or "")) if node is not None else ""
    return code, [code], _line(named.get("faultstring"))


def _line(node: Node | None) -> str:
    return "" if node is None else " ".join("".join(node.itertext()).split())[:2000]


def _detail(fault: Node, details: Details) -> Any:
    """Read the detail by its declared type: its only element's content, or an object of several."""
    node = next((child for child in fault if local(child.tag) in {"detail", "Detail"}), None)
    if node is None:
        return None
    found = [(local(child.tag), details.get(child.tag, plain)(child)) for child in node]
    if not found:
        return (node.text or "").strip() or None
    if len(found) == 1 and isinstance(found[0][1], dict):
        return found[0][1]
    return dict(found)


def _business_code(codes: list[str], detail: Any) -> str:
    """Prefer what the service says to what SOAP says: `Client.ERR-017`, a subcode, or the detail's own code."""
    for code in reversed(codes):
        head, _, rest = code.partition(".")
        if head not in _CLIENT | _SERVER:
            return code
        if rest:
            return rest
    if isinstance(detail, dict):
        own = next((detail[name] for name in _CODES if isinstance(detail.get(name), (str, int))), None)
        if own not in (None, ""):
            return str(own)
    return codes[0] if codes else ""


def _charset(content_type: str) -> str | None:
    for part in content_type.split(";")[1:]:
        name, _, value = part.strip().partition("=")
        if name.lower() == "charset":
            return value.strip("\"' ") or None
    return None


def _retry_after(text: str | None) -> float | None:
    """Read Retry-After in seconds; RFC 9110 also allows a date."""
    if not text:
        return None
    try:
        return max(float(text), 0.0)
    except ValueError:
        pass
    try:
        return max((parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return None
