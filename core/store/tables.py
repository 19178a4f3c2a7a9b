"""
The journal's tables. States are kept by name; JSON is kept as text by `values.dump`; times are epoch seconds.

Columns named `*_at` that people read are wall time; `lease_until`, `due_at` and what they are compared with are the
journal's own clock (`Journal.now`), which never jumps.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    event,
    text,
)

from .partial import partial_index, tell_postgres

VERSION = 3
"""Of the schema, and of the program: it works on this one and on newer ones that say so."""
SERVES_FROM = 2
"""The oldest program that works on this schema. A schema serves its own program and the one before."""

metadata = MetaData()
event.listen(metadata, "before_create", tell_postgres)

# SQLite counts rows by itself only in a column that is spelled INTEGER.
_Serial = BigInteger().with_variant(Integer(), "sqlite")

meta = Table(
    "meta",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

# Alembic's, under a name of ours: the database may have one of somebody else.
revisions = Table(
    "drawbar_alembic_version",
    metadata,
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="drawbar_alembic_version_pkc"),
)

definitions = Table(
    "definitions",
    metadata,
    Column("hash", Text, primary_key=True),
    Column("body", Text, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("workflow", Text, nullable=False),
    Column("definition", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("wanted", Text),
    Column("version", Integer, nullable=False),
    Column("input", Text),
    Column("output", Text),
    Column("error", Text),
    Column("reason", Text),
    Column("caller", Text, nullable=False),
    Column("parent_run", Text),
    Column("parent_task", Text),
    Column("parent_item", Integer),
    Column("untold", Integer),  # 1: its parent has not yet heard how it stands
    Column("key", Text),
    Column("key_held", Text),
    Column("trigger_id", Text),
    Column("trace", Text),  # the trace that it belongs to, as W3C's traceparent
    Column("date", Text, nullable=False),  # the business date: a repetition keeps it
    Column("journal_version", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("started_at", Float),
    Column("finished_at", Float),
)
partial_index(
    "runs_key_held",
    runs.c.key_held,
    unique=True,
    where="key_held IS NOT NULL",
)
partial_index(
    "runs_trigger",
    runs.c.trigger_id,
    unique=True,
    where="trigger_id IS NOT NULL",
)
Index("runs_by_workflow", runs.c.workflow, runs.c.id)
partial_index(
    "runs_by_parent",
    runs.c.parent_run,
    where="parent_run IS NOT NULL",
)
partial_index("runs_untold", runs.c.id, where="untold = 1")
partial_index("runs_by_key", runs.c.key, where="key IS NOT NULL")
partial_index(
    "runs_live",
    runs.c.state,
    runs.c.id,
    where="finished_at IS NULL",
)

# A pending task has no row. `item` is -1 for the task itself, else the number of a for_each's item.
task_runs = Table(
    "task_runs",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("task", Text, primary_key=True),
    Column("item", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("fence", Integer, nullable=False, server_default="0"),
    Column("owner", Text),
    Column("lease_until", Float),
    Column("due_at", Float),
    Column("rings", Integer, nullable=False, server_default="0"),
    Column("queue", Text),
    Column("effect", Text),
    Column(
        "step", Text
    ),  # what the next claim does: null is the task's own work, "probe" looks whether a write happened
    Column("intent", Text),  # the ledger's entry
    Column("approval", Text),
    Column("child", Text),  # the run that does it
    Column("intent_at", Float),
    Column("call_until", Float),  # the call that may be under way gives up by then
    Column("first_at", Float),  # the first attempt, for within_s
    Column("started_at", Float),
    Column("finished_at", Float),
    Column("cursor", Integer),  # of a for_each: the next item to start
    Column("total", Integer),
    Column("failed", Integer),
    Column("outcome", Text),
    Column("error", Text),
    Column(
        "done_no", Integer
    ),  # of what has a compensation: the order in which it was done, negative when it is undone
    sqlite_with_rowid=False,
)
partial_index(
    "task_runs_done",
    task_runs.c.run_id,
    task_runs.c.done_no,
    where="done_no > 0",
)
for _name, _column, _state in (
    ("lease", "lease_until", "running"),
    ("ready", "due_at", "ready"),
    ("delayed", "due_at", "delayed"),
    ("waiting", "due_at", "waiting"),
):
    partial_index(f"task_runs_{_name}", task_runs.c[_column], where=f"state = '{_state}'")
# What is ready on one queue, the oldest first; the default queue has no name. The index `task_runs_ready` is version 1's.
partial_index(
    "task_runs_ready_on",
    text("coalesce(queue, '')"),
    task_runs.c.due_at,
    where="state = 'ready'",
)
# The items of a for_each that are under way: finding them does not grow with those that are done.
LIVE_ITEMS = (
    "item >= 0 AND state IN ('ready', 'delayed', 'running', 'waiting', 'held', 'parked', 'child', 'child_waits',"
    " 'child_parked')"
)
partial_index(
    "task_runs_live",
    task_runs.c.run_id,
    task_runs.c.state,
    where=LIVE_ITEMS,
)
partial_index(
    "task_runs_parked",
    task_runs.c.run_id,
    where="state = 'parked'",
)
partial_index(  # whose write a person settles
    "task_runs_unknown",
    task_runs.c.intent,
    where="state = 'parked'",
)
partial_index(
    "task_runs_approval",
    task_runs.c.approval,
    where="approval IS NOT NULL",
)

# The list of a for_each, once: starting an item reads its own row and not the list.
items = Table(
    "items",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("task", Text, primary_key=True),
    Column("item", Integer, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)

attempts = Table(
    "attempts",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("task", Text, primary_key=True),
    Column("item", Integer, primary_key=True),
    Column("fence", Integer, primary_key=True),
    Column("attempt", Integer, nullable=False),
    Column("owner", Text),
    Column("state", Text, nullable=False),
    Column("error", Text),
    Column("notes", Text),
    Column("started_at", Float),
    Column("ended_at", Float, nullable=False),
    sqlite_with_rowid=False,
)

# On SQLite one writer at a time makes `id` the order of commits, so it is the public number; elsewhere `seq` is, given
# after the commit (core/events.py). No number is given twice, since the newest event is never removed: SQLite's AUTOINCREMENT
# says the same for one more page in every commit.
events = Table(
    "events",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("seq", BigInteger),
    Column("run_id", Text),
    Column("type", Text, nullable=False),
    Column("task", Text),
    Column("item", Integer),
    Column("body", Text),
    Column("at", Float, nullable=False),
)
Index("events_by_run", events.c.run_id, events.c.id)
partial_index(
    "events_seq",
    events.c.seq,
    unique=True,
    where="seq IS NOT NULL",
)
partial_index("events_unnumbered", events.c.id, where="seq IS NULL AND id < 0", on_postgres="seq IS NULL")

workers = Table(
    "workers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("seen_at", Float, nullable=False),
    Column("queues", Text),  # which it serves, as a JSON list
)

schedules = Table(
    "schedules",
    metadata,
    Column("name", Text, primary_key=True),
    Column("spec", Text, nullable=False),
    Column("next_at", Float, nullable=False),
    Column("fired_for", Float),
    Column("last_run", Text),
    Column("away_until", Float),  # ticks up to here came while nobody was there
    Column("held_until", Float),  # somebody fires `next_at` now
)

# JSON documents by scope and key: the context, and what was created over REST (scopes that begin with "/").
documents = Table(
    "documents",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("body", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("updated_by", Text),
    Column("bytes", Integer),  # of the body; null where a program of version 2 wrote it last
    sqlite_with_rowid=False,
)
Index("documents_size", documents.c.scope, documents.c.bytes)

# What documents of the context were before, and (null) when they were deleted.
document_versions = Table(
    "document_versions",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("body", Text),
    Column("changed_at", Float, nullable=False),
    Column("changed_by", Text),
    sqlite_with_rowid=False,
)
Index("document_versions_at", document_versions.c.changed_at)

budget_rates = Table(
    "budget_rates",
    metadata,
    Column("name", Text, primary_key=True),
    Column("spent", Float, nullable=False),
    Column("at", Float, nullable=False),
)

allowances = Table(
    "allowances",
    metadata,
    Column("name", Text, primary_key=True),
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    Column("spent", Integer, nullable=False),
    Column("until", Float, nullable=False),
    Index("allowances_until", "until"),
)

breakers = Table(
    "breakers",
    metadata,
    Column("name", Text, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("opened", Integer, nullable=False),
    Column("until", Float, nullable=False),
    Column("trying", Float),
    Column("error", Text, nullable=False),
    Column("since", Float, nullable=False),
)

budget_slots = Table(
    "budget_slots",
    metadata,
    Column("name", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("slots", Integer, nullable=False),
    Column("wanted", Integer, nullable=False, server_default="0"),
    Column("until", Float, nullable=False),
    UniqueConstraint("name", "owner"),
)
