"""Runs and task runs in the journal: the statements of the engine's hot path, each a function on a connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, select

from ..errors import InputError
from ..interpreter import State, TaskState
from . import line as lines
from .attempts import keep_tries
from .statement import Statement, insert, surely
from .tables import LIVE_ITEMS, VERSION, definitions, runs

LEASE_S = 30.0


class Newer(InputError):
    """A newer program began this run, and goes on with it: there may be things in it that we cannot read."""


class Changed(Exception):
    """A run is not as this process remembers it: the unit that relied on that is undone, and looks when it is run again."""


@dataclass(frozen=True, slots=True)
class Header:
    """What never changes in a run."""

    id: str
    workflow: str
    definition: str
    caller: str
    key: str | None
    date: str
    created_at: float
    parent: tuple[str, str, int] | None = None
    """The run, its task and the task's item that started this one."""
    trace: str | None = None
    """The trace that it belongs to, as W3C's traceparent."""


@dataclass(slots=True)
class Held:
    """What a claim gives: the fence by which its outcome is accepted, and what earlier attempts left."""

    fence: int
    attempt: int
    intent: str | None
    approval: str | None
    first_at: float | None
    child: str | None
    is_new: bool = False
    """Nobody has had it before, and it has the intent that was given."""


@dataclass(slots=True)
class Intended:
    """The intent of a write that is part of its claim."""

    entry: str
    effect: str
    call_until: float


_LOCK = Statement(
    select(runs.c.version, runs.c.state, runs.c.wanted, runs.c.finished_at, runs.c.journal_version)
    .where(runs.c.id == bindparam("id"))
    .with_for_update()
)
_GIVEN = Statement("SELECT input FROM runs WHERE id = :id")
_HEADER = Statement(
    select(
        runs.c.id,
        runs.c.workflow,
        runs.c.definition,
        runs.c.caller,
        runs.c.key,
        runs.c.date,
        runs.c.created_at,
        runs.c.parent_run,
        runs.c.parent_task,
        runs.c.parent_item,
        runs.c.input,
        definitions.c.body,
        runs.c.trace,
    )
    .join(definitions, definitions.c.hash == runs.c.definition)
    .where(runs.c.id == bindparam("id"))
)
_INSERT_RUN = insert(
    runs,
    *("id", "workflow", "definition", "state", "version", "input", "caller", "key", "key_held", "trigger_id"),
    *("date", "journal_version", "created_at", "started_at", "parent_run", "parent_task", "parent_item"),
    "trace",
)
_KEEP_DEFINITION = Statement("INSERT INTO definitions (hash, body) VALUES (:hash, :body) ON CONFLICT DO NOTHING")
# That a run is as this process remembers it.
_REMEMBERED = f" AND version = :before AND journal_version <= {VERSION}"
_IS_REMEMBERED = surely(f"SELECT 1 FROM runs WHERE id = :id{_REMEMBERED} FOR UPDATE")
_SAVE_VERSION_TEXT = "UPDATE runs SET version = :version WHERE id = :id"
_SAVE_VERSION = Statement(_SAVE_VERSION_TEXT)
_SAVE_VERSION_TRUSTED = Statement(f"{_SAVE_VERSION_TEXT}{_REMEMBERED}")
_SAVE_VERSION_SURELY = surely(f"{_SAVE_VERSION_TEXT}{_REMEMBERED} RETURNING 1")
_SAVE_TEXT = "UPDATE runs SET version = :version, state = :state, wanted = :wanted WHERE id = :id"
_SAVE = Statement(_SAVE_TEXT)
_SAVE_TRUSTED = Statement(f"{_SAVE_TEXT}{_REMEMBERED}")
_SAVE_END_TEXT = (
    "UPDATE runs SET version = :version, state = :state, wanted = :wanted, output = :output, error = :error,"
    " finished_at = :finished_at, key_held = NULL WHERE id = :id"
)
_SAVE_END = Statement(_SAVE_END_TEXT)
_SAVE_END_TRUSTED = Statement(f"{_SAVE_END_TEXT}{_REMEMBERED}")
_SAVE_END_SURELY = surely(f"{_SAVE_END_TEXT}{_REMEMBERED} RETURNING 1")
# From one task to the next by the key: the items in between, of which there may be many, are not read.
_WHOLE = Statement(
    "WITH RECURSIVE names(task) AS (SELECT MIN(task) FROM task_runs WHERE run_id = :run_id UNION ALL"
    " SELECT (SELECT MIN(task) FROM task_runs WHERE run_id = :run_id AND task > names.task) FROM names"
    " WHERE names.task IS NOT NULL)"
    " SELECT t.task, t.state, t.cursor, t.total, t.failed FROM names JOIN task_runs t"
    " ON t.run_id = :run_id AND t.task = names.task AND t.item = -1"
)
_LIVE = Statement(f"SELECT task, item, state FROM task_runs WHERE run_id = :run_id AND {LIVE_ITEMS}")


