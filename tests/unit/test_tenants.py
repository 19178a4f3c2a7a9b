"""Tenants: what their configuration may say, and for which of them a caller may call."""

import pytest
from pydantic import ValidationError

from drawbar.adapters.soap import SoapConfig
from drawbar.core.access import AgentConfig, Caller
from drawbar.core.door import Credentials, Door
from drawbar.core.door_config import Authentication
from drawbar.core.errors import InputError
from drawbar.core.tenants import systems_of

COMMON = {"kind": "soap", "wsdl": "x.wsdl", "budget": {"concurrency": 3}}
WRONG = [
    ({"north": {"endpoint": "http://n"}}, ("tenants", "north", "endpoint"), "Extra inputs"),
    ({"south": {"wsdl": "http://u:x@h/"}}, ("tenants", "south", "wsdl"), "password"),
    ({"north": {"kind": "sql"}}, ("tenants", "north", "kind"), "the same for all tenants"),
    ({"north": {"tools": {}}}, ("tenants", "north", "tools"), "the same for all tenants"),
    ({"north": 5}, ("tenants", "north"), "valid dictionary"),
    ({"a b": {}}, ("tenants", "a b", "[key]"), "match pattern"),
    ([], ("tenants",), "valid dictionary"),
]


@pytest.mark.parametrize(("tenants", "at", "said"), WRONG)
def test_a_mistake_is_named_where_it_is_written(tenants, at, said):
    with pytest.raises(ValidationError) as failed:
        SoapConfig.model_validate({**COMMON, "tenants": tenants})

    (error,) = failed.value.errors()
    assert error["loc"] == at
    assert said in error["msg"]


def test_what_is_common_need_not_be_said_again_and_what_is_missing_is_missed_once():
    made = SoapConfig.model_validate(
        {
            **COMMON,
            "tenants": {"north": {"endpoints": "http://n"}, "south": {"budget": {"per_second": 1}}, "west": None},
        }
    )
    systems = systems_of("billing", made)

    assert list(systems) == ["billing@north", "billing@south", "billing@west"]
    assert [one.budget.concurrency for one in systems.values()] == [3, 3, 3]
    assert systems["billing@south"].budget.per_second == 1
    assert made.tenants["north"].tenants == {}
    with pytest.raises(ValidationError, match="wsdl"):
        SoapConfig.model_validate({"kind": "soap", "tenants": {"north": {"wsdl": "x"}, "south": {}}})


@pytest.mark.parametrize(
    ("bound", "asked", "tenant"),
    [
        (None, None, None),
        (None, "north", "north"),
        (["south"], None, "south"),
        (["south"], "south", "south"),
        (["south"], "north", InputError),
        (["south", "north"], None, None),
        (["south", "north"], "north", "north"),
        ([], "north", InputError),
        (None, "", InputError),
        (None, "../north", InputError),
    ],
)
def test_a_caller_calls_for_the_tenants_that_it_is_bound_to(bound, asked, tenant):
    caller = Caller.agent("clerk", AgentConfig(tenants=bound))
    if tenant is InputError:
        with pytest.raises(InputError) as refused:
            caller.of_tenant(asked, "X-Tenant")
        assert refused.value.field == "X-Tenant"
    else:
        assert caller.of_tenant(asked, "X-Tenant").tenant == tenant


@pytest.mark.parametrize(
    ("agent", "claims", "tenants"),
    [
        (None, {"town": "south"}, {"south"}),
        (None, {"town": ["south", "north"]}, {"south", "north"}),
        (None, {}, set()),
        (["north"], {"town": ["south", "north"]}, {"north"}),
        (["north"], {"town": "south"}, set()),
    ],
)
def test_a_token_binds_its_caller_to_the_tenants_that_it_names(agent, claims, tenants):
    """A token without the claim is for no tenant at all."""
    config = Authentication.model_validate({"tenants": {"claim": "town"}})
    caller = Caller.agent("clerk", AgentConfig(tenants=agent))
    door = Door(config, None, lambda name: caller, lambda: caller, lambda token: ("clerk", None, claims))

    assert door.admit(Credentials(bearer="x.y.z")).tenants == tenants
