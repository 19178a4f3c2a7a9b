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


def _index(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
