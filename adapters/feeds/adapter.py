"""What the adapters of file drops share: feeds become tools, sources, sinks and triggers."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, TypeVar

from ...connectors.drop import Drop
from ...core.adapter import Adapter, FileAction, Finding, Place, Trigger
from ...core.batch import Sink, Source
from ...core.errors import ConfigError, DrawbarError, InputError
from ...core.tool import Tool
from .arrivals import Deadlines, free_days
from .aside import read_reason, walked
from .claims import FOLDER
from .config import FeedConfig, FeedsConfig
from .deciding import released, retried, skipped
from .feed import Feed
from .sink import FeedSink
from .source import FeedSource
from .tools import feed_tools, tool_names
from .trigger import FileTrigger, ReadyTrigger

C = TypeVar("C", bound=FeedsConfig)


_ACTS: Mapping[FileAction, set[str]] = {
    "retry": {"quarantined", "failed", "done"},
    "release": {"held", "quarantined"},
    "skip": {"ready", "waiting", "held", "failed"},
}


class DropAdapter(Adapter[C], Generic[C]):
    """A place of files with its feeds. A kind says how to open the place."""

    def __init__(self, name: str, config: C, place: Place) -> None:
        super().__init__(name, config, place)
        self._lock = threading.RLock()
        self._drop: Drop | None = None
        self._feeds: dict[str, Feed] = {}
        self._late: dict[str, Deadlines] = {}

    def open_drop(self) -> Drop:
        """Make the connector; it opens nothing before its first session."""
        raise NotImplementedError

    @classmethod
    def tool_names(cls, config: C) -> set[str] | None:
        return {tool for name, feed in config.feeds.items() for tool in tool_names(name, feed.format.kind)}

    @classmethod
    def mistakes(cls, config: C, base: Path) -> Iterator[tuple[tuple[str | int, ...], str]]:
        for name, feed in config.feeds.items():
            at = ("feeds", name)
            try:
                form = feed.format.open(base)
            except ConfigError as error:
                yield (*at, "format", *([error.field] if error.field else [])), error.message
                continue
            if feed.expected is not None and feed.expected.except_ is not None:
                try:
                    free_days(base / feed.expected.except_, datetime.now(UTC).date())
                except ConfigError as error:
                    yield (*at, "expected", "except"), error.message
            for number, total in enumerate(feed.totals):
                for said in total.mistakes(form):
                    yield (*at, "totals", number), said

    @classmethod
    def endpoints(cls, config: C) -> Mapping[str, set[str]]:
        return {"feed": set(config.feeds)}

    def feed(self, name: str) -> Feed:
        with self._lock:
            if name not in self._feeds:
                config: FeedConfig | None = self.config.feeds.get(name)
                if config is None:
                    raise ConfigError(f"{self.name} has no feed {name!r}", field="feed")
                if self._drop is None:
                    self._drop = self.open_drop()
                self._feeds[name] = Feed(self.name, name, config, self._drop, self.place)
            return self._feeds[name]

    def close(self) -> None:
        with self._lock:
            drop, feeds = self._drop, list(self._feeds.values())
            self._drop, self._feeds, self._late = None, {}, {}
        for feed in feeds:
            feed.close()
        if drop is not None:
            drop.close()

    def tools(self) -> Iterable[Tool]:
        for name in self.config.feeds:
            rules = self.config.tools.get(f"write_{name}")
            yield from feed_tools(self.feed(name), secret=bool(rules and rules.secret))

    def source(self, spec: Mapping[str, Any], *, sync: str) -> Source:
        return FeedSource(self.feed(spec["feed"]))

    def sink(self, spec: Mapping[str, Any], *, sync: str) -> Sink:
        return FeedSink(self.feed(spec["feed"]))

    def trigger(self, spec: Mapping[str, Any], *, name: str) -> Trigger:
        feed = self.feed(spec["feed"])
        return ReadyTrigger(feed) if spec.get("for") == "sync" else FileTrigger(feed)

    def check(self, *, write: bool = False) -> Iterator[Finding]:
        with self._lock:
            if self._drop is None:
                self._drop = self.open_drop()
            drop = self._drop
        try:
            with drop.session() as files:
                files.list("")
        except DrawbarError as error:
            yield Finding.of("connect and log in", error)
            return
        yield Finding("connect and log in", ok=True, found=drop.place())
        for name in self.config.feeds:
            yield self._checked(name, write=write)

    def watch(self) -> None:
        """Tell of the files that should have come and did not."""
        for name, config in self.config.feeds.items():
            if config.expected is not None:
                self._late.setdefault(name, Deadlines(self.feed(name), config.expected, self.place.base)).look()

    def files(self, feed: str) -> list[dict[str, Any]]:
        """List inbox, claims, archive and quarantine, the quarantined ones with their reason."""
        one = self._known(feed)
        with one.drop.session() as files:
            found = [*one.look(files), *one.aside(files)]
            reasons = {
                entry.path: read_reason(files, entry.path)
                for entry in found
                if entry.state == "quarantined" and entry.why is None
            }
        return [{**entry.as_json(), **reasons.get(entry.path, {})} for entry in found]

    def file_act(self, feed: str, name: str, action: FileAction, *, by: str, reason: str | None) -> dict[str, Any]:
        """
        Do what an operator decided.

        `retry` puts a file back into the inbox, its failures forgotten; `skip` puts one into quarantine unread; `release` lets
        a held one pass what it waits for, or lets those pass that wait for one in quarantine.
        """
        one = self._known(feed)
        if action == "release" and one.config.order is None:
            said = "release is for feeds with an order; retry puts a file back into the inbox"
            raise InputError(said, reason="conflict")
        with one.drop.session() as files:
            found = one.find(files, name, rather=_ACTS[action])
            if found.state not in _ACTS[action]:
                raise InputError(f"{name} is {found.state}, which {action} is not for", reason="conflict")
            if action == "retry":
                return retried(one, files, found)
            return (
                released(one, files, found) if action == "release" else skipped(one, files, found, by=by, reason=reason)
            )

    def _known(self, feed: str) -> Feed:
        if feed not in self.config.feeds:
            raise InputError(f"{self.name} has no feed {feed!r}", reason="not_found")
        return self.feed(feed)

    def _checked(self, name: str, *, write: bool) -> Finding:
        what = f"feed {name}"
        try:
            feed = self.feed(name)
            feed.format.columns()
            with feed.drop.session() as files:
                entries = walked(files, feed.folder, feed.pattern.depth, {folder for folder, _ in feed.folders()})
                fitting = sum(
                    feed.pattern.match(name) is not None for name, one in entries.items() if not one.is_folder
                )
                if write and feed.config.after != "leave":
                    files.make_folder(feed.claims.folder)
                    files.touch(f"{feed.claims.folder}/check")
                    files.remove(f"{feed.claims.folder}/check")
        except DrawbarError as error:
            return Finding.of(what, error)
        visible = sum(not entry.is_folder and entry.name != FOLDER for entry in entries.values())
        return Finding(what, ok=True, found=f"{visible} files, {fitting} fit {feed.config.pattern}")
