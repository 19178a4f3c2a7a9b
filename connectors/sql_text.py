"""Read configured SQL: its parameters (never those in quotes, comments or casts), and what it answers."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from ..core.errors import ConfigError

READ_ONLY = frozenset({"postgresql", "mysql", "mariadb", "sqlite", "firebird", "oracle"})
"""The databases that know a transaction which cannot write."""
READ_VERBS = frozenset({"select", "with", "values", "table", "show", "explain", "describe", "desc", "pragma"})
_TOKEN = re.compile(
    r"""
      (?P<skip> '(?:[^']|'')*' | "(?:[^"]|"")*" | `[^`]*`
              | (?P<tag>\$[A-Za-z_]?\w*\$).*?(?P=tag)
              | --[^\n]* | /\*.*?\*/ )
    | (?P<cast> ::+ )
    | (?<![\w:\\]):(?P<name>[A-Za-z_]\w*)
    """,
    re.VERBOSE | re.DOTALL,
)
# Where a backslash escapes a quote (MySQL), 'it\'s :x' is one literal.
_TOKEN_MYSQL = re.compile(_TOKEN.pattern.replace("'(?:[^']|'')*'", r"'(?:[^'\\]|''|\\.)*'", 1), re.VERBOSE | re.DOTALL)
GLOT = {"postgresql": "postgres", "mssql": "tsql", "mariadb": "mysql", "firebird": "", "db2": "", "ibm_db_sa": ""}
# Plain columns of one table, and nothing after them that could bring others.
_PLAIN = re.compile(
    r"""(?isx) select \s+ (?P<columns> \* | (?!distinct\b|all\b)\w+ (?: \s*,\s* \w+ )* ) \s+ from \s+ (?P<table> \w+ )
    (?: \s+ (?: where | order | limit ) \b (?! .* \b (?: union | intersect | except ) \b ) .* )?"""
)


@dataclass(frozen=True, slots=True)
class Text:
    """A statement's text in the form of SQLAlchemy's `text()`, and the names of its parameters."""

    sql: str
    bound: str
    parameters: frozenset[str]

    @property
    def verb(self) -> str:
        """The first word that does something, in lower case."""
        bare = re.sub(r"--[^\n]*|/\*.*?\*/", " ", self.sql, flags=re.DOTALL).lstrip(" \t\r\n(")
        found = re.match(r"\w+", bare)
        return found.group().lower() if found else ""


def parse(sql: str, dialect: str, lists: Collection[str] = ()) -> Text:
    """
    Find `:name` parameters; `lists` are those of `in (:name)`.

    Raises ConfigError for a second statement after a semicolon.
    """
    pattern = _TOKEN_MYSQL if dialect in {"mysql", "mariadb"} else _TOKEN
    sql = sql.strip().rstrip(";").rstrip()
    names: set[str] = set()
    out: list[str] = []
    at = 0
    for match in pattern.finditer(sql):
        out.append(_literal(sql[at : match.start()], sql))
        at = match.end()
        if (name := match["name"]) is None:
            out.append(_escaped(match.group()))
            continue
        names.add(name)
        if name in lists and (inside := re.match(r"\s*\)", sql[at:])) and (opened := _opens(out)) is not None:
            out[-1] = opened
            at += inside.end()
        out.append(f":{name}")
    out.append(_literal(sql[at:], sql))
    return Text(sql, "".join(out), frozenset(names))


def code_of(text: Text, dialect: str) -> str:
    """Give the text without what stands in quotes and comments."""
    pattern = _TOKEN_MYSQL if dialect in {"mysql", "mariadb"} else _TOKEN
    return pattern.sub(lambda match: " " if match["skip"] else match.group(), text.sql)


def _opens(out: list[str]) -> str | None:
    """Cut the bracket of `in (`, because a list brings its own."""
    return out[-1].rstrip()[:-1] if out and out[-1].rstrip().endswith("(") else None


def _escaped(text: str) -> str:
    return text.replace(":", "\\:")


def _literal(text: str, sql: str) -> str:
    if ";" in text:
        raise ConfigError(f"one statement at a time, this has more: {sql[:80]!r}", field="sql")
    return _escaped(text)


def counting(text: Text, dialect: str) -> str | None:
    """Make `SELECT count(*)` with the same WHERE out of an UPDATE or DELETE; None for other statements."""
    if text.verb not in {"update", "delete"}:
        return None
    import sqlglot
    from sqlglot import exp

    glot = GLOT.get(dialect, dialect)
    try:
        tree = sqlglot.parse_one(text.sql, dialect=glot)
    except (sqlglot.errors.SqlglotError, ValueError):
        return None
    if not isinstance(tree, (exp.Update, exp.Delete)) or tree.args.get("from_") or tree.args.get("using"):
        return None
    table = tree.this
    if not isinstance(table, exp.Table) or table.args.get("joins"):
        return None
    query = exp.select("count(*)").from_(table.copy())
    if (where := tree.args.get("where")) is not None:
        query = query.where(where.this.copy())
    for placeholder in list(query.find_all(exp.Placeholder)):
        placeholder.replace(exp.Var(this=f":{placeholder.name}"))  # each dialect has its own spelling, ours is one
    return query.sql(dialect=glot)


def projections(text: Text, dialect: str) -> Iterator[tuple[str, str, str]]:
    """
    Give (name, table, column) of each result column that is a plain column of a named table.

    Nothing for what the parser does not know: the statement's answer is described less then, not refused.
    """
    if (plain := _PLAIN.fullmatch(text.sql)) is not None:
        for name in re.split(r"\s*,\s*", plain["columns"]):
            yield name, plain["table"], name
        return
    import sqlglot
    from sqlglot import exp

    try:
        tree: Any = sqlglot.parse_one(text.sql, dialect=GLOT.get(dialect, dialect))
    except (sqlglot.errors.SqlglotError, ValueError):
        return
    if not isinstance(tree, exp.Select):
        return
    tables = {table.alias_or_name: table.name for table in tree.find_all(exp.Table)}
    only = next(iter(tables.values())) if len(tables) == 1 else None
    for projection in tree.expressions:
        inner = projection.this if isinstance(projection, exp.Alias) else projection
        if isinstance(inner, exp.Star) and only:
            yield "*", only, "*"
        elif isinstance(inner, exp.Column):
            table = tables.get(inner.table) if inner.table else only
            if table:
                yield projection.alias_or_name, table, inner.name
