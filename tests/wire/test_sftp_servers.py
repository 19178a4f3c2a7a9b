"""SFTP on two servers that were written independently, and the ways in: certificates, agents, questions, jump hosts, old algorithms."""

import hashlib
import io
import os
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

import paramiko
import pytest
from competing import taken_by
from servers.openssh import OpenSSH

from drawbar.adapters.sftp import SftpAdapter, SftpConfig
from drawbar.connectors.drop import Wanted
from drawbar.connectors.sftp import Login, Secrets, SftpDrop
from drawbar.connectors.sftp_login import fingerprint
from drawbar.core.adapter import Place
from drawbar.core.errors import InputError, Rejected, Unavailable
from drawbar.core.store.drops import Drops
from drawbar.core.store.journal import Journal
from drawbar.testing import conformance
from drawbar.testing import sftp as stand_in
from drawbar.testing.silence import closed_port as a_closed_port

LINES = {"pattern": "*.csv", "ready": {"stable_s": 0}, "format": {"kind": "csv"}}


@pytest.fixture(params=["sshd", "proftpd"])
def server(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def folder(server):
    return server.folder()


@pytest.fixture
def drop_folder(sshd):
    return sshd.folder()


@pytest.fixture
def drop(server, folder):
    drop = SftpDrop(login(server), str(folder), most=3, call_timeout_s=5)
    yield drop
    drop.close()


def login(server, **more):
    return Login(
        server.host, server.port, server.user, Secrets(private_key_file=server.key_file), server.known_hosts, **more
    )


def config(server, folder, **more):
    return {
        "host": server.host,
        "port": server.port,
        "username": server.user,
        "private_key_file": str(server.key_file),
        "known_hosts": str(server.known_hosts),
        "root": str(folder),
        "call_timeout_s": 5,
        "feeds": {"lines": LINES},
        **more,
    }


@pytest.fixture
def adapters(tmp_path):
    made = []

    def make(given, **kept) -> SftpAdapter:
        place = Place(tmp_path, tmp_path / f"state{len(made)}", **kept)
        made.append(SftpAdapter("drop", SftpConfig.model_validate(given), place))
        return made[-1]

    yield make
    for adapter in made:
        adapter.close()


def findings(adapter):
    return list(adapter.check())


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def keygen(path: Path, *options: str) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-N", "", "-C", "", "-f", path, *options], check=True)
    return path


def test_a_large_file_goes_both_ways_and_its_checksum_is_compared(drop, folder):
    content = os.urandom(9_000_001)
    with drop.session() as files:
        assert files.write("big.bin", io.BytesIO(content), sha256=sha256(content)) == len(content)
        with files.read("big.bin") as stream:
            assert stream.read(5) == content[:5]
            stream.seek(8_000_000)
            assert stream.read(100) == content[8_000_000:8_000_100]
            stream.seek(0)
            assert stream.read() == content
        with pytest.raises(Rejected, match="exists already"):
            files.write("big.bin", io.BytesIO(b"x"))
        assert files.digest("big.bin") in {None, sha256(content)}
    assert [entry.name for entry in folder.iterdir()] == ["big.bin"]


def test_many_small_files_come_together_and_odd_ones_are_left_to_be_read_alone(drop, folder):
    for number in range(200):
        (folder / f"{number}.csv").write_bytes(b"%d" % number * number)
    (folder / "out").symlink_to("/etc/passwd")
    names = [*(f"{number}.csv" for number in range(200)), "out", "gone", "large"]
    (folder / "large").write_bytes(b"x" * 100_000)
    (folder / "7.csv").write_bytes(b"it has grown since it was listed")
    wanted = [Wanted(name, len(str(at)) * at if at < 200 else 10) for at, name in enumerate(names)]

    with drop.session() as files:
        got = dict(files.fetch([*wanted[:-1], Wanted("large", 100_000)]))
        assert files.stat("9.csv").size == 9

    assert all(got[at] == b"%d" % at * at for at in range(200) if at != 7)
    assert [got[at] for at in (7, 200, 201, 202)] == [None] * 4


def test_names_of_any_bytes_come_back_as_they_were(drop, folder):
    raw = [b"new\nline.csv", b"caf\xe9.csv", "grüße.csv".encode(), b"100%25.csv"]
    for name in raw:
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(name)

    with drop.session() as files:
        shown = {entry.name for entry in files.list("")}
        assert shown == {"new%0Aline.csv", "caf%E9.csv", "grüße.csv", "100%2525.csv"}
        for name in shown:
            assert files.move(name, f"moved-{name}")
            with files.read(f"moved-{name}") as stream:
                assert stream.read() in raw

    assert {os.fsencode(entry.name) for entry in folder.iterdir()} == {b"moved-" + name for name in raw}


def test_no_link_leads_out_and_a_missing_file_is_said_so(drop, folder):
    (folder / "etc").symlink_to("/etc")
    with drop.session() as files:
        for path in ("../x", "/etc/passwd", "etc/passwd", "etc"):
            with pytest.raises(InputError):
                files.stat(path)
        assert files.list("") == []
        assert files.stat("x") is None
        assert files.remove("x") is False
        assert files.move("x", "y") is False
        with pytest.raises(InputError, match="there is no file x"), files.read("x"):
            pass


@pytest.mark.parametrize("claim", ["rename", "lock_file", "journal"])
def test_of_several_workers_one_wins_each_file(server, folder, adapters, tmp_path, claim):
    for number in range(12):
        (folder / f"{number}.csv").write_bytes(b"id\n%d\n" % number)
    journal = Journal.open(f"sqlite:///{tmp_path}/state.db")
    given = config(server, folder, feeds={"lines": {**LINES, "claim": claim}})
    workers = [adapters(given, drops=Drops(journal)) for _ in range(4)]
    taken = taken_by(workers, lambda adapter: adapter.source({"feed": "lines"}, sync="s").portions(None, batch_rows=10))
    journal.close()

    assert sorted(taken, key=int) == [str(number) for number in range(12)]
    assert len(list((folder / "archive").iterdir())) == 12


def test_a_file_that_vanishes_or_grows_is_not_taken(server, folder, adapters):
    adapter = adapters(config(server, folder))
    for name in ("gone.csv", "grown.csv"):
        (folder / name).write_bytes(b"id\n1\n")
    feed = adapter.feed("lines")
    seen = {found.name: found for found in feed.ready(wait=False)}
    (folder / "gone.csv").unlink()

    assert feed.take(seen["gone.csv"]) is None
    taken = feed.take(seen["grown.csv"])
    assert taken is not None
    feed.put_back(taken)


@pytest.mark.parametrize("direction", ["down", "up"])
def test_a_large_file_goes_on_after_a_lost_connection(sshd, drop_folder, adapters, proxy, tmp_path, direction):
    content = b"id\n" + b"7\n" * 2_000_000
    between = proxy(sshd.port)
    (tmp_path / "known").write_text(sshd.known_hosts.read_text().replace(str(sshd.port), str(between.port)))
    given = config(sshd, drop_folder, port=between.port, known_hosts="known")
    adapter = adapters({**given, "feeds": {"lines": {**LINES, "write": {"marker": "{name}.done"}}}})
    drop_folder.chmod(0o777)
    cuts = 0

    def cutting():
        nonlocal cuts
        while not over.is_set():
            if between.passed[direction] > 1_000_000 * (cuts + 1) and cuts < 2:
                between.drop()
                cuts += 1
            time.sleep(0.001)

    over = threading.Event()
    between.delay_s = 0.002
    cutter = threading.Thread(target=cutting)
    cutter.start()
    try:
        if direction == "down":
            (drop_folder / "x.csv").write_bytes(content)
            feed = adapter.feed("lines")
            taken = feed.take(feed.ready(wait=False)[0])
            assert taken is not None
            assert taken.sha256 == sha256(content)
        else:
            from drawbar.adapters.feeds.sink import deliver

            with adapter.feed("lines").drop.session() as files:
                assert deliver(adapter.feed("lines"), files, "x.csv", io.BytesIO(content))["written"]
            assert (drop_folder / "x.csv").read_bytes() == content
            assert {entry.name for entry in drop_folder.iterdir()} == {"x.csv", "x.csv.done"}
    finally:
        over.set()
        cutter.join()
    assert cuts == 2


@pytest.fixture
def small_disk(drop_folder):
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", drop_folder]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small disk needs root")
    yield drop_folder
    subprocess.run(["umount", "-l", drop_folder], check=True)


