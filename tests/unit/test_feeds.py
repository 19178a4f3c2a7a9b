"""Feeds on a folder: patterns, readiness, totals, claims, what happens to wrong files."""

import json
import os
import subprocess
import sys
import threading
import time
from datetime import date, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from competing import taken_by
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from waiting import eventually

from drawbar.adapters.feeds.claims import Claims
from drawbar.adapters.feeds.pattern import Pattern
from drawbar.adapters.local import LocalAdapter, LocalConfig
from drawbar.connectors.drop import raw_name, shown
from drawbar.connectors.local import LocalDrop
from drawbar.core.adapter import Occurrence, Place
from drawbar.core.batch import Reject, RowRefused
from drawbar.core.errors import ConfigError, DrawbarError, InputError, Rejected, Unavailable
from drawbar.core.tool import Call
from drawbar.core.values import to_json

CSV = {"kind": "csv", "columns": {"id": "integer", "amount": {"type": "decimal", "scale": 2}}}
TOTALS = {
    "pattern": "ORD.D{date:%y%m%d}.S{seq:d}.CSV",
    "format": {**CSV, "skip_footer": 1},
    "totals": [
        {"count": "row", "equals": "${{ trailer.fields[1] }}"},
        {"sum": "amount", "where": "${{ row.id < 100 }}", "equals": "${{ trailer.fields[2] }}"},
    ],
}
GOOD = b"id,amount\n1,10.00\n2,0.50\n100,7.00\nEND,3,10.50\n"
NAME = "ORD.D260131.S7.CSV"


@pytest.fixture
def root(tmp_path):
    (tmp_path / "drop").mkdir()
    return tmp_path / "drop"


@pytest.fixture
def adapters(root):
    """Make adapters on one folder, as several workers have them."""
    made = []

    def make(**feed) -> LocalAdapter:
        given = {"pattern": "*.csv", "ready": {"stable_s": 0}, "format": CSV, **feed}
        config = LocalConfig.model_validate({"kind": "local", "root": "drop", "feeds": {"orders": given}})
        made.append(LocalAdapter("drop", config, Place(root.parent, root.parent / f"state{len(made)}")))
        return made[-1]

    yield make
    for adapter in made:
        adapter.close()


def call(adapter, tool, **arguments):
    found = next(one for one in adapter.tools() if one.name == tool)
    return found.run(arguments, Call("1", "test", time.monotonic() + 10))


def portions(adapter):
    return adapter.source({"feed": "orders"}, sync="s").portions(None, batch_rows=2)


def states(adapter):
    return {row["name"]: row["state"] for row in adapter.files("orders")}


def visible(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir() if not entry.name.startswith(".")}


def test_captures_of_a_pattern_are_numbers_dates_and_texts():
    pattern = Pattern("in/ORD.D{date:%y%m%d}.S{seq:d}.{plant}.*")

    assert pattern.folder == "in"
    assert pattern.match("ORD.D260131.S007.MUC.DAT") == {"date": date(2026, 1, 31), "seq": 7, "plant": "MUC"}
    assert pattern.match("ORD.D260231.S007.MUC.DAT") is None
    assert Pattern("x{at:%Y%m%d%H%M}").match("x202601310203") == {"at": datetime(2026, 1, 31, 2, 3)}


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("in/**", "** stands for folders"),
        ("in/a**b/x", "** stands for folders"),
        ("a{b", "without its partner"),
        ("{name}.csv", "a name of its own"),
        ("{a:q}.csv", "a number (d), a date"),
        ("{a:%Q}", "%Q is not known"),
        ("in/", "ends in a file name"),
        ("../x", "no path inside"),
        ("/x/*", "no path inside"),
    ],
)
def test_a_wrong_pattern_is_refused_when_it_is_loaded(pattern, said):
    with pytest.raises(ValidationError) as refused:
        LocalConfig.model_validate({"kind": "local", "root": ".", "feeds": {"f": {"pattern": pattern, "format": CSV}}})

    assert said in str(refused.value)


