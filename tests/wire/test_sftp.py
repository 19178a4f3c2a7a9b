"""SFTP feeds against a real OpenSSH, and the suite for adapters on both kinds of drop."""

import io
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from competing import taken_by
from pydantic import ValidationError

from drawbar.adapters.local import LocalAdapter
from drawbar.adapters.sftp import SftpAdapter, SftpConfig
from drawbar.connectors.sftp import Login, Secrets, SftpDrop
from drawbar.core.adapter import Place
from drawbar.core.errors import ConfigError, DrawbarError, InputError, OutcomeUnknown, Rejected, Unavailable
from drawbar.core.tool import Call
from drawbar.testing import conformance
from drawbar.testing.silence import closed_port as a_closed_port

COPYBOOK = """
       01 ORDER-REC.
          05 REC-TYPE   PIC X.
          05 ORDER-ID   PIC 9(6).
          05 AMOUNT     PIC S9(7)V99 COMP-3.
       01 ORDER-TRAILER.
          05 REC-TYPE   PIC X.
          05 REC-COUNT  PIC 9(6).
          05 TOTAL      PIC S9(7)V99 COMP-3.
"""
ORDERS = {
    "pattern": "ORD.D{date:%y%m%d}.S{seq:d}.DAT",
    "ready": {"stable_s": 0},
    "format": {
        "kind": "copybook",
        "copybook": "order.cpy",
        "encoding": "cp037",
        "record": "fixed",
        "layouts": {"row": "${{ record.REC_TYPE == 'D' }}", "trailer": "${{ record.REC_TYPE == 'T' }}"},
    },
    "totals": [
        {"count": "row", "equals": "${{ trailer.REC_COUNT }}"},
        {"sum": "AMOUNT", "equals": "${{ trailer.TOTAL }}"},
    ],
}
LINES = {"pattern": "*.csv", "ready": {"stable_s": 0}, "format": {"kind": "csv"}}
NAME = "ORD.D260131.S1.DAT"


def order_file(count: int, *, says: int | None = None) -> bytes:
    rows = b"".join(b"\xc4" + f"{at:06}".encode("cp037") + b"\x00\x00\x00\x10\x0c" for at in range(count))
    total = bytes.fromhex(f"{count * 100:09}c")
    return rows + b"\xe3" + f"{count if says is None else says:06}".encode("cp037") + total


def server(sshd, drop, **more):
    return {
        "host": sshd.host,
        "port": sshd.port,
        "username": sshd.user,
        "private_key_file": str(sshd.key_file),
        "known_hosts": str(sshd.known_hosts),
        "root": str(drop),
        "call_timeout_s": 5,
        **more,
    }


@pytest.fixture
def adapters(sshd, drop, tmp_path):
    """Make adapters on one folder of the server, as several workers have them."""
    (tmp_path / "order.cpy").write_text(COPYBOOK)
    made = []

    def make(**more) -> SftpAdapter:
        given = {"feeds": {"orders": ORDERS, "lines": LINES}, **more}
        config = SftpConfig.model_validate(server(sshd, drop, **given))
        made.append(SftpAdapter("drop", config, Place(tmp_path, tmp_path / f"state{len(made)}")))
        return made[-1]

    yield make
    for adapter in made:
        adapter.close()


def call(adapter, tool, **arguments):
    found = next(one for one in adapter.tools() if one.name == tool)
    return found.run(arguments, Call("1", "test", time.monotonic() + 10))


def portions(adapter, feed="orders"):
    return adapter.source({"feed": feed}, sync="s").portions(None, batch_rows=500)


def states(adapter, feed="orders"):
    return {row["name"]: row["state"] for row in adapter.files(feed)}


def visible(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir() if not entry.name.startswith(".")}


def test_a_mainframe_file_is_proven_loaded_and_archived(adapters, drop):
    (drop / NAME).write_bytes(order_file(1000))
    adapter = adapters()

    (portion,) = portions(adapter)
    batches = list(portion.batches(300))

    assert sum(len(batch.rows) for batch in batches) == 1000
    assert batches[0].rows[1] == {"REC_TYPE": "D", "ORDER_ID": 1, "AMOUNT": batches[0].rows[0]["AMOUNT"]}
    assert portion.facts["trailer"]["REC_COUNT"] == 1000
    portion.finished()
    assert visible(drop) == {"archive"}
    assert (drop / "archive" / NAME).read_bytes() == order_file(1000)


