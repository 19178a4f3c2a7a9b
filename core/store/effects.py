"""Tables of the ledger, of approvals and of confirmation codes."""

from __future__ import annotations

from sqlalchemy import Column, Float, Index, Integer, String, Table, Text

from .partial import partial_index
from .tables import metadata

ledger = Table(
    "ledger",
    metadata,
    Column("id", String(200), primary_key=True),
    Column("tool", String(200), nullable=False),
    Column("effect", String(20), nullable=False),
    Column("caller", String(200), nullable=False),
    Column("run_id", String(40)),
    Column("task", String(200)),
    Column("item", Integer),
    Column("key", Text),
    Column("args_hash", String(64), nullable=False),
    Column("arguments", Text, nullable=False),
    Column("state", String(20), nullable=False),
    Column("attempts", Integer, nullable=False, server_default="1"),
    Column("intent_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("outcome_at", Float),
    Column("result", Text),
    Column("error", Text),
    Column("notes", Text),
    Column("probe_at", Float),
    Column("probes", Text),
    Column("settled_by", String(200)),
    Column("reason", Text),
    Column("dropped", Integer, nullable=False, server_default="0"),
    Column("dead", Integer),  # 1: a compensation that failed for good, until it is done or dropped
)
# One effect for one business case: the states in which a key is taken.
partial_index(
    "ledger_key",
    ledger.c.tool,
    ledger.c.key,
    unique=True,
    where="key IS NOT NULL AND state IN ('intent', 'done', 'unknown')",
)
partial_index(
    "ledger_unknown",
    ledger.c.probe_at,
    where="state = 'unknown'",
)
OPEN_CALLS = "state = 'intent' AND (run_id IS NULL OR dead = 1)"
partial_index(  # what a run has open is found by the lease of its task
    "ledger_calls",
    ledger.c.expires_at,
    where=OPEN_CALLS,
)
partial_index("ledger_dead", ledger.c.id, where="dead = 1")
Index("ledger_run", ledger.c.run_id)

approvals = Table(
    "approvals",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("run_id", String(40)),
    Column("task", String(200)),
    Column("item", Integer),
    Column("tool", String(200)),
    Column("description", Text),
    Column("asked_by", String(200), nullable=False),
    Column("arguments", Text),
    Column("args_hash", String(64)),
    Column("by", Text, nullable=False),
    Column("state", String(20), nullable=False),
    Column("asked_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("answered_by", String(200)),
    Column("answered_at", Float),
    Column("reason", Text),
)
Index("approvals_task", approvals.c.run_id, approvals.c.task, approvals.c.item)
partial_index(
    "approvals_waiting",
    approvals.c.expires_at,
    where="state = 'waiting'",
)

codes = Table(
    "codes",
    metadata,
    Column("code", String(64), primary_key=True),
    Column("caller", String(200), nullable=False),
    Column("tool", String(200), nullable=False),
    Column("args_hash", String(64), nullable=False),
    Column("expires_at", Float, nullable=False),
)
