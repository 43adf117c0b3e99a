"""The studies that there are: rows as the paper's tables have them, runs of one identity each, errors before work."""

from collections import Counter

import pytest
from tiny_studies import STUDY

from qllmft.config.presets import load_preset, preset_names
from qllmft.config.settings import find_differing
from qllmft_base.errors import UserError
from qllmft_studies.file import Study, campaign_names, load_study
from qllmft_studies.study import paper_result
from qllmft_studies.study_plan import study_runs, with_margin

# what the paper prints, a second time: accuracy and parameters by row
TABLE_2 = {
    "Single sQE 10Q": (90.21, 353),
    "Single sQE 12Q": (90.99, 423),
    "Single sQE 18Q": (91.75, 633),
    "Multi sQE 10Q": (92.04, 858),
    "Multi sQE 14Q": (92.70, 886),
    "Multi sQE 18Q": (92.18, 914),
    "SVC": (89.56, 296),
    "Logistic regression": (89.06, 769),
    "NN head (0/0)": (91.05, 1538),
    "NN head (1/48)": (91.22, 37010),
    "NN head (1/96)": (91.36, 74018),
    "NN head (1/144)": (91.36, 111026),
    "NN head (1/192)": (91.44, 148034),
}
OWN = """
title = "Mine"
subject = "quantum head"
baseline = "classical head"

[[rows]]
label = "Ours"
preset = "mine"
side = "subject"
settings.train.lr = 0.01
settings."model.reuploads" = 2

[[rows]]
label = "MLP"
preset = "nn-head-48"
side = "baseline"

[presets.mine]
"data.source" = "reviews"
"model.n_encoders" = 2
"""


def whole_and_quick():
    studies = [load_study(name) for name in campaign_names(Study)]
    return studies + [plan.in_small() for plan in studies if plan.quick]


def test_table_2_is_the_papers():
    printed = {row.label: paper_result(row) for row in load_study("table2").rows}
    assert printed.pop("Single sQE 10Q, no re-uploading head") is None
    assert {label: (p.accuracy, p.parameters) for label, p in printed.items()} == TABLE_2


def test_tables_3_and_4_are_the_papers():
    def accuracies(name):
        return [paper_result(row).accuracy for row in load_study(name).rows]

    assert accuracies("table3") == [91.45, 92.70, 91.92, 92.08, 91.46, 92.13, 91.93]
    assert accuracies("table4") == [91.45, 91.70]
    unpublished = {name for name in campaign_names(Study) if not load_study(name).published}
    assert unpublished == {
        *("accuracy", "adapters", "body", "budget", "epochs", "fig11", "fig11-small", "head-alone"),
        *("map-classes", "map-parameters", "map-texts", "multilabel", "noise-choices"),
        *("paper-size", "paper-size-tuned", "regression", "which-part"),
    }


def test_the_quick_table_2():
    plan = load_study("table2").in_small()
    presets = ["single-10q", "single-10q-no-head", "single-12q", "multi-10q", "multi-14q"]
    presets += [f"nn-head-{hidden}" for hidden in (0, 0, 0, 48, 96, 144, 192)]
    assert [row.preset for row in plan.rows] == presets
    assert (plan.seeds, plan.epochs) == (range(5), 40)
    assert plan.reduced == "quick: without Single sQE 18Q, Multi sQE 18Q"
    runs = study_runs(plan, {})
    assert len(runs) == len({run.config.identity for run in runs}) == 10 * 5
    fitted = Counter(name for run in runs for name in run.config.baselines.names)
    assert fitted == {"svc": 5, "logistic_regression": 5}
    assert {run.config.baselines.grid for run in runs} == {"paper"}
    assert {run.config.seed for run in runs} == set(range(5))


def test_every_study_is_valid_whole_and_quick():
    for plan in whole_and_quick():
        # a map has presets of several sources
        runs = study_runs(plan, {"data.source": "sst2"} if plan.x else {})
        assert sorted({index for run in runs for index in run.rows}) == list(range(len(plan.rows)))
        assert {
            len([run for run in runs if index in run.rows]) for index in range(len(plan.rows))
        } == {len(plan.seeds)}
        assert not plan.reduced or max(run.config.model.n_qubits for run in runs) <= 14


