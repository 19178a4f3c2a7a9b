"""
The gateway.

Expand only: programs of version 2 go on working on it, so what is new is a table of its own, or a column that may be null or
has a server default. `tests/unit/test_schema.py` compares it with the metadata, and prints the lines that are missing here.
"""

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Nothing yet."""
