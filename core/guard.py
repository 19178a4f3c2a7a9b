"""
The one guarded way to call a tool, whoever calls.

`prepare` decides who may call what with which arguments; `perform` makes one attempt and sorts what came of it; `call` is a
direct call with its ledger and its retries. The engine uses `prepare` and `perform` and keeps the ledger in its own commits.
"""

from __future__ import annotations

import secrets
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import structlog

from .access import Caller
from .aside import Aside, Kept
from .errors import (
    ConfigError,
    DrawbarError,
    InputError,
    Unavailable,
)
from .holds import Holds
from .landscape import Bound, Landscape
from .masking import MASK, Vault, masked, places, texts_at, told_by, without
from .outcome import Outcome, by_rules, defect, filled, storable, veiled
from .prepared import Prepared, approval_of, busy_with, forbidden, value_of
from .queues import Queues
from .store import codes, events, ledger
from .store.ids import new_id
from .store.journal import Connection, Journal
from .tool import PATIENT, Asker, Call, Progress, Seen, no_progress
from .tries import TRIES, tried
from .values import ClaimCheck, dump, load, moment
from .veils import takes
from .witness import Witness

log = structlog.get_logger("drawbar.guard")
_CODE_S = 600
_NEXT = "next"
_ONCE = "once:"
_MARGIN_S = 60  # a lease and some more: after that, who recorded an intent has surely given up


@dataclass(slots=True)
class Answer:
    """
    What a direct call gives. `waiting`: another person must approve, `id` is the question's.

    `repeated` says that it is the first answer of the same key; `text` is the result's outward form, where that is at hand.
    """

    result: Any
    id: str
    repeated: bool = False
    state: Literal["done", "waiting"] = "done"
    run_id: str | None = None
    text: bytes | None = None


