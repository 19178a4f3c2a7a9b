"""Triggers: what happens outside starts one run; what fails is begun again; REST's workflows come and go."""

import threading
import time
from contextlib import contextmanager
from types import SimpleNamespace
from typing import ClassVar

import pytest

from drawbar.core.access import AgentConfig, Caller
from drawbar.core.adapter import Adapter, AdapterConfig, Occurrence, Place
from drawbar.core.budget import Share
from drawbar.core.engine import Engine
from drawbar.core.errors import InputError, NotNow, Unavailable
from drawbar.core.events import Events
from drawbar.core.guard import Guard
from drawbar.core.landscape import Landscape
from drawbar.core.masking import Vault
from drawbar.core.register import Register
from drawbar.core.starts import Starts, caller_of
from drawbar.core.store.definitions import Definitions
from drawbar.core.store.journal import Journal
from drawbar.core.triggers import StartRun, Watch
from drawbar.core.workflow import Workflow, check_workflow


class Mailbox:
    """A fake system: what is put in `waiting` occurs; `said` is what came of each."""

    def __init__(self):
        self.waiting = []
        self.said = []
        self.begun = 0
        self.ended = 0
        self.crashes = 0
        self.specs = []

    def trigger(self, spec, *, name):
        self.specs.append((dict(spec), name))
        return self

    def run(self, start, stop):
        self.begun += 1
        try:
            if self.crashes:
                self.crashes -= 1
                raise ConnectionResetError("the line is dead")
            while not stop.wait(0.01):
                if self.waiting:
                    self._one(self.waiting.pop(0), start)
        finally:
            self.ended += 1

    def _one(self, occurrence, start):
        try:
            start(occurrence)
            self.said.append((occurrence.id, "settled"))
        except InputError as error:
            self.said.append((occurrence.id, f"parked: {error.message}"))
        except Unavailable:
            self.said.append((occurrence.id, "left"))


class MailboxAdapter(Adapter):
    kind = "mailbox"
    Config = AdapterConfig
    boxes: ClassVar[dict[str, Mailbox]] = {}

    def trigger(self, spec, *, name):
        return self.boxes[self.name].trigger(spec, name=name)


def workflow(trigger=None, **more):
    triggers = [] if trigger is None else [{"adapter": "mail", "consume": "in", **trigger}]
    return Workflow.model_validate({"triggers": triggers, **more})


ORDER = {"type": "object", "required": ["order"], "properties": {"order": {"type": "integer"}}}
BY_ORDER = {"input": "${{ {'order': message.body.order} }}"}


@pytest.fixture
def journal(tmp_path):
    journal = Journal.open(f"sqlite:///{tmp_path}/state.db")
    yield journal
    journal.close()


@pytest.fixture
def box(monkeypatch):
    monkeypatch.setattr("drawbar.core.landscape.find", lambda kind: MailboxAdapter)
    box = Mailbox()
    monkeypatch.setattr(MailboxAdapter, "boxes", {"mail": box})
    return box


class NoSyncs:
    def names(self):
        return []


@contextmanager
def landscape_of(journal, tmp_path, workflows, syncs=None):
    landscape = Landscape(Place(tmp_path, tmp_path), {"mail": AdapterConfig(kind="mailbox")})
    register = Register(
        "workflow", workflows, Definitions(journal), lambda _, body: Workflow.model_validate(body), check_workflow
    )
    engine = Engine(journal, Guard(landscape, journal, Vault(None)), register.find)
    starts = Starts(journal, landscape, engine, syncs or NoSyncs(), register)
    starts.begin()
    try:
        yield SimpleNamespace(starts=starts, engine=engine, register=register, landscape=landscape)
    finally:
        starts.stop()


def until(true, timeout_s=60):
    end = time.monotonic() + timeout_s
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    assert true()


def message(at, **body):
    return Occurrence(f"m{at}", {"message": {"body": body, "id": f"m{at}"}})


