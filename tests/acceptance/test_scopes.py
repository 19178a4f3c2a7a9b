"""Nothing is reachable without its scope: every route of the OpenAPI, with a key that lacks it, and with none."""

import re

import pytest
from servers.drawbar import Serving
from servers.process import folder

from drawbar.app import open_app
from drawbar.core.access import SCOPES
from drawbar.facade.routes import document

NEEDS = {
    "read": """
        listWorkflows getWorkflow getWorkflowStatus listWorkflowRuns getWorkflowRun listWorkflowRunTasks
        listWorkflowRunEvents listRuns getRun listRunTasks listRunEvents getClaim listTasks getTask listTools exportTools
        getTool listAdapters getAdapter listAgents getAgent listContext getContext listContextVersions listSyncs getSync
        listSyncRuns getSyncRun getSyncDdl getCursor listFiles listApprovals getApproval listDeadLetters getDeadLetter listHolds getHold
        listEvents systems status
    """,
    "run": """
        createWorkflow replaceWorkflow changeWorkflow deleteWorkflow runWorkflow cancelRun pauseRun resumeRun retryRun
        createTask replaceTask changeTask deleteTask putContext patchContext deleteContext runSync runAgent
    """,
    "approve": "approve reject",
    "operate": """
        checkAdapter setCursor retryFile releaseFile skipFile dropDeadLetter sendDeadLetters dropDeadLetters
        settleDeadLetters sendDeadLetter settleDeadLetter hold release metrics listAssignments
    """,
    "administer": """
        changeTool createAdapter replaceAdapter deleteAdapter createAgent replaceAgent changeAgent deleteAgent
        reloadConfig listAudit verifyAudit
    """,
}
BY_NAME = {"callTool", "previewTool"}
"""Open to whom the tool is open."""
OWN = {"listAgentAssignments", "getAssignment", "answerAssignment"}
"""Open to the agent that it was handed to; to others there is no such thing."""
ANYBODY = {"live", "ready"}
OPERATIONS = {
    one["operationId"]: (method.upper(), path)
    for path, item in document()["paths"].items()
    for method, one in item.items()
}
NAMES = {"/tools/{name}": "/tools/erp.find_order", "/feeds/{feed}": "/feeds/erp.orders"}
LANDSCAPE = "\n".join(
    (
        "version: 1",
        "server: { adapters_over_rest: true }",
        "adapters:",
        "  erp:",
        "    kind: sql",
        '    url: "sqlite:///erp.db"',
        "    statements:",
        '      find_order: { description: Find., sql: "select 1 as n", effect: read }',
        "workflows: { nothing: { description: Nothing. } }",
        "agents:",
        *(f"  no_{scope}: {{ scopes: [{', '.join(sorted(SCOPES - {scope}))}] }}" for scope in NEEDS),
    )
)


@pytest.fixture(scope="module")
def served():
    place = folder("scopes")
    (place / "erp.db").touch()
    (place / "drawbar.yaml").write_text(LANDSCAPE)
    with open_app(place / "drawbar.yaml") as app:
        keys = {scope: app.keys.add(f"no_{scope}", scopes=None, days=None, by="test")["key"] for scope in NEEDS}
    with Serving(LANDSCAPE, at=place) as serving:
        serving.keys = keys
        yield serving


def ask(served, operation, key=None):
    method, path = OPERATIONS[operation]
    for begin, real in NAMES.items():
        path = path.replace(begin, real)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return served.ask(
        method, re.sub(r"\{\w+\}", "nothing", path), headers=headers, json={} if method != "GET" else None
    )


def test_every_route_says_what_it_takes():
    named = [*BY_NAME, *OWN, *ANYBODY, *(one for said in NEEDS.values() for one in said.split())]

    assert sorted(named) == sorted(OPERATIONS)


@pytest.mark.parametrize("scope", NEEDS)
def test_who_lacks_the_scope_is_refused_before_anything_else_is_looked_at(served, scope):
    answers = {one: ask(served, one, served.keys[scope]) for one in NEEDS[scope].split()}

    assert {one: answer.status_code for one, answer in answers.items() if answer.status_code != 403} == {}
    assert all(scope in answer.json()["detail"] for answer in answers.values())


def test_who_shows_no_key_reaches_nothing(served):
    answers = {one: ask(served, one).status_code for one in OPERATIONS if one not in ANYBODY}

    assert {one: status for one, status in answers.items() if status != 401} == {}
    assert [ask(served, one).status_code for one in sorted(ANYBODY)] == [200, 200]
    assert served.ask("POST", "/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).status_code == 401


def test_a_tool_is_open_by_its_name_alone(served):
    assert {ask(served, one, served.keys["administer"]).status_code for one in BY_NAME} == {403}


def test_what_was_handed_to_another_agent_is_not_there(served):
    assert {ask(served, one, served.keys["operate"]).status_code for one in OWN} <= {403, 404, 422}
