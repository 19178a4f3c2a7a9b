"""WSDLs and messages of other projects: what loads, what is sent, what is read."""

import ast
import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from lxml import etree

from drawbar.connectors.soap import Bound, Service, Settings
from drawbar.connectors.soap_xml import local, parse
from drawbar.core.errors import ConfigError
from drawbar.core.values import to_json

NOT_YET = {
    "SetResource": "its answer's element SetResourceResponse is declared nowhere, and zeep drops the operation",
}
LIVE = {
    "gsoap_calc_rpcenc.wsdl": {"add", "sub", "mul", "div"},
    "node_doclit.wsdl": {"add", "div", "listItems"},
    "php_rpcenc.wsdl": {"add", "div", "echoStruct", "listItems"},
}


def expected(kit: Path) -> dict[Path, set[str]]:
    """Read from the manifest which operations each WSDL has."""
    found = {kit / "soap" / "live" / name: names for name, names in LIVE.items()}
    for line in (kit / "MANIFEST.md").read_text().splitlines():
        if match := re.match(r"\| (soap/\S+\.wsdl) \|.*operations: (\[[^]]*\])", line):
            found[kit / match[1]] = set(ast.literal_eval(match[2]))
    return found


def case(file: Path) -> str:
    return file.parent.name.split("__")[0]


def first(file: Path) -> Bound:
    service = Service(Settings(wsdl=str(file)))
    return service.bound(service.contract.operations[0])


def test_every_wsdl_gives_its_operations_and_valid_schemas(kit: Path) -> None:
    files = expected(kit)
    assert set(files) == set((kit / "soap").rglob("*.wsdl"))

    for file, names in files.items():
        if case(file) in NOT_YET:
            continue
        service = Service(Settings(wsdl=str(file)))
        assert {operation.name for operation in service.contract.operations} == names, file
        assert not service.contract.skipped, file
        for operation in service.contract.operations:
            bound = service.bound(operation)
            jsonschema_rs.meta.validate(bound.input_schema())
            jsonschema_rs.meta.validate(bound.output_schema())


def test_what_cannot_be_loaded_yet_says_why(kit: Path) -> None:
    (file,) = (kit / "soap").rglob("SetResource__*/soap.wsdl")

    with pytest.raises(ConfigError, match="SetResourceResponse"):
        Service(Settings(wsdl=str(file)))


def tree(node: Any) -> Any:
    return node.tag, (node.text or "").strip(), sorted(node.items()), [tree(child) for child in node]


def body(envelope: bytes) -> Any:
    return [tree(child) for child in next(each for each in parse(envelope) if local(each.tag) == "Body")]


SENT = ["GetAccountXml", "GetNodes", "addPrefix", "execFile"]
"""The cases whose arguments fit their own WSDL; the others misspell a name or leave out what is required."""


@pytest.mark.parametrize("name", SENT)
def test_the_same_envelope_is_sent_as_by_node_soap(kit: Path, name: str) -> None:
    for folder in (kit / "soap" / "node-soap").glob(f"{name}__*"):
        # Given
        arguments = json.loads((folder / "request.json").read_text())

        # When
        envelope = first(folder / "soap.wsdl").envelope(arguments)

        # Then
        assert body(envelope.encode()) == body((folder / "request.xml").read_bytes()), folder.name


READ: dict[str, Any] = {
    "GetNodes": {
        "GetNodesResult": {
            "Name": "Parent",
            "Children": {
                "Node": [{"Name": "Child1", "Children": {"Node": []}}, {"Name": "Child2", "Children": {"Node": []}}]
            },
        }
    },
    "getMessage": {"message": {"exported": False}},
    "addPrefix": {"ResultCode": "0", "ResultDesc": "test dest"},
    "Message": {"return": "-1", "bstrError": "1"},
}


@pytest.mark.parametrize("name", READ)
def test_an_answer_is_read_with_nothing_lost(kit: Path, name: str) -> None:
    for folder in (kit / "soap" / "node-soap").glob(f"{name}__*"):
        # Given
        bound = first(folder / "soap.wsdl")
        envelope = parse((folder / "response.xml").read_bytes())

        # When
        assert bound._read is not None
        answer = bound._read(next(each for each in envelope if local(each.tag) == "Body"))

        # Then
        assert to_json(answer) == READ[name], folder.name


def test_xml_without_a_schema_comes_through_whole(kit: Path) -> None:
    # Given
    (folder,) = (kit / "soap" / "node-soap").glob("GetAccountXml__*")
    bound = first(folder / "soap.wsdl")
    envelope = parse((folder / "response.xml").read_bytes())

    # When
    assert bound._read is not None
    answer = bound._read(next(each for each in envelope if local(each.tag) == "Body"))

    # Then
    kept = etree.fromstring(answer["AccountXml"]["_any"])
    assert kept[0].get("CurrentUnifiedProductID") == "70761"
    assert [local(each.tag) for each in kept.iter()] == ["Foo", "Foo", "Tree", "FilteredTransitions"]


def test_zeep_reads_what_we_write_and_the_other_way_round(kit: Path) -> None:
    """zeep is the oracle: same message in, same message out."""
    # Given
    import zeep

    file = kit / "soap" / "live" / "node_doclit.wsdl"
    theirs = zeep.Client(str(file))
    service = Service(Settings(wsdl=str(file)))
    ours = {operation.name: service.bound(operation) for operation in service.contract.operations}

    # Then
    for name, arguments in (("add", {"a": 1.5, "b": -2.25}), ("listItems", {"n": 3})):
        message = etree.tostring(theirs.create_message(theirs.service, name, **arguments))
        assert body(message) == body(ours[name].envelope(arguments).encode())
    rows = "".join(f"<item><id>{n}</id><name>n &amp; {n}</name><price>{n}.5</price></item>" for n in range(50))
    answer = parse(f'<b><listItemsResponse xmlns="urn:d">{rows}</listItemsResponse></b>'.encode())
    assert ours["listItems"]._read is not None
    got = ours["listItems"]._read(answer)
    operation = theirs.service._binding.get("listItems")
    want = operation.output.body.parse(answer[0], theirs.wsdl.types)
    assert got["item"] == [{"id": each.id, "name": each.name, "price": each.price} for each in want.item]
