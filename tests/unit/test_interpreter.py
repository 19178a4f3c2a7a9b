"""The interpreter on random graphs: whatever happens, in whatever order, wherever it crashes."""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drawbar.core.interpreter import (
    CHILD,
    FINAL,
    WHOLE,
    Ask,
    Counts,
    End,
    Graph,
    Holds,
    Move,
    Node,
    Retry,
    State,
    TaskState,
    Undone,
    Want,
    decide,
    fold,
    shown,
)


@st.composite
def graphs(draw):
    def node(name, before):
        each = draw(st.booleans()) and draw(st.booleans())
        return Node(
            name,
            tuple(draw(st.lists(st.sampled_from(before), unique=True, max_size=3))) if before else (),
            always=draw(st.integers(0, 4)) == 0,
            condition=draw(st.integers(0, 3)) == 0,
            concurrency=draw(st.integers(1, 3)) if each else None,
            stop=draw(st.booleans()),
        )

    names = [f"t{number}" for number in range(draw(st.integers(0, 7)))]
    tasks = {name: node(name, names[:at]) for at, name in enumerate(names)}
    after = [f"f{number}" for number in range(draw(st.integers(0, 2)))]
    undo = {name: f"undo:{name}" for name in names if draw(st.booleans())}
    return Graph(tasks, {name: node(name, after[:at]) for at, name in enumerate(after)}, undo)


@dataclass
class World:
    """Plays journal and threads: stores every fact, answers questions, lets things happen."""

    graph: Graph
    data: st.DataObject
    state: State = field(default_factory=State)
    facts: list = field(default_factory=list)
    decided: list = field(default_factory=list)
    finished: set = field(default_factory=set)
    ends: int = 0
    done: list = field(default_factory=list)
    """What has a compensation, in the order it was done; what is being undone is taken off at its end."""
    completed: list = field(default_factory=list)
    undone: list = field(default_factory=list)

    def take(self, fact):
        if isinstance(fact, Move):
            self._check_move(fact)
        self.ends += isinstance(fact, End)
        self.facts.append(fact)
        self.state = fold(self.state, fact)

    def _check_move(self, move):
        place = (move.task, move.item)
        assert place not in self.finished, "nothing finished moves again"
        if move.state in FINAL:
            self.finished.add(place)
        if move.task in self.graph.undo.values():
            self._check_undoing(move)
            return
        node = {**self.graph.tasks, **self.graph.on_failure}[move.task]
        if move.state == "ready":
            for need in node.needs:
                assert self.state.tasks[need].state in FINAL, "a task begins after its needs"
                assert node.always or self.state.tasks[need].state == "succeeded"
        if move.task in self.graph.on_failure and move.state == "ready":
            assert all(self.state.tasks[name].state in FINAL for name in self.graph.tasks)
            assert not self.done, "on_failure comes after all is undone"
        is_part = move.item != WHOLE or node.concurrency is None
        if move.state == "succeeded" and is_part and move.task in self.graph.undo:
            self.done.append(place)
            self.completed.append(place)

    def _check_undoing(self, move):
        busy = FINAL | {"pending"}
        assert all(self.state.tasks.get(name, TaskState()).state in busy for name in self.graph.tasks), (
            "all else is over"
        )
        assert not any(name in self.state.tasks for name in self.graph.on_failure) or self.state.wanted == "cancel"
        if move.state in {"succeeded", "failed"} and (move.item != WHOLE or not self._is_open(move.task)):
            self.undone.append((move.task, move.item))

    def _is_open(self, name):
        return self.state.tasks[name].state == "open"

    def follow(self):
        while decisions := decide(self.graph, self.state):
            self.decided.append((len(self.facts), decisions))
            for decision in decisions:
                for fact in self._answers(decision) if isinstance(decision, Ask) else [decision]:
                    self.take(fact)
            self._check_live()

    def _answers(self, ask):
        if ask.what == "undo":
            return self._last()
        return [self._answer(ask)]

    def _last(self):
        if not self.done:
            return [Undone()]
        task, item = self.done.pop()
        name = self.graph.undo[task]
        opened = item == WHOLE or name in self.state.tasks
        total = 1 + sum(one == task for one, _ in self.done)
        return [*([] if opened else [Counts(name, total)]), Move(name, item, "ready")]

    def _answer(self, ask):
        if ask.what == "if":
            holds = Holds(ask.task, self.data.draw(st.booleans()))
            if not holds.yes:
                self.finished.add((ask.task, WHOLE))
            return holds
        return Counts(ask.task, self.data.draw(st.integers(0, 5)))

    def _check_live(self):
        for name, node in {**self.graph.tasks, **self.graph.on_failure}.items():
            task = self.state.tasks.get(name, TaskState())
            assert len(task.live) <= (node.concurrency or 0)
        undoing = [self.state.tasks.get(name, TaskState()) for name in self.graph.undo.values()]
        single = sum(task.state not in FINAL | {"open", "pending"} for task in undoing)
        assert single + sum(len(task.live) for task in undoing) <= 1, "one compensation at a time"

    def places(self, *states):
        for name, task in self.state.tasks.items():
            if task.state in states:
                yield name, WHOLE, task.state
            for item, state in task.live.items():
                if state in states:
                    yield name, item, state

    def happen(self, choices):
        """Let one thing happen to one task that is not over; False when there is none."""
        places = list(self.places(*choices))
        if not places:
            return False
        task, item, state = self.data.draw(st.sampled_from(places))
        self.take(Move(task, item, self.data.draw(st.sampled_from(choices[state]))))
        self.follow()
        return True

    def crash(self):
        """Forget everything but the facts; what ran is ready again, or parked."""
        self.check_replay()
        for task, item, _ in list(self.places("running")):
            self.take(Move(task, item, self.data.draw(st.sampled_from(["ready", "parked"]))))
        self.follow()

    def check_mirror(self):
        """What was done is undone once, backward, in a run that ended badly; in one that ended well nothing is."""
        if self.state.ended == "succeeded":
            assert self.undone == []
        else:
            assert self.undone == [(self.graph.undo[task], item) for task, item in reversed(self.completed)]

    def check_replay(self):
        """The facts alone give the same state, and at each point the same decisions."""
        state, points = State(), dict(self.decided)
        for number, fact in enumerate(self.facts):
            if number in points:
                assert decide(self.graph, state) == points[number]
            state = fold(state, fact)
        assert state == self.state