@pytest.mark.parametrize(
    "key",
    [
        {"claim": "lock"},
        {"after": "leave"},
        {"after": "leave", "claim": "lock_file"},
        {"duplicate": {"when": []}},
        {"duplicate": {"then": "skip"}},
        {"order": {"by": "seq"}},
        {"order": {"by": "name", "gap": "hold"}},
        {"expected": {"by": "3 am"}},
        {"expected": {"by": "03:00", "days": "mon-fry"}},
        {"expected": {"by": "03:00", "timezone": "Europe/Atlantis"}},
        {"empty": "ignore"},
        {"write": {"marker": "done"}},
        {"archive": "../archive"},
        {"quarantine": "/rejected"},
        {"archive": "rejected"},
        {"ready": {}},
        {"ready": {"marker": "done"}},
        {"totals": [{"equals": "${{ 1 }}"}]},
        {"totals": [{"count": "row", "equals": "${{ row.x }}"}]},
        {"patern": "x"},
    ],
)
def test_keys_of_a_feed_that_cannot_be_are_refused(key):
    feed = {"pattern": "*", "format": CSV, **key}
    with pytest.raises(ValidationError):
        LocalConfig.model_validate({"kind": "local", "root": ".", "feeds": {"f": feed}})


@given(st.binary(min_size=1, max_size=20).filter(lambda raw: b"/" not in raw and b"\0" not in raw))
def test_every_file_name_is_shown_on_one_line_and_comes_back(raw):
    name = shown(raw)

    assert name.isprintable()
    assert raw_name(name) == raw


def test_a_ready_file_is_a_portion_and_then_archived(adapters, root):
    (root / NAME).write_bytes(GOOD)
    adapter = adapters(**TOTALS)

    (portion,) = portions(adapter)
    batches = list(portion.batches(2))

    assert batches[0].rows[0]["id"] == 1
    assert [batch.record_nos for batch in batches] == [[1, 2], [3]]
    assert batches[0].facts["trailer"] == {"fields": ["END", "3", "10.50"]}
    assert batches[0].facts["file"]["date"] == date(2026, 1, 31)
    assert batches[0].facts["file"]["seq"] == 7
    assert portion.name == NAME
    assert states(adapter) == {NAME: "claimed"}
    portion.finished()
    portion.finished()
    assert states(adapter) == {NAME: "archived"}
    assert (root / "archive" / NAME).read_bytes() == GOOD
    assert not list((root.parent / "state0" / "spool").rglob("*~*"))


def test_the_same_content_has_the_same_identity_wherever_it_is_read(adapters, root):
    (root / "a.csv").write_bytes(b"id,amount\n1,1.00\n")
    (first,) = portions(adapters())
    first.failed(Unavailable("down"), ())

    (second,) = portions(adapters())

    assert first.id == second.id
    second.finished()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"id,amount\n1,10.00\nEND,2,10.00\n", "count of row is 1, and the file says 2"),
        (b"id,amount\n1,10.00\nEND,1,10.01\n", "sum of amount is 10.00, and the file says 10.01"),
        (b"id,amount\n1,10.00\nEND,1\n", "sum of amount: "),
        (b"number,amount\n1,10.00\nEND,1,10.00\n", "the header has no column 'id'"),
    ],
)
def test_a_wrong_trailer_puts_the_file_into_quarantine_with_its_reason(adapters, root, content, said):
    (root / NAME).write_bytes(content)
    (root / "ORD.D260131.S8.CSV").write_bytes(GOOD)
    adapter = adapters(**TOTALS)
    given = portions(adapter)

    next(given).finished()
    with pytest.raises(Rejected, match="1 in quarantine"):
        next(given)

    reason = json.loads((root / "rejected" / f"{NAME}.reason.json").read_text())
    assert said in reason["error"]
    assert reason["sha256"]
    assert states(adapter) == {NAME: "quarantined", "ORD.D260131.S8.CSV": "archived"}
    assert said in next(row["reason"] for row in adapter.files("orders") if row["name"] == NAME)


