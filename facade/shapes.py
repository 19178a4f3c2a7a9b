"""What goes in and out over HTTP, as models: OpenAPI and the checks of bodies come from them."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, RootModel, StringConstraints

from ..core.access import AgentConfig
from ..core.strict import Strict
from ..core.workflow import Task, Workflow

Text = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Prose = Annotated[str, StringConstraints(max_length=10_000)]
Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=100)]
Day = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"),
    AfterValidator(lambda day: date.fromisoformat(day).isoformat()),
    Field(json_schema_extra={"format": "date"}),
]
State = Literal["queued", "running", "waiting", "paused", "parked", "succeeded", "failed", "cancelled"]


class Seen(BaseModel):
    """What an answer promises; it may say more."""

    model_config = ConfigDict(extra="allow")


class Problem(Seen):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    kind: str = Field(description="config, input, rejected, unavailable or unknown: what to do next.")
    happened: Literal["no", "yes", "unknown"] = Field(description="Whether anything happened over there.")
    field: str | None = Field(description="Which part of the request.")
    next: str | None = Field(description="What to do.")
    retry_after_s: float | None
    id: str | None = Field(
        description="Of the dead letter or the first call, else of the request: the log has more under it."
    )


class WorkflowNew(Workflow):
    """A workflow to make: a name beside what YAML has."""

    name: Text
    description: Prose | None = None


class WorkflowSeen(Seen):
    id: str
    name: str
    description: str | None = None
    origin: Literal["yaml", "rest"]
    version: int


class WorkflowPage(Seen):
    items: list[WorkflowSeen]
    next: str | None


class Patch(BaseModel):
    """A JSON merge patch (RFC 7396): what is named changes, null removes."""

    model_config = ConfigDict(extra="allow")


class Start(Strict):
    """How to start a run."""

    input: dict[str, Any] | None = Field(None, description="Checked against the workflow's input schema.")
    key: Text | None = Field(None, description="The business case, when the workflow has no key of its own.")


class Status(Seen):
    """How the last run stands; `idle` when there was none."""

    status: State | Literal["idle"]
    run_id: str | None
    started_at: str | None
    finished_at: str | None
    error: Any = None


class RunSeen(Seen):
    """A run; `usage` is there where a model of an agent worked in it."""

    run_id: str
    status: State
    workflow: str
    started_at: str | None
    finished_at: str | None
    error: Any = None


class RunPage(Seen):
    items: list[RunSeen]
    next: str | None


class RunAct(Strict):
    """Why, for the audit."""

    reason: Prose | None = None


class RunRetry(RunAct):
    """Where to go on from, with which input."""

    from_: Identifier | None = Field(None, alias="from", description="The first task that runs again.")
    input: dict[str, Any] | None = None


class Rows(Seen):
    """A page."""

    items: list[dict[str, Any]]
    next: str | None


class TaskNew(Task):
    """A task to add to a workflow."""

    workflow_id: Text
    name: Identifier = Field(description="What expressions and `needs` call it.")


class TaskSeen(Seen):
    id: str
    name: str
    workflow_id: str
    origin: Literal["yaml", "rest"]
    version: int


class TaskPage(Seen):
    items: list[TaskSeen]
    next: str | None


class AgentNew(AgentConfig):
    """A named caller to make."""

    name: Text


class AgentTask(Strict):
    """A task for an agent."""

    task: Prose = Field(min_length=1, description="What it is to do, in words.")
    input: Any = Field(None, description="What it works on, as data.")
    output: dict[str, Any] | None = Field(None, description="JSON Schema of the answer; absent: a text.")
    within_h: float | None = Field(None, gt=0, le=87_600, description="The agent's time; after it the task fails.")


class AgentSeen(Seen):
    id: str
    name: str
    origin: Literal["yaml", "rest"]
    version: int


class AgentPage(Seen):
    items: list[AgentSeen]
    next: str | None


class AdapterNew(BaseModel):
    """A system to register: its name beside what YAML has for its kind."""

    model_config = ConfigDict(extra="allow")
    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")]
    kind: Text


class AdapterChange(BaseModel):
    """What YAML has for this kind."""

    model_config = ConfigDict(extra="allow")
    kind: Text


class AdapterSeen(Seen):
    name: str
    kind: str
    origin: Literal["yaml", "rest"]


class AdapterPage(Seen):
    items: list[AdapterSeen]
    next: str | None


class FindingSeen(Seen):
    what: str
    ok: bool
    found: str
    next: str


class CheckSeen(Seen):
    ok: bool
    findings: list[FindingSeen]


class CheckAsked(Strict):
    """How far to try."""

    write: bool = Field(False, description="Try the rights to write, too.")


class ToolSeen(Seen):
    name: str
    adapter: str
    description: str
    effect: Literal["read", "idempotent", "write"]
    enabled: bool
    input_schema: dict[str, Any]
    output_schema: dict[str, Any]


class ToolPage(Seen):
    items: list[ToolSeen]
    next: str | None


class ToolPreviewed(Strict):
    """The arguments, by the tool's input schema."""

    arguments: dict[str, Any] = Field(default_factory=dict)


class ToolCall(ToolPreviewed):
    """The arguments, by the tool's input schema, and what confirms them."""

    code: Text | None = Field(None, description="The one-use code of a preview of these arguments.")


class ToolAnswer(Seen):
    result: Any
    id: str


class ToolWaiting(Seen):
    status: Literal["waiting"]
    id: str


class ToolPreview(Seen):
    would: Any
    code: str
    expires_at: str
    needs_code: bool = Field(description="Whether this caller may call it only with the code.")
    needs_approval: bool = Field(description="Whether another person must agree.")


