"""Case of an audit: circuit, rows and readout, and what several checks read of them, each computed once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from qllmft.tasks.accuracy import Accuracy, DiscordantTexts
from qllmft.tasks.comparison import Outcome
from qllmft.tasks.statistics import normal_effect
from qllmft_audit.audit.circuit import Floats, States, TrainedCircuit
from qllmft_audit.kernels import fidelities
from qllmft_base.errors import UserError
from qllmft_base.randomness import numpy_generator

Ints = NDArray[np.int64]
Status = Literal["holds", "issue", "inconclusive", "not applicable"]

ALPHA = 0.01  # of a paired test; about six baselines are compared
N_WEIGHT_DRAWS = 4  # draws of weights, and rows, on which an effect is sought
N_PROBED_ROWS = 32
STRENGTHS = tuple(float(c) for c in 10.0 ** np.arange(-2, 5))  # C of logistic regression


@dataclass(frozen=True)
class AuditFinding:
    """Result of a check."""

    status: Status
    figure: str  # the number that decides, in words of a table
    sentence: str  # what was compared, and the remedy of an issue

    @classmethod
    def from_condition(cls, holds: bool, figure: str, good: str, bad: str) -> AuditFinding:
        """Return the finding of a check that holds or not, with the sentence of either case.

        Args:
            holds: whether the check holds.
            figure: the number that decides, in words of a table.
            good: sentence if it holds.
            bad: sentence if it does not, with a remedy.
        """
        return cls("holds", figure, good) if holds else cls("issue", figure, bad)


not_applicable = partial(AuditFinding, "not applicable", "")


@dataclass(frozen=True)
class LabelledRows:
    """Labelled rows."""

    x: Floats  # (N, D), what the circuit reads
    inputs: Floats  # (N, M), what a classical rival reads; x unless other inputs are given
    y: Ints  # (N,), index of the label

    def __len__(self) -> int:
        """Return N."""
        return len(self.y)


@dataclass(frozen=True)
class LinearReadout:
    """Linear readout: scores of k labels from T expectation values."""

    weight: Floats  # (k, T)
    bias: Floats  # (k,)
    words: str

    def labels(self, values: Floats) -> Ints:
        """Return the labels (N,) of expectation values (N, T)."""
        return np.asarray((values @ self.weight.T + self.bias).argmax(axis=1), np.int64)


def linear_model(x: Floats, y: Ints, seed: int) -> Any:
    """Return logistic regression on standardised columns, with C by cross-validation, fitted on rows (N, M)."""
    folds = min(5, int(np.bincount(y)[np.unique(y)].min()))
    logistic = partial(LogisticRegression, max_iter=2000)
    best = 1.0
    if folds >= 2:
        folds_of_rows = StratifiedKFold(folds, shuffle=True, random_state=seed).split(x, y)
        scores = []
        for (
            fit_rows,
            held_out_rows,
        ) in folds_of_rows:  # the rows are scaled once, and not for each C
            scaler = StandardScaler().fit(x[fit_rows])
            train = scaler.transform(x[fit_rows])
            test = scaler.transform(x[held_out_rows])
            models = [logistic(C=strength).fit(train, y[fit_rows]) for strength in STRENGTHS]
            scores.append(
                [float((model.predict(test) == y[held_out_rows]).mean()) for model in models]
            )
        best = STRENGTHS[int(np.mean(scores, axis=0).argmax())]
    return make_pipeline(StandardScaler(), logistic(C=best)).fit(x, y)


def fit_readout(values: Floats, y: Ints, k: int, seed: int) -> LinearReadout:
    """Return the readout of `linear_model` on expectation values.

    Args:
        values: (N, T) expectation values of the training rows.
        y: (N,) indices of their labels.
        k: number of labels; one without a row gets the score −∞.
        seed: of the folds that choose C.
    """
    scaler, model = linear_model(values, y, seed)
    slopes = model.coef_ / scaler.scale_
    bias = model.intercept_ - slopes @ scaler.mean_
    if len(model.classes_) == 2:
        slopes = np.vstack([0 * slopes, slopes])
        bias = np.append(0.0, bias)
    weight = np.zeros((k, values.shape[1]))
    offset = np.full(k, -np.inf)
    weight[model.classes_] = slopes
    offset[model.classes_] = bias
    return LinearReadout(weight, offset, "logistic regression, fitted here on the training rows")


def least_difference(discordant: float, rows: int) -> float:
    """Return the least true difference that McNemar's test at `ALPHA` finds in four of five cases.

    Args:
        discordant: share of rows that one model alone has right.
        rows: N.
    """
    return normal_effect(ALPHA) * math.sqrt(discordant / rows)


def points_text(difference: float, interval: tuple[float, float]) -> str:
    """Return ``+3.2 points [+0.1, +6.3]``."""
    low, high = interval
    return f"{100 * difference:+.1f} points [{100 * low:+.1f}, {100 * high:+.1f}]"


@dataclass(frozen=True)
class RivalComparison:
    """Paired comparison of the circuit with a rival on the test rows."""

    rival: Accuracy
    discordant: DiscordantTexts  # which only the circuit, or only the rival got right
    verdict: Outcome

    @property
    def figure(self) -> str:
        """Return ``+3.2 points [+0.1, +6.3]``."""
        return points_text(self.discordant.value, self.discordant.interval)

    @property
    def detectable_difference(self) -> float:
        """Return the true difference that four of five such test sets would have shown."""
        counts = self.discordant
        share = (counts.only_first + counts.only_second + 1) / counts.total
        return least_difference(share, counts.total)


@dataclass(frozen=True)
class Case:
    """Trained circuit with the rows of its audit.

    Attributes:
        circuit: the circuit, its trained weights and its operators.
        train: training rows.
        test: test rows.
        split_here: the test rows were drawn from the rows given, so that they may have trained the circuit.
        readout: readout of labels; None fits one on the training rows.
        shots: S, measurements per circuit.
        margin: difference within which two accuracies are equal.
        seed: seed of all draws.
    """

    circuit: TrainedCircuit
    train: LabelledRows
    test: LabelledRows
    split_here: bool
    given_readout: LinearReadout | None
    shots: int
    margin: float
    seed: int

    def random(self, name: str) -> np.random.Generator:
        """Return the generator of the draws of one name."""
        return numpy_generator(self.seed, "audit", name)

    @property
    def n_labels(self) -> int:
        """Return k."""
        return int(max(self.train.y.max(), self.test.y.max())) + 1

    @cached_property
    def train_values(self) -> Floats:
        """Return the expectation values (N, T) of the training rows."""
        return self.circuit.expectations(self.train.x)

    @cached_property
    def test_values(self) -> Floats:
        """Return the expectation values (N, T) of the test rows."""
        return self.circuit.expectations(self.test.x)

    @cached_property
    def readout(self) -> LinearReadout:
        """Return the readout, fitted if none was given."""
        return self.given_readout or fit_readout(
            self.train_values, self.train.y, self.n_labels, self.seed
        )

    @cached_property
    def answers(self) -> Ints:
        """Return the labels (N,) that the circuit gives the test rows."""
        return self.readout.labels(self.test_values)

    @cached_property
    def accuracy(self) -> Accuracy:
        """Return the accuracy on the test rows."""
        return Accuracy.from_answers(self.test.y, self.answers)

    @cached_property
    def train_accuracy(self) -> Accuracy:
        """Return the accuracy on the training rows."""
        return Accuracy.from_answers(self.train.y, self.readout.labels(self.train_values))

    @cached_property
    def train_states(self) -> States:
        """Return the states (N, 2^Q) of the training rows."""
        return self.circuit.states(self.train.x)

    @cached_property
    def test_states(self) -> States:
        """Return the states (N, 2^Q) of the test rows."""
        return self.circuit.states(self.test.x)

    @cached_property
    def train_kernel(self) -> Floats:
        """Return the fidelities (N, N) of the training rows' states."""
        return fidelities(self.train_states, self.train_states)

    @cached_property
    def derivatives(self) -> tuple[Floats, Floats]:
        """Return the largest derivatives of all operators by weights (P,) and by inputs (D,), of several draws."""
        head = self.circuit.head()
        random = self.random("effects")
        by_weight = np.zeros(len(self.circuit.weights))
        by_input = np.zeros(len(self.circuit.data))
        rows = torch.from_numpy(self.train.x[:N_PROBED_ROWS])
        for draw in range(N_WEIGHT_DRAWS):
            if draw:
                with torch.no_grad():
                    random_weights = random.uniform(-np.pi, np.pi, len(self.circuit.weights))
                    head.connector.weight.copy_(torch.from_numpy(random_weights))
            head.zero_grad()
            x = rows.clone().requires_grad_()
            values = head(x)
            (values * torch.from_numpy(random.normal(size=values.shape))).sum().backward()
            if head.connector.weight.grad is not None:
                by_weight = np.maximum(by_weight, head.connector.weight.grad.abs().numpy())
            if x.grad is not None:
                by_input = np.maximum(by_input, x.grad.abs().numpy().max(axis=0))
        return by_weight, by_input

    @cached_property
    def linear(self) -> RivalComparison:
        """Return the comparison with logistic regression (C by cross-validation) on the same inputs."""
        model = linear_model(self.train.inputs, self.train.y, self.seed)
        return self.compare_with_rival(model.predict(self.test.inputs))

    def compare_with_rival(self, answers: Ints) -> RivalComparison:
        """Return the comparison with a rival's answers (N,) on the test rows."""
        counts = DiscordantTexts.from_answers(self.test.y, self.answers, answers)
        low, high = counts.interval
        verdict: Outcome = "open"
        if counts.p < ALPHA:
            verdict = "better" if counts.value > 0 else "worse"
        elif -self.margin < low and high < self.margin:
            verdict = "equal"
        return RivalComparison(Accuracy.from_answers(self.test.y, answers), counts, verdict)

    def judge_against_rival(
        self, comparison: RivalComparison, rival: str, remedy: str
    ) -> AuditFinding:
        """Return the finding that the circuit must be better than a rival.

        Args:
            comparison: the comparison.
            rival: its name in a sentence.
            remedy: end of the sentence if the rival is as good or better.
        """
        accuracies_text = f"{rival} gets {comparison.rival} beside {self.accuracy}"
        if comparison.verdict == "open":
            detectable_text = (
                f"A true difference of {100 * comparison.detectable_difference:.1f} points would have been "
                "found in four of five cases"
            )
            sentence = f"{accuracies_text}. {detectable_text}. Give more test rows."
            return AuditFinding("inconclusive", comparison.figure, sentence)
        better = comparison.verdict == "better"
        return AuditFinding.from_condition(
            better, comparison.figure, f"{accuracies_text}.", f"{accuracies_text}. {remedy}"
        )


