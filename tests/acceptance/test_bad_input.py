"""Bad input as a user meets it, typed and over REST, on real servers: a clear error, nothing lost, the service alive."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pika
import psycopg
import pytest
import requests
from badland import PLANTED, Silence, Terminal, Typed, forget, furnished
from servers.drawbar import Serving

JSON = {"Content-Type": "application/json"}
STATUS = {"config": 500, "unavailable": 503, "input": 422, "rejected": 409}


@dataclass(frozen=True)
class Land:
    """The landscape with its two faces."""

    place: Path
    drop: Path
    environ: dict[str, str]
    terminal: Terminal
    serving: Serving
    answers: list[str]

    def type(self, *words: str) -> Typed:
        return self.terminal.type(*words)

    def ask(self, method: str, path: str, **sent: Any) -> requests.Response:
        answer = self.serving.ask(method, path, **sent)
        self.answers.append(answer.text)
        return answer

    def call(self, tool: str, **arguments: Any) -> requests.Response:
        return self.ask("POST", f"/tools/{tool}/call", json={"arguments": arguments})

    def problem(self, answer: requests.Response, kind: str, *says: str, status: int | None = None) -> dict[str, Any]:
        """Check that an answer is a problem of this kind which says this; nothing has happened and the service lives."""
        assert answer.status_code == (status or STATUS[kind]), answer.text
        assert answer.headers["Content-Type"] == "application/problem+json"
        said = answer.json()
        assert (said["kind"], said["happened"]) == (kind, "no")
        for one in says:
            assert one in answer.text
        assert "Traceback" not in answer.text
        assert self.serving.ask("GET", "/health/live").status_code == 200
        return said

    def sync(self, name: str) -> dict[str, Any]:
        """Run a sync over REST and give how it ended."""
        started = self.ask("POST", f"/syncs/{name}/run")
        assert started.status_code in {200, 202}, started.text
        run = started.json().get("run_id") or started.json()["id"]
        return until(
            lambda: next(
                (
                    one
                    for one in self.ask("GET", f"/syncs/{name}/runs").json()["items"]
                    if one["id"] == run and one["status"] != "running"
                ),
                None,
            )
        )

    def orders(self) -> list[tuple[Any, ...]]:
        return rows(self.environ["PG_URL"], "select id, customer from orders order by id")

    def lay(self, name: str, text: str) -> Path:
        """Put a file into the drop whole, as a careful partner does."""
        (self.drop / f".{name}").write_text(text)
        (self.drop / f".{name}").chmod(0o666)
        return (self.drop / f".{name}").rename(self.drop / name)


def rows(url: str, query: str) -> Any:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        cursor = connection.execute(query)
        return cursor.fetchall() if cursor.description else None


def until(found: Callable[[], Any], seconds: float = 60) -> Any:
    end = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.05)
    return value


@pytest.fixture(scope="module")
def land(sshd, postgres, mariadb, rabbitmq, soap_node) -> Iterator[Land]:
    pg_url, vhost = postgres.create_database(), rabbitmq.make_vhost()
    rows(pg_url, "create table orders (id integer primary key, customer varchar(40), amount numeric(10, 2))")
    with Channel(vhost) as channel:
        dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "orders.dead"}
        channel.queue_declare("orders.dead", durable=True)
        channel.queue_declare("orders.in", durable=True, arguments=dead)
    with Silence() as silence:
        place, environ = furnished(silence, sshd, pg_url, mariadb.create_database(), vhost, soap_node)
        with Terminal(place, environ) as terminal, Serving(at=place, environ=environ) as serving:
            yield Land(place, Path(environ["SSH_ROOT"]), environ, terminal, serving, [])
    forget(place)


@pytest.fixture(autouse=True)
def _clean(land: Land) -> Iterator[None]:
    yield
    rows(land.environ["PG_URL"], "delete from orders")
    for path in sorted(land.drop.rglob("*"), reverse=True):
        if path.is_file():
            path.unlink()


class Channel:
    def __init__(self, url: str) -> None:
        self._connection = pika.BlockingConnection(pika.URLParameters(url))

    def __enter__(self) -> Any:
        return self._connection.channel()

    def __exit__(self, *error: object) -> None:
        self._connection.close()


# --- systems that are wrong, silent or away


def test_a_silent_system_holds_up_nobody_else(land):
    """The first test: nothing is known yet, and every kind of silent system is asked at the same time as the others."""
    begun = time.monotonic()
    listing = threading.Thread(target=land.ask, args=("GET", "/tools"))
    listing.start()
    healthy = {}
    for tool in ("erp.one", "drop.list_plain"):
        called = time.monotonic()
        assert land.call(tool).status_code == 200
        healthy[tool] = time.monotonic() - called
    for path in ("/status", "/adapters", "/health/systems", "/syncs", "/health/ready"):
        called = time.monotonic()
        assert land.ask("GET", path).status_code == 200
        healthy[path] = time.monotonic() - called
    fault = land.call("billing.GetInvoice", invoiceId="INV-9")
    listing.join()

    assert fault.status_code == 409
    assert max(healthy.values()) < 10, healthy
    assert time.monotonic() - begun < 30
    listed = {tool["name"] for tool in land.ask("GET", "/tools").json()["items"]}
    assert {"erp.one", "drop.list_plain", "billing.GetInvoice", "silent_sftp.list_orders"} <= listed
    down = {one["name"]: one["error"] for one in land.ask("GET", "/health/systems").json()["items"] if "error" in one}
    assert {"silent_sql", "silent_soap"} <= set(down)


@pytest.mark.slow
def test_the_command_line_asks_all_systems_at_the_same_time(land):
    """What a system that answers says is printed before what a silent one does not, whatever the order."""
    begun = time.monotonic()
    tools = land.type("tools")
    listed_s = time.monotonic() - begun
    check = land.type("check", "silent_amqp", "silent_sftp", "billing", "sql_closed", "amqp_password", "soap_cut")

    assert tools.code == 0
    assert "billing.GetInvoice" in tools.out
    assert "silent_soap cannot say what it offers" in tools.err
    assert listed_s < 18
    assert check.code == 1
    assert "ok billing" in check.said
    for name in ("silent_sftp", "silent_amqp", "sql_closed", "amqp_password", "soap_cut"):
        assert f"fails {name}" in check.said
    assert check.out.index("billing") < check.out.index("silent_sftp")
    assert land.type("status").code == 0


LIST, PUBLISH, READ = ("list_orders", {}), ("publish_out", {"body": {}}), ("GetInvoice", {"invoiceId": "1"})
ONE = ("one", {})
SYSTEMS = {
    "sql_closed": (ONE, "unavailable", "port {CLOSED}", "refused"),
    "mysql_closed": (ONE, "unavailable", "127.0.0.1", "refused"),
    "sql_password": (ONE, "config", "password authentication failed", "url"),
    "mysql_password": (ONE, "config", "Access denied", "url"),
    "sql_no_database": (ONE, "config", "no_such_database", "url"),
    "sftp_closed": (LIST, "unavailable", "127.0.0.1:{CLOSED}", "refused"),
    "sftp_unknown_host": (LIST, "config", "is not known; it shows ssh-ed25519 SHA256:", "compare the fingerprint"),
    "sftp_other_host": (LIST, "config", "has changed", "somebody may be in between"),
    "sftp_password": (LIST, "config", "refuses the password of", "check username and password"),
    "amqp_closed": (PUBLISH, "unavailable", "127.0.0.1:{CLOSED}", "refused"),
    "amqp_password": (PUBLISH, "config", "refused the login", "check user and password"),
    "soap_closed": (READ, "unavailable", "127.0.0.1:{CLOSED}", "refused"),
    "soap_404": (READ, "config", "answered 404 instead of a WSDL", "often ?wsdl is missing"),
    "soap_html": (READ, "config", "page.html is no WSDL 1.1: its root is <html>", "its connection step by step"),
    "soap_empty": (READ, "config", "empty.wsdl is no WSDL: it is empty", "its connection step by step"),
    "soap_cut": (READ, "config", "cut.wsdl is no WSDL: it is no well-formed XML", "line"),
    "soap_folder": (READ, "config", "folder.wsdl is no ordinary file", "its connection step by step"),
}


@pytest.fixture(scope="module")
def met(land) -> dict[str, tuple[requests.Response, Typed]]:
    """What each wrong system answers at both faces: all are asked over REST while they are asked one by one by hand."""
    calls = {name: (f"{name}.{tool}", arguments) for name, ((tool, arguments), *_) in SYSTEMS.items()}
    with ThreadPoolExecutor(len(calls)) as pool:
        asked = {name: pool.submit(land.call, tool, **arguments) for name, (tool, arguments) in calls.items()}
        typed = {name: land.type("call", tool, "--input", json.dumps(given)) for name, (tool, given) in calls.items()}
        return {name: (asked[name].result(), typed[name]) for name in calls}


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_wrong_system_says_where_and_what_to_do(land, met, sshd, name):
    if name == "sftp_password" and not sshd.has_password:
        pytest.skip("only root can make an account with a password")
    _, kind, where, what = SYSTEMS[name]
    where = where.format(**land.environ)
    answer, typed = met[name]

    said = land.problem(answer, kind)
    assert where in said["detail"]
    assert what in f"{said['detail']} {said['next']}"
    assert said["next"]
    assert typed.code == {"config": 2, "unavailable": 4}[kind]
    assert where in typed.said
    assert what in typed.said
    assert (kind == "unavailable") == ("Retry-After" in answer.headers)


# --- calls


DEEP = "[" * 5000 + "]" * 5000
CALLS = {
    "an unknown tool": ("erp.by_idd", {"id": 1}, 404, "did you mean 'erp.by_id'?"),
    "an unknown system": ("epr.by_id", {"id": 1}, 404, "did you mean 'erp.by_id'?"),
    "a text for a number": ("erp.by_id", {"id": "one"}, 422, "id"),
    "a missing argument": ("erp.by_id", {}, 422, "id"),
    "an unknown argument": ("erp.by_id", {"id": 1, "order": 2}, 422, "order"),
    "no object": ("erp.by_id", [1], 422, "must be a"),
    "SQL where a number is expected": ("erp.by_id", {"id": "1; drop table orders"}, 422, "id"),
    "a path that climbs": ("drop.read_plain", {"name": "../../../etc/passwd"}, 404, "passwd"),
    "a path that climbs, of a right name": ("drop.read_plain", {"name": "../P1.csv"}, 404, "P1.csv"),
    "a path from the root": ("drop.stat_plain", {"name": "/etc/passwd"}, 404, "passwd"),
    "a name with a zero byte": ("drop.read_plain", {"name": "P\x00.csv"}, (404, 422), "P"),
}
RAW = {
    "deep nesting": ('{"arguments": {"id": ' + DEEP + "}}", "deep"),
    "a number of 400 digits": ('{"arguments": {"amount": 0.' + "1" * 400 + "}}", "digits"),
    "a number of 20 digits": ('{"arguments": {"amount": 12345678901234567.891}}', "more than 15"),
    "an integer of 10,000 digits": ('{"arguments": {"amount": ' + "9" * 10_000 + "}}", "digits"),
    "no end": ('{"arguments": {"amount": 1', "column"),
}


@pytest.mark.parametrize("wrong", CALLS)
def test_a_wrong_call_says_what_is_wrong(land, wrong):
    tool, arguments, status, says = CALLS[wrong]

    answer = land.ask("POST", f"/tools/{tool}/call", json={"arguments": arguments})
    typed = land.type("call", tool, "--input", json.dumps(arguments))

    land.problem(answer, "input", says, status=answer.status_code)
    assert answer.status_code in (status if isinstance(status, tuple) else (status,))
    assert typed.code == 2
    assert says in typed.said
    assert len(typed.err.splitlines()) <= 6


@pytest.mark.parametrize("wrong", RAW)
def test_a_body_that_no_number_or_parser_should_take_is_refused(land, wrong):
    body, says = RAW[wrong]
    arguments = body.removeprefix('{"arguments": ')
    arguments = arguments[:-1] if arguments.endswith("}}") else arguments

    answer = land.ask("POST", "/tools/erp.by_amount/call", data=body, headers=JSON)
    typed = land.type("call", "erp.by_amount", "--input", arguments)

    land.problem(answer, "input", says)
    assert len(answer.text) < 2000
    assert typed.code == 2
    assert says in typed.said
    assert len(typed.said) < 2000


def test_sql_text_is_a_value_and_never_a_statement(land):
    rows(land.environ["PG_URL"], "insert into orders values (1, 'Ada', 1)")
    texts = ("' or '1'='1", "Ada'; drop table orders; --", "Ada%", ":id", "%(id)s", "\\'; select pg_sleep(9) --")

    for text in texts:
        assert land.call("erp.find", customer=text).json()["result"]["rows"] == []
    for text in texts[:2]:
        assert land.type("--json", "call", "erp.find", f"customer={text}").json["result"]["rows"] == []
    assert land.call("erp.find", customer="Ada").json()["result"]["rows"] == [{"id": 1}]


@pytest.mark.parametrize("file", ["..%2f..%2fetc%2fpasswd", "..%2fP1.csv", "%00", "P..csv"])
def test_no_file_of_a_feed_is_named_by_a_path(land, file):
    (land.drop.parent / "P1.csv").write_text("id\n1\n")

    answer = land.ask("POST", f"/feeds/drop.plain/files/{file}/skip", json={"reason": "no"})
    typed = land.type("files", "skip", "drop.plain", requests.utils.unquote(file))

    assert answer.status_code in {404, 422}
    land.problem(answer, "input", status=answer.status_code)
    assert typed.code == 2
    assert (land.drop.parent / "P1.csv").exists()


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_100_mb_is_refused_before_it_is_read(land, chunked):
    before = land.serving.memory_kb("VmHWM")
    sent = 0

    def body() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(1600):
            sent += 65536
            yield b"x" * 65536

    given = body() if chunked else b"x" * 104_857_600
    answer = land.ask("POST", "/tools/erp.by_id/call", data=given, headers=JSON)

    land.problem(answer, "input", "larger than", status=413)
    assert land.serving.memory_kb("VmHWM") - before < 20_000


def test_a_file_of_arguments_that_is_too_large_is_refused(land):
    with (land.place / "big.json").open("wb") as file:
        file.truncate(2**30)

    typed = land.type("call", "erp.by_id", "--input", "@big.json")

    assert typed.code == 2
    assert "big.json is larger than 100 MiB" in typed.said


# --- files


def lines(count: int, said: int | None) -> str:
    text = "".join(f"D{number:06d}{'Ada':<10}\n" for number in range(1, count + 1))
    return text if said is None else f"{text}T{said:06d}{'':<10}\n"


def test_a_file_that_is_still_growing_is_left_alone_and_loaded_once(land):
    growing = land.drop / "P1.csv"
    growing.touch()
    growing.chmod(0o666)
    ended = threading.Event()

    def grow() -> None:
        with growing.open("w") as file:
            file.write("id,customer\n")
            number = 0
            while not ended.is_set() or number < 50:
                number += 1
                file.write(f"{number},Ada\n")
                file.flush()
                time.sleep(0.02)
            file.write(f"{number + 1},End\n")

    writer = threading.Thread(target=grow)
    writer.start()
    early = [land.sync("plain")["status"], land.type("sync", "plain").code]
    still_there, loaded_early = growing.exists(), land.orders()
    ended.set()
    writer.join()
    late = land.sync("plain")

    assert early == ["nothing", 5]
    assert still_there
    assert loaded_early == []
    assert late["status"] == "succeeded"
    assert late["written"] == len(land.orders())
    assert land.orders()[-1][1] == "End"
    assert land.type("sync", "plain").code == 5


@pytest.mark.parametrize("face", ["typed", "rest"])
def test_a_file_with_a_wrong_trailer_is_quarantined_with_its_reason(land, face):
    land.lay("L1.dat", lines(3, 4))

    if face == "typed":
        typed = land.type("sync", "lines")
        assert typed.code == 1
        said = typed.said
    else:
        ended = land.sync("lines")
        assert (ended["status"], ended["error"]["kind"], ended["written"]) == ("failed", "rejected", 0)
        said = ended["error"]["message"]

    assert "L1.dat" in said
    assert "count of row is 3, and the file says 4" in said
    assert land.orders() == []
    assert (land.drop / "rejected" / "L1.dat").read_text() == lines(3, 4)
    assert "says 4" in json.loads((land.drop / "rejected" / "L1.dat.reason.json").read_text())["error"]
    [seen] = land.ask("GET", "/feeds/drop.lines/files").json()["items"]
    assert (seen["state"], "says 4" in seen["reason"]) == ("quarantined", True)


def test_a_file_without_its_trailer_waits_and_costs_no_attempt(land):
    land.lay("L2.dat", lines(3, None))

    early = [land.type("sync", "lines").code for _ in range(3)] + [land.sync("lines")["status"] for _ in range(3)]
    [seen] = land.ask("GET", "/feeds/drop.lines/files").json()["items"]
    land.lay("L2.dat", lines(3, 3))
    late = land.sync("lines")

    assert early == [5, 5, 5, "nothing", "nothing", "nothing"]
    assert (seen["state"], seen.get("attempts", 0)) == ("waiting", 0)
    assert (late["status"], late["written"]) == ("succeeded", 3)
    assert (land.drop / "archive" / "L2.dat").exists()


MISTAKES = {
    "wrong_row": ("P1.csv", "map.customer: the row has no field custmer"),
    "wrong_target": ("P1.csv", "orders has no column 'custmer'; did you mean 'customer'?"),
    "wrong_key": ("P1.csv", "orders has no column 'number'"),
    "summed": ("S1.csv", "the row has no field amuont"),
}


@pytest.mark.parametrize("sync", MISTAKES)
def test_a_mistake_of_the_configuration_leaves_the_file_in_its_place(land, sync):
    """However often it is tried: the file is not to blame."""
    name, says = MISTAKES[sync]
    land.lay(name, "id,customer,amount\n1,Ada,5\n2,Bob,6\n")

    typed = [land.type("sync", sync) for _ in range(2)]
    ended = [land.sync(sync) for _ in range(2)]

    for one in typed:
        assert one.code == 2
        assert says in one.said
    for run in ended:
        assert (run["status"], run["error"]["kind"]) == ("failed", "config")
        assert says in run["error"]["message"]
    assert (land.drop / name).exists()
    assert land.orders() == []


# --- messages


def test_a_message_that_is_no_json_is_put_aside_with_its_reason_and_the_others_go_on(land):
    bad = {
        b"{": "JSON",
        b"\xff\xfe": "UTF-8",
        b'{"order": "x"}': "order",
        b'{"ordr": 1}': "order",
        b"[" * 5000: "JSON",
    }
    with Channel(land.environ["AMQP_URL"]) as channel:
        for number, body in enumerate([*bad, b'{"order": 1}', b'{"order": 2}']):
            said = pika.BasicProperties(content_type="application/json", message_id=f"m-{number}")
            channel.basic_publish("", "orders.in", body, said)

        until(lambda: len(land.ask("GET", "/runs?workflow=take&state=succeeded").json()["items"]) == 2)
        until(lambda: channel.queue_declare("orders.in", durable=True, passive=True).method.message_count == 0)
        dead = []
        until(lambda: aside(land, channel, dead) == len(bad))

    assert sorted(str(one) for one in dead if isinstance(one, bytes)) == sorted(str(one) for one in bad)
    assert land.ask("GET", "/health/live").status_code == 200


def aside(land: Land, channel: Any, dead: list[Any]) -> int:
    """Count what was dead-lettered or parked."""
    while (found := channel.basic_get("orders.dead", auto_ack=True))[0] is not None:
        dead.append(found[2])
    return len(dead) + len(land.ask("GET", "/dead-letters").json()["items"])


# --- state and configuration


ONE_SYSTEM = (
    "adapters: { erp: { kind: sql, url: 'sqlite:///erp.db', statements: { one: { sql: select 1, effect: read } } } }\n"
)


def bomb(width: int, depth: int) -> str:
    """Write a YAML of a few lines that stands for width ** depth values."""
    layers = [f"x-0: &a0 [{', '.join(['lol'] * width)}]"]
    layers += [f"x-{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, depth)]
    return "\n".join(layers) + "\n"


CONFIGURATIONS: dict[str, tuple[str | bytes, str]] = {
    "no database": (f"state: sqlite:///junk.db\n{ONE_SYSTEM}", "junk.db: file is not a database"),
    "newer": (f"state: sqlite:///newer.db\n{ONE_SYSTEM}", "written by a newer Drawbar"),
    "not writable": (f"state: sqlite:////proc/nobody/state.db\n{ONE_SYSTEM}", "/proc/nobody"),
    "a folder for a state": (f"state: sqlite:///folder\n{ONE_SYSTEM}", "folder: unable to open"),
    "50 MB": (b"x-a: '" + b"x" * 50_000_000 + b"'\n", "larger than 16 MiB"),
    "a bomb": (bomb(9, 12) + ONE_SYSTEM, "do aliases repeat aliases?"),
    "a circle": ("adapters: &a { x: *a }\n", "contains itself"),
    "a circle of merges": ("adapters: &a { <<: *a, b: 1 }\n", "aliases"),
    "a tower": ("adapters: " + "[" * 2_000 + "]" * 2_000, "nested too deep"),
    "10,000 digits": (f"version: {'9' * 10_000}\n", "999..."),
    "no text": (bytes(range(256)), "UTF-8"),
    "code": ("version: !!python/object/apply:os.system ['touch pwned']\n", "version"),
}


@pytest.mark.parametrize("wrong", CONFIGURATIONS)
def test_a_wrong_state_or_configuration_is_refused_before_anything_begins(land, wrong):
    content, says = CONFIGURATIONS[wrong]
    name = f"{re.sub('[^a-z0-9]', '-', wrong)}.yaml"
    (land.place / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    (land.place / "folder").mkdir(exist_ok=True)
    (land.place / "junk.db").write_bytes(b"this is no database but a text of some length" * 100)
    newer(land.place / "newer.db")
    begun = time.monotonic()

    status, serve = land.type("-c", name, "status"), land.type("-c", name, "serve", "--port", "0")

    for typed in (status, serve):
        assert typed.code == 2
        assert says in typed.said
        assert len(typed.said) < 1000
    assert time.monotonic() - begun < 30
    assert land.terminal.peak_kb < 600_000
    assert not (land.place / "pwned").exists()
    assert (land.place / "junk.db").read_bytes().startswith(b"this is no database")


def newer(path: Path) -> None:
    import sqlite3

    with sqlite3.connect(path) as state:
        state.execute("create table if not exists meta (name text primary key, value text)")
        state.execute("insert or replace into meta values ('version', '999')")
    state.close()


def test_a_folder_without_yaml_and_a_folder_with_a_name_of_a_file(land):
    (land.place / "nothing.yaml").mkdir(exist_ok=True)

    empty = land.type("-c", "nothing.yaml", "tools")
    (land.place / "nothing.yaml" / "a.yaml").mkdir(exist_ok=True)
    inside = land.type("-c", "nothing.yaml", "tools")

    assert empty.code == inside.code == 2
    assert "holds no *.yaml" in empty.said
    assert "a.yaml cannot be read: Is a directory" in inside.said


def test_a_port_in_use_is_named_before_anything_begins(land):
    (land.place / "port.yaml").write_text(f"state: sqlite:///port.db\n{ONE_SYSTEM}")

    typed = land.type("-c", "port.yaml", "serve", "--port", str(land.serving.port))

    assert typed.code == 2
    assert f"port {land.serving.port} of 127.0.0.1 is in use" in typed.said
    assert land.ask("GET", "/health/live").status_code == 200


def test_the_planted_password_is_printed_nowhere(land):
    """The last test: everything above has been said by now."""
    land.type("adapters")
    land.type("--json", "status")
    land.ask("GET", "/adapters")
    land.ask("GET", "/events?limit=1000")
    state = b"".join(path.read_bytes() for path in land.place.glob("drawbar.db*") if path.is_file())
    log = land.serving.log.read_text()

    for text in (land.terminal.printed, "".join(land.answers), log):
        assert PLANTED not in text
        assert "Traceback" not in text
    assert PLANTED.encode() not in state
