"""One claimed task, from its arguments to its outcome."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from typing import Any, Protocol

import structlog
from tenacity import RetryCallState
from tenacity.wait import wait_base

from .agents_work import AgentWork
from .aside import Kept
from .children import Children
from .claim import Came, Claim
from .compensating import lettered, seen
from .course import Course, Unforeseen
from .errors import ConfigError, DrawbarError, InputError, NotNow, OutcomeUnknown, Rejected, Unavailable
from .guard import Guard
from .holds import Held
from .intents import Begun, Intents, Stale, env_of, limit_s
from .interpreter import WHOLE
from .leases import Leases
from .outcome import Outcome
from .policy import verdict
from .pool import Pool
from .prepared import Prepared
from .record import Record
from .restored import Restored
from .rooms import Rooms
from .rules import ApprovalRule
from .store import approvals, attempts, ledger, runs
from .store.ids import new_id
from .store.journal import Away, Connection
from .tool import Effect
from .trace import PARENT, RUN
from .values import dump

log = structlog.get_logger("drawbar.work")
_BUSY_S = 0.5
_CROWDED_S = 1.0
_HELD_S = 900.0
_MARGIN_S = 1.0
Settle = Callable[[Connection], Came]


class RunSync(Protocol):
    """Runs a sync to its end and gives what its history keeps; raises one of the five. Doing it again does no harm."""

    def __call__(self, name: str, *, run_id: str, date: str, part: int = ...) -> Any: ...


def load_of(sync: str) -> str:
    """Name the workflow of which each run loads a sync's ranges, one for each item."""
    return f"load:{sync}"


class StillRuns(Unavailable):
    """The sync of a task runs already: its task comes back later, and that uses up no attempt."""


