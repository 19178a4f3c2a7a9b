"""Large values over REST and on the command line: a run shows a claim, and the claim gives the value."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
import requests
from servers.drawbar import Serving

LANDSCAPE = """\
version: 1
claims: { over_bytes: 2048 }
adapters:
  gone:
    kind: sql
    url: "postgresql+psycopg://drawbar:${env:NO_SUCH_PASSWORD:-hush-hush-4711}@127.0.0.1:1/erp"
    statements:
      one: { description: Nothing., sql: select 1 as one, effect: read }
workflows:
  large:
    tasks: { wait: { wait_s: 0 } }
    output: "${{ {'rows': [{'text': input.text + input.text + input.secret + input.text}]} }}"
  echo: { tasks: { wait: { wait_s: 0 } }, output: "${{ input.text }}" }
"""
TEXT = "0" * 524_200


@pytest.fixture(scope="module")
def landscape() -> Iterator[Serving]:
    with Serving(LANDSCAPE) as serving:
        yield serving


def ran(landscape: Serving, workflow: str, given: dict) -> dict:
    answer = requests.post(f"{landscape.url}/workflows/{workflow}/run?wait_s=20", json={"input": given}, timeout=30)
    return requests.get(f"{landscape.url}/runs/{answer.json()['run_id']}", timeout=10).json()


def test_a_run_shows_a_claim_and_the_claim_gives_the_value(landscape):
    run = ran(landscape, "large", {"text": TEXT, "secret": "x"})
    assert run["status"] == "succeeded", run
    seen = run["output"]
    assert set(seen) == {"claim", "bytes", "preview"}
    assert set(run["input"]) == {"claim", "bytes", "preview"}

    answer = requests.get(f"{landscape.url}/v1/claims/{seen['claim']}", timeout=30)

    assert answer.headers["Content-Type"] == "application/json"
    assert len(answer.content) == seen["bytes"] == int(answer.headers["Content-Length"])
    assert answer.text.startswith(seen["preview"])
    assert answer.json()["rows"][0]["text"] == TEXT + TEXT + "x" + TEXT
    again = requests.get(answer.url, headers={"If-None-Match": answer.headers["ETag"]}, timeout=10)
    assert (again.status_code, again.content) == (304, b"")


def test_ranges_give_parts_and_what_lies_behind_the_end_is_refused(landscape):
    claim = ran(landscape, "echo", {"text": "0123456789" * 1000})["output"]["claim"]
    url = f"{landscape.url}/claims/{claim}"

    def part(given: str, **more: str) -> tuple[int, str, str | None]:
        answer = requests.get(url, headers={"Range": given, **more}, timeout=10)
        return answer.status_code, answer.text[:20], answer.headers.get("Content-Range")

    assert part("bytes=1-3") == (206, "012", "bytes 1-3/10002")
    assert part("bytes=9998-") == (206, '789"', "bytes 9998-10001/10002")
    assert part("bytes=-2") == (206, '9"', "bytes 10000-10001/10002")
    assert part("bytes=9998-99999")[2] == "bytes 9998-10001/10002"
    assert part("bytes=10002-")[::2] == (416, "bytes */10002")
    assert part("bytes=1-2,5-6")[0] == part("pages=1-2")[0] == part("bytes=3-1")[0] == 200
    assert part("bytes=1-3", **{"If-Range": '"other"'})[0] == 200


def test_pages_are_cut_between_characters(landscape):
    text = "aä€😀" * 700
    claim = ran(landscape, "echo", {"text": text})["output"]["claim"]
    url = f"{landscape.url}/claims/{claim}"
    found, offset = "", 0
    while offset is not None:
        page = requests.get(url, params={"offset": offset, "limit": 101}, timeout=10).json()
        assert 0 < len(page["text"].encode()) <= 101
        found += page["text"]
        offset = page["next"]

    assert json.loads(found) == text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/claims/none", 404),
        ("/claims/01m82k69bj9y2eed0x566q05qw.00", 404),
        ("/claims/%00", 422),
        ("/claims/x?offset=-1", 422),
        ("/claims/x?limit=0", 422),
        ("/claims/x?size=3", 422),
    ],
)
def test_what_is_no_claim_is_said_so(landscape, path, status):
    answer = requests.get(landscape.url + path, timeout=10)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_secret_of_the_configuration_is_in_no_part(landscape):
    """It lies across the end of the first part that is read."""
    seen = ran(landscape, "large", {"text": TEXT, "secret": "x" * 150 + "hush-hush-4711"})["output"]
    url = f"{landscape.url}/claims/{seen['claim']}"

    whole = requests.get(url, timeout=30)
    parts = [
        requests.get(url, headers={"Range": f"bytes={start}-{start + 6}"}, timeout=10).text
        for start in range(1_048_560, 1_048_610, 7)
    ]

    assert len(whole.content) == seen["bytes"]
    for text in (whole.text, "".join(parts)):
        assert "hush" not in text
        assert "4711" not in text
        assert "*" * 14 in text


def cli(landscape: Serving, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "drawbar", *words], cwd=landscape.folder, capture_output=True, timeout=60, check=False
    )


@pytest.mark.slow
@pytest.mark.parametrize("where", ["local", "remote"])
def test_the_command_line_writes_it_to_standard_output_or_a_file(landscape, where, tmp_path):
    claim = ran(landscape, "large", {"text": TEXT, "secret": where})["output"]
    server = ["--server", landscape.url] if where == "remote" else []
    said = cli(landscape, *server, "claim", claim["claim"])
    assert said.returncode == 0, said.stderr
    assert len(said.stdout) == claim["bytes"]
    assert where in json.loads(said.stdout)["rows"][0]["text"]

    file = tmp_path / "value.json"
    done = cli(landscape, *server, "claim", claim["claim"], "--output", str(file))

    assert done.returncode == 0, done.stderr
    assert file.read_bytes() == said.stdout
    assert [one.name for one in tmp_path.iterdir()] == ["value.json"]
    missing = cli(landscape, *server, "claim", "nothing", "--output", str(tmp_path / "other"))
    assert missing.returncode != 0
    assert b"there is no claim" in missing.stderr
    assert b"Traceback" not in missing.stderr
    refused = cli(landscape, *server, "claim", claim["claim"], "--output", str(tmp_path / "no" / "folder"))
    assert refused.returncode != 0
    assert b"Traceback" not in refused.stderr
