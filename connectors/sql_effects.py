"""Find what in a configured statement could have an effect, so that `effect: read` is what it says."""

from __future__ import annotations

import re

from ..core.errors import ConfigError
from .sql_text import GLOT, Text, code_of

_WRITES = frozenset(
    [
        "insert",
        "update",
        "delete",
        "merge",
        "replace",
        "upsert",
        "create",
        "alter",
        "drop",
        "truncate",
        "grant",
        "revoke",
        "call",
        "exec",
        "execute",
        "do",
        "copy",
        "lock",
        "vacuum",
        "reindex",
        "load",
        "rename",
        "comment",
        "analyze",
        "refresh",
        "set",
    ]
)
_PASS_THROUGH = frozenset({"openquery", "openrowset", "opendatasource"})
"""What takes a text and runs it elsewhere (SQL Server)."""
# Where a statement ends by a semicolon alone, one without any of these words writes nothing: the parser, which takes a tenth of
# a second and 15 MB to load, is asked about the others.
_SEPARATED = frozenset({"postgresql", "mysql", "mariadb", "sqlite", "oracle"})
_HARMFUL = re.compile(rf"(?i)\b(?:{'|'.join(sorted({*_WRITES, 'into', 'share'}))})\b")
# What a read-only transaction lets through: it keeps its promise for tables alone.
_LOCKS = re.compile(r"(?i)\b(?:for\s+(?:no\s+key\s+|key\s+)?(?:update|share)|lock\s+in\s+share\s+mode|with\s+lock)\b")
_OUTSIDE: dict[str, re.Pattern[str]] = {
    dialect: re.compile(rf"(?i)(?:{words})")
    for dialect, words in {
        "postgresql": r"\b(?:dblink\w*|lo_export|lo_import|pg_terminate_backend|pg_cancel_backend|pg_reload_conf"
        r"|pg_rotate_logfile|pg_switch_wal|pg_promote|pg_notify|pg_(?:try_)?advisory_\w+|pg_create_restore_point"
        r"|pg_backup_\w+|pg_file_\w+|pg_stat_reset\w*|pg_replication_\w+|pg_logical_\w+|set_config)\s*\(",
        "mysql": r"\binto\s+(?:outfile|dumpfile|@)|\b(?:get_lock|release_lock|release_all_locks|nextval|setval|lastval"
        r"|sys_exec|sys_eval|load_file)\s*\(|\bnext\s+value\s+for\b|:=",
        "sqlite": r"\b(?:load_extension|writefile|edit|fts3_tokenizer)\s*\(",
        "firebird": r"\bnext\s+value\s+for\b|\bgen_id\s*\((?!\s*[\w$]+\s*,\s*0\s*\))|\brdb\$set_context\s*\(",
        "oracle": r"\.\s*nextval\b|\b(?:dbms|utl)_\w+",
        "mssql": r"\bnext\s+value\s+for\b|\b(?:xp|sp)_\w+",
        "db2": r"\bnext\s+value\s+for\b|\.\s*nextval\b",
    }.items()
}
# SQL Server needs no semicolon between two statements, and none of these may be a name there without brackets.
_RESERVED = re.compile(
    r"(?i)\b(?:insert|update|delete|merge|create|alter|drop|truncate|grant|revoke|deny|exec|execute|into|backup|restore|dbcc"
    r"|kill|shutdown|waitfor|bulk|reconfigure|writetext|updatetext|use|set)\b"
)
_EXECUTED = re.compile(r"/\*M?!")
_PRAGMAS = frozenset(
    {
        "table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo", "foreign_key_list",
        "foreign_key_check", "integrity_check", "quick_check", "database_list", "collation_list", "function_list",
        "module_list", "pragma_list", "compile_options",
    }
)  # fmt: skip
"""Those that take a word in brackets and change nothing; without one, and without =, each only shows."""
_NAMES = {"mariadb": "mysql", "ibm_db_sa": "db2", "postgres": "postgresql"}


def leaks(text: Text, dialect: str) -> str | None:
    """Name what in a reading statement has an effect that a read-only transaction does not stop; None when nothing has."""
    dialect = _NAMES.get(dialect, dialect)
    code = code_of(text, dialect)
    if dialect == "mssql":
        code = re.sub(r"\[[^\]]*\]", " ", code)
    if dialect == "mysql" and _EXECUTED.search(text.sql):
        return "a comment that is executed"
    if text.verb == "pragma":
        return _pragma(code)
    if text.verb in {"explain", "describe", "desc"} and (found := _HARMFUL.search(_explained(code))) is not None:
        return " ".join(found.group().lower().split())
    for pattern in (_LOCKS, _OUTSIDE.get(dialect), _RESERVED if dialect == "mssql" else None):
        if pattern is not None and (found := pattern.search(code)) is not None:
            return " ".join(found.group().lower().split()).rstrip(" (")
    return None


def _explained(code: str) -> str:
    """Give what an EXPLAIN would run; nothing where it runs nothing."""
    found = re.search(r"(?i)\banaly[sz]e\b", code)
    return code[found.end() :] if found else ""


def _pragma(code: str) -> str | None:
    found = re.match(r"(?is)\s*pragma\s+(?:\w+\s*\.\s*)?(\w+)\s*(.*)", code)
    if found is None:
        return "pragma"
    name, rest = found[1].lower(), found[2].strip()
    shows = not rest and name not in {"wal_checkpoint", "optimize", "shrink_memory", "incremental_vacuum"}
    return None if shows or (name in _PRAGMAS and rest.startswith("(")) else f"pragma {name}"


def writes(text: Text, dialect: str) -> str | None:
    """Name what in a statement could write, by its parse tree; None when nothing can. What cannot be parsed can write."""
    if text.verb in _WRITES:
        return text.verb
    if text.verb in {"select", "with"} and dialect in _SEPARATED and not _HARMFUL.search(text.sql):
        return None
    try:
        import sqlglot
        from sqlglot import exp
    except ModuleNotFoundError as missing:
        said = "whether a statement could write is read by sqlglot, which is not installed"
        raise ConfigError(said, next="pip install 'drawbar[sql]'") from missing
    try:
        trees = sqlglot.parse(text.sql, dialect=GLOT.get(dialect, dialect))
    except (sqlglot.errors.SqlglotError, ValueError):
        return "something that the parser does not know"
    kinds = (exp.DML, exp.DDL, exp.Command, exp.Into, exp.Lock, exp.Merge)
    for tree in trees:
        if not isinstance(tree, exp.Query):
            return text.verb or "an empty statement"
        for node in tree.walk():
            if isinstance(node, kinds) and not isinstance(node, exp.Query):
                return node.key
            if isinstance(node, exp.Anonymous) and node.name.lower() in _PASS_THROUGH:
                return node.name.lower()
    return None
