"""The interpreter on random graphs: whatever happens, in whatever order, wherever it crashes."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drawbar.core.interpreter import (
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
    return Graph(tasks, {name: node(name, after[:at]) for at, name in enumerate(after)})


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

    def take(self, fact):
        if isinstance(fact, Move):
            self._check_move(fact)
        self.ends += isinstance(fact, End)
        self.facts.append(fact)
        self.state = fold(self.state, fact)

    def _check_move(self, move):
        place = (move.task, move.item)
        assert place not in self.finished, "nothing finished moves again"
        node = {**self.graph.tasks, **self.graph.on_failure}[move.task]
        if move.state == "ready":
            for need in node.needs:
                assert self.state.tasks[need].state in FINAL, "a task begins after its needs"
                assert node.always or self.state.tasks[need].state == "succeeded"
        if move.task in self.graph.on_failure and move.state == "ready":
            assert all(self.state.tasks[name].state in FINAL for name in self.graph.tasks)
        if move.state in FINAL:
            self.finished.add(place)

    def follow(self):
        while decisions := decide(self.graph, self.state):
            self.decided.append((len(self.facts), decisions))
            for decision in decisions:
                self.take(self._answer(decision) if isinstance(decision, Ask) else decision)
            self._check_live()

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
    "running": ["succeeded", "failed", "delayed", "waiting", "parked"],
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


@settings(max_examples=200, deadline=None)
@given(graphs(), st.data())
def test_a_cancelled_run_begins_nothing_more_and_ends(graph, data):
    """What runs is left to end and what is parked to be settled; nothing else begins."""
    world = World(graph, data)
    play(world)
    if world.state.ended:
        return
    busy = {(task, item) for task, item, _ in world.places("running", "parked")}

    world.take(Want("cancel"))
    world.follow()
    moved = len(world.facts)
    for _ in range(200):
        if not world.happen({"running": ["succeeded", "failed", "delayed"], "parked": ["succeeded", "ready"]}):
            break

    assert world.state.ended == "cancelled"
    assert world.ends == 1
    later = {(fact.task, fact.item) for fact in world.facts[moved:] if isinstance(fact, Move)}
    assert {place for place in later if place[1] != WHOLE or place in busy} <= busy
    assert not [fact for fact in world.facts[moved:] if isinstance(fact, Move) and fact.state == "running"]


@settings(max_examples=200, deadline=None)
@given(graphs(), st.data())
def test_a_retry_does_only_again_what_did_not_succeed(graph, data):
    """What succeeded stays; everything else can still come to a good end."""
    world = World(graph, data)
    play(world)
    end(world)
    if world.state.ended != "failed":
        return
    good = {name for name, task in world.state.tasks.items() if task.state == "succeeded" and name in graph.tasks}
    again = frozenset(world.state.tasks.keys() - good)

    world.finished -= {place for place in world.finished if place[0] in again}
    world.ends = 0
    world.take(Retry(again))
    begun = len(world.facts)
    world.follow()
    while not world.state.ended and world.happen({**ENDING, "running": ["succeeded"]}):
        pass

    assert world.state.ended == "succeeded"
    assert not {fact.task for fact in world.facts[begun:] if isinstance(fact, Move)} & good


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


@pytest.mark.parametrize(
    ("states", "word"),
    [
        (["running", "parked"], "running"),
        (["parked", "waiting"], "parked"),
        (["delayed"], "waiting"),
        (["waiting"], "waiting"),
    ],
)
def test_a_run_is_shown_by_what_people_must_know_first(states, word):
    state = State({f"t{at}": TaskState(state) for at, state in enumerate(states)})

    assert shown(state) == word
