"""What is registered: the configuration's, read-only, and what was made over REST, in versions."""

import concurrent.futures
from decimal import Decimal

import pytest
from pydantic import ValidationError

from drawbar.core.errors import InputError
from drawbar.core.register import Register, merge_patch
from drawbar.core.store.definitions import Definitions
from drawbar.core.store.journal import Journal
from drawbar.core.tasks import Tasks
from drawbar.core.workflow import Workflow, check_workflow

YAML = {"nightly": Workflow.model_validate({"description": "Every night.", "tasks": {"wait": {"wait_s": 0.5}}})}


@pytest.fixture
def journal(tmp_path):
    journal = Journal.open(f"sqlite:///{tmp_path}/state.db")
    yield journal
    journal.close()


@pytest.fixture
def workflows(journal):
    return Register(
        "workflow", YAML, Definitions(journal), lambda _, body: Workflow.model_validate(body), check_workflow
    )


def test_what_the_configuration_says_cannot_be_changed(workflows):
    for change in (
        lambda: workflows.replace("nightly", "nightly", {}, by="me"),
        lambda: workflows.merge("nightly", {"description": "x"}, by="me"),
        lambda: workflows.delete("nightly", by="me"),
        lambda: workflows.create("nightly", {}, by="me", id="nightly"),
    ):
        with pytest.raises(InputError) as refused:
            change()
        assert refused.value.status == 409

    assert workflows.find("nightly") is YAML["nightly"]
    assert workflows.entry("nightly").body == {"description": "Every night.", "tasks": {"wait": {"wait_s": 0.5}}}


def test_every_change_is_a_version_and_a_late_writer_hears_of_it(workflows):
    first = workflows.create("one", {"description": "a"}, by="me")
    second = workflows.replace(first.id, "one", {"description": "b"}, by="you", expect=first.version)

    with pytest.raises(InputError) as late:
        workflows.replace(first.id, "one", {"description": "c"}, by="me", expect=first.version)

    assert (first.version, second.version) == (1, 2)
    assert late.value.status == 412
    assert workflows.entry(first.id).body == {"description": "b"}
    assert workflows.entry(first.id).changed_by == "you"


def test_one_of_many_writers_of_a_version_wins(workflows):
    made = workflows.create("one", {}, by="me")

    def write(number: int) -> bool:
        try:
            workflows.replace(made.id, "one", {"description": str(number)}, by="me", expect=1)
        except InputError as error:
            assert error.status == 412
            return False
        return True

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(write, range(32))) == 1
    assert workflows.entry(made.id).version == 2


def test_another_process_sees_a_change_at_once_and_can_tell_that_there_was_one(workflows, journal, tmp_path):
    other = Journal.open(f"sqlite:///{tmp_path}/state.db")
    elsewhere = Register("workflow", YAML, Definitions(other), lambda _, body: Workflow.model_validate(body))
    before = elsewhere.definitions.changes()

    made = workflows.create("one", {"tasks": {"a": {"wait_s": 1}}}, by="me")

    found = elsewhere.find(made.id)
    assert found is not None
    assert [*found.tasks] == ["a"]
    assert elsewhere.definitions.changes() > before
    other.close()


def test_what_was_deleted_is_gone_and_its_name_can_be_used_again(workflows):
    workflows.create("erp", {}, by="me", id="erp")
    workflows.delete("erp", by="me")
    gone = workflows.find("erp")
    again = workflows.create("erp", {"description": "new"}, by="me", id="erp")

    assert gone is None
    assert again.version == 3
    with pytest.raises(InputError) as twice:
        workflows.create("erp", {}, by="me", id="erp")
    assert twice.value.status == 409


def test_a_list_is_paged_without_gap_or_double(workflows):
    made = [workflows.create(f"w{n}", {}, by="me").id for n in range(7)]
    found, after = [], None

    while True:
        page = workflows.page(after=after, limit=3)
        found += [entry.id for entry in page.items]
        after = page.next
        if after is None:
            break

    assert found == ["nightly", *made]


def test_a_wrong_body_names_its_place_and_leaves_nothing(workflows):
    for body, field in (
        ({"taks": {}}, "taks"),
        ({"tasks": {"a": {"wait_s": -1}}}, "tasks.a.wait_s"),
        ({"tasks": {"a": {"wait_s": 1, "needs": ["b"]}}}, "tasks.a.needs.0"),
    ):
        with pytest.raises(InputError) as refused:
            workflows.create("x", body, by="me")
        assert refused.value.field == field

    assert [entry.id for entry in workflows.every()] == ["nightly"]


def test_numbers_of_a_definition_read_back_as_they_were_sent(workflows):
    made = workflows.create("x", {"tasks": {"a": {"wait_s": Decimal("0.25")}}}, by="me")

    assert workflows.entry(made.id).as_json()["tasks"] == {"a": {"wait_s": 0.25}}


def test_a_merge_patch_follows_rfc_7396():
    target = {"a": {"b": "c", "d": 1}, "e": [1]}

    assert merge_patch(target, {"a": {"b": None, "f": 2}, "e": {"g": None}}) == {"a": {"d": 1, "f": 2}, "e": {}}


def test_tasks_are_parts_of_their_workflow(workflows):
    tasks = Tasks(workflows)
    made = workflows.create("one", {}, by="me")
    tasks.create(made.id, "a", {"wait_s": 1}, by="me")
    tasks.create(made.id, "b", {"wait_s": 1, "needs": ["a"]}, by="me")
    tasks.merge(f"{made.id}.b", {"wait_s": 2}, by="me")

    with pytest.raises(InputError) as needed:
        tasks.delete(f"{made.id}.a", by="me")

    assert needed.value.status == 422
    found = workflows.find(made.id)
    assert found is not None
    assert [*found.tasks] == ["a", "b"]
    assert found.tasks["b"].wait_s == 2
    first, following = tasks.page(limit=2)
    rest, end = tasks.page(after=following, limit=2)
    assert [task.id for task in (*first, *rest)] == ["nightly.wait", f"{made.id}.a", f"{made.id}.b"]
    assert end is None


@pytest.mark.parametrize(("field", "value"), [("within_h", 1e300), ("within_h", 87_601)])
def test_a_time_that_no_calendar_has_is_refused(field, value):
    """An approval that expires after the end of time broke the list of all approvals."""
    with pytest.raises(ValidationError, match="less than or equal"):
        Workflow.model_validate({"tasks": {"ask": {"approval": {field: value}}}})
