"""
ProFTPD's mod_sftp: a second SFTP server, written independently of OpenSSH, with virtual users and a key of its own.

Root starts it; it does the work of logins as the user `nobody` whom its password file names.
"""

import os
import subprocess
from pathlib import Path
from typing import Self

from . import process
from .drops import Dropping

CONFIG = """
ServerType standalone
ServerName drawbar

DefaultAddress 127.0.0.1
Port {port}
SocketBindTight on
UseIPv6 off
UseReverseDNS off
WtmpLog off
PidFile {home}/proftpd.pid
ScoreboardFile {home}/scoreboard
DelayTable none
SystemLog {home}/proftpd.log
TransferLog none
MaxInstances 100
User {owner}
Group {group}
LoadModule mod_sftp.c
RequireValidShell off
RootLogin on
AuthUserFile {home}/users
AuthGroupFile {home}/groups
AuthOrder mod_auth_file.c
AllowOverwrite on
SFTPEngine on
SFTPLog {home}/sftp.log
SFTPHostKey {home}/host_key
SFTPAuthorizedUserKeys file:{home}/keys/%u
{more}
"""


class ProFTPD(Dropping):
    """One private proftpd. `user` logs in with `password` or `key_file` and sees the whole file system."""

    user = "drawbar"
    password = "drawbar"

    def __init__(self, more: str = "") -> None:
        self._program = process.binary("proftpd", "/usr/sbin/proftpd")
        if not Path("/usr/lib/proftpd/mod_sftp.so").exists():
            raise process.MissingServer("proftpd's mod_sftp is not installed: tests/servers/install installs it")
        self._more = more
        self.prepare("proftpd", "out.log")

    def start(self) -> Self:
        if not self.key_file.exists():
            self._make()
        self.run([self._program, "--nodaemon", "-q", "-c", self.home / "proftpd.conf"])
        return self

    def _make(self) -> None:
        self.make_key(self.host_key_file, "-t", "rsa", "-b", "2048", "-m", "PEM")
        self.make_key(self.key_file, "-t", "rsa")
        (self.home / "keys").mkdir()
        rfc4716: list[str | Path] = [self._keygen, "-e", "-f", self.key_file.with_suffix(".pub")]
        (self.home / "keys" / self.user).write_bytes(subprocess.run(rfc4716, check=True, capture_output=True).stdout)
        self.make_known("127.0.0.1")
        hashed = subprocess.run(
            ["openssl", "passwd", "-6", "-stdin"], input=self.password, capture_output=True, text=True, check=True
        ).stdout.strip()
        uid, gid = os.getuid(), os.getgid()
        (self.home / "users").write_text(f"{self.user}:{hashed}:{uid}:{gid}::{self.home}:/bin/false\n")
        (self.home / "groups").write_text(f"drawbar:x:{gid}:{self.user}\n")
        for name in ("users", "groups"):
            (self.home / name).chmod(0o600)
        owner = self.home.owner()
        config = CONFIG.format(port=self.port, home=self.home, owner=owner, group=self.home.group(), more=self._more)
        (self.home / "proftpd.conf").write_text(config)
