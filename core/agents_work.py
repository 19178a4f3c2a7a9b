"""
An agent's task, done by its model.

The loop is ours and not a library's, since it must outlive the process: what the model said and what came of each call are steps
in the journal, and what is next follows from them (agents_steps.py). A call of a tool is a run of its own that the task waits
for, as it would for a sub-workflow: so it has its intent in the ledger, its retries, its approval, its place on the queue of
its system, and is never made twice. The model holds a thread while it thinks, and nothing else does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any

from tenacity import RetryCallState
from tenacity.wait import wait_base

from .access import AgentConfig, Caller
from .agents_config import ModelConfig
from .agents_model import Kind, Question, Said
from .agents_staff import Staff, allow, name_of_run
from .agents_steps import REPAIRS, Ask, Hear, Make, Step, Take, Talk, body_of
from .agents_tools import Inside, Outside, Result, marked, truncated
from .agents_words import answer as answer_of
from .agents_words import instructions, told
from .beginning import Beginning
from .calls import TASK, run_of_call
from .claim import Came, Claim
from .course import Course
from .cutting import cut
from .errors import ConfigError, DrawbarError, InputError, Rejected, Unavailable
from .guard import Guard
from .holds import Held
from .intents import Stale, call_of
from .interpreter import standing
from .masking import masked, places, texts_at, without
from .measure import METER, TOKENS
from .plan import plan_of
from .prepared import Prepared
from .record import Record
from .store import agents as stored
from .store import children, runs
from .store.journal import Away, Connection
from .values import dump, load, to_json
from .veils import opened

MAX_STEPS = 25
_MILLION = 1_000_000
Settle = Callable[[Connection], Came]


@dataclass(slots=True)
class _Job:
    """One claimed task, with what its agent is now and all that was said in it."""

    claim: Claim
    config: AgentConfig
    model: ModelConfig
    caller: Caller
    talk: Talk
    env: Mapping[str, Any]
    known: dict[str, frozenset[str]] = field(default_factory=dict)
    """What it was shown that others must not see, by the call that showed it; "" is the task itself."""
    wanted: bool = False
    """Whether an operator wants something of its run: then nothing more begins."""

    @property
    def name(self) -> str:
        return self.caller.name

    @property
    def schema(self) -> Any:
        output = self.claim.step.task.output
        return None if output is None else output.fill({})


class AgentWork:
    """Does the tasks of agents with a model, on the caller's thread, as far as they can be done without waiting."""

    def __init__(self, record: Record, guard: Guard, wait: wait_base, staff: Staff) -> None:
        self._record = record
        self._guard = guard
        self._wait = wait
        self._staff = staff

    def settle(self, claim: Claim, env: Mapping[str, Any]) -> Settle:
        """Go on with a task from where its steps say it is. Raises one of the five."""
        job = self._job(claim, env)
        within_h = claim.step.task.within_h
        if within_h is not None and self._record.journal.now() > claim.first_at + within_h * 3600:
            return self._failed(job, Rejected(f"{job.name} did not answer in time"))
        while True:
            match job.talk.next():
                case Ask(missed):
                    came = self._ask(job, missed)
                case Make() as make:
                    came = self._make(job, make)
                case Hear() as hear:
                    came = self._hear(job, hear)
                case Take(said, refused):
                    came = self._take(job, said, refused)
            if came is not None:
                return came
            if job.wanted:
                due_at = self._record.journal.now()
                return lambda conn: Came("delayed", due_at=due_at, counts=False)

    def _job(self, claim: Claim, env: Mapping[str, Any]) -> _Job:
        name = claim.step.task.agent
        assert name is not None
        config = self._staff.find(name)
        if config is None or config.model is None:
            raise ConfigError(f"agent {name} has no model", field=f"agents.{name}.model")
        giver, flow = claim.known.caller, claim.known.header.workflow
        if giver.kind == "agent" and flow != name_of_run(name) and not self._staff.agreed(flow):
            allow(self._staff.caller(giver.name), name, config)
        talk = Talk()
        with self._record.journal.read() as conn:
            for row in stored.steps(conn, *claim.place):
                talk.take(self._read(row))
        caller = self._staff.caller(name).of_tenant(claim.known.caller.tenant, "tenant")
        job = _Job(claim, config, config.model, caller, talk, env)
        if talk.last < 0:
            given = masked(claim.known.fill(claim.step.arguments, env, claim.seen), self._unseen(job))
            text = told(claim.step.task.description, given)
            self._keep(job, "given", {"text": text, "agent": name})
        return job

    def _unseen(self, job: _Job) -> list[str]:
        """Name what of its task this agent must not see."""
        known, task, aside = job.claim.known, job.claim.task, self._guard.aside
        may = opened(known.plan, aside.hidden, aside.below, task, job.caller.sees)
        return [path for path in known.veils(job.claim.seen).given.get(task, ()) if path not in may]

    def _texts(self, job: _Job) -> frozenset[str]:
        """Give what it was shown that others must not see."""
        if not job.caller.sees or not self._guard.landscape.hides:
            return frozenset()
        claim = job.claim
        if "" not in job.known:
            hidden = claim.known.veils(claim.seen).given.get(claim.task, ())
            job.known[""] = texts_at(claim.step.arguments.fill(job.env), hidden) if hidden else frozenset()
        for key, (run_id, tool) in job.talk.runs.items():
            if key not in job.known and (of_tool := self._guard.landscape.hidden(tool)):
                job.known[key] = texts_at(self._whole(run_id), of_tool)
        return frozenset().union(*job.known.values())

    def _whole(self, run_id: str) -> Any:
        with self._record.journal.read() as conn:
            output, _ = runs.output(conn, run_id, TASK)
            return self._record.aside.load(conn, output)

    def _read(self, row: stored.Row) -> Step:
        body = load(self._guard.vault.open(row.body))
        cost = None if row.cost is None else Decimal(row.cost)
        return Step(row.no, row.kind, body, row.input_tokens, row.output_tokens, cost)  # type: ignore[arg-type]  # we wrote it

    def _keep(
        self,
        job: _Job,
        kind: Kind,
        body: Mapping[str, Any] | Callable[[Connection], Mapping[str, Any]],
        *,
        said: Said | None = None,
        tells: Mapping[str, Any] | None = None,
    ) -> None:
        """Commit the next step, and its event, as long as the task is ours; a `body` may be made in the same unit."""
        claim = job.claim
        kept: list[Step] = []

        def unit(course: Course) -> None:
            row = runs.current(course.conn, *claim.place)
            if row is None or row[:2] != ("running", claim.fence):
                raise Stale
            step = self._step(job, kind, body(course.conn) if callable(body) else body, said)
            self._store(course, job, step, tells or {})
            kept[:] = [step]
            job.wanted = course.state.wanted is not None

        self._record.take(claim.run_id, unit)
        job.talk.take(kept[0])

    def _step(self, job: _Job, kind: Kind, body: Any, said: Said | None = None) -> Step:
        if said is None:
            return Step(job.talk.last + 1, kind, body)
        METER.count(TOKENS, job.model.name, "input", by=said.input_tokens)
        METER.count(TOKENS, job.model.name, "output", by=said.output_tokens)
        cost, price = None, job.model.price_per_million
        if price is not None:
            cost = (said.input_tokens * price.input + said.output_tokens * price.output) / _MILLION
        return Step(job.talk.last + 1, kind, body, said.input_tokens, said.output_tokens, cost)

    def _store(self, course: Course, job: _Job, step: Step, tells: Mapping[str, Any]) -> None:
        vault, text = self._guard.vault, dump(step.body)
        cost = None if step.cost is None else format(step.cost, "f")
        row = stored.Row(
            step.no,
            step.kind,
            vault.seal(text) if vault.can_seal else text,
            step.input_tokens,
            step.output_tokens,
            cost,
        )
        stored.add(course.conn, job.claim.place, row, time.time())
        course.tell(f"agent.{step.kind}", job.claim.task, job.claim.item, {"agent": job.name, "step": step.no, **tells})

    def _ask(self, job: _Job, missed: int) -> Settle | None:
        used, most = job.talk.usage, job.config.max_tokens
        if most is not None and used.tokens >= most:
            said = f"{job.name} has used {used.tokens} tokens, and may use {most} for a task (max_tokens)"
            return self._failed(job, Rejected(said))
        tools = self._staff.tools.offered(job.caller)
        question = Question(instructions(job.config.instructions, job.schema), job.talk.told, tools, job.schema)
        began = time.monotonic()
        try:
            answer = self._staff.model.ask(question, job.model)
        except Unavailable as error:
            return self._missed(job, error, missed + 1)
        tells = {
            "model": job.model.name,
            "seconds": round(time.monotonic() - began, 3),
            "input_tokens": answer.input_tokens,
            "output_tokens": answer.output_tokens,
            "calls": [wish.tool[:200] for wish in answer.wishes],
        }
        self._keep(job, "said", body_of(answer), said=answer, tells=tells)
        return None

    def _missed(self, job: _Job, error: Unavailable, times: int) -> Settle:
        """Ask again later: that holds no thread."""
        said = error.as_json()
        self._keep(job, "missed", {"error": said}, tells={"error": said, "times": times})
        if times >= job.model.attempts:
            return self._failed(job, error)
        state = RetryCallState(None, None, (), {})  # type: ignore[arg-type]  # tenacity's waits look at the number alone
        state.attempt_number = times
        due_at = self._record.journal.now() + max(self._wait(state), error.retry_after_s or 0)
        return lambda conn: Came("delayed", error=said, due_at=due_at, counts=False)

    def _make(self, job: _Job, make: Make) -> Settle | None:
        """Begin a call; what cannot be called is told the model at once."""
        most = job.config.max_steps or MAX_STEPS
        if job.talk.usage.calls >= most:
            return self._failed(job, Rejected(f"{job.name} has made {most} calls and has no answer (max_steps)"))
        try:
            self._staff.count(job.caller)
            texts = self._texts(job)
            meant = self._staff.tools.meant(
                make.wish.tool, make.wish.arguments, job.caller, self._result(job), partial(without, texts=texts)
            )
            if isinstance(meant, Inside):
                self._keep_result(job, make, lambda conn: {"status": "done", **meant.do(conn)})
                return None
            prepared = self._prepared(job, meant, texts)
        except (Held, Away):
            raise
        except InputError as error:
            if error.reason != "rate":
                self._refuse(job, make, error)
                return None
            due_at, said = self._record.journal.now() + (error.retry_after_s or 1), error.as_json()
            return lambda conn: Came("delayed", error=said, due_at=due_at, counts=False)
        except DrawbarError as error:
            self._refuse(job, make, error)
            return None
        return self._begun(job, make, prepared)

    def _prepared(self, job: _Job, meant: Outside, texts: frozenset[str]) -> Prepared:
        carried = self._guard.landscape.undeclared(meant.tool, places(meant.arguments, texts))
        prepared = self._guard.prepare(meant.tool, meant.arguments, job.caller, carried=carried)
        if meant.code is not None or prepared.needs_code:
            self._record.journal.write(lambda conn: self._guard.spend(conn, prepared, meant.code))
        return prepared

    def _begun(self, job: _Job, make: Make, prepared: Prepared) -> Settle:
        """Let the call be a run that does this task from now on, in one unit with the step that says so."""
        claim, tool = job.claim, prepared.tool.name
        definition, sent = run_of_call(self._guard, prepared)
        beginning = Beginning.of(
            self._record.aside,
            call_of(tool),
            plan_of(definition),
            sent,
            job.caller,
            date=claim.known.header.date,
            parent=claim.place,
            carried=prepared.carried,
        )
        body = {"wish": make.key, "run_id": beginning.run_id, "tool": tool}

        def begin(course: Course) -> list[Course]:
            tells = {"tool": tool, "call": make.key, "run_id": beginning.run_id}
            self._store(course, job, self._step(job, "called", body), tells)
            return beginning.begin(self._record, course.conn, room=course.room)

        return lambda conn: Came("child", child=beginning.run_id, begin=begin, counts=False)

    def _hear(self, job: _Job, hear: Hear) -> Settle | None:
        """Tell the model what came of a call; wait on where that is not over."""
        with self._record.journal.read() as conn:
            stands = children.stands(conn, hear.run_id)
            if stands is not None and stands.finished_at is None:
                state = standing(stands.state)
                return lambda conn: Came(state, child=hear.run_id, begin=lambda _: [], counts=False)
            row = runs.current(conn, hear.run_id, TASK, -1)
            _, error = runs.output(conn, hear.run_id, TASK)
        if row is not None and row[0] == "succeeded":
            shown, following = cut(self._result(job)(hear.key))
            self._keep_result(job, hear, truncated({"status": "done", "result": shown}, hear.key, following), hear.tool)
        else:
            gone = {"kind": "rejected", "message": "the call was cancelled", "happened": "no"}
            self._keep_result(job, hear, {"status": "error", **(load(error) or gone)}, hear.tool)
        return None

    def _result(self, job: _Job) -> Result:
        """Give the way to what earlier calls gave, in its outward form and without what no model is to see."""

        def result(key: str) -> Any:
            if key not in job.talk.runs:
                raise InputError("there is nothing by this `next`", reason="not_found", field="next")
            run_id, tool = job.talk.runs[key]
            return self._staff.scrub(to_json(self._guard.shown(tool, self._whole(run_id), job.caller)))

        return result

    def _refuse(self, job: _Job, make: Make, error: DrawbarError) -> None:
        self._keep_result(job, make, {"status": "error", **error.as_json()})

    def _keep_result(
        self,
        job: _Job,
        at: Make | Hear,
        said: Mapping[str, Any] | Callable[[Connection], Mapping[str, Any]],
        tool: str | None = None,
    ) -> None:
        name = tool or at.wish.tool[:200]

        def body(conn: Connection) -> Mapping[str, Any]:
            came = to_json(dict(said(conn) if callable(said) else said))
            tells.update(status=came["status"], **({"error": came["message"]} if came["status"] == "error" else {}))
            return {"wish": at.key, "text": marked(name, self._staff.scrub(came))}

        tells: dict[str, Any] = {"tool": name, "call": at.key}
        self._keep(job, "heard", body, tells=tells)

    def _take(self, job: _Job, said: Said, refused: int) -> Settle | None:
        """Take an answer that fits; ask again for one that does not, a few times."""
        try:
            answer = answer_of(said, job.schema)
        except InputError as error:
            why = error.message if error.field is None else f"{error.field}: {error.message}"
            why = without(why, self._texts(job))
            if refused < REPAIRS:
                text = f"This is not what was asked for: {why}. Answer again, with nothing but the answer."
                self._keep(job, "refused", {"text": text}, tells={"error": why})
                return None
            self._keep(job, "refused", {"text": f"This is not what was asked for: {why}."}, tells={"error": why})
            return self._failed(job, Rejected(f"{job.name} gave no answer that fits, {refused + 1} times: {why}"))
        kept = self._guard.aside.veil(answer, job.claim.run_id, places(answer, self._texts(job)))
        usage = job.talk.usage.as_json()
        tells = (("agent.answered", {"agent": job.name, "model": job.model.name, "usage": usage}),)
        came = Came("succeeded", kept.text, notes={"usage": usage}, counts=False, kept=kept, tells=tells)
        return lambda conn: came

    def _failed(self, job: _Job, error: DrawbarError) -> Settle:
        """End it; a retry of the run goes on from here."""
        said = {**error.as_json(), "agent": job.name}
        self._keep(job, "failed", {"error": said}, tells={"error": said, "usage": job.talk.usage.as_json()})
        return lambda conn: Came("failed", error=said)
