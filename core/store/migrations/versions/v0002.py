"""
Many machines and long nights.

Expand only: programs of version 1 go on working on it, so what is new is a table of its own, or a column that may be null or
has a server default.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    # The tables and columns of version 2 are added here, and to the metadata; a test compares the two.
    _ = (sa, op)
