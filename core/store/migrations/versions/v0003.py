"""
The gateway.

Expand only: programs of version 2 go on working on it, so what is new is a table of its own, or a column that may be null or
has a server default. `tests/unit/test_schema.py` compares it with the metadata, and prints the lines that are missing here.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    _agents()
    _documents()
    op.add_column("runs", sa.Column("trace", sa.Text()))
    op.add_column("claims", sa.Column("entry", sa.String(200)))
    _audit()
    _allowances()
    _syncs()
    _drops()
    _narrower()


def _narrower() -> None:
    """Indexes of what is open instead of all there is, and SQLite's events without a page for their last number."""
    parked = sa.text("state = 'parked'")
    op.create_index("task_runs_unknown", "task_runs", ["intent"], sqlite_where=parked, postgresql_where=parked)
    op.drop_index("task_runs_intent", "task_runs")
    calls = sa.text("state = 'intent' AND (run_id IS NULL OR dead = 1)")
    op.create_index("ledger_calls", "ledger", ["expires_at"], sqlite_where=calls, postgresql_where=calls)
    op.drop_index("ledger_intent", "ledger")
    if op.get_bind().dialect.name == "sqlite":
        _events_by_rowid()


def _events_by_rowid() -> None:
    names = "id, seq, run_id, type, task, item, body, at"
    op.rename_table("events", "events_before")
    for index in ("events_by_run", "events_seq", "events_unnumbered"):
        op.drop_index(index, "events_before")
    op.create_table(
        "events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("task", sa.Text(), nullable=True),
        sa.Column("item", sa.Integer(), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.execute(f"INSERT INTO events ({names}) SELECT {names} FROM events_before")
    op.execute(  # the last number that was given, where its event is gone
        "INSERT INTO events (id, type, at) SELECT seq, 'journal.migrated', CAST(strftime('%s', 'now') AS REAL) FROM sqlite_sequence"
        " WHERE name = 'events_before' AND seq > (SELECT COALESCE(MAX(id), 0) FROM events)"
    )
    op.drop_table("events_before")
    op.create_index("events_by_run", "events", ["run_id", "id"], unique=False)
    numbered, never = sa.text("seq IS NOT NULL"), sa.text("seq IS NULL AND id < 0")
    op.create_index("events_seq", "events", ["seq"], unique=True, sqlite_where=numbered)
    op.create_index("events_unnumbered", "events", ["id"], unique=False, sqlite_where=never)


def _syncs() -> None:
    op.add_column("sync_runs", sa.Column("report", sa.Text()))
    op.add_column("sync_state", sa.Column("promise", sa.Text()))
    op.add_column("sync_state", sa.Column("seen", sa.Text()))


def _audit() -> None:
    op.create_table(
        "audit_blocks",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("origin", sa.String(40), nullable=False),
        sa.Column("signer", sa.String(16), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("payload", sa.Text()),
        sa.Column("erased", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("chain", sa.String(40)),
        sa.Column("no", sa.Integer()),
        sa.Column("link", sa.String(64)),
    )
    here, there = sa.text("chain IS NULL AND no < 0"), sa.text("chain IS NULL")
    op.create_index("audit_unlinked", "audit_blocks", ["id"], sqlite_where=here, postgresql_where=there)
    op.create_index("audit_linked", "audit_blocks", ["chain", "no"])
    op.create_table(
        "audit_chains",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("number", sa.Integer(), nullable=False, unique=True),
        sa.Column("signer", sa.String(16), nullable=False),
        sa.Column("host", sa.String(200), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("began_at", sa.Float(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("link", sa.String(64), nullable=False),
        sa.Column("cut", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("cut_link", sa.String(64), nullable=False),
        sa.Column("sealed", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("digest", sa.String(64), nullable=False),
    )
    op.create_table(
        "audit_seals",
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("signer", sa.String(16), nullable=False),
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
    )


def _allowances() -> None:
    op.create_table(
        "allowances",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("slot", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("spent", sa.Integer(), nullable=False),
        sa.Column("until", sa.Float(), nullable=False),
    )
    op.create_index("allowances_until", "allowances", ["until"])


def _agents() -> None:
    op.create_table(
        "agent_steps",
        sa.Column("run_id", sa.String(40), primary_key=True),
        sa.Column("task", sa.String(200), primary_key=True),
        sa.Column("item", sa.Integer(), primary_key=True),
        sa.Column("no", sa.Integer(), primary_key=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("input_tokens", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("output_tokens", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("cost", sa.Text()),
        sa.Column("at", sa.Float(), nullable=False),
        sqlite_with_rowid=False,
    )


def _documents() -> None:
    op.add_column("documents", sa.Column("bytes", sa.Integer()))
    op.create_index("documents_size", "documents", ["scope", "bytes"])
    op.create_table(
        "document_versions",
        sa.Column("scope", sa.Text(), primary_key=True),
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("version", sa.Integer(), primary_key=True),
        sa.Column("body", sa.Text()),
        sa.Column("changed_at", sa.Float(), nullable=False),
        sa.Column("changed_by", sa.Text()),
        sqlite_with_rowid=False,
    )
    op.create_index("document_versions_at", "document_versions", ["changed_at"])


def _drops() -> None:
    op.create_table(
        "drop_notes",
        sa.Column("feed", sa.Text(), primary_key=True),
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("mark", sa.Text(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("owner", sa.Text()),
        sa.Column("lease_until", sa.Float()),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("reason", sa.Text()),
        sa.Column("changed_at", sa.Float(), nullable=False),
    )
    op.create_table(
        "drop_arrivals",
        sa.Column("feed", sa.Text(), primary_key=True),
        sa.Column("identity", sa.String(64), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("place", sa.Text()),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("file_at", sa.Float(), nullable=False),
    )
    op.create_index("drop_arrivals_name", "drop_arrivals", ["feed", "name"])
    op.create_index("drop_arrivals_sha256", "drop_arrivals", ["feed", "sha256"])
    op.create_index("drop_arrivals_at", "drop_arrivals", ["feed", "at"])
    op.create_table(
        "drop_lates",
        sa.Column("feed", sa.Text(), primary_key=True),
        sa.Column("day", sa.String(10), primary_key=True),
        sa.Column("told_at", sa.Float(), nullable=False),
        sa.Column("came_at", sa.Float()),
    )