def test_a_wrong_trailer_is_quarantined_and_a_missing_one_waits(adapters, drop):
    (drop / NAME).write_bytes(order_file(10, says=11))
    (drop / "ORD.D260131.S2.DAT").write_bytes(order_file(10)[:-12])
    (drop / "ORD.D260131.S3.DAT").write_bytes(order_file(10)[:-5])
    adapter = adapters()

    with pytest.raises(Rejected, match="count of row is 10, and the file says 11"):
        list(portions(adapter))

    assert states(adapter) == {
        NAME: "quarantined",
        "ORD.D260131.S2.DAT": "waiting",
        "ORD.D260131.S3.DAT": "waiting",
    }
    assert visible(drop / "rejected") == {NAME, f"{NAME}.reason.json"}


def test_a_file_that_grows_over_the_wire_is_left_alone(adapters, drop):
    given = {**LINES, "ready": {"stable_s": 0.4}}
    adapter = adapters(feeds={"lines": given})
    stop = threading.Event()

    def grow():
        with (drop / "x.csv").open("ab", buffering=0) as stream:
            while not stop.wait(0.05):
                stream.write(b"1\n")

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        time.sleep(0.2)
        assert list(portions(adapter, "lines")) == []
    finally:
        stop.set()
        writer.join()
    (portion,) = portions(adapter, "lines")
    portion.finished()


def test_of_several_workers_one_wins_each_file(adapters, drop):
    for number in range(20):
        (drop / f"{number}.csv").write_bytes(b"id\n%d\n" % number)
    workers = [adapters() for _ in range(5)]
    taken = taken_by(workers, lambda adapter: portions(adapter, "lines"))

    assert sorted(taken, key=int) == [str(number) for number in range(20)]
    assert len(visible(drop / "archive")) == 20