def lock(
    conn: Connection, run_id: str, *, is_known: bool = True, of: tuple[str, int] | None = None
) -> tuple[int, str, str | None, float | None] | None:
    """
    Give version, state, wanted and finished_at of a run; facts of one run are taken one at a time.

    Of a run that is not known, all the rest is going to be asked as well; and so is what a claim of this task takes over.
    """
    found = _LOCK(conn, id=run_id)
    line = lines.line_of(conn)
    if line is not None and not is_known:
        line.foresee(_HEADER, {"id": run_id})
        line.foresee(_WHOLE, {"run_id": run_id})
        line.foresee(_LIVE, {"run_id": run_id})
    if line is not None and of is not None:
        line.foresee(_BEFORE, {"run_id": run_id, "task": of[0], "item": of[1]})
    row = found.fetchone()
    if row is None:
        return None
    version, state, wanted, finished_at, written_by = row
    if written_by > VERSION:
        raise Newer(f"run {run_id} is a newer Drawbar's", reason="conflict", next="ask a process of that version")
    return version, state, wanted, finished_at


def trusts(conn: Connection, run_id: str, version: int) -> bool:
    """
    Take a run to be at this version, where the unit is run again when it is not.

    On PostgreSQL it is locked by the first statement that leaves; on SQLite nobody else writes, and saving it looks.
    """
    if conn.dialect.name == "sqlite":
        return True
    if not _trusting(conn):
        return False
    lines.opened(conn).guard(run_id, _IS_REMEMBERED, {"id": run_id, "before": version})
    return True


def header(conn: Connection, run_id: str) -> tuple[Header, str | None, str] | None:
    """Give a run's header, its input and its definition."""
    row = _HEADER(conn, id=run_id).fetchone()
    if row is None:
        return None
    id_, workflow, definition, caller, key, date, created_at, parent, task, item, given, body, trace = row
    above = None if parent is None else (parent, task, item)
    return Header(id_, workflow, definition, caller, key, date, created_at, above, trace), given, body


def given(conn: Connection, run_id: str) -> str | None:
    """Give a run's input as it is kept."""
    row = _GIVEN(conn, id=run_id).fetchone()
    return None if row is None else row[0]


def add_run(conn: Connection, **row: Any) -> None:
    _INSERT_RUN(conn, **row)


def keep_definition(conn: Connection, digest: str, body: str) -> None:
    _KEEP_DEFINITION(conn, hash=digest, body=body)


def save(conn: Connection, run_id: str, version: int, state: str, wanted: str | None, *, trusted: bool) -> None:
    said = {"id": run_id, "version": version, "state": state, "wanted": wanted}
    if conn.dialect.name == "sqlite" and trusted:
        _as_remembered(conn, _SAVE_TRUSTED, said)
    else:
        _SAVE(conn, **said)


def save_version(conn: Connection, run_id: str, version: int, *, trusted: bool) -> None:
    """Save a run that is shown as before: no index of runs is written."""
    said = {"id": run_id, "version": version}
    _saved(conn, (_SAVE_VERSION, _SAVE_VERSION_TRUSTED, _SAVE_VERSION_SURELY), said, trusted=trusted)


def save_end(conn: Connection, run_id: str, *, trusted: bool, **said: Any) -> None:
    _saved(conn, (_SAVE_END, _SAVE_END_TRUSTED, _SAVE_END_SURELY), {"id": run_id, **said}, trusted=trusted)