def test_a_message_starts_a_run_with_the_input_that_the_template_makes(journal, box, tmp_path):
    box.waiting.append(message(1, order=4711))

    with landscape_of(journal, tmp_path, {"bill": workflow(BY_ORDER, input=ORDER)}) as placed:
        until(lambda: box.said)
        (run,) = placed.engine.runs()

    assert box.said == [("m1", "settled")]
    assert (run.workflow, run.input) == ("bill", {"order": 4711})
    assert run.caller == "workflow:bill"
    assert box.specs == [({"consume": "in"}, "bill:mail.in")]


def test_the_same_occurrence_starts_one_run_of_each_workflow_that_watches(journal, box, tmp_path):
    workflows = {"bill": workflow(BY_ORDER), "note": workflow(BY_ORDER)}

    with landscape_of(journal, tmp_path, workflows) as placed:
        for name in workflows:
            start = StartRun(
                placed.engine, f"{name}:mail.in", name, Caller.workflow(name), workflows[name].triggers[0].input
            )
            start(message(1, order=1))
            start(message(1, order=1))
        runs = placed.engine.runs()

    assert sorted(run.workflow for run in runs) == ["bill", "note"]


def test_a_message_that_can_start_nothing_is_refused_and_the_next_one_starts(journal, box, tmp_path):
    box.waiting += [message(1, number=1), message(2, order="many"), message(3, order=3)]

    with landscape_of(journal, tmp_path, {"bill": workflow(BY_ORDER, input=ORDER)}) as placed:
        until(lambda: len(box.said) == 3)
        runs = placed.engine.runs()

    assert [said.partition(":")[0] for _, said in box.said] == ["parked", "parked", "settled"]
    assert "order" in box.said[0][1]
    assert [run.input for run in runs] == [{"order": 3}]


def test_a_journal_that_cannot_be_written_leaves_the_message(journal, box):
    def away(*_, **__):
        raise Unavailable("the disk is full")

    start = StartRun(SimpleNamespace(start=away), "bill:mail.in", "bill", Caller.workflow("bill"), None)

    with pytest.raises(Unavailable):
        start(message(1))


def test_a_workflow_that_was_just_deleted_leaves_the_message(journal, box, tmp_path):
    with landscape_of(journal, tmp_path, {}) as placed:
        start = StartRun(placed.engine, "gone:mail.in", "gone", Caller.workflow("gone"), None)

        with pytest.raises(Unavailable):
            start(message(1))


def test_the_run_sees_the_day_of_its_start(journal, box, tmp_path):
    by_day = {"input": "${{ {'day': run.date} }}"}

    with landscape_of(journal, tmp_path, {"bill": workflow(by_day)}) as placed:
        box.waiting.append(message(1))
        until(lambda: box.said)
        (run,) = placed.engine.runs()

    assert str(run.input["day"]) == run.as_json()["date"]


def test_a_trigger_that_crashes_is_begun_again_and_says_so_once(journal, box):
    box.crashes = 2
    watch = Watch("bill:mail.in", lambda: box, {"consume": "in"}, lambda one: None, journal)

    watch.begin()
    until(lambda: box.begun == 3)
    box.waiting.append(message(1))
    until(lambda: box.said)
    watch.ask_to_stop()
    watch.join(60)

    told = [event.body for event in Events(journal).page() if event.type == "trigger.failed"]
    assert told == [{"trigger": "bill:mail.in", "error": "ConnectionResetError: the line is dead"}]
    assert box.ended == 3


def test_workflows_made_over_rest_are_watched_until_they_are_deleted(journal, box, tmp_path):
    body = {"triggers": [{"adapter": "mail", "consume": "in", **BY_ORDER}]}

    with landscape_of(journal, tmp_path, {}) as placed:
        made = placed.register.create("made", body, by="me")
        placed.starts.reload()
        until(lambda: box.begun == 1)
        placed.starts.reload()
        box.waiting.append(message(1, order=1))
        until(lambda: box.said)
        assert (box.begun, box.ended) == (1, 0)

        placed.register.replace(made.id, "made", {"triggers": [{"adapter": "mail", "consume": "other"}]}, by="me")
        placed.starts.reload()
        until(lambda: box.begun == 2)
        assert box.specs[-1][0] == {"consume": "other"}

        placed.register.delete(made.id, by="me")
        placed.starts.reload()
        assert box.ended == 2


