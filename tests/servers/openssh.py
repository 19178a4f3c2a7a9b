"""
OpenSSH's sshd with internal-sftp: a host key of its own, login by key and, when root starts it, by password.

`UsePAM no` needs a real account with a shadow hash, so root makes the account `drawbartest`: no shell, no home, and it
lapses by itself after two days.
"""

import getpass
import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from . import process
from .drops import Dropping

PASSWORD_USER = "drawbartest"
PASSWORD = "drawbartest"

CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {home}/host_key
PidFile {home}/sshd.pid
AuthorizedKeysFile {home}/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication {password}
KbdInteractiveAuthentication no
PubkeyAuthentication yes
PermitRootLogin prohibit-password
UseDNS no
MaxStartups 100:30:200
MaxSessions 50
LogLevel VERBOSE
Subsystem sftp internal-sftp
ForceCommand internal-sftp
{more}
"""


class OpenSSH(Dropping):
    """
    One private sshd.

    `user` logs in with `key_file`; `password_user` with `password` or `key_file`. Both see the whole file system, and
    both may write in what `folder()` makes. `more` are further lines of sshd_config.
    """

    password_user = PASSWORD_USER
    password = PASSWORD

    def __init__(self, more: str = "") -> None:
        self._program = process.binary("sshd", "/usr/sbin/sshd")
        self._more = more
        self.has_password = os.getuid() == 0
        self.user = getpass.getuser()
        self.prepare("sshd", "sshd.log")

    @property
    def url(self) -> str:
        return f"sftp://{self.user}@{self.host}:{self.port}"

    def start(self) -> Self:
        if not self.key_file.exists():
            self._make_keys()
            self._write_config()
        if self.has_password:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
            make_account()
        self.run([self._program, "-D", "-f", self.home / "sshd_config", "-E", self.log])
        return self

    def _make_keys(self) -> None:
        for path in (self.host_key_file, self.key_file):
            self.make_key(path, "-t", "ed25519")
        shutil.copy(self.key_file.with_suffix(".pub"), self.home / "authorized_keys")
        self.make_known("127.0.0.1", "localhost")

    def _write_config(self) -> None:
        password = "yes" if self.has_password else "no"
        config = CONFIG.format(port=self.port, home=self.home, password=password, more=self._more)
        (self.home / "sshd_config").write_text(config)


def make_account() -> None:
    """Make the account for logins by password, or prolong the one that is there."""
    until = (datetime.now(UTC) + timedelta(days=2)).strftime("%Y-%m-%d")
    hashed = subprocess.run(
        ["openssl", "passwd", "-6", "-stdin"], input=PASSWORD, capture_output=True, text=True, check=True
    ).stdout.strip()
    options = ["--password", hashed, "--expiredate", until, "--shell", "/usr/sbin/nologin"]
    known = subprocess.run(["getent", "passwd", PASSWORD_USER], capture_output=True, check=False).returncode == 0
    make = ["usermod"] if known else ["useradd", "--no-create-home", "--home-dir", "/nonexistent", "--user-group"]
    done = subprocess.run([*make, *options, PASSWORD_USER], capture_output=True, text=True, check=False)
    if done.returncode != 0 and not known:
        raise RuntimeError(f"useradd {PASSWORD_USER}: {done.stderr.strip()}")
