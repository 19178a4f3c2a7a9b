"""Tasks that were handed to agents."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Response
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from ..core.strict import Strict
from .documents import says
from .exchange import Asked, Exchange
from .idempotency import Route
from .parameters import AfterId, Id, Limit
from .shapes import Prose, Seen

router = APIRouter(tags=["assignments"], route_class=Route)
_State = Literal["open", "done", "failed", "expired", "withdrawn", "all"]


class AssignmentSeen(Seen):
    id: str
    agent: str
    state: str
    run_id: str
    task: str
    input: Any


class AssignmentPage(Seen):
    items: list[AssignmentSeen]
    next: str | None


class Answer(Strict):
    """What the task gives, by its output_schema; or why it cannot be done."""

    output: Any = Field(None, description="What the task gives.")
    error: Prose | None = Field(None, min_length=1, description="Why it cannot be done: the task fails.")

    @model_validator(mode="after")
    def _one_of_two(self) -> Answer:
        if len(self.model_fields_set & {"output", "error"}) != 1:
            raise PydanticCustomError("answer", "an answer has an output or an error, one of the two")
        return self


@router.get(
    "/agents/{id}/assignments",
    **says("listAgentAssignments", "List what was handed to an agent", {200: AssignmentPage}),
)
async def of_agent(
    asked: Asked,
    id: Id,  # noqa: A002 - the word of the contract
    state: _State = "open",
    after: AfterId = None,
    limit: Limit = 100,
) -> Response:
    """List the oldest first. For the agent itself, and for who operates."""
    return await _page(asked, id, state, after, limit)


@router.get("/assignments", **says("listAssignments", "List what was handed to agents", {200: AssignmentPage}))
async def every(asked: Asked, state: _State = "open", after: AfterId = None, limit: Limit = 100) -> Response:
    """List the oldest first. For who operates."""
    return await _page(asked, None, state, after, limit)


async def _page(asked: Exchange, agent: str | None, state: str, after: str | None, limit: int) -> Response:
    wanted = None if state == "all" else state
    found = await asked.do(
        asked.app.assignments.page, caller=asked.caller, agent=agent, state=wanted, after=after, limit=limit + 1
    )
    return asked.page(found, limit, lambda row: row["id"])


@router.get(
    "/assignments/{id}",
    **says("getAssignment", "Show an assignment", {200: AssignmentSeen, 304: None}, errors=[404], etag=True),
)
async def get(asked: Asked, id: Id) -> Response:  # noqa: A002
    return asked.answer(await asked.do(asked.app.assignments.find, id, caller=asked.caller), tagged=True)


@router.post(
    "/assignments/{id}/answer",
    **says(
        "answerAssignment",
        "Answer an assignment",
        {200: AssignmentSeen},
        errors=[404, 409],
        body=Answer,
        example={"output": {"summary": "Nothing happened."}},
    ),
)
async def answer(asked: Asked, id: Id) -> Response:  # noqa: A002
    """End it, once. What does not fit its output_schema is refused and leaves it open."""
    said = await asked.body(Answer)
    return asked.answer(
        await asked.do(asked.app.assignments.answer, id, caller=asked.caller, output=said.output, error=said.error)
    )
