"""The planted control: its page, and a small version that finds a planted head and no head where there is none."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from lab.experiments import planted_control, planted_heads
from lab.experiments.planted_control import CONTEXT, POINTS, Point, measure_point
from lab.experiments.planted_heads import (
    KERNEL,
    Structure,
    Task,
    latent_angles,
    separable_share,
    teacher_labels,
)
from lab.experiments.planted_page import planted_page
from lab.experiments.planted_rank import EXACT, certificates, truncations
from lab.experiments.planted_studies import LEVEL, SEEDS, PointRecord, better, power
from qllmft.heads import QuantumHead
from qllmft.report import style
from qllmft.tasks import ALPHA, PairedDifference, detectable_effect, holm
from qllmft_audit import MAX_BOND
from qllmft_circuits import AnsatzOptions
from qllmft_circuits.ansatz import separable

ROOT = Path(__file__).resolve().parents[3]
RECORD = ROOT / "docs" / "records" / "planted-control"


@pytest.fixture(scope="module")
def angles():
    """Angles of 600 texts on four axes, as far from normal as embeddings are."""
    random = np.random.default_rng(0)
    vectors = random.standard_t(5, size=(900, 12)) * np.linspace(2.0, 0.2, 12)
    return latent_angles(vectors.astype(np.float32), 4)


def test_the_page_is_made_by_its_command(tmp_path, monkeypatch):
    monkeypatch.setattr(style, "save_figure", lambda figure, file: file.touch())
    planted_page(RECORD, tmp_path / "planted-control.md")
    page = (tmp_path / "planted-control.md").read_text("utf-8")
    made_again = "python -m lab.experiments.planted_control --page docs/results/planted-control.md"
    assert (ROOT / "docs" / "results" / "planted-control.md").read_text("utf-8") == page, made_again
    assert (tmp_path / "figures" / "planted-control.svg").exists()


def test_the_record_has_the_points_of_its_command():
    for point in POINTS:
        record = json.loads((RECORD / f"{point.name}.json").read_text("utf-8"))
        assert (record["noise"], record["first"]) == (point.noise, point.first)
        counts = {name: len(right) for name, right in record["right"].items()}
        assert counts.pop(KERNEL) == CONTEXT
        assert set(counts.values()) == {point.count}
    ranges = [set(point.seeds) for point in POINTS]
    assert len(set.union(*ranges)) == sum(map(len, ranges))


def test_structures_are_those_of_the_heads_of_the_project():
    x = torch.linspace(-2, 2, 12).reshape(3, 4)
    for connectivity, entangled, ansatz in (
        (1, 8, AnsatzOptions(1)),
        (2, 16, AnsatzOptions(2)),
        (1, 0, separable),
    ):
        ours = Structure(connectivity, entangled).head()
        theirs = QuantumHead(4, 2, 1, 1, ansatz=ansatz)
        # a layer of the ring turns qubits 1, 2, 3, 0, and a separable one 0, 1, 2, 3
        weight = theirs.connector.weight.data
        ours.connector.weight.data = (
            weight if entangled else weight.reshape(2, 4).roll(-1, 1).ravel()
        )
        torch.testing.assert_close(ours(x), theirs(x))


def test_a_separable_head_is_a_sum_of_functions_of_one_angle(angles):
    assert teacher_labels(Structure(1, 0), angles)[1] == pytest.approx(1.0, abs=1e-4)
    product = np.sin(angles[:, 0]) * np.sin(angles[:, 1])
    assert separable_share(product, angles, 2) < 0.2
    labels, share = teacher_labels(Structure(), angles)
    assert share < 0.4
    assert abs(labels.mean() - 0.5) < 0.01


def test_noise_turns_its_share_of_the_labels_anew_with_each_seed(angles):
    task = Task(angles, np.zeros(len(angles), np.int64), 0.3)
    turned = [np.concatenate([part.y for part in task.parts(seed, 300)]) for seed in range(8)]
    assert np.mean(turned) == pytest.approx(0.3, abs=0.03)
    assert len({labels.tobytes() for labels in turned}) == 8


def test_studies_find_a_planted_head_and_none_where_labels_are_coins(angles):
    of_head, coins = (
        PointRecord(measure_point(Point("small", Structure(), noise, 0, seeds), angles, None, None))
        for noise, seeds in ((0.0, 10), (0.5, 5))
    )
    assert of_head.planted_gap > 0.1
    assert coins.planted_gap == 0.0
    assert of_head.gaps.min() > 0.1
    assert abs(coins.gaps).max() < 0.08
    assert [share.total for share in of_head.answers.better] == [2, 2]
    assert sum(share.right for share in of_head.answers.better) >= 3
    assert coins.answers.beats.right == 0


def test_a_kept_point_is_not_measured_again(angles, monkeypatch):
    one_epoch = planted_heads.TRAIN.model_copy(update={"epochs": 1})
    monkeypatch.setattr(planted_heads, "TRAIN", one_epoch)
    point = planted_control.Point("small", Structure(1, 0), 0.0, 0, 2)
    measured_point = planted_control.measure_point(point, angles, None, None)
    monkeypatch.setattr(planted_control, "train_models", None)
    assert planted_control.measure_point(point, angles, measured_point, None) == measured_point


def test_the_rule_on_drawn_studies_is_that_of_a_study():
    random = np.random.default_rng(1)
    studies = random.normal([0.7, 1.3], 1.0, size=(400, 5, 2))
    one_by_one = []
    for study in studies:
        differences = [PairedDifference.from_values(column, np.zeros(5)) for column in study.T]
        corrected = holm([difference.p for difference in differences])
        one_by_one.append(
            [p < ALPHA and d.value > 0 for p, d in zip(corrected, differences, strict=True)]
        )
    assert better(studies).tolist() == one_by_one
    assert 0 < np.sum(one_by_one) < 800


def test_power_at_the_least_difference_is_80_percent_and_half_the_level_at_none():
    nothing, half, least = power(np.array([0.0, 0.5, 1.0]))
    assert nothing == pytest.approx(LEVEL / 2, abs=1e-4)
    assert least == pytest.approx(0.8, abs=1e-3)
    effect = detectable_effect(LEVEL, SEEDS - 1) / 2  # by another route, the noncentral t
    limit = stats.t.isf(LEVEL / 2, SEEDS - 1)
    assert half == pytest.approx(stats.nct.sf(limit, SEEDS - 1, effect), abs=1e-3)


def test_normal_studies_say_better_in_80_percent_at_the_least_difference_and_in_5_at_none():
    random = np.random.default_rng(2)
    effect = detectable_effect(0.025, 4) / np.sqrt(5)
    scatter = random.normal(size=(20_000, 5, 2))
    assert (better(scatter + effect).mean(axis=0) >= 0.8).all()
    assert better(scatter).any(axis=1).mean() <= 0.05


def test_a_bond_is_exact_where_it_reaches_the_planted_rank():
    vectors = np.random.default_rng(3).normal(size=(64, 8)).astype(np.float32)
    rows = truncations(latent_angles(vectors, 6))
    assert [row["rank"] for row in rows] == [1, 2, 4, 8, 8, 4]
    for row in rows:
        for bond, bound in row["bounds"].items():
            assert (bound <= EXACT) == (int(bond) >= row["rank"])


def test_the_certificate_is_absent_where_the_planted_rank_exceeds_its_limit():
    rows = certificates()
    assert [row.is_certified for row in rows] == [row.planted <= MAX_BOND for row in rows]
    assert [row.bond for row in rows] == [row.planted for row in rows]
    assert {row.is_certified for row in rows} == {True, False}
