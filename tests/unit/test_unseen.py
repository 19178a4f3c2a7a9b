"""What a sync says of records that failed, and of itself, without the fields that its tools hide."""

import pytest

from drawbar.core.batch import Batch, Reject
from drawbar.core.errors import Rejected
from drawbar.core.syncs.config import SyncConfig
from drawbar.core.syncs.unseen import Unseen

HIDDEN = {"erp.read_people": ["rows.iban"]}
COPY = {
    "from": {"adapter": "erp", "table": "people"},
    "to": {"adapter": "dwh", "table": "copies"},
    "map": {"iban": "${{ row.iban }}", "day": "${{ date(row.day) }}"},
}


def unseen(hidden=HIDDEN, **more):
    return Unseen.of(SyncConfig.model_validate(COPY | more), lambda tool: hidden.get(tool, []))


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("duplicate key: Key (iban)=(DE89) already exists.", "duplicate key: Key (iban)=(***) already exists."),
        ('invalid input syntax for type integer: "DE89"', 'invalid input syntax for type integer: "***"'),
        ("Failing row contains (1, DE89, null).", "Failing row contains (***)."),
        ('COPY copies, line 1, column iban: "DE89"', 'COPY copies, line 1, column iban: "***"'),
        ("Duplicate entry 'DE89' for key 'iban'", "Duplicate entry '***' for key 'iban'"),
        ("The duplicate key value is (DE89).", "The duplicate key value is (***)."),
        ('value too long for "IBAN" (actual: 22)', 'value too long for "IBAN" (actual: 22)'),
        ("'O''Neil' is no number as PIC 9(5) (X'F4F8')", "'***' is no number as PIC 9(5) (X'***')"),
    ],
)  # fmt: skip
def test_an_error_that_names_no_record_quotes_names_alone(said, told):
    error = Rejected(said, detail=[{"reason": said}])

    unseen().error(error)

    assert (error.message, error.detail) == (told, [{"reason": told}])


def test_a_reason_quotes_what_may_be_seen_of_its_record_and_nothing_else():
    rows = [{"iban": "DE89", "day": "32.1."}]
    wrong = [
        Reject(1, "day: '32.1.' is no date; 'de89' and DE89 stand beside it", b""),
        Reject(2, "'DE89x' is cut", b""),
    ]

    told = unseen().records(wrong, Batch(rows, [1], raw=None))

    assert [one.reason for one in told] == [
        "day: '32.1.' is no date; '***' and *** stand beside it",
        "'***' is cut",
    ]


def test_what_a_target_refuses_is_told_without_what_was_written():
    fan = {"adapter": "dwh", "writes": [{"table": "copies", "map": {"n": "${{ 'IBAN ' + row.iban }}"}}]}

    told = unseen(to=fan, map=None).refused("no IBAN DE89", {"0": [{"n": "IBAN DE89"}]})

    assert told == "no ***"


def test_the_body_of_a_message_is_a_row():
    queue = {"from": {"adapter": "mq", "consume": "in"}, "map": None}

    found = unseen({"mq.browse_in": ["messages.body.iban"], "mq.get_in": ["message.body"]}, **queue)

    assert found.seen == {("row", "iban"), ("row",)}


def test_a_sync_of_tools_that_hide_nothing_tells_all():
    assert unseen(hidden={}) is None
