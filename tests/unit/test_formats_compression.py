"""gzip and zip around a format: streamed, bounded, and what is half or wrong."""

import gzip
import io
import zipfile
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from drawbar.adapters.formats import AnyFormat, Format, IncompleteFile, Record, WrongFile
from drawbar.core.errors import InputError

CSV = b"a,b\n" + b"".join(b"%d,x%d\n" % (n, n) for n in range(2000))


def opened(**keys) -> Format:
    return TypeAdapter(AnyFormat).validate_python({"kind": "csv", **keys}).open(Path())


def read(form: Format, data: bytes) -> list[dict]:
    return [record.values if isinstance(record, Record) else record.reason for record in form.read(io.BytesIO(data))]


def zipped(*members: tuple[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return stream.getvalue()


class Pipe(io.RawIOBase):
    """A stream that cannot go back, and gives little at a time."""

    def __init__(self, data: bytes) -> None:
        self._inner = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._inner.read(min(size, 1000) if size >= 0 else size)


@pytest.mark.parametrize("kind", ["gzip", "zip"])
def test_what_is_written_packed_is_read_back_and_is_the_same_each_time(kind):
    form = opened(compression=kind)
    rows = [{"a": str(n), "b": f"x{n}"} for n in range(2000)]
    first, second = io.BytesIO(), io.BytesIO()

    form.write(rows, first)
    form.write(rows, second)

    assert first.getvalue() == second.getvalue()
    plain = gzip.decompress(first.getvalue()) if kind == "gzip" else zipfile.ZipFile(first).read("data")
    assert plain == CSV
    assert read(form, first.getvalue()) == rows


@pytest.mark.parametrize("kind", ["gzip", "zip"])
def test_a_packed_pipe_is_read_too(kind):
    packed = gzip.compress(CSV) if kind == "gzip" else zipped(("orders.csv", CSV))

    found = list(opened(compression=kind).read(Pipe(packed)))

    assert len(found) == 2000
    assert found[-1].values == {"a": "1999", "b": "x1999"}


def test_a_row_that_cannot_be_written_leaves_the_packed_file_whole():
    form = opened(compression="gzip", columns={"a": "integer"})
    stream = io.BytesIO()
    begun = form.writing(stream)

    begun([{"a": 1}])
    with pytest.raises(InputError, match="record 2: a: 'x' is no number"):
        begun([{"a": 2}, {"a": "x"}])
    begun([{"a": 2}])
    begun.finish()

    assert gzip.decompress(stream.getvalue()) == b"a\n1\n2\n"


def test_several_gzip_members_with_padding_are_one_file():
    packed = gzip.compress(CSV[:1000]) + gzip.compress(CSV[1000:]) + bytes(700_000)

    assert len(read(opened(compression="gzip"), packed)) == 2000


@pytest.mark.parametrize("kind", ["gzip", "zip"])
@pytest.mark.parametrize("share", [0.0, 0.0003, 0.5, 0.999])
def test_half_a_packed_file_is_incomplete(kind, share):
    packed = gzip.compress(CSV) if kind == "gzip" else zipped(("a", CSV))

    with pytest.raises(IncompleteFile):
        read(opened(compression=kind), packed[: int(len(packed) * share)])


@pytest.mark.parametrize("kind", ["gzip", "zip"])
def test_a_flipped_bit_and_another_kind_of_file_are_wrong(kind):
    packed = bytearray(gzip.compress(CSV) if kind == "gzip" else zipped(("a", CSV)))
    packed[len(packed) // 2] ^= 0x10
    form = opened(compression=kind)

    with pytest.raises(WrongFile, match="no valid"):
        read(form, bytes(packed))
    with pytest.raises(WrongFile, match="no valid"):
        read(form, CSV)


@pytest.mark.parametrize("kind", ["gzip", "zip"])
def test_a_bomb_is_wrong_and_is_not_unpacked_to_its_end(kind):
    bomb = b"a\n" + (b"0" * 999_999 + b"\n") * 40
    packed = gzip.compress(bomb, 9) if kind == "gzip" else zipped(("a", bomb))

    with pytest.raises(WrongFile, match="more than 300 times as many"):
        read(opened(compression=kind), packed)
    with pytest.raises(WrongFile, match="more than 1 MB"):
        read(opened(compression={"kind": kind, "max_unpacked_mb": 1}), packed)


def test_a_whole_packed_file_with_half_a_record_is_wrong_because_it_will_not_grow():
    with pytest.raises(WrongFile, match="what is in it is not: record 2 ends inside a quoted field"):
        read(opened(compression="gzip"), gzip.compress(b'a\n"x'))


def test_of_several_zip_members_the_one_that_is_named_counts():
    packed = zipped(("docs/readme.txt", b"hello"), ("orders.csv", b"a\n1\n"), ("more.csv", b"a\n2\n"))

    assert read(opened(compression={"kind": "zip", "member": "ord*.csv"}), packed) == [{"a": "1"}]
    with pytest.raises(WrongFile, match=r"3 members, and one is needed; it holds 'docs/readme.txt'"):
        read(opened(compression="zip"), packed)
    with pytest.raises(WrongFile, match=r"2 members fit '\*.csv'"):
        read(opened(compression={"kind": "zip", "member": "*.csv"}), packed)
