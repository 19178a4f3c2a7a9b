"""WSDLs and messages of other projects: what loads, what is sent, what is read."""

import ast
import json
import re
import time
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from lxml import etree

from drawbar.connectors import soap_load
from drawbar.connectors.soap import Bound, Service, Settings
from drawbar.connectors.soap_documents import Documents
from drawbar.connectors.soap_http import Http
from drawbar.connectors.soap_xml import XSD, local, parse
from drawbar.core.schema import Checker
from drawbar.core.values import to_json

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
        service = Service(Settings(wsdl=str(file)))
        assert {operation.name for operation in service.contract.operations} == names, file
        assert not service.contract.skipped, file
        for operation in service.contract.operations:
            bound = service.bound(operation)
            jsonschema_rs.meta.validate(bound.input_schema())
            jsonschema_rs.meta.validate(bound.output_schema())


def test_what_zeep_leaves_out_is_read_all_the_same_and_said(kit: Path) -> None:
    """SetResource: its answer's element is declared nowhere, so zeep drops the operation."""
    (file,) = (kit / "soap").rglob("SetResource__*/soap.wsdl")

    contract = Service(Settings(wsdl=str(file))).contract

    assert [operation.name for operation in contract.operations] == ["SetResource"]
    assert "SetResourceResponse is declared nowhere" in " ".join(contract.notes)


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
        answer = bound.read(next(each for each in envelope if local(each.tag) == "Body"))

        # Then
        assert to_json(answer) == READ[name], folder.name


def test_xml_without_a_schema_comes_through_whole(kit: Path) -> None:
    # Given
    (folder,) = (kit / "soap" / "node-soap").glob("GetAccountXml__*")
    bound = first(folder / "soap.wsdl")
    envelope = parse((folder / "response.xml").read_bytes())

    # When
    answer = bound.read(next(each for each in envelope if local(each.tag) == "Body"))

    # Then
    kept = etree.fromstring(answer["AccountXml"]["_any"])
    assert kept[0].get("CurrentUnifiedProductID") == "70761"
    assert [local(each.tag) for each in kept.iter()] == ["Foo", "Foo", "Tree", "FilteredTransitions"]


OTHERWISE = {
    "DefaultNamespace": "zeep takes no arguments for a part of any type",
    "ResponseHeaders": "the same",
    "addPrefix": "zeep takes the namespace of a body that is outside of WSDL's input element",
    "nillableParameter": "zeep wants a bare value by its position",
    "testDocLitBare": "the same",
    "send_receive_any_type": "a choice: the sample has both alternatives",
}


SKIPPED = {"send_receive_any_type": "a choice: the sample has both alternatives"}


def sample(schema: dict[str, Any], root: dict[str, Any], depth: int = 0) -> Any:
    """Make something that fits a schema of ours; recursion ends after some rounds."""
    if "$ref" in schema:
        return None if depth > 4 else sample(root["$defs"][schema["$ref"].rpartition("/")[2]], root, depth + 1)
    if "anyOf" in schema or "enum" in schema:
        return schema["enum"][0] if "enum" in schema else sample(schema["anyOf"][0], root, depth)
    kind = schema["type"] if isinstance(schema["type"], str) else schema["type"][0]
    if kind == "object":
        made = {name: sample(one, root, depth + 1) for name, one in schema["properties"].items() if name != "_headers"}
        return {name: value for name, value in made.items() if value is not None}
    if kind == "array":
        item = sample(schema["items"], root, depth + 1)
        return [] if item is None else [item, item]
    if "contentEncoding" in schema:
        return "AAH/"
    text = {"decimal": "1.50", "integer": "7"}.get(schema.get("format", ""), "text & <x> é")
    return {"integer": 3, "number": 2.5, "boolean": True}.get(kind, text)


def without_types(trees: Any) -> Any:
    """Drop `xsi:type` and the encoding style, which literal messages may have or not."""
    return [
        (tag, text, [each for each in items if "XMLSchema-instance" not in each[0] and "encoding" not in each[0]], without_types(inner))
        for tag, text, items, inner in trees
    ]  # fmt: skip


def test_zeep_writes_the_same_for_every_operation_of_the_kit(kit: Path) -> None:
    """zeep is the oracle: same arguments in, same message out."""
    import zeep

    compared = 0
    for file in expected(kit):
        if case(file) == "SetResource" or file.name == "php_rpcenc.wsdl":  # zeep would ask the internet for its schema
            continue
        theirs = zeep.Client(str(file))
        service = Service(Settings(wsdl=str(file)))
        for operation in service.contract.operations:
            if operation.name in OTHERWISE:
                continue
            bound = service.bound(operation)
            schema = bound.input_schema()
            arguments = Checker.of(schema).arguments(sample(schema, schema))
            port = theirs.bind(operation.service, operation.port)
            message = etree.tostring(theirs.create_message(port, operation.name, **arguments))
            ours = bound.envelope(arguments).encode()
            assert without_types(body(ours)) == without_types(body(message)), (file, operation.name)
            compared += 1
    assert compared > 100


