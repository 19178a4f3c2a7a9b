"""gSOAP in every style that it speaks: the same operations, the same values, whatever the envelope looks like."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from servers.process import MissingServer
from servers.soap_gsoap import SoapGsoap

from drawbar.adapters.soap import SoapAdapter, SoapConfig
from drawbar.core.adapter import Place
from drawbar.core.errors import Rejected
from drawbar.core.schema import Checker
from drawbar.core.tool import Call

STYLES = [
    pytest.param(("rpc/encoded", "1.1"), id="rpc/encoded 1.1"),
    pytest.param(("rpc/encoded", "1.2"), id="rpc/encoded 1.2", marks=pytest.mark.slow),
    pytest.param(("rpc/literal", "1.1"), id="rpc/literal 1.1"),
    pytest.param(("document/literal", "1.1"), id="document/literal 1.1", marks=pytest.mark.slow),
    pytest.param(("document/literal", "1.2"), id="document/literal 1.2"),
]


CORRECTIONS = [
    {"at": f"//wsdl:part[@element='c:{name}']", "set": {"element": None, "type": kind}}
    for name, kind in {
        "result": "xsd:double",
        "text": "xsd:string",
        "photo": "xsd:base64Binary",
        "items": "c:ArrayOfItem",
    }.items()
]
"""gSOAP's own contract for rpc/literal names elements that it does not declare, where types belong."""


class Calc:
    """The tools of one calculator, called as the guard calls them, each answer held against its schema."""

    def __init__(self, server: SoapGsoap, folder: Path, **said: Any) -> None:
        self.server = server
        if server.style == "rpc/literal":
            said["overlay"] = CORRECTIONS
        config = SoapConfig.model_validate({"kind": "soap", "wsdl": str(server.wsdl_file), **said})
        self.adapter = SoapAdapter("calc", config, Place(folder, folder))
        self.tools = {tool.name: tool for tool in self.adapter.tools()}

    def __call__(self, name: str, **given: Any) -> Any:
        tool = self.tools[name]
        arguments = Checker.of(tool.input_schema).arguments(given, outside=False)
        answer = tool.run(arguments, Call("1", "test", time.monotonic() + 20))
        assert Checker.of(tool.output_schema).deviation(answer) is None
        return answer


def made(style: Any, version: Any, **options: Any) -> SoapGsoap:
    """Make a server; where gSOAP is not installed the test is skipped, and fails under CI=true."""
    try:
        return SoapGsoap(style, version, **options)
    except MissingServer as missing:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(str(missing))


@pytest.fixture(scope="module", params=STYLES)
def calc(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calc]:
    with made(*request.param) as server:
        yield Calc(server, tmp_path_factory.mktemp("calc"))


ITEMS = [
    {"id": 0, "price": 0.0, "colour": "BLUE"},
    {"id": 1, "name": "a & <b> é", "price": 0.5, "colour": "RED"},
    {"id": 2, "price": 1.0, "colour": "BLUE"},
]


def items(calc: Calc, given: list[Any]) -> Any:
    """Give a list as the style's contract has it: encoded arrays are lists, literal ones objects that hold a list."""
    return given if calc.server.style == "rpc/encoded" else {"ITEM": given}


def test_numbers_and_text_come_back(calc: Calc) -> None:
    assert calc("add", a=0.1, b=2e300) == {"result": 2e300}
    assert calc("echo", text='x & <y> "é"\n') == {"text": 'x & <y> "é"\n'}
    assert calc.tools["add"].description == "Add two numbers."


def test_a_list_of_structures_goes_and_comes(calc: Calc) -> None:
    answer = calc("list", n=3)
    assert answer == {"items": items(calc, ITEMS)}
    assert calc("list", n=0) == {"items": items(calc, [])}
    assert calc("total", items=items(calc, ITEMS)) == {"result": 1.5}


def test_a_fault_has_its_typed_detail(calc: Calc) -> None:
    with pytest.raises(Rejected, match="Division by zero") as refused:
        calc("div", a=1, b=0)

    assert refused.value.detail["code"] == "E42"
    assert refused.value.detail["detail"] == {"code": "E42", "line": 7}


def test_an_operation_without_an_answer_returns_when_it_was_taken(calc: Calc) -> None:
    assert calc("note", text="one way") == {}
    assert calc.server.said()[-1] == "one way"


def test_binary_values_stay_as_they_are(calc: Calc) -> None:
    photo = bytes(range(256)) * 10
    assert calc("mirror", photo=photo) == {"photo": photo}


def test_a_header_goes_out_by_expression_and_comes_back(calc: Calc, tmp_path: Path) -> None:
    # Given
    tenant = Calc(calc.server, tmp_path, headers={"Tenant": "${{ arguments.text }}-${{ caller.name }}"})

    # Then
    assert tenant("echo", text="x") == {"text": "x", "_headers": {"Tenant": "x-test"}}
    assert calc("echo", text="x", _headers={"Tenant": "a & b"}) == {"text": "x", "_headers": {"Tenant": "a & b"}}


@pytest.mark.parametrize("version", [pytest.param("1.1", marks=pytest.mark.slow), "1.2"])
def test_binary_values_travel_beside_the_envelope(tmp_path: Path, version: Any) -> None:
    with made("document/literal", version, mtom=True) as server:
        beside = Calc(server, tmp_path, attachments={"mtom": True, "over_bytes": 10})
        inside = Calc(server, tmp_path)
        photo = b"\r\n--\x00" + bytes(range(256)) * 300

        assert beside("mirror", photo=photo) == {"photo": photo}
        assert inside("mirror", photo=photo) == {"photo": photo}
        assert beside("mirror", photo=b"small") == {"photo": b"small"}
