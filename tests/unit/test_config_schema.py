"""The published JSON Schema says of a file what loading it says; and parts from REST are checked by the same models."""

from __future__ import annotations

import jsonschema_rs
import pytest

from drawbar.config.parts import adapter
from drawbar.config.schema import published
from drawbar.core.errors import InputError

GOOD = {
    "version": 1,
    "x-anchors": [1, 2],
    "server": {"port": "${env:PORT:-8000}"},
    "adapters": {"erp": {"kind": "sql", "url": "${env:ERP_URL}", "tables": {"orders": {"key": ["id"], "read": True}}}},
    "workflows": {"w": {"tasks": {"a": {"tool": "erp.read_orders", "with": {"limit": "${{ input.n }}"}}}}},
}


@pytest.fixture(scope="module")
def validator():
    schema = published()
    jsonschema_rs.meta.validate(schema)
    return jsonschema_rs.Draft202012Validator(schema)


def test_a_good_file_fits_the_schema(validator):
    assert [error.message for error in validator.iter_errors(GOOD)] == []


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"adaptrs": {}}, "adaptrs"),
        ({"server": {"port": "many"}}, "many"),
        ({"adapters": {"erp": {"kind": "sql", "url": "x", "tabels": {}}}}, "tabels"),
        ({"adapters": {"erp": {"kind": "sqll"}}}, "sqll"),
        ({"adapters": {"erp": {"url": "x"}}}, "kind"),
        ({"workflows": {"w": {"tasks": {"a": {"tol": "x"}}}}}, "tol"),
        ({"version": 2}, "1"),
    ],
)
def test_a_mistake_does_not_fit(validator, change, word):
    errors = [error.message for error in validator.iter_errors({**GOOD, **change})]

    assert any(word in message for message in errors), errors


def test_an_adapter_from_rest_is_checked_like_one_from_a_file(tmp_path):
    made = adapter("erp", {"kind": "sql", "url": "${env:URL}"}, base=tmp_path, environ={"URL": "sqlite:///x.db"})

    assert made.url.get_secret_value() == "sqlite:///x.db"


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"kind": "sqll", "url": "x"}, "kind", "did you mean 'sql'?"),
        ({"kind": "sql", "urll": "x"}, "urll", "did you mean 'url'?"),
        ({"kind": "sql", "url": "postgresql://u:open-pw@h/x"}, "url", "a secret must be a reference"),
        ({"kind": "sql", "url": "${env:DRAWBAR_TEST_NO_SUCH}"}, None, "the environment has no DRAWBAR_TEST_NO_SUCH"),
    ],
)
def test_a_wrong_adapter_from_rest_is_an_input_error(tmp_path, body, field, words):
    with pytest.raises(InputError) as caught:
        adapter("erp", body, base=tmp_path)

    assert caught.value.field == field
    assert words in caught.value.message
    assert "open-pw" not in caught.value.message