CRASH = """
import json, os, signal, sys
from pathlib import Path
from drawbar.adapters.sftp import SftpAdapter, SftpConfig
from drawbar.core.adapter import Place
adapter = SftpAdapter("drop", SftpConfig.model_validate(json.loads(sys.argv[1])), Place(Path(sys.argv[2]), Path(sys.argv[2])))
portion = next(adapter.source({"feed": "lines"}, sync="s").portions(None, batch_rows=10))
print(portion.id, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_crash_between_claim_and_archive_loses_nothing(adapters, sshd, drop, tmp_path):
    (drop / "x.csv").write_bytes(b"id\n1\n")
    config = json.dumps(server(sshd, drop, feeds={"lines": LINES}))
    died = subprocess.run(
        [sys.executable, "-c", CRASH, config, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert died.returncode == -9, died.stderr
    assert visible(drop) == set()

    (portion,) = portions(adapters(), "lines")

    assert portion.id == died.stdout.strip()
    portion.finished()
    assert visible(drop / "archive") == {"x.csv"}


def test_a_file_written_is_there_whole_or_not_at_all(adapters, drop):
    adapter = adapters()
    rows = [{"id": str(at)} for at in range(5000)]

    assert call(adapter, "write_lines", name="a.csv", records=rows)["written"] is True
    assert call(adapter, "write_lines", name="a.csv", records=rows)["written"] is False
    with pytest.raises(Rejected, match="other content"):
        call(adapter, "write_lines", name="a.csv", records=rows[1:])
    assert visible(drop) == {"a.csv"}
    page = call(adapter, "read_lines", name="a.csv", after=4990)
    assert [row["id"] for row in page["records"]] == [str(at) for at in range(4990, 5000)]


def test_the_host_must_be_known_and_stay_the_same(adapters, sshd, tmp_path):
    (tmp_path / "empty").touch()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "other"], check=True)
    public = (tmp_path / "other.pub").read_text()
    (tmp_path / "changed").write_text(f"[{sshd.host}]:{sshd.port} {public}")

    with pytest.raises(ConfigError, match="is not known; it shows ssh-ed25519 SHA256:") as unknown:
        call(adapters(known_hosts="empty"), "list_lines")
    with pytest.raises(ConfigError, match="has changed"):
        call(adapters(known_hosts="changed"), "list_lines")

    assert "compare the fingerprint" in unknown.value.next


def test_a_wrong_password_is_for_a_person(adapters, sshd):
    if not sshd.has_password:
        pytest.skip("password logins need root for the account")
    right = {"private_key_file": None, "username": sshd.password_user, "password": sshd.password}

    assert call(adapters(**right), "list_lines") == {"files": []}
    with pytest.raises(ConfigError, match="refuses the password of drawbartest") as refused:
        call(adapters(**{**right, "password": "s3cret-and-wrong"}), "list_lines")
    assert "s3cret" not in str(refused.value)


def test_an_encrypted_key_needs_its_passphrase(adapters, sshd, tmp_path):
    key = tmp_path / "locked"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "open sesame", "-f", key], check=True)
    with (sshd.home / "authorized_keys").open("a") as known:
        known.write(key.with_suffix(".pub").read_text())

    assert call(adapters(private_key_file=str(key), passphrase="open sesame"), "list_lines") == {"files": []}
    with pytest.raises(ConfigError, match="is encrypted: give passphrase"):
        call(adapters(private_key_file=str(key)), "list_lines")
    with pytest.raises(ConfigError, match="cannot be read"):
        call(adapters(private_key_file=str(key), passphrase="wrong"), "list_lines")


def test_a_closed_port_is_for_later(adapters):
    with pytest.raises(Unavailable, match="does not answer"):
        call(adapters(port=a_closed_port()), "list_lines")


def test_a_lost_connection_comes_back_by_itself(adapters, sshd, drop):
    adapter = adapters()
    (drop / "a.csv").write_bytes(b"id\n1\n")
    assert len(call(adapter, "list_lines")["files"]) == 1

    sshd.restart()

    assert len(call(adapter, "list_lines")["files"]) == 1


def test_a_line_cut_in_the_middle_of_a_file_is_for_later_and_the_file_is_put_back(
    adapters, sshd, drop, proxy, tmp_path
):
    (drop / "big.csv").write_bytes(b"id\n" + os.urandom(3_000_000).hex().encode() + b"\n")
    between = proxy(sshd.port)
    key = sshd.host_key_file.with_suffix(".pub").read_text()
    (tmp_path / "known").write_text(f"[127.0.0.1]:{between.port} {key}")
    between.cut(1_000_000)
    adapter = adapters(port=between.port, known_hosts="known")

    with pytest.raises(DrawbarError) as lost:
        list(portions(adapter, "lines"))
    between.flow()
    (portion,) = portions(adapter, "lines")

    assert isinstance(lost.value, (Unavailable, OutcomeUnknown))
    portion.finished()


def test_a_server_that_falls_silent_holds_nobody(adapters, sshd, drop, proxy, tmp_path):
    between = proxy(sshd.port)
    key = sshd.host_key_file.with_suffix(".pub").read_text()
    (tmp_path / "known").write_text(f"[127.0.0.1]:{between.port} {key}")
    adapter = adapters(port=between.port, known_hosts="known", call_timeout_s=1)
    call(adapter, "list_lines")
    between.stall()
    began = time.monotonic()

    with pytest.raises(Unavailable):
        call(adapter, "list_lines")

    assert time.monotonic() - began < 20
    between.flow()
    assert call(adapter, "list_lines") == {"files": []}


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", "out/passwd", "out", "a//b", "."])
def test_no_path_leaves_the_root(sshd, drop, path):
    (drop / "out").symlink_to("/etc")
    login = Login(sshd.host, sshd.port, sshd.user, Secrets(private_key_file=sshd.key_file), sshd.known_hosts)
    place = SftpDrop(login, str(drop), most=2, call_timeout_s=5)
    with place.session() as files:
        if path != ".":
            with pytest.raises(InputError):
                files.stat(path)
            with pytest.raises(InputError):
                files.write(path, io.BytesIO(b"x"))
            with pytest.raises(InputError):
                files.move(path, "y")
        assert files.list("") == []
    place.close()


def test_names_that_are_no_utf8_are_shown_and_read(adapters, drop):
    (drop / os.fsdecode(b"gr\xfc\xdfe\n1.csv")).write_bytes(b"id\n1\n")
    adapter = adapters()

    (row,) = call(adapter, "list_lines")["files"]

    assert row["name"] == "gr%FC%DFe%0A1.csv"
    assert call(adapter, "read_lines", name=row["name"])["records"] == [{"id": "1"}]
    (portion,) = portions(adapter, "lines")
    portion.finished()
    assert [os.fsencode(path.name) for path in (drop / "archive").iterdir()] == [b"gr\xfc\xdfe\n1.csv"]


def test_a_page_of_a_large_file_reads_no_more_than_its_beginning(adapters, sshd, drop, proxy, tmp_path):
    between = proxy(sshd.port)
    (tmp_path / "known").write_text(f"[127.0.0.1]:{between.port} {sshd.host_key_file.with_suffix('.pub').read_text()}")
    with (drop / "large.csv").open("wb") as stream:
        stream.write(b"id\n")
        for _ in range(200):
            stream.write(b"0123456789abcdef\n" * 20_000)

    page = call(adapters(port=between.port, known_hosts="known"), "read_lines", name="large.csv", limit=3)

    assert len(page["records"]) == 3
    assert between.passed["down"] < 20_000_000


def test_check_tells_what_is_there_and_what_fails(adapters, drop):
    (drop / "a.csv").touch()

    good = list(adapters().check(write=True))
    bad = list(adapters(root="/nowhere/at/all").check())

    assert [finding.ok for finding in good] == [True, True, True]
    assert good[2].found == "1 files, 1 fit *.csv"
    assert [finding.ok for finding in bad] == [False]
    assert "/nowhere/at/all" in bad[0].found


@pytest.mark.parametrize(
    "key",
    [
        {"ssh": {"jump": "bastion"}},
        {"ssh": {"jump": "user@bastion:ssh"}},
        {"ssh": {"jump": {"host": "bastion", "username": "user"}}},
        {"ssh": {"algorithms": {"kexes": ["x"]}}},
        {"certificate_file": "x", "private_key_file": None, "password": "p"},
        {"ssh": {"jump": "user@bastion"}, "private_key_file": None, "password": "p"},
        {"fingerprint": "MD5:00"},
        {"fingerprint": "SHA256:" + 43 * "a", "known_hosts": "k"},
        {"private_key_file": None},
        {"port": 0},
        {"hots": "x"},
    ],
)
def test_keys_that_cannot_be_are_refused(key):
    given = {"host": "h", "username": "u", "private_key_file": "k", **key}
    with pytest.raises(ValidationError):
        SftpConfig.model_validate({name: value for name, value in given.items() if value is not None})


def drop_config(root):
    (root / "a.csv").write_bytes(b"id\n1\n2\n")
    examples = {
        "list_lines": {"examples": [{"arguments": {}}]},
        "stat_lines": {"examples": [{"arguments": {"name": "a.csv"}}]},
        "read_lines": {"examples": [{"arguments": {"name": "a.csv", "limit": 1}}]},
        "write_lines": {"examples": [{"arguments": {"name": "b.csv", "records": [{"id": "1"}]}}]},
    }
    return {"root": str(root), "feeds": {"lines": LINES}, "tools": examples}


@pytest.fixture
def on_openssh(sshd, drop):
    return {**server(sshd, drop), **drop_config(drop)}


@pytest.fixture
def in_a_folder(tmp_path):
    (tmp_path / "inbox").mkdir()
    return drop_config(tmp_path / "inbox")


@pytest.fixture
def nowhere(sshd, closed_port, drop):
    return {**server(sshd, drop), **drop_config(drop), "port": closed_port}


TestSftpOnOpenSSH = conformance(
    SftpAdapter, config=lambda on_openssh: on_openssh, dead=lambda nowhere: nowhere, needs=("paramiko",)
)
TestLocalFolder = conformance(LocalAdapter, config=lambda in_a_folder: in_a_folder)
