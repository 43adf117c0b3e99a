"""What a search has stored: which configurations are done, at work, waiting, or lost with their process."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from qllmft.campaign.search import SearchPlan
from qllmft.campaign.space import Point
from qllmft.campaign.storage import Storage
from qllmft.errors import UserError

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial

MOST_WAITING = 64  # trials at a time
PLAN = "plan"  # user attribute of optuna's study
# user attributes of a trial: identity of its configuration; who works on it; what came of it; what went wrong
IDENTITY, POINT, WORKER, RESULT, ERROR = "identity", "point", "worker", "result", "error"
REUSED = "reused"  # number of the trial whose value it has


@dataclass(frozen=True)
class SearchState:
    """Where a search stands."""

    plan: SearchPlan  # what it searches
    done: dict[str, FrozenTrial]  # the finished trial of each identity, in the order in which they were planned
    repeats: int  # finished trials whose configuration was done before
    running: dict[int, FrozenTrial]  # by number
    waiting: dict[int, FrozenTrial]  # by number
    # by identity, the last trial of configurations whose trials all ended with their process, or with an error
    lost: dict[str, FrozenTrial] = field(default_factory=dict)
    failed: dict[str, FrozenTrial] = field(default_factory=dict)

    @property
    def missing(self) -> dict[str, Point]:
        """Points by identity for which a trial is to be added (again), in their order."""
        if not self.plan.is_list:
            return {identity: trial.user_attrs[POINT] for identity, trial in self.lost.items()}
        there = {trial.user_attrs.get(IDENTITY) for trial in (*self.running.values(), *self.waiting.values())}
        there |= self.done.keys() | self.failed.keys()
        return {identity: point for identity, point in self.plan.points.items() if identity not in there}

    @property
    def available(self) -> bool:
        """Whether there is a trial to begin."""
        if self.waiting:
            return True
        begun = len(self.done) + self.repeats + len(self.running) + len(self.lost) + len(self.failed)
        return not self.plan.is_list and begun < self.plan.size

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do, by anyone."""
        return not (self.available or self.running or self.missing)


