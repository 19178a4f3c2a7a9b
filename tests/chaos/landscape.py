"""What the chaos run works on: real servers behind proxies, the processes of Drawbar, and a disk that can be full."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Literal, Self

import pika
import psycopg
import requests
from servers import process
from servers.openssh import OpenSSH
from servers.postgres import Postgres
from servers.proxy import Proxy
from servers.rabbitmq import RabbitMQ
from servers.soap_node import SoapNode

HERE = Path(__file__).parent
LEASE_S = 5.0
DISK_MB = 384
QUEUES = ("orders.in", "billed", "shipped")
TABLES = (
    "create table bookings (order_no bigint not null, amount numeric(11, 2) not null)",
    "create table reservations (order_no bigint not null)",
    "create table answers (order_no bigint not null, answer text not null)",
    # What was ever done to a reservation: kept by the database itself, whoever did it.
    "create table moves (order_no bigint not null, what text not null)",
    """create function keep() returns trigger language plpgsql as $$ begin
        insert into moves values (coalesce(new.order_no, old.order_no), tg_op); return null; end $$""",
    "create trigger keep after insert or delete on reservations for each row execute function keep()",
)
Kind = Literal["embedded", "distributed"]


class Program:
    """One process of Drawbar, started again a moment after it ended, as a supervisor of the machine would."""

    def __init__(self, name: str, command: list[str], environ: dict[str, str], folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._command = [sys.executable, str(HERE / "product.py"), "-c", str(folder / "drawbar.yaml"), *command]
        self._environ = environ
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._due_at = 0.0
        self.exits = 0
        self.stopped = False

    def start(self) -> None:
        self._process = process.start(
            self._command, self.log, die_by=signal.SIGKILL, cwd=self._folder, env=self._environ
        )
        self.stopped = False

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        if self._process is not None and self.runs:
            self._process.send_signal(number)
            self.stopped = {signal.SIGSTOP: True, signal.SIGCONT: False}.get(number, self.stopped)

    def kill(self, again_in_s: float) -> None:
        """Kill it without a word; `tend` starts it again after so many seconds."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None
        self._due_at = time.monotonic() + again_in_s

    def tend(self) -> None:
        """Start it again when it has ended by itself, or when its time has come."""
        if self._process is not None and self._process.poll() is not None:
            self.exits += 1
            self._process = None
            self._due_at = time.monotonic() + 1
        if self._process is None and time.monotonic() >= self._due_at:
            self.start()

    def end(self) -> None:
        self.send(signal.SIGCONT)
        process.stop(self._process)


class Disk:
    """The disk of the journal: small where one may be mounted, and else a limit of pages in the processes themselves."""

    def __init__(self, folder: Path, owner: str | None = None) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "drawbar-chaos", str(folder)]
        self.is_small = subprocess.run(command, capture_output=True, check=False).returncode == 0
        if owner is not None:
            shutil.chown(folder, owner, owner)
            folder.chmod(0o700)

    def fill(self, programs: list[Program], *, by_pages: bool) -> None:
        """Leave no room: on the disk itself, or `by_pages`, which meets every commit that needs a further page."""
        if by_pages or not self.is_small:
            _tell(programs, signal.SIGUSR1)
            return
        with self._ballast.open("wb") as file:
            for size in (2**20, 4096):
                with suppress(OSError):
                    while True:
                        os.posix_fallocate(file.fileno(), file.tell(), size)
                        file.seek(size, os.SEEK_CUR)

    def free(self, programs: list[Program]) -> None:
        _tell(programs, signal.SIGUSR2)
        self._ballast.unlink(missing_ok=True)

    def close(self) -> None:
        if self.is_small:
            subprocess.run(["umount", "-l", str(self.folder)], capture_output=True, check=False)


def _tell(programs: list[Program], number: signal.Signals) -> None:
    for program in programs:
        program.send(number)


