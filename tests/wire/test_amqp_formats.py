"""Message bodies by a format: a record of a copybook, an interchange, several lines."""

import time
from decimal import Decimal
from uuid import uuid4

import pytest

from drawbar.adapters.amqp import AmqpAdapter
from drawbar.core.adapter import Place
from drawbar.core.errors import InputError
from drawbar.core.tool import Call
from drawbar.testing.broker import Broker

COPYBOOK = "01 R. 05 ID PIC 9(4). 05 AMOUNT PIC S9(5)V99 COMP-3."


@pytest.fixture
def adapter(tmp_path):
    (tmp_path / "rec.cpy").write_text(COPYBOOK)
    made = []
    with Broker() as broker:

        def make(**form) -> AmqpAdapter:
            import pika

            with pika.BlockingConnection(pika.URLParameters(broker.url)) as connection:
                connection.channel().queue_declare("q", durable=True)
            config = {
                "kind": "amqp",
                "url": broker.url,
                "publish": {"out": {"routing_key": "q", **form}},
                "consume": {
                    "in": {"queue": "q", **form},
                    "raw": {"queue": "q", "content_type": "application/octet-stream"},
                },
            }
            made.append(
                AmqpAdapter("events", AmqpAdapter.Config.model_validate(config), Place(tmp_path, tmp_path / "s"))
            )
            return made[-1]

        yield make
        for one in made:
            one.close()


def run(adapter, name, **arguments):
    tool = next(one for one in adapter.tools() if one.name == name)
    return tool.run(arguments, Call(uuid4().hex, "test", time.monotonic() + 10))


def test_a_record_of_a_copybook_goes_out_as_bytes_and_comes_back_as_values(adapter):
    form = {"format": {"kind": "copybook", "copybook": "rec.cpy"}}
    events = adapter(**form)

    run(events, "publish_out", body={"ID": 7, "AMOUNT": "-1.50"})
    raw = run(events, "get_raw")["message"]
    run(events, "publish_out", body={"ID": 8, "AMOUNT": 3})
    message = run(events, "get_in")["message"]

    assert raw["body"] == "0007".encode("cp037") + b"\x00\x00\x15\x0d"
    assert raw["content_type"] == "application/octet-stream"
    assert message["body"] == {"ID": 8, "AMOUNT": Decimal("3.00")}
    schema = next(one for one in events.tools() if one.name == "publish_out").input_schema
    assert schema["properties"]["body"]["properties"].keys() == {"ID", "AMOUNT"}
    with pytest.raises(InputError, match="ID: 99999 does not fit"):
        run(events, "publish_out", body={"ID": 99999})


def test_several_records_are_a_list_and_what_is_wrong_is_said(adapter):
    events = adapter(format={"kind": "csv", "header": False, "columns": {"a": "integer"}}, records=True)

    run(events, "publish_out", body=[{"a": 1}, {"a": 2}])
    assert run(events, "get_in")["message"]["body"] == [{"a": 1}, {"a": 2}]

    other = adapter(format={"kind": "csv", "header": False, "columns": {"a": "string"}}, records=True)
    run(other, "publish_out", body=[{"a": "x"}])
    found = run(events, "get_in")["message"]
    assert found["problem"] == "the message's body, record 1: a: 'x' is no integer"
    assert found["raw"] == b"x\n"


def test_two_records_where_one_is_expected_are_a_problem(adapter):
    many = adapter(format={"kind": "jsonl"}, records=True)
    one = adapter(format={"kind": "jsonl"})

    run(many, "publish_out", body=[{"a": 1}, {"a": 2}])

    assert "has 2 records, and one is expected" in run(one, "get_in")["message"]["problem"]


def test_a_format_that_cannot_be_opened_is_a_mistake_of_the_configuration(tmp_path):
    config = AmqpAdapter.Config.model_validate(
        {
            "kind": "amqp",
            "url": "amqp://x",
            "consume": {"in": {"queue": "q", "format": {"kind": "copybook", "copybook": "no.cpy"}}},
        }
    )

    ((where, said),) = AmqpAdapter.mistakes(config, tmp_path)

    assert where == ("consume", "in", "format", "copybook")
    assert "cannot be read" in said
