"""Seeds of studies: ranges, and those that heads were chosen on are never reported on."""

import pytest
from tiny_studies import STUDY

from qllmft_base.errors import UserError
from qllmft_studies.commands.study import plan_study
from qllmft_studies.file import Study, campaign_names, load_study
from qllmft_studies.study_plan import study_runs


def study(**changes):
    return Study.model_validate({**STUDY.model_dump(), **changes})


@pytest.mark.parametrize(
    ("seed_range", "seeds"),
    [
        (3, range(3)),
        ({"from": 8, "count": 2}, range(8, 10)),
        ("8-17", range(8, 18)),
        ("4", range(4)),
    ],
)
def test_seeds_are_a_range(seed_range, seeds):
    plan = study(seeds=seed_range)
    assert plan.seeds == seeds
    assert list(dict.fromkeys(run.config.seed for run in study_runs(plan, {}))) == list(seeds)


NO_RANGES = [{"from": 3}, {"from": -1, "count": 2}, {"from": 1, "count": 0}]


@pytest.mark.parametrize("seed_range", [0, -1, True, 1.5, "x", "9-8", "1-", None, *NO_RANGES])
def test_seeds_that_are_none(seed_range):
    with pytest.raises(ValueError, match="seeds"):
        study(seeds=seed_range)


def test_choosing_and_reporting_seeds_are_disjoint():
    choosing = {"choosing_seeds": 8, "rule": "the best by cross-validation"}
    assert study(seeds="8-17", **choosing).choosing_seeds == range(8)
    with pytest.raises(
        ValueError, match=r"seeds 7 to 7|seed 7 would be both chosen and reported on.*--seeds 8-10"
    ):
        study(seeds="7-9", **choosing)
    with pytest.raises(ValueError, match="choosing_seeds has no rule"):
        study(seeds="8-17", choosing_seeds=8)


def test_studies_with_chosen_heads_report_on_other_seeds():
    for name in campaign_names(Study):
        plan = load_study(name)
        if name in ("accuracy", "body", "map-classes", "map-parameters", "map-texts"):
            assert not set(plan.seeds) & set(plan.choosing_seeds)


def test_the_option():
    assert plan_study("accuracy", None, quick=False, seeds="3", budget=None).seeds == range(8, 11)
    assert plan_study("accuracy", None, quick=False, seeds="20-29", budget=None).seeds == range(
        20, 30
    )
    assert plan_study("table2", None, quick=True, seeds=None, budget=2).seeds == range(5)
    with pytest.raises(UserError, match="would be both chosen and reported on"):
        plan_study("accuracy", None, quick=False, seeds="0-4", budget=None)