class Landscape:
    """Everything, in one folder that is removed unless `keep` is set."""

    def __init__(self, kind: Kind, workers: int, *, sabotage: bool = False) -> None:
        self.kind = kind
        self.folder = process.folder(f"chaos-{kind}")
        self.keep = False
        self._sabotage = sabotage
        self._stack = ExitStack()
        self._workers = workers
        self.proxies: dict[str, Proxy] = {}
        self.programs: list[Program] = []
        self.port = process.free_port()
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Self:
        self._stack.callback(self._remove)
        try:
            self._start()
        except BaseException:
            self.keep = True
            self._stack.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.keep = self.keep or kind not in {None, KeyboardInterrupt}
        self._stack.close()

    def _remove(self) -> None:
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self) -> None:
        self.postgres = self._stack.enter_context(Postgres())
        self.rabbitmq = self._stack.enter_context(RabbitMQ())
        self.sshd = self._stack.enter_context(OpenSSH())
        self.billing = self._stack.enter_context(SoapNode())
        self.inbox = self.sshd.folder("receipts")
        self.erp = self.postgres.create_database()
        with self.rows() as conn:
            for statement in TABLES:
                conn.execute(statement)
        with self.channel() as channel:
            for queue in QUEUES:
                channel.queue_declare(queue, durable=True)
        self.billing.behave("accept_duplicates")
        environ = self._environ()
        shutil.copy(HERE / "landscape.yaml", self.folder / "drawbar.yaml")
        known = self.sshd.known_hosts.read_text()
        (self.folder / "known_hosts").write_text(known.replace(str(self.sshd.port), str(self.proxies["sftp"].port)))
        self.environ = environ
        serve = Program("serve", ["serve", "--port", str(self.port)], environ, self.folder)
        workers = [Program(f"worker-{at + 1}", ["worker"], environ, self.folder) for at in range(self._workers)]
        self.programs = [serve, *workers]
        for program in self.programs:
            self._stack.callback(program.end)
            program.start()
        self._until_ready(serve)

    def _environ(self) -> dict[str, str]:
        proxies = {
            "postgres": self.postgres.port,
            "sftp": self.sshd.port,
            "soap": self.billing.port,
            "rabbitmq": self.rabbitmq.port,
        }
        if self.kind == "distributed":
            proxies |= {"state": self.postgres.port, "queue": self.rabbitmq.port}
        for name, port in proxies.items():
            self.proxies[name] = self._stack.enter_context(Proxy(port))
        swap = {name: (str(port), str(self.proxies[name].port)) for name, port in proxies.items()}
        kept = {name: said for name, said in os.environ.items() if not name.startswith("DRAWBAR_")}
        return kept | {
            "CHAOS_LEASE_S": str(LEASE_S),
            "CHAOS_SABOTAGE": "yes" if self._sabotage else "",
            "CHAOS_STATE": self._state(swap),
            "CHAOS_QUEUE": self.rabbitmq.make_vhost().replace(*swap["queue"]) if "queue" in swap else "threads",
            "CHAOS_ERP": self.erp.replace(*swap["postgres"]),
            "CHAOS_WSDL": str(self.billing.wsdl_file),
            "CHAOS_BILLING": self.billing.url.replace(*swap["soap"]),
            "CHAOS_DROP_PORT": swap["sftp"][1],
            "CHAOS_DROP_USER": self.sshd.user,
            "CHAOS_DROP_KEY": str(self.sshd.key_file),
            "CHAOS_DROP_ROOT": str(self.inbox),
            "CHAOS_EVENTS": self.rabbitmq.url.replace(*swap["rabbitmq"]),
        }

    def _state(self, swap: dict[str, tuple[str, str]]) -> str:
        """Make the place of the journal, on a disk of its own where that is allowed, and give its URL."""
        at = (self.folder if self.kind == "embedded" else self.postgres.home) / "state"
        owner = "postgres" if self.kind == "distributed" and os.getuid() == 0 else None
        self.disk = Disk(at, owner)
        self._stack.callback(self.disk.close)
        if self.kind == "embedded":
            self.state = f"sqlite:///{at}/drawbar.db"
            return self.state
        if self.disk.is_small:
            self.postgres.execute(f"create tablespace small location '{at}'")
        self.postgres.execute("create database state" + (" tablespace small" if self.disk.is_small else ""))
        self.state = self.postgres.database_url("state")
        return self.state.replace(*swap["state"])

    def _until_ready(self, serve: Program) -> None:
        until = time.monotonic() + 90
        while not self.is_ready():
            if time.monotonic() > until or not serve.runs:
                raise RuntimeError(f"drawbar serve did not begin:\n{serve.log.read_text()[-3000:]}")
            time.sleep(0.2)

    def is_ready(self) -> bool:
        with suppress(requests.RequestException):
            return self.ask("GET", "/health/ready", timeout=5).ok
        return False

    def tend(self) -> None:
        for program in self.programs:
            program.tend()

    def calm(self) -> None:
        """End all faults: everything runs, flows and has room."""
        for proxy in self.proxies.values():
            proxy.flow()
        self.disk.free(self.programs)
        for program in self.programs:
            program.send(signal.SIGCONT)

    def ask(self, method: str, path: str, timeout: float = 20, **sent: Any) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            return session.request(method, self.url + path, timeout=timeout, **sent)

    def drawbar(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line beside everything else, as an operator does."""
        command = [sys.executable, "-m", "drawbar", "-c", str(self.folder / "drawbar.yaml"), *arguments]
        return subprocess.run(
            command, cwd=self.folder, env=self.environ, capture_output=True, text=True, timeout=120, check=False
        )

    def rows(self) -> psycopg.Connection[Any]:
        """Open the ERP's database past every proxy."""
        return psycopg.connect(self.erp.replace("+psycopg", ""), autocommit=True, connect_timeout=10)

    def channel(self) -> Channel:
        """Open RabbitMQ past every proxy."""
        return Channel(self.rabbitmq.url)

    @property
    def exits(self) -> Counter[str]:
        return Counter({program.name: program.exits for program in self.programs if program.exits})


class Channel:
    """One connection for one job."""

    def __init__(self, url: str) -> None:
        self._connection = pika.BlockingConnection(pika.URLParameters(url))

    def __enter__(self) -> Any:
        return self._connection.channel()

    def __exit__(self, *_: object) -> None:
        with suppress(pika.exceptions.AMQPError):
            self._connection.close()
