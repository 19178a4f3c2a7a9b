"""What the SFTP servers have in common: a home with keys, folders to write in, and a process to end."""

import subprocess
from pathlib import Path

from . import process


class Dropping(process.Private):
    """A server of files in a home of its own. `prepare` is called by its constructor."""

    _process: "subprocess.Popen[bytes] | None"

    def prepare(self, name: str, log: str) -> None:
        self._keygen = process.binary("ssh-keygen")
        self._process = None
        self._folders = 0
        self.port = process.free_port()
        self.home = process.folder(name)
        self.log = self.home / log
        self.key_file = self.home / "client_key"
        self.host_key_file = self.home / "host_key"
        self.known_hosts = self.home / "known_hosts"

    def stop(self) -> None:
        """Stop listening and cut every open session."""
        process.stop(self._process)
        self._process = None

    def folder(self, name: str = "drop") -> Path:
        """Make a fresh folder that every user may write in."""
        self._folders += 1
        path = self.home / f"{self._folders}-{name}"
        path.mkdir()
        path.chmod(0o777)
        return path

    def run(self, command: list[str | Path]) -> None:
        self._process = process.start(command, self.log)
        process.wait_until(lambda: process.answers(self.port), self._process, self.log, 120)

    def make_key(self, path: Path, *kind: str) -> None:
        subprocess.run([self._keygen, "-q", *kind, "-N", "", "-C", path.name, "-f", path], check=True)

    def make_known(self, *names: str) -> None:
        """Write the host key to `known_hosts` under these names."""
        public = self.host_key_file.with_suffix(".pub").read_text().split()
        hosts = ",".join(f"[{name}]:{self.port}" for name in names)
        self.known_hosts.write_text(f"{hosts} {public[0]} {public[1]}\n")
