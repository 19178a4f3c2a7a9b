"""What the operator's verbs ask for: of the landscape in this process, or of a running service."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Protocol

from ..core.adapter import FileAction

Json = dict[str, Any]
Progress = Callable[[int, int | None], None]


class Service(Protocol):
    """
    One landscape. Answers are plain values with the names that REST has.

    `works` tells whether runs are worked on in this process, so that who started one has to stay until its end.
    """

    works: bool

    def adapters(self) -> list[Json]: ...

    def check(self, name: str, *, write: bool) -> Iterable[Json]: ...

    def tools(self, *, q: str | None, adapter: str | None, effect: str | None) -> list[Json]: ...

    def silent(self) -> Mapping[str, str]:
        """Name the systems that cannot say which tools they have, with the reason."""

    def tool(self, name: str) -> Json: ...

    def export(self, form: str, agent: str | None) -> Any: ...

    def call(self, tool: str, arguments: Any, *, key: str | None, code: str | None) -> Json:
        """Give `{result, id}`, or `{status: waiting, id}` where another person must approve."""

    def preview(self, tool: str, arguments: Any) -> Json: ...

    def start(self, workflow: str, given: Any, *, key: str | None) -> Json: ...

    def run(self, run_id: str) -> Json: ...

    def runs(self, *, limit: int, **by: Any) -> list[Json]: ...

    def tasks(self, run_id: str) -> list[Json]: ...

    def events(self, run_id: str, after: int) -> list[Json]: ...

    def claim(self, claim: str) -> Iterator[bytes]:
        """Give a value that is kept aside, part by part."""

    def act(
        self, run_id: str, verb: str, *, reason: str | None, given: Any = None, task: str | None = None
    ) -> Json: ...

    def approvals(self, *, state: str | None = "waiting", mine: bool = False) -> list[Json]: ...

    def answer(self, approval: str, *, approved: bool, reason: str | None) -> Json: ...

    def assignments(self, agent: str | None, *, state: str | None = "open") -> list[Json]: ...

    def answer_assignment(self, assignment: str, *, output: Any, error: str | None) -> Json: ...

    def letters(self, **by: Any) -> list[Json]:
        """List dead letters; `by` filters: tool state workflow run since until q, times in ISO 8601 with their zone."""

    def many_letters(
        self, verb: str, by: Json, *, dry_run: bool, every: bool, reason: str | None, **said: Any
    ) -> Iterable[Json]:
        """Do a verb to all that fit, page by page, or say what would come of each."""

    def letter(self, letter: str) -> Json: ...

    def settle(self, letter: str, *, done: bool, result: Any, reason: str | None) -> Json: ...

    def send(self, letter: str, *, reason: str | None) -> Json: ...

    def drop(self, letter: str, *, reason: str | None) -> None: ...

    def syncs(self) -> list[Json]: ...

    def sync(self, name: str, options: Mapping[str, Any], progress: Progress) -> Json:
        """Run a sync to its end; `progress` hears the rows read so far and, where it is known, of how many."""

    def sync_run(self, run: str) -> Json: ...

    def sync_ddl(self, name: str) -> Json:
        """Give what the target of a sync needs beside it, as DDL; null where it needs nothing."""

    def cursor(self, name: str) -> Json: ...

    def set_cursor(self, name: str, value: Any, *, reason: str | None) -> Json: ...

    def files(self, feed: str, *, state: str | None) -> list[Json]: ...

    def act_on_file(self, feed: str, file: str, verb: FileAction, *, reason: str | None) -> Json: ...

    def hold(self, name: str, *, until: datetime | None, reason: str | None) -> Json: ...

    def release(self, name: str, *, reason: str | None) -> None: ...

    def status(self) -> Json: ...

    def audit(self, *, limit: int, **by: Any) -> list[Json]:
        """List entries of the audit, the newest first; `by` filters: who what kind outcome run since q."""

    def verify_audit(self) -> Json: ...

    def close(self) -> None: ...
