"""Gains from the body and from the kind of head: by hand, in the sentence and on the page."""

import contextlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from tiny_studies import record, row

from qllmft.config import SUPERVISED_DEFAULTS
from qllmft_base.errors import UserError
from qllmft_studies.comparison import gains, gains_of_the_papers_heads, papers_margin
from qllmft_studies.file import Study, load_study
from qllmft_studies.record import read_study, write_record
from qllmft_studies.report import write_study_table
from qllmft_studies.study_plan import study_runs
from qllmft_studies.verdict import verdict

DOCS = Path(__file__).parents[3] / "docs"
BODIES = ("frozen", "tuned", "trained")
QUANTUM = {"frozen": (0.70, 0.72, 0.71), "tuned": (0.79, 0.80, 0.81), "trained": (0.80, 0.80, 0.83)}
CLASSICAL = {
    "frozen": (0.75, 0.77, 0.74),
    "tuned": (0.80, 0.81, 0.79),
    "trained": (0.81, 0.82, 0.80),
}


def study(quantum=QUANTUM):
    rows = []
    for body in BODIES:
        suffix = " and body" if body == "trained" else ""
        heads = (
            (f"quantum head{suffix}", "subject", quantum),
            (f"classical head{suffix}", "baseline", CLASSICAL),
        )
        rows += [
            replace(row(f"{n[0]} {body}", side, of[body], group=body), model=n)
            for n, side, of in heads
        ]
        # worse by validation, so that no sentence is about it
        rows.append(
            row(f"S {body}", "baseline", (0.9, 0.9, 0.9), validation=(0.1, 0.1, 0.1), group=body)
        )
        rows[-1] = replace(rows[-1], model="SVC")
    return record(*rows, bodies=BODIES)


def test_every_gain_is_the_paired_difference_of_its_rows():
    gains_by_heads = {(gain.heads, gain.body): gain for gain in gains(study())}
    assert len(gains_by_heads) == len(gains(study())) == 3 * 2 + 3
    assert papers_margin() == pytest.approx(0.9270 - 0.8956)
    pairs = {(name, body): (of[body], of["frozen"]) for name, of in (("q frozen", QUANTUM), ("c frozen", CLASSICAL))
             for body in BODIES[1:]}  # fmt: skip
    pairs |= {
        ("q frozen minus c frozen", body): (QUANTUM[body], CLASSICAL[body]) for body in BODIES
    }
    for key, (of_second, of_first) in pairs.items():
        points = 100 * (np.array(of_second) - np.array(of_first))
        half = stats.t.ppf(0.975, 2) * points.std(ddof=1) / np.sqrt(3)
        expected = np.array([points.mean(), points.mean() - half, points.mean() + half]) / 3.14
        assert gains_by_heads[key].shares == pytest.approx(expected, abs=1e-12)
        assert gains_by_heads[key].of_body == ("minus" not in key[0])


def test_the_papers_heads_are_in_the_sentence_if_validation_prefers_another():
    record = study()
    low = tuple(value - 0.2 for value in QUANTUM["frozen"])
    first = [row for row in record.rows if row.group == "frozen"]
    multi = replace(
        first[0], label="Multi", preset="multi-10q", test=low, validation=(0.1, 0.1, 0.1)
    )
    odd_row = replace(multi, label="Other", preset="odd")
    rows = (*record.rows, multi, odd_row)
    (gain,) = gains_of_the_papers_heads(replace(record, rows=rows))
    differences = 100 * (np.array(low) - CLASSICAL["frozen"])
    assert (gain.heads, gain.body) == ("Multi minus c frozen", "frozen")
    np.testing.assert_allclose(100 * np.array(gain.seeds), differences)
    mean = f"{differences.mean():+.1f}".replace("-", "−")
    facts = verdict(replace(record, rows=rows)).facts
    fact = facts["paper's head: Multi minus c frozen"]
    assert fact.startswith(f"{mean} [")
    assert fact.endswith("] points on the frozen")
    assert not any(name.startswith("paper's head") for name in verdict(record).facts)


def test_the_sentence_and_the_page_follow_the_numbers(tmp_path):
    lines = verdict(study())
    unclear = "Unclear whether language model or kind of head matters more"
    assert lines.headline == unclear, "+4.7 and −4.3 points are about as large"
    assert lines.facts["gain from language model (tuned)"] == "c frozen: +4.7 [+3.2, +6.1] points"
    head_gain = "q frozen minus c frozen: −4.3 [−7.2, −1.5] points"
    assert lines.facts["gain from kind of head (frozen)"] == head_gain
    body_gains = np.subtract(CLASSICAL["tuned"], CLASSICAL["frozen"])
    head_gains = np.subtract(QUANTUM["frozen"], CLASSICAL["frozen"])
    test = stats.ttest_rel(body_gains, head_gains)
    low, high = 100 * np.array(test.confidence_interval(0.95))
    mean = 100 * (body_gains - head_gains).mean()
    difference = lines.facts["gains, language model minus kind of head"]
    assert difference == f"{mean:+.1f} points, 95 % CI [{low:+.1f}, {high:+.1f}]"
    higher = study(QUANTUM | {"frozen": (0.95, 0.96, 0.94)})
    assert verdict(higher).headline == "The kind of head matters more than the language model"
    uncertain = verdict(study(QUANTUM | {"frozen": (0.75, 0.85, 0.79)}))
    assert uncertain.headline == unclear
    assert "matters" not in str(verdict(replace(study(), bodies=())))
    write_record(tmp_path, study(), {})
    page = write_study_table(tmp_path, tmp_path / "page.md").read_text("utf-8")
    assert "| language model | tuned | c frozen | +4.7 [+3.2, +6.1] | 149 % [103, 194] |" in page
    assert (
        sum(
            line.startswith(
                ("| language model | tuned |", "| language model | trained |", "| head |")
            )
            for line in page.splitlines()
        )
        == 9
    )
    assert read_study(tmp_path) == study()