def test_figure_11_in_small_is_the_papers_noises():
    runs = study_runs(load_study("fig11-small"), {})
    assert len(runs) == len({run.config.identity for run in runs}) == 18
    assert {
        (r.config.model.n_qubits, r.config.noise.gates, r.config.noise.shots) for r in runs
    } == {(q, n, 8192) for q in (10, 12) for n in ("none", "paper_low", "paper_high")}
    assert {run.config.train.epochs for run in runs} == {300}
    assert {run.config.baselines.names for run in runs} == {()}
    assert len(load_study("fig11").in_small().rows) == 6


def test_l_bfgs_keeps_the_iterations_of_its_preset():
    """And its baselines, logistic regression at C = 1 too, are fitted beside it once a seed."""
    runs = study_runs(load_study("accuracy"), {"data.source": "sst2"})
    assert [run.config.train.epochs for run in runs[:2]] == [100, 300]
    linear = [f"logistic_regression{kind}" for kind in ("_same_vectors", "_c1", "")]
    assert [run.config.baselines.names for run in runs[:2]] == [(), (*linear, "svc")]
    assert len(runs) == 50
    shorter = study_runs(load_study("accuracy"), {"data.source": "sst2", "train.epochs": 7})
    assert shorter[1].config.train.epochs == 7


def test_the_default_head_and_logistic_regression_read_the_same_single_texts(tmp_path):
    rows = [("head", "sines", "subject"), ("linear", "logistic-regression", "baseline")]
    text = "title = 'M'\nsubject = 'quantum head'\nbaseline = 'classical head'\n"
    text += "".join(f"[[rows]]\nlabel = '{a}'\npreset = '{b}'\nside = '{c}'\n" for a, b, c in rows)
    file = tmp_path / "mine.toml"
    file.write_text(text)
    plan = load_study(str(file))
    settings = {"data.source": "reviews", "body.model": "minilm"}
    assert len(study_runs(plan, settings)) == 2 * len(plan.seeds)
    with pytest.raises(UserError, match=r"data\.pair_features 'all' and 'both'"):
        study_runs(plan, settings | {"data.text_column": ["a", "b"]})


def test_settings_win_over_presets_and_seeds_are_the_studys():
    runs = study_runs(STUDY, {"train.epochs": 7, "body.model": "minilm"})
    assert {run.config.train.epochs for run in runs} == {7}
    assert [run.config.seed for run in runs] == [0, 0, 0, 1, 1, 1]
    assert [run.rows for run in runs[:3]] == [(0,), (1,), (2, 3, 4)]
    assert [run.label for run in runs[2:4]] == ["NN head, seed 0", "Single, seed 1"]


def test_a_row_has_epochs_of_its_own_and_all_rows_the_settings_of_the_study():
    rows = (STUDY.rows[0], STUDY.rows[1].model_copy(update={"epochs": 2}), *STUDY.rows[2:])
    study = STUDY.model_copy(update={"rows": rows, "settings": {"model.reuploads": 3}})
    runs = [run.config for run in study_runs(study, {})[:2]]
    assert [(config.train.epochs, config.model.reuploads) for config in runs] == [(3, 3), (2, 2)]


def own_configs(tmp_path, rows, text="", **settings):
    """The configuration of each row of a study of one's own, by label."""
    file = tmp_path / "mine.toml"
    lines = [f"{{ label = {label!r}, {row} }}" for label, row in rows.items()]
    text = f"title = 'M'\nsubject = 'a'\nbaseline = 'b'\nrows = [{', '.join(lines)}]\n{text}"
    file.write_text(text)
    runs = study_runs(load_study(str(file)), {"data.source": "reviews", **settings})
    return dict(zip(rows, (run.config for run in runs), strict=False))


