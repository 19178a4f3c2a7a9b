"""The landscape in this process, with the state that the configuration names."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..core.adapter import FileAction
from ..core.errors import InputError
from ..core.queues import DEFAULT
from ..core.store.letters import Wanted
from .output import say
from .service import Json, Progress

if TYPE_CHECKING:
    from ..app import App
    from ..core.views import Run


_PAGE = 1000


_PART_BYTES = 1_048_576


class Local:
    """Whoever runs the command line owns the state, and is named in the audit as `cli:USER`."""

    works = True

    def __init__(self, path: str | None, queues: Collection[str] = (DEFAULT,), tenant: str | None = None) -> None:
        from ..app import open_app

        self._app: App = open_app(path, queues=queues)
        if (upgraded := self._app.journal.upgraded) is not None and upgraded.before is not None:
            say(str(upgraded), style="dim", stderr=True)
        self._caller = self._app.owner().of_tenant(tenant, "--tenant")
        self._begun = False

    def adapters(self) -> list[Json]:
        return self._app.catalogue.adapters()

    def check(self, name: str, *, write: bool) -> Iterator[Json]:
        for finding in self._app.catalogue.check(name, write=write):
            yield {"what": finding.what, "ok": finding.ok, "found": finding.found, "next": finding.next}

    def tools(self, *, q: str | None, adapter: str | None, effect: str | None) -> list[Json]:
        return self._app.catalogue.tools(caller=self._caller, q=q, adapter=adapter, effect=effect)

    def silent(self) -> Mapping[str, str]:
        return {name: error.message for name, error in self._app.landscape.failures().items()}

    def tool(self, name: str) -> Json:
        return self._app.catalogue.tool(name, caller=self._caller)

    def export(self, form: str, agent: str | None) -> Any:
        if agent not in {None, "local"}:
            self._app.agents.entry(agent)
        caller = self._caller if agent is None else self._app.caller(agent)
        return self._app.catalogue.export(form, caller=caller)

    def call(self, tool: str, arguments: Any, *, key: str | None, code: str | None) -> Json:
        if self._app.catalogue.bound(tool, self._caller).rules.approval is not None:
            self._begin()  # a question is asked by a run
        answer = self._app.direct.call(tool, arguments, caller=self._caller, key=key, code=code)
        if answer.state == "waiting":
            return {"status": "waiting", "id": answer.id}
        return {"result": answer.result, "id": answer.id}

    def preview(self, tool: str, arguments: Any) -> Json:
        return self._app.guard.preview(tool, arguments, self._caller)

    def start(self, workflow: str, given: Any, *, key: str | None) -> Json:
        self._begin()
        return _run(self._app.start(workflow, given, caller=self._caller, key=key))

    def run(self, run_id: str) -> Json:
        usage = self._app.agent_runs.usage(run_id)
        found = _run(self._app.engine.run(run_id))
        return found if usage is None else {**found, "usage": usage}

    def runs(self, *, limit: int, since: str | None = None, **by: Any) -> list[Json]:
        moment = None if since is None else _moment(since)
        return [_run(run) for run in self._app.engine.runs(limit=limit, since=moment, **by)]

    def tasks(self, run_id: str) -> list[Json]:
        return [task.as_json() for task in self._app.engine.tasks(run_id)]

    def events(self, run_id: str, after: int) -> list[Json]:
        return [event.as_json() for event in self._app.engine.events(after=after, limit=1000, run_id=run_id)]

    def claim(self, claim: str) -> Iterator[bytes]:
        found = self._app.claims.find(claim)
        for start in range(0, found.bytes, _PART_BYTES):
            yield self._app.claims.part(claim, start, min(start + _PART_BYTES, found.bytes))

    def act(self, run_id: str, verb: str, *, reason: str | None, given: Any = None, task: str | None = None) -> Json:
        more = {"input": given, "from_task": task} if verb == "retry" else {}
        done = getattr(self._app.engine, verb)(run_id, caller=self._caller, reason=reason, **more)
        self._begin()
        return _run(done)

    def approvals(self, *, state: str | None = "waiting", mine: bool = False) -> list[Json]:
        by = self._caller if mine else None
        return list(
            _pages(
                lambda after: self._app.desk.approvals(state=state, by=by, after=after, limit=_PAGE),
                lambda one: one["id"],
            )
        )

    def answer(self, approval: str, *, approved: bool, reason: str | None) -> Json:
        self._begin()
        return self._app.desk.answer(approval, approved=approved, caller=self._caller, reason=reason)

    def assignments(self, agent: str | None, *, state: str | None = "open") -> list[Json]:
        return self._app.assignments.page(caller=self._caller, agent=agent, state=state, limit=1000)

    def answer_assignment(self, assignment: str, *, output: Any, error: str | None) -> Json:
        self._begin()
        return self._app.assignments.answer(assignment, caller=self._caller, output=output, error=error)

    def letters(self, **by: Any) -> list[Json]:
        wanted = _wanted(by)
        return list(
            _pages(
                lambda after: self._app.desk.dead_letters(wanted, after=after, limit=_PAGE),
                lambda one: one["id"],
            )
        )

    def many_letters(
        self, verb: str, by: Json, *, dry_run: bool, every: bool, reason: str | None, **said: Any
    ) -> Iterator[Json]:
        if not dry_run:
            self._begin()
        wanted, after = _wanted(by), None
        while True:
            page = self._app.letters.many(
                verb,  # type: ignore[arg-type]  # the verbs of the command line are these
                wanted,
                caller=self._caller,
                dry_run=dry_run,
                every=every,
                after=after,
                reason=reason,
                **said,
            )
            yield from page["items"]
            after = page["next"]
            if after is None:
                return

    def letter(self, letter: str) -> Json:
        return self._app.desk.dead_letter(letter)

    def settle(self, letter: str, *, done: bool, result: Any, reason: str | None) -> Json:
        self._begin()
        return self._app.desk.settle(letter, done=done, caller=self._caller, result=result, reason=reason)

    def send(self, letter: str, *, reason: str | None) -> Json:
        answer = self._app.desk.send(letter, caller=self._caller, reason=reason)
        return {"result": answer.result, "id": answer.id}

    def drop(self, letter: str, *, reason: str | None) -> None:
        self._app.desk.drop(letter, caller=self._caller, reason=reason)

    def syncs(self) -> list[Json]:
        return list(self._app.syncs.look())

    def sync(self, name: str, options: Mapping[str, Any], progress: Progress) -> Json:
        def told(counts: Any, total: int | None) -> None:
            progress(counts.read, total)

        return self._app.syncs.run(name, options, caller=self._caller, progress=told).as_json()

    def sync_run(self, run: str) -> Json:
        return self._app.syncs.run_of(run).as_json()

    def sync_ddl(self, name: str) -> Json:
        return self._app.syncs.prepare(name)

    def cursor(self, name: str) -> Json:
        return self._app.syncs.cursor(name)

    def set_cursor(self, name: str, value: Any, *, reason: str | None) -> Json:
        return self._app.syncs.set_cursor(name, value, caller=self._caller, reason=reason)

    def files(self, feed: str, *, state: str | None) -> list[Json]:
        adapter, name = _parted(feed)
        return [_plain(one) for one in self._app.feeds.files(adapter, name, state=state)]

    def act_on_file(self, feed: str, file: str, verb: FileAction, *, reason: str | None) -> Json:
        adapter, name = _parted(feed)
        return _plain(self._app.feeds.act(adapter, name, file, verb, caller=self._caller, reason=reason))

    def hold(self, name: str, *, until: datetime | None, reason: str | None) -> Json:
        return self._app.brake.hold(name, caller=self._caller, until=until, reason=reason)

    def release(self, name: str, *, reason: str | None) -> None:
        self._app.brake.release(name, caller=self._caller, reason=reason)

    def status(self) -> Json:
        return self._app.status.page()

    def audit(self, *, limit: int, since: str | None = None, **by: Any) -> list[Json]:
        from ..core.audit.walk import Wanted, page

        wanted = Wanted(**by, since=None if since is None else _moment(since))
        found: list[Json] = []
        after: str | None = None
        while len(found) < limit:
            some, after = page(self._app.journal, wanted, after=after, limit=limit - len(found))
            found += some
            if after is None:
                break
        return found

    def verify_audit(self) -> Json:
        from ..core.audit.key import known
        from ..core.audit.walk import verify

        return verify(self._app.journal, known(self._app.guard.vault, self._app.audit_key)).as_json()

    def close(self) -> None:
        self._app.close()

    def _begin(self) -> None:
        """Work on runs from now on: engine threads alone, since schedules and triggers belong to `drawbar serve`."""
        if not self._begun:
            self._begun = True
            self._app.begin()


def _pages(read: Callable[[str | None], list[Json]], cursor: Callable[[Json], str]) -> Iterator[Json]:
    """Read a list to its end."""
    after: str | None = None
    while page := read(after):
        yield from page
        if len(page) < _PAGE:
            return
        after = cursor(page[-1])


def _wanted(by: Mapping[str, Any]) -> Wanted:
    times = {name: datetime.fromisoformat(by[name]).timestamp() for name in ("since", "until") if name in by}
    return Wanted(**{**by, **times})


def _run(run: Run) -> Json:
    return {**run.as_json(), "run_id": run.id, "status": run.state}


def _plain(one: Any) -> Json:
    return one if isinstance(one, dict) else one.as_json()


def _parted(feed: str) -> tuple[str, str]:
    adapter, dot, name = feed.partition(".")
    if not dot:
        raise InputError(f"there is no feed {feed!r}", reason="not_found", next="a feed is named ADAPTER.FEED")
    return adapter, name


def _moment(text: str) -> float:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(
            f"{text!r} is no moment", field="since", next="write 2026-11-22 or 2026-11-22T02:00+01:00"
        ) from None
    return (found if found.tzinfo else found.astimezone(UTC)).timestamp()
