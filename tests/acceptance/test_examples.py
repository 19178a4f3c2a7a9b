"""Each folder of examples/ does what its README says, on a copy, with its package on the path and not in the environment."""

import os
import shutil
import subprocess
import sys
from operator import attrgetter
from pathlib import Path

import pytest
from servers.process import ROOT

EXAMPLES = sorted(folder for folder in (ROOT / "examples").iterdir() if (folder / "README.md").exists())
NAME = attrgetter("name")


def run(*command, cwd, **environment):
    """Run a command beside an example; answer what it said."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, "NO_COLOR": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout[-5000:]}"
    return done.stdout


@pytest.fixture
def example(request, tmp_path):
    """A copy of an example, and the environment in which it is installed: pip leaves its build beside the sources."""
    copy, library = tmp_path / request.param.name, tmp_path / "library"
    shutil.copytree(request.param, copy, ignore=shutil.ignore_patterns("__pycache__", "*.db*", "build", "*.egg-info"))
    if (copy / "setup.cfg").exists():
        pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps")
        run(*pip, "--target", str(library), str(copy), cwd=tmp_path)
    return copy, {"PYTHONPATH": str(library)}


@pytest.mark.parametrize("example", EXAMPLES, ids=NAME, indirect=True)
def test_an_example_passes_its_own_tests_and_its_configuration_is_valid(example):
    folder, environment = example
    tests, configuration = list(folder.glob("test_*.py")), folder / "drawbar.yaml"

    if tests:
        said = run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=folder, **environment)
        assert " passed" in said
        assert "skipped" not in said
    if configuration.exists():
        run(sys.executable, "-m", "drawbar", "validate", "--offline", cwd=folder, **environment)

    assert tests or configuration.exists() or (folder / "story.sh").exists(), "an example shows something that runs"


@pytest.mark.slow
@pytest.mark.parametrize("example", [e for e in EXAMPLES if (e / "story.sh").exists()], ids=NAME, indirect=True)
def test_an_example_tells_its_story(example):
    folder, environment = example
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

    run("bash", "-euo", "pipefail", "story.sh", cwd=folder, PATH=path, **environment)
