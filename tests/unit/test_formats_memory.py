"""Memory does not grow with a file: each format in a process of its own, over a stream far larger than what it may hold."""

import subprocess
import sys

import pytest

MB = 48
MOST_MB = 24
PROGRAM = """
import io, resource, sys
from pathlib import Path
from pydantic import TypeAdapter
from drawbar.adapters.formats import AnyFormat, bulks

class Long(io.RawIOBase):
    def __init__(self, begin, part, end, size):
        self.parts = iter([begin, *[part] * (size // len(part)), end])
        self.held = b""
    def read(self, size=-1):
        while len(self.held) < size and (part := next(self.parts, None)) is not None:
            self.held += part
        data, self.held = self.held[:size], self.held[size:]
        return data

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

keys, begin, part, end, size = eval(sys.argv[1])
form = TypeAdapter(AnyFormat).validate_python(keys).open(Path(sys.argv[2]))
sum(len(bulk.rows) for bulk in bulks(form, Long(begin, part, end, len(part) * 20), 5000))
before = peak()
count = sum(len(bulk.rows) for bulk in bulks(form, Long(begin, part, end, size), 5000))
print(count, peak() - before)
"""
ISA = (
    b"ISA*00*          *00*          *ZZ*A              *ZZ*B              *261123*0405*U*00401*000000001*0*P*:~"
    b"GS*PO*A*B*20261123*0405*1*X*004010~"
)
TEXT = b"x" * 60
FILES = {
    "csv": ({"kind": "csv"}, b"a,b\n", b"1," + TEXT + b"\n", b""),
    "jsonl": ({"kind": "jsonl"}, b"", b'{"a": 1, "b": "' + TEXT + b'"}\n', b""),
    "xml": ({"kind": "xml", "record": "r/a"}, b"<r>", b"<a><b>" + TEXT + b"</b></a>", b"</r>"),
    "fixed": ({"kind": "fixed", "fields": [{"name": "a", "start": 1, "length": 60}]}, b"", TEXT + b"\n", b""),
    "copybook": ({"kind": "copybook", "copybook": "rec.cpy"}, b"", b"\xf1" * 60, b""),
    "copybook of variable length": (
        {"kind": "copybook", "copybook": "rec.cpy", "record": "rdw"}, b"", b"\0\x40\0\0" + b"\xf1" * 60, b"",
    ),
    "x12": ({"kind": "x12", "checks": "lenient"}, ISA, b"ST*850*1~BEG*00*NE*" + TEXT + b"~SE*3*1~", b"GE*1*1~IEA*1*1~"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", FILES)
def test_a_long_file_needs_no_more_memory_than_a_short_one(kind, tmp_path):
    (tmp_path / "rec.cpy").write_text("01 R. 05 A PIC X(50). 05 B PIC 9(10).")
    keys, begin, part, end = FILES[kind]
    parts = part * max(4096 // len(part), 1)

    said = subprocess.run(
        [sys.executable, "-c", PROGRAM, repr((keys, begin, parts, end, MB * 1024 * 1024)), tmp_path],
        capture_output=True, text=True, check=True, timeout=280,
    )  # fmt: skip

    count, grown_mb = said.stdout.split()
    assert int(count) > 100_000
    assert float(grown_mb) < MOST_MB