@pytest.mark.parametrize("name", preset_names())
def test_a_study_of_ones_own_changes_only_what_it_names(tmp_path, name):
    """Epochs, batches and rates are the preset's, and so is all else but what makes rows comparable."""
    rows = {
        "A": f"preset = {name!r}, side = 'subject'",
        "B": "preset = 'nn-head-0', side = 'baseline', classical = 'svc'",
    }
    settings = {"data.source": "reviews", "body.model": "minilm"}
    config = own_configs(tmp_path, rows, **settings)["A"]
    changed = find_differing(config, load_preset(name).config(settings))
    assert changed.keys() <= {"data.protocol", "baselines.names"}


def test_epochs_of_the_command_row_study_and_preset_win_in_this_order(tmp_path):
    sines = "preset = 'sines', side = 'subject'"
    rows = {
        "preset": sines,
        "row": f"{sines}, epochs = 7, settings = {{ 'train.lr' = 0.01 }}",
        "mine": "preset = 'mine', side = 'baseline'",
        "fixed": "preset = 'odd', side = 'baseline', epochs = 5",
    }
    mine = "[presets.mine]\ntrain.epochs = 11\nmodel.reuploads = 2\n"

    def epochs(text="", **settings):
        configs = own_configs(tmp_path, rows, text + mine, **settings)
        return [config.train.epochs for config in configs.values()]

    overrides = {"body.model": "minilm", "data.pair_features": "all"}
    assert epochs(**overrides) == [20, 7, 11, 300]
    assert epochs("epochs = 9\n", **overrides) == [9, 7, 9, 300]
    assert epochs("epochs = 9\n", **overrides, **{"train.epochs": 3}) == [3, 3, 3, 3]


def test_a_preset_of_the_file_keeps_its_protocol_and_has_no_seed(tmp_path):
    rows = {
        "A": "preset = 'mine', side = 'subject'",
        "B": "preset = 'mine', side = 'baseline', settings = { 'train.lr' = 0.5 }",
    }
    mine = "[presets.mine]\ndata.protocol = 'split'\nmodel.reuploads = 2\n"
    assert own_configs(tmp_path, rows, mine)["A"].data.protocol == "split"
    configs = own_configs(tmp_path, rows, mine, **{"data.protocol": "paper"})
    assert configs["A"].data.protocol == "paper"
    with pytest.raises(UserError, match=r"presets\.mine has seed, and a study draws its own seeds"):
        own_configs(tmp_path, rows, "[presets.mine]\nseed = 4\n")