def _saved(
    conn: Connection, how: tuple[Statement, Statement, Statement], said: dict[str, Any], *, trusted: bool
) -> None:
    """Save a run; one that was only trusted to be at its version is looked at by that, on PostgreSQL first of all."""
    plain, here, surely_there = how
    if trusted and conn.dialect.name == "sqlite":
        _as_remembered(conn, here, said)
        return
    line = lines.line_of(conn)
    if line is None or not line.guarded(said["id"], surely_there, {**said, "before": said["version"] - 1}):
        plain(conn, **said)


def _as_remembered(conn: Connection, statement: Statement, said: dict[str, Any]) -> None:
    if not statement(conn, **said, before=said["version"] - 1).rowcount:
        raise Changed(said["id"])


def state_of(conn: Connection, run_id: str, wanted: Any, ended: Any) -> State:
    """Build a run's state from its rows: they are what was folded, so no history is read."""
    tasks: dict[str, TaskState] = {}
    live: dict[str, dict[int, Any]] = {}
    found, under_way = _WHOLE(conn, run_id=run_id), _LIVE(conn, run_id=run_id)
    for task, state, cursor, total, failed in found.fetchall():
        if state != "pending":
            tasks[task] = TaskState(state, total=total or 0, cursor=cursor or 0, failed=failed or 0)
    for task, item, state in under_way.fetchall():
        live.setdefault(task, {})[item] = state
    for task, numbers in live.items():
        whole = tasks[task]
        tasks[task] = TaskState(whole.state, total=whole.total, cursor=whole.cursor, failed=whole.failed, live=numbers)
    return State(tasks, wanted, ended)


