"""spyne checks what we send against its own schema and gives it back: nothing may be lost on the way."""

import os
import time
from collections.abc import Iterator
from typing import Any

import pytest
from servers.process import MissingServer
from servers.soap_spyne import SoapSpyne

from drawbar.adapters.soap import SoapAdapter, SoapConfig
from drawbar.core.adapter import Place
from drawbar.core.errors import InputError, Rejected
from drawbar.core.schema import Checker
from drawbar.core.tool import Call, Tool
from drawbar.core.values import to_json


@pytest.fixture(scope="module", params=["1.1", "1.2"])
def tools(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Tool]]:
    try:
        server = SoapSpyne(request.param)
    except MissingServer as missing:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(str(missing))
    with server:
        folder = tmp_path_factory.mktemp("spyne")
        config = SoapConfig.model_validate({"kind": "soap", "wsdl": server.wsdl})
        adapter = SoapAdapter("calc", config, Place(folder, folder))
        yield {tool.name: tool for tool in adapter.tools()}
        adapter.close()


def call(tool: Tool, **given: Any) -> Any:
    arguments = Checker.of(tool.input_schema).arguments(given, outside=False)
    answer = tool.run(arguments, Call("1", "test", time.monotonic() + 20))
    assert Checker.of(tool.output_schema).deviation(answer) is None
    return to_json(answer)


ITEMS: list[dict[str, Any]] = [
    {"id": "9223372036854775807", "price": "1234567890123456.7890"},
    {"id": "-1", "price": "0.0001", "day": "2026-02-28", "at": "2026-11-23T04:05:06.123456+01:00"},
    {"id": "0", "price": "1", "colour": "RED", "lasts": "P1DT7200S", "unit": "<&\"'>"},
    {"id": "0", "price": "1", "raw": "AAH/", "tags": ["a & b", "é€𝄞", ""]},
    {"id": "0", "price": "1", "day": None, "colour": None, "tags": ["x", None]},
]


@pytest.mark.parametrize("item", ITEMS, ids=[str(list(item)[2:]) for item in ITEMS])
def test_what_is_sent_comes_back_as_it_was(tools: dict[str, Tool], item: dict[str, Any]) -> None:
    answer = call(tools["mirror"], item=item)["mirrorResult"]

    known = {name: value for name, value in answer.items() if value not in (None, [])}
    assert known == {name: value for name, value in item.items() if value not in (None, [])}


def test_a_list_comes_back_in_its_order(tools: dict[str, Tool]) -> None:
    given = [{"id": str(number), "price": f"{number}.5"} for number in range(200)]

    answer = call(tools["mirrors"], items={"Item": given})["mirrorsResult"]["Item"]

    assert [(one["id"], one["price"]) for one in answer] == [(one["id"], one["price"]) for one in given]


def test_what_its_schema_refuses_does_not_leave(tools: dict[str, Tool]) -> None:
    for name, given in (
        ("checked", {"n": 11}),
        ("mirror", {"item": {"id": 1, "price": "1", "colour": "GREEN"}}),
        ("mirror", {"item": {"id": 1, "price": "1", "tags": ["longer"]}}),
        ("mirror", {"item": {"id": 1, "price": "1.23456"}}),
        ("mirror", {"item": {"id": 1, "price": "1", "other": 1}}),
    ):
        with pytest.raises(InputError):
            call(tools[name], **given)


def test_a_fault_gives_the_services_own_code(tools: dict[str, Tool]) -> None:
    with pytest.raises(Rejected, match="it said no") as refused:
        call(tools["refuse"], code="E7")

    assert refused.value.detail["code"] == "E7"