def test_bad_records_count_in_the_totals(adapters, root):
    (root / NAME).write_bytes(b"id,amount\n1,10.00\nx,1.00\nEND,2,10.00\n")
    (portion,) = portions(adapters(**TOTALS))

    (batch,) = portion.batches(10)

    assert len(batch.rows) == 1
    assert batch.rejects == [Reject(2, "id: 'x' is no integer", b"x,1.00")]
    portion.finished()


def test_an_incomplete_file_waits_and_costs_no_attempt(adapters, root):
    form = {"kind": "fixed", "record": "fixed", "fields": [{"name": "a", "start": 1, "length": 4}]}
    adapter = adapters(pattern="*.dat", format=form, max_attempts=1)
    (root / "x.dat").write_bytes(b"AAAABB")

    for _ in range(3):
        for portion in portions(adapter):
            with pytest.raises(Unavailable, match="not complete"):
                list(portion.batches(10))
            portion.failed(Unavailable("not complete"), ())
    assert states(adapter) == {"x.dat": "waiting"}
    assert visible(root) == {"x.dat"}

    (root / "x.dat").write_bytes(b"AAAABBBB")
    (portion,) = portions(adapter)
    assert [row["a"] for batch in portion.batches(10) for row in batch.rows] == ["AAAA", "BBBB"]
    portion.finished()


def test_a_missing_trailer_is_incomplete_and_not_wrong(adapters, root):
    form = {
        "kind": "fixed",
        "fields": [{"name": "t", "start": 1, "length": 1}, {"name": "n", "start": 2, "length": 1, "type": "integer"}],
        "layouts": {"row": "${{ record.t == 'D' }}", "trailer": "${{ record.t == 'T' }}"},
    }
    adapter = adapters(pattern="*.dat", format=form, totals=[{"count": "row", "equals": "${{ trailer.n }}"}])
    (root / "x.dat").write_bytes(b"D1\nD2\n")

    assert list(portions(adapter)) == []
    assert states(adapter) == {"x.dat": "waiting"}
    (root / "x.dat").write_bytes(b"D1\nD2\nT2\n")
    (portion,) = portions(adapter)
    portion.finished()


def test_a_file_that_still_grows_is_not_taken(adapters, root, monkeypatch):
    adapter = adapters(ready={"stable_s": 0.3})
    (root / "x.csv").write_bytes(b"id,amount\n1,")
    sleep = time.sleep

    def grow(seconds):
        with (root / "x.csv").open("ab") as stream:
            stream.write(b"0")
        sleep(seconds)

    with monkeypatch.context() as patched:
        patched.setattr(time, "sleep", grow)
        assert list(portions(adapter)) == []
    assert states(adapter) == {"x.csv": "waiting"}
    (portion,) = portions(adapter)
    portion.finished()


def test_a_marker_says_when_and_follows_its_file(adapters, root):
    adapter = adapters(ready={"marker": "{stem}.CTL"})
    (root / "x.csv").write_bytes(b"id,amount\n")

    assert list(portions(adapter)) == []
    (root / "x.CTL").touch()
    (portion,) = portions(adapter)
    portion.finished()

    assert visible(root) == {"archive"}
    assert visible(root / "archive") == {"x.csv", "x.CTL"}


def test_age_is_by_the_clock_of_the_drop(adapters, root):
    adapter = adapters(ready={"min_age_s": 60})
    (root / "x.csv").write_bytes(b"id,amount\n")

    assert list(portions(adapter)) == []
    os.utime(root / "x.csv", (time.time() - 61, time.time() - 61))
    (portion,) = portions(adapter)
    portion.finished()


