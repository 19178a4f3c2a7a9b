"""
Attachments: MTOM/XOP and SOAP with attachments, out and in.

An envelope that has some travels as multipart/related (RFC 2387). What comes is put back where the envelope refers to it
(`xop:Include`, `cid:`), as base64, so that whoever reads the envelope sees what would have stood in it.
"""

from __future__ import annotations

import base64
import binascii
import quopri
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.message import Message
from urllib.parse import unquote

from .soap_wire import Answer
from .soap_xml import Node

XOP = "http://www.w3.org/2004/08/xop/include"
_INCLUDE = f"{{{XOP}}}Include"
_MOST_PARTS = 1000
_MAX_HEAD = 16_384


class BadParts(ValueError):
    """What came is no multipart that can be read; the message says why."""


@dataclass(frozen=True, slots=True)
class Attachment:
    content_id: str
    content_type: str
    body: bytes


class Outgoing(list[str]):
    """The text of an envelope as it is written, with what travels beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.attachments: list[Attachment] = []

    def attach(self, body: bytes, name: str = "", kind: str = "application/octet-stream") -> str:
        """Take a part; give the address by which the envelope refers to it."""
        content_id = f"{name}{'=' if name else ''}{secrets.token_hex(12)}@drawbar"
        self.attachments.append(Attachment(content_id, kind, body))
        return f"cid:{content_id}"


def packed(envelope: bytes, http_headers: str, attachments: list[Attachment], *, xop: bool) -> tuple[bytes, str]:
    """Give the body and the header lines of a request with attachments; `http_headers` are those of the bare envelope."""
    boundary = f"drawbar-{secrets.token_hex(16)}"
    lines = dict(line.split(": ", 1) for line in http_headers.splitlines())
    own = lines.pop("Content-Type")
    kind, _, rest = own.partition(";")
    action = next((each for each in rest.split(";") if each.strip().startswith("action=")), "")
    inner = f'application/xop+xml; charset=utf-8; type="{kind}{_inside(action)}"' if xop else own
    start_info = f'; start-info="{kind}"' if xop else ""
    of = "application/xop+xml" if xop else kind
    said = f'multipart/related; type="{of}"; boundary="{boundary}"; start="<envelope@drawbar>"{start_info}'
    parts = [_part(boundary, inner, "envelope@drawbar", envelope, encoding="8bit")]
    parts += [_part(boundary, each.content_type, each.content_id, each.body) for each in attachments]
    body = b"".join(parts) + f"\r\n--{boundary}--\r\n".encode()
    headers = {"Content-Type": said + (f";{action}" if action else ""), "MIME-Version": "1.0", **lines}
    return body, "".join(f"{name}: {value}\r\n" for name, value in headers.items())


def _inside(action: str) -> str:
    return f";{action}".replace('"', '\\"') if action else ""


def _part(boundary: str, kind: str, content_id: str, body: bytes, encoding: str = "binary") -> bytes:
    head = f"\r\n--{boundary}\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\nContent-ID: <{content_id}>\r\n\r\n"
    return head.encode() + body


def unpacked(answer: Answer) -> tuple[Answer, dict[str, Attachment]]:
    """Give the answer with its root part alone, and its attachments by their ids. Raises BadParts."""
    said = answer.headers.get("content-type", "")
    if not said.lower().lstrip().startswith("multipart/"):
        return answer, {}
    kind = _header(said)
    boundary = kind.get_param("boundary")
    if not isinstance(boundary, str) or not boundary:
        raise BadParts("its multipart names no boundary")
    parts = [_read(each) for each in _split(answer.body, boundary.encode("latin-1", "replace"))]
    if not parts:
        raise BadParts("its multipart has no part")
    start = str(kind.get_param("start") or "").strip("<>")
    root = next((each for each in parts if start and each.content_id == start), parts[0])
    inner = replace(answer, headers={**answer.headers, "content-type": root.content_type}, body=root.body)
    return inner, {each.content_id: each for each in parts if each is not root}


def _split(body: bytes, boundary: bytes) -> list[bytes]:
    mark = b"--" + boundary
    at = 0 if body.startswith(mark) else body.find(b"\n" + mark) + 1
    if at == 0 and not body.startswith(mark):
        raise BadParts("its multipart does not begin with its boundary")
    found: list[bytes] = []
    while not body.startswith(mark + b"--", at):
        begins = body.find(b"\n", at) + 1
        ends = body.find(b"\n" + mark, begins - 1)
        if begins == 0 or ends < 0:
            raise BadParts("its multipart is cut off")
        found.append(body[begins : max(ends - (body[ends - 1 : ends] == b"\r"), begins)])
        if len(found) > _MOST_PARTS:
            raise BadParts(f"its multipart has more than {_MOST_PARTS} parts")
        at = ends + 1
    return found


def _read(part: bytes) -> Attachment:
    for mark in (b"\r\n\r\n", b"\n\n"):
        head, found, body = part.partition(mark)
        if found and len(head) <= _MAX_HEAD:
            break
    else:
        raise BadParts("a part of its multipart has no head")
    lines: dict[str, str] = {}
    name = ""
    for line in head.decode("latin-1").splitlines():
        if line[:1] in {" ", "\t"} and name:
            lines[name] += f" {line.strip()}"
        else:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            lines[name] = value.strip()
    encoding = lines.get("content-transfer-encoding", "binary").lower()
    try:
        plain = base64.b64decode(body) if encoding == "base64" else quopri.decodestring(body) if encoding == "quoted-printable" else body  # fmt: skip
    except binascii.Error as error:
        raise BadParts(f"a part of its multipart is no base64: {error}") from None
    return Attachment(
        lines.get("content-id", "").strip("<>"), lines.get("content-type", "application/octet-stream"), plain
    )


def _header(text: str) -> Message:
    said = Message()
    said["Content-Type"] = text
    return said


def put_back(envelope: Node, attachments: Mapping[str, Attachment]) -> list[Attachment]:
    """Put attachments where the envelope refers to them; give those that it does not name. Raises BadParts."""
    left = dict(attachments)
    for node in list(envelope.iter(_INCLUDE)):
        found = attachments.get(_named(node.get("href", "")))
        parent = node.getparent()
        if found is None or parent is None:
            raise BadParts(f"it refers to {node.get('href')}, which did not come")
        left.pop(found.content_id, None)
        parent.remove(node)
        parent.text = base64.b64encode(found.body).decode()
    if left:
        for node in envelope.iter():
            said = (node.text or "").strip() if isinstance(node.tag, str) else ""
            href = node.get("href") or "" if not said and isinstance(node.tag, str) else ""
            for text in (said, href):
                if text.startswith("cid:") and (found := attachments.get(_named(text))) is not None:
                    left.pop(found.content_id, None)
                    node.attrib.pop("href", None)
                    node.text = base64.b64encode(found.body).decode()
    return list(left.values())


def _named(href: str) -> str:
    return unquote(href.strip().removeprefix("cid:"))
