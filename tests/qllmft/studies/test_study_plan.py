"""The studies that there are: rows as the paper's tables have them, runs of one identity each, errors before work."""

from collections import Counter

import pytest
from tiny_studies import STUDY

from qllmft.config import RunConfig
from qllmft.description import describe
from qllmft.errors import UserError
from qllmft.experiments.compare import STUDIES, Row, Study, jobs, quick
from qllmft.experiments.cost import epoch_cost, run_cost
from qllmft.presets import load_preset

PAPER_D = 768


def test_table_2_is_the_papers():
    rows = {row.label: row.published for row in STUDIES["table2"].rows}
    assert [(label, p.accuracy, p.parameters) for label, p in rows.items()] == [
        ("Single sQE 10Q", 90.21, 353),
        ("Single sQE 12Q", 90.99, 423),
        ("Single sQE 18Q", 91.75, 633),
        ("Multi sQE 10Q", 92.04, 858),
        ("Multi sQE 14Q", 92.70, 886),
        ("Multi sQE 18Q", 92.18, 914),
        ("SVC", 89.56, 296),
        ("Logistic regression", 89.06, 769),
        ("NN head (0/0)", 91.05, 1538),
        ("NN head (1/48)", 91.22, 37010),
        ("NN head (1/96)", 91.36, 74018),
        ("NN head (1/144)", 91.36, 111026),
        ("NN head (1/192)", 91.44, 148034),
    ]


def test_tables_3_and_4_are_the_papers():
    assert [row.published.accuracy for row in STUDIES["table3"].rows] == [
        91.45,
        92.70,
        91.92,
        92.08,
        91.46,
        92.13,
        91.93,
    ]
    assert [row.published.accuracy for row in STUDIES["table4"].rows] == [91.45, 91.70]


@pytest.mark.parametrize("name", ["table2", "table3", "ablations"])
def test_published_parameters_are_those_of_the_preset(name):
    """At the paper's D the model of every row has the size that is printed beside it."""
    study = STUDIES[name]
    small = [j for j in jobs(study, {}) if j.seed == 0 and j.config.model.n_qubits < 18]
    for job in small:
        for row in (study.rows[index] for index in job.rows):
            if row.classical is None and row.published.table != "IV":  # IV prints no sizes
                assert describe(job.config.model, PAPER_D, 2)["parameters"] == row.published.parameters, row.label


def test_the_quick_table_2():
    plan = quick(STUDIES["table2"])
    assert [row.preset for row in plan.rows] == [
        *("single-10q", "single-12q", "multi-10q", "multi-14q", "nn-head-0", "nn-head-0"),
        *(f"nn-head-{hidden}" for hidden in (0, 48, 96, 144, 192)),
    ]
    assert (plan.seeds, plan.epochs) == (5, 40)
    assert plan.reduced == "quick: without Single sQE 18Q, Multi sQE 18Q"
    made = jobs(plan, {})
    assert len(made) == len({job.config.identity for job in made}) == 9 * 5
    assert Counter(name for job in made for name in job.config.rivals.names) == {"svc": 5, "logistic_regression": 5}
    assert {job.config.rivals.grid for job in made} == {"paper"}
    assert {job.config.seed for job in made} == set(range(5))


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_is_valid_whole_and_quick(name):
    for plan in (STUDIES[name], quick(STUDIES[name])):
        made = jobs(plan, {})
        assert sorted({index for job in made for index in job.rows}) == list(range(len(plan.rows)))
        assert {len([j for j in made if index in j.rows]) for index in range(len(plan.rows))} == {plan.seeds}
        assert {row.group for row in plan.rows if row.side == "subject"} <= {
            row.group for row in plan.rows if row.side == "rival"
        }


def test_quick_studies_have_14_qubits_at_most():
    assert max(job.config.model.n_qubits for name in STUDIES for job in jobs(quick(STUDIES[name]), {})) == 14


def test_settings_win_over_presets_and_seeds_are_the_studys():
    made = jobs(STUDY, {"train.epochs": 7, "body.model": "minilm"})
    assert {job.config.train.epochs for job in made} == {7}
    assert [job.seed for job in made] == [job.config.seed for job in made] == [0, 0, 0, 1, 1, 1]
    assert [job.rows for job in made[:3]] == [(0,), (1,), (2, 3, 4)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seed": 4}, "--set seed does not go with a study.*--seeds"),
        ({"rivals.names": []}, "--set rivals.names does not go with a study"),
        ({"train.epoch": 4}, "train.epoch.*there is no such setting"),
        ({"noise.shots": 100}, "the head is 'mlp'"),
        ({"model.reuploads": 2}, "rows 'Single' and 'Short' are the same run"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, message):
    same = [STUDY.rows[0], Row("Short", "single-10q", "subject", settings={"model.ring": True}), *STUDY.rows[2:]]
    study = Study("s", "t", "a", "b", tuple(same)) if "model.reuploads" in settings else STUDY
    with pytest.raises(UserError, match=message):
        jobs(study, settings)


def test_a_study_has_two_sides_and_labels_of_their_own():
    row = Row("A", "single-10q", "subject")
    for rows in ((row,), (row, Row("A", "single-12q", "rival"))):
        with pytest.raises(ValueError, match="expected rows of both sides"):
            Study("s", "t", "a", "b", rows)


def test_larger_models_cost_more_and_rivals_something():
    costs = [epoch_cost(load_preset(name).config()) for name in ("nn-head-0", "single-10q", "single-12q", "multi-14q")]
    assert costs == sorted(costs)
    # measured on one core, milliseconds a step: 1.2, 2.9 and 40
    assert costs[1:] == pytest.approx([1.2, 4.4, 33], rel=0.1)
    assert run_cost(RunConfig()) - run_cost(RunConfig(rivals={"names": []})) == 210.0
