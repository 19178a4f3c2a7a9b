"""A newcomer's first minute: no configuration, three lines."""

import subprocess
import sys

import requests
from servers.drawbar import Serving
from servers.process import answers

SCRIPT = """\
import requests
workflow_id = requests.post("http://localhost:8000/workflows", json={"name": "My Workflow", "description": "Test workflow"}).json()["id"]
run_id = requests.post(f"http://localhost:8000/workflows/{workflow_id}/run").json()["run_id"]
status = requests.get(f"http://localhost:8000/workflows/{workflow_id}/status").json()["status"]
"""


def test_the_newcomers_script_runs_as_it_stands_without_any_configuration():
    """The contract's script, on the port that it names unless somebody else has that."""
    with Serving(port=None if answers(8000) else 8000) as served:
        script = SCRIPT.replace("localhost:8000", f"localhost:{served.port}") + "print(run_id, status)"

        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)

        assert done.returncode == 0, done.stderr
        run_id, status = done.stdout.split()
        assert status == "succeeded"
        assert served.ask("GET", f"/runs/{run_id}").json()["status"] == "succeeded"


def test_a_workflow_that_never_ran_is_idle_and_without_tasks_succeeds_at_once():
    with Serving() as served:
        made = served.ask("POST", "/workflows", json={"name": "My Workflow", "description": "Test workflow"})
        workflow = made.json()["id"]
        before = served.ask("GET", f"/workflows/{workflow}/status").json()

        started = served.ask("POST", f"/workflows/{workflow}/run")

        assert made.status_code == 201
        assert made.headers["Location"] == f"/workflows/{workflow}"
        assert before == {"status": "idle", "run_id": None, "started_at": None, "finished_at": None, "error": None}
        assert started.status_code == 202
        assert started.json()["status"] == "succeeded"
        after = served.ask("GET", f"/v1/workflows/{workflow}/status").json()
        assert after["run_id"] == started.json()["run_id"]
        assert after["status"] == "succeeded"
        assert after["started_at"] <= after["finished_at"]


def test_what_was_made_over_rest_is_there_after_a_restart_and_in_every_process():
    with Serving() as first:
        workflow = first.workflow(description="kept")
        with Serving(at=first.folder) as second:
            seen_by_the_other = requests.get(f"{second.url}/workflows/{workflow}", timeout=10).json()["description"]
        ended = first.end()
        with Serving(at=first.folder) as again:
            seen_after_the_restart = again.ask("GET", f"/workflows/{workflow}").json()["description"]

    assert seen_by_the_other == "kept"
    assert ended == 0
    assert seen_after_the_restart == "kept"
