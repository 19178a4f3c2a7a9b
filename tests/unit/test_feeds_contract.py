"""The drop's contract on a folder: claims in the journal and by lock files, duplicates, order, gaps, arrivals, folders."""

import json
import os
import subprocess
import sys
import time
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from competing import taken_by
from receiver import Receiver

from drawbar.adapters.feeds import arrivals
from drawbar.adapters.feeds.arrivals import Expected, free_days
from drawbar.adapters.feeds.found import Found
from drawbar.adapters.feeds.order import Order, in_turn
from drawbar.adapters.feeds.pattern import Pattern
from drawbar.adapters.local import LocalAdapter, LocalConfig
from drawbar.connectors.webhook import post
from drawbar.core.adapter import Place
from drawbar.core.errors import ConfigError, InputError, Rejected, Unavailable
from drawbar.core.events import Events
from drawbar.core.notify import Outlet
from drawbar.core.notify_config import Notify
from drawbar.core.store import drops, history
from drawbar.core.store.drops import Drops
from drawbar.core.store.journal import Journal

ROWS = b"id\n1\n"
IN_PLACE = pytest.mark.parametrize("claim", ["lock_file", "journal"])


@pytest.fixture
def root(tmp_path):
    (tmp_path / "drop").mkdir()
    return tmp_path / "drop"


@pytest.fixture
def journal(tmp_path):
    journal = Journal.open(f"sqlite:///{tmp_path}/state.db")
    yield journal
    journal.close()


@pytest.fixture
def adapters(root, journal):
    """Make adapters on one folder and one journal, as several workers have them."""
    made = []

    def make(**feed) -> LocalAdapter:
        given = {"pattern": "*.csv", "ready": {"stable_s": 0}, "format": {"kind": "csv"}, **feed}
        config = LocalConfig.model_validate({"kind": "local", "root": "drop", "feeds": {"orders": given}})
        place = Place(root.parent, root.parent / f"state{len(made)}", drops=Drops(journal))
        made.append(LocalAdapter("drop", config, place))
        return made[-1]

    yield make
    for adapter in made:
        adapter.close()


def portions(adapter):
    return adapter.source({"feed": "orders"}, sync="s").portions(None, batch_rows=100)


def load(adapter):
    """Load what there is, and name it."""
    names = []
    for portion in portions(adapter):
        names.append(portion.name)
        portion.finished()
    return names


def states(adapter):
    return {row["name"]: row["state"] for row in adapter.files("orders")}


def visible(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir() if not entry.name.startswith(".")}


def told(journal, kind):
    with journal.read() as conn:
        rows = history.events_after(conn, 0, 100, None, numbered=False)
    return [json.loads(row["body"]) for row in rows if row["type"] == kind]


@IN_PLACE
def test_of_twenty_workers_on_files_that_stay_in_place_one_wins_each(adapters, root, claim):
    for number in range(30):
        (root / f"{number}.csv").write_bytes(b"id\n%d\n" % number)
    workers = [adapters(claim=claim) for _ in range(20)]
    taken = taken_by(workers, portions)

    assert sorted(taken, key=int) == [str(number) for number in range(30)]
    assert visible(root) == {"archive"}
    assert len(visible(root / "archive")) == 30


