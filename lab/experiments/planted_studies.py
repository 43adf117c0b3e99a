"""Studies made of kept seeds: verdicts of the project's own rule, and the same rule on drawn studies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from lab.experiments.planted_heads import HEAD, LINEAR, TWIN
from qllmft.campaign import RowResult, StudyRecord, best, compare
from qllmft.run import BodyRecord, DataRecord
from qllmft.tasks import ALPHA, Accuracy, MeanInterval, detectable_effect

Floats = NDArray[np.float64]

SEEDS = 5  # of a study
BASELINES = (TWIN, LINEAR)  # of a study; its comparisons
LEVEL = ALPHA / len(BASELINES)  # of Holm's first step
SIMULATED = 20_000  # studies


@dataclass(frozen=True)
class PointRecord:
    """Kept numbers of one point; see `planted_control.measure_point`."""

    record: dict[str, Any]

    def scores(self, name: str, split: int = 1) -> Floats:
        """Return accuracies (S,) of a model by seed, on the validation texts (0) or the test texts (1)."""
        right = np.array(self.record["right"][name], np.float64)[:, split]
        return np.asarray(right / self.record["sizes"][1 + split])

    def mean(self, name: str) -> MeanInterval:
        """Return the mean test accuracy of a model."""
        return MeanInterval.from_values(self.scores(name).tolist())

    @cached_property
    def differences(self) -> Floats:
        """Return the differences (S, m) of the head and each baseline by seed."""
        head = self.scores(HEAD)
        return np.stack([head - self.scores(name) for name in BASELINES], axis=1)

    @property
    def gaps(self) -> Floats:
        """Return the mean differences (m,) over all seeds."""
        return np.asarray(self.differences.mean(axis=0))

    @property
    def least(self) -> Floats:
        """Return the least differences (m,) that a study finds with 80 % power, by the deviation over all seeds."""
        deviation = self.differences.std(axis=0, ddof=1)
        return np.asarray(detectable_effect(LEVEL, SEEDS - 1) * deviation / np.sqrt(SEEDS))

    @property
    def planted_gap(self) -> float:
        """Return the teacher's accuracy minus that of the best baseline that learned from thousands of texts."""
        best = max(self.record["large"][name] for name in BASELINES)
        return float((1 - 2 * self.record["noise"]) * (1 - best))

    def study(self, number: int) -> StudyRecord:
        """Return the n-th study, of `SEEDS` seeds that no other study has."""
        rows = range(number * SEEDS, (number + 1) * SEEDS)
        sizes = dict(zip(("train", "validation", "test"), self.record["sizes"], strict=True))
        return StudyRecord(
            study=self.record["name"],
            title="Planted labels",
            subject="quantum head",
            baseline="classical baseline",
            reduced="",
            seeds=tuple(self.record["first"] + row for row in rows),
            epochs=1,
            select="accuracy",
            protocol="paper",
            redrawn=True,
            data=DataRecord("planted", "", ("0", "1"), sizes),
            body=BodyRecord("minilm", "", 384),
            settings={},
            command="",
            rows=tuple(self._row(name, rows) for name in (HEAD, *BASELINES)),
            versions={},
        )

    def _row(self, name: str, rows: range) -> RowResult:
        validation, test = (
            tuple(float(self.scores(name, split)[row]) for row in rows) for split in (0, 1)
        )
        return RowResult(
            label=name,
            side="subject" if name == HEAD else "baseline",
            group="",
            preset="",
            model=name,
            published=None,
            runs=tuple(map(str, rows)),
            parameters=(1,) * len(rows),
            validation=validation,
            test=test,
        )

    @cached_property
    def answers(self) -> Answers:
        """Return the outcomes of all studies."""
        better = np.zeros(len(BASELINES), np.int64)
        beats = 0
        least = []
        count = len(self.differences) // SEEDS
        for number in range(count):
            study = self.study(number)
            comparisons = compare(study)
            better += [comparison.outcome == "better" for comparison in comparisons]
            rival = best(study.select_rows("baseline")).label  # of the verdict's sentence
            beats += any(c.baseline == rival and c.outcome == "better" for c in comparisons)
            least.append([comparison.detectable for comparison in comparisons])
        shares = tuple(Accuracy(int(right), count) for right in better)
        return Answers(shares, Accuracy(beats, count), np.median(np.array(least), axis=0))

    def simulate_shares(self, place: float, *, normal: bool = False) -> Floats:
        """Return the shares (m,) of drawn studies with "better" if each true gap is ``place`` times the least one.

        Args:
            place: of the true gaps.
            normal: draw normal differences with the covariances of the kept ones; else a study draws its seeds from the
                kept ones, whose differences are moved to that mean.
        """
        centred = self.differences - self.gaps
        effect = detectable_effect(LEVEL, SEEDS - 1) / np.sqrt(SEEDS)
        gaps = place * effect * self.differences.std(axis=0)
        random = np.random.default_rng(self.record["first"])
        if normal:
            covariances = np.atleast_2d(np.cov(centred.T, bias=True))
            studies = random.multivariate_normal(gaps, covariances, size=(SIMULATED, SEEDS))
            return np.asarray(better(studies).mean(axis=0))
        draws = random.integers(len(centred), size=(SIMULATED, SEEDS))
        return np.asarray(better((centred + gaps)[draws]).mean(axis=0))


@dataclass(frozen=True)
class Answers:
    """Number of studies that say "better", of all."""

    better: tuple[Accuracy, ...]  # than each of `BASELINES`
    beats: Accuracy  # the sentence of the verdict names the head as the winner
    least: Floats  # (m,) median of the printed least differences


def better(differences: Floats) -> NDArray[np.bool_]:
    """Return whether studies (K, n, m) of n seeds find the head better than each of two baselines, (K, m).

    It is the rule of `qllmft.campaign.comparison`: the paired t-test, Holm's correction, a positive mean.
    """
    n = differences.shape[1]
    mean = differences.mean(axis=1)
    error = differences.std(axis=1, ddof=1) / np.sqrt(n)
    p = 2 * stats.t.sf(np.abs(mean) / np.maximum(error, 1e-15), n - 1)
    smaller = p.min(axis=1)
    larger = p.max(axis=1)
    first = np.minimum(1.0, 2 * smaller)
    corrected = np.where(p == smaller[:, None], first[:, None], np.maximum(first, larger)[:, None])
    return np.asarray((corrected < ALPHA) & (mean > 0))


def power(places: Floats) -> Floats:
    """Return the chance that the t-test at `LEVEL` finds normal differences of ``places`` least ones better."""
    shares = (np.arange(4000) + 0.5) / 4000
    freedom = SEEDS - 1
    scatter = stats.t.isf(LEVEL / 2, freedom) * np.sqrt(stats.chi2.ppf(shares, freedom) / freedom)
    effects = places * detectable_effect(LEVEL, freedom)
    return np.asarray(special.ndtr(effects[:, None] - scatter).mean(axis=1))
