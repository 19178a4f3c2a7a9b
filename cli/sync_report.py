"""The report of one run of a sync, as a page for an auditor."""

from __future__ import annotations

from typing import Any

from ..core.values import write_json
from .output import console, facts, one_line, say, seconds, state, table, when
from .service import Json


def print_report(run: Json) -> None:
    """Print what was asked, read, written, refused and proven, and from where to where the cursor went."""
    console().print(state(run["status"]).append(f"  {run['sync']}  run {run['id']}", style=""))
    facts(
        {
            "started": when(run["started_at"]),
            "finished": when(run["finished_at"]),
            "took": seconds(run["seconds"]),
            "by": run["caller"],
            "workflow run": run.get("run_id"),
            "from": run.get("from"),
            "to": run.get("to"),
            "asked": run.get("asked"),
            "options": _json(run["options"]) if run.get("options") else None,
            "business date": run.get("date"),
            "configuration": run.get("configuration"),
            "cursor before": _json(run["cursor_before"]),
            "cursor after": _json(run["cursor_after"]),
            "a crash": run.get("effect"),
        }
    )
    say("")
    _balance(run)
    for total in run.get("totals") or ():
        style = "green" if total["balances"] else "red"
        say(f"  {total['of']}: source {total['source']}, target {total['target']}", style=style)
    for one in run.get("drift") or ():
        say(f"  drift: {one['said']}", style="yellow")
    _portions(run.get("files") or ())
    error = run.get("error")
    if error:
        say(f"  {error.get('message', error) if isinstance(error, dict) else error}", style="red")


def _balance(run: Json) -> None:
    read, parts = run["read"], [run["written"], run["rejected"], run["filtered"], run.get("parked") or 0]
    agree = "balances" if read == sum(parts) else "DOES NOT BALANCE"
    parked = f" + parked {parts[3]:,}" if parts[3] else ""
    say(f"  read {read:,} = written {parts[0]:,} + rejected {parts[1]:,} + filtered {parts[2]:,}{parked}: {agree}")
    for entry in run.get("parked_entries") or ():
        say(f"  parked: nobody knows whether it was called: drawbar dead show {entry}", style="yellow")
    for ended, count in (run.get("settled") or {}).items():
        say(f"  parked by earlier runs, settled since: {count:,} {ended}")
    if load := run.get("load"):
        before = f", {load['done_before']} of them by earlier runs" if load["done_before"] else ""
        say(f"  load {load['id']}: {load['ranges']} ranges{before}")
    if run.get("deleted"):
        say(f"  deleted {run['deleted']:,}")
    if would := run.get("would"):
        counts = ", ".join(f"{would[word]:,} {word}" for word in ("inserted", "updated", "deleted", "unchanged"))
        say(f"  would be: {counts} (a dry run: nothing was changed)")


def _portions(portions: Any) -> None:
    if not portions:
        return
    say("")
    rows = (
        (
            one.get("name"),
            "again" if one.get("again") else "",
            one.get("read"),
            one.get("written"),
            one.get("rejected"),
            one_line(one.get("rejects"), 160),
            one_line(one.get("id"), 160),
        )
        for one in portions
    )
    table(
        ("portion", "", "read", "written", "rejected", "reject file", "identity"),
        rows,
        right=("read", "written", "rejected"),
        wrap="identity",
    )
    for one in portions:
        for total in one.get("totals") or ():
            say(
                f"  {one.get('name')}: {total['of']} {total['found']}, and the file says {total['says']}", style="green"
            )


def _json(value: Any) -> str:
    return "none" if value is None else write_json(value).decode()