def test_zeep_reads_the_same_rows(kit: Path) -> None:
    # Given
    import zeep

    file = kit / "soap" / "live" / "node_doclit.wsdl"
    theirs = zeep.Client(str(file))
    service = Service(Settings(wsdl=str(file)))
    ours = {operation.name: service.bound(operation) for operation in service.contract.operations}
    rows = "".join(f"<item><id>{n}</id><name>n &amp; {n}</name><price>{n}.5</price></item>" for n in range(50))
    answer = parse(f'<b><listItemsResponse xmlns="urn:d">{rows}</listItemsResponse></b>'.encode())

    # When
    got = ours["listItems"].read(answer)
    want = theirs.service._binding.get("listItems").output.body.parse(answer[0], theirs.wsdl.types)

    # Then
    assert got["item"] == [{"id": each.id, "name": each.name, "price": each.price} for each in want.item]


def xsd_of(file: Path, folder: Path) -> etree.XMLSchema:
    """Make one XML Schema of all that a WSDL holds and imports: a file for each part, an index for each namespace."""
    http = Http(tls=lambda: pytest.fail("no TLS"), headers={}, max_bytes=1)
    documents = Documents(str(file), http, deadline=time.monotonic() + 20, max_bytes=2**24)
    roots = list(soap_load._wsdl_roots(documents, documents.location, set()))
    parts: dict[str, list[str]] = {}
    found = list(soap_load._schema_documents(documents, roots))
    spaces = list(dict.fromkeys(one.space or "" for one in found))
    for number, one in enumerate(found):
        root = etree.fromstring(etree.tostring(one.root))
        for node in root.xpath("*[local-name()='import' or local-name()='include']"):
            root.remove(node)
        if one.space:
            root.set("targetNamespace", one.space)
        for index, space in enumerate(spaces):
            if space != (one.space or ""):
                said = {"schemaLocation": f"index{index}.xsd", **({"namespace": space} if space else {})}
                root.insert(0, root.makeelement(f"{{{XSD}}}import", said))
        (folder / f"{number}.xsd").write_bytes(etree.tostring(root))
        parts.setdefault(one.space or "", []).append(f'<include schemaLocation="{number}.xsd"/>')
    for index, space in enumerate(spaces):
        of = f' targetNamespace="{space}"' if space else ""
        (folder / f"index{index}.xsd").write_text(f'<schema xmlns="{XSD}"{of}>{"".join(parts[space])}</schema>')
    imports = "".join(
        f'<import schemaLocation="index{index}.xsd"{f" namespace={chr(34)}{space}{chr(34)}" if space else ""}/>'
        for index, space in enumerate(spaces)
    )
    (folder / "all.xsd").write_text(f'<schema xmlns="{XSD}" targetNamespace="urn:all">{imports}</schema>')
    return etree.XMLSchema(file=str(folder / "all.xsd"))


def smallest(schema: dict[str, Any], root: dict[str, Any]) -> Any:
    """Make the smallest thing that fits a schema of ours: what is required, and nothing else."""
    if "$ref" in schema:
        return smallest(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    if schema.get("type") == "object":
        needed = [*schema.get("required", ())]
        for rule in [schema, *schema.get("allOf", ())]:
            needed += rule.get("oneOf", [{}])[0].get("required", ())
        return {name: smallest(schema["properties"][name], root) for name in dict.fromkeys(needed)}
    if schema.get("type") == "array":
        return [smallest(schema["items"], root)] * schema.get("minItems", 0)
    return sample(schema, root)


def test_a_sample_of_every_schema_is_valid_under_its_xsd(kit: Path, tmp_path: Path) -> None:
    """libxml2 judges what we write: the largest sample and the smallest, of every document operation."""
    judged = 0
    for number, file in enumerate(sorted(expected(kit))):
        (folder := tmp_path / str(number)).mkdir()
        service = Service(Settings(wsdl=str(file)))
        xsd = xsd_of(file, folder)
        for operation in service.contract.operations:
            if operation.input.wrapper is not None or operation.name in SKIPPED:
                continue
            bound = service.bound(operation)
            schema = bound.input_schema()
            for make in (sample, smallest):
                arguments = Checker.of(schema).arguments(make(schema, schema))
                envelope = parse(bound.envelope(arguments).encode())
                for part in next(each for each in envelope if local(each.tag) == "Body"):
                    assert xsd.validate(part), (file, operation.name, make.__name__, xsd.error_log)
                    judged += 1
    assert judged > 50
