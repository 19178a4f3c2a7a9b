"""A service whose output nobody reads any more (a closed pipe) goes on, and ends when it is told to."""

import os
import signal
from pathlib import Path

import pytest
from servers import warm
from servers.process import descendants
from waiting import eventually


@pytest.fixture
def service(request, tmp_path):
    (tmp_path / "drawbar.yaml").write_text("adapters: {}\n")
    read, write = os.pipe()
    with os.fdopen(read, "rb") as heard:
        with os.fdopen(write, "wb") as said:
            process = warm.start(request.param, cwd=tmp_path, env=dict(os.environ), stdout=said, stderr=said)
        for line in heard:  # until it says that it is ready
            if b"http://" in line or b"Drawbar works" in line:
                break
    yield process
    process.kill()


SERVE = ["serve", "--port", "0"]
ALL = pytest.mark.parametrize("service", [SERVE, [*SERVE, "--workers", "2"], ["worker"]], indirect=True)


@ALL
def test_it_ends_when_it_is_told_to(service):
    assert service.poll() is None

    service.send_signal(signal.SIGTERM)

    assert service.wait(60) == 0


@pytest.mark.parametrize("service", [[*SERVE, "--workers", "2"]], indirect=True)
def test_children_end_with_a_parent_that_is_killed(service):
    below = list(descendants(service.pid))
    assert len(below) == 2

    service.kill()

    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in below))