class Guard:
    def __init__(
        self,
        landscape: Landscape,
        journal: Journal,
        vault: Vault,
        holds: Holds | None = None,
        aside: Aside | None = None,
    ) -> None:
        self.landscape = landscape
        self.journal = journal
        self.vault = vault
        self.aside = aside or Aside(vault)
        self.aside.hidden = self.landscape.hidden
        self.aside.hides = lambda: self.landscape.hides
        self.holds = holds or Holds(journal)
        self.queues = Queues()
        self.witness = Witness()

    def prepare(
        self,
        tool: str,
        arguments: Any,
        caller: Caller,
        *,
        outside: bool = True,
        once: str | None = None,
        carried: tuple[str, ...] = (),
    ) -> Prepared:
        """
        Decide whether this call may be made, without touching the system.

        `once` is the caller's own Idempotency-Key; a tool's business key goes before it. `carried` are paths of arguments that
        were taken from what other tools hide.

        Raises InputError (unknown tool, forbidden, arguments against the schema), ConfigError, Unavailable.
        """
        try:
            prepared = self._prepared(tool, arguments, caller, outside=outside, once=once)
        except DrawbarError as error:
            hidden = (*self._misplaced(tool, arguments, caller), *carried)
            texts = texts_at(arguments, hidden)
            error.message, error.detail = without(error.message, texts), without(error.detail, texts)
            if outside:
                self.witness.refused(tool, caller, arguments, error, hidden)
            raise
        prepared.carried = carried
        return prepared

    def _misplaced(self, tool: str, arguments: Any, caller: Caller) -> set[str]:
        """Name the arguments of a refused call that may have what its tool hides: where it belongs, and under names of no field."""
        hidden = self.landscape.hidden(tool)
        if not hidden or not isinstance(arguments, Mapping):
            return set(hidden)
        bound = self.landscape.known(tool, caller.tenant)
        named = arguments if bound is None else bound.tool.input_schema.get("properties", {})
        return {path.partition(".")[0] for path in hidden}.union(set(arguments).difference(named))

    def _prepared(self, tool: str, arguments: Any, caller: Caller, *, outside: bool, once: str | None) -> Prepared:
        bound = self._free(tool, caller.tenant)
        caller = self._permit(bound, caller)
        if bound.rules.hides:
            arguments = self._with_token(arguments, bound)
        try:
            checked = bound.arguments.arguments({} if arguments is None else arguments, outside=outside)
        except InputError as error:
            error.tool = tool
            raise
        env = {"arguments": checked, "caller": {"name": caller.name, "claims": caller.claims}}
        if bound.rules.bind:
            bind = {name: value_of(template, env, bound, f"bind.{name}") for name, template in bound.rules.bind.items()}
            checked = {**checked, **bind}
            env["arguments"] = checked
        return Prepared(
            tool=bound,
            arguments=checked,
            kept_hash=None,
            key=self._key(bound, env) or (f"{_ONCE}{caller.name}:{once}" if once else None),
            caller=caller,
            approval=approval_of(bound, caller, env),
            needs_code=bound.effect in caller.confirm,
        )

    def look(self, prepared: Prepared) -> None:
        """Raise Held when somebody holds by now what was prepared."""
        self._unheld(prepared.tool)

    def _free(self, tool: str, tenant: str | None = None) -> Bound:
        """Find a tool whose system, and whose feed, nobody holds."""
        if not self.holds.live():
            return self.landscape.tool(tool, tenant)
        self.holds.require_tool(tool.partition(".")[0])
        bound = self.landscape.tool(tool, tenant)
        self._unheld(bound)
        return bound

    def _unheld(self, bound: Bound) -> None:
        self.holds.require_tool(bound.adapter, bound.tool.name)
        if bound.tenant is not None:  # who holds the adapter holds it for all tenants
            self.holds.require_tool(bound.name.partition(".")[0], bound.tool.name)

    def _permit(self, bound: Bound, caller: Caller) -> Caller:
        """Give who calls, with the tenant whose system it is; InputError where it may not."""
        if bound.tenant is not None and bound.tenant != caller.tenant:
            if caller.tenant is not None and caller.kind != "cli":
                raise InputError(f"{bound.full_name} is another tenant's", reason="forbidden", tool=bound.name)
            caller = caller.of_tenant(bound.tenant, "tenant")
        if not bound.rules.enabled:
            if self.landscape.read_only and bound.effect != "read":
                said = f"{bound.name} would change something, and this Drawbar only reads"
                next_ = "ask one that was started without --read-only"
                raise InputError(said, reason="forbidden", tool=bound.name, next=next_)
            raise InputError(f"{bound.name} is switched off", reason="forbidden", tool=bound.name)
        if not caller.may_call(bound.name, bound.effect):
            raise forbidden(bound, caller)
        return caller

    def _key(self, bound: Bound, env: Mapping[str, Any]) -> str | None:
        if bound.rules.key is None:
            return None
        key = value_of(bound.rules.key, env, bound, "key")
        if key is None or key == "":
            raise InputError(f"the key of {bound.name} is empty for these arguments", tool=bound.name)
        return str(key)

    def perform(
        self,
        prepared: Prepared,
        *,
        call_id: str,
        run_id: str | None = None,
        task: str | None = None,
        timeout_s: float | None = None,
        leaving: Callable[[], None] = lambda: None,
        batch: bool = False,
        progress: Progress = no_progress,
    ) -> Outcome:
        """Make one attempt within the budget. Never raises: what came of it is the outcome."""
        made = partial(
            self._performed,
            prepared,
            call_id=call_id,
            run_id=run_id,
            task=task,
            timeout_s=timeout_s,
            leaving=leaving,
            batch=batch,
            progress=progress,
        )
        return self.witness.attempt(prepared, call_id, run_id, task, made)

    def _performed(
        self,
        prepared: Prepared,
        *,
        call_id: str,
        run_id: str | None,
        task: str | None,
        timeout_s: float | None,
        leaving: Callable[[], None],
        batch: bool,
        progress: Progress,
    ) -> Outcome:
        bound = prepared.tool
        limit = min(bound.timeout_s, timeout_s or bound.timeout_s)
        notes: dict[str, Any] = {}
        try:
            line = bound.share.line(bound.effect)
            line.look()
            asked = time.perf_counter()
            with bound.share.slot(limit, batch=batch) as place:
                self.witness.waited(bound, time.perf_counter() - asked)
                left_at = self.journal.now()  # the clock that decides when 'not seen' is 'not done'
                leaving()
                notes["left_at"] = left_at
                until = place.leaving() + limit
                caller = prepared.caller
                call = Call(call_id, caller.name, until, run_id, task, leaving, notes, progress, caller.claims)
                with line.watched(limit):
                    outcome = Outcome("done", bound.tool.run(prepared.arguments, call), notes=notes)
        except DrawbarError as error:
            outcome = Outcome.of_error(error, notes)
        except Exception as error:  # a defect of an adapter must not leave an intent without an outcome
            outcome = self.defective(prepared, call_id, error, notes)
        return veiled(prepared, storable(bound, by_rules(prepared, outcome)))

    def defective(self, prepared: Prepared, call_id: str, error: Exception, notes: dict[str, Any]) -> Outcome:
        """Log a defect of an adapter, and give what came of its call."""
        bound = prepared.tool
        log.error("adapter.defect", tool=bound.name, call_id=call_id, **_trace(prepared, error))
        return Outcome.of_error(defect(bound, error), notes)

    def kept(self, bound: Bound, arguments: Mapping[str, Any]) -> str:
        """Write arguments for our own state, sealed where some of them are secret or personal."""
        text = dump(arguments)
        return self.vault.seal(text) if bound.rules.personal or bound.rules.secret else text

    def to_keep(
        self, arguments: Any, hidden: Iterable[str], owner: str, *, of_run: bool = False, carried: tuple[str, ...] = ()
    ) -> Kept:
        """
        Make arguments ready for the ledger's entry that they go with, or for a question of a run; a large body goes aside.

        So does one with `carried` paths, which nobody could find in the configuration later.
        """
        paths = tuple(hidden)
        if carried:
            kept = self.aside.veil(arguments, owner, (*paths, *carried), of_run=of_run, of_entry=not of_run)
        else:
            kept = self.aside.keep(arguments, owner, of_run=of_run, of_entry=not of_run, hidden=paths)
        return replace(kept, text=self.vault.seal(kept.text)) if paths else kept

    def arguments_of(self, kept: str, conn: Connection | None = None) -> Any:
        """Give back what `to_keep` wrote, whole; on the caller's own connection where it has one."""
        arguments = self.opened(kept)
        if conn is None or not isinstance(arguments, ClaimCheck):
            return self.whole(arguments)
        return self.aside.whole(conn, arguments)

    def keep(self, bound: Bound, result: Any, owner: str, *, of_run: bool, repeated: tuple[str, ...] = ()) -> Kept:
        """
        Make an answer ready to be kept by its run, or by the ledger's entry of a direct call; a large one goes aside.

        `repeated` are paths where it says what must not be seen of the arguments.
        """
        return self.aside.veil(result, owner, (*bound.rules.hidden, *repeated), of_run=of_run)

    def shown(self, tool: str, value: Any, caller: Caller) -> Any:
        """Give a tool's answer as this caller may see it."""
        hidden = self.landscape.hidden(tool, sees=caller.sees)
        shown = masked(value, hidden)
        if hidden and isinstance(value, Mapping) and isinstance(following := value.get(_NEXT), str):
            texts = texts_at(value, hidden)
            if without(decoded := told_by(following), texts) != decoded:  # a page's token names its last row
                shown = {**shown, _NEXT: self.vault.seal(following)}
        return shown

    def _with_token(self, arguments: Any, bound: Bound) -> Any:
        """Open the token of a page that `shown` sealed."""
        following = arguments.get(_NEXT) if isinstance(arguments, Mapping) else None
        if not isinstance(following, str) or not self.vault.sealed(following):
            return arguments
        try:
            return {**arguments, _NEXT: self.vault.open(following)}
        except ConfigError as error:
            said = f"{_NEXT}: this is no token; give the `next` of the last answer"
            raise InputError(said, field=_NEXT, tool=bound.name) from error

    def settled(self, row: Mapping[str, Any], result: Any) -> Kept:
        """Make an answer ready that was found out later, for the ledger's entry that it belongs to."""
        hidden = self.landscape.hidden(row["tool"])
        if self.landscape.hides:
            # Where what was sent cannot be opened, what came of it is kept all the same.
            with suppress(ConfigError, InputError):
                sent = texts_at(self.arguments_of(row["arguments"]), (*hidden, *self.carried(row["arguments"])))
                hidden = [*hidden, *places(result, sent)]
        return self.aside.veil(result, row["run_id"] or row["id"], hidden, of_run=row["run_id"] is not None)

    def key_shown(self, row: Mapping[str, Any]) -> str | None:
        """Give the business key of a ledger's entry as it is shown."""
        rules = self.landscape.rules(row["tool"]) if row["key"] is not None and self.landscape.hides else None
        if rules is None or rules.key is None or row["key"].startswith(_ONCE):
            return row["key"]  # type: ignore[no-any-return]  # a text of the ledger
        try:
            hidden = (*rules.hidden, *self.carried(row["arguments"]))
        except ConfigError:  # it was sealed with another state_key: nobody can say what is in it
            return MASK
        return MASK if takes(rules.key, "arguments", hidden) else row["key"]

    def carried(self, kept: str, conn: Connection | None = None) -> tuple[str, ...]:
        """Name the paths of kept arguments that were taken from what other tools hide; on the caller's own connection."""
        if not self.landscape.hides:
            return ()
        if conn is not None:
            return self.aside.hidden_in(conn, self.vault.open(kept))
        with self.journal.read() as own:
            return self.aside.hidden_in(own, self.vault.open(kept))

    def whole(self, result: Any) -> Any:
        """Give an answer that the ledger keeps, with what is kept aside of it."""
        if not isinstance(result, ClaimCheck):
            return result
        with self.journal.read() as conn:
            return self.aside.whole(conn, result)

    def opened(self, kept: str) -> Any:
        """Give back what `kept` wrote."""
        return load(self.vault.open(kept))

    def again(self, entry: Mapping[str, Any], caller: Caller) -> Prepared:
        """Prepare what the ledger keeps to be sent again as it was: nothing of it is filled in or looked at anew."""
        bound = self._free(entry["tool"])
        caller = self._permit(bound, caller)
        arguments = self.arguments_of(entry["arguments"])
        unsent = self._unsent(entry, arguments, caller) if entry["args_hash"] == "" else None
        arguments = unsent.arguments if unsent else arguments
        env = {"arguments": arguments, "caller": {"name": caller.name, "claims": caller.claims}}
        if approval_of(bound, caller, env) is not None:
            raise InputError(
                f"another person must agree to {bound.name} for {caller.name}",
                reason="forbidden",
                tool=bound.name,
                next="drop this letter and call the tool: that asks",
            )
        return (
            replace(unsent, needs_code=False)
            if unsent
            else Prepared(
                bound,
                arguments,
                entry["args_hash"],
                entry["key"],
                caller,
                None,
                carried=self.carried(entry["arguments"]),
            )
        )

    def _unsent(self, entry: Mapping[str, Any], arguments: Any, caller: Caller) -> Prepared:
        """Prepare what failed before it could be sent."""
        if arguments is None:
            raise InputError(
                "nobody knows what was to be sent",
                reason="conflict",
                id=entry["id"],
                next=f"do it by hand, then drawbar dead drop {entry['id']}",
            )
        return self.prepare(entry["tool"], arguments, caller, outside=False)

    def intent(
        self,
        prepared: Prepared,
        entry_id: str,
        now: float,
        *,
        run_id: str | None = None,
        task: str | None = None,
        item: int | None = None,
        timeout_s: float | None = None,
    ) -> ledger.Intent:
        """Give what the ledger is to record before the call leaves."""
        rules = prepared.tool.rules
        return ledger.Intent(
            id=entry_id,
            tool=prepared.tool.full_name,
            effect=prepared.tool.effect,
            caller=prepared.caller.name,
            hash=prepared.hash,
            arguments=self.to_keep(prepared.arguments, rules.hidden, entry_id, carried=prepared.carried),
            expires_at=now + min(prepared.tool.timeout_s, timeout_s or prepared.tool.timeout_s) * TRIES + _MARGIN_S,
            key=prepared.key,
            key_s=rules.key_h * 3600,
            says_key=not prepared.hides_key,
            run_id=run_id,
            task=task,
            item=item,
        )

    def call(
        self,
        prepared: Prepared,
        *,
        call_id: str | None = None,
        timeout_s: float | None = None,
        code: str | None = None,
        asker: Asker = PATIENT,
        batch: bool = False,
    ) -> Answer:
        """
        Make a direct call: intent, up to three tries, outcome. `code` is spent together with the intent, so that it is used
        up exactly when something may be sent; the first answer of a key needs none. `batch` work keeps to its share.

        Raises one of the five. An unknown outcome of a write stays in the ledger as a dead letter; its id is in the error.
        """
        call_id = call_id or new_id()
        asker.leaving()
        leaving = asker.leaving
        if prepared.recorded:
            intent = self.intent(prepared, call_id, self.journal.now(), timeout_s=timeout_s)
            leaving = partial(self._still_ours, intent.expires_at, asker)
            if (first := self._first_answer(prepared, intent, code)) is not None:
                return first
        elif code is not None:
            self.journal.write(lambda conn: self.spend(conn, prepared, code))
        outcome = self._tried(prepared, call_id, timeout_s, replace(asker, leaving=leaving), batch=batch)
        return self.ended(prepared, call_id, outcome)

    def ended(self, prepared: Prepared, call_id: str, outcome: Outcome) -> Answer:
        """Keep what came of a direct call, and give the answer; raises one of the five."""
        if prepared.recorded:
            self._record(prepared, call_id, outcome)
        else:
            self.witness.called(prepared, call_id, outcome)
        if outcome.state == "done":
            return Answer(outcome.result, call_id, text=outcome.text)
        error = outcome.raised()
        if outcome.state == "unknown" and prepared.tool.effect == "write":
            error.id = call_id
            error.next = f"do not call it again: find out what happened, then drawbar dead settle {call_id}"
        raise error

    def _first_answer(self, prepared: Prepared, intent: ledger.Intent, code: str | None) -> Answer | None:
        """Record the intent; give the answer that its key had before, if any."""
        try:
            admission = self.journal.write(lambda conn: self._admitted(conn, prepared, intent, code))
            if isinstance(admission, ledger.Busy):
                raise busy_with(prepared, admission)
        except DrawbarError as error:
            self.witness.turned_away(prepared, intent.id, "refused", error)
            raise
        if isinstance(admission, ledger.Fresh):
            return None
        self.witness.turned_away(prepared, admission.entry, "repeated")
        return Answer(self.whole(admission.result), admission.entry, repeated=True)

    def _admitted(
        self, conn: Connection, prepared: Prepared, intent: ledger.Intent, code: str | None
    ) -> ledger.Admission:
        admission = ledger.admit(conn, intent, self.journal.now())
        if isinstance(admission, ledger.Fresh):
            self.spend(conn, prepared, code)  # refused, it takes the intent back with it
        return admission

    def spend(self, conn: Connection, prepared: Prepared, code: str | None) -> None:
        """Use up the code of this very call, inside a unit of the journal; refused where one is needed and none was given."""
        name = prepared.tool.name
        if code is not None:
            now = self.journal.now()
            tool = prepared.tool.full_name
            codes.spend(conn, code, caller=prepared.caller.name, tool=tool, args_hash=prepared.hash, now=now)
        elif prepared.needs_code:
            raise InputError(
                f"{prepared.caller.name} calls {name} only with the code of its preview",
                reason="condition_required",
                tool=name,
                field="code",
                next=f"preview {name} with the same arguments, look at it, and call it with that code",
            )

    def _still_ours(self, expires_at: float, asker: Asker) -> None:
        """Look immediately before the first byte leaves: who slept too long was given up, and a person may have sent it."""
        asker.leaving()
        if self.journal.now() > expires_at - 1:
            raise Unavailable("this process was too slow: its call was given up", retry_after_s=1)

    def _record(self, prepared: Prepared, call_id: str, outcome: Outcome) -> None:
        """Keep the outcome. Where that fails the caller hears it all the same, and the ledger finds out that it knows nothing."""
        done = outcome.state == "done"
        said = outcome.hidden
        kept = self.keep(prepared.tool, outcome.result, call_id, of_run=False, repeated=said) if done else None
        audited = self.witness.entry(prepared, call_id, outcome)

        def unit(conn: Any) -> None:
            self.witness.write(conn, audited)
            is_new = self.conclude(conn, prepared, call_id, outcome, kept)
            if is_new and outcome.state == "unknown" and prepared.tool.effect == "write":
                events.add(conn, "dead.parked", body={"entry": call_id, "error": outcome.error})

        try:
            self.journal.write(unit)
        except Unavailable as error:
            log.warning("outcome.unrecorded", tool=prepared.tool.name, entry=call_id, error=error.message)

    def _tried(
        self, prepared: Prepared, call_id: str, timeout_s: float | None, asker: Asker, *, batch: bool = False
    ) -> Outcome:
        limit_s = min(prepared.tool.timeout_s, timeout_s or prepared.tool.timeout_s)
        perform = partial(
            self.perform, prepared, call_id=call_id, leaving=asker.leaving, batch=batch, progress=asker.progress
        )
        return tried(prepared.tool.effect, limit_s, lambda left_s: perform(timeout_s=left_s))

    def conclude(
        self, conn: Any, prepared: Prepared, entry_id: str, outcome: Outcome, kept: Kept | None = None
    ) -> bool:
        """
        Record an outcome inside a unit of the journal; False when a person or a sweep was faster.

        `kept` is the answer as `keep` made it ready.
        """
        if kept is not None:
            kept.store(conn)
        now = self.journal.now()
        probe = prepared.tool.rules.probe
        looks = probe is not None or prepared.tool.tool.probe is not None
        state = outcome.state
        if state == "unknown" and prepared.tool.effect != "write":
            state = "unavailable"  # it may be repeated: nothing is open
        return ledger.conclude(
            conn,
            entry_id,
            state=state,
            now=now,
            result=outcome.result if kept is None else kept.value,
            text=None if kept is None else kept.text,
            error=outcome.error,
            notes=outcome.notes,
            probe_at=now + (probe.after_s if probe else 5) if looks else None,
        )

    def preview(self, tool: str, arguments: Any, caller: Caller) -> dict[str, Any]:
        """
        Show exactly what a call would send, and give a one-use code for it, good for ten minutes.

        It may look at the system, within the budget of reads, and changes nothing there.
        """
        self.queues.require(self.queues.of_tool(tool), f"a preview of {tool}")
        prepared = self.prepare(tool, arguments, caller)
        hidden = self.landscape.hidden(tool, sees=caller.sees)
        shown = _would(prepared)
        would = without(masked(shown, _hidden_in(shown, hidden)), texts_at(prepared.arguments, hidden))
        code = secrets.token_urlsafe(18)
        now, of = self.journal.now(), {"tool": prepared.tool.full_name, "args_hash": prepared.hash}
        self.journal.write(
            lambda conn: codes.keep(conn, code, caller=caller.name, **of, expires_at=now + _CODE_S, now=now)
        )
        return {
            "would": would,
            "effect": prepared.tool.effect,
            "code": code,
            "expires_at": moment(now + _CODE_S),
            "needs_code": prepared.needs_code,
            "needs_approval": prepared.approval is not None,
        }

    def probe(self, entry: Mapping[str, Any]) -> Seen | None:
        """Look whether the effect of a ledger entry is there. None: no answer, which is neither done nor not done."""
        bound = self._free(entry["tool"])
        arguments = self.arguments_of(entry["arguments"])
        if bound.rules.probe is None and bound.tool.probe is None:
            return None
        if bound.rules.probe is None:
            assert bound.tool.probe is not None
            with bound.share.slot(bound.timeout_s), bound.share.line("read").watched(bound.timeout_s):
                call = Call(f"probe-{new_id()}", "probe", time.monotonic() + bound.timeout_s)
                return bound.tool.probe(arguments, call)
        rule = bound.rules.probe
        env: dict[str, Any] = {"arguments": arguments, "caller": {"name": entry["caller"], "claims": {}}}
        who = Caller.cli("probe").of_tenant(bound.tenant, "tenant")
        asked = self.prepare(rule.tool, rule.with_.fill(env), who, outside=False)
        if asked.tool.effect != "read":
            raise ConfigError(f"the probe of {bound.name} must be a read, {rule.tool} is {asked.tool.effect}")
        outcome = self.perform(asked, call_id=f"probe-{new_id()}")
        if outcome.state != "done":
            return None
        env["result"] = outcome.result
        done = rule.done.fill(env)
        return Seen(done is True, filled(rule.result, env, bound.rules.hidden) if done is True else None)