CRASH = """
import os, signal, sys
from pathlib import Path
from drawbar.adapters.local import LocalAdapter, LocalConfig
from drawbar.core.adapter import Place
from drawbar.core.store.drops import Drops
from drawbar.core.store.journal import Journal
root, claim = Path(sys.argv[1]), sys.argv[2]
feed = {"pattern": "*.csv", "ready": {"stable_s": 0}, "format": {"kind": "csv"}, "claim": claim}
config = LocalConfig.model_validate({"root": "drop", "feeds": {"orders": feed}})
journal = Journal.open(f"sqlite:///{root}/state.db")
adapter = LocalAdapter("drop", config, Place(root, root / "state", drops=Drops(journal)))
print(next(adapter.source({"feed": "orders"}, sync="s").portions(None, batch_rows=10)).id, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@IN_PLACE
def test_the_claim_of_a_killed_worker_is_taken_over_at_once(adapters, root, journal, claim):
    (root / "x.csv").write_bytes(ROWS)
    died = subprocess.run(
        [sys.executable, "-c", CRASH, root.parent, claim], capture_output=True, text=True, check=False
    )
    assert died.returncode == -9, died.stderr

    (portion,) = portions(adapters(claim=claim))

    assert portion.id == died.stdout.strip()
    portion.finished()
    assert visible(root) == {"archive"}


@IN_PLACE
def test_failures_of_files_in_place_count_across_workers(adapters, root, claim):
    (root / "x.csv").write_bytes(ROWS)

    for attempt in (1, 2):
        adapter = adapters(claim=claim, max_attempts=2)
        (portion,) = portions(adapter)
        assert states(adapter) == {"x.csv": "claimed"}
        portion.failed(Rejected("no"), ())
        assert states(adapter) == {"x.csv": "failed" if attempt == 1 else "quarantined"}

    assert json.loads((root / "rejected/x.csv.reason.json").read_text())["attempt"] == 2
    assert visible(root) == {"rejected"}


def test_a_lock_of_another_machine_is_left_until_its_lease_is_over(adapters, root):
    (root / "x.csv").write_bytes(ROWS)
    (root / "x.csv.lock").write_text("elsewhere.1.1.aa")
    (root / ".drawbar").mkdir()
    alive = root / ".drawbar/elsewhere.1.1.aa.alive"
    alive.touch()
    adapter = adapters(claim="lock_file", lease_s=3)

    assert load(adapter) == []
    assert states(adapter) == {"x.csv": "claimed"}
    os.utime(alive, (time.time() - 9, time.time() - 9))

    assert load(adapter) == ["x.csv"]
    assert visible(root) == {"archive"}


def test_a_file_that_is_left_is_read_once_until_it_changes(adapters, root):
    (root / "x.csv").write_bytes(ROWS)
    root.chmod(0o555)
    given = {"claim": "journal", "after": "leave"}
    try:
        assert load(adapters(**given)) == ["x.csv"]
        assert load(adapters(**given)) == []
        assert states(adapters(**given)) == {"x.csv": "done"}
    finally:
        root.chmod(0o755)
    assert [entry.name for entry in root.iterdir()] == ["x.csv"]

    (root / "x.csv").write_bytes(b"id\n1\n2\n")
    adapter = adapters(**given)
    assert load(adapter) == ["x.csv"]
    adapter.file_act("orders", "x.csv", "retry", by="cli:me", reason=None)
    assert load(adapters(**given)) == ["x.csv"]


def test_a_wrong_file_that_may_not_be_moved_is_noted_with_its_reason(adapters, root):
    (root / "x.csv").write_bytes(ROWS)
    given = {"claim": "journal", "after": "leave", "max_attempts": 1}
    adapter = adapters(**given)

    for portion in portions(adapter):
        portion.failed(Rejected("no such customer"), ())

    (row,) = adapters(**given).files("orders")
    assert (row["state"], row["reason"]) == ("quarantined", "no such customer")
    assert load(adapters(**given)) == []
    assert [entry.name for entry in root.iterdir()] == ["x.csv"]


def test_a_lease_in_the_journal_is_renewed_and_lapses(adapters, root, journal):
    notes = Drops(journal)
    assert notes.claim("drop.orders", "x.csv", "m", "elsewhere.1.1.aa", 0.05) == 0
    assert notes.claim("drop.orders", "x.csv", "m", "other.1.1.bb", 60) is None
    time.sleep(0.06)

    assert notes.claim("drop.orders", "x.csv", "m", "other.1.1.bb", 60) == 0
    notes.end("drop.orders", "x.csv", "elsewhere.1.1.aa", "done")
    assert notes.notes("drop.orders")["x.csv"].owner == "other.1.1.bb"


@pytest.mark.parametrize(
    ("when", "name", "content", "is_duplicate"),
    [
        (["content"], "y.csv", ROWS, True),
        (["content"], "x.csv", b"id\n2\n", False),
        (["name"], "x.csv", b"id\n2\n", True),
        (["name"], "y.csv", ROWS, False),
        (["name", "content"], "y.csv", ROWS, True),
    ],
)
def test_a_duplicate_goes_aside_and_is_told(adapters, root, journal, when, name, content, is_duplicate):
    (root / "x.csv").write_bytes(ROWS)
    given = {"duplicate": {"when": when}}
    assert load(adapters(**given)) == ["x.csv"]
    (root / name).write_bytes(content)
    adapter = adapters(**given)

    if not is_duplicate:
        assert load(adapter) == [name]
        return
    with pytest.raises(Rejected, match="a duplicate: x"):
        load(adapter)

    assert told(journal, "file.duplicate")[0]["of"] == "x.csv"
    assert "a duplicate" in json.loads((root / f"rejected/{name}.reason.json").read_text())["error"]


def test_a_duplicate_that_is_processed_is_another_file_and_told(adapters, root, journal):
    given = {"duplicate": {"when": ["content"], "then": "process"}}
    seen = []
    for turn in range(2):
        (root / "x.csv").write_bytes(ROWS)
        os.utime(root / "x.csv", (1000 + turn, 1000 + turn))
        (portion,) = portions(adapters(**given))
        seen.append(portion.id)
        portion.finished()

    assert seen[0] != seen[1]
    assert len(told(journal, "file.duplicate")) == 1


def test_a_file_whose_archiving_failed_is_no_duplicate_of_itself(adapters, root):
    (root / "x.csv").write_bytes(ROWS)
    given = {"duplicate": {}}
    adapter = adapters(**given)
    (portion,) = portions(adapter)
    (root / "archive").write_bytes(b"in the way")
    with pytest.raises((Rejected, Unavailable)):
        portion.finished()
    (root / "archive").unlink()

    assert load(adapter) == ["x.csv"]


@pytest.mark.parametrize(("empty", "place"), [("process", "archive"), ("skip", "archive"), ("quarantine", "rejected")])
def test_an_empty_file_goes_where_it_is_said(adapters, root, empty, place):
    (root / "x.csv").touch()
    adapter = adapters(empty=empty)

    if empty == "quarantine":
        with pytest.raises(Rejected, match="the file is empty"):
            load(adapter)
    else:
        assert load(adapter) == (["x.csv"] if empty == "process" else [])

    assert "x.csv" in visible(root / place)


def test_files_come_in_the_order_of_their_numbers_and_a_gap_holds(adapters, root, journal):
    given = {"pattern": "S{seq:d}.csv", "order": {"by": "seq", "gap": "hold"}}
    for number in (10, 2, 9, 12):
        (root / f"S{number}.csv").write_bytes(ROWS)
        os.utime(root / f"S{number}.csv", (5000 - number, 5000 - number))
    adapter = adapters(**given)

    assert load(adapter) == ["S2.csv"]
    held = {row["name"]: row.get("reason") for row in adapter.files("orders") if row["state"] == "held"}
    assert held["S9.csv"] == "seq 3 to 8 has not come"
    adapter.file_act("orders", "S9.csv", "release", by="cli:me", reason=None)

    assert load(adapters(**given)) == ["S9.csv", "S10.csv"]
    (root / "S11.csv").write_bytes(ROWS)
    assert load(adapters(**given)) == ["S11.csv", "S12.csv"]
    assert {"S9.csv", "S12.csv"} <= {body["file"] for body in told(journal, "file.held")}


def test_what_comes_after_a_failed_file_waits_until_a_person_decides(adapters, root):
    given = {"pattern": "S{seq:d}.csv", "order": {"by": "seq"}, "max_attempts": 1}
    for number in (1, 2, 3):
        (root / f"S{number}.csv").write_bytes(ROWS)
    adapter = adapters(**given)

    for portion in portions(adapter):
        assert portion.name == "S1.csv"
        portion.failed(Rejected("no"), ())

    assert states(adapter) == {"S1.csv": "quarantined", "S2.csv": "held", "S3.csv": "held"}
    assert load(adapters(**given)) == []
    adapter.file_act("orders", "S1.csv", "release", by="cli:me", reason=None)
    assert load(adapters(**given)) == ["S2.csv", "S3.csv"]


def test_with_on_failure_continue_the_others_go_on(adapters, root):
    given = {
        "pattern": "S{seq:d}.csv",
        "order": {"by": "seq", "gap": "hold", "on_failure": "continue"},
        "max_attempts": 1,
    }
    for number in (1, 2, 3):
        (root / f"S{number}.csv").write_bytes(ROWS)

    names = []
    for portion in portions(adapters(**given)):
        names.append(portion.name)
        portion.failed(Rejected("no"), ()) if portion.name == "S2.csv" else portion.finished()

    assert names == ["S1.csv", "S2.csv", "S3.csv"]


def test_a_file_that_is_worked_on_holds_those_after_it():
    found = [Found(f"{at}", f"{at}", 1, at, state) for at, state in enumerate(["claimed", "ready"])]

    turn = in_turn(Order(by="time"), found, last=None, aside=[], released=())

    assert turn.ready == []
    assert turn.held[1].why == "0 is before it and is being worked on"


def test_release_is_for_feeds_with_an_order(adapters, root):
    (root / "x.csv").write_bytes(ROWS)

    with pytest.raises(InputError, match="release is for feeds with an order"):
        adapters().file_act("orders", "x.csv", "release", by="cli:me", reason=None)


def test_folders_may_vary_and_files_keep_theirs(adapters, root):
    for folder in ("a/in", "b/in", "b/out", "b/in/deep"):
        (root / folder).mkdir(parents=True)
        (root / folder / "x.csv").write_bytes(b"id\n" + folder.encode() + b"\n")
        (root / folder / "x.CTL").touch()
    adapter = adapters(pattern="{who}/in/*.csv", max_attempts=1, ready={"marker": "{stem}.CTL"})

    assert sorted(load(adapter)) == ["a/in/x.csv", "b/in/x.csv"]

    assert (root / "archive/a/in/x.csv").exists()
    assert (root / "archive/a/in/x.CTL").exists()
    assert not (root / "a/in/x.CTL").exists()
    assert states(adapter) == {"a/in/x.csv": "archived", "b/in/x.csv": "archived"}
    (root / "a/in/x.csv").write_bytes(b"id\n2\n")
    (root / "a/in/x.CTL").touch()
    for portion in portions(adapter):
        portion.failed(Rejected("no"), ())
    assert not (root / "a/in/x.CTL").exists()
    assert adapter.file_act("orders", "a/in/x.csv", "retry", by="cli:me", reason=None)["state"] == "ready"
    assert (root / "a/in/x.csv").exists()
    assert not (root / "rejected/a/in/x.CTL").exists()
    adapter.file_act("orders", "a/in/x.csv", "skip", by="cli:me", reason=None)
    assert not (root / "a/in/x.CTL").exists()
    assert Pattern("in/**/x*.csv").match("a/b/x1.csv") == {}
    assert Pattern("in/**/x*.csv").match("x1.csv") == {}
    assert Pattern("in/*/x*.csv").match("a/b/x1.csv") is None


@pytest.mark.parametrize(
    ("now", "day"),
    [
        ("2026-11-23T01:59", "2026-11-20"),  # Monday, an hour before the deadline in Berlin: Friday's was the last
        ("2026-11-23T02:01", "2026-11-23"),
        ("2026-11-25T12:00", "2026-11-24"),  # the 25th is free
    ],
)
def test_a_deadline_is_local_time_on_working_days(now, day):
    expected = Expected.model_validate({"by": "03:00", "days": "mon-fri", "timezone": "Europe/Berlin"})
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC).timestamp()

    found = expected.deadline(moment, {date(2026, 11, 25)})

    assert found is not None
    assert found[0] == day


def test_a_calendar_gives_its_days_and_refuses_what_it_does_not_understand(tmp_path):
    calendar = tmp_path / "days.ics"
    event = "BEGIN:VEVENT\r\n{}\r\nEND:VEVENT\r\n"
    text = event.format("DTSTART;VALUE=DATE:20251225\r\nDTEND;VALUE=DATE:20251227\r\nRRULE:FREQ=YEA\r\n RLY")
    text += event.format("DTSTART:20261103T000000Z")
    calendar.write_text(f"BEGIN:VCALENDAR\r\n{text}END:VCALENDAR\r\n")

    days = free_days(calendar, date(2026, 11, 1))

    assert {date(2026, 12, 25), date(2026, 12, 26), date(2026, 11, 3)} <= days
    assert date(2026, 12, 27) not in days
    calendar.write_text("BEGIN:VCALENDAR\n" + event.format("DTSTART:20260101\nRRULE:FREQ=WEEKLY;BYDAY=SU"))
    with pytest.raises(ConfigError, match="is not understood"):
        free_days(calendar, date(2026, 11, 1))


BERLIN = {"by": "03:00", "days": "mon-fri", "timezone": "Europe/Berlin"}


def at(moment: str) -> float:
    return datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo("Europe/Berlin")).timestamp()


@pytest.fixture
def clock(monkeypatch):
    """Set the time by which feeds look for late files, and by which arrivals are remembered."""

    def to(moment: str) -> None:
        monkeypatch.setattr(arrivals, "clock", lambda: at(moment))
        monkeypatch.setattr(drops.time, "time", lambda: at(moment))

    return to


def test_a_file_that_does_not_come_is_told_once_and_its_coming_too(adapters, root, journal, clock):
    workers = [adapters(expected=BERLIN) for _ in range(2)]

    def look(moment):
        clock(moment)
        for adapter in workers:
            adapter.watch()
        return [body["day"] for body in told(journal, "file.late")]

    assert look("2026-11-16T12:00") == []  # it is watched from here on: this morning's deadline is nobody's
    assert look("2026-11-17T02:59") == []
    assert look("2026-11-17T03:01") == ["2026-11-17"]
    assert look("2026-11-17T03:30") == ["2026-11-17"]
    with journal.read() as conn:
        assert [one["day"] for one in drops.missing(conn)] == ["2026-11-17"]
    clock("2026-11-17T04:00")
    (root / "late.csv").write_bytes(ROWS)
    assert load(workers[0]) == ["late.csv"]
    assert told(journal, "file.came") == [{"name": "drop.orders", "file": "late.csv"}]

    assert look("2026-11-18T03:01") == ["2026-11-17", "2026-11-18"]  # what came late was yesterday's
    clock("2026-11-18T23:00")
    (root / "next.csv").write_bytes(ROWS)
    load(workers[1])
    assert look("2026-11-19T03:01") == ["2026-11-17", "2026-11-18", "2026-11-19"]
    clock("2026-11-19T05:00")
    (root / "a.csv").write_bytes(ROWS)
    load(workers[0])
    clock("2026-11-20T01:00")
    (root / "b.csv").write_bytes(ROWS)
    load(workers[0])
    assert len(look("2026-11-22T12:00")) == 3  # Friday's has come; nothing comes on a weekend
    with journal.read() as conn:
        assert drops.missing(conn) == []


def test_a_late_file_is_told_to_a_webhook_until_it_comes(adapters, root, journal, clock):
    adapter, desk = adapters(expected=BERLIN), Receiver()
    entry = {"on": ["file_late"], "to": {"webhook": desk.url}, "again_after_h": 1e-6}
    outlet = Outlet(journal, Events(journal), Notify.model_validate(entry), post, first_s=0.01)
    outlet.beat()
    try:
        for moment in ("2026-11-16T12:00", "2026-11-17T03:01"):
            clock(moment)
            adapter.watch()

        outlet.beat()
        (first, *_) = desk.taken
        assert (first["on"], first["what"]) == ("file_late", "drop.orders")
        assert "nothing has come for drop.orders by 2026-11-17 03:00 Europe/Berlin" in first["message"]
        assert first["next"].startswith("drawbar files drop.orders")

        (root / "late.csv").write_bytes(ROWS)
        load(adapter)
        outlet.beat()
        heard = len(desk.taken)
        outlet.beat()
        assert len(desk.taken) == heard  # it has come: nobody is told again
    finally:
        desk.close()


def test_a_file_that_lies_there_has_come(adapters, root, journal, clock):
    adapter = adapters(expected=BERLIN, ready={"min_age_s": 999_999_999})
    clock("2026-11-16T12:00")
    adapter.watch()
    (root / "x.csv").write_bytes(ROWS)

    clock("2026-11-17T03:01")
    adapter.watch()

    assert told(journal, "file.late") == []


def test_a_calendar_that_is_wrong_is_found_by_validate(root):
    feed = {"pattern": "*.csv", "format": {"kind": "csv"}, "expected": {**BERLIN, "except": "gone.ics"}}
    config = LocalConfig.model_validate({"root": "drop", "feeds": {"orders": feed}})

    assert list(LocalAdapter.mistakes(config, root)) == [
        (
            ("feeds", "orders", "expected", "except"),
            f"the calendar {root}/gone.ics cannot be read: No such file or directory",
        )
    ]


def test_files_that_were_taken_together_and_not_given_are_put_back(adapters, root):
    for number in range(5):
        (root / f"{number}.csv").write_bytes(ROWS)
    adapter = adapters()
    source = adapter.source({"feed": "orders"}, sync="s")
    given = source.portions(None, batch_rows=10)
    first = next(given)
    assert set(states(adapter).values()) == {"claimed"}
    first.finished()

    given.close()
    source.close()

    assert sorted(states(adapters()).values()) == ["archived", "ready", "ready", "ready", "ready"]
    assert not list((root.parent / "state0" / "spool").rglob("*~*"))
