"""WSDLs and messages of other projects: what loads, what is sent, what is read."""

# ruff: noqa: B023 - each check is used up before the loop goes on
import ast
import json
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from lxml import etree
from soap_samples import drawn, settled

from drawbar.connectors import soap_load
from drawbar.connectors.soap import Bound, Service, Settings
from drawbar.connectors.soap_contract import Operation
from drawbar.connectors.soap_documents import Documents
from drawbar.connectors.soap_http import Http, Url
from drawbar.connectors.soap_messages import reader_of, schema_of, writer_of
from drawbar.connectors.soap_read import Readers, dereferenced
from drawbar.connectors.soap_schemas import Document
from drawbar.connectors.soap_types import AnyType, Simple
from drawbar.connectors.soap_wire import Answer
from drawbar.connectors.soap_write import Writers
from drawbar.connectors.soap_xml import SOAP_11, XSD, local, namespace, parse
from drawbar.core.schema import Checker
from drawbar.core.values import to_json

URL = Url.of("http://127.0.0.1/")
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
    "send_receive_any_type": "the same",
}


def without_types(trees: Any) -> Any:
    """Drop `xsi:type` and the encoding style, which literal messages may have or not."""
    return [
        (tag, settled(text), [each for each in items if "XMLSchema-instance" not in each[0] and "encoding" not in each[0]], without_types(inner))
        for tag, text, items, inner in trees
    ]  # fmt: skip


def body_node(envelope: bytes) -> Any:
    return next(each for each in parse(envelope) if local(each.tag) == "Body")


def as_ours(said: Any, found: dict[str, Any]) -> Any:
    """Name a value as we do where zeep gives it bare."""
    return to_json(said) if isinstance(said, dict) else {name: to_json(said) for name in found}


LOTS = pytest.param(60, marks=pytest.mark.slow)


@pytest.mark.parametrize("examples", [2, LOTS])
def test_what_fits_a_schema_is_valid_under_the_xsd_and_comes_back(kit: Path, tmp_path: Path, examples: int) -> None:
    """libxml2 judges what we write, of every operation; our reader gives back what was written."""
    judged: list[tuple[Path, str]] = []
    for number, file in enumerate(sorted(expected(kit))):
        (folder := tmp_path / str(number)).mkdir()
        service = Service(Settings(wsdl=str(file)))
        xsd = xsd_of(file, folder, service.contract.operations)
        for operation in service.contract.operations:
            bound, read = service.bound(operation), reader_of(Readers(), operation.input)
            schema, answered = bound.input_schema(), Checker.of(schema_of(operation.input, output=True))

            def check(given: Any) -> None:
                arguments = Checker.of(schema).arguments(given)
                node = body_node(bound.envelope(arguments).encode())
                if not operation.input.encoded:
                    for part in node:
                        assert xsd.validate(part), (file, operation.name, given, xsd.error_log)
                    judged.append((file, operation.name))
                found = read(dereferenced(node) if operation.input.encoded else node)
                assert answered.deviation(found) is None
                wanted = {name: value for name, value in to_json(arguments).items() if name != "_headers"}
                assert settled(to_json(found)) == settled(wanted)

            drawn(schema, examples, check)
    assert len(set(judged)) >= 40


@pytest.mark.parametrize("examples", [2, LOTS])
def test_what_an_operation_may_answer_fits_the_output_schema(kit: Path, examples: int) -> None:
    for file in expected(kit):
        service = Service(Settings(wsdl=str(file)))
        for operation in service.contract.operations:
            if (message := operation.output) is None:
                continue
            bound, writers = service.bound(operation), Writers(encoded=message.encoded, soap12=operation.soap12)
            given, write = schema_of(message, output=False), writer_of(writers, message)
            shown = Checker.of(bound.output_schema())

            def check(value: Any) -> None:
                out: list[str] = []
                write(Checker.of(given).arguments(value), out)
                start = f'<soap:Envelope xmlns:soap="{SOAP_11}"{writers.declarations()}><soap:Body>'
                envelope = f"{start}{''.join(out)}</soap:Body></soap:Envelope>".encode()
                found = bound.read(parse(envelope)[-1])
                assert bound.answered("read", URL, Answer(200, {"content-type": "text/xml"}, envelope)) == found
                assert shown.deviation(found) is None, (file, operation.name, value)
                assert settled(to_json(found)) == settled(value), (file, operation.name)

            drawn(given, examples, check)


