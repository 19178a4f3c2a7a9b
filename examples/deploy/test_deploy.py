"""The units do what their comments say: their commands, run as systemd runs them."""

import configparser
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from drawbar.config.load import load

HERE = Path(__file__).parent
UNITS = ["drawbar.service", "drawbar-worker@.service"]


def service(name):
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str
    unit.read(HERE / name)
    return unit["Service"]


def command(line):
    words = shlex.split(line.replace("/etc/drawbar", str(HERE / "drawbar.yaml")).replace("%i", "default"))
    assert words[0] == "/opt/drawbar/bin/drawbar"
    return [sys.executable, "-m", "drawbar", *words[1:]]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as opened:
        return opened.getsockname()[1]


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_starts_reloads_and_drains(name, tmp_path):
    unit, port = service(name), free_port()
    environ = {**os.environ, "DRAWBAR_STATE": f"sqlite:///{tmp_path}/drawbar.db"}
    subprocess.run(command(unit["ExecStartPre"]), env=environ, cwd=tmp_path, check=True, timeout=60)
    more = ["--port", str(port)] if "serve" in unit["ExecStart"] else []
    log = tmp_path / "log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [*command(unit["ExecStart"]), *more], env=environ, cwd=tmp_path, stdout=out, stderr=subprocess.STDOUT
        )
    try:
        until(lambda: re.search(r"Drawbar (answers|works)", log.read_text()), log)
        if more:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=10) as answer:
                assert answer.status == 200
        assert unit["ExecReload"] == "/bin/kill -HUP $MAINPID"
        process.send_signal(signal.SIGHUP)
        until(lambda: "config.reloaded" in log.read_text(), log)
        process.send_signal(getattr(signal, unit["KillSignal"]))
        assert process.wait(int(unit["TimeoutStopSec"])) == 0
    finally:
        process.kill()


def until(is_so, log):
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.05)


@pytest.mark.parametrize("name", UNITS)
def test_systemd_knows_every_line_of_a_unit(name, tmp_path):
    analyze = shutil.which("systemd-analyze")
    if analyze is None:  # then the other tests alone speak for it
        return
    text = (HERE / name).read_text().replace("/opt/drawbar/bin/drawbar", "/bin/true")
    path = tmp_path / name.replace("@", "@default")
    path.write_text(text)
    done = subprocess.run([analyze, "verify", str(path)], capture_output=True, text=True, timeout=60, check=False)
    assert f"{path.name}:" not in done.stderr, done.stderr
    assert "Unknown" not in done.stderr, done.stderr


def test_the_state_lies_where_a_service_and_an_image_may_write(monkeypatch):
    """Relative paths start from the configuration's folder: /etc, which systemd and `-v ./etc:/etc/drawbar:ro` keep from writing."""
    monkeypatch.delenv("DRAWBAR_STATE", raising=False)
    state = load(HERE / "drawbar.yaml").state

    place = re.fullmatch(r"sqlite:///(/.+)/drawbar\.db", state)[1]

    assert place == "/var/lib/" + service("drawbar.service")["StateDirectory"]
    assert f"VOLUME {place}\n" in (HERE / "Containerfile").read_text()


def test_the_image_starts_what_exists():
    text = (HERE / "Containerfile").read_text()

    assert re.search(r'ENTRYPOINT \["drawbar"\]', text)
    words = re.findall(r'"([^"]+)"', re.search(r"^CMD \[(.+)\]$", text, re.MULTILINE)[1])
    done = subprocess.run(
        [sys.executable, "-m", "drawbar", words[0], "--help"], capture_output=True, text=True, timeout=60, check=True
    )
    assert words[1] in done.stdout
