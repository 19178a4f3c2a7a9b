"""A first configuration, written from what is found: it works as it stands, and proposes effects in comments only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from ..core.adapter import Place, find
from ..core.errors import DrawbarError
from ..core.tool import Tool
from .secrets import secrets_in

HEADER = """\
# yaml-language-server: $schema=./drawbar.schema.json
# (written by `drawbar schema > drawbar.schema.json`; an editor then knows every key)
version: 1
state: sqlite:///drawbar.db
"""
_HELLO = """
workflows:
  hello:
    description: A workflow without tasks succeeds at once; `drawbar run hello` tries it.
"""
_READS = re.compile(r"^(get|find|list|read|search|query|lookup|fetch|check|count|show|is|has)", re.IGNORECASE)
_PLAIN = re.compile(r"[A-Za-z./][\w./:?=&%+-]*(?<!:)")
_DATABASES = (".db", ".sqlite", ".sqlite3")


@dataclass
class Proposal:
    """The text of the file, what was found, what failed, and which variables must be exported."""

    text: str = ""
    found: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    exports: list[str] = field(default_factory=list)


def propose(
    folder: Path,
    *,
    wsdl: str | None = None,
    database: str | None = None,
    sftp: str | None = None,
    amqp: str | None = None,
) -> Proposal:
    """Look at what is named, or, where nothing is, at the WSDLs and SQLite files of a folder."""
    made = Proposal()
    blocks: list[str] = []
    wanted = [("soap", wsdl), ("sql", database), ("sftp", sftp), ("amqp", amqp)]
    named = [(kind, url) for kind, url in wanted if url] or list(_lying_about(folder))
    taken: set[str] = set()
    for kind, url in named:
        name = _name(kind, url, taken)
        blocks.append("\n".join(_WRITERS[kind](name, url, folder, made)))
    adapters = "\nadapters:\n" + "\n\n".join(blocks) + "\n" if blocks else ""
    made.text = HEADER + adapters + _HELLO
    return made


def _lying_about(folder: Path) -> Iterator[tuple[str, str]]:
    for file in sorted(folder.iterdir()):
        if file.suffix == ".wsdl":
            yield "soap", f"./{file.name}"
        elif file.suffix in _DATABASES and not file.name.startswith("drawbar"):
            yield "sql", f"sqlite:///{file.name}"


def _name(kind: str, url: str, taken: set[str]) -> str:
    """Name a system after its file, database or host."""
    parts = urlsplit(url)
    last = parts.path.rstrip("/").rpartition("/")[2].partition(".")[0]
    word = last if kind in {"soap", "sql"} else (parts.hostname or "").partition(".")[0]
    word = re.sub(r"[^A-Za-z0-9_]", "_", word).strip("_").lower()
    usual = {"soap": "service", "sql": "database", "sftp": "drop", "amqp": "events"}[kind]
    name = word if re.match(r"[a-z]", word) and word not in {"localhost", "wsdl"} else usual
    while name in taken:
        name += "_2"
    taken.add(name)
    return name


def _quoted(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in {"true", "false", "null", "y", "n", "yes", "no", "on", "off"}:
        return text
    return "'" + text.replace("'", "''") + "'"


def _secret(name: str, what: str, value: str, made: Proposal) -> str:
    """Give a value as it may stand in a file: what holds a password becomes a reference."""
    if not secrets_in(value, "password" if "://" not in value else "url"):
        return _quoted(value)
    variable = f"{name}_{what}".upper()
    made.exports.append(variable)
    return f"${{env:{variable}}}"


def _soap(name: str, url: str, folder: Path, made: Proposal) -> Iterator[str]:
    yield f"  {name}:"
    yield "    kind: soap"
    yield f"    wsdl: {_quoted(url)}"
    operations = [tool.name for tool in _derived(name, {"kind": "soap", "wsdl": url}, folder, made)]
    if not operations:
        return
    made.found.append(f"{name}: {len(operations)} operations")
    reads = [one for one in operations if _READS.match(one.rpartition(".")[2])]
    yield "    # Every operation is a write until you say otherwise. By their names these only read; make sure, then uncomment:"
    yield "    # effects:"
    for one in reads or operations[:1]:
        yield f"    #   {one}: read"
    yield "    # All of them: " + ", ".join(operations[:40]) + (" ..." if len(operations) > 40 else "")


def _sql(name: str, url: str, folder: Path, made: Proposal) -> Iterator[str]:
    from ..connectors.sql_survey import survey

    yield f"  {name}:"
    yield "    kind: sql"
    yield f"    url: {_secret(name, 'url', url, made)}"
    try:
        tables = survey(url, base=folder)
    except DrawbarError as error:
        made.failed.append(f"{name}: {error.message}")
        return
    made.found.append(f"{name}: {len(tables)} tables and views")
    if tables:
        yield "    tables:"
    for table in tables:
        entry = re.sub(r"\W", "_", table.name)
        entry = entry if not entry[:1].isdigit() else f"t_{entry}"
        said = [f"table: {_quoted(table.name)}"] if entry != table.name else []
        said += [f"key: [{', '.join(map(_quoted, table.key))}]"] if table.key else []
        hint = "" if table.is_view or not table.key else "   # insert: true, upsert: true, update: true"
        yield f"      {entry}: {{ {', '.join([*said, 'read: true'])} }}{hint}"
    yield "    # Statements of your own, typed and named; without `effect: read` one is a write:"
    yield "    # statements:"
    yield "    #   find_one: { sql: select * from t where id = :id, parameters: { id: { type: integer } }, effect: read }"


def _sftp(name: str, url: str, folder: Path, made: Proposal) -> Iterator[str]:
    parts = urlsplit(url if "://" in url else f"sftp://{url}")
    yield f"  {name}:"
    yield "    kind: sftp"
    yield f"    host: {_quoted(parts.hostname or 'files.example.com')}"
    if parts.port:
        yield f"    port: {parts.port}"
    yield f"    username: {_quoted(parts.username or 'drawbar')}"
    if parts.password:
        yield f"    password: {_secret(name, 'password', parts.password, made)}"
    else:
        yield "    private_key_file: ${env:HOME}/.ssh/id_ed25519"
    yield "    known_hosts: ${env:HOME}/.ssh/known_hosts"
    yield f"    root: {_quoted(parts.path or '/')}"
    yield "    # A feed is a file drop with a contract; its tools are list_, read_, write_ and stat_<feed>:"
    yield "    # feeds:"
    yield '    #   orders: { pattern: "*.csv", ready: { stable_s: 5 }, after: archive, format: { kind: csv } }'
    made.found.append(f"{name}: an SFTP server; `drawbar check {name}` tries it")


def _amqp(name: str, url: str, folder: Path, made: Proposal) -> Iterator[str]:
    yield f"  {name}:"
    yield "    kind: amqp"
    yield f"    url: {_secret(name, 'url', url, made)}"
    yield "    # Publishing is a write; consuming starts runs. Name your exchanges and queues:"
    yield "    # publish:"
    yield '    #   order_changed: { exchange: orders, routing_key: "order.${{ arguments.body.id }}" }'
    yield "    # consume:"
    yield "    #   incoming: { queue: orders.in }"
    made.found.append(f"{name}: an AMQP broker; `drawbar check {name}` tries it")


_WRITERS = {"soap": _soap, "sql": _sql, "sftp": _sftp, "amqp": _amqp}


def _derived(name: str, given: dict[str, str], folder: Path, made: Proposal) -> list[Tool]:
    """Open the system for its tools; a failure is told, and the file is written all the same."""
    try:
        kind = find(given["kind"])
        adapter = kind(name, kind.Config.model_validate(given), Place(folder, folder))
    except (DrawbarError, ValueError) as error:
        made.failed.append(f"{name}: {error}")
        return []
    try:
        return list(adapter.tools())
    except DrawbarError as error:
        made.failed.append(f"{name}: {error.message}")
        return []
    finally:
        adapter.close()
