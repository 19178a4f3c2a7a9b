"""The record of all runs: the one place where facts are committed, and what the process hears of it afterwards."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from . import views
from .aside import Aside
from .claim import Claim
from .context import Shelf
from .context_config import ContextConfig
from .course import Course
from .errors import DrawbarError, InputError, Unavailable
from .hearing import hear
from .interpreter import State, Want, shown
from .known import Known, Memory, read
from .queues import Queue, Queues
from .store import children, keyed, runs
from .store.journal import Connection, Journal
from .values import load
from .views import Run

log = structlog.get_logger("drawbar.record")
Tell = Callable[[Course], None]
BETWEEN = "\x1f"
"""Stands between workflow and key in a held key."""


class Over(threading.Event):
    """Set when a run is over; `run` is what it came to, where this process knows all of it."""

    run: Run | None = None


class Record:
    """
    Takes facts of runs, one at a time each, and keeps what this process knows of them.

    After a commit it calls `ring` when it left ready tasks in the journal, and `wake` when it set a timer.
    """

    def __init__(self, journal: Journal, owner: str, aside: Aside, queues: Queues | None = None) -> None:
        self.journal = journal
        self.aside = aside
        self.owner = owner
        self.queues = queues or Queues()
        self.memory = Memory()
        self.ring: Callable[[list[tuple[str, str, int, Queue]]], None] = lambda places: None
        self.wake: Callable[[], None] = _nobody
        self.has_model: Callable[[str], bool] = lambda agent: False
        self.shelf = Shelf(ContextConfig())
        self.news = threading.Condition()
        self._lock = threading.Lock()
        self._awaited: dict[str, list[Over]] = {}

    def take(
        self,
        run_id: str,
        tell: Tell,
        *,
        room: int = 0,
        ahead: Tell | None = None,
        below: Callable[[Course], bool] | None = None,
        trusts: bool = False,
        of: tuple[str, int] | None = None,
    ) -> list[Claim]:
        """
        Commit what `tell` takes into the run's course and all that follows; give the tasks that were claimed by it.

        `ahead` adds to the commit what is good to have in it; should that fail, the commit is made without it. What
        `below` takes goes into the courses of the runs that do tasks of this one, where it says true. `trusts` is for who
        holds a task of the run: mostly nobody else has changed it since, and so nobody looks before. `of` is the task, and
        its item, that is going to be claimed.
        """

        def unit(conn: Connection) -> list[Course]:
            courses = self.within(conn, run_id, tell, room=room, trusts=trusts, of=of)
            return courses if below is None else [*courses, *self._below(conn, run_id, below)]

        try:
            return self.committed(self.write(unit, ahead))
        except runs.Changed:
            known = self.memory.get(run_id)
            if known is not None:
                known.is_shared = True
            return self.take(run_id, tell, room=room, ahead=ahead, below=below, of=of)

    def write(self, unit: Callable[[Connection], list[Course]], ahead: Tell | None = None) -> list[Course]:
        """Commit a unit, with what `ahead` adds to its first course; who calls hands the courses to `committed`."""
        if ahead is None:
            return self.journal.write(unit)
        failed = False

        def with_more(conn: Connection) -> list[Course]:
            nonlocal failed
            courses = unit(conn)
            if courses and not failed:
                failed = True
                ahead(courses[0])
                failed = False
            return courses

        try:
            return self.journal.write(with_more)
        except DrawbarError:
            raise
        except Exception as error:
            if not failed:
                raise
            log.warning("ahead.fails", error=f"{type(error).__name__}: {error}")
            return self.journal.write(with_more)

    def within(
        self,
        conn: Connection,
        run_id: str,
        tell: Tell,
        *,
        room: int = 0,
        trusts: bool = False,
        of: tuple[str, int] | None = None,
    ) -> list[Course]:
        """Do the same inside a unit of the caller, who calls `committed` after its commit."""
        course = self._trusted(conn, run_id, room) if trusts else None
        return self.follow(course or self.open(conn, run_id, room, of), tell)

    def _trusted(self, conn: Connection, run_id: str, room: int) -> Course | None:
        """Give the course of a run as it is remembered; None where that has been wrong, or cannot be relied on."""
        known = self.memory.get(run_id)
        if known is None or known.is_shared:
            return None
        version, state = known.point
        if not runs.trusts(conn, run_id, version):
            known.is_shared = True
            return None
        course = self.course(conn, known, version, state, room)
        course.stood = shown(state)
        course.trusted = True
        return course

    def follow(self, course: Course, tell: Tell) -> list[Course]:
        tell(course)
        course.follow()
        courses = [course, *course.born]
        last = course
        while last.freed_key:
            heir = self._heir(last)
            if heir is None:
                break
            heir.follow()
            courses.append(heir)
            last = heir
        return courses

    def _below(self, conn: Connection, run_id: str, tell: Callable[[Course], bool]) -> Iterator[Course]:
        """Take something into the courses of all runs that do tasks of this one, directly or through others."""
        for child in children.live(conn, run_id):
            course = self.open(conn, child)
            if tell(course):
                yield from self.follow(course, lambda course: None)
            yield from self._below(conn, child, tell)

    def open(self, conn: Connection, run_id: str, room: int = 0, of: tuple[str, int] | None = None) -> Course:
        """Lock a run and give its course, as of now, to who calls `follow` on it."""
        known = self.memory.get(run_id)
        found = runs.lock(conn, run_id, is_known=known is not None, of=of)
        if found is None:
            raise InputError(f"there is no run {run_id!r}", reason="not_found", next="see drawbar runs")
        version, said, wanted, finished_at = found
        is_new, known = known is None, known or read(conn, run_id, self.aside)
        assert known is not None
        if known.point[0] == version:
            state = known.point[1]
        else:
            if not is_new:
                known.outputs.clear()
                known.is_ours = False
                known.input = load(runs.given(conn, run_id))  # a retry may have corrected it
            state = runs.state_of(conn, run_id, wanted, said if finished_at is not None else None)
        course = self.course(conn, known, version, state, room)
        course.queued = said == "queued"
        course.stood = said
        return course

    def course(self, conn: Connection, known: Known, version: int, state: State, room: int) -> Course:
        now = self.journal.now()
        course = Course(
            conn, known, version, state, now=now, owner=self.owner, room=room, queues=self.queues, shelf=self.shelf
        )
        course.has_model = self.has_model
        return course

    def _heir(self, course: Course) -> Course | None:
        """Let the next run of the same key begin."""
        header = course.known.header
        assert header.key is not None
        held = keyed.lock_key(course.conn, held_key(header.workflow, header.key))
        return self._next(course.conn, header.workflow, header.key, held, course.room)

    def _next(self, conn: Connection, workflow: str, key: str, held: str, room: int) -> Course | None:
        try:
            run_id = keyed.next_run(conn, workflow, key)
        except runs.Newer:  # that program begins it, by its `begin_left`
            return None
        if run_id is None:
            return None
        keyed.hold(conn, run_id, held, time.time())
        heir = self.open(conn, run_id, room)
        heir.stood = "queued"
        heir.tell("run.started")
        if (parent := heir.known.header.parent) and children.wanted_of(conn, parent[0]) in {"pause", "halt"}:
            heir.take(Want("pause"))
        return heir

    def begin_left(self, workflow: str, key: str) -> None:
        """Let the next run of a key begin, where the program that freed it could not."""

        def unit(conn: Connection) -> list[Course]:
            held = keyed.lock_key(conn, held_key(workflow, key))
            heir = None if keyed.is_held(conn, held) else self._next(conn, workflow, key, held, 0)
            return [] if heir is None else self.follow(heir, lambda course: None)

        self.committed(self.journal.write(unit))

    def committed(self, courses: list[Course]) -> list[Claim]:
        """Hear that a unit was committed; who has room goes on in the parents of what has ended."""
        claims: list[Claim] = []
        room = min((course.room for course in courses), default=0)
        ready: list[tuple[str, str, int, Queue]] = []
        timed = False
        for course in courses:
            known = course.known
            known.outputs.update(course.fresh)
            self.memory.keep(known, course.version, course.state)
            claims += course.claims
            ready += course.left_ready
            timed |= course.set_timer
        if ready:
            self.ring(ready)
        if timed:
            self.wake()
        for course in courses:
            if course.state.ended:
                self._tell_end(course)
        with self.news:
            self.news.notify_all()
        for course in courses:
            if course.tells_parent and course.known.header.parent is not None:
                more = self._told(course.known.header.parent[0], course.run_id, room)
                room -= len(more)
                claims += more
        return claims

    def hear(self, parent: str, child: str, room: int = 0) -> list[Claim]:
        """Let a parent hear how its child stands; telling it twice does nothing."""

        def unit(conn: Connection) -> list[Course]:
            found = runs.lock(conn, parent)
            if found is None or found[3] is not None:
                children.told(conn, child)
                return []
            return self.within(conn, parent, lambda course: hear(course, child), room=room)

        return self.committed(self.journal.write(unit))

    def _told(self, parent: str, child: str, room: int) -> list[Claim]:
        try:
            return self.hear(parent, child, room)
        except (Unavailable, runs.Newer) as error:  # the mark on the child stays, and a sweep finds it
            log.warning("parent.untold", run=parent, child=child, error=error.message)
            return []

    @contextmanager
    def end_of(self, run_id: str) -> Iterator[Over]:
        """Give what is set when this process ends the run; another process sets nothing here."""
        over = Over()
        with self._lock:
            self._awaited.setdefault(run_id, []).append(over)
        try:
            yield over
        finally:
            with self._lock:
                left = [event for event in self._awaited[run_id] if event is not over]
                self._awaited[run_id] = left
                if not left:
                    del self._awaited[run_id]

    def _tell_end(self, course: Course) -> None:
        with self._lock:
            awaited = self._awaited.get(course.run_id)
            if awaited:
                run = views.ended(course)
                for over in awaited:
                    over.run = run
                    over.set()


def held_key(workflow: str, key: str) -> str:
    """Spell the key that one run of a workflow holds at a time."""
    return f"{workflow}{BETWEEN}{key}"


def _nobody() -> None: ...