class SearchStore:
    """A search in its storage: its plan and its trials, which optuna keeps as a study."""

    def __init__(self, storage: Storage, opened: RDBStorage, name: str, plan: SearchPlan) -> None:
        import optuna

        self.storage = storage
        self.name = name
        self.plan = plan
        self._opened = opened
        self._cached = optuna.storages.get_storage(opened)  # finished trials are read once
        self._nameless_since: dict[int, float] = {}

    @classmethod
    def create(cls, storage: Storage, name: str, plan: SearchPlan) -> SearchStore:
        """Make the search, or take it up, with its first trials waiting; UserError where it is another search."""
        import optuna

        store = cls(storage, storage.open(plan.grace_s), name, plan)
        try:
            with storage.explained():
                study = optuna.create_study(
                    study_name=name, storage=store._opened, direction="maximize", load_if_exists=True
                )
                held = study.user_attrs.get(PLAN)
                if held is not None and _plan_of(held, name).fingerprint != plan.fingerprint:
                    raise UserError(
                        f"the search {name!r} in {storage} searches something else. Choose another name with --search."
                    )
                study.set_user_attr(PLAN, plan.model_dump(mode="json"))
                state = store.state()
                store.put_waiting({identity: trial.user_attrs[POINT] for identity, trial in state.failed.items()})
                store.top_up(state)
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def join(cls, storage: Storage, name: str) -> SearchStore:
        """A search that somebody made; UserError where there is none of that name."""
        import optuna

        with storage.explained():
            opened = storage.open(SearchPlan.model_fields["grace_s"].default)
            try:
                names = optuna.get_all_study_names(opened)
                if name not in names:
                    raise UserError(
                        f"there is no search {name!r} in {storage}; it has {', '.join(sorted(names)) or 'none'}. "
                        "`qllmft sweep NAME --storage … --plan-only` makes one."
                    )
                plan = _plan_of(optuna.load_study(study_name=name, storage=opened).user_attrs.get(PLAN), name)
            finally:
                _close(opened)
        return cls(storage, storage.open(plan.grace_s), name, plan)

    def close(self) -> None:
        """Close the connections."""
        _close(self._opened)

    def study(self, seed: int = 0) -> Study:
        """The search as optuna's object, one for each thread, with the sampler that is due, seeded."""
        import optuna

        startup = max(4, min(10, self.plan.size // 4))  # trials at random before the first that is not
        sampler = (
            optuna.samplers.RandomSampler(seed=seed)  # never asked: all values of a list are fixed
            if self.plan.is_list
            else optuna.samplers.TPESampler(seed=seed, n_startup_trials=startup)
        )
        return optuna.load_study(study_name=self.name, storage=self._cached, sampler=sampler)

    def trials(self) -> list[FrozenTrial]:
        """All trials, in the order of their numbers."""
        return self.study().get_trials(deepcopy=False)

    def put_waiting(self, points: dict[str, Point]) -> None:
        """Add a waiting trial for each point, first to last."""
        study = self.study()
        for identity, point in points.items():
            study.enqueue_trial(point, user_attrs={IDENTITY: identity, POINT: point})

    def top_up(self, state: SearchState) -> bool:
        """Where no trial waits, add trials for the next missing points; whether there were any.

        Waiting trials are read at every look at the search, so that they are few. Two workers may do this at the same
        time: the later trials of a configuration are given up when they are taken.
        """
        missing = state.missing
        if state.waiting or not missing:
            return False
        self.put_waiting(dict(itertools.islice(missing.items(), MOST_WAITING)))
        return True

    def state(self) -> SearchState:
        """Where the search stands now."""
        return _state_of(self.plan, self.trials())

    def give_up(self, number: int) -> None:
        """Mark a running trial as ended with its process."""
        from optuna.trial import TrialState

        self.study().tell(number, state=TrialState.FAIL, skip_if_finished=True)

    def give_up_stale(self) -> None:
        """Mark the running trials whose worker was not heard of for the time of grace."""
        import optuna

        optuna.storages.fail_stale_trials(self.study())
        # a process that died between taking a trial and its first heartbeat: optuna's rule does not see it. Clocks of
        # other machines are not trusted: what counts is how long this process has seen it so
        nameless = {n for n, trial in self.state().running.items() if WORKER not in trial.user_attrs}
        now = time.monotonic()
        self._nameless_since = {number: self._nameless_since.get(number, now) for number in nameless}
        for number, since in self._nameless_since.items():
            if now - since > self.plan.grace_s:
                self.give_up(number)


def _close(opened: RDBStorage) -> None:
    opened.remove_session()
    opened.engine.dispose()


def _plan_of(content: Any, name: str) -> SearchPlan:
    try:
        return SearchPlan.model_validate(content)
    except ValidationError:
        raise UserError(
            f"the search {name!r} holds no plan that this version of qllmft can read. Use the version that made it, or "
            "another name with --search."
        ) from None


def _state_of(plan: SearchPlan, trials: Sequence[FrozenTrial]) -> SearchState:
    from optuna.trial import TrialState

    by_state = {state: [trial for trial in trials if trial.state == state] for state in TrialState}
    running = {trial.number: trial for trial in by_state[TrialState.RUNNING]}
    waiting = {trial.number: trial for trial in by_state[TrialState.WAITING]}
    ended = {trial.user_attrs[IDENTITY]: trial for trial in by_state[TrialState.FAIL] if IDENTITY in trial.user_attrs}
    complete = [trial for trial in by_state[TrialState.COMPLETE] if IDENTITY in trial.user_attrs]
    done: dict[str, FrozenTrial] = {}
    for trial in complete:
        if REUSED not in trial.user_attrs:
            done.setdefault(trial.user_attrs[IDENTITY], trial)
    live = {trial.user_attrs.get(IDENTITY) for trial in (*running.values(), *waiting.values())} | done.keys()
    gone = {identity: trial for identity, trial in ended.items() if identity not in live}
    order = {identity: place for place, identity in enumerate(plan.points)}
    return SearchState(
        plan,
        dict(sorted(done.items(), key=lambda item: (order.get(item[0], len(order)), item[1].number))),
        len(complete) - len(done),
        running,
        waiting,
        {identity: trial for identity, trial in gone.items() if ERROR not in trial.user_attrs},
        {identity: trial for identity, trial in gone.items() if ERROR in trial.user_attrs},
    )
