"""Syncs as the application puts them together, without YAML; also for child processes that tests kill."""

from pathlib import Path
from typing import Any

import psycopg  # noqa: F401 - a process that is killed soon has no time to import it
import pymysql  # noqa: F401
import sqlalchemy as sa

from drawbar.adapters import amqp, local, sql  # noqa: F401
from drawbar.connectors import amqp_consumer, amqp_publisher, sql_sink, sql_source  # noqa: F401
from drawbar.core import guard
from drawbar.core.access import Caller
from drawbar.core.adapter import Place, find
from drawbar.core.errors import InputError, Unavailable
from drawbar.core.guard import Guard
from drawbar.core.landscape import Landscape
from drawbar.core.masking import Vault
from drawbar.core.reconcile import Reconciler
from drawbar.core.store.journal import Journal
from drawbar.core.syncs import work as running
from drawbar.core.syncs.config import SyncConfig
from drawbar.core.syncs.syncs import Syncs

CALLER = Caller.cli("test")


class Night:
    """A landscape of adapters and syncs with its journal in `folder`."""

    def __init__(self, folder: Path, adapters: dict[str, Any], syncs: dict[str, Any]) -> None:
        place = Place(folder, folder)
        self.adapters = adapters
        configs = {name: find(said["kind"]).Config.model_validate(said) for name, said in adapters.items()}
        self.journal = Journal.open(f"sqlite:///{folder}/drawbar.db")
        self.landscape = Landscape(place, configs)
        known = {name: SyncConfig.model_validate(said) for name, said in syncs.items()}
        self.syncs = Syncs(known, self.landscape, self.journal, place)
        self.guard = Guard(self.landscape, self.journal, Vault(None))
        self.syncs.equip(self.guard)

    def run(self, name: str, **options: Any) -> Any:
        return self.syncs.run(name, options, caller=CALLER).as_json()

    def close(self) -> None:
        self.syncs.close()
        for name in self.landscape.names():
            self.landscape.adapter(name).close()
        self.journal.close()


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.exec_driver_sql(query)]
    engine.dispose()
    return found


def execute(url: str, *statements: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


def carry(folder: Path, adapters: dict[str, Any], syncs: dict[str, Any], name: str, begun: Any = None) -> None:
    """Run one sync until nothing is left, as a process that may be killed; leases lapse soon, so that the next can begin."""
    night = _impatient(folder, adapters, syncs, name, begun)
    sweep = Reconciler(night.guard, night.journal, lambda entry: None)
    try:
        sweep.sweep()
        while night.run(name)["read"]:
            sweep.sweep()
    except (InputError, Unavailable):  # the last one's lease still holds, or a call of it has no answer yet
        return


def carry_once(folder: Path, adapters: dict[str, Any], syncs: dict[str, Any], name: str, begun: Any = None) -> None:
    """Run one sync once, as a process that may be killed."""
    try:
        _impatient(folder, adapters, syncs, name, begun).run(name)
    except (InputError, Unavailable):
        return


def _impatient(folder: Path, adapters: dict[str, Any], syncs: dict[str, Any], name: str, begun: Any) -> Night:
    running.HOLD_S, running.RENEW_S = 0.2, 0.05
    guard._MARGIN_S = 0.2
    night = Night(folder, adapters, syncs)
    if begun is not None:
        with night.syncs._opened(name, looks=False) as ends:
            assert all(end.one_effect for end in ends)  # connections are open
        begun.set()
    return night
