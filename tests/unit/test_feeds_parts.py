"""What a cut upload leaves behind, and many small files that are taken together whatever claims them."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from drawbar.adapters.feeds.parts import Parts
from drawbar.adapters.local import LocalAdapter, LocalConfig
from drawbar.connectors import local
from drawbar.connectors.drop import part_name
from drawbar.connectors.local import LocalDrop
from drawbar.connectors.owners import own_name
from drawbar.core.adapter import Place
from drawbar.core.errors import Rejected, Unavailable
from drawbar.core.store.drops import Drops
from drawbar.core.store.journal import Journal

DAY_S = 86_400


def aged(path: Path, days: float) -> Path:
    path.write_bytes(path.read_bytes() if path.exists() else b"half")
    os.utime(path, (time.time() - days * DAY_S,) * 2)
    return path


def test_only_our_own_old_uploads_are_removed(tmp_path):
    drop = tmp_path / "drop"
    drop.mkdir()
    notes = tmp_path / "parts"
    ours, young, strangers = ("a" * 64, "b" * 64, "c" * 64)
    for sha256 in (ours, young):
        with pytest.raises(ConnectionError), Parts(notes).noted("x.csv", sha256):
            raise ConnectionError
    for sha256, days in ((ours, 2), (young, 0.5), (strangers, 9)):
        aged(drop / part_name(b"x.csv", sha256).decode(), days)
    for note in notes.iterdir():
        aged(note, 2)

    with LocalDrop(drop).session() as files:
        Parts(notes).sweep(files)

    assert {entry.name for entry in drop.iterdir()} == {part_name(b"x.csv", one).decode() for one in (young, strangers)}
    assert len(list(notes.iterdir())) == 1


def test_an_upload_that_ended_leaves_no_note(tmp_path):
    with Parts(tmp_path / "parts").noted("in/x.csv", "a" * 64):
        assert len(list((tmp_path / "parts").iterdir())) == 1

    assert not list((tmp_path / "parts").iterdir())


def test_what_a_killed_writer_left_in_a_folder_goes_and_nobody_elses(tmp_path):
    script = "from drawbar.connectors.drop import part_name; print(part_name(b'', None).decode())"
    dead = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()
    alive, elsewhere, strange = f".{own_name()}.part", ".other-host.1.2.abc.part", ".mine.part"
    for name in (dead, alive, elsewhere, strange):
        (tmp_path / name).write_bytes(b"half")

    with LocalDrop(tmp_path).session() as files, Path(os.devnull).open("rb") as nothing:
        files.write("x.csv", nothing)

    assert {entry.name for entry in tmp_path.iterdir()} == {alive, elsewhere, strange, "x.csv"}


@pytest.mark.parametrize("claim", ["rename", "lock_file", "journal"])
def test_small_files_are_read_together_whatever_claims_them(tmp_path, monkeypatch, claim):
    (tmp_path / "drop").mkdir()
    for number in range(20):
        (tmp_path / f"drop/{number:02d}.csv").write_text(f"id\n{number}\n")
    read, fetched = LocalDrop.read, LocalDrop.fetch
    alone, together = [], []
    monkeypatch.setattr(LocalDrop, "read", lambda self, path: alone.append(path) or read(self, path))
    monkeypatch.setattr(LocalDrop, "fetch", lambda self, wanted: together.append(len(wanted)) or fetched(self, wanted))
    journal = Journal.open(f"sqlite:///{tmp_path}/j.db")
    feed = {"pattern": "*.csv", "ready": {"stable_s": 0}, "format": {"kind": "csv"}, "claim": claim}
    if claim == "journal":
        feed["after"] = "leave"
    config = LocalConfig.model_validate({"kind": "local", "root": "drop", "feeds": {"f": feed}})
    adapter = LocalAdapter("drop", config, Place(tmp_path, tmp_path / "state", drops=Drops(journal)))
    changed = tmp_path / "drop/03.csv"
    if claim != "rename":
        ready = adapter.feed("f").ready

        def rewritten(*, wait):
            found = ready(wait=wait)
            changed.write_text("id\n9\n")  # as long as before, while it is read
            os.utime(changed, (1, 1))
            return found

        monkeypatch.setattr(adapter.feed("f"), "ready", rewritten)

    taken = []
    for one in adapter.feed("f").taking(wait=False):
        taken.append(one.found.name)
        adapter.feed("f").finish(one)

    assert len(taken) == (20 if claim == "rename" else 19)
    assert not alone
    assert [count for count in together if count > 1][:1] == [16]
    adapter.close()
    journal.close()


def test_a_file_that_is_begun_without_a_name_is_seen_by_nobody_until_it_is_whole(tmp_path):
    with LocalDrop(tmp_path).session() as files, files.nameless("x.csv") as begun:
        begun.write(b"a" * 100_000)
        begun.write(memoryview(b"b"))
        before = list(tmp_path.iterdir())

        size = files.write("x.csv", begun)

    (tmp_path / "usual").touch()
    written = tmp_path / "x.csv"
    assert (before, size, written.read_bytes()) == ([], 100_001, b"a" * 100_000 + b"b")
    assert written.stat().st_mode == (tmp_path / "usual").stat().st_mode
    assert {one.name for one in tmp_path.iterdir()} == {"x.csv", "usual"}


def test_a_file_without_a_name_replaces_nothing_and_may_be_copied_too(tmp_path, monkeypatch):
    (tmp_path / "x.csv").write_bytes(b"theirs")
    with LocalDrop(tmp_path).session() as files, files.nameless("x.csv") as begun:
        begun.write(b"ours")
        with pytest.raises(Rejected):
            files.write("x.csv", begun)
        monkeypatch.setattr(os, "link", lambda *given, **named: (tmp_path / "not/there").stat())

        files.write("y.csv", begun)

    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == {"x.csv": b"theirs", "y.csv": b"ours"}


def test_a_full_disk_is_said_while_a_file_is_written():
    with (
        Path("/dev/full").open("r+b", buffering=0) as full,
        local._Nameless(full, 16) as begun,
        pytest.raises(Unavailable, match="No space left"),
    ):
        begun.write(b"a" * 100)
