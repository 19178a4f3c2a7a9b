"""Documents by scope and key: nobody overwrites what he has not seen."""

import concurrent.futures
import threading
import time
from decimal import Decimal

import pytest

from drawbar.core.context import Context
from drawbar.core.context_config import ContextConfig
from drawbar.core.errors import InputError
from drawbar.core.retention import Retention
from drawbar.core.retention_config import History
from drawbar.core.store.journal import Journal

MAX_BYTES = ContextConfig().document_bytes


@pytest.fixture
def context(tmp_path):
    journal = Journal.open(f"sqlite:///{tmp_path}/state.db")
    yield Context(journal)
    journal.close()


def refused(call, *args, **said):
    with pytest.raises(InputError) as error:
        call(*args, **said)
    return error.value


def test_a_document_is_read_as_it_was_written(context):
    value = {"open": True, "amount": Decimal("10.00"), "lines": [1, None, "é"]}

    written = context.put("orders", "4711", value, expect=0, by="clerk")

    assert context.get("orders", "4711") == written
    assert written.version == 1
    assert written.as_json()["value"] == {"open": True, "amount": "10.00", "lines": [1, None, "é"]}
    assert written.as_json()["changed_by"] == "clerk"


def test_a_late_writer_hears_that_he_is_late(context):
    context.put("s", "k", 1, expect=0, by="a")
    context.put("s", "k", 2, expect=1, by="b")

    for late in (
        lambda: context.put("s", "k", 3, expect=1, by="a"),
        lambda: context.merge("s", "k", {"x": 3}, expect=1, by="a"),
        lambda: context.delete("s", "k", expect=1, by="a"),
        lambda: context.put("s", "k", 3, expect=0, by="a"),
    ):
        assert refused(late).status == 412
    assert context.get("s", "k").value == 2


def test_any_version_will_do_when_none_is_named(context):
    context.put("s", "k", {"a": 1}, expect=0, by="a")

    assert context.put("s", "k", {"a": 2}, expect=None, by="a").version == 2
    assert context.merge("s", "k", {"b": 3, "a": None}, expect=None, by="a").value == {"b": 3}
    context.delete("s", "k", expect=None, by="a")

    assert refused(context.get, "s", "k").status == 404


def test_what_is_not_there_cannot_be_changed(context):
    for change in (
        lambda: context.put("s", "k", 1, expect=None, by="a"),
        lambda: context.put("s", "k", 1, expect=3, by="a"),
        lambda: context.merge("s", "k", {}, expect=None, by="a"),
        lambda: context.delete("s", "k", expect=None, by="a"),
        lambda: context.delete("s", "k", expect=0, by="a"),
    ):
        assert refused(change).status in (404, 412)
    assert context.page("s") == []


def test_a_merge_may_begin_a_document(context):
    assert context.merge("s", "k", {"a": {"b": 1, "c": None}}, expect=0, by="a").value == {"a": {"b": 1}}


def test_who_saw_a_deleted_document_cannot_change_the_one_that_took_its_place(context):
    seen = context.put("s", "k", "old", expect=0, by="a")
    context.delete("s", "k", expect=seen.version, by="b")
    context.put("s", "k", "new", expect=0, by="b")

    assert refused(context.put, "s", "k", "lost", expect=seen.version, by="a").status == 412
    assert context.get("s", "k").value == "new"


def test_a_scope_is_listed_by_key_in_pages(context):
    for key in ("c", "a", "b"):
        context.put("s", key, key, expect=0, by="me")
    context.put("other", "z", 0, expect=0, by="me")

    first = context.page("s", limit=2)

    assert [one.key for one in first] == ["a", "b"]
    assert [one.key for one in context.page("s", after="b", limit=2)] == ["c"]
    assert context.page("empty") == []


