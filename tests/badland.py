"""A landscape in which much is wrong, on real servers, and the two faces that a user meets it by."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from servers.process import folder, free_port

import drawbar.testing

PLANTED = "Pl4nted-Secret-4711"
"""A password that is wrong everywhere and must be printed nowhere."""
DATA = Path(drawbar.testing.__file__).parent / "data"
FIXED = """
        format:
          kind: fixed
          newline: lf
          fields:
            - { name: t, start: 1, length: 1 }
            - { name: id, start: 2, length: 6, type: integer }
            - { name: customer, start: 8, length: 10 }
          layouts: { row: "${{ record.t == 'D' }}", trailer: "${{ record.t == 'T' }}" }
        totals: [ { count: row, equals: "${{ trailer.id }}" } ]"""
YAML = """
version: 1
x-one: &one { one: { description: One., sql: select 1 as one, effect: read } }
x-feeds: &feeds { orders: { pattern: "*.csv", format: { kind: csv } } }
x-sftp: &sftp
  kind: sftp
  host: 127.0.0.1
  port: ${env:SSH_PORT}
  username: ${env:SSH_USER}
  private_key_file: ${env:SSH_KEY}
  known_hosts: ${env:SSH_KNOWN}
  root: ${env:SSH_ROOT}
  feeds: *feeds
x-queues: &queues
  publish: { out: { exchange: "", routing_key: out } }
  consume: { incoming: { queue: orders.in, max_attempts: 2 } }
adapters:
  erp:
    kind: sql
    url: ${env:PG_URL}
    statements:
      one: { description: One., sql: select 1 as one, effect: read }
      find:
        description: Find orders by their customer.
        sql: select id from orders where customer = :customer
        parameters: { customer: { type: string } }
        effect: read
      by_id:
        description: Find an order.
        sql: select id, customer from orders where id = :id
        parameters: { id: { type: integer } }
        effect: read
      by_amount:
        description: Find orders by their amount.
        sql: select id from orders where amount = :amount
        parameters: { amount: { type: decimal } }
        effect: read
    tables: { orders: { key: [id], read: true, upsert: true } }
  drop:
    <<: *sftp
    feeds:
      plain:
        pattern: "P*.csv"
        ready: { stable_s: 0.5 }
        format: { kind: csv }
        max_attempts: 2
      lines:
        pattern: "L*.dat"
        ready: { stable_s: 0 }
        archive: archive
        quarantine: rejected
        max_attempts: 2FIXED
      summed:
        pattern: "S*.csv"
        ready: { stable_s: 0 }
        format: { kind: csv, columns: { id: integer, customer: string } }
        totals: [ { sum: amuont, equals: 0 } ]
  events: { kind: amqp, url: "${env:AMQP_URL}", <<: *queues }
  billing: { kind: soap, wsdl: "${env:WSDL}", effects: { GetInvoice: read } }
  sql_closed: { kind: sql, url: "postgresql+psycopg://drawbar:${env:PLANTED}@127.0.0.1:${env:CLOSED}/erp", statements: *one }
  mysql_closed: { kind: sql, url: "mysql+pymysql://drawbar:${env:PLANTED}@127.0.0.1:${env:CLOSED}/erp", statements: *one }
  sql_password: { kind: sql, url: "${env:PG_WRONG}", statements: *one }
  mysql_password: { kind: sql, url: "${env:MYSQL_WRONG}", statements: *one }
  sql_no_database: { kind: sql, url: "${env:PG_NOWHERE}", statements: *one }
  sftp_closed: { <<: *sftp, port: "${env:CLOSED}" }
  sftp_unknown_host: { <<: *sftp, known_hosts: ./nobody }
  sftp_other_host: { <<: *sftp, known_hosts: ./somebody }
  sftp_password:
    kind: sftp
    host: 127.0.0.1
    port: ${env:SSH_PORT}
    username: ${env:SSH_PASSWORD_USER}
    password: ${env:PLANTED}
    known_hosts: ${env:SSH_KNOWN}
    feeds: *feeds
  amqp_closed: { kind: amqp, url: "amqp://drawbar:${env:PLANTED}@127.0.0.1:${env:CLOSED}/", <<: *queues }
  amqp_password: { kind: amqp, url: "${env:AMQP_WRONG}", <<: *queues }
  soap_closed: { kind: soap, wsdl: "http://127.0.0.1:${env:CLOSED}/billing?wsdl" }
  soap_404: { kind: soap, wsdl: "${env:SOAP}/nothing-here?wsdl" }
  soap_html: { kind: soap, wsdl: ./page.html }
  soap_empty: { kind: soap, wsdl: ./empty.wsdl }
  soap_cut: { kind: soap, wsdl: ./cut.wsdl }
  soap_folder: { kind: soap, wsdl: ./folder.wsdl }
  silent_sql: { kind: sql, url: "postgresql+psycopg://u:${env:PLANTED}@127.0.0.1:${env:SILENT}/x", call_timeout_s: 20, tables: { t: { read: true } } }
  silent_soap: { kind: soap, wsdl: "http://127.0.0.1:${env:SILENT}/x?wsdl", call_timeout_s: 20 }
  silent_sftp: { <<: *sftp, port: "${env:SILENT}", call_timeout_s: 2 }
  silent_amqp: { kind: amqp, url: "amqp://u:${env:PLANTED}@127.0.0.1:${env:SILENT}/", call_timeout_s: 2, <<: *queues }
