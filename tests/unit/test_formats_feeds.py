"""Formats as feeds and syncs see them: packed files, columns in batches, and the answer to an interchange."""

import gzip
import time
import zipfile
from pathlib import Path

import pytest

from drawbar.adapters.feeds.source import FeedSource
from drawbar.adapters.local import LocalAdapter, LocalConfig
from drawbar.core.adapter import Place
from drawbar.core.batch import Columns
from drawbar.core.errors import DrawbarError, InputError, Rejected
from drawbar.core.tool import Call


@pytest.fixture
def adapter(tmp_path):
    made = []

    def make(**feeds) -> LocalAdapter:
        (tmp_path / "drop").mkdir(exist_ok=True)
        given = {name: {"ready": {"stable_s": 0}, **feed} for name, feed in feeds.items()}
        config = LocalConfig.model_validate({"kind": "local", "root": "drop", "feeds": given})
        made.append(LocalAdapter("drop", config, Place(tmp_path, tmp_path / "state")))
        return made[-1]

    yield make
    for one in made:
        one.close()


def tools(adapter):
    return {tool.name: tool for tool in adapter.tools()}


def test_a_copybook_feed_gives_its_rows_by_columns_with_numbers_and_bytes(adapter, tmp_path):
    (tmp_path / "rec.cpy").write_text("01 R. 05 ID PIC 9(4). 05 WIDE-NO PIC 9(16) COMP-3. 05 NAME PIC X(3).")
    feed = adapter(orders={"pattern": "*.dat", "format": {"kind": "copybook", "copybook": "rec.cpy"}})
    good = "0001".encode("cp037") + b"\0" * 7 + b"\x01\x1f" + "abc".encode("cp037")
    (tmp_path / "drop/a.dat").write_bytes(good + b"\xff" + good[1:] + good)

    (portion,) = FeedSource(feed.feed("orders")).portions(None, batch_rows=100)
    (batch,) = portion.batches(100)

    assert isinstance(batch.rows, Columns)
    assert list(batch.rows) == [{"ID": 1, "WIDE_NO": 11, "NAME": "abc"}] * 2
    assert list(batch.record_nos) == [1, 3]
    assert batch.raw[1] == good
    assert [(one.record_no, one.raw) for one in batch.rejects] == [(2, b"\xff" + good[1:])]
    portion.finished()


@pytest.mark.parametrize("kind", ["gzip", "zip"])
def test_a_packed_feed_is_written_and_read_by_its_tools(adapter, tmp_path, kind):
    made = tools(adapter(orders={"pattern": "*.z", "format": {"kind": "csv", "compression": kind}}))

    said = made["write_orders"].run(
        {"name": "a.z", "records": [{"a": "1"}, {"a": "2"}]}, Call("1", "test", time.monotonic() + 60)
    )
    found = made["read_orders"].run({"name": "a.z"}, Call("1", "test", time.monotonic() + 60))

    file = Path(tmp_path / "drop/a.z")
    assert said["size"] == file.stat().st_size
    plain = gzip.decompress(file.read_bytes()) if kind == "gzip" else zipfile.ZipFile(file).read("data")
    assert plain == b"a\n1\n2\n"
    assert found["records"] == [{"a": "1"}, {"a": "2"}]


def test_half_a_zip_waits_and_a_bomb_is_quarantined(adapter, tmp_path):
    feed = adapter(
        orders={"pattern": "*.gz", "format": {"kind": "csv", "compression": {"kind": "gzip", "max_unpacked_mb": 1}}}
    ).feed("orders")
    folder = tmp_path / "drop"
    (folder / "half.gz").write_bytes(gzip.compress(b"a\n1\n")[:-4])
    (folder / "bomb.gz").write_bytes(gzip.compress(b"a\n" + (b"1" * 9_999 + b"\n") * 200))

    for portion in FeedSource(feed).portions(None, batch_rows=100):
        with pytest.raises(DrawbarError) as failed:
            list(portion.batches(100))
        portion.failed(failed.value, [])

    assert (folder / "half.gz").exists()
    assert not (folder / "bomb.gz").exists()
    assert list(folder.rglob("bomb.gz*"))


ORDER = b"UNB+UNOC:3+A:14+B:14+261123:0405+77'UNH+1+ORDERS:D:96A:UN'BGM+220+4711+9'UNT+3+1'UNZ+1+77'"


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_an_edi_feed_offers_the_answer_to_a_file(adapter, tmp_path, compression):
    form = {"kind": "edifact", "newline": "none", **({"compression": compression} if compression else {})}
    owner = adapter(
        orders={"pattern": "*.edi", "format": form},
        answers={"pattern": "*.ctl", "format": {**form, "compression": None}},
    )
    (tmp_path / "drop/a.edi").write_bytes(gzip.compress(ORDER) if compression else ORDER)
    (tmp_path / "drop/half.edi").write_bytes(gzip.compress(ORDER)[:-9] if compression else ORDER[:-9])
    (tmp_path / "drop/wrong.edi").write_bytes(b"hello, world")
    made = tools(owner)
    asked = {"control": "5", "at": "2026-11-23T04:05:00"}

    answer = made["acknowledge_orders"].run({"name": "a.edi", **asked}, Call("1", "test", time.monotonic() + 60))
    made["write_answers"].run({"name": "a.ctl", "records": answer["records"]}, Call("1", "test", time.monotonic() + 60))

    assert (tmp_path / "drop/a.ctl").read_bytes() == (
        b"UNA:+.? 'UNB+UNOC:3+B:14+A:14+261123:0405+5'UNH+1+CONTRL:D:3:UN'UCI+77+A:14+B:14+7'"
        b"UCM+1+ORDERS:D:96A:UN+7'UNT+4+1'UNZ+1+5'"
    )
    assert type(owner).tool_names(owner.config) >= set(made)
    with pytest.raises(InputError, match="is not complete"):
        made["acknowledge_orders"].run({"name": "half.edi", **asked}, Call("1", "test", time.monotonic() + 60))
    with pytest.raises(Rejected):
        made["acknowledge_orders"].run({"name": "wrong.edi", **asked}, Call("1", "test", time.monotonic() + 60))
