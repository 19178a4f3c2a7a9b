"""
A terminal without a scale: for tests, and for a first try.

    python -m weighbridge.simulator 4001
"""

from __future__ import annotations

import socketserver
import sys
import threading
from contextlib import suppress
from datetime import datetime
from typing import Self


class Terminal(socketserver.ThreadingTCPServer):
    """Weigh what `platform_kg` says. `answers` turned off, it obeys and then hangs up without a word."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int = 0, *, pin: str = "", host: str = "127.0.0.1") -> None:
        super().__init__((host, port), _Session)
        self.port: int = self.server_address[1]
        self.pin = pin
        self.platform_kg = 12340
        self.moves = False
        self.answers = True
        self.tickets: list[str] = []
        self.turn = threading.Lock()

    def obey(self, command: str) -> str:
        word, _, rest = command.partition(" ")
        match word:
            case "W" if self.platform_kg > 60_000:
                return "OL"
            case "W":
                return f"{'US' if self.moves else 'ST'},{self.platform_kg:+07d}"
            case "F":
                found = [ticket for ticket in self.tickets if ticket.split(";")[4] == rest]
                return found[0] if found else "ERR 04 no such ticket"
            case "P" if self.moves:
                return "ERR 02 motion"
            case "P" if self.platform_kg <= 0:
                return "ERR 03 the platform is empty"
            case "P":
                number, now = len(self.tickets) + 1, datetime.now().isoformat(timespec="seconds")  # noqa: DTZ005 - a terminal knows no zone
                self.tickets.append(f"TK;{number:06d};{now};{rest};{self.platform_kg:+07d}")
                return self.tickets[-1]
        return "ERR 09 unknown command"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=[0.05], name="terminal", daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.shutdown()
        self.server_close()


class _Session(socketserver.StreamRequestHandler):
    server: Terminal

    def handle(self) -> None:
        known = not self.server.pin
        with suppress(OSError):
            while line := self.rfile.readline(256):
                command = line.decode("ascii", "replace").strip()
                if command.startswith("LOGIN"):
                    known = command == f"LOGIN {self.server.pin}"
                    answer = "OK" if known else "ERR 01 wrong pin"
                else:
                    with self.server.turn:
                        answer = self.server.obey(command) if known else "ERR 01 log in first"
                    if not self.server.answers:
                        return
                self.wfile.write(f"{answer}\r\n".encode())


if __name__ == "__main__":
    with Terminal(int(sys.argv[1]) if len(sys.argv) > 1 else 4001, pin="0000") as terminal:
        print(f"a terminal at 127.0.0.1:{terminal.port}, pin 0000; Ctrl-C ends it")
        with suppress(KeyboardInterrupt):
            threading.Event().wait()
