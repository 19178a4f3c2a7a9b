"""A load in ranges: on threads of this process, or as tasks of a run on whichever workers there are."""

from __future__ import annotations

import threading
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import replace
from functools import reduce
from typing import TYPE_CHECKING, Any

from ..batch import Sink, Source
from ..errors import Rejected
from ..store import syncs
from .collected import Collected, is_collected, staging
from .done import Counts, Done, Progress
from .partitions import Plan, at_a_time, begun, parts_of
from .runs import Held

if TYPE_CHECKING:
    from .work import SyncWork


class Loads:
    """Carries the loads of syncs with `partitions`."""

    def __init__(self, work: SyncWork) -> None:
        self._work = work
        self._lock = threading.Lock()

    def carry(self, held: Held, source: Source, sink: Sink, told: Progress) -> None:
        """Begin a load, or go on with one that was cut off, until all its ranges are in the target."""
        rules = held.config.partitions
        assert rules is not None
        plan = begun(self._work.state_cursor(held.name), held.config, full=held.asked.full)
        done_before = 0 if plan is None else len(plan.done)
        held.before = None if plan is None else plan.since if plan.is_window else plan.as_kept()
        if plan is None and (plan := self._planned(held, source, sink)) is None:
            return
        held.report["load"] = {"id": plan.id, "ranges": plan.ranges, "done_before": done_before}
        collected = Collected.of(held.config, source, sink, plan)
        if collected is not None:
            with self._work.ends.share(held.config).held():
                collected.begin()
        spread = self._work.spread if rules.workers else None
        if spread is not None and spread.serves(held):
            spread.load(held, plan, self._width(held), lambda changed: self._keep(held.name, changed), told)
        else:
            self._on_threads(held, plan, source, told)
        if collected is not None:
            self._swap(held, collected)
        self._moved(held, plan, sink)
        held.loaded = plan.id

    def _swap(self, held: Held, collected: Collected) -> None:
        """Replace the target by what was collected; where it says no, the load begins again."""
        try:
            with self._work.ends.share(held.config).held():
                totals = collected.swap(held.name)
        except Rejected:
            self._work.journal.write(lambda conn: syncs.set_cursor(conn, held.name, None))
            collected.clear()
            raise
        if totals is not None:
            held.proved(totals)
        collected.clear()

    def _planned(self, held: Held, source: Source, sink: Sink) -> Plan | None:
        """Plan a load from the cursor on, and keep the plan; None when there is nothing to load."""
        since = None
        if held.config.from_.cursor is not None:
            since = self._work.cursor_of(held.name, sink)
            if held.asked.full:
                self._work.refuse_again(held, since)
                since = None
            held.before = held.after = since
        with self._work.ends.share(held.config).held():
            plan = Plan.made(held.config, source, since)
        if plan is not None:
            self._keep(held.name, plan)
        return plan

    def _moved(self, held: Held, plan: Plan, sink: Sink) -> None:
        """Move the cursor of a watermark behind the load, where the target keeps it; our state's moves when the run ends."""
        if plan.until is None and not plan.snapshot:
            return
        held.after = plan.until
        if not sink.keeps_cursor:
            held.behind = plan.until
        elif not sink.has(plan.portion):
            with self._work.ends.share(held.config).held(), sink.writing(portion=plan.portion) as writing:
                writing.commit(portion=plan.portion, cursor=plan.until)

    def one(self, held: Held, plan: Plan, at: int, told: Progress) -> Done | None:
        """Load one range, unless the target has it; with ends of its own."""
        with ExitStack() as stack:
            whole = self._work.ends.source(held)
            stack.callback(whole.close)
            source = plan.source(whole, at)
            part = parts_of(held.name, at)
            load = plan.id if is_collected(held.config) else None
            if load is not None:
                target = self._work.ends.sink(held)
                stack.callback(target.close)
                sink = staging(target).staged(load, part)
            else:
                sink = self._work.ends.sink(replace(held, name=part))
            stack.callback(sink.close)
            carrier = replace(self._work.carrier(held, source, sink, told), load=load)
            done = next(carrier.carry(None, lambda cursor: None), None)
        self.tick(held.name, plan.id, at)
        return done

    def tick(self, name: str, load: str, at: int) -> None:
        """Note that a range is there."""

        def unit(conn: Any) -> None:
            known = Plan.kept(syncs.locked_cursor(conn, name))
            if known is not None and known.id == load:
                syncs.set_cursor(conn, name, known.after(at).as_kept())

        self._work.journal.write(unit)

    def _keep(self, name: str, plan: Plan) -> None:
        self._work.journal.write(lambda conn: syncs.set_cursor(conn, name, plan.as_kept()))

    def _on_threads(self, held: Held, plan: Plan, source: Source, told: Progress) -> None:
        """Load some ranges at a time; after one that failed no other begins, and those that are under way end."""
        total = source.total(None) if not plan.done else None
        so_far: dict[int, Counts] = {}

        def heard(at: int) -> Progress:
            def hear(counts: Counts, _: int | None) -> None:
                with self._lock:
                    so_far[at] = counts
                    summed = reduce(Counts.plus, so_far.values())
                told(summed, total)

            return hear

        failure: BaseException | None = None
        left = list(reversed(plan.left))
        under_way: set[Future[Done | None]] = set()
        width = self._width(held)
        with ThreadPoolExecutor(width, f"drawbar-load-{held.name}") as threads:
            while under_way or (left and failure is None):
                while left and failure is None and len(under_way) < width:
                    at = left.pop()
                    under_way.add(threads.submit(self.one, held, plan, at, heard(at)))
                ended, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                for future in ended:
                    if (error := future.exception()) is not None:
                        failure = failure or error
                    elif (done := future.result()) is not None:
                        self._work.note(held, done)
        if failure is not None:
            raise failure

    def _width(self, held: Held) -> int:
        """Say how many ranges go at a time."""
        budgets = {}
        for end in (held.config.from_.adapter, held.config.to.adapter):
            budget = self._work.ends.landscape.config(end).budget
            budgets[end] = budget.batch or budget.concurrency
        return at_a_time(held.config, budgets, one_writer=self._work.ends.file(held.config.to.adapter) is not None)
