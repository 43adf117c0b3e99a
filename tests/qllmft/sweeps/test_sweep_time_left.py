"""Time left: weighed by what a trial costs, from the work that was seen."""

from types import SimpleNamespace

import pytest
from small_sweeps import settings

from qllmft.experiments.search.plan import make_plan
from qllmft.experiments.search.space import load_space
from qllmft.experiments.search.study import Board
from qllmft.experiments.search.time_left import TimeLeft, relative_cost


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def board(plan, identities, repeats=0):
    trials = {i: SimpleNamespace(user_attrs={"point": plan.points[i]}) for i in identities}
    return Board(plan, trials, repeats, {}, {})


@pytest.fixture
def plan():
    fixed = {"train.lr": 1e-3}
    return make_plan(load_space("table-06"), "grid", fixed, trials=None, seeds=1, grace_s=60)  # 10, 12, … 18 qubits


def test_cost_is_gates_times_amplitudes(plan):
    costs = [relative_cost(plan.configurations(point)[0]) for point in plan.points.values()]
    assert costs == sorted(costs)
    by_hand = (28 * 18 + 9 * 18) * 2**18 * 800  # 28 layers of the encoder; 3 + 2 layers and 4 encodings of the head
    assert costs[-1] == pytest.approx(by_hand, rel=0.001)
    assert costs[-1] > 100 * costs[0]


def test_time_left_counts_work_and_not_trials(plan):
    clock = Clock()
    identities = list(plan.points)
    costs = [relative_cost(plan.configurations(point)[0]) for point in plan.points.values()]
    left = TimeLeft(plan, clock)
    left.update(board(plan, identities[:1]))  # one was done before: it says nothing about this machine's speed
    assert left.seconds() is None
    clock.now += 60.0
    left.update(board(plan, identities[:3]))
    assert left.seconds() == pytest.approx(60 * sum(costs[3:]) / sum(costs[1:3]))
    assert left.share() == pytest.approx(sum(costs[:3]) / sum(costs))
    half = left.seconds(identities[3], 0.5)
    assert half == pytest.approx(60 * (costs[3] / 2 + costs[4]) / (sum(costs[1:3]) + costs[3] / 2))
    left.update(board(plan, identities))
    assert left.seconds() == 0.0
    assert left.share() == 1.0


def test_a_search_by_tpe_expects_the_mean():
    plan = make_plan(load_space("table-11"), "tpe", settings(), trials=10, seeds=1, grace_s=60)
    grid = make_plan(load_space("table-11"), "grid", settings(), trials=None, seeds=1, grace_s=60)
    clock = Clock()
    left = TimeLeft(plan, clock)
    empty = Board(plan, {}, 0, {}, {})
    left.update(empty)
    assert left.share() == 0.0
    clock.now += 30.0
    three = list(grid.points)[:3]
    trials = {i: SimpleNamespace(user_attrs={"point": grid.points[i]}) for i in three}
    left.update(Board(plan, trials, 2, {}, {}))
    assert left.share() == pytest.approx(0.5)
    assert left.seconds() == pytest.approx(30.0)