def test_a_document_that_is_too_large_is_refused(context):
    context.put("s", "k", {"text": "x" * (MAX_BYTES - 100)}, expect=0, by="a")

    assert refused(context.put, "s", "l", "é" * MAX_BYTES, expect=0, by="a").status == 413
    assert refused(context.merge, "s", "k", {"more": "x" * 200}, expect=None, by="a").status == 413
    assert "more" not in context.get("s", "k").value


@pytest.mark.parametrize("name", ["", "/registered", "a/b", "../x", "x\n", "\x00", "x" * 300, "-x"])
def test_names_that_no_route_can_spell_are_refused(context, name):
    assert refused(context.put, name, "k", 1, expect=0, by="a").field == "scope"
    assert refused(context.put, "s", name, 1, expect=0, by="a").field == "key"
    assert refused(context.get, "s", name).status == 422
    assert refused(context.page, name).status == 422


def test_one_of_many_writers_of_a_version_wins(context):
    context.put("s", "k", 0, expect=0, by="me")
    barrier = threading.Barrier(8)

    def write(number):
        barrier.wait()
        try:
            return context.put("s", "k", number, expect=1, by="me").value
        except InputError as error:
            assert error.status == 412
            return None

    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        won = [value for value in threads.map(write, range(1, 9)) if value is not None]

    assert len(won) == 1
    assert context.get("s", "k").value == won[0]
    assert context.get("s", "k").version == 2


def test_changes_without_a_version_lose_nothing(context):
    context.put("s", "k", {}, expect=0, by="me")

    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: context.merge("s", "k", {f"k{n}": n}, expect=None, by="me"), range(40)))

    assert context.get("s", "k").value == {f"k{n}": n for n in range(40)}
    assert context.get("s", "k").version == 41


def test_what_a_document_was_stays_for_a_while(tmp_path):
    journal = Journal.open(f"sqlite:///{tmp_path}/state.db")
    context = Context(journal, ContextConfig(versions=2))
    for number in range(5):
        context.put("s", "k", number, expect=number, by=f"w{number}")

    assert [(one.version, one.value, one.by) for one in context.versions("s", "k")] == [
        *((5, 4, "w4"), (4, 3, "w3"), (3, 2, "w2")),
    ]
    assert context.get("s", "k", version=3).value == 2
    assert refused(context.get, "s", "k", version=2).status == 404
    assert [one.version for one in context.versions("s", "k", before=5, limit=1)] == [4]
    assert refused(context.versions, "s", "other").status == 404
    journal.close()


def test_a_deleted_document_can_be_read_as_it_was(context):
    context.put("s", "k", {"a": 1}, expect=0, by="a")
    context.delete("s", "k", expect=1, by="b")

    assert refused(context.get, "s", "k").status == 404
    assert context.get("s", "k", version=1).value == {"a": 1}
    assert [(one.version, one.deleted, one.by) for one in context.versions("s", "k")] == [
        (2, True, "b"),
        (1, False, "a"),
    ]
    assert context.put("s", "k", {"a": 2}, expect=0, by="a").version == 3


def test_a_scope_has_an_end(tmp_path):
    journal = Journal.open(f"sqlite:///{tmp_path}/state.db")
    context = Context(journal, ContextConfig(document_bytes=1000, scope_bytes=2000))
    for key in "ab":
        context.put("s", key, "x" * 900, expect=0, by="a")

    full = refused(context.put, "s", "c", "x" * 900, expect=0, by="a")
    assert (full.status, "scope s" in full.message) == (413, True)
    context.put("other", "c", "x" * 900, expect=0, by="a")
    context.put("s", "a", "x", expect=1, by="a")
    context.put("s", "c", "x" * 900, expect=0, by="a")
    journal.close()


def test_versions_that_are_old_are_removed(tmp_path):
    journal = Journal.open(f"sqlite:///{tmp_path}/state.db")
    context = Context(journal)
    for number in range(3):
        context.put("s", "k", number, expect=number, by="a")

    later = time.time() + 31 * 86_400
    Retention(journal, History(), clock=lambda: later).clean()

    assert [one.version for one in context.versions("s", "k")] == [3]
    journal.close()