def test_a_wrong_file_goes_aside_though_its_reason_finds_no_room(sshd, small_disk, adapters):
    adapter = adapters({**config(sshd, small_disk), "feeds": {"lines": {**LINES, "max_attempts": 1}}})
    (small_disk / "x.csv").write_text("id\n1\n")
    with (small_disk / "filler").open("wb", buffering=0) as filler, suppress(OSError):
        while filler.write(bytes(4096)):
            pass
    source = adapter.source({"feed": "lines"}, sync="s")
    with pytest.raises(Unavailable, match=r"write \.drawbar/.*: its disk is full \(0 bytes are free\)"):
        next(source.portions(None, batch_rows=10))
    os.truncate(small_disk / "filler", 62 * 4096)  # room for a sign of life, and for nothing more

    next(source.portions(None, batch_rows=10)).failed(Rejected("no"), ())

    assert {row["name"]: row["state"] for row in adapter.files("lines")} == {"x.csv": "quarantined"}
    assert [path.name for path in (small_disk / "rejected").iterdir()] == ["x.csv"]


def test_a_full_disk_over_there_is_said_and_nothing_is_left(sshd, small_disk):
    drop = SftpDrop(login(sshd), str(small_disk), most=3, call_timeout_s=5)
    try:
        with drop.session() as files:
            content = b"x" * 3_000_000
            with pytest.raises(Unavailable, match=r"its disk is full \(\d+ bytes are free\)"):
                files.write("x.csv", io.BytesIO(content), sha256=sha256(content))
            assert files.list("") == []
    finally:
        drop.close()


