"""What a run of a sync is asked for: what is new, or what was read before, again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from ..batch import Peeking, Ranging, Refetching, Source
from ..errors import InputError
from .config import SyncConfig

OPTIONS = ("full", "dry_run", "date", "since", "until", "files", "run", "resubmit")


@dataclass(frozen=True, slots=True)
class Asked:
    """
    The options of one run.

    What is read again (`since`, `until`, `files`, `run`) moves no cursor; without any of them reading goes on from it.
    """

    full: bool = False
    dry_run: bool = False
    date: str | None = None
    since: Any = None
    until: Any = None
    files: Sequence[str] = ()
    run: str | None = None
    resubmit: bool = False
    """Rejected records that were corrected; `files` are reject files then."""

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Asked:
        """Read options; InputError names the one that is wrong."""
        for name, value in options.items():
            if name not in OPTIONS:
                raise InputError(f"a sync has no option {name!r}", field=name, next=f"known: {', '.join(OPTIONS)}")
            # from an unset variable of a shell: were it left out, another run than the one meant would start
            if "" in (value if isinstance(value, list) else [value]):
                raise InputError(f"{name} is empty", field=name, next=f"give it a value, or leave {name} out")
        asked = cls(**{name: value for name, value in options.items() if value is not None})
        if asked.date is not None:
            try:
                date.fromisoformat(str(asked.date))
            except ValueError as error:
                raise InputError(f"date: {asked.date!r} is no day such as 2026-11-22", field="date") from error
        ways = [name for name in ("full", "run", "files") if getattr(asked, name)]
        if asked.resubmit:
            ways = ["resubmit", *(one for one in ways if one != "files")]
        ways += ["since"] if asked.since is not None or asked.until is not None else []
        if len(ways) > 1:
            raise InputError(f"{' and '.join(ways)} do not go together", field=ways[1], next="say one of them")
        return asked

    @property
    def is_again(self) -> bool:
        return bool(self.files or self.run or self.resubmit) or self.since is not None or self.until is not None

    def said(self, config: SyncConfig) -> str:
        """Say for an auditor what a run was to read."""
        from_ = config.from_
        if self.resubmit:
            return "rejected records that were corrected"
        if self.run is not None:
            return f"what run {self.run} read, again"
        if self.files:
            return f"again: {', '.join(self.files)}"
        if self.since is not None or self.until is not None:
            ends = (
                "the beginning" if self.since is None else self.since,
                "the end" if self.until is None else self.until,
            )
            return f"again: {from_.cursor.column if from_.cursor else 'rows'} from {ends[0]} to {ends[1]}"
        if from_.feed is not None:
            return "the files that are ready"
        if from_.consume is not None:
            return "what waits in the queue"
        if self.full and (from_.cursor is not None or from_.changed is not None):
            return "everything, whatever the cursor says"
        if from_.cursor is not None or from_.changed is not None:
            return "what is new since the cursor before"
        return "everything, as in each run"

    def look(self, name: str, config: SyncConfig) -> None:
        """Refuse what this sync cannot do; no wire is opened."""
        from_, to = config.from_, config.to
        if self.resubmit:
            if to.mode == "replace":
                raise InputError(
                    f"sync {name} replaces everything, which corrected records alone would too",
                    field="resubmit",
                    next="correct them at the source, and run it again",
                )
            return
        if (self.since is not None or self.until is not None) and from_.cursor is None:
            raise InputError(
                f"sync {name} has no cursor column, so there is no range of it",
                field="since",
                next="--file names files, and --full reads everything",
            )
        if self.files and from_.feed is None:
            raise InputError(f"sync {name} reads no files", field="files", next="--since and --until name a range")
        if self.run and from_.feed is None and from_.cursor is None:
            raise InputError(
                f"what an earlier run of {name} read cannot be read again: it has neither files nor a cursor column",
                field="run",
                next="--full reads everything",
            )
        if self.is_again and from_.cursor is not None and to.table is not None and to.mode in (None, "insert"):
            raise InputError(
                f"sync {name} inserts, and what is in {to.table} already would be there twice",
                field="since" if self.run is None else "run",
                next="use mode upsert",
            )

    def after(self, earlier: Mapping[str, Any], config: SyncConfig) -> Asked:
        """Ask for what an earlier run read, with the business date that it had."""
        day = self.date or day_of(earlier)
        if config.from_.feed is not None and earlier["portions"]:
            names = list(dict.fromkeys(str(one["name"]) for one in earlier["portions"]))
            return Asked(dry_run=self.dry_run, date=day, run=self.run, files=names)
        before, after = earlier["cursor_before"], earlier["cursor_after"]
        if not isinstance(after, Mapping) or "at" not in after or not earlier["read"]:
            raise InputError(f"run {self.run} read nothing that can be read again", field="run", reason="conflict")
        since = None if before is None else before.get("at")
        return Asked(dry_run=self.dry_run, date=day, run=self.run, since=since, until=after["at"])


def narrow(source: Source, asked: Asked, name: str) -> None:
    """Let a source give only what was asked for."""
    if asked.dry_run and isinstance(source, Peeking):
        source.peek()
    if asked.resubmit:
        return
    if asked.files:
        if not isinstance(source, Refetching):
            raise InputError(f"the source of {name} gives nothing again by its name", field="files")
        source.again(asked.files)
    elif asked.is_again:
        if not isinstance(source, Ranging):
            raise InputError(f"the source of {name} has no range", field="since")
        source.only(asked.since, asked.until)


def day_of(earlier: Mapping[str, Any]) -> str:
    """Give the business date that a run had."""
    said = (earlier["options"] or {}).get("date")
    return said or datetime.fromtimestamp(earlier["started_at"], UTC).date().isoformat()
