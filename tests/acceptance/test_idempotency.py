"""Idempotency-Key on every POST, held across processes."""

import contextlib
import random
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from servers.drawbar import Serving
from servers.process import folder
from waiting import eventually

LANDSCAPE = """\
version: 1
workflows:
  slow: { description: Waits., tasks: { pause: { wait_s: 2 } } }
  nothing: { description: Nothing. }
"""


@pytest.fixture(scope="module")
def three():
    at = folder("once")
    with Serving(LANDSCAPE, at=at) as a, Serving(at=at) as b, Serving(at=at) as c:
        yield [a, b, c]


def is_taken(at, key):
    with contextlib.closing(sqlite3.connect(at / "drawbar.db")) as state:
        return state.execute("select count(*) from http_answers where key = ?", [key]).fetchone() == (1,)


def keyed(key):
    return {"Idempotency-Key": key}


def test_the_same_request_gives_the_first_answer_by_any_process(three):
    sent = {"json": {"name": "made once"}, "headers": keyed(f"make-{time.time_ns()}")}

    answers = [random.choice(three).ask("POST", "/workflows", **sent) for _ in range(6)]

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert len({answer.headers["Location"] for answer in answers}) == 1
    assert [answer.headers.get("Idempotent-Replayed") for answer in answers] == [None, *["true"] * 5]


def test_another_request_under_the_key_is_refused(three):
    key = keyed(f"other-{time.time_ns()}")
    three[0].ask("POST", "/workflows", json={"name": "a"}, headers=key)

    for path, body in (("/workflows", {"name": "b"}), ("/workflows/nothing/run", {"name": "a"})):
        refused = three[1].ask("POST", path, json=body, headers=key)
        assert (refused.status_code, refused.json()["field"]) == (422, "Idempotency-Key")


def test_the_same_request_in_other_blanks_and_order_and_by_either_path_is_the_same(three):
    """Who sends it again may have another library, or another version of it."""
    key = {**keyed(f"spelt-{time.time_ns()}"), "Content-Type": "application/json"}
    send = lambda body, path="/workflows/nothing/run": three[0].ask("POST", path, data=body, headers=key)  # noqa: E731
    first = send('{"input": {"a": 1, "b": [1.50, "x"]}}').json()["run_id"]

    assert send('{"input":{"b":[1.50,"x"],"a":1}}').json()["run_id"] == first
    assert send('{"input":{"b":[1.50,"x"],"a":1}}', "/v1/workflows/nothing/run").json()["run_id"] == first
    others = (
        '{"input":{"b":[1.5,"x"],"a":1}}',  # another number, for whom the scale of an amount counts
        '{"input":{"b":["x",1.50],"a":1}}',
        '{"input":{"b":[[null,"1.50"],"x"],"a":1}}',
        '{"input":{"b":[1.50,"x"],"a":"1"}}',
        "{" * 100_000,
    )
    assert [send(other).status_code for other in others] == [422] * 5


def test_while_the_first_is_worked_on_the_second_is_told_to_wait(three):
    key = keyed(f"slow-{time.time_ns()}")
    with ThreadPoolExecutor() as pool:
        first = pool.submit(three[0].ask, "POST", "/workflows/slow/run?wait_s=10", headers=key)
        eventually(lambda: is_taken(three[0].folder, key["Idempotency-Key"]))
        second = three[1].ask("POST", "/workflows/slow/run?wait_s=10", headers=key)

    assert (first.result().status_code, second.status_code) == (200, 409)
    again = three[2].ask("POST", "/workflows/slow/run?wait_s=10", headers=key)
    assert again.json() == first.result().json()


def test_many_at_once_have_one_effect(three):
    key = keyed(f"race-{time.time_ns()}")
    name = f"raced {time.time_ns()}"

    with ThreadPoolExecutor(12) as pool:
        answers = list(
            pool.map(lambda n: three[n % 3].ask("POST", "/workflows", json={"name": name}, headers=key), range(24))
        )

    assert {answer.status_code for answer in answers} <= {201, 409}
    listed = three[0].ask("GET", "/workflows?limit=1000").json()["items"]
    assert [one["name"] for one in listed].count(name) == 1


def test_what_was_refused_is_refused_again_in_the_same_words(three):
    key = keyed(f"wrong-{time.time_ns()}")
    said = [server.ask("POST", "/workflows", json={"nam": 1}, headers=key) for server in three]

    assert {answer.status_code for answer in said} == {422}
    assert len({answer.content for answer in said}) == 1


def test_a_key_that_is_no_key_is_refused(three):
    for key in ("", "with space", "x" * 201):
        assert three[0].ask("POST", "/workflows", json={"name": "x"}, headers=keyed(key)).status_code == 422


def test_a_process_that_dies_with_a_key_holds_it_not_for_ever_and_the_others_go_on(three):
    key = keyed(f"dead-{time.time_ns()}")
    with Serving(at=three[0].folder) as other, ThreadPoolExecutor() as pool:
        asked = pool.submit(other.ask, "POST", "/workflows/slow/run?wait_s=20", headers=key)
        until = time.monotonic() + 60
        while not is_taken(other.folder, key["Idempotency-Key"]) and time.monotonic() < until:
            time.sleep(0.05)
        other.process.kill()
        with pytest.raises(OSError):
            asked.result()
    again = three[0].ask("POST", "/workflows/slow/run?wait_s=20", headers=key)
    assert again.status_code == 409
    assert int(again.headers["Retry-After"]) >= 1