ANYTHING = {
    "ready": ["running"],
    "running": ["succeeded", "failed", "delayed", "waiting", "parked", "child", "child_waits"],
    "child": ["child_waits", "child_parked", "succeeded", "failed"],
    "child_waits": ["child", "child_parked", "succeeded", "failed"],
    "child_parked": ["child", "succeeded", "failed"],
    "delayed": ["ready"],
    "waiting": ["ready", "succeeded", "failed"],
    "parked": ["ready", "succeeded"],
}
ENDING = {
    "ready": ["running"],
    "running": ["succeeded", "failed"],
    "delayed": ["ready"],
    "waiting": ["succeeded"],
    "parked": ["succeeded"],
    **{child: ["succeeded", "failed"] for child in CHILD},
}


def play(world):
    world.follow()
    for step in world.data.draw(st.lists(st.sampled_from("hhhhhhhhcpr"), max_size=40)):
        if step == "h":
            world.happen(ANYTHING)
        elif step == "c":
            world.crash()
        elif not world.state.ended and world.state.wanted != "cancel":
            world.take(Want("pause" if step == "p" else None))
            world.follow()


def end(world):
    if world.state.wanted == "pause":
        world.take(Want(None))
        world.follow()
    for _ in range(2000):
        if world.state.ended or not world.happen(ENDING):
            break


@settings(max_examples=400, deadline=None)
@given(graphs(), st.data())
def test_every_run_ends_in_exactly_one_state(graph, data):
    """Nothing finished begins again, order holds, concurrency holds, and a replay gives the same decisions."""
    world = World(graph, data)

    play(world)
    end(world)

    assert world.ends == 1
    assert world.state.ended in {"succeeded", "failed"}
    failed = any(world.state.tasks[name].state == "failed" for name in graph.tasks)
    assert world.state.ended == ("failed" if failed else "succeeded")
    assert decide(graph, world.state) == []
    assert shown(world.state) == world.state.ended
    world.check_replay()
    world.check_mirror()


@settings(max_examples=200, deadline=None)
@given(graphs(), st.data())
def test_a_cancelled_run_begins_nothing_more_and_ends(graph, data):
    """What runs is left to end and what is parked to be settled; nothing else begins but what undoes."""
    world = World(graph, data)
    play(world)
    if world.state.ended:
        return
    busy = {(task, item) for task, item, _ in world.places("running", "parked", *CHILD)}

    world.take(Want("cancel"))
    world.follow()
    moved = len(world.facts)
    for _ in range(400):
        if data.draw(st.integers(0, 9)) == 0:
            world.crash()
        if not world.happen(
            {
                **ENDING,
                **{child: ["succeeded", "failed", "cancelled", "child_parked"] for child in CHILD},
                "running": ["succeeded", "failed", "delayed"],
                "parked": ["succeeded", "ready"],
            }
        ):
            break

    assert world.state.ended == "cancelled"
    assert world.ends == 1
    world.check_mirror()
    undoes = set(graph.undo.values())
    facts = [fact for fact in world.facts[moved:] if isinstance(fact, Move) and fact.task not in undoes]
    later = {(fact.task, fact.item) for fact in facts}
    assert {place for place in later if place[1] != WHOLE or place in busy} <= busy
    assert not [fact for fact in facts if fact.state == "running"]


