"""Where a field of a record is hidden, so is what shows the record in another form."""

from drawbar.adapters.amqp.config import AmqpConfig
from drawbar.adapters.local import LocalAdapter
from drawbar.core.access import Caller
from drawbar.core.adapter import Place
from drawbar.core.guard import Guard
from drawbar.core.landscape import Landscape
from drawbar.core.masking import Vault
from drawbar.core.store.journal import Journal


def test_a_message_whose_body_cannot_be_read_hides_its_bytes():
    tools = {
        "browse_in": {"personal": ["messages.body.iban"]},
        "get_in": {"secret": ["message.body"]},
        "publish_out": {},
    }

    config = AmqpConfig.model_validate({"kind": "amqp", "url": "amqp://a:b@c", "tools": tools})

    assert config.tools["browse_in"].hidden == ("messages.body.iban", "messages.raw", "messages.problem")
    assert config.tools["get_in"].secret == ["message.body", "message.raw", "message.problem"]
    assert config.tools["publish_out"].hidden == ()


def test_a_record_that_cannot_be_read_hides_its_bytes(tmp_path):
    (tmp_path / "a.csv").write_text("id,iban\n1,DE89\nx,DE90\n")
    form = {"kind": "csv", "columns": [{"name": "id", "type": "integer"}]}
    said = {
        "kind": "local",
        "root": str(tmp_path),
        "feeds": {"bank": {"pattern": "*.csv", "format": form}},
        "tools": {"read_bank": {"personal": ["records.iban"]}},
    }
    journal = Journal.open(f"sqlite:///{tmp_path}/state.db")
    landscape = Landscape(Place(tmp_path, tmp_path), {"in": LocalAdapter.Config.model_validate(said)})
    guard = Guard(landscape, journal, Vault("x"))
    clerk = Caller.cli("clerk")

    prepared = guard.prepare("in.read_bank", {"name": "a.csv"}, clerk)
    shown = guard.shown("in.read_bank", guard.call(prepared).result, Caller("agent", "agent", ("in.*",)))
    landscape.adapter("in").close()
    journal.close()

    assert shown["records"] == [{"id": 1, "iban": "***"}]
    assert shown["rejects"] == [{"record": 2, "reason": "***", "raw": "***"}]