def test_who_may_do_less_by_now_is_started_for_with_less(journal, box, tmp_path):
    """What a trigger starts has the rights that its maker has, not those of the day on which it was made."""
    rights = {"clerk": Caller("clerk", tools=("bank.pay",))}

    with landscape_of(journal, tmp_path, {}) as placed:
        placed.starts._made_by = rights.__getitem__
        placed.register.create("made", {"triggers": [{"adapter": "mail", "consume": "in"}]}, by="clerk")
        placed.starts.reload()
        until(lambda: box.begun == 1)

        rights["clerk"] = Caller("clerk")
        placed.starts.reload()
        until(lambda: box.begun == 2)
        box.waiting.append(message(1, order=1))
        until(lambda: box.said)
        (run,) = placed.engine.runs()
        with journal.read() as conn:
            caller = conn.exec_driver_sql("select caller from runs where id = ?", (run.id,)).scalar()

    assert "bank.pay" not in caller


def test_an_adapter_that_was_replaced_is_watched_anew(journal, box, tmp_path):
    with landscape_of(journal, tmp_path, {"bill": workflow(BY_ORDER)}) as placed:
        until(lambda: box.begun == 1)
        placed.landscape.put("mail", AdapterConfig(kind="mailbox", owner="somebody else"))
        placed.starts.reload()

        until(lambda: box.begun == 2)
        assert box.ended == 1


def test_a_trigger_of_an_adapter_that_is_gone_stops_no_other(journal, box, tmp_path):
    workflows = {"lost": workflow({"adapter": "nobody"}), "bill": workflow(BY_ORDER)}

    with landscape_of(journal, tmp_path, workflows):
        until(lambda: box.begun == 1)

    (told,) = [event.body for event in Events(journal).page() if event.type == "trigger.failed"]
    assert "nobody" in told["error"]


def test_nothing_is_watched_before_it_begins_or_after_it_stops(journal, box, tmp_path):
    with landscape_of(journal, tmp_path, {"bill": workflow(BY_ORDER)}) as placed:
        until(lambda: box.begun == 1)
        placed.starts.stop()
        placed.starts.stop()
        placed.starts.reload()
        assert (box.begun, box.ended) == (1, 1)

    unbegun = Starts(journal, placed.landscape, placed.engine, NoSyncs(), placed.register)
    unbegun.reload()
    unbegun.stop()
    assert box.begun == 1


def test_a_trigger_leaves_its_system_alone_while_that_is_closed(journal, box, tmp_path, monkeypatch):
    closed = NotNow("mail is closed")
    said = [closed]
    monkeypatch.setattr(Share, "refusal", lambda share, needed_s: said[0])
    box.waiting.append(message(1, order=1))

    with landscape_of(journal, tmp_path, {"bill": workflow(BY_ORDER, input=ORDER)}):
        time.sleep(0.5)
        assert box.begun == 0
        said[0] = None
        until(lambda: box.said)
        said[0] = closed
        until(lambda: box.ended == 1)
        begun = box.begun
        time.sleep(0.5)

    assert box.begun == begun


def test_the_caller_of_a_run_may_call_what_its_tasks_name():
    tasks = {"a": {"tool": "erp.set_status"}, "b": {"wait_s": 1}}
    caller = caller_of("bill", workflow(tasks=tasks, on_failure={"c": {"tool": "mail.publish_note"}}))

    assert caller.may_call("erp.set_status", "write")
    assert caller.may_call("mail.publish_note", "write")
    assert not caller.may_call("erp.find_order", "read")
    assert AgentConfig().tools == []


class Queue:
    """Fake syncs: one whose source is a queue of so many rows."""

    def __init__(self, spec):
        self.spec = spec
        self.rows = 0
        self.started = []
        self.state = "succeeded"
        self.refuses = []
        self.dead = False

    def names(self):
        return ["orders"]

    def targets(self, name):
        return [f"sync:{name}", "adapter:mail"]

    def queue(self, name):
        return None

    def triggers(self, name):
        return workflow(self.spec).triggers

    def waiting(self, name):
        if self.dead:
            raise Unavailable("the broker is away")
        return self.rows

    def start(self, name, options=None, *, caller):
        self.started.append(caller.name)
        self.rows = 0
        error = self.refuses.pop(0) if self.refuses else None
        return SimpleNamespace(id="r", is_final=True, state=self.state, error=error)


