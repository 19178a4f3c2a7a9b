"""What a sync promises: no row twice, none lost, and nothing that grows with the data."""

from contextlib import contextmanager

import pytest

from drawbar.core.access import Caller
from drawbar.core.adapter import Adapter, AdapterConfig, Place
from drawbar.core.batch import Batch
from drawbar.core.errors import InputError
from drawbar.core.landscape import Landscape
from drawbar.core.store import syncs as held
from drawbar.core.store.journal import Journal
from drawbar.core.syncs.config import SyncConfig
from drawbar.core.syncs.syncs import Syncs
from drawbar.core.syncs.work import SyncWork

ME = Caller.cli("me")


class Part:
    """One portion of five rows."""

    def __init__(self, number, store):
        self.id, self.name, self.cursor, self.store = f"p{number}", f"f{number}", {"at": number}, store
        self.rows = [{"id": number * 5 + at} for at in range(5)]

    def batches(self, batch_rows):
        yield Batch(self.rows, range(1, 6))

    def finished(self):
        self.store.finished.append(self.id)

    def failed(self, error, rejects):
        self.store.failed.append((self.id, error))


class Store:
    """Both ends: a source of portions, and a target that keeps rows, portions and cursor together."""

    keeps_cursor = True
    one_effect = (True, "")

    def __init__(self, parts):
        self.parts = [Part(number, self) for number in range(parts)]
        self.finished, self.failed, self.rows, self.known, self.at = [], [], [], set(), None

    def portions(self, cursor, *, batch_rows):
        yield from self.parts

    def total(self, cursor):
        return None

    def cursor(self):
        return self.at

    def has(self, portion):
        return portion in self.known

    @contextmanager
    def writing(self, *, portion, file_name=None):
        self.fresh = []
        yield self

    def write(self, rows):
        self.fresh += rows

    def commit(self, *, portion, cursor):
        self.rows += self.fresh
        self.known.add(portion)
        self.at = cursor

    def close(self):
        pass


class Shop(Adapter[AdapterConfig]):
    kind = "shop"
    Config = AdapterConfig
    store = None

    def source(self, spec, *, sync):
        return self.store

    def sink(self, spec, *, sync):
        return self.store


@pytest.fixture
def syncs_of(tmp_path, monkeypatch):
    monkeypatch.setattr("drawbar.core.landscape.find", lambda kind: Shop)
    journal = Journal.open(f"sqlite:///{tmp_path}/state.db")

    def make(store, from_, to):
        monkeypatch.setattr(Shop, "store", store)
        config = SyncConfig.model_validate({"from": {"adapter": "shop", **from_}, "to": {"adapter": "shop", **to}})
        place = Place(tmp_path, tmp_path)
        return Syncs({"s": config}, Landscape(place, {"shop": AdapterConfig(kind="shop")}), journal, place)

    yield make
    journal.close()


def test_a_full_run_inserts_no_portion_twice(syncs_of):
    store = Store(3)
    syncs = syncs_of(store, {"feed": "f"}, {"table": "t"})
    syncs.run("s", caller=ME)

    again = syncs.run("s", {"full": True}, caller=ME)

    assert len(store.rows) == 15
    assert again.counts.written == 0


def test_a_full_run_writes_again_what_is_written_by_its_key(syncs_of):
    store = Store(3)
    syncs = syncs_of(store, {"feed": "f"}, {"table": "t", "mode": "upsert", "key": ["id"]})
    syncs.run("s", caller=ME)

    assert syncs.run("s", {"full": True}, caller=ME).counts.written == 15


def test_a_full_run_over_a_watermark_is_refused_where_it_would_double_rows(syncs_of):
    store = Store(1)
    syncs = syncs_of(store, {"table": "o", "cursor": {"column": "at"}}, {"table": "t"})
    assert syncs.run("s", {"full": True}, caller=ME).counts.written == 5  # nothing was there yet

    with pytest.raises(InputError, match="twice"):
        syncs.run("s", {"full": True}, caller=ME)
    assert len(store.rows) == 5


def test_what_a_run_remembers_does_not_grow_with_the_data(syncs_of, monkeypatch):
    monkeypatch.setattr("drawbar.core.syncs.work._KEPT_PORTIONS", 10)
    most = []
    note = SyncWork.note
    monkeypatch.setattr(
        SyncWork, "note", lambda self, held, done: (note(self, held, done), most.append(len(held.done)))
    )

    run = syncs_of(Store(50), {"feed": "f"}, {"table": "t"}).run("s", caller=ME)

    assert max(most) == 10
    assert (run.counts.read, len(run.portions)) == (250, 10)


def test_a_business_date_that_is_no_date_is_refused_before_anything_begins(syncs_of):
    syncs = syncs_of(Store(1), {"feed": "f"}, {"table": "t"})

    with pytest.raises(InputError, match="no day"):
        syncs.run("s", {"date": "tomorrow"}, caller=ME)
    assert syncs.runs("s") == []


def test_a_renewal_that_comes_after_the_end_holds_nothing(tmp_path):
    """The thread that renews may still wait for the journal when the run's end is written."""
    journal = Journal.open(f"sqlite:///{tmp_path}/state.db")
    journal.write(lambda conn: held.hold(conn, "load", "first", now=0, until=60))
    journal.write(lambda conn: held.release(conn, "load", "first"))

    journal.write(lambda conn: held.renew(conn, "load", "first", until=60))

    assert journal.write(lambda conn: held.hold(conn, "load", "second", now=1, until=61)) is None
    journal.close()