_CLAIM = Statement(
    "INSERT INTO task_runs (run_id, task, item, kind, state, attempt, fence, owner, lease_until, first_at, started_at)"
    " VALUES (:run_id, :task, :item, :kind, 'running', 0, 1, :owner, :lease_until, :now, :wall)"
    " ON CONFLICT (run_id, task, item) DO UPDATE SET state = 'running', fence = task_runs.fence + 1, owner = :owner,"
    " lease_until = :lease_until, due_at = NULL,"
    " first_at = CASE WHEN task_runs.first_at <= 0 THEN task_runs.first_at + :now ELSE COALESCE(task_runs.first_at, :now) END,"
    " started_at = COALESCE(task_runs.started_at, :wall), rings = 0"
    " RETURNING fence, attempt, intent, approval, first_at, child"
)
_CLAIM_FIRST_TEXT = (
    "INSERT INTO task_runs (run_id, task, item, kind, state, attempt, fence, owner, lease_until, first_at, started_at,"
    " intent, intent_at, effect, call_until)"
    " VALUES (:run_id, :task, :item, :kind, 'running', 0, 1, :owner, :lease_until, :now, :wall,"
    " :intent, :intent_at, :effect, :call_until)"
)
_CLAIM_FIRST = Statement(_CLAIM_FIRST_TEXT)
_CLAIM_NEW = Statement(f"{_CLAIM_FIRST_TEXT} ON CONFLICT DO NOTHING")
# What a claim takes over: asked as soon as its run is locked, so that nobody waits for the claim itself.
_BEFORE = Statement(
    "SELECT fence, attempt, intent, approval, first_at, child FROM task_runs"
    " WHERE run_id = :run_id AND task = :task AND item = :item"
)
_CLAIM_AGAIN = surely(
    "UPDATE task_runs SET state = 'running', fence = :fence, owner = :owner, lease_until = :lease_until, due_at = NULL,"
    " first_at = :first_at, started_at = COALESCE(started_at, :wall), rings = 0"
    " WHERE run_id = :run_id AND task = :task AND item = :item AND fence = :fence - 1 AND state = 'ready' RETURNING 1"
)
_PUT = Statement(
    "INSERT INTO task_runs (run_id, task, item, kind, state, queue, due_at, finished_at, outcome, error, total, cursor,"
    " approval) VALUES (:run_id, :task, :item, :kind, :state, :queue, :due_at, :finished_at, :outcome, :error, :total,"
    " :cursor, :approval)"
    " ON CONFLICT (run_id, task, item) DO UPDATE SET state = :state, queue = :queue, due_at = :due_at,"
    " finished_at = :finished_at, outcome = :outcome, error = :error, lease_until = NULL, total = COALESCE(:total, task_runs.total),"
    " cursor = COALESCE(:cursor, task_runs.cursor), approval = COALESCE(:approval, task_runs.approval)"
)
_ADVANCE = Statement(
    "UPDATE task_runs SET cursor = :cursor, failed = :failed WHERE run_id = :run_id AND task = :task AND item = -1"
)
_LEAVE_TEXT = (
    "UPDATE task_runs SET state = :state, attempt = :attempt, lease_until = NULL, due_at = :due_at, outcome = :outcome,"
    " error = :error, finished_at = :finished_at, approval = COALESCE(:approval, approval),"
    " child = COALESCE(:child, child),"
    " rings = CASE WHEN :rings = 1 THEN rings + 1 ELSE 0 END"
    " WHERE run_id = :run_id AND task = :task AND item = :item AND fence = :fence AND state = 'running'"
)
_LEAVE = Statement(_LEAVE_TEXT)
_LEAVE_SURELY = surely(f"{_LEAVE_TEXT} RETURNING 1")
_STOP_CLOCK = Statement(
    "UPDATE task_runs SET first_at = first_at - :now WHERE run_id = :run_id AND task = :task AND item = :item AND first_at > 0"
)
_INTEND = Statement(
    "UPDATE task_runs SET intent = :intent, intent_at = :now, effect = :effect, call_until = :call_until"
    " WHERE run_id = :run_id AND task = :task AND item = :item AND fence = :fence AND state = 'running'"
)
_RESET = Statement(
    "UPDATE task_runs SET state = 'pending', attempt = 0, approval = NULL, first_at = NULL, due_at = NULL,"
    # What was done, and then failed by its own `output` or `save`, is not done again: its entry answers.
    " intent = CASE WHEN :wholly = 0 AND EXISTS (SELECT 1 FROM ledger WHERE ledger.id = task_runs.intent"
    " AND ledger.state = 'done') THEN intent END,"
    " child = CASE WHEN :wholly = 0 THEN child END,"
    " finished_at = NULL, outcome = NULL, error = NULL, cursor = NULL, total = NULL, failed = NULL, rings = 0,"
    " done_no = NULL"
    " WHERE run_id = :run_id AND task = :task AND (item = -1 OR state <> 'succeeded' OR :wholly = 1)"
)
_STATE = Statement(
    "SELECT state, fence, intent FROM task_runs WHERE run_id = :run_id AND task = :task AND item = :item"
)
_OUTPUT = Statement("SELECT outcome, error FROM task_runs WHERE run_id = :run_id AND task = :task AND item = -1")
_OF_VERSION = Statement("SELECT 1 FROM runs WHERE id = :id AND journal_version < :before")
_FIRST_ERROR = Statement(
    "SELECT task, item, error FROM task_runs WHERE run_id = :run_id AND state = 'failed' AND error IS NOT NULL"
    " AND (task = :task OR (item = -1 AND kind <> 'compensation')) AND (:task = '' OR item >= 0)"
    " ORDER BY finished_at, item LIMIT 1"
)
_REOPEN = Statement(
    "UPDATE runs SET finished_at = NULL, error = NULL, output = NULL, key_held = :held, input = :input WHERE id = :id"
)
_REASON = Statement("UPDATE runs SET reason = :reason WHERE id = :id")
_BY_TRIGGER = Statement("SELECT id FROM runs WHERE trigger_id = :trigger_id")
_UNFINISHED = Statement(
    "SELECT count(*) FROM (SELECT 1 FROM runs WHERE finished_at IS NULL AND workflow = :workflow LIMIT :most) AS live"
)


def claim(conn: Connection, *, is_first: bool = False, intended: Intended | None = None, **said: Any) -> Held:
    """
    Take a task for a thread; the caller has seen that it is free, and perhaps that nobody has had it before.

    The intent is recorded only of one that is new, and needs its entry in the ledger then.
    """
    if is_first:
        given = _NO_INTENT if intended is None else _intent(intended, said["now"])
        if _trusting(conn):
            _CLAIM_FIRST(conn, **said, **given)
            return Held(1, 0, None, None, said["now"], None, is_new=True)
        if conn.dialect.name == "sqlite" and _CLAIM_NEW(conn, **said, **given).rowcount:
            return Held(1, 0, None, None, said["now"], None, is_new=True)
    return _foreseen(conn, said) or Held(*_CLAIM(conn, **said).fetchone())


_NO_INTENT: dict[str, Any] = {"intent": None, "intent_at": None, "effect": None, "call_until": None}


