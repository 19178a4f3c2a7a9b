"""JAX-WS, whose services refer to attachments (SwA) or include them (MTOM): what goes beside an envelope comes back as it was."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from servers.process import MissingServer
from servers.soap_jaxws import SoapJaxws

from drawbar.adapters.soap import SoapAdapter, SoapConfig
from drawbar.core.adapter import Place
from drawbar.core.schema import Checker
from drawbar.core.tool import Call

pytestmark = pytest.mark.slow
PHOTO = b"\r\n--\x00" + bytes(range(256)) * 300


@pytest.fixture(scope="module")
def jaxws() -> Iterator[SoapJaxws]:
    try:
        server = SoapJaxws()
    except MissingServer as missing:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(str(missing))
    with server:
        yield server


def call(jaxws: SoapJaxws, folder: Path, path: str, name: str, given: dict[str, Any], **said: Any) -> Any:
    """Call as the guard does; the answer fits its schema."""
    config = SoapConfig.model_validate({"kind": "soap", "wsdl": f"{jaxws.url}/{path}?wsdl", **said})
    tools = {tool.name: tool for tool in SoapAdapter("calc", config, Place(folder, folder)).tools()}
    arguments = Checker.of(tools[name].input_schema).arguments(given, outside=False)
    answer = tools[name].run(arguments, Call("1", "test", time.monotonic() + 20))
    assert Checker.of(tools[name].output_schema).deviation(answer) is None
    return answer


def test_an_attachment_that_is_referred_to_goes_and_comes(jaxws: SoapJaxws, tmp_path: Path) -> None:
    photo = {"content": PHOTO, "name": "a.bin"}

    assert call(jaxws, tmp_path, "swa", "mirror", {"photo": photo}) == {"photo": photo}
    assert call(jaxws, tmp_path, "swa", "mirror", {"photo": {"name": "none"}}) == {"photo": {"name": "none"}}


@pytest.mark.parametrize("said", [{}, {"attachments": {"mtom": True, "over_bytes": 10}}], ids=["inside", "beside"])
def test_binary_values_travel_by_mtom(jaxws: SoapJaxws, tmp_path: Path, said: dict[str, Any]) -> None:
    assert call(jaxws, tmp_path, "mtom", "mirror", {"photo": PHOTO}, **said) == {"photo": PHOTO}


def test_decimals_are_exact(jaxws: SoapJaxws, tmp_path: Path) -> None:
    answer = call(jaxws, tmp_path, "swa", "halves", {"of": {"item": ["0.02", "12345678901234567890.10"]}})

    assert [str(each) for each in answer["result"]["item"]] == ["0.01", "6172839450617283945.05"]