def test_a_study_of_ones_own(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(OWN)
    study = load_study(str(file))
    assert (study.name, study.seeds, study.epochs) == ("mine", range(5), None)
    ours, mlp = study_runs(study, {"data.source": "sst2"})[:2]
    model = ours.config.model
    assert (ours.config.train.lr, model.reuploads, model.n_encoders) == (0.01, 2, 2)
    assert (mlp.config.model.hidden_dim, mlp.config.train.epochs) == (48, 800)
    assert [paper_result(row) is None for row in study.rows] == [True, False]
    beside_ours = study.rows[1].model_copy(update={"preset": "mine", "classical": "svc"})
    assert paper_result(beside_ours) is None  # on another grid than the paper's
    with pytest.raises(
        UserError, match=r"'Ours' and 'MLP' read different texts.*'reviews'.*Give --data"
    ):
        study_runs(study, {})
    with pytest.raises(UserError, match=r"mine has no part \[quick\]"):
        study.in_small()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("subject =", "subject", r"is not TOML: .*line 3"),
        (
            'side = "baseline"',
            'side = "other"',
            r"rows\[2\]\.side \(got 'other'\): Input should be 'subject' or 'baseline'",
        ),
        ('title = "Mine"\n', "", r"title: Field required"),
        ('title = "Mine"', 'tittle = "Mine"', r"title: Field required"),
        ('preset = "nn-head-48"', 'preset = "nn-head-49"', r"row 'MLP': there is no preset 'nn-head-49'"),
        ("train.lr = 0.01", "train.rate = 0.01", r"row 'Ours': preset 'mine': train.rate.*no such setting"),
        ("train.lr = 0.01", "train.epochs = 9", r"rows\[1\].*train.epochs is the same in all rows"),
        ("train.lr = 0.01", 'backend.options.yes = "a"', r"backend.options: it holds yes"),
        ('label = "MLP"', 'label = "Ours"', r"rows need labels of their own, and several are 'Ours'"),
        ('side = "subject"', 'side = "baseline"', r"Give a subject"),
        ("[presets.mine]", "[presets.odd]", r"presets has odd, which qllmft has already. Choose another name"),
        ('preset = "mine"', 'preset = "mime"', r"row 'Ours': there is no preset 'mime'"),
        ('side = "subject"', 'side = "subject"\ngroup = "a"', r"Give a baseline in the group 'a'"),
        ('side = "baseline"', 'side = "baseline"\nclassical = "xgb"', r"row 'MLP'.*xgb"),
        (
            'side = "baseline"',
            'side = "baseline"\nclassical = "svc"\nspace = "table-06"',
            r"space is 'table-06', and the baseline 'svc' is searched over its own grid. Omit space",
        ),
        ("[[rows]]", 'bodies = ["a"]\n[[rows]]', r"bodies names \['a'\], expected two or more groups"),
        ("[[rows]]", "settings.train.epochs = 3\n[[rows]]", r"settings has train.epochs, which a study gives its runs"),
        ("[[rows]]", 'name = "../a"\n[[rows]]', r"the name is '../a'.*Choose one without / and"),
        ("[[rows]]", '[quick]\nepochs = 1\nwithout = ["X"]\n[[rows]]', r"quick.without has 'X', which is no row"),
    ],
)  # fmt: skip
def test_a_fault_in_a_file_is_named_with_its_place(tmp_path, old, new, message):
    file = tmp_path / "mine.toml"
    assert old in OWN
    file.write_text(OWN.replace(old, new, 1) if "MLP" not in old else OWN.replace(old, new))
    with pytest.raises(UserError, match=message):
        study_runs(load_study(str(file)), {"data.source": "sst2"})


@pytest.mark.parametrize(
    ("task", "margin", "message"),
    [
        ("classification", 100, r"margin is 100, expected less than 100 points\."),
        ("regression", 1.5, r"margin is 1\.5, expected less than 1 in R²\."),
    ],
)
def test_a_margin_within_which_all_rows_are_equivalent_is_refused(task, margin, message):
    study = STUDY.model_copy(update={"margin": margin, "rows": STUDY.rows[:1]})
    runs = study_runs(study, {"data.task": task})
    with pytest.raises(UserError, match=message):
        with_margin(study, runs)


def test_a_small_version_without_any_contrast_is_refused():
    quick = {"without": [STUDY.rows[0].label]}
    pairs = [[row.label for row in (STUDY.rows[0], STUDY.rows[2])]]
    study = Study.model_validate({**dict(STUDY), "quick": quick, "contrasts": pairs})
    with pytest.raises(UserError, match=r"quick\.without leaves none of the contrasts"):
        study.in_small()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"baselines.names": []}, "--set baselines.names does not go with a study"),
        ({"train.epoch": 4}, "row 'Single'.*train.epoch.*there is no such setting"),
        ({"model.n_qubits": 4, "model.reuploads": 2}, "rows 'Single' and 'Short' are the same run"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(UserError, match=message):
        study_runs(STUDY, settings)
    repeated_row = STUDY.rows[2].model_copy(update={"label": "SVC again"})
    with pytest.raises(UserError, match="rows 'SVC' and 'SVC again' are the same run"):
        study_runs(STUDY.model_copy(update={"rows": (*STUDY.rows, repeated_row)}), {})


def test_a_study_of_too_many_seeds_is_refused_before_the_first():
    with pytest.raises(
        UserError,
        match=r"rows of the study tiny times its seeds: got 5,000,000,000, expected at most",
    ):
        study_runs(STUDY.model_copy(update={"seeds": range(10**9)}), {})