def test_a_sync_runs_when_its_queue_has_something_and_only_then(journal, box, tmp_path, monkeypatch):
    monkeypatch.setattr("drawbar.core.starts._POLL_S", 0.02)
    queue = Queue({})

    with landscape_of(journal, tmp_path, {}, queue):
        time.sleep(0.2)
        assert queue.started == []
        queue.rows = 3
        until(lambda: queue.started)
        time.sleep(0.2)

    assert queue.started == ["workflow:sync:orders"]
    assert box.begun == 0


def test_a_queue_that_is_away_is_one_event_and_no_history(journal, box, tmp_path, monkeypatch):
    monkeypatch.setattr("drawbar.core.starts._POLL_S", 0.02)
    queue = Queue({})
    queue.dead = True

    with landscape_of(journal, tmp_path, {}, queue):
        until(lambda: Events(journal).page())
        time.sleep(0.3)

    assert queue.started == []
    assert [event.type for event in Events(journal).page()] == ["trigger.failed"]


def test_a_sync_runs_when_its_feed_says_that_files_are_ready(journal, box, tmp_path):
    feed = Queue({"consume": None, "feed": "orders"})

    with landscape_of(journal, tmp_path, {}, feed):
        box.waiting.append(Occurrence("ready", {}))
        until(lambda: box.said)

    assert feed.started == ["workflow:sync:orders"]
    assert box.specs == [({"feed": "orders", "for": "sync"}, "sync:orders:mail.orders")]


def test_a_sync_that_fails_is_tried_more_and_more_rarely(journal, box, tmp_path):
    feed = Queue({"consume": None, "feed": "orders"})
    feed.state = "failed"

    with landscape_of(journal, tmp_path, {}, feed):
        box.waiting += [Occurrence("ready", {})] * 5
        until(lambda: feed.started)
        time.sleep(1)

    assert len(feed.started) == 1


def test_one_wrong_file_after_the_other_is_not_tried_more_and_more_rarely(journal, box, tmp_path, monkeypatch):
    monkeypatch.setattr("drawbar.core.starts._POLL_S", 0.02)
    feed = Queue({"consume": None, "feed": "orders"})
    feed.state = "failed"
    feed.refuses = [{"kind": "rejected", "message": f"{n}.csv is wrong"} for n in range(30)]

    with landscape_of(journal, tmp_path, {}, feed):
        box.waiting += [Occurrence("ready", {})] * 30
        until(lambda: len(feed.started) == 30)  # doubling each time would take hours


def test_a_sync_that_runs_already_is_run_once_more_when_it_is_over(journal, box, tmp_path, monkeypatch):
    """What came while it ran may not be in it."""
    monkeypatch.setattr("drawbar.core.starts._POLL_S", 0.02)
    feed = Queue({"consume": None, "feed": "orders"})
    start, busy = feed.start, [3]

    def busy_at_first(name, options=None, *, caller):
        if busy[0]:
            busy[0] -= 1
            raise InputError("sync orders runs already", reason="conflict")
        return start(name, caller=caller)

    feed.start = busy_at_first
    with landscape_of(journal, tmp_path, {}, feed):
        box.waiting.append(Occurrence("ready", {}))
        until(lambda: box.said)

    assert len(feed.started) == 1


def test_stopping_does_not_wait_for_a_long_sync(journal, box, tmp_path):
    feed = Queue({"consume": None, "feed": "orders"})
    running = SimpleNamespace(id="r", is_final=False, state="running")
    begun = threading.Event()

    def start(name, options=None, *, caller):
        begun.set()
        return running

    feed.start = start
    feed.wait = lambda run_id, timeout_s: time.sleep(timeout_s / 5) or running

    with landscape_of(journal, tmp_path, {}, feed) as placed:
        box.waiting.append(Occurrence("ready", {}))
        assert begun.wait(60)
        asked = time.monotonic()
        placed.starts.stop()

    assert time.monotonic() - asked < 30