def split_rows(
    x: Floats,
    y: Ints,
    test: tuple[Floats, Ints] | None,
    inputs: Floats,
    test_inputs: Floats | None,
    seed: int,
) -> tuple[LabelledRows, LabelledRows]:
    """Return training and test rows; without test rows, 30 % of each label are drawn.

    Args:
        x: (N, D), what the circuit reads.
        y: (N,) indices of the labels.
        test: test rows (M, D) and their labels (M,); None: drawn from the rows above.
        inputs: (N, ·), what classical baselines read.
        test_inputs: (M, ·), the same of the test rows; None: what the circuit reads.
        seed: of the drawn test rows.

    Raises:
        UserError: if the rows that are left for training have fewer than two labels.
    """
    if test is not None:
        rival_inputs = test[0] if test_inputs is None else test_inputs
        return LabelledRows(x, inputs, y), LabelledRows(test[0], rival_inputs, test[1])
    random = numpy_generator(seed, "audit", "split")
    test_mask = np.zeros(len(y), bool)
    for label in np.unique(y):
        label_rows = np.flatnonzero(y == label)
        test_mask[random.permutation(label_rows)[: max(1, round(0.3 * len(label_rows)))]] = True
    if len(np.unique(y[~test_mask])) < 2:
        n_labels = len(np.unique(y))
        raise UserError(
            f"y has {n_labels:,} different labels in {len(y):,} rows, expected two rows or more of two labels. One of "
            "them is held back as a test row. Give more rows of each label, or test=. Real targets are no labels."
        )
    train, test_rows = (
        LabelledRows(x[mask], inputs[mask], y[mask]) for mask in (~test_mask, test_mask)
    )
    return train, test_rows
