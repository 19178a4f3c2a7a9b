"""Verbs for what waits for a person: approvals and dead letters."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from ..core.errors import InputError
from .arguments import json_input
from .follow import follow, stay, top
from .many import Choice, Every, OfWorkflow, Since, Until, Yes, exit_code, tell, worst
from .output import facts, json_out, one_line, say, state, table, when
from .service import Json, Service
from .session import Reason, session

_PANEL = "What waits for a person"
_Id = Annotated[str, typer.Argument(metavar="ID")]
_OneOrMany = Annotated[str | None, typer.Argument(metavar="[ID]", show_default=False)]
_Tool = Annotated[str | None, typer.Option("--tool", help="A glob: 'erp.*'.", show_default=False)]
_State = Annotated[
    Literal["unknown", "not_done", "rejected", "failed", "unavailable"] | None,
    typer.Option("--state", show_default=False),
]
_OfRun = Annotated[str | None, typer.Option("--run", help="Of this run.", show_default=False)]
_Words = Annotated[
    str | None, typer.Option("--q", help="Words of the tool, the key, the arguments or the error.", show_default=False)
]

letters = typer.Typer(
    help="Writes whose outcome nobody knows, and compensations that failed: list them, look, settle, send.",
    invoke_without_command=True,
)


def register(cli: typer.Typer) -> None:
    for verb in (approvals, approve, reject):
        cli.command(rich_help_panel=_PANEL)(verb)
    cli.add_typer(letters, name="dead", rich_help_panel=_PANEL)


def approvals(
    ctx: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Those that were answered, too.")] = False,
    mine: Annotated[bool, typer.Option("--mine", help="Only those that you may answer.")] = False,
) -> None:
    """List what waits for an approval."""
    with session(ctx).service() as service:
        found = service.approvals(state=None if every else "waiting", mine=mine)
    if session(ctx).as_json:
        json_out(found)
    elif not found:
        say("nothing waits for an approval", style="dim")
    else:
        rows = (
            (one["id"], state(one["state"]), _what(one), one.get("asked_by"), _who(one), when(one.get("expires_at")))
            for one in found
        )
        table(("id", "state", "what", "asked by", "for", "expires"), rows, wrap="what")


def _what(approval: Json) -> str:
    from ..core.values import write_json

    tool, arguments = approval.get("tool"), approval.get("arguments")
    said = one_line(approval.get("description"), 120)
    if not tool:
        return said or f"{approval.get('task') or ''}"
    return f"{tool} {one_line(write_json(arguments).decode(), 120)}" + (f"  {said}" if said else "")


def _who(approval: Json) -> str:
    """Say who answered, or who may."""
    return approval.get("answered_by") or ", ".join(approval.get("by") or ()) or "anybody else"


def approve(ctx: typer.Context, approval: _Id, reason: Reason = None) -> None:
    """Say yes. Never by the one that asked; an answer is final."""
    _answer(ctx, approval, approved=True, reason=reason)


def reject(ctx: typer.Context, approval: _Id, reason: Reason = None) -> None:
    """Say no. An answer is final."""
    _answer(ctx, approval, approved=False, reason=reason)


def _answer(ctx: typer.Context, approval: str, *, approved: bool, reason: str | None) -> None:
    with session(ctx).service() as service:
        said = service.answer(approval, approved=approved, reason=reason)
        if not session(ctx).as_json:
            say(f"{said['state']}: {_what(said)}")
        _goes_on(ctx, service, said)


def _goes_on(ctx: typer.Context, service: Service, said: Json) -> None:
    """Where this process works, stay until the run has ended or waits again."""
    if service.works and said.get("run_id"):
        follow(service, top(service, said["run_id"]), after=said, as_json=session(ctx).as_json)
    elif session(ctx).as_json:
        json_out(said)


@letters.callback()
def dead(
    ctx: typer.Context,
    tool: _Tool = None,
    since: Since = None,
    until: Until = None,
    state_: _State = None,
    workflow: OfWorkflow = None,
    run: _OfRun = None,
    q: _Words = None,
) -> None:
    """List the writes whose outcome nobody knows, and the compensations that failed."""
    by = {"tool": tool, "since": since, "until": until, "state": state_, "workflow": workflow, "run": run, "q": q}
    if ctx.invoked_subcommand is not None:
        if any(value is not None for value in by.values()):
            raise InputError("filters stand behind the verb", next=f"drawbar dead {ctx.invoked_subcommand} --tool ...")
        return
    given = Choice.of(None, every=True, yes=False, **by).by
    with session(ctx).service() as service:
        found = service.letters(**given)
    if session(ctx).as_json:
        json_out(found)
    elif not found:
        say("no dead letters", style="dim")
    else:
        rows = (
            (
                one["id"],
                state(one["state"]),
                one.get("tool"),
                one.get("key"),
                when(one.get("since")),
                one_line(one.get("error"), 160),
            )
            for one in found
        )
        table(("id", "state", "tool", "key", "since", "what came back"), rows, wrap="what came back")


@letters.command()
def show(ctx: typer.Context, letter: _Id) -> None:
    """Show what was sent, when, where to, what came back, and what each verb would do."""
    with session(ctx).service() as service:
        found = service.letter(letter)
    if session(ctx).as_json:
        json_out(found)
        return
    _letter(found)


def _letter(found: Json) -> None:
    verbs, probes = found.pop("verbs", None) or {}, found.pop("probes", None) or []
    came_back = found.get("came_back") or {}
    if isinstance(came_back, dict) and "message" in came_back:
        found["came_back"] = came_back["message"]
        found.pop("error", None)
    for name in ("since", "left_at", "next_probe_at"):
        found[name] = when(found.get(name))
    facts(found)
    for probe in probes:
        said = ", ".join(f"{name} {value}" for name, value in probe.items() if name != "at")
        say(f"probe {when(probe.get('at'))}: {said}", style="dim")
    if verbs:
        say("\nwhat each verb would do", style="dim")
        table(("verb", "does"), [(_command(verb, found["id"]), does) for verb, does in verbs.items()], wrap="does")


def _command(verb: str, letter: str) -> str:
    word, _, option = verb.partition(" ")
    return f"drawbar dead {word} {letter} {option}".rstrip()


@letters.command()
def settle(
    ctx: typer.Context,
    letter: _OneOrMany = None,
    done: Annotated[bool | None, typer.Option("--done/--not-done", help="Whether it happened over there.", show_default=False)] = None,
    result: Annotated[
        str | None, typer.Option("--result", help="The answer that the call would have given: JSON or @file.", show_default=False)
    ] = None,
    tool: _Tool = None,
    since: Since = None,
    until: Until = None,
    state_: _State = None,
    workflow: OfWorkflow = None,
    run: _OfRun = None,
    q: _Words = None,
    every: Every = False,
    yes: Yes = False,
    reason: Reason = None,
) -> None:  # fmt: skip
    """
    Say what a person found out: it happened (with its answer), or it did not.

    Of many, by filters: without --yes it only shows what would come of each.
    """
    choice = Choice.of(
        letter, every=every, yes=yes, tool=tool, since=since, until=until, state=state_, workflow=workflow, run=run, q=q
    )
    if done is None:
        raise InputError("say whether it happened", next="--done, with --result where the tool answers, or --not-done")
    if result is not None and not done:
        raise InputError("what did not happen has no result", next="leave out --result, or say --done")
    given: Any = json_input(result, what="--result")
    if letter is None:
        _many(ctx, "settle", choice, reason=reason, done=done, result=given)
        return
    with session(ctx).service() as service:
        said = service.settle(letter, done=done, result=given, reason=reason)
        if not session(ctx).as_json:
            say(f"settled as {'done' if done else 'not done'}: {said.get('tool')}")
        _goes_on(ctx, service, said)


@letters.command()
def send(
    ctx: typer.Context,
    letter: _OneOrMany = None,
    tool: _Tool = None,
    since: Since = None,
    until: Until = None,
    state_: _State = None,
    workflow: OfWorkflow = None,
    run: _OfRun = None,
    q: _Words = None,
    every: Every = False,
    yes: Yes = False,
    reason: Reason = None,
) -> None:
    """
    Send again what was settled as not done, or a compensation that failed.

    Of many, by filters: without --yes it only shows what would come of each.
    """
    choice = Choice.of(
        letter, every=every, yes=yes, tool=tool, since=since, until=until, state=state_, workflow=workflow, run=run, q=q
    )
    if letter is None:
        _many(ctx, "send", choice, reason=reason)
        return
    with session(ctx).service() as service:
        answer = service.send(letter, reason=reason)
    json_out(answer if session(ctx).as_json else answer["result"])


@letters.command()
def drop(
    ctx: typer.Context,
    letter: _OneOrMany = None,
    tool: _Tool = None,
    since: Since = None,
    until: Until = None,
    state_: _State = None,
    workflow: OfWorkflow = None,
    run: _OfRun = None,
    q: _Words = None,
    every: Every = False,
    yes: Yes = False,
    reason: Reason = None,
) -> None:
    """
    Take a letter off the list that is settled, or a compensation that failed; nothing is sent.

    Of many, by filters: without --yes it only shows what would come of each.
    """
    choice = Choice.of(
        letter, every=every, yes=yes, tool=tool, since=since, until=until, state=state_, workflow=workflow, run=run, q=q
    )
    if letter is None:
        _many(ctx, "drop", choice, reason=reason)
        return
    with session(ctx).service() as service:
        service.drop(letter, reason=reason)
    if session(ctx).as_json:
        json_out({"id": letter, "dropped": True})
    else:
        say("dropped; the ledger keeps it")


def _many(ctx: typer.Context, verb: str, choice: Choice, *, reason: str | None, **said: Any) -> None:
    """Do one verb to many letters; where this process works, their runs go on until they end or wait again."""
    as_json = session(ctx).as_json
    again = ["drawbar", "dead", verb, *_typed(choice, said)]
    with session(ctx).service() as service:
        done = service.many_letters(verb, choice.by, dry_run=not choice.yes, every=choice.every, reason=reason, **said)
        came = tell(done, id_="id", columns=("tool", "state", "key"), again=again, choice=choice, as_json=as_json)
        if not choice.yes:
            return
        codes = {exit_code(came)}
        if service.works and verb != "drop":
            going_on = dict.fromkeys(one["run_id"] for one in came if one["outcome"] == "done" and one.get("run_id"))
            codes |= {stay(service, run_id, quiet=as_json) for run_id in going_on}
    raise typer.Exit(worst(codes))


def _typed(choice: Choice, said: Json) -> list[str]:
    """Spell a choice as it is typed."""
    from ..core.values import write_json

    words = [word for name, value in choice.by.items() for word in (f"--{name}", str(value))]
    if "done" in said:
        words.append("--done" if said["done"] else "--not-done")
    if said.get("result") is not None:
        words += ["--result", write_json(said["result"]).decode()]
    return [*words, *(["--all"] if choice.every else [])]