class Work:
    """Does claimed tasks on the caller's thread."""

    def __init__(
        self,
        record: Record,
        leases: Leases,
        guard: Guard,
        wait: wait_base,
        run_sync: RunSync | None,
        children: Children,
        threads: int = 16,
    ) -> None:
        """`threads` is how many of this process may work for one system."""
        self._record = record
        self._leases = leases
        self._guard = guard
        self._intents = Intents(guard)
        self.ahead = self._intents.ahead
        self.foreseen = self._intents.foreseen
        """Adds the intent of the write that a thread goes on with to the commit that claims it."""
        self._wait = wait
        self._run_sync = run_sync
        self._children = children
        self._restored = Restored(record.journal)
        self.agents: AgentWork | None = None
        self.pool: Pool | None = None
        self.rooms = Rooms(threads)

    def do(self, claim: Claim) -> list[Claim]:
        """Do one claim; give the tasks that its outcome claimed for this thread."""
        RUN.set(claim.run_id)
        PARENT.set(claim.known.header.trace)
        try:
            settle = self._settled(claim)
            return self._finish(claim, settle if claim.step.undoes is None else lettered(self._guard, claim, settle))
        except Stale:
            log.warning("task.stale", run=claim.run_id, task=claim.task)
            return []
        finally:
            RUN.set(None)
            PARENT.set(None)
            self._leases.drop(claim)  # whatever went wrong: what nobody works on must not be renewed

    def _settled(self, claim: Claim) -> Settle:
        """Do it, and say what is to be stored: never raises one of the five."""
        try:
            if claim.step.task.workflow is not None:
                return self._children.settle(claim, self._env(claim))
            if claim.step.task.agent is not None:
                return self._agent(claim)
            return self._sync(claim) if claim.step.task.sync is not None else self._tool(claim)
        except Held as error:
            return self._held(claim, error)
        except Away as error:
            return self._put_off(error)
        except DrawbarError as error:
            return self._came(claim, "read", Outcome.of_error(error, {}))
        except Stale:
            raise
        except Exception as error:  # a defect must end its task, not its thread
            log.exception("task.defect", run=claim.run_id, task=claim.task)
            said = ConfigError(f"{type(error).__name__}: this is a defect of Drawbar, the log has it")
            return self._came(claim, "read", Outcome.of_error(said, {}))

    def _agent(self, claim: Claim) -> Settle:
        if self.agents is None:
            raise ConfigError("this process has no models")
        return self.agents.settle(claim, self._env(claim))

    def _sync(self, claim: Claim) -> Settle:
        name = claim.step.task.sync
        if self._run_sync is None or name is None:
            raise ConfigError("this process has no syncs")
        try:
            header = claim.known.header
            part = {"part": claim.item} if header.workflow == load_of(name) else {}
            result = self._run_sync(name, run_id=claim.run_id, date=header.date, **part)
        except StillRuns as error:
            due_at = self._record.journal.now() + (error.retry_after_s or _BUSY_S)
            said = error.as_json()
            return lambda conn: Came("delayed", error=said, due_at=due_at, counts=False)
        return self._came(claim, "idempotent", Outcome("done", result))

    def _tool(self, claim: Claim) -> Settle:
        if claim.begun is not None:
            return self._begun(claim, claim.begun)
        prepared = self._intents.prepared(claim, self._env(claim))
        if claim.intent is not None and (before := self._done_before(claim, prepared)) is not None:
            return before
        if prepared.approval is not None:
            unapproved = self._unapproved(claim, prepared, prepared.approval)
            if unapproved is not None:
                return unapproved
        prepared.tool.share.look(limit_s(claim, prepared))  # before an intent is recorded
        with self.rooms.entered(prepared.tool.adapter) as is_in:
            return self._made(claim, prepared) if is_in else self._crowded(claim, prepared)

    def _crowded(self, claim: Claim, prepared: Prepared) -> Settle:
        """Come back later: as many threads of this process as may wait for one system do; that uses up no attempt."""
        said = NotNow(f"{prepared.tool.adapter} keeps all the threads busy that it may have").as_json()
        due_at = self._record.journal.now() + min(_CROWDED_S * 2 ** min(claim.fence, 8), 30)
        return lambda conn: Came("delayed", error=said, due_at=due_at, counts=False)

    def _made(self, claim: Claim, prepared: Prepared) -> Settle:
        """Make the call, with an intent before it where it has an effect."""
        if not prepared.recorded:
            outcome = self._perform(claim, prepared, call_id := ":".join(map(str, claim.place)))
            self._guard.witness.called(prepared, call_id, outcome, run_id=claim.run_id, task=claim.task)
            return self._came(claim, prepared.tool.effect, outcome, kept=self._kept(claim, outcome, prepared))
        entry = claim.intent or new_id()
        now = self._record.journal.now()
        intent = self._intents.intent(claim, prepared, entry, now)
        try:
            admission = self._record.journal.write(
                lambda conn: self._intents.record(conn, claim, prepared, intent, now)
            )
        except Away as error:
            return self._not_left(entry, now, error, self._put_off(error))
        if isinstance(admission, ledger.Same):
            return self._same(claim, prepared, admission, own=admission.entry == entry)
        if isinstance(admission, ledger.Busy):
            return self._orphaned(claim, prepared, entry) if admission.entry == entry else self._busy(claim, admission)
        return self._called(claim, prepared, entry)

    def _same(self, claim: Claim, prepared: Prepared, first: ledger.Same, *, own: bool) -> Settle:
        """Give the answer that the ledger has."""
        with self._record.journal.read() as conn:
            repeated = self._guard.aside.hidden_in(conn, dump(first.result))
        whole = self._guard.whole(first.result)
        kept = self._guard.keep(prepared.tool, whole, claim.run_id, of_run=True, repeated=repeated)
        came = Came("succeeded", kept.text, notes={"same_as": first.entry}, own=own, kept=kept)
        return lambda conn: came

    def _done_before(self, claim: Claim, prepared: Prepared) -> Settle | None:
        """Give what an earlier attempt did, when all that failed came after its effect: no write is made twice."""
        assert claim.intent is not None
        with self._record.journal.read() as conn:
            done = ledger.done_as(conn, claim.intent)
        if done is None:
            return None
        args_hash, first = done
        if args_hash != prepared.hash:
            raise InputError(
                "this write is done already, with other arguments than it would have now",
                reason="conflict",
                tool=prepared.tool.name,
                id=claim.intent,
                next="retry with the input that it was done with, or begin a new run",
            )
        return self._same(claim, prepared, first, own=True)

    def _begun(self, claim: Claim, begun: Begun) -> Settle:
        """Make the call whose intent is recorded already; what is held since then does not leave."""
        try:
            self._guard.look(begun.prepared)
        except Held as error:
            return self._not_left(begun.entry, begun.at, error, self._held(claim, error))
        with self.rooms.entered(begun.prepared.tool.adapter, must=True):
            return self._called(claim, begun.prepared, begun.entry)

    def _called(self, claim: Claim, prepared: Prepared, entry: str) -> Settle:
        outcome = self._doubted(claim, prepared, entry) or self._perform(claim, prepared, entry)
        kept = self._kept(claim, outcome, prepared)
        came = self._came(claim, prepared.tool.effect, outcome, entry, kept)
        audited = self._guard.witness.entry(prepared, entry, outcome, run_id=claim.run_id, task=claim.task)

        def settle(conn: Connection) -> Came:
            self._guard.witness.write(conn, audited)
            self._guard.conclude(conn, prepared, entry, outcome, kept)
            return came(conn)

        return settle

    def _doubted(self, claim: Claim, prepared: Prepared, entry: str) -> Outcome | None:
        return self._restored.doubt(claim.known.header, entry) if prepared.tool.effect == "write" else None

    def _env(self, claim: Claim) -> dict[str, Any]:
        """Give what the arguments see, as of now."""
        if not claim.step.arguments.paths:
            return {}
        with ExitStack() as stack:
            conn = cache(lambda: stack.enter_context(self._record.journal.read()))
            env = env_of(conn, claim, claim.known.point[1], {})
            return env if claim.step.undoes is None else {**env, **seen(conn(), self._guard, claim)}

    def _perform(self, claim: Claim, prepared: Prepared, call_id: str) -> Outcome:
        def leaving() -> None:
            """Look at our own lease immediately before the first byte leaves."""
            if time.monotonic() > claim.until - _MARGIN_S:
                raise Unavailable("this process was too slow: its lease on the task is over")

        return self._guard.perform(
            prepared,
            call_id=call_id,
            run_id=claim.run_id,
            task=claim.task,
            timeout_s=claim.step.task.timeout_s,
            leaving=leaving,
        )

    def _held(self, claim: Claim, held: Held) -> Settle:
        """Wait without a thread until it is released, which wakes the task; neither attempts nor `within_s` are used up."""
        wait_s = _HELD_S if held.until is None else max(min(held.until - self._guard.holds.now(), _HELD_S), 0)
        due_at = self._record.journal.now() + wait_s

        def settle(conn: Connection) -> Came:
            runs.stop_clock(conn, *claim.place, now=self._record.journal.now())
            return Came("delayed", error=held.as_json(), due_at=due_at, counts=False)

        return settle

    def _busy(self, claim: Claim, busy: ledger.Busy) -> Settle:
        """Another call with this business key has no answer yet: look again later; that uses up no attempt."""
        wait_s = min(_BUSY_S * 2 ** min(claim.fence, 8), 30)
        error = {
            "kind": "unavailable",
            "message": f"another call with this key is open: {busy.entry}",
            "id": busy.entry,
        }
        due_at = self._record.journal.now() + wait_s
        return lambda conn: Came("delayed", error=error, due_at=due_at, counts=False)

    def _put_off(self, error: Away) -> Settle:
        """The journal was away, and not the system that the task is about: that uses up no attempt."""
        said = error.as_json()
        return lambda conn: Came("delayed", error=said, due_at=self._record.journal.now() + _BUSY_S, counts=False)

    def _not_left(self, entry: str, intent_at: float, error: DrawbarError, came: Settle) -> Settle:
        """Whatever the journal kept of our intent: the call was not made."""

        def settle(conn: Connection) -> Came:
            ledger.withdraw(conn, entry, intent_at=intent_at, error=error.as_json(), now=self._record.journal.now())
            return came(conn)

        return settle

    def _orphaned(self, claim: Claim, prepared: Prepared, entry: str) -> Settle:
        """Our own intent is open, though no thread calls: nobody can say whether it left, so nobody sends it again."""
        lost = OutcomeUnknown("the intent was recorded, and what came of it was not", tool=prepared.tool.name)
        outcome = Outcome.of_error(lost, {})
        came = self._came(claim, "write", outcome, entry)
        audited = self._guard.witness.entry(prepared, entry, outcome, run_id=claim.run_id, task=claim.task)

        def settle(conn: Connection) -> Came:
            self._guard.witness.write(conn, audited)
            self._guard.conclude(conn, prepared, entry, outcome)
            return came(conn)

        return settle

    def _unapproved(self, claim: Claim, prepared: Prepared, rule: ApprovalRule) -> Settle | None:
        """Ask another person, or hear the answer; None when this very call was approved."""
        journal = self._record.journal
        if claim.approval is not None:
            with journal.read() as conn:
                asked = approvals.find(conn, claim.approval)
            if asked["args_hash"] == prepared.hash and asked["state"] == "approved":
                claim.first_at = max(claim.first_at, asked["answered_at"])  # waiting for a person is not trying
                return None
            if asked["args_hash"] == prepared.hash and asked["state"] != "waiting":
                return self._came(claim, "write", Outcome.of_error(refusal(asked), {}))
        within_s = rule.within_h * 3600
        hidden = prepared.tool.rules.hidden
        kept = self._guard.to_keep(prepared.arguments, hidden, claim.run_id, of_run=True, carried=prepared.carried)

        def settle(conn: Connection) -> Came:
            now = journal.now()
            approval = approvals.ask(
                conn,
                asked_by=prepared.caller.name,
                by=rule.by,
                now=now,
                within_s=within_s,
                run_id=claim.run_id,
                task=claim.task,
                item=None if claim.item == WHOLE else claim.item,
                tool=prepared.tool.full_name,
                description=claim.step.task.description,
                arguments=kept.store(conn),
                args_hash=prepared.hash,
            )
            return Came("waiting", due_at=now + within_s, counts=False, approval=approval)

        return settle

    def _kept(self, claim: Claim, outcome: Outcome, prepared: Prepared) -> Kept | None:
        if outcome.state != "done":
            return None
        return self._guard.keep(prepared.tool, outcome.result, claim.run_id, of_run=True, repeated=outcome.hidden)

    def _came(
        self, claim: Claim, effect: Effect, outcome: Outcome, entry: str | None = None, kept: Kept | None = None
    ) -> Settle:
        """Decide what an outcome means for the task."""
        if not outcome.counts:
            return self._not_now(claim, outcome)
        if outcome.state == "done":
            kept = kept or self._guard.aside.keep(outcome.result, claim.run_id)
            came = Came("succeeded", kept.text, entry=entry, notes=outcome.notes, kept=kept)
        else:
            came = self._failed(claim, effect, outcome, entry)
        return lambda conn: came

    def _not_now(self, claim: Claim, outcome: Outcome) -> Settle:
        """Wait without a thread for our own budget: that uses up no attempt, and closed hours no time of `within_s`."""
        now = self._record.journal.now()
        due_at = now + max(outcome.retry_after_s or 0, _BUSY_S)
        within_s = claim.step.task.retry.within_s
        if not outcome.pauses and within_s is not None and due_at > claim.first_at + within_s:
            return lambda conn: Came("failed", error=outcome.error, notes=outcome.notes)

        def settle(conn: Connection) -> Came:
            if outcome.pauses:
                runs.stop_clock(conn, *claim.place, now=now)
            return Came("delayed", error=outcome.error, due_at=due_at, counts=False)

        return settle

    def _failed(self, claim: Claim, effect: Effect, outcome: Outcome, entry: str | None) -> Came:
        follows = verdict(outcome.recovery or "stop", effect)
        if follows == "park":
            return Came("parked", error=outcome.error, entry=entry, notes=outcome.notes)
        again = follows == "again" and outcome.recovery in claim.step.task.retry.on
        due_at = self._due_at(claim, outcome.retry_after_s) if again else None
        state = "failed" if due_at is None else "delayed"
        return Came(state, error=outcome.error, due_at=due_at, notes=outcome.notes)

    def _due_at(self, claim: Claim, retry_after_s: float | None) -> float | None:
        """Say when the next attempt is due; None when the task's retries are used up."""
        retry = claim.step.task.retry
        tried = claim.attempt + 1
        if tried >= retry.attempts:
            return None
        state = RetryCallState(None, None, (), {})  # type: ignore[arg-type]  # tenacity's waits look at the number alone
        state.attempt_number = tried
        due_at = self._record.journal.now() + max(self._wait(state), retry_after_s or 0)
        return None if retry.within_s is not None and due_at > claim.first_at + retry.within_s else due_at

    def _finish(self, claim: Claim, settle: Settle) -> list[Claim]:
        """Commit the outcome, what follows and the next claims; patiently, since running work must leave its outcome."""
        is_first = foresees = True
        ahead: Callable[[Course], None] | None = None
        taken: Course | None = None

        def tell(course: Course) -> None:
            nonlocal taken
            # A commit whose answer was lost may have been one; then what it began is still ours.
            if foresees and ahead is not None:
                course.foresee = self.foreseen
            if is_first or not attempts.has_ended(course.conn, claim.place, claim.fence, self._record.owner):
                taken = course
                course.came(claim, settle(course.conn))
            elif taken is not None and taken.claims:
                self._resume(course, taken.claims[0])

        pause_s = 0.1
        while True:
            reserved = 0
            room = 0
            ahead = None
            if self.pool is not None and not self.pool.stopping:
                ahead = self.ahead
                reserved = self.pool.reserve(claim.known.plan.width - 1)
                room = 1 + reserved
            try:
                claims = self._record.take(claim.run_id, tell, room=room, ahead=ahead, trusts=is_first)
            except Unavailable as error:
                self._give([], reserved)
                if self._leases.lost(claim):
                    log.warning("outcome.lost", run=claim.run_id, task=claim.task, error=error.message)
                    return []
                is_first = foresees = False
                time.sleep(pause_s)
                pause_s = min(2 * pause_s, 5)
                continue
            except Unforeseen as error:
                self._give([], reserved)
                log.warning("ahead.fails", error=str(error))
                foresees = False
                continue
            except BaseException:
                self._give([], reserved)
                raise
            self._leases.take(claims)
            self._give(claims[1:], reserved)
            return claims[:1]

    def _resume(self, course: Course, next_: Claim) -> None:
        """Go on with what a commit claimed whose answer was lost; its call was not made, and is not when it is too late."""
        row = runs.current(course.conn, *next_.place)
        if row is None or row[:2] != ("running", next_.fence):
            return
        if not self._leases.lost(next_):
            course.claims.append(next_)
        elif next_.begun is not None:
            said = Unavailable("the journal was away for longer than the lease on the task").as_json()
            ledger.withdraw(course.conn, next_.begun.entry, intent_at=next_.begun.at, error=said, now=course.now)

    def _give(self, claims: list[Claim], reserved: int) -> None:
        if self.pool is not None:
            self.pool.give(claims, reserved)


def refusal(asked: Any) -> Rejected:
    """Say as an error that an approval was not given."""
    if asked["state"] == "expired":
        said = "nobody approved it in time"
    elif asked["state"] == "withdrawn":
        said = "the question was withdrawn"
    else:
        said = f"{asked['answered_by']} said no" + (f": {asked['reason']}" if asked["reason"] else "")
    return Rejected(said, id=asked["id"], detail={"approval": asked["state"]})
