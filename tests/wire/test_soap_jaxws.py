"""JAX-WS, whose services refer to attachments (SwA) or include them (MTOM): what goes beside an envelope comes back as it was."""

import base64
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from servers.drawbar import Serving
from servers.process import MissingServer
from servers.soap_jaxws import SoapJaxws

from drawbar.adapters.soap import SoapAdapter, SoapConfig
from drawbar.core.adapter import Place
from drawbar.core.errors import InputError
from drawbar.core.schema import Checker
from drawbar.core.tool import Call

pytestmark = pytest.mark.slow
WAYS = ("mtom", "mime", "swa")
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


def test_parts_that_the_wsdl_binds_to_mime_parts_go_and_come(jaxws: SoapJaxws, tmp_path: Path) -> None:
    """By zeep's reading and by our own; the server hears the type that its contract names."""
    for _ in range(2):
        answer = call(jaxws, tmp_path, "mime", "mirror", {"note": "höher", "photo": PHOTO})
        assert answer == {"said": "höher: image/jpeg", "copy": PHOTO}

    with pytest.raises(InputError, match="photo"):
        call(jaxws, tmp_path, "mime", "mirror", {"note": "none"})


def test_large_attachments_of_a_run_are_claims_and_go_out_whole(jaxws: SoapJaxws, tmp_path: Path) -> None:
    """What came by MTOM, by reference and as a MIME part is kept aside, given by its claim, and sent on by the next task."""
    raw = os.urandom(700_000)
    large = base64.b64encode(raw).decode()
    kinds = {name: {"kind": "soap", "wsdl": f"{jaxws.url}/{name}?wsdl", "effects": {"mirror": "read"}} for name in WAYS}
    kinds["mtom"]["attachments"] = {"mtom": True}
    photo = {"content": "${{ tasks.mime.output.copy }}", "name": "x"}
    tasks = {
        "mtom": {"tool": "mtom.mirror", "with": {"photo": "${{ input.photo }}"}},
        "mime": {
            "tool": "mime.mirror",
            "needs": ["mtom"],
            "with": {"note": "n", "photo": "${{ tasks.mtom.output.photo }}"},
        },
        "swa": {"tool": "swa.mirror", "needs": ["mime"], "with": {"photo": photo}},
    }
    workflow = {"tasks": tasks, "output": "${{ tasks.swa.output.photo.content }}"}
    landscape = {"version": 1, "claims": {"over_bytes": 4096}, "adapters": kinds, "workflows": {"pass_on": workflow}}

    with Serving(json.dumps(landscape)) as serving:
        answer = requests.post(
            f"{serving.url}/workflows/pass_on/run?wait_s=30", json={"input": {"photo": large}}, timeout=60
        )
        run = requests.get(f"{serving.url}/runs/{answer.json()['run_id']}", timeout=10).json()
        outputs = requests.get(f"{serving.url}/runs/{answer.json()['run_id']}/tasks", timeout=10).json()
        whole = requests.get(f"{serving.url}/v1/claims/{run['output']['claim']}", timeout=30)

    assert run["status"] == "succeeded" and "claim" in run["input"]
    assert all("claim" in each["output"] for each in outputs["items"])
    assert whole.content == raw


def test_decimals_are_exact(jaxws: SoapJaxws, tmp_path: Path) -> None:
    answer = call(jaxws, tmp_path, "swa", "halves", {"of": {"item": ["0.02", "12345678901234567890.10"]}})

    assert [str(each) for each in answer["result"]["item"]] == ["0.01", "6172839450617283945.05"]