@settings(max_examples=200, deadline=None)
@given(graphs(), st.data())
def test_a_pause_holds_what_undoes_and_a_cancel_does_not(graph, data):
    """A run that is being cancelled can be halted; then nothing begins until it goes on."""
    world = World(graph, data)
    play(world)
    if world.state.ended:
        return
    world.take(Want(data.draw(st.sampled_from(["cancel", None]))))
    world.follow()
    while not world.state.ended and data.draw(st.integers(0, 9)):
        world.happen(ENDING)
    if world.state.ended:
        return

    world.take(Want("halt"))
    world.follow()
    halted = len(world.facts)
    while world.happen({"running": ["succeeded", "failed", "delayed"], "parked": ["succeeded"]}):
        pass
    assert not world.state.ended
    assert not [one for one in world.facts[halted:] if isinstance(one, Move) and one.state in {"ready", "running"}]
    assert shown(world.state) == "paused"

    world.take(Want("cancel"))
    world.follow()
    while not world.state.ended:
        assert world.happen(ENDING)
    assert world.state.ended == "cancelled"
    world.check_mirror()


@settings(max_examples=200, deadline=None)
@given(graphs(), st.data())
def test_who_forgets_that_all_is_undone_asks_again(graph, data):
    """What is read back from rows does not say so, and nothing else depends on it."""
    world = World(graph, data)
    play(world)
    if not world.state.ended and data.draw(st.booleans()):
        world.take(Want("cancel"))
        world.follow()
    elif world.state.wanted:
        world.take(Want(None))
        world.follow()
    while not world.state.ended:
        world.state = replace(world.state, undone=False)
        assert world.happen(ENDING)

    assert world.ends == 1
    world.check_mirror()


@settings(max_examples=200, deadline=None)
@given(graphs(), st.data())
def test_a_retry_does_only_again_what_did_not_succeed(graph, data):
    """What succeeded and was not undone stays; everything else can still come to a good end."""
    world = World(graph, data)
    play(world)
    end(world)
    if world.state.ended != "failed":
        return
    undone = {name for name, undo in graph.undo.items() if undo in world.state.tasks}
    good = {name for name, task in world.state.tasks.items() if task.state == "succeeded" and name in graph.tasks}
    good -= undone
    again = frozenset(world.state.tasks.keys() - good)

    world.finished -= {place for place in world.finished if place[0] in again}
    world.ends, world.undone = 0, []
    world.take(Retry(again))
    begun = len(world.facts)
    world.follow()
    while not world.state.ended and world.happen({**ENDING, "running": ["succeeded"]}):
        pass

    assert world.state.ended == "succeeded"
    assert not {fact.task for fact in world.facts[begun:] if isinstance(fact, Move)} & good
    assert world.undone == []


def test_a_fact_of_a_long_for_each_costs_what_the_first_cost():
    """The state keeps a cursor and the live items, whatever is already done."""
    graph = Graph({"each": Node("each", concurrency=4)})
    state = fold(State(), Counts("each", 10_000))
    for item in range(10_000):
        if item % 4 == 0:
            for decision in decide(graph, state):
                state = fold(state, decision)
        state = fold(state, Move("each", item, "succeeded"))
        assert len(state.tasks["each"].live) <= 4

    assert decide(graph, state) == [Move("each", WHOLE, "succeeded")]


def test_a_fact_of_a_long_compensation_costs_what_the_first_cost():
    """The state holds the one item that is being undone, whatever was done and is undone."""
    graph = Graph({"each": Node("each", concurrency=1), "no": Node("no")}, undo={"each": "undo:each"})
    state = State({"each": TaskState("succeeded", total=10_000, cursor=10_000), "no": TaskState("failed")})
    state = fold(state, Counts("undo:each", 10_000))
    for item in reversed(range(10_000)):
        assert decide(graph, state) == [Ask("", "undo")]
        for to in ("ready", "running", "succeeded"):
            state = fold(state, Move("undo:each", item, to))
        assert state.tasks["undo:each"].live == {}

    state = fold(state, Undone())
    assert decide(graph, state) == [Move("undo:each", WHOLE, "succeeded")]


@pytest.mark.parametrize(
    ("states", "word"),
    [
        (["running", "parked"], "running"),
        (["child", "parked"], "running"),
        (["child_parked", "child_waits"], "parked"),
        (["child_waits"], "waiting"),
        (["parked", "waiting"], "parked"),
        (["delayed"], "waiting"),
        (["waiting"], "waiting"),
    ],
)
def test_a_run_is_shown_by_what_people_must_know_first(states, word):
    state = State({f"t{at}": TaskState(state) for at, state in enumerate(states)})

    assert shown(state) == word