def test_a_pinned_fingerprint_is_enough_and_another_one_is_refused(sshd, drop_folder, adapters):
    shows = fingerprint(paramiko.PKey.from_path(sshd.host_key_file)).partition(" ")[2]
    given = {**config(sshd, drop_folder), "known_hosts": None}

    assert findings(adapters({**given, "fingerprint": shows}))[0].ok
    (wrong,) = findings(adapters({**given, "fingerprint": "SHA256:" + 43 * "A"}))

    assert "is not the pinned one" in wrong.found
    assert shows in wrong.found


def test_a_certificate_opens_the_door(adapters, tmp_path):
    authority, key = keygen(tmp_path / "ca"), keygen(tmp_path / "id", "-t", "ed25519")
    with OpenSSH(f"TrustedUserCAKeys {authority}.pub") as server:
        options = ["-q", "-s", authority, "-I", "drawbar", "-n", server.user, "-V", "+1h"]
        subprocess.run(["ssh-keygen", *options, f"{key}.pub"], check=True)
        given = config(server, server.folder(), private_key_file=str(key))

        assert findings(adapters({**given, "certificate_file": f"{key}-cert.pub"}))[0].ok
        (wrong,) = findings(adapters({**given, "certificate_file": f"{key}.pub"}))

    assert "is no certificate of the key" in wrong.found