def _intent(intended: Intended, now: float) -> dict[str, Any]:
    said = {"intent": intended.entry, "intent_at": now, "effect": intended.effect}
    return {**said, "call_until": intended.call_until}


def _foreseen(conn: Connection, said: dict[str, Any]) -> Held | None:
    """Take a task of which is known already what the claim takes over."""
    if not _trusting(conn):
        return None
    place = {name: said[name] for name in ("run_id", "task", "item")}
    before = lines.opened(conn).foreseen(_BEFORE, place)
    row = None if before is None else before.fetchone()
    if row is None:
        return None
    fence, attempt, intent, approval, begun, child = row
    first_at = said["now"] + min(begun or 0, 0) if begun is None or begun <= 0 else begun
    _CLAIM_AGAIN(conn, fence=fence + 1, first_at=first_at, **said)
    return Held(fence + 1, attempt, intent, approval, first_at, child)


def put(conn: Connection, run_id: str, task: str, item: int, kind: str, state: str, **said: Any) -> None:
    """Write the state of a task that no thread holds."""
    _PUT(
        conn,
        run_id=run_id,
        task=task,
        item=item,
        kind=kind,
        state=state,
        **{
            name: said.get(name)
            for name in ("queue", "due_at", "finished_at", "outcome", "error", "total", "cursor", "approval")
        },
    )


def leave(conn: Connection, **said: Any) -> bool:
    """Write what came of a claim; False when the fence is stale: somebody else has the task now."""
    if _trusting(conn):
        _LEAVE_SURELY(conn, **said)
        return True
    return bool(_LEAVE(conn, **said).rowcount)


def _trusting(conn: Connection) -> bool:
    line = lines.line_of(conn)
    return line is not None and line.trusts


def stop_clock(conn: Connection, run_id: str, task: str, item: int, *, now: float) -> None:
    """Let no time of `within_s` pass until the next claim: the time that was used stands in first_at, negative."""
    _STOP_CLOCK(conn, run_id=run_id, task=task, item=item, now=now)


def intend(conn: Connection, **said: Any) -> bool:
    return bool(_INTEND(conn, **said).rowcount)


def advance(conn: Connection, run_id: str, task: str, whole: TaskState) -> None:
    _ADVANCE(conn, run_id=run_id, task=task, cursor=whole.cursor, failed=whole.failed)


def reset(conn: Connection, run_id: str, task: str, *, wholly: bool) -> None:
    """Make a task pending again, its done items only when it is `wholly`; fences go on counting."""
    keep_tries(conn, run_id, task)
    _RESET(conn, run_id=run_id, task=task, wholly=int(wholly))


def current(conn: Connection, run_id: str, task: str, item: int) -> tuple[str, int, str | None] | None:
    """Give state, fence and intent of one row."""
    row: tuple[str, int, str | None] | None = _STATE(conn, run_id=run_id, task=task, item=item).fetchone()
    return row


def output(conn: Connection, run_id: str, task: str) -> tuple[str | None, str | None]:
    return _OUTPUT(conn, run_id=run_id, task=task).fetchone() or (None, None)


def is_of_version(conn: Connection, run_id: str, *, before: int) -> bool:
    """Tell whether a program of an earlier version began a run, so that such ones may go on with it."""
    return _OF_VERSION(conn, id=run_id, before=before).fetchone() is not None


def first_error(conn: Connection, run_id: str, task: str = "") -> tuple[str, int, str] | None:
    """Give the task (or, of a for_each, the item) that failed first, with its error."""
    row: tuple[str, int, str] | None = _FIRST_ERROR(conn, run_id=run_id, task=task).fetchone()
    return row


def of_trigger(conn: Connection, trigger_id: str) -> str | None:
    row = _BY_TRIGGER(conn, trigger_id=trigger_id).fetchone()
    return row[0] if row else None


def unfinished(conn: Connection, workflow: str, most: int) -> int:
    return int(_UNFINISHED(conn, workflow=workflow, most=most).fetchone()[0])


def reopen(conn: Connection, run_id: str, *, held: str | None, given: str) -> None:
    """Make a run that was over go on, with this input."""
    _REOPEN(conn, id=run_id, held=held, input=given)


def give_reason(conn: Connection, run_id: str, reason: str) -> None:
    _REASON(conn, id=run_id, reason=reason)
