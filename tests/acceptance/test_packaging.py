"""What users install: the root folder as the package `drawbar`, whole, and nothing beside it."""

import configparser
import re
import shutil
import subprocess
import sys
import zipfile
from fnmatch import fnmatch
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from servers.process import ROOT

BESIDE = {"tests", "examples", "benchmarks", "docs"}


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False, **options)
    assert done.returncode == 0, f"{command}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


def files_of_the_checkout():
    """List what git would commit, so that no cache and no other environment counts."""
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT).splitlines()
    return [name for name in listed if (ROOT / name).is_file()]


def belongs_to_the_package(name):
    top, *rest = Path(name).parts
    if rest:
        return not top.startswith(".") and top not in BESIDE
    return top.endswith(".py") or top == "py.typed"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build a clean copy, first the sdist and from it the wheel; answer the wheel and the copy's files."""
    copy, out = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("dist")
    names = files_of_the_checkout()
    for name in names:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    run(sys.executable, "-m", "build", "--outdir", str(out), str(copy))
    (wheel,) = out.glob("*.whl")
    return wheel, names


@pytest.mark.slow
def test_the_wheel_is_the_folders_and_nothing_else(built):
    wheel, copied = built
    names = {name for name in zipfile.ZipFile(wheel).namelist() if not name.endswith("/")}

    shipped = {name for name in names if ".dist-info/" not in name}

    expected = {f"drawbar/{name}" for name in copied if belongs_to_the_package(name)}
    assert shipped == expected
    assert {name.split("/")[0] for name in names} == {
        "drawbar",
        *{n.split("/")[0] for n in names if ".dist-info/" in n},
    }


@pytest.mark.slow
def test_an_installed_wheel_runs_from_anywhere(built, tmp_path):
    run(sys.executable, "-m", "venv", str(tmp_path / "venv"))
    python, elsewhere = tmp_path / "venv/bin/python", tmp_path / "elsewhere"
    elsewhere.mkdir()
    run(str(python), "-m", "pip", "install", "--quiet", f"{built[0]}[all]")

    version = run(str(tmp_path / "venv/bin/drawbar"), "--version", cwd=elsewhere)

    import drawbar

    assert drawbar.__version__ in version
    where = run(str(python), "-c", "import drawbar.core; print(drawbar.core.__file__)", cwd=elsewhere)
    assert where.startswith(str(tmp_path / "venv"))
    found = run(
        str(python),
        "-c",
        "import importlib.util as u; print(u.find_spec('core'), u.find_spec('config'))",
        cwd=elsewhere,
    )
    assert found.split() == ["None", "None"]
    assert "PROVED" in run(str(tmp_path / "venv/bin/drawbar"), "demo", cwd=elsewhere).splitlines()[-1]


def test_the_lock_has_what_the_metadata_asks_for():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lists = [setup["options"]["install_requires"], *setup["options.extras_require"].values()]
    asked = [Requirement(line) for text in lists for line in text.split("\n") if line.strip()]
    pins = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", (ROOT / "requirements-dev.lock").read_text(), re.MULTILINE)
    locked = {canonicalize_name(name): version for name, version in pins}

    wrong = [
        str(one)
        for one in asked
        if one.name != "drawbar" and not one.specifier.contains(locked.get(canonicalize_name(one.name), "0"))
    ]

    assert wrong == [], "make lock refreshes requirements-dev.lock"


def test_the_image_leaves_out_nothing_that_it_is_built_from():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    packages = {name.split(".")[1] for name in setup["options"]["packages"].split() if "." in name}
    needed = {*packages, "setup.cfg", "pyproject.toml", "README.md", "LICENSE", "py.typed", "__init__.py"}

    ignored = (ROOT / "examples" / "deploy" / "Containerfile.dockerignore").read_text().splitlines()

    assert all((ROOT / name).exists() for name in needed)
    assert not [name for name in needed for pattern in ignored if fnmatch(name, pattern)]
    assert {".git", ".venv"} < set(ignored)