KEYS = {
    "openssh ed25519": ["-t", "ed25519"], "openssh rsa": ["-t", "rsa", "-b", "2048"], "openssh ecdsa": ["-t", "ecdsa"],
    "pem rsa": ["-t", "rsa", "-b", "2048", "-m", "PEM"], "pem ecdsa": ["-t", "ecdsa", "-m", "PEM"],
    "pkcs8 rsa": ["-t", "rsa", "-b", "2048", "-m", "PKCS8"], "pkcs8 ecdsa": ["-t", "ecdsa", "-m", "PKCS8"],
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("passphrase", ["", "open sesame"])
def test_keys_of_every_form_open_the_door(sshd, drop_folder, adapters, tmp_path, passphrase):
    for at, (name, options) in enumerate(KEYS.items()):
        key = tmp_path / f"key{at}"
        subprocess.run(["ssh-keygen", "-q", *options, "-N", passphrase, "-C", "", "-f", key], check=True)
        with (sshd.home / "authorized_keys").open("a") as known:
            known.write(key.with_suffix(".pub").read_text())
        given = config(sshd, drop_folder, private_key_file=str(key))
        (found, *_) = findings(adapters({**given, **({"passphrase": passphrase} if passphrase else {})}))
        assert found.ok, (name, found.found)


def test_a_revoked_host_key_is_refused_though_it_is_known(sshd, drop_folder, adapters, tmp_path):
    known = sshd.known_hosts.read_text()
    (tmp_path / "known").write_text(f"{known}@revoked * {known.partition(' ')[2]}")

    (refused,) = findings(adapters(config(sshd, drop_folder, known_hosts="known")))
    (tmp_path / "known").write_text(f"# ours\n{known}host ssh-ed25519 AAA=broken\n")
    (broken,) = findings(adapters(config(sshd, drop_folder, known_hosts="known")))

    assert "is revoked in" in refused.found
    assert broken.found.endswith("cannot be read: line 3 holds no key")


@pytest.fixture(scope="module")
def certified(tmp_path_factory):
    """A server whose further host keys are signed: RSA and ECDSA well, by one authority."""
    place = tmp_path_factory.mktemp("certified")
    authority, lines = keygen(place / "ca", "-t", "ed25519"), []
    for kind in ("rsa", "ecdsa"):
        key = keygen(place / kind, "-t", kind)
        signed(authority, key, "-h", "-n", "127.0.0.1,files.example.com", "-V", "-1h:+1h")
        lines += [f"HostKey {key}", f"HostCertificate {key}-cert.pub"]
    with OpenSSH("\n".join(lines)) as server:
        yield server, place


def signed(authority: Path, key: Path, *options: str) -> None:
    subprocess.run(["ssh-keygen", "-q", "-s", authority, "-I", "drawbar", *options, f"{key}.pub"], check=True)


def authority_line(names: str, authority: Path, marker: str = "@cert-authority") -> str:
    return f"{marker} {names} {authority.with_suffix('.pub').read_text()}"


def found_with(adapters, server, tmp_path, known: str):
    (tmp_path / "known").write_text(known)
    return findings(adapters(config(server, server.folder(), known_hosts="known")))[0]


@pytest.mark.parametrize("names", ["127.0.0.*", "[127.0.0.1]:*", "!10.*,*"])
def test_a_host_is_known_by_its_authority(certified, adapters, tmp_path, names):
    server, place = certified

    assert found_with(adapters, server, tmp_path, authority_line(names, place / "ca")).ok


@pytest.mark.parametrize("names", ["127.0.1.*", "!127.0.0.1,*"])
def test_an_authority_counts_only_for_its_hosts(certified, adapters, tmp_path, names):
    server, place = certified
    refused = found_with(adapters, server, tmp_path, authority_line(names, place / "ca"))

    assert "is not known; it shows" in refused.found


def test_an_authority_that_is_revoked_or_another_is_refused(certified, adapters, tmp_path):
    server, place = certified
    line = authority_line("*", place / "ca")
    other = authority_line("*", keygen(tmp_path / "other", "-t", "ed25519"))

    revoked = found_with(adapters, server, tmp_path, line + authority_line("*", place / "ca", "@revoked"))
    unknown = found_with(adapters, server, tmp_path, other)
    bare = "".join(f"* {(place / kind).with_suffix('.pub').read_text()}" for kind in ("rsa", "ecdsa"))
    beside = found_with(adapters, server, tmp_path, other + bare)

    assert "is revoked in" in revoked.found
    assert "and no certificate of an authority in known_hosts" in unknown.found
    assert beside.ok, "the bare key is known"


BAD_CERTIFICATES = {
    "is for other.example.com, not for 127.0.0.1": ["-h", "-n", "other.example.com"],
    "is for no host by name, not for 127.0.0.1": ["-h"],
    "was valid until 2020-01-02": ["-h", "-n", "127.0.0.1", "-V", "20200101Z:20200102Z"],
    "is not valid before 2": ["-h", "-n", "127.0.0.1", "-V", "+1d:+2d"],
    "is signed with SHA-1": ["-h", "-n", "127.0.0.1", "-t", "ssh-rsa"],
}


@pytest.mark.parametrize("said", BAD_CERTIFICATES)
def test_a_host_certificate_that_is_not_good_is_refused_and_said_why(adapters, tmp_path, said):
    authority, key = keygen(tmp_path / "ca", "-t", "rsa"), keygen(tmp_path / "key", "-t", "ecdsa")
    signed(authority, key, *BAD_CERTIFICATES[said])
    with OpenSSH(f"HostKey {key}\nHostCertificate {key}-cert.pub") as server:
        refused = found_with(adapters, server, tmp_path, authority_line("127.0.0.1", authority))

    assert f"the certificate of the host key of 127.0.0.1 {said}" in refused.found


def test_patterns_and_several_keys_of_one_host_are_understood(sshd, drop_folder, adapters, tmp_path):
    other = keygen(tmp_path / "other", "-t", "ed25519").with_suffix(".pub").read_text()
    kind, key = sshd.known_hosts.read_text().split()[-2:]
    (tmp_path / "known").write_text(f"[127.0.0.?]:* {other}[127.0.0.*]:{sshd.port} {kind} {key}\n")

    assert findings(adapters(config(sshd, drop_folder, known_hosts="known")))[0].ok


def test_hashed_names_of_known_hosts_are_understood(sshd, drop_folder, adapters, tmp_path):
    (tmp_path / "known").write_text(sshd.known_hosts.read_text())
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", tmp_path / "known"], check=True, capture_output=True)

    assert findings(adapters(config(sshd, drop_folder, known_hosts="known")))[0].ok


def test_an_idle_connection_gives_signs_of_life(sshd, drop_folder, adapters, proxy, tmp_path):
    between = proxy(sshd.port)
    (tmp_path / "known").write_text(sshd.known_hosts.read_text().replace(str(sshd.port), str(between.port)))
    given = config(sshd, drop_folder, port=between.port, known_hosts="known", ssh={"keepalive_s": 1})
    adapter = adapters(given)
    assert findings(adapter)[0].ok
    before = between.passed["up"]

    until = time.monotonic() + 60
    while between.passed["up"] == before and time.monotonic() < until:
        time.sleep(0.05)

    assert between.passed["up"] > before


@pytest.mark.parametrize(
    ("part", "line", "names"),
    [("ciphers", "Ciphers", ["aes128-cbc"]), ("ciphers", "Ciphers", ["3des-cbc"]), ("macs", "MACs", ["hmac-sha1"])],
)
def test_old_ciphers_and_macs_work_when_they_are_named(adapters, part, line, names):
    more = "" if part == "macs" else "\nMACs hmac-sha2-256"
    with OpenSSH(f"{line} {','.join(names)}{more or chr(10) + 'Ciphers aes128-ctr'}") as server:
        given = config(server, server.folder())

        (refused,) = findings(adapters(given))
        assert f"no {part} in common: it offers {names[0]}" in refused.found
        assert f"ssh: {{ algorithms: {{ {part}: [{names[0]}] }} }}" in refused.next

        assert findings(adapters({**given, "ssh": {"algorithms": {part: names}}}))[0].ok


def test_the_agent_holds_the_key(sshd, drop_folder, adapters, tmp_path, monkeypatch):
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", tmp_path / "agent"], stdout=subprocess.DEVNULL)
    try:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
        given = {**config(sshd, drop_folder), "private_key_file": None, "agent": True}
        until = time.monotonic() + 60
        while not (tmp_path / "agent").exists() and time.monotonic() < until:
            time.sleep(0.01)
        (empty,) = findings(adapters(given))
        subprocess.run(["ssh-add", "-q", sshd.key_file], check=True)

        assert findings(adapters(given))[0].ok
    finally:
        agent.kill()
        agent.wait()
    assert "holds no key" in empty.found


class Asking(stand_in.Login):
    """A server that asks for the password as a question, and nothing else."""

    def get_allowed_auths(self, username):
        return "keyboard-interactive"

    def check_auth_interactive(self, username, submethods):
        return paramiko.InteractiveQuery("", "", ("Password: ", False))

    def check_auth_interactive_response(self, responses):
        return paramiko.AUTH_SUCCESSFUL if responses == ["drawbar"] else paramiko.AUTH_FAILED


def test_a_password_answers_a_question(adapters, tmp_path, monkeypatch):
    monkeypatch.setattr(stand_in, "Login", Asking)
    with stand_in.SftpServer(tmp_path) as server:
        (tmp_path / "known").write_text(server.known_hosts)
        given = {
            "host": "127.0.0.1",
            "port": server.port,
            "username": "drawbar",
            "known_hosts": "known",
            "call_timeout_s": 5,
        }

        assert findings(adapters({**given, "password": "drawbar"}))[0].ok
        (wrong,) = findings(adapters({**given, "password": "wrong"}))

    assert "refuses the password and the answers of drawbar" in wrong.found


def test_a_jump_host_is_gone_through(sshd, drop_folder, adapters):
    with OpenSSH() as bastion:
        known = sshd.home / "both"
        known.write_text(sshd.known_hosts.read_text() + bastion.known_hosts.read_text())
        (bastion.home / "authorized_keys").write_text((sshd.home / "authorized_keys").read_text())
        given = config(sshd, drop_folder, known_hosts=str(known))

        adapter = adapters({**given, "ssh": {"jump": f"{bastion.user}@127.0.0.1:{bastion.port}"}})
        assert findings(adapter)[0].ok
        own = {
            "host": "127.0.0.1",
            "port": bastion.port,
            "username": bastion.user,
            "private_key_file": str(sshd.key_file),
        }
        assert findings(adapters({**given, "ssh": {"jump": {**own, "known_hosts": str(known)}}}))[0].ok
        (dead,) = findings(
            adapters({**given, "port": a_closed_port(), "ssh": adapter.config.ssh.model_dump(exclude_unset=True)})
        )

    assert "opens no way to 127.0.0.1" in dead.found


@pytest.mark.parametrize(
    "kex", ["diffie-hellman-group14-sha1", "diffie-hellman-group1-sha1", "diffie-hellman-group-exchange-sha1"]
)
def test_an_old_key_exchange_is_explained_and_works_when_it_is_named(adapters, kex):
    with OpenSSH(f"KexAlgorithms {kex}") as server:
        given = config(server, server.folder())

        (refused,) = findings(adapters(given))
        assert f"no kex in common: it offers {kex}; we offer " in refused.found
        assert f"ssh: {{ algorithms: {{ kex: [{kex}] }} }}" in refused.next

        assert findings(adapters({**given, "ssh": {"algorithms": {"kex": [kex]}}}))[0].ok


def test_old_signatures_work_when_they_are_named(adapters, tmp_path):
    host, mine = (
        keygen(tmp_path / "host", "-t", "rsa", "-b", "2048"),
        keygen(tmp_path / "mine", "-t", "rsa", "-b", "2048"),
    )
    old = "HostKeyAlgorithms ssh-rsa\nPubkeyAcceptedAlgorithms ssh-rsa"
    with OpenSSH(f"HostKey {host}\n{old}") as server:
        (server.home / "authorized_keys").write_text(mine.with_suffix(".pub").read_text())
        public = host.with_suffix(".pub").read_text().split()
        (tmp_path / "known").write_text(f"[127.0.0.1]:{server.port} {public[0]} {public[1]}\n")
        given = config(server, server.folder(), known_hosts="known", private_key_file=str(mine))

        (refused,) = findings(adapters(given))
        assert "host_keys: [ssh-rsa]" in refused.next
        named = {"host_keys": ["ssh-rsa"], "public_keys": ["ssh-rsa"]}
        assert findings(adapters({**given, "ssh": {"algorithms": named}}))[0].ok


def test_an_algorithm_that_nobody_knows_is_named(sshd, drop_folder, adapters):
    (refused,) = findings(adapters(config(sshd, drop_folder, ssh={"algorithms": {"ciphers": ["rot13"]}})))

    assert "ciphers: rot13 is not known here; known: " in refused.found


@pytest.fixture
def on_proftpd(proftpd):
    folder = proftpd.folder()
    (folder / "a.csv").write_bytes(b"id\n1\n2\n")
    examples = {
        "list_lines": {"examples": [{"arguments": {}}]},
        "stat_lines": {"examples": [{"arguments": {"name": "a.csv"}}]},
        "read_lines": {"examples": [{"arguments": {"name": "a.csv", "limit": 1}}]},
        "write_lines": {"examples": [{"arguments": {"name": "b.csv", "records": [{"id": "1"}]}}]},
    }
    return config(proftpd, folder, tools=examples)


TestSftpOnProFTPD = conformance(SftpAdapter, config=lambda on_proftpd: on_proftpd, needs=("paramiko",))
