"""The course of one run inside one unit of the journal: facts are taken, what follows is stored, and tasks are claimed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from . import asks, persons, results
from .aside import Kept
from .claim import Came, Claim
from .context import Shelf
from .errors import InputError
from .expressions import Path
from .interpreter import (
    CHILD,
    WHOLE,
    Ask,
    Decision,
    End,
    Fact,
    Move,
    State,
    decide,
    fold,
    shown,
    standing,
)
from .known import Known
from .measure import METER, RUNS_ENDED
from .queues import Queue, Queues
from .store import attempts, children, events, ledger, runs
from .store.journal import Connection
from .values import dump, has_claims, load
from .veils import Veils

if TYPE_CHECKING:
    from .intents import Begun

_KEPT_BYTES = 65536
_UNDOING = {"started": "compensating", "succeeded": "compensated", "failed": "compensation_failed"}


Foresee = Callable[["Course", Claim], "tuple[ledger.Intent, Begun, runs.Intended] | None"]


class Unforeseen(Exception):
    """The intent that was prepared cannot be recorded: the unit is undone, and is run again without it."""


class Course:
    """Takes facts of one run; `room` is how many tasks this process can claim at once."""

    def __init__(
        self,
        conn: Connection,
        known: Known,
        version: int,
        state: State,
        *,
        now: float,
        owner: str,
        room: int,
        queues: Queues,
        shelf: Shelf,
    ) -> None:
        self.conn = conn
        self.known = known
        self.run_id = known.header.id
        self.version = version
        self.state = state
        self.before = state
        self.now = now
        self.owner = owner
        self.room = room
        self.claims: list[Claim] = []
        self.fresh: dict[str, tuple[Any, Any]] = {}
        self.has_model: Callable[[str], bool] = _nobody
        self.shelf = shelf
        self.foresee: Foresee | None = None
        """Prepares the write that this thread goes on with, so that its intent is part of its claim."""
        self.queued = False
        """The run waits for another one of its key: nothing of it begins."""
        self.stood = "running"
        """How the run was shown before."""
        self.trusted = False
        """It was not looked at, but taken to be as it is remembered."""
        self.tells_parent = False
        self.born: list[Course] = []
        self.freed_key = False
        self.left_ready: list[tuple[str, str, int, Queue]] = []
        self.set_timer = False
        self.seen: set[Path] = set()
        """What must not be seen of the items that were read, as expressions name it."""
        self._queues = queues
        self.wall = time.time()
        self._events: list[dict[str, Any]] = []
        self.ended: dict[str, Any] | None = None
        """The output, as a row holds it, and the error of a run that ends here."""

    def tell(self, type: str, task: str | None = None, item: int = WHOLE, body: Any = None) -> None:  # noqa: A002
        number = None if item == WHOLE else item
        self._events.append(events.event(type, run_id=self.run_id, task=task, item=number, body=body))

    def take(self, fact: Fact) -> None:
        self.state = fold(self.state, fact)

    def came(self, claim: Claim, came: Came) -> bool:
        """Take what came of a claim; False when the claim is stale, and then it is only kept as evidence."""
        if came.begin is not None and self.state.wanted is not None:  # nothing more begins in it
            came = Came("delayed", due_at=self.now, counts=False)
        was_done = came.state == "succeeded"
        saved: Mapping[tuple[str, str], str] = {}
        if was_done:
            came, saved = self._given(claim.task, claim.item, came)
        attempt = claim.attempt + came.counts
        final = came.state in {"succeeded", "failed"}
        error = None if came.error is None else dump(came.error)
        kept = came.kept or (None if came.output is None else self._kept(claim.task, came.output, came.hidden))
        output = None if kept is None else kept.text
        accepted = runs.leave(
            self.conn,
            run_id=self.run_id,
            task=claim.task,
            item=claim.item,
            fence=claim.fence,
            state=came.state,
            attempt=attempt,
            due_at=came.due_at,
            outcome=output,
            error=error,
            finished_at=self.wall if final else None,
            approval=came.approval,
            child=came.child,
            rings=int(not came.counts),
        )
        self._keep_attempt(claim, came, attempt, error, accepted=accepted)
        if not accepted:
            self.tell("task.stale", claim.task, claim.item, {"state": came.state, "error": came.error})
            return False
        if kept is not None:
            kept.store(self.conn)
        self.set_timer |= came.due_at is not None
        self._tell_state(claim.task, claim.item, came, attempt)
        if claim.item == WHOLE and final:
            self._remember(claim.task, output, came.error)
        if was_done:
            asks.did(self, claim.task, claim.item, own=came.own)
            results.save(self, saved, claim.task, claim.item)
        self.take(Move(claim.task, claim.item, came.state))  # type: ignore[arg-type]  # Came says one of them
        for kind, body in came.tells:
            self.tell(kind, claim.task, claim.item, body)
        if came.begin is not None:
            self.born += came.begin(self)
            self.room = min([self.room, *(course.room for course in self.born)])
        return True

    def _keep_attempt(self, claim: Claim, came: Came, attempt: int, error: str | None, *, accepted: bool) -> None:
        """Keep how a claim ended; a first one that succeeds needs no row: its task's own and its entry in the ledger say it."""
        if accepted and came.state == "succeeded" and claim.fence == 1 and (came.entry is not None or not came.notes):
            return
        attempts.add(
            self.conn,
            run_id=self.run_id,
            task=claim.task,
            item=claim.item,
            fence=claim.fence,
            attempt=attempt,
            owner=self.owner,
            state=came.state if accepted else "stale",
            error=error,
            notes=dump(came.notes) if came.notes else None,
            started_at=claim.started_at,
            ended_at=self.wall,
        )

    def _given(self, task: str, item: int, came: Came) -> tuple[Came, Mapping[tuple[str, str], str]]:
        """Make of what came the outcome that its task gives."""
        whole = came.output if came.kept is None else came.kept.text
        if came.kept is not None and results.looks(self, task):
            came.kept.store(self.conn)  # what is kept aside is read from there
        given = results.given(self, task, item, whole, came.hidden)
        if given.error is not None:
            return replace(came, state="failed", output=None, kept=None, error=given.error), {}
        same = given.output is whole
        return (came if same else replace(came, output=given.output, kept=None, hidden=given.hidden)), given.saved

    def _remember(self, task: str, output: str | None, error: Any) -> None:
        if len(output or "") <= _KEPT_BYTES and not has_claims(output):
            self.fresh[task] = (load(output), error)

    def _tell_state(self, task: str, item: int, came: Came, attempt: int) -> None:
        body: dict[str, Any] = {"attempt": attempt}
        if came.error is not None:
            body["error"] = came.error
        if came.state == "delayed" and came.due_at is not None:
            body["in_s"] = round(max(came.due_at - self.now, 0), 3)
        if came.notes and "deviation" in came.notes:
            body["deviation"] = came.notes["deviation"]
        word = {"delayed": "retry", **dict.fromkeys(CHILD, "child")}.get(came.state, came.state)
        if came.child is not None:
            body["run_id"] = came.child
        self.tell(self._type(task, word), task, item, body)
        if came.entry is not None and came.state in {"parked", "failed"}:
            self.tell("dead.parked", task, item, {"entry": came.entry, "error": came.error})
        elif came.approval is not None:
            self.tell("approval.asked", task, item, {"approval": came.approval})

    def moved(self, task: str, item: int, state: str, hidden: tuple[str, ...] = (), **said: Any) -> None:
        """Store the state of a task that no thread holds, and take it; `hidden` are paths of its outcome."""
        kind = self.known.plan.steps[task].kind
        was_done = state == "succeeded"
        saved: Mapping[tuple[str, str], str] = {}
        if was_done:
            given = results.given(self, task, item, said.get("outcome"), hidden)
            said["outcome"], saved, hidden = given.output, given.saved, given.hidden
            if given.error is not None:
                state, said["error"] = "failed", given.error
        if state in {"succeeded", "failed", "skipped", "cancelled"}:
            said.setdefault("finished_at", self.wall)
        if said.get("outcome") is not None:
            kept = self._kept(task, said["outcome"], hidden)
            said["outcome"] = kept.store(self.conn)
        error = said.get("error")
        if state == "ready":
            said["queue"] = queue = self._queue(task)
        runs.put(
            self.conn, self.run_id, task, item, kind, state, **{**said, "error": None if error is None else dump(error)}
        )
        if state in {"succeeded", "failed"} and item == WHOLE:
            self._remember(task, said.get("outcome"), error)
        if state == "ready":
            self.left_ready.append((self.run_id, task, item, queue))
        self.set_timer |= state == "waiting"
        if state not in {"ready", "held", "open", *CHILD}:
            self.tell(self._type(task, state), task, item, None if error is None else {"error": error})
        if was_done:
            asks.did(self, task, item)
            results.save(self, saved, task, item)
        self.take(Move(task, item, state))  # type: ignore[arg-type]  # the callers pass literals

    def _type(self, task: str, word: str) -> str:
        """Give the type of an event of a task."""
        is_undoing = self.known.plan.steps[task].undoes is not None
        return f"task.{_UNDOING.get(word, word) if is_undoing else word}"

    @property
    def veils(self) -> Veils:
        """What must not be seen of what this run keeps."""
        return self.known.veils(self.seen)

    def _kept(self, task: str, output: str, more: tuple[str, ...]) -> Kept:
        """Make an output ready for its row: what its tool hides of it is hidden, and what a run below has hidden."""
        hidden = {*self.veils.tasks.get(task, ()), *more}
        aside = self.known.aside
        return aside.veil(load(output), self.run_id, hidden) if hidden else aside.keep_text(output, self.run_id)

    def keep(self, text: str) -> str:
        """Give what a row holds of a value: all of it, or the claim under which it is kept aside from now on."""
        return self.known.aside.keep_text(text, self.run_id).store(self.conn)

    def put_off(self) -> None:
        """Begin nothing: store only what was told."""
        aside = self.known.aside
        for event in self._events:
            if event["body"] is not None and aside.is_large(event["body"]):
                event["body"] = self.keep(event["body"])
        events.add_many(self.conn, self._events)
        self._events = []

    def follow(self) -> None:
        """Do all that follows, then store where the run is."""
        while decisions := decide(self.known.plan.graph, self.state):
            for decision in decisions:
                self._do(decision)
        self._store()

    def _do(self, decision: Decision) -> None:
        match decision:
            case Ask(_, "undo"):
                asks.undo(self)
            case Ask(task, "if"):
                asks.judge(self, task)
            case Ask(task, _):
                asks.count(self, task)
            case Move(task, item, "ready"):
                self.ready(task, item)
            case Move(task, -1, ("succeeded" | "failed") as state):
                results.close(self, task, state)
            case Move(task, item, state):
                self.moved(task, item, state)
            case End():
                self._end(decision)

    def env(self, paths: Any) -> dict[str, Any]:
        return self.known.env(lambda: self.conn, paths, self.state, self.fresh)

    def ready(self, task: str, item: int) -> None:
        """Let a task begin: on a thread of this process, with a person, at its time, or in the queue."""
        step = self.known.plan.steps[task]
        if item != WHOLE and (row := runs.current(self.conn, self.run_id, task, item)) and row[0] == "succeeded":
            self.take(Move(task, item, "succeeded"))  # done before a retry of the run
        elif step.task.wait_s is not None:
            self.moved(task, item, "waiting", due_at=self.now + step.task.wait_s)
        elif step.task.approval is not None:
            persons.ask(self, step)
        elif step.task.agent is not None and not self.has_model(step.task.agent):
            persons.assign(self, step, item)
        elif self.room > 0 and self._queues.serves(self._queue(task)):
            before = self.state.tasks.get(task)
            self.take(Move(task, item, "ready"))
            self.claim(task, item, is_first=item == WHOLE and (before is None or before.state == "pending"))
        else:
            self.moved(task, item, "ready", due_at=self.now)

    def go_on(self, task: str, item: int) -> None:
        """Let a task go on whose child has ended: on this thread where it may."""
        if self.state.wanted is None and self.room > 0 and self._queues.serves(self._queue(task)):
            self.take(Move(task, item, "ready"))
            self.claim(task, item)
        else:
            self.moved(task, item, "ready", due_at=self.now)

    def _queue(self, task: str) -> Queue:
        return self._queues.of(self.known.plan.steps[task].task)

    def claim_ready(self, task: str, item: int) -> None:
        """Take a task that was found ready; one that has been pinned to other machines since is left to them."""
        whole = self.state.tasks.get(task)
        if whole is None or (whole.state if item == WHOLE else whole.live.get(item)) != "ready":
            return
        if self._queues.is_elsewhere(self._queue(task)):
            self.moved(task, item, "ready", due_at=self.now)
        else:
            self.claim(task, item)

    def claim(self, task: str, item: int, *, is_first: bool = False) -> None:
        """Take a ready task for a thread of this process; `is_first` when it has no row yet, as far as this run knows."""
        self.room -= 1
        until = time.monotonic() + runs.LEASE_S
        claim = Claim(self.known, task, item, 1, 0, None, None, None, self.now, until, self.wall)
        found = self.foresee(self, claim) if is_first and not self.claims and self.foresee is not None else None
        held = runs.claim(
            self.conn,
            is_first=is_first,
            intended=None if found is None else found[2],
            run_id=self.run_id,
            task=task,
            item=item,
            kind=self.known.plan.steps[task].kind,
            owner=self.owner,
            lease_until=self.now + runs.LEASE_S,
            now=self.now,
            wall=self.wall,
        )
        if not held.is_new:
            first_at = held.first_at if held.first_at is not None else self.now
            taken = (held.fence, held.attempt, held.intent, held.approval, held.child, first_at, until, self.wall)
            claim = Claim(self.known, task, item, *taken)
        elif found is not None:
            try:
                ledger.record(self.conn, found[0], self.now)
            except Exception as error:
                raise Unforeseen(f"{type(error).__name__}: {error}") from error
            claim.begun = found[1]
        self.claims.append(claim)
        self.tell(self._type(task, "started"), task, item, {"attempt": held.attempt + 1})
        self.take(Move(task, item, "running"))

    def _end(self, end: End) -> None:
        output, error = None, None
        state = end.state
        if state == "succeeded":
            try:
                output = results.output(self)
            except InputError as wrong:
                end, error = End("failed"), results.about(wrong, "output")
        elif state == "failed":
            first = runs.first_error(self.conn, self.run_id)
            error = {**load(first[2]), "task": first[0]} if first else None
        self.take(end)
        self.ended = {"output": output, "error": error}
        METER.count(RUNS_ENDED, self.known.header.workflow, self.state.ended or "")
        self.tell(f"run.{end.state}", body={"error": error} if error else None)

    def _store(self) -> None:
        self._store_cursors()
        version, wanted = self.version + 1, self.state.wanted
        said = shown(self.state)
        if self.ended is None:
            if said in {"parked", "waiting", "paused"} and said != shown(self.before):
                self.tell(f"run.{said}")
            if said == self.stood and wanted == self.before.wanted:
                runs.save_version(self.conn, self.run_id, version, trusted=self.trusted)
            else:
                runs.save(self.conn, self.run_id, version, said, wanted, trusted=self.trusted)
        else:
            error = self.ended["error"]
            runs.save_end(
                self.conn,
                self.run_id,
                trusted=self.trusted,
                version=version,
                state=said,
                wanted=wanted,
                output=self.ended["output"],
                error=None if error is None else dump(error),
                finished_at=self.wall,
            )
            self.freed_key = self.known.header.key is not None and not self.queued
        if self.known.header.parent is not None and (self.ended is not None or standing(said) != standing(self.stood)):
            children.tell(self.conn, self.run_id)
            self.tells_parent = True
        self.version = version
        self.put_off()

    def _store_cursors(self) -> None:
        for name, task in self.state.tasks.items():
            before = self.before.tasks.get(name)
            if (
                task.total
                and before is not task
                and (before is None or (before.cursor, before.failed) != (task.cursor, task.failed))
            ):
                runs.advance(self.conn, self.run_id, name, task)


def _nobody(agent: str) -> bool:
    return False