@pytest.mark.parametrize(
    ("frozen", "headline"),
    [
        ((0.749, 0.771, 0.740), "The language model matters more than the kind of head"),
        ((0.55, 0.57, 0.54), "The kind of head matters more than the language model"),
        ((0.95, 0.97, 0.94), "The kind of head matters more than the language model"),
    ],
    ids=["small change", "large loss", "large gain"],
)
def test_a_loss_by_the_kind_of_head_matters_by_its_size(frozen, headline):
    """The language model gains 5 points, and the head changes 0 points, or 20 down or up."""
    assert verdict(study(QUANTUM | {"frozen": frozen})).headline == headline


def test_heads_of_one_preset_are_told_apart_by_their_settings():
    record = study()
    wide = {"settings": {"model.n_qubits": 5, "train.lr": 0.1}, "validation": (0.0,) * 3}
    low = (0.5, 0.5, 0.5)
    rows = [
        replace(row, label=f"wide {row.group}", test=low, **wide)
        for row in record.rows
        if row.side == "subject"
    ]
    found_gains = {
        (gain.heads, gain.body): gain.seeds
        for gain in gains(replace(record, rows=(*record.rows, *rows)))
    }
    assert found_gains["wide frozen", "tuned"] == (0.0, 0.0, 0.0)
    expected = np.subtract(QUANTUM["tuned"], QUANTUM["frozen"])
    np.testing.assert_allclose(found_gains["q frozen", "tuned"], expected)


ROW = {"preset": "single-10q", "side": "subject"}
LOGISTIC = {"preset": "single-10q", "side": "baseline", "classical": "logistic_regression"}
TUNED = {"body.trainable": True, "train.lr": 0.01}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([{**LOGISTIC, "label": "C2", "group": "b"}], None),
        (
            [{**LOGISTIC, "label": "C2", "group": "b", "classical": "svc"}],
            "the baseline 'C' of 'a' has no row in the group 'b'. Give it one",
        ),
        (
            [
                {**LOGISTIC, "label": "C2", "group": "b"},
                {**ROW, "label": "Q3", "group": "a", "settings": {"train.lr": 0.1}},
            ],
            "rows 'Q' and 'Q3' are the same head in the group 'a'",
        ),
    ],
)
def test_gains_are_those_of_one_head_before_the_first_run(changes, message):
    rows = [
        {**ROW, "label": "Q", "group": "a"},
        {**LOGISTIC, "label": "C", "group": "a"},
        {**ROW, "label": "Q2", "group": "b", "settings": TUNED},
        *changes,
    ]
    words = {"name": "n", "title": "t", "subject": "s", "baseline": "b", "bodies": ["a", "b"]}
    context = pytest.raises(ValueError, match=message) if message else contextlib.nullcontext()
    with context:
        Study.model_validate({**words, "rows": rows})


def test_a_record_without_the_same_baseline_on_the_second_body_is_refused(tmp_path):
    record = study()
    rows = tuple(
        replace(row, model="SVR") if row.label == "S tuned" else row for row in record.rows
    )
    write_record(tmp_path, replace(record, rows=rows), {})
    with pytest.raises(UserError, match="'frozen' has a baseline that 'tuned' lacks"):
        read_study(tmp_path)


def test_the_study_has_the_same_heads_on_every_body_and_one_step_a_seed():
    runs = [
        run.config
        for run in study_runs(load_study("body"), {"data.source": "sst2"})
        if run.config.seed == 9
    ]
    tuned = [config for config in runs if config.body.contrastive.switched_on]
    frozen = [config for config in runs if not config.body.learns]
    assert len({config.body.model_dump_json() for config in tuned}) == 1, (
        "one contrastive step for all"
    )
    assert [(c.model, c.train) for c in tuned] == [(c.model, c.train) for c in frozen]
    assert {(c.data.source, c.body.model) for c in runs} == {("sst2", "minilm")}


def test_the_chosen_settings_are_the_best_that_were_tried():
    tried = json.loads((DOCS / "records" / "frozen-or-tuned" / "tried.json").read_text("utf-8"))[
        "tried"
    ]
    best = max(tried, key=lambda trial: trial["right"])
    assert {name: best[name] for name in SUPERVISED_DEFAULTS} == SUPERVISED_DEFAULTS
    page = (DOCS / "decisions" / "0012-contrastive-step.md").read_text("utf-8").replace("**", "")
    for trial in tried:
        cells = [trial[name] for name in ("epochs", "batch_size", "lr", "temperature", "right")]
        assert f"| {' | '.join('' if cell is None else f'{cell:g}' for cell in cells)} |" in page
