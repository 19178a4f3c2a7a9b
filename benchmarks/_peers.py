"""Peers that are no dependency of ours: each in a virtual environment of its own under .benchmarks/."""

import subprocess
import sys
import venv
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / ".benchmarks"


def python_with(name: str, *packages: str) -> str:
    """Give the interpreter of the environment `name`, made and filled when it is not there."""
    folder = FOLDER / name
    python = folder / "bin" / "python"
    wanted = "\n".join(packages)
    filled = folder / "packages.txt"
    if not filled.exists() or filled.read_text() != wanted:
        print(f"installing {', '.join(packages)} into .benchmarks/{name} ...", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True, stdout=sys.stderr)
        filled.write_text(wanted)
    return str(python)