workflows:
  take:
    input: { type: object, required: [order], properties: { order: { type: integer } } }
    triggers: [ { adapter: events, consume: incoming, input: "${{ {'order': message.body.order} }}" } ]
    tasks: { one: { tool: erp.one } }
  wait_for_the_silent:
    triggers: [ { adapter: silent_amqp, consume: incoming, input: "${{ {'order': 1} }}" } ]
    tasks: { one: { tool: erp.one } }
syncs:
  plain: &sync { from: { adapter: drop, feed: plain }, to: { adapter: erp, table: orders, mode: upsert }, map: { id: "${{ row.id }}", customer: "${{ row.customer }}" } }
  lines: { <<: *sync, from: { adapter: drop, feed: lines } }
  summed: { <<: *sync, from: { adapter: drop, feed: summed } }
  wrong_row: { <<: *sync, map: { id: "${{ row.id }}", customer: "${{ row.custmer }}" } }
  wrong_target: { <<: *sync, map: { id: "${{ row.id }}", custmer: "${{ row.customer }}" } }
  wrong_key: { <<: *sync, to: { adapter: erp, table: orders, mode: upsert, key: [number] } }
agents:
  local: { tools: [amqp_closed.publish_out, amqp_password.publish_out], scopes: [read, run, operate] }
""".replace("FIXED", FIXED)


class Silence:
    """A port that takes every connection and never says anything."""

    def __enter__(self) -> Self:
        self._taken: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._take, daemon=True).start()
        return self

    def _take(self) -> None:
        while True:
            try:
                self._taken.append(self._listener.accept()[0])
            except OSError:
                return

    def __exit__(self, *error: object) -> None:
        self._listener.close()
        for one in self._taken:
            one.close()


def furnished(silence: Silence, sshd: Any, pg_url: str, mariadb_url: str, vhost: str, soap: Any) -> tuple[Path, dict]:
    """Write the configuration into a folder; give it with the environment that it needs."""
    place = folder("bad-input")
    (place / "drawbar.yaml").write_text(YAML)
    (place / "nobody").write_text("")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(place / "other")], check=True)
    kind, key, *_ = (place / "other.pub").read_text().split()
    (place / "somebody").write_text(f"[127.0.0.1]:{sshd.port} {kind} {key}\n")
    (place / "page.html").write_text("<html><body><h1>It works!</h1></body></html>")
    (place / "empty.wsdl").write_text("")
    wsdl = (DATA / "billing.wsdl").read_bytes()
    (place / "cut.wsdl").write_bytes(wsdl[: len(wsdl) // 2])
    (place / "folder.wsdl").mkdir()
    environ = {
        "PLANTED": PLANTED,
        "CLOSED": str(free_port()),
        "SILENT": str(silence.port),
        "PG_URL": pg_url,
        "PG_WRONG": _with_password(pg_url),
        "PG_NOWHERE": pg_url.rpartition("/")[0] + "/no_such_database",
        "MYSQL_WRONG": _with_password(mariadb_url),
        "AMQP_URL": vhost,
        "AMQP_WRONG": _with_password(vhost),
        "WSDL": soap.wsdl,
        "SOAP": soap.url.rpartition("/")[0],
        "SSH_PORT": str(sshd.port),
        "SSH_USER": sshd.user,
        "SSH_KEY": str(sshd.key_file),
        "SSH_KNOWN": str(sshd.known_hosts),
        "SSH_ROOT": str(sshd.folder("bad")),
        "SSH_PASSWORD_USER": sshd.password_user,
    }
    return place, {**{k: v for k, v in os.environ.items() if not k.startswith("DRAWBAR_")}, **environ}


def _with_password(url: str) -> str:
    return re.sub(r"(//[^:]+):[^@]+@", rf"\1:{PLANTED}@", url)


@dataclass(frozen=True)
class Typed:
    """What came of one command."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """What was printed, in one line."""
        return " ".join((self.out + self.err).split())

    @property
    def json(self) -> Any:
        return json.loads(self.out)


_CHILD = """
import contextlib, io, json, resource, sys
from drawbar.cli import main
for line in sys.stdin:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(json.loads(line))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps([code, out.getvalue(), err.getvalue(), peak]), flush=True)
"""


class Terminal:
    """The command line in one child process, since starting one costs more than the command. `printed` is all it said."""

    def __init__(self, place: Path, environ: dict[str, str]) -> None:
        self.printed = ""
        self.peak_kb = 0
        self._child = subprocess.Popen(
            [sys.executable, "-c", _CHILD],
            cwd=place,
            env={**environ, "COLUMNS": "200"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def type(self, *words: str) -> Typed:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(json.dumps(words) + "\n")
        self._child.stdin.flush()
        code, out, err, self.peak_kb = json.loads(self._child.stdout.readline())
        self.printed += out + err
        for word in ("Traceback", "defect", PLANTED):
            assert word not in out + err, (words, out, err)
        return Typed(code, out, err)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._child.communicate()


def forget(place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
