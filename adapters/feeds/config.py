"""How the configuration spells a feed."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from ...connectors.drop import confined
from ...core.adapter import AdapterConfig
from ...core.errors import InputError
from ...core.strict import Strict
from ..formats import AnyFormat
from .arrivals import Expected
from .order import Order
from .pattern import Pattern
from .totals import Total


def in_place_of(marker: str, name: str) -> str:
    """Give the name of a file's marker, in the file's own folder."""
    folder, slash, last = name.rpartition("/")
    stem = last.rpartition(".")[0] or last
    return folder + slash + marker.replace("{name}", last).replace("{stem}", stem)


class Ready(Strict):
    """When a file may be read: all that is said must hold."""

    stable_s: float | None = Field(None, ge=0, le=86400, description="Size and time did not change for so long.")
    min_age_s: float | None = Field(None, ge=0, description="It is so old, by the clock of its own system.")
    marker: str | None = Field(None, description="Another file says so: '{stem}.CTL' or '{name}.done'.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.stable_s is None and self.min_age_s is None and self.marker is None:
            raise ValueError("one of stable_s, min_age_s and marker is needed")
        if self.marker is not None and "{name}" not in self.marker and "{stem}" not in self.marker:
            raise ValueError("marker: '{name}' or '{stem}' must stand in it, else one marker would do for every file")
        return self

    def marker_of(self, name: str) -> str | None:
        return None if self.marker is None else in_place_of(self.marker, name)


class LocalFolder(Strict):
    """A folder of our own machine."""

    local: Path = Field(description="The folder, relative to the configuration.")


def _inside(given: str) -> str:
    try:
        confined(given)
    except InputError as error:
        raise ValueError(f"{error.message}: name a folder below the feed's own") from error
    return given


class Duplicate(Strict):
    """What is done with a file that was taken before."""

    when: list[Literal["name", "content"]] = Field(
        ["name", "content"], min_length=1, description="What must be the same: each that is named counts by itself."
    )
    within_d: float = Field(30, gt=0, le=400, description="A file taken within so many days counts.")
    then: Literal["quarantine", "process"] = Field(
        "quarantine", description="quarantine: aside, unread. process: read all the same. Either way it is an event."
    )


class Writing(Strict):
    """What is done beside writing a file under a temporary name and renaming it."""

    marker: str | None = Field(None, description="An empty file to be made after it: '{name}.done', '{stem}.CTL'.")

    @field_validator("marker")
    @classmethod
    def _names_it(cls, given: str | None) -> str | None:
        if given is not None and "{name}" not in given and "{stem}" not in given:
            raise ValueError("'{name}' or '{stem}' must stand in it")
        return given


class FeedConfig(Strict):
    """A file drop with a contract."""

    pattern: str = Field(description="Names of the files: a glob, with captures such as {date:%y%m%d} and {seq:d}.")
    description: str = Field("", description="What the files are, for people and agents.")
    ready: Ready = Field(Ready(stable_s=5), description="When a file may be read.")
    claim: Literal["rename", "lock_file", "journal"] = Field(
        "rename",
        description="How one of several workers wins: by an atomic rename; by a file NAME.lock beside it; or in the journal, "
        "where nothing may be written beside the files.",
    )
    after: Literal["archive", "delete", "leave"] = Field(
        "archive", description="What is done with a file that was taken; leave: name, size and time are remembered."
    )
    archive: str | LocalFolder = Field("archive", description="A folder of the feed, or { local: ./archive }.")
    quarantine: str = Field("rejected", description="A folder of the feed for wrong files, each with its reason.")
    spool: Path | None = Field(None, description="A local folder for working copies; one of our own when absent.")
    max_attempts: int = Field(3, ge=1, le=1000, description="After so many failures a file is quarantined.")
    duplicate: Duplicate | None = Field(None, description="What is done with a file that was taken before.")
    empty: Literal["process", "skip", "quarantine"] = Field(
        "process", description="What is done with an empty file; skip: it goes where read ones go, unread."
    )
    order: Order | None = Field(None, description="One after the other, and what must not be passed by.")
    expected: Expected | None = Field(
        None, description="Until when something must have come: else an event, file.late."
    )
    write: Writing = Field(Writing(), description="What is done beside writing a file.")
    poll_s: float = Field(5, gt=0, le=86400, description="A trigger looks so often.")
    lease_s: float = Field(60, ge=3, le=86400, description="A worker that says nothing for so long is taken for dead.")
    format: AnyFormat = Field(description="What is in the files.")
    totals: list[Total] = Field(default_factory=list, description="What must balance before a file is loaded.")

    @field_validator("quarantine")
    @classmethod
    def _quarantine_inside(cls, given: str) -> str:
        return _inside(given)

    @field_validator("archive")
    @classmethod
    def _archive_inside(cls, given: str | LocalFolder) -> str | LocalFolder:
        return _inside(given) if isinstance(given, str) else given

    @field_validator("pattern")
    @classmethod
    def _pattern_fits(cls, given: str) -> str:
        _inside(Pattern(given).folder)
        return given

    @model_validator(mode="after")
    def _totals_fit(self) -> Self:
        if self.archive == self.quarantine and self.after == "archive":
            raise ValueError("archive and quarantine are the same folder")
        if self.after == "leave" and self.claim != "journal":
            raise ValueError("after: leave needs claim: journal, which remembers what was read")
        if self.order is not None:
            self._order_fits(self.order, Pattern(self.pattern))
        return self

    def _order_fits(self, order: Order, pattern: Pattern) -> None:
        if order.by not in {"name", "time", *pattern.captures}:
            known = ", ".join(["name", "time", *pattern.captures])
            raise ValueError(f"order: there is no {order.by} to order by; there is {known}")
        if order.gap == "hold" and pattern.captures.get(order.by) != "number":
            raise ValueError("order: gap: hold needs a number to count by, such as {seq:d} in the pattern")


class FeedsConfig(AdapterConfig):
    """What every kind of drop can say."""

    feeds: dict[str, FeedConfig] = Field(default_factory=dict, description="The file drops, by name.")

    @property
    def is_watched(self) -> bool:
        return any(feed.expected is not None for feed in self.feeds.values())

    @field_validator("feeds")
    @classmethod
    def _names(cls, given: dict[str, FeedConfig]) -> dict[str, FeedConfig]:
        for name in given:
            if not name.isidentifier():
                raise ValueError(f"{name!r}: a name is letters, digits and _")
        return given

    @model_validator(mode="after")
    def _rejects(self) -> Self:
        """Hide records that cannot be read where a field of the others is hidden: nobody can say where in them it is."""
        for name in self.feeds:
            if (rules := self.tools.get(f"read_{name}")) is not None:
                rules.hide_beside("records", ("rejects.raw", "rejects.reason"))
        return self
