"""The suite for adapters finds what is wrong with one: a good one is in examples/adapter."""

import os
import re
import subprocess
import sys

BAD = '''
"""An adapter with the mistakes of a first day."""

import socket
from decimal import Decimal
from fractions import Fraction

import paramiko
from pydantic import BaseModel, ConfigDict

from drawbar.core.adapter import Adapter, AdapterConfig, Finding
from drawbar.core.errors import DrawbarError, InputError, Rejected
from drawbar.core.tool import Call, Tool, tool


class Place(BaseModel):
    name: str = ""


class BadConfig(AdapterConfig):
    model_config = ConfigDict(extra="ignore")
    host: str
    port: int
    password: str
    place: Place = Place()


class BadAdapter(Adapter[BadConfig]):
    kind = "bad"
    Config = BadConfig

    def __init__(self, name, config, place):
        super().__init__(name, config, place)
        self.closed = False
        self.calls = 0
        socket.socket().connect_ex((config.host, config.port))

    @classmethod
    def tool_names(cls, config):
        return {"read", "forgotten"}

    def tools(self):
        form = {"type": "object", "properties": {"name": {"type": "string"}}}
        yield Tool("read it", "", "reed", {**form, "required": ["nam"]}, {"type": "strin"}, self.run)
        yield Tool("look", "Look.", "read", form, {"type": "array"}, self.run, lambda arguments: {}["x"])

    def run(self, arguments, call):
        if self.config.port != 9 or arguments["name"] != "one":
            raise OSError(f"cannot log in with {self.config.password}")
        return {"half": Fraction(1, 2)}

    def check(self, *, write=False):
        yield Finding("connect", ok=False)

    def close(self):
        if self.closed:
            raise RuntimeError("closed already")
        self.closed = True
'''
TEST = """
from bad import BadAdapter
from drawbar.testing import conformance

GIVEN = {"host": "127.0.0.1", "password": "hunter2-hunter2", "tools": {
    "read it": {"examples": [{"arguments": {}}]}, "look": {"examples": [{"arguments": {"name": "one"}}]}, "reed": {}}}
TestBad = conformance(BadAdapter, config={**GIVEN, "port": 9}, dead={**GIVEN, "port": 1}, needs=("paramiko",))
"""


SAID = {
    "found_by_its_kind": "there is no adapter of kind 'bad'",
    "refuses_unknown_keys": "subclass drawbar.core.strict.Strict",
    "has_a_description": "Place.name has no description",
    "secrets_are_hidden": "BadConfig.password should be a SecretStr",
    "created_without_a_wire": "creating the adapter opened a connection",
    "imports_without_its_wire_library": "import of paramiko halted",
    "legal_names": "'read it' is no legal name",
    "json_schemas": "the output schema of read it",
    "known_without_a_wire": "forgotten",
    "tools_that_are_there": "names ['reed']",
    "examples_fit": "an example of read it: arguments",
    "what_its_output_schema_says": "answer.half is a Fraction, no plain value",
    "two_threads": "the answer is not what the output schema says",
    "strange_arguments": "look with {'name': ''}: OSError left the adapter",
    "preview": "preview of look: KeyError left the adapter",
    "passes_its_check": "what was found, and what to do about it?",
    "closing_twice": "closed already",
    "away_is_unavailable": "instead of Unavailable",
    "explains_a_system_that_is_away": "what was found, and what to do about it?",
    "never_answers": "instead of Unavailable or OutcomeUnknown",
}


def test_every_mistake_of_a_bad_adapter_is_found_by_name(tmp_path):
    (tmp_path / "bad.py").write_text(BAD)
    (tmp_path / "test_bad.py").write_text(TEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "--import-mode=importlib"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    reports = dict(
        re.findall(r"^_+ TestBad\.(\w+) _+\n(.*?)(?=^_+ TestBad|^=+ )", done.stdout, re.MULTILINE | re.DOTALL)
    )
    assert "passed" not in done.stdout.splitlines()[-1]
    assert len(reports) == len(SAID), done.stdout[-3000:]
    for words, said in SAID.items():
        (report,) = [text for name, text in reports.items() if words in name]
        assert said in report


def test_stand_ins_need_no_pytest():
    code = (
        "import sys; sys.modules['pytest'] = None; import drawbar.testing, drawbar.testing.soap, drawbar.testing.sftp"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stderr