def test_failures_count_across_workers_until_quarantine(adapters, root):
    (root / "x.csv").write_bytes(b"id,amount\nx,1\n")

    for attempt in (1, 2):
        adapter = adapters(max_attempts=2)
        (portion,) = portions(adapter)
        portion.failed(Rejected("too many rejects"), [Reject(1, "id: 'x' is no integer", b"x,1")])
        assert states(adapter) == {"x.csv": "failed" if attempt == 1 else "quarantined"}

    reason = json.loads((root / "rejected/x.csv.reason.json").read_text())
    assert (reason["error"], reason["attempt"], reason["record"]) == ("too many rejects", 2, 1)


def test_a_target_that_is_away_costs_no_attempt(adapters, root):
    (root / "x.csv").write_bytes(b"id,amount\n1,1\n")
    adapter = adapters(max_attempts=1)

    for _ in range(3):
        (portion,) = portions(adapter)
        portion.failed(Unavailable("the database is down"), ())

    assert states(adapter) == {"x.csv": "ready"}


def test_of_twenty_workers_one_wins_each_file(adapters, root):
    for number in range(30):
        (root / f"{number}.csv").write_bytes(b"id,amount\n%d,1\n" % number)
    workers = [adapters() for _ in range(20)]
    taken = taken_by(workers, portions)

    assert sorted(taken) == list(range(30))
    assert len(visible(root / "archive")) == 30


