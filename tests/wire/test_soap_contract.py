"""A contract over its life: pinned, corrected, compared, kept on disk, and answers that break it."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from drawbar.adapters.soap import SoapAdapter, SoapConfig
from drawbar.cli import main
from drawbar.connectors import soap_load
from drawbar.core.adapter import Place
from drawbar.core.errors import ConfigError
from drawbar.testing.billing import WSDL, Billing
from drawbar.testing.soap import SoapService

TEXT = WSDL.read_text()


def adapter(folder: Path, wsdl: str, **said: Any) -> SoapAdapter:
    config = SoapConfig.model_validate({"kind": "soap", "wsdl": wsdl, **said})
    return SoapAdapter("billing", config, Place(folder, folder / "state"))


class Shop:
    """A folder with a configuration, and the live contract that it names."""

    def __init__(self, folder: Path, service: SoapService, file: Path) -> None:
        self.folder, self.service, self.file = folder, service, file
        self.config = folder / "drawbar.yaml"
        self.configure()

    def configure(self, **said: Any) -> None:
        billing = {"kind": "soap", "wsdl": self.service.wsdl, "effects": {"FindInvoice": "read"}, **said}
        self.config.write_text(json.dumps({"version": 1, "adapters": {"billing": billing}}))

    def change(self, old: str, new: str) -> None:
        assert old in self.file.read_text()
        self.file.write_text(self.file.read_text().replace(old, new))

    def run(self, *words: str) -> int:
        return main(["-c", str(self.config), *words])


@pytest.fixture
def shop(tmp_path: Path) -> Any:
    file = tmp_path / "live" / "billing.wsdl"
    file.parent.mkdir()
    file.write_text(TEXT)
    with SoapService(file, Billing().answers) as service:
        yield Shop(tmp_path, service, file)


def test_what_is_pinned_needs_no_network_to_start(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    # Given
    assert shop.run("pin", "billing") == 0
    assert (shop.folder / "pins" / "billing" / "pin.json").is_file()

    # When
    shop.service.close()
    for file in (shop.folder / "state").rglob("*.json"):
        file.unlink()  # a contract that was kept would need none either
    capsys.readouterr()

    # Then
    assert shop.run("tools", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)) == 4


def test_a_pin_that_is_configured_and_not_there_is_no_reason_to_take_what_is_live(shop: Shop) -> None:
    shop.configure(pin="./contracts/billing")
    with pytest.raises(ConfigError, match="nothing is pinned"):
        list(adapter(shop.folder, shop.service.wsdl, pin="./contracts/billing").tools())

    assert shop.run("pin", "billing") == 0
    assert len(list(adapter(shop.folder, shop.service.wsdl, pin="./contracts/billing").tools())) == 4


def test_a_pin_that_somebody_touched_is_refused(shop: Shop) -> None:
    shop.run("pin", "billing")
    (file,) = (shop.folder / "pins" / "billing").glob("*wsdl*")
    file.write_text(file.read_text().replace("CancelInvoice", "CancelInvoicf"))

    with pytest.raises(ConfigError, match="is not what was pinned"):
        list(adapter(shop.folder, shop.service.wsdl).tools())


DRIFTS: list[tuple[str, str, str, int, str]] = [
    ("nothing", "", "", 0, "as it was pinned"),
    ("an operation is gone", '<wsdl:operation name="CancelInvoice">', '<wsdl:operation name="StornoInvoice">', 1, "CancelInvoice  is gone"),
    ("an answer has more", '<xs:element name="rc" type="xs:int"/>', '<xs:element name="rc" type="xs:int"/><xs:element name="more" type="xs:int"/>', 0, "output.more  is new"),
    ("another type", '<xs:element name="rc" type="xs:int"/>', '<xs:element name="rc" type="xs:string"/>', 1, "was integer and is string"),
    ("an argument is needed", '<xs:element name="customer"', '<xs:element name="branch" type="xs:string"/><xs:element name="customer"', 1, "input.branch  is new and required"),
    ("another namespace", "urn:drawbar:billing", "urn:drawbar:billing:2", 1, "namespaces was"),
]  # fmt: skip


QUICK = {"nothing", "another type"}


@pytest.mark.parametrize(
    ("what", "old", "new", "code", "said"),
    [pytest.param(*each, id=each[0], marks=() if each[0] in QUICK else pytest.mark.slow) for each in DRIFTS],
)
def test_drift_says_of_each_change_whether_it_breaks(
    shop: Shop, capsys: pytest.CaptureFixture[str], what: str, old: str, new: str, code: int, said: str
) -> None:
    # Given
    shop.run("pin", "billing")
    if old:
        shop.change(old, new)
    capsys.readouterr()

    # When
    exit_code = shop.run("drift", "billing")

    # Then
    page = " ".join(capsys.readouterr().out.split())
    assert (exit_code, " ".join(said.split()) in page) == (code, True), page


def test_a_pin_is_replaced_only_when_somebody_accepts(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    # Given
    assert shop.run("pin", "billing") == 0
    assert shop.run("pin", "billing") == 5
    shop.change('<xs:element name="rc" type="xs:int"/>', '<xs:element name="rc" type="xs:short"/>')

    # Then
    assert shop.run("pin", "billing", "--diff") == 3
    assert shop.run("pin", "billing") == 3
    assert shop.run("drift") in {0, 1}
    assert shop.run("pin", "billing", "--accept") == 0
    assert shop.run("drift") == 0
    capsys.readouterr()
    assert shop.run("pin", "billing", "--json") == 5
    assert json.loads(capsys.readouterr().out)["changes"] == []


def test_drift_that_cannot_ask_says_so(shop: Shop) -> None:
    shop.run("pin", "billing")
    shop.service.close()

    assert shop.run("drift") == 4


BROKEN: list[tuple[str, str, str, dict[str, Any]]] = [
    ("an endpoint", '<soap:address location="', '<soap:address location="ftp://old/', {"at": "//soap:address", "set": {"location": "http://127.0.0.1:1/x"}}),
    ("a namespace", 'targetNamespace="urn:drawbar:billing" elementFormDefault', 'targetNamespace="urn:wrong" elementFormDefault', {"at": "//xsd:schema", "set": {"targetNamespace": "urn:drawbar:billing"}}),
    ("the text of it", "urn:drawbar:billing", "urn:wrong", {"replace": {"urn:wrong": "urn:drawbar:billing"}}),
]  # fmt: skip


@pytest.mark.parametrize(("what", "old", "new", "patch"), BROKEN, ids=[each[0] for each in BROKEN])
def test_what_is_broken_is_corrected_by_an_overlay(
    tmp_path: Path, what: str, old: str, new: str, patch: dict[str, Any]
) -> None:
    # Given
    file = tmp_path / "broken.wsdl"
    file.write_text(TEXT.replace(old, new))

    # When
    service = adapter(tmp_path, "broken.wsdl", overlay=[patch])._open()

    # Then
    operation = next(each for each in service.contract.operations if each.name == "FindInvoice")
    assert operation.input.parts[0].element.tag == "{urn:drawbar:billing}FindInvoice"
    assert operation.address.startswith("http://")


def test_an_overlay_makes_optional_adds_an_import_and_takes_away(tmp_path: Path) -> None:
    # Given
    (tmp_path / "more.xsd").write_text(
        '<xsd:schema xmlns:xsd="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:more">'
        '<xsd:simpleType name="Code"><xsd:restriction base="xsd:string"><xsd:maxLength value="3"/></xsd:restriction></xsd:simpleType>'
        "</xsd:schema>"
    )
    customer = '<xs:element name="customer" type="xs:string"'
    assert customer in TEXT
    (tmp_path / "b.wsdl").write_text(
        TEXT.replace(customer, '<xs:element name="customer" xmlns:m="urn:more" type="m:Code"')
    )
    overlay = [
        {"at": "//xsd:schema", "add": '<xsd:import namespace="urn:more" schemaLocation="more.xsd"/>', "within": "b.wsdl"},
        {"at": "//xsd:element[@name='customer']", "set": {"minOccurs": "0"}},
        {"at": "//wsdl:operation[@name='CancelInvoice']", "remove": True},
    ]  # fmt: skip

    # When
    tools = {tool.name: tool for tool in adapter(tmp_path, "b.wsdl", overlay=overlay).tools()}

    # Then
    assert set(tools) == {"CreateInvoice", "GetInvoice", "FindInvoice"}
    schema = tools["CreateInvoice"].input_schema
    assert schema["properties"]["customer"]["maxLength"] == 3
    assert "customer" not in schema["required"]


def test_a_patch_that_finds_nothing_is_a_mistake(tmp_path: Path) -> None:
    for patch, said in (
        ({"at": "//xsd:element[@name='nothing']", "remove": True}, "there is nothing at"),
        ({"replace": {"urn:nothing": "urn:x"}}, "there is nothing with the text"),
        ({"at": "//xsd:[", "remove": True}, "no XPath"),
        ({"at": "//xsd:schema", "add": "<a>"}, "what is to be added"),
    ):
        with pytest.raises(ConfigError, match=said):
            list(adapter(tmp_path, str(WSDL), overlay=[patch]).tools())


def test_a_contract_is_read_once_and_then_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    (tmp_path / "b.wsdl").write_text(TEXT)
    first = {tool.name: tool for tool in adapter(tmp_path, "b.wsdl").tools()}
    (kept,) = (tmp_path / "state" / "soap").iterdir()

    # When
    with monkeypatch.context() as patched:
        patched.setattr("drawbar.connectors.soap_load.load", lambda documents: pytest.fail("it is read again"))
        again = {tool.name: tool for tool in adapter(tmp_path, "b.wsdl").tools()}

    # Then
    for name, tool in first.items():
        assert (tool.input_schema, tool.output_schema) == (again[name].input_schema, again[name].output_schema)
    (tmp_path / "b.wsdl").write_text(TEXT.replace("StornoInvoice", "x").replace('name="note"', 'name="remark"'))
    assert "remark" in str([tool.input_schema for tool in adapter(tmp_path, "b.wsdl").tools()])
    assert kept.is_file()


@pytest.mark.parametrize("damage", [b"", b"x", b"0" * 64 + b"\n{}"])
def test_a_kept_contract_that_is_damaged_is_read_anew(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "b.wsdl").write_text(TEXT)
    list(adapter(tmp_path, "b.wsdl").tools())
    (kept,) = (tmp_path / "state" / "soap").iterdir()
    good = kept.read_bytes()
    kept.write_bytes(damage or good.replace(b"CreateInvoice", b"CreateInvoicf"))

    assert len(list(adapter(tmp_path, "b.wsdl").tools())) == 4
    assert kept.read_bytes() == good


@pytest.mark.slow
def test_everything_of_the_kit_is_kept_and_found_again_as_it_was(kit: Path, tmp_path: Path) -> None:
    """The same envelopes are written, and the same schemas shown, by what was read and by what was kept."""
    from drawbar.connectors.soap import Service, Settings

    for file in (kit / "soap").rglob("*.wsdl"):
        read, kept = (Service(Settings(wsdl=str(file), kept=tmp_path)) for _ in range(2))
        assert len(read.contract.operations) == len(kept.contract.operations)
        for one, other in zip(read.contract.operations, kept.contract.operations, strict=True):
            assert (one.key, one.input_schema, one.output_schema) == (
                other.key,
                other.input_schema,
                other.output_schema,
            )
            assert read.bound(one)._lines.start == kept.bound(other)._lines.start
            assert soap_load.schema_of(other.input, output=False) == one.input_schema


def test_a_pin_does_not_touch_the_wire(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.run("pin", "billing")

    def refused(*given: Any, **named: Any) -> None:
        pytest.fail("a socket was opened")

    with monkeypatch.context() as patched:
        patched.setattr(socket, "create_connection", refused)
        assert len(list(adapter(shop.folder, shop.service.wsdl).tools())) == 4