@pytest.mark.parametrize("examples", [2, LOTS])
def test_zeep_writes_and_reads_the_same_for_every_operation_of_the_kit(kit: Path, examples: int) -> None:
    """zeep is the oracle: same arguments in, same message out; same message in, same values out."""
    import zeep
    from zeep.helpers import serialize_object

    compared: list[tuple[Path, str]] = []
    for file in expected(kit):
        if case(file) == "SetResource" or file.name == "php_rpcenc.wsdl":  # zeep would ask the internet for its schema
            continue
        theirs = zeep.Client(str(file))
        service = Service(Settings(wsdl=str(file)))
        for operation in service.contract.operations:
            if operation.name in OTHERWISE:
                continue
            bound, read = service.bound(operation), reader_of(Readers(), operation.input)
            schema, port = bound.input_schema(), theirs.bind(operation.service, operation.port)

            def check(value: Any) -> None:
                arguments = Checker.of(schema).arguments(value)
                arguments.pop("_headers", None)
                message = etree.tostring(theirs.create_message(port, operation.name, **arguments))
                ours = bound.envelope(arguments).encode()
                assert without_types(body(ours)) == without_types(body(message)), (file, operation.name)
                compared.append((file, operation.name))
                if not len(body_node(ours)):  # zeep reads no message without a part
                    return
                said = port._binding.get(operation.name).input._deserialize_body(body_node(ours))["body"]
                found = to_json(read(dereferenced(body_node(ours)) if operation.input.encoded else body_node(ours)))
                said = as_ours(serialize_object(said, dict), found)
                assert settled(found, empty="") == settled(said, empty=""), (file, operation.name)

            drawn(schema, examples, check)
    assert len(set(compared)) > 40


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


def xsd_of(file: Path, folder: Path, operations: Iterable[Operation] = ()) -> etree.XMLSchema:
    """
    Make one XML Schema of all that a WSDL holds and imports: a file for each part, an index for each namespace.

    The wrappers of rpc/literal are elements of their own, which no schema declares.
    """
    http = Http(tls=lambda: pytest.fail("no TLS"), headers={}, max_bytes=1)
    documents = Documents(str(file), http, deadline=time.monotonic() + 20, max_bytes=2**24)
    roots = list(soap_load._wsdl_roots(documents, documents.location, set()))
    parts: dict[str, list[str]] = {}
    found = list(soap_load._schema_documents(documents, roots))
    found += list(wrappers(operations))
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


def wrappers(operations: Iterable[Operation]) -> Iterator[Document]:
    """Declare the element around the parts of each rpc/literal message, as WS-I Basic Profile 4.4 describes it."""
    known = {each.input.wrapper: each.input for each in operations if each.input.wrapper and not each.input.encoded}
    for wrapper, message in known.items():
        schema = etree.Element(f"{{{XSD}}}schema")
        outer = etree.SubElement(schema, f"{{{XSD}}}element", name=local(wrapper))
        inside = etree.SubElement(etree.SubElement(outer, f"{{{XSD}}}complexType"), f"{{{XSD}}}sequence")
        for number, part in enumerate(message.parts):
            kind = part.element.type
            base = "anyType" if isinstance(kind, AnyType) else kind.base if isinstance(kind, Simple) else ""
            name = getattr(kind, "qname", None) or f"{{{XSD}}}{base}"
            one = etree.SubElement(inside, f"{{{XSD}}}element", nsmap={f"p{number}": namespace(name)})
            one.set("name", part.name)
            one.set("type", f"p{number}:{local(name)}")
        yield Document(schema, namespace(wrapper) or None)
