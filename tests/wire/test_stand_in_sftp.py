"""What a client may rely on is the same on the stand-in as on OpenSSH."""

from __future__ import annotations

import socket
import stat
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paramiko
import pytest

from drawbar.testing.sftp import SftpServer, new_key


@dataclass
class Served:
    """A server, the folder that it serves, and what the client calls that folder."""

    port: int
    user: str
    password: str
    known_hosts: str
    folder: Path
    root: str
    key: Any


@pytest.fixture(params=["stand-in", "openssh"])
def served(request, tmp_path):
    if request.param == "stand-in":
        key = new_key()
        folder = tmp_path / "served"
        folder.mkdir()
        authorized = [f"{key.get_name()} {key.get_base64()} me"]
        with SftpServer(folder, users={"erp": "geheim"}, authorized_keys=authorized) as server:
            yield Served(server.port, "erp", "geheim", server.known_hosts, folder, "", key)
    else:
        sshd = request.getfixturevalue("sshd")
        if not sshd.has_password:
            pytest.skip("sshd takes passwords only when root starts it")
        folder = sshd.folder()
        key = paramiko.Ed25519Key.from_private_key_file(str(sshd.key_file))
        known_hosts = sshd.known_hosts.read_text()
        user, password = sshd.password_user, sshd.password
        yield Served(sshd.port, user, password, known_hosts, folder, str(folder), key)


@pytest.fixture
def connect(served, tmp_path):
    opened = []
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text(served.known_hosts + "\n")

    def connect(**changes):
        client = paramiko.SSHClient()
        client.load_host_keys(str(known_hosts))
        login = {"username": served.user, "password": served.password, **changes}
        opened.append(client)
        client.connect("127.0.0.1", served.port, timeout=5, allow_agent=False, look_for_keys=False, **login)
        sftp = client.open_sftp()
        sftp.get_channel().settimeout(10)
        return sftp

    yield connect
    for client in opened:
        with suppress(Exception):
            client.close()


@pytest.fixture
def sftp(connect):
    return connect()


@pytest.fixture
def at(served):
    return lambda name: f"{served.root}/{name}"


def put(sftp, path, data):
    with sftp.open(path, "wb") as file:
        file.write(data)


def test_a_file_goes_up_and_comes_down_byte_for_byte(sftp, served, at):
    data = bytes(range(256)) * 5000

    put(sftp, at("a.bin"), data)

    assert (served.folder / "a.bin").read_bytes() == data
    with sftp.open(at("a.bin"), "rb") as file:
        file.prefetch()
        assert file.read() == data


def test_reading_at_an_offset_and_past_the_end(sftp, at):
    put(sftp, at("a.txt"), b"0123456789")

    with sftp.open(at("a.txt"), "rb") as file:
        file.seek(4)
        assert file.read(3) == b"456"
        file.seek(100)
        assert file.read(3) == b""


def test_an_append_goes_to_the_end(sftp, served, at):
    put(sftp, at("a.txt"), b"one")

    with sftp.open(at("a.txt"), "ab") as file:
        file.write(b"two")

    assert (served.folder / "a.txt").read_bytes() == b"onetwo"


def test_an_exclusive_open_makes_a_file_once(sftp, at):
    with sftp.open(at("lock"), "wx") as file:
        file.write(b"1")

    with pytest.raises(OSError, match="Failure"):
        sftp.open(at("lock"), "wx")


def test_a_truncating_open_starts_anew(sftp, served, at):
    put(sftp, at("a.txt"), b"a longer text")
    put(sftp, at("a.txt"), b"short")

    assert (served.folder / "a.txt").read_bytes() == b"short"


def test_the_list_names_files_and_folders_with_size_and_time(sftp, served, at):
    put(sftp, at("Größe.csv"), b"12345")
    sftp.mkdir(at("sub"))

    found = {one.filename: one for one in sftp.listdir_attr(at(""))}

    assert set(found) == {"Größe.csv", "sub"}
    assert found["Größe.csv"].st_size == 5
    assert abs(found["Größe.csv"].st_mtime - time.time()) < 60
    assert stat.S_ISREG(found["Größe.csv"].st_mode)
    assert stat.S_ISDIR(found["sub"].st_mode)


def test_a_long_list_is_whole(sftp, served, at):
    for number in range(500):
        (served.folder / f"{number:04}.txt").write_bytes(b"")

    assert sorted(sftp.listdir(at(""))) == [f"{number:04}.txt" for number in range(500)]


def test_what_is_not_there_is_not_found(sftp, at):
    for call in (sftp.stat, sftp.open, sftp.remove, sftp.listdir, sftp.rmdir, sftp.lstat):
        with pytest.raises(FileNotFoundError):
            call(at("missing"))
    with pytest.raises(FileNotFoundError):
        sftp.posix_rename(at("missing"), at("other"))
    with pytest.raises(FileNotFoundError):
        put(sftp, at("missing/a.txt"), b"")


def test_a_rename_replaces_nothing_and_a_posix_rename_does(sftp, served, at):
    put(sftp, at("new"), b"new")
    put(sftp, at("old"), b"old")

    with pytest.raises(OSError, match="Failure"):
        sftp.rename(at("new"), at("old"))
    assert (served.folder / "old").read_bytes() == b"old"
    sftp.posix_rename(at("new"), at("old"))

    assert (served.folder / "old").read_bytes() == b"new"
    assert not (served.folder / "new").exists()


def test_a_rename_moves_into_another_folder(sftp, served, at):
    sftp.mkdir(at("done"))
    put(sftp, at("a"), b"a")

    sftp.rename(at("a"), at("done/a"))

    assert (served.folder / "done" / "a").read_bytes() == b"a"