CRASH = """
import os, signal, sys
from pathlib import Path
from drawbar.adapters.local import LocalAdapter, LocalConfig
from drawbar.core.adapter import Place
root = Path(sys.argv[1])
csv = {"kind": "csv"}
config = LocalConfig.model_validate({"root": "drop", "feeds": {"orders": {"pattern": "*.csv", "ready": {"stable_s": 0}, "format": csv}}})
adapter = LocalAdapter("drop", config, Place(root, root / "state"))
portion = next(adapter.source({"feed": "orders"}, sync="s").portions(None, batch_rows=10))
print(portion.id, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_file_whose_worker_was_killed_is_found_again_at_once(adapters, root):
    """Between claim and archive: the next worker gets the same portion, so that its target can say that it has it."""
    (root / "x.csv").write_bytes(b"id,amount\n1,1\n")
    died = subprocess.run([sys.executable, "-c", CRASH, root.parent], capture_output=True, text=True, check=False)
    assert died.returncode == -9, died.stderr
    assert visible(root) == set()

    (portion,) = portions(adapters())

    assert portion.id == died.stdout.strip()
    portion.finished()
    assert visible(root / "archive") == {"x.csv"}


def test_a_worker_of_another_machine_is_dead_when_its_lease_is_over(adapters, root):
    hidden = root / ".drawbar"
    hidden.mkdir()
    (hidden / "elsewhere.1.1.aa~1~x.csv").write_bytes(b"id,amount\n1,1\n")
    (hidden / "elsewhere.1.1.aa.alive").touch()
    adapter = adapters(lease_s=3)

    assert list(portions(adapter)) == []
    assert states(adapter) == {"x.csv": "claimed"}
    os.utime(hidden / "elsewhere.1.1.aa.alive", (time.time() - 9, time.time() - 9))
    (portion,) = portions(adapter)
    portion.failed(Unavailable("down"), ())

    assert adapter.files("orders")[0]["attempts"] == 1


def test_a_lease_is_renewed_while_something_is_held(root):
    (root / "x.csv").touch()
    drop = LocalDrop(root)
    claims = Claims(drop, "", 0.3)
    with drop.session() as files:
        claim = claims.take(files, "x.csv", "x.csv")
    alive = next((root / ".drawbar").glob("*.alive"))
    os.utime(alive, (1, 1))

    eventually(lambda: alive.stat().st_mtime > 1)

    with drop.session() as files:
        claims.put_back(files, claim, "x.csv", 0)
    claims.close()
    assert visible(root) == {"x.csv"}
    assert not list((root / ".drawbar").iterdir())


def test_the_archive_may_be_a_folder_of_our_own(adapters, root):
    (root / "x.csv").write_bytes(b"id,amount\n")
    (portion,) = portions(adapters(archive={"local": "kept"}))

    portion.finished()

    assert visible(root) == set()
    assert (root.parent / "kept/x.csv").exists()


def test_names_that_are_taken_in_the_archive_lose_nothing(adapters, root):
    for content in (b"id,amount\n", b"id,amount\n", b"id,amount\n1,1\n"):
        (root / "x.csv").write_bytes(content)
        (portion,) = portions(adapters())
        portion.finished()

    assert len(visible(root / "archive")) == 3


def test_tools_list_read_stat_and_write(adapters, root):
    adapter = adapters()
    done = call(adapter, "write_orders", name="a.csv", records=[{"id": 1, "amount": "1.5"}, {"id": 2, "amount": None}])

    assert done == {"name": "a.csv", "size": 20, "written": True, "records": 2}
    assert (root / "a.csv").read_bytes() == b"id,amount\n1,1.50\n2,\n"
    assert visible(root) == {"a.csv"}
    page = call(adapter, "read_orders", name="a.csv", limit=1)
    assert to_json(page) == {"records": [{"id": 1, "amount": "1.50"}], "rejects": [], "next": 1}
    assert to_json(call(adapter, "read_orders", name="a.csv", after=1)) == {
        "records": [{"id": 2, "amount": None}],
        "rejects": [],
        "next": None,
    }
    assert call(adapter, "stat_orders", name="a.csv")["size"] == 20
    assert [row["name"] for row in call(adapter, "list_orders")["files"]] == ["a.csv"]


def test_the_same_file_written_twice_is_one_and_another_is_refused(adapters):
    adapter = adapters()
    rows = [{"id": 1, "amount": "1"}]
    call(adapter, "write_orders", name="a.csv", records=rows)

    assert call(adapter, "write_orders", name="a.csv", records=rows)["written"] is False
    with pytest.raises(Rejected, match="exists already with other content"):
        call(adapter, "write_orders", name="a.csv", records=[{"id": 2, "amount": "1"}])


@pytest.mark.parametrize("name", ["../a.csv", "/etc/a.csv", "x/a.csv", "..", "a.txt", ".a.csv", ""])
def test_a_name_outside_of_the_feed_is_refused(adapters, name):
    adapter = adapters()
    with pytest.raises(InputError):
        call(adapter, "write_orders", name=name, records=[])
    with pytest.raises(InputError):
        call(adapter, "read_orders", name=name)


def test_a_link_out_of_the_root_is_neither_listed_nor_read(adapters, root):
    (root.parent / "secret.csv").write_text("id,amount\n")
    (root / "x.csv").symlink_to(root.parent / "secret.csv")
    adapter = adapters()

    assert call(adapter, "list_orders")["files"] == []
    with pytest.raises(InputError):
        call(adapter, "read_orders", name="x.csv")


def test_strange_names_are_safe(adapters, root):
    (root / os.fsdecode(b"gr\xfc\xdfe\nx.csv")).write_bytes(b"id,amount\n1,1\n")
    adapter = adapters()

    (row,) = call(adapter, "list_orders")["files"]
    assert row["name"] == "gr%FC%DFe%0Ax.csv"
    assert call(adapter, "read_orders", name=row["name"])["records"][0]["id"] == 1
    (portion,) = portions(adapter)
    portion.finished()
    assert [os.fsencode(path.name) for path in (root / "archive").iterdir()] == [b"gr\xfc\xdfe\nx.csv"]


def test_rejects_and_half_files_are_shown_by_read(adapters, root):
    (root / "x.csv").write_bytes(b'id,amount\nx,1\n2,1\n3,"open')

    page = call(adapters(), "read_orders", name="x.csv")

    assert [row["id"] for row in page["records"]] == [2]
    assert page["rejects"][0] == {"record": 1, "reason": "id: 'x' is no integer", "raw": b"x,1"}
    assert "not complete" in page["rejects"][1]["reason"]


def test_operators_retry_and_skip(adapters, root):
    adapter = adapters(max_attempts=1)
    (root / "x.csv").write_bytes(b"id,amount\n")
    (portion,) = portions(adapter)
    portion.failed(Rejected("no"), ())

    assert adapter.file_act("orders", "x.csv", "retry", by="me", reason=None)["state"] == "ready"
    assert adapter.file_act("orders", "x.csv", "skip", by="me", reason="a test")["state"] == "quarantined"
    (row,) = adapter.files("orders")
    assert row["reason"] == "a test"
    for bad in (("orders", "x.csv", "skip"), ("orders", "y.csv", "retry"), ("other", "x.csv", "retry")):
        with pytest.raises(InputError):
            adapter.file_act(*bad, by="me", reason=None)


def test_a_second_wrong_file_of_one_name_can_be_retried_and_skipped_too(adapters, root):
    adapter = adapters(max_attempts=1)
    for content in (b"id,amount\n1,2.00\n", b"id,amount\n3,4.00\n"):
        (root / "x.csv").write_bytes(content)
        next(portions(adapter)).failed(Rejected("no"), ())
    (other,) = states(adapter).keys() - {"x.csv"}

    assert adapter.file_act("orders", other, "retry", by="me", reason=None)["name"] == "x.csv"
    assert (root / "x.csv").read_bytes() == b"id,amount\n3,4.00\n"
    adapter.file_act("orders", "x.csv", "skip", by="me", reason="a test")
    assert [row["state"] for row in adapter.files("orders")] == ["quarantined", "quarantined"]
    assert visible(root) == {"rejected"}


def test_feeds_that_share_an_archive_show_only_their_own(root):
    feeds = {name: {"pattern": f"{name}.*", "ready": {"stable_s": 0}, "format": CSV} for name in ("a", "b")}
    config = LocalConfig.model_validate({"kind": "local", "root": "drop", "feeds": feeds})
    adapter = LocalAdapter("drop", config, Place(root.parent, root.parent / "state"))
    for name in ("a.1", "b.20261123"):
        (root / name).write_bytes(b"id,amount\n1,2.00\n")
        next(adapter.source({"feed": name[0]}, sync="s").portions(None, batch_rows=2)).finished()

    assert [row["name"] for row in adapter.files("a")] == ["a.1"]
    assert [row["name"] for row in adapter.files("b")] == ["b.20261123"]
    adapter.close()


def test_a_sink_writes_a_whole_file_or_nothing(adapters, root):
    sink = adapters().sink({"feed": "orders"}, sync="s")

    with sink.writing(portion="p1") as writing:
        assert writing.write([{"id": 1, "amount": "1.00"}]).inserted == 1
        with pytest.raises(RowRefused) as refused:
            writing.write([{"id": 2, "amount": "1.00"}, {"id": 3, "amount": "x"}])
        assert (refused.value.index, refused.value.reason) == (1, "amount: 'x' is no number")
        writing.write([{"id": 2, "amount": "1.00"}])
        assert visible(root) == set()
        writing.commit(portion="p1", cursor=None)

    (name,) = visible(root)
    assert (root / name).read_bytes() == b"id,amount\n1,1.00\n2,1.00\n"
    with sink.writing(portion="p1") as writing:
        writing.write([{"id": 1, "amount": "1.00"}, {"id": 2, "amount": "1.00"}])
        writing.commit(portion="p1", cursor=None)
    assert visible(root) == {name}
    with pytest.raises(ZeroDivisionError), sink.writing(portion="p2") as writing:
        writing.write([{"id": 9, "amount": "1.00"}])
        raise ZeroDivisionError
    assert visible(root) == {name}


def test_a_sink_without_a_name_says_what_to_do(adapters):
    sink = adapters(**TOTALS).sink({"feed": "orders"}, sync="s")
    with pytest.raises(ConfigError, match="makes no name by itself"), sink.writing(portion="p"):
        pass


def test_a_trigger_takes_a_file_and_archives_it_when_its_run_is_kept(adapters, root):
    adapter = adapters(poll_s=0.05)
    (root / "x.csv").write_bytes(b"id,amount\n1,1\n")
    stop, started = threading.Event(), []

    def start(occurrence: Occurrence) -> None:
        started.append(occurrence)
        stop.set()

    adapter.trigger({"feed": "orders"}, name="t").run(start, stop)

    assert started[0].env["file"]["name"] == "x.csv"
    assert states(adapter) == {"x.csv": "archived"}
    assert call(adapter, "read_orders", name="x.csv")["records"][0]["id"] == 1


def test_a_file_that_will_never_start_a_run_is_parked_and_one_that_may_is_put_back(adapters, root):
    adapter = adapters(poll_s=0.05)
    (root / "bad.csv").write_bytes(b"id,amount\n")
    os.utime(root / "bad.csv", (1, 1))
    (root / "later.csv").write_bytes(b"id,amount\n")

    def start(occurrence: Occurrence) -> None:
        raise InputError("not this one") if occurrence.env["file"]["name"] == "bad.csv" else Unavailable("full")

    with pytest.raises(Unavailable):
        adapter.trigger({"feed": "orders"}, name="t").run(start, threading.Event())

    assert states(adapter) == {"bad.csv": "quarantined", "later.csv": "ready"}


def test_a_sync_is_told_of_ready_files_once_and_nothing_is_claimed(adapters, root):
    adapter = adapters(poll_s=0.02)
    stop, told = threading.Event(), []
    watching = threading.Thread(
        target=adapter.trigger({"feed": "orders", "for": "sync"}, name="t").run, args=(told.append, stop)
    )
    watching.start()
    for number, name in enumerate(("a.csv", "b.csv"), 1):
        (root / name).write_bytes(b"id,amount\n")
        eventually(lambda number=number: len(told) >= number)
        time.sleep(0.1)
    stop.set()
    watching.join()

    assert len({occurrence.id for occurrence in told}) == len(told) == 2
    assert states(adapter) == {"a.csv": "ready", "b.csv": "ready"}


def test_files_behind_a_wrong_one_do_not_wait_a_minute_for_it(adapters, root):
    """A sync ends at the file that was refused; ten of them must not keep the good ones for ten minutes."""
    adapter = adapters(poll_s=0.02)
    for name in ("1.csv", "2.csv", "3.csv"):
        (root / name).write_bytes(b"id,amount\n")
    stop, told = threading.Event(), []

    def refused(occurrence: Occurrence) -> SimpleNamespace:
        told.append(occurrence)
        min(root.glob("*.csv")).unlink()
        return SimpleNamespace(ended=lambda: "1.csv is wrong")

    trigger = adapter.trigger({"feed": "orders", "for": "sync"}, name="t")
    watching = threading.Thread(target=trigger.run, args=(refused, stop))
    watching.start()
    eventually(lambda: not list(root.glob("*.csv")))
    stop.set()
    watching.join()

    assert len(told) == 3


def test_what_was_taken_ahead_is_put_back_while_an_error_still_holds_its_iterator(adapters, root):
    for name in ("1.csv", "2.csv", "3.csv"):
        (root / name).write_bytes(b"id,amount\n1,1\n" + name.encode())
    adapter = adapters()
    source = adapter.source({"feed": "orders"}, sync="s")
    held = source.portions(None, batch_rows=2)
    next(held).finished()

    source.close()

    assert sorted(states(adapter).values()) == ["archived", "ready", "ready"]


def test_check_names_the_folder_that_is_missing(tmp_path):
    config = LocalConfig.model_validate({"root": "absent", "feeds": {"f": {"pattern": "*", "format": CSV}}})
    (finding,) = LocalAdapter("drop", config, Place(tmp_path, tmp_path)).check()

    assert not finding.ok
    assert "absent" in finding.found
    assert "mkdir" in finding.next


def test_a_full_spool_says_so_and_puts_the_file_back(adapters, root):
    adapter = adapters(spool="spool")
    (root.parent / "spool").write_text("a file where a folder should be")
    (root / "x.csv").write_bytes(b"id,amount\n")

    with pytest.raises(DrawbarError, match="spool"):
        list(portions(adapter))

    assert states(adapter) == {"x.csv": "ready"}


def test_write_preview_shows_the_bytes_and_touches_nothing(adapters, root):
    tool = next(one for one in adapters().tools() if one.name == "write_orders")

    would = tool.preview({"name": "a.csv", "records": [{"id": 1, "amount": "1"}]})

    assert (would["begins"], would["size"], would["exists"]) == ("id,amount\n1,1.00\n", 17, None)
    assert visible(root) == set()


def test_write_preview_says_what_stands_under_the_name(adapters, root):
    tool = next(one for one in adapters().tools() if one.name == "write_orders")
    (root / "a.csv").write_bytes(b"id,amount\n1,1.00\n")

    same = tool.preview({"name": "a.csv", "records": [{"id": 1, "amount": "1"}]})
    other = tool.preview({"name": "a.csv", "records": [{"id": 2, "amount": "1"}]})

    assert same["exists"]["size"] == 17
    assert same["does"] == "changes nothing: exactly this file is there"
    assert other["does"] == "is refused: the name exists with other content"
    assert (root / "a.csv").read_bytes() == b"id,amount\n1,1.00\n"


def test_write_preview_shows_no_secret(root):
    said = {"root": "drop", "feeds": {"orders": {"pattern": "*.csv", "format": CSV}}}
    config = LocalConfig.model_validate({**said, "tools": {"write_orders": {"secret": ["records.id"]}}})
    adapter = LocalAdapter("drop", config, Place(root.parent, root.parent / "state"))
    tool = next(one for one in adapter.tools() if one.name == "write_orders")

    would = tool.preview({"name": "a.csv", "records": [{"id": 471147114711, "amount": "1"}]})

    assert "471147114711" not in str(would)
    assert would["size"] == 28


@pytest.mark.parametrize(
    ("feed", "at", "said"),
    [
        ({"format": {"kind": "copybook", "copybook": "bad.cpy"}}, ("format",), "bad.cpy:1:16: PIC Q is no PICTURE"),
        ({"format": {"kind": "copybook", "copybook": "no.cpy"}}, ("format", "copybook"), "cannot be read"),
        (
            {"totals": [{"sum": "BALANSE", "equals": "${{ trailer.N }}"}]},
            ("totals", 0),
            "the row has no field BALANSE; did you mean BALANCE?",
        ),
        ({"totals": [{"count": "row", "equals": "${{ header.N }}"}]}, ("totals", 0), "the format has no header"),
        (
            {"format": {"kind": "csv"}, "totals": [{"count": "rows", "equals": "${{ 1 }}"}]},
            ("totals", 0),
            "the format has no layout 'rows'; it has row; did you mean row?",
        ),
        (
            {
                "format": {"kind": "csv", "skip_footer": 1, "compression": "gzip"},
                "totals": [{"count": "detail", "equals": "${{ int(trailer.fields[1]) }}"}],
            },
            ("totals", 0),
            "the format has no layout 'detail'; it has row, trailer",
        ),
    ],
)
def test_mistakes_in_files_are_found_without_a_wire(tmp_path, feed, at, said):
    (tmp_path / "bad.cpy").write_text("01 R. 05 A PIC Q.")
    (tmp_path / "good.cpy").write_text("01 R. 05 BALANCE PIC 9(3).")
    given = {"pattern": "*", "format": {"kind": "copybook", "copybook": "good.cpy"}, **feed}
    config = LocalConfig.model_validate({"root": "absent", "feeds": {"f": given}})

    found = list(LocalAdapter.mistakes(config, tmp_path))

    assert found[0][0] == ("feeds", "f", *at)
    assert any(said in sentence for _, sentence in found)
