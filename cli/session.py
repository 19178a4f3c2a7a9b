"""What every verb starts from: the options before the verb, and the service that it asks."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

import typer

from ..core.errors import ConfigError, InputError
from ..core.queues import DEFAULT, QUEUE_NAME
from .loading import ends
from .service import Service

Reason = Annotated[str | None, typer.Option("--reason", help="Why; it goes into the audit.", show_default=False)]
Queues = Annotated[
    str | None,
    typer.Option("--queues", metavar="NAME,NAME", help="Serve only these; $DRAWBAR_QUEUES.", show_default=False),
]


@dataclass
class Session:
    """The options that stand before (or after) any verb."""

    config: str | None = None
    server: str | None = None
    as_json: bool = False
    tenant: str | None = None

    @contextmanager
    def service(self) -> Iterator[Service]:
        """Give the running service that `--server` names, or else the landscape in this process."""
        service = self._open()
        ends()
        try:
            yield service
        finally:
            service.close()

    def _open(self) -> Service:
        if self.server:
            from .remote import Remote

            return Remote(self.server, os.environ.get("DRAWBAR_KEY") or None, self.tenant)
        from .local import Local

        return Local(self.config, self.queues(), self.tenant)

    def queues(self, said: str | None = None) -> list[str]:
        """Give the queues that this process serves: as said, or by $DRAWBAR_QUEUES, or the default queue."""
        names = [name.strip() for name in (said or os.environ.get("DRAWBAR_QUEUES") or DEFAULT).split(",")]
        for name in names:
            if not re.fullmatch(QUEUE_NAME, name):
                raise ConfigError(f"--queues: {name!r} is no name of a queue", next="write --queues NAME,NAME")
        return names

    def here_only(self, verb: str) -> None:
        """Refuse a verb that works on this machine's files when a service is named."""
        if self.server and os.environ.get("DRAWBAR_URL") != self.server:
            raise InputError(f"{verb} works on the files of this machine; leave out --server")


def session(ctx: typer.Context) -> Session:
    found = ctx.find_object(Session)
    assert found is not None
    return found