def _hidden_in(would: Any, hidden: Iterable[str]) -> Iterator[str]:
    """Name where a preview has hidden arguments; in a body that is written out they are found as texts."""
    for path in hidden:
        name, _, within = path.partition(".")
        if not (within and isinstance(would, Mapping) and isinstance(would.get(name), str)):
            yield path
        yield f"arguments.{path}"
        yield f"parameters.{path}"


def _would(prepared: Prepared) -> Any:
    bound = prepared.tool
    show = bound.tool.preview
    if show is None:
        return {"tool": bound.name, "arguments": prepared.arguments}
    try:
        with bound.share.slot(bound.timeout_s), bound.share.line("read").watched(bound.timeout_s):
            return show(prepared.arguments)
    except DrawbarError as error:
        error.tool = error.tool or bound.name
        raise
    except Exception as error:
        log.error("adapter.defect", tool=bound.name, **_trace(prepared, error))  # noqa: TRY400
        said = (
            f"{bound.name}: its preview failed unexpectedly ({type(error).__name__}); this is a defect, the log has it"
        )
        raise ConfigError(said, tool=bound.name) from error


def _trace(prepared: Prepared, error: Exception) -> dict[str, Any]:
    """Give a log line the traceback of a defect, without the arguments that must not be seen."""
    if not prepared.hides:
        return {"exc_info": error}
    text = "".join(traceback.format_exception(error))
    return {"exception": without(text, texts_at(prepared.arguments, prepared.hidden))}