class ToolChange(Strict):
    """What is said about the tool, over the configuration."""

    enabled: bool | None = None
    description: Prose | None = None


class DocumentSeen(Seen):
    scope: str
    key: str
    version: int
    value: Any


class DocumentPage(Seen):
    items: list[DocumentSeen]
    next: str | None


class SyncSeen(Seen):
    name: str


class SyncPage(Seen):
    items: list[SyncSeen]
    next: str | None


class SyncAsked(Strict):
    """How to run it; nothing means: go on from the cursor."""

    full: bool = Field(False, description="From the beginning.")
    since: Any = Field(None, description="From this value of the cursor column on.")
    until: Any = Field(None, description="Up to this value, itself included.")
    files: list[Text] | None = Field(None, description="These files, again.")
    run: Text | None = Field(None, description="What this earlier run read, again.")
    date: Day | None = Field(None, description="The business date.")
    resubmit: bool = Field(False, description="Rejected records that were corrected; files names reject files then.")
    dry_run: bool = Field(False, description="Say what would be inserted, updated and deleted; change nothing.")


class SyncRunSeen(Seen):
    id: str
    status: str


class CursorSeen(Seen):
    name: str
    cursor: Any
    kept_by: str


class CursorSet(Strict):
    """Where reading goes on; null is the beginning."""

    cursor: Any
    reason: Prose | None = None


class ApprovalSeen(Seen):
    id: str
    state: str
    asked_by: str
    by: list[str] = Field(description="Roles or names that may answer; empty: anybody with the scope approve.")


class ApprovalPage(Seen):
    items: list[ApprovalSeen]
    next: str | None


class Reason(Strict):
    """Why, for the audit."""

    reason: Prose | None = None


class LetterSeen(Seen):
    id: str
    state: str
    tool: str | None


class LetterPage(Seen):
    items: list[LetterSeen]
    next: str | None


LetterState = Literal["unknown", "not_done", "rejected", "failed", "unavailable"]


class LetterFilter(Strict):
    """Which letters: those that have all of it."""

    tool: Text | None = Field(None, description="A glob: `erp.*`.")
    state: LetterState | None = None
    workflow: Text | None = Field(None, description="Of runs of this workflow.")
    run: Text | None = None
    since: AwareDatetime | None = Field(None, description="Begun at this moment or later.")
    until: AwareDatetime | None = Field(None, description="Begun before this moment.")
    q: Text | None = Field(None, description="Words of the tool, the key, the arguments or the error.")
    ids: Annotated[list[Text], Field(min_length=1, max_length=1000)] | None = None


class Many(Strict):
    """What is meant, and whether it is done."""

    filter: LetterFilter = Field(default_factory=LetterFilter)
    all: bool = Field(False, description="Needed where the filter is empty.")
    dry_run: bool = Field(True, description="Only say what would come of each; false does it.")
    after: Text | None = Field(None, description="`next` of the page before.")
    limit: int = Field(100, ge=1, le=1000, description="Letters of a page.")
    reason: Prose | None = None


class ManySettle(Many):
    """The same finding for all that are meant."""

    done: bool = Field(description="True: they happened; false: they did not and may be sent again.")
    result: Any = Field(None, description="The answer that each call would have given.")


class OneOfMany(Seen):
    id: str
    tool: str
    state: str = Field(description="What it was before.")
    run_id: str | None
    outcome: Literal["would", "done", "refused", "failed", "later", "unknown"] = Field(
        description="would: a dry run would do it. refused: nothing was tried. failed: the system said no. later: it was"
        " away, and the letter stays. unknown: it was sent and nobody knows what came of it."
    )
    said: str = Field(description="What the verb does to it, or why not.")
    error: dict[str, Any] | None


class ManyDone(Seen):
    dry_run: bool
    items: list[OneOfMany] = Field(description="The oldest first.")
    next: str | None = Field(description="`after` of the rest; null when all were looked at.")


class Settle(Strict):
    """What a person found out."""

    done: bool = Field(description="True: it happened; false: it did not and may be sent again.")
    result: Any = Field(None, description="The answer that the call would have given, by the tool's output schema.")
    reason: Prose | None = None


class Hold(Strict):
    """What shall take no new work, until when, and why."""

    name: Text = Field(
        description="An adapter, ADAPTER.FEED, a sync, a workflow or a trigger; KIND:NAME where it is several."
    )
    until: AwareDatetime | None = Field(None, description="With its zone; until it is released when absent.")
    reason: Prose | None = None


class Reloaded(Seen):
    changed: list[str]
    restart: list[str]


class HoldSeen(Seen):
    name: str
    kind: Literal["adapter", "feed", "sync", "workflow", "trigger", "group"]
    by: str
    since: str
    until: str | None
    reason: str | None


class HoldPage(Seen):
    items: list[HoldSeen]
    next: str | None


class EventSeen(Seen):
    id: int
    type: str
    topic: str
    run_id: str | None
    at: str


class EventPage(Seen):
    items: list[EventSeen]
    next: int | None


class Alive(Seen):
    status: Literal["ok"]


class Ready(Seen):
    status: Literal["ok", "failed"]
    findings: list[FindingSeen]


class SystemsSeen(Seen):
    items: list[dict[str, Any]]


class AuditPage(Seen):
    items: list[dict[str, Any]]
    next: str | None


class AuditVerified(Seen):
    sound: bool
    entries: int
    chains: int
    seals: int
    first_broken: str | None
    gaps: list[str]


class Exported(RootModel[list[dict[str, Any]] | dict[str, Any]]):
    """Tools in the form of a model: a list or an object."""


class Anything(Seen):
    """An object."""