def test_of_many_that_rename_one_file_one_wins(connect, served, at):
    (served.folder / "claim").write_bytes(b"x")
    clients = [connect() for _ in range(4)]
    won = []

    def claim(number, client):
        with suppress(OSError):
            client.rename(at("claim"), at(f"claim.{number}"))
            won.append(number)

    threads = [threading.Thread(target=claim, args=pair) for pair in enumerate(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(won) == 1


def test_folders_come_and_go(sftp, served, at):
    sftp.mkdir(at("sub"))
    put(sftp, at("sub/a"), b"a")

    with pytest.raises(OSError, match="Failure"):
        sftp.mkdir(at("sub"))
    with pytest.raises(OSError, match="Failure"):
        sftp.rmdir(at("sub"))
    sftp.remove(at("sub/a"))
    sftp.rmdir(at("sub"))

    assert not (served.folder / "sub").exists()


def test_a_folder_is_no_file(sftp, at):
    sftp.mkdir(at("sub"))

    with pytest.raises(OSError, match="Failure"):
        sftp.remove(at("sub"))
    with pytest.raises(OSError, match="Failure"):
        put(sftp, at("sub"), b"x")


def test_attributes_can_be_set(sftp, at):
    put(sftp, at("a"), b"0123456789")

    sftp.chmod(at("a"), 0o640)
    sftp.utime(at("a"), (1_000_000, 2_000_000))
    kept = sftp.stat(at("a"))
    sftp.truncate(at("a"), 4)

    assert (stat.S_IMODE(kept.st_mode), kept.st_mtime) == (0o640, 2_000_000)
    with sftp.open(at("a")) as file:
        assert file.read() == b"0123"
        assert file.stat().st_size == 4


def test_a_link_is_followed_by_stat_and_seen_by_lstat(sftp, served, at):
    put(sftp, at("a"), b"12345")
    sftp.symlink("a", at("link"))

    assert stat.S_ISLNK(sftp.lstat(at("link")).st_mode)
    assert sftp.stat(at("link")).st_size == 5
    assert sftp.readlink(at("link")) == "a"


def test_a_path_is_made_canonical(sftp, at):
    sftp.mkdir(at("a"))
    sftp.mkdir(at("b"))

    assert sftp.normalize(at("a/../b/./c")) == at("b/c")


def test_a_key_opens_too(connect, served):
    user = {"username": served.user, "password": None, "pkey": served.key}

    assert connect(**user).listdir(served.root or "/") == []


@pytest.mark.parametrize(
    "login", [{"password": "wrong"}, {"username": "nobody-here"}, {"password": None, "pkey": new_key()}]
)
def test_a_wrong_login_is_refused(connect, login):
    with pytest.raises(paramiko.AuthenticationException):
        connect(**login)


def test_another_host_key_is_refused(connect, served):
    key = new_key()
    client = paramiko.SSHClient()
    client.get_host_keys().add(f"[127.0.0.1]:{served.port}", key.get_name(), key)

    with pytest.raises(paramiko.BadHostKeyException):
        client.connect("127.0.0.1", served.port, username=served.user, password=served.password, timeout=5)


def test_a_shell_is_not_to_be_had(connect):
    sftp = connect()
    channel = sftp.get_channel().get_transport().open_session(timeout=5)
    channel.settimeout(5)

    with suppress(paramiko.SSHException):
        channel.exec_command("echo hello")
        assert channel.recv(100) != b"hello\n"


def test_several_clients_work_at_once(connect, served, at):
    clients = [connect() for _ in range(5)]
    data = bytes(1000) * 200

    def work(number, client):
        for round_ in range(5):
            put(client, at(f"{number}-{round_}"), data)

    threads = [threading.Thread(target=work, args=pair) for pair in enumerate(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(clients[0].listdir(at(""))) == 25
    assert all(path.read_bytes() == data for path in served.folder.iterdir())


def test_whoever_speaks_no_ssh_does_no_harm(served, connect):
    with socket.create_connection(("127.0.0.1", served.port), timeout=5) as line:
        line.sendall(b"GET / HTTP/1.1\r\n\r\n")

    assert connect().listdir(served.root or "/") == []


@pytest.mark.parametrize("path", ["../secret", "/../secret", "sub/../../secret", "link/secret", "file-link"])
def test_no_path_leaves_the_served_folder(tmp_path, path):
    folder = tmp_path / "served"
    (folder / "sub").mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    (folder / "link").symlink_to(tmp_path)
    (folder / "file-link").symlink_to(tmp_path / "secret")
    with SftpServer(folder) as server:
        transport = paramiko.Transport(("127.0.0.1", server.port))
        transport.connect(username="drawbar", password="drawbar")
        sftp = paramiko.SFTPClient.from_transport(transport)
        for call in (sftp.stat, sftp.open, sftp.listdir, lambda path: put(sftp, path, b"overwritten")):
            with suppress(OSError):
                assert call(path) is None  # a write of ../secret lands inside
        with suppress(OSError):
            sftp.symlink("/secret", "/mine")
        transport.close()

    assert (tmp_path / "secret").read_text() == "secret"


def test_a_dropped_line_is_an_error_and_the_server_goes_on(tmp_path):
    with SftpServer(tmp_path) as server:
        transport = paramiko.Transport(("127.0.0.1", server.port))
        transport.connect(username="drawbar", password="drawbar")
        sftp = paramiko.SFTPClient.from_transport(transport)

        server.drop_connections()

        with pytest.raises((OSError, EOFError, paramiko.SSHException)):
            sftp.listdir("/")
        again = paramiko.Transport(("127.0.0.1", server.port))
        again.connect(username="drawbar", password="drawbar")
        assert paramiko.SFTPClient.from_transport(again).listdir("/") == []
        again.close()
