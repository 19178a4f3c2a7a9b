"""
Many machines and long nights.

Expand only: programs of version 1 go on working on it, so what is new is a table of its own, or a column that may be null or
has a server default. `tests/unit/test_schema.py` compares it with the metadata, and prints the lines that are missing here.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("task_runs", sa.Column("done_no", sa.Integer()))
    _index("task_runs_done", "task_runs", ["run_id", "done_no"], "done_no > 0")
    op.add_column("ledger", sa.Column("dead", sa.Integer()))
    _index("ledger_dead", "ledger", ["id"], "dead = 1")
    op.create_table(
        "http_answers",
        sa.Column("caller", sa.String(200), primary_key=True),
        sa.Column("key", sa.String(200), primary_key=True),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("began_at", sa.Float(), nullable=False),
        sa.Column("until", sa.Float(), nullable=False),
        sa.Column("status", sa.Integer()),
        sa.Column("headers", sa.Text()),
        sa.Column("body", sa.LargeBinary()),
    )
    op.create_index("http_answers_until", "http_answers", ["until"])
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("agent", sa.String(200), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("scopes", sa.Text()),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("created_by", sa.String(200), nullable=False),
        sa.Column("expires_at", sa.Float()),
        sa.Column("revoked_at", sa.Float()),
        sa.Column("revoked_by", sa.String(200)),
        sa.Column("used_at", sa.Float()),
    )
    op.add_column("runs", sa.Column("parent_item", sa.Integer()))
    op.add_column("runs", sa.Column("untold", sa.Integer()))
    _index("runs_by_parent", "runs", ["parent_run"], "parent_run IS NOT NULL")
    _index("runs_untold", "runs", ["id"], "untold = 1")
    op.add_column("task_runs", sa.Column("child", sa.Text()))
    op.add_column("workers", sa.Column("queues", sa.Text()))
    op.create_table(
        "breakers",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("opened", sa.Integer(), nullable=False),
        sa.Column("until", sa.Float(), nullable=False),
        sa.Column("trying", sa.Float()),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("since", sa.Float(), nullable=False),
    )
    _index("task_runs_ready_on", "task_runs", [sa.text("coalesce(queue, '')"), "due_at"], "state = 'ready'")
    live = (
        "item >= 0 AND state IN ('ready', 'delayed', 'running', 'waiting', 'held', 'parked', 'child', 'child_waits',"
        " 'child_parked')"
    )
    _index("task_runs_live", "task_runs", ["run_id", "state"], live)
    op.create_table(
        "assignments",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("agent", sa.String(200), nullable=False),
        sa.Column("run_id", sa.String(40), nullable=False),
        sa.Column("task", sa.String(200), nullable=False),
        sa.Column("item", sa.Integer()),
        sa.Column("description", sa.Text()),
        sa.Column("input", sa.Text()),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("assigned_at", sa.Float(), nullable=False),
        sa.Column("due_at", sa.Float()),
        sa.Column("answered_by", sa.String(200)),
        sa.Column("answered_at", sa.Float()),
        sa.Column("output", sa.Text()),
        sa.Column("error", sa.Text()),
    )
    op.create_index("assignments_run", "assignments", ["run_id"])
    _index("assignments_open", "assignments", ["agent", "id"], "state = 'open'")
    _claims()


def _claims() -> None:
    op.create_table(
        "claims",
        sa.Column("id", sa.String(100), primary_key=True),
        sa.Column("run_id", sa.String(40)),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("shown_bytes", sa.Integer(), nullable=False),
        sa.Column("plain", sa.Integer(), nullable=False),
        sa.Column("content_type", sa.String(100), nullable=False),
        sa.Column("sealed", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("hidden", sa.Text()),
        sa.Column("pieces", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("removed_at", sa.Float()),
    )
    op.create_index("claims_by_run", "claims", ["run_id"])
    op.create_table(
        "taken",
        sa.Column("claim", sa.String(40), primary_key=True),
        sa.Column("adapter", sa.String(200), nullable=False),
        sa.Column("body", sa.Text()),
        sa.Column("taken_at", sa.Float(), nullable=False),
        sa.Column("outcome", sa.String(20)),
        sa.Column("settled_at", sa.Float()),
    )
    op.create_index("taken_settled", "taken", ["settled_at"])
    op.create_table(
        "claim_pieces",
        sa.Column("claim", sa.String(100), primary_key=True),
        sa.Column("piece", sa.Integer(), primary_key=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
    )


def _index(name: str, table: str, columns: list[str | sa.TextClause], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
