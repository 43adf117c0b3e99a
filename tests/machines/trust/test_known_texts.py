"""Labels that known texts decide: few of them are wrong, whatever the machine does to the leads."""

import numpy as np
import pytest
from scipy.special import softmax

from qllmft.answers.probabilities import LabelProbabilities
from qllmft_machines.trust.known_texts import (
    KNOWN_TEXTS,
    WRONG_SHARE,
    decide_by_known_texts,
    mix_known_texts,
)

N = 200


def answers(logits, error):
    n = len(logits)
    nothing = np.zeros((n, 3))
    lead = np.sort(logits, axis=1)
    decided = lead[:, -1] - lead[:, -2] > 1.96 * error
    errors = np.full(n, error)
    return LabelProbabilities(
        softmax(logits, axis=1), nothing, decided, nothing, nothing, None, logits, errors
    )


def a_call(rng, machine, error=0.1):
    """Exact logits of three labels, and those that a machine measures; known texts at random places."""
    exact = rng.normal(size=(N + KNOWN_TEXTS, 3)) * 0.7
    measured = machine(exact) + rng.normal(size=exact.shape) * error / np.sqrt(2)
    is_known = np.zeros(len(exact), bool)
    is_known[rng.permutation(len(exact))[:KNOWN_TEXTS]] = True
    right = exact.argmax(axis=1) == measured.argmax(axis=1)
    return answers(exact, 0.0), answers(measured, error), is_known, right


MACHINES = {
    "no errors": lambda exact: exact,
    "smaller values": lambda exact: 0.6 * exact,
    "a label preferred": lambda exact: exact + np.array([0.9, 0.0, 0.0]),
    "two labels alike": lambda exact: exact @ np.array([[1, 0, 0], [0, 0.6, 0.4], [0, 0.4, 0.6]]),
}


@pytest.mark.parametrize("name", MACHINES)
def test_few_decided_labels_differ_from_the_exact_model(name):
    """The mean over calls of the wrong share is at most 5 %; shot noise alone decides more of them wrong."""
    wrong = []
    by_shots = []
    decided = []
    for seed in range(100):
        exact, measured, is_known, right = a_call(np.random.default_rng(seed), MACHINES[name])
        decided_answers = decide_by_known_texts(measured, exact.take(is_known), is_known)
        assert decided_answers.known_texts == KNOWN_TEXTS
        assert len(decided_answers.probabilities) == len(decided_answers.decided) == N
        assert (decided_answers.logits == measured.logits[~is_known]).all()
        is_wrong = ~right[~is_known]
        wrong.append(
            (is_wrong & decided_answers.decided).sum() / max(1, decided_answers.decided.sum())
        )
        by_shots.append(
            (is_wrong & measured.decided[~is_known]).sum() / measured.decided[~is_known].sum()
        )
        decided.append(decided_answers.decided.mean())
    assert np.mean(wrong) <= WRONG_SHARE
    if name == "no errors":
        assert np.mean(decided) > 0.75
    if name == "a label preferred":
        assert np.mean(by_shots) > 0.15, "the same texts, decided without the machine's errors"


@pytest.mark.parametrize("depolarisation", [0.3, 0.4, 0.5])
def test_a_machine_that_depolarises_under_a_tuned_body(depolarisation):
    """A tuned body has no training text with a small lead, so that all of these would be understated."""
    wrong = {"new texts": [], "training texts": []}
    for seed in range(60):
        for kind, shares in wrong.items():
            rng = np.random.default_rng(seed)
            exact = rng.normal(size=(N + KNOWN_TEXTS, 3)) * 0.7
            is_known = np.arange(len(exact)) < KNOWN_TEXTS
            if kind == "training texts":
                exact[is_known, exact[is_known].argmax(axis=1)] += 2.0
            readout = np.array([0.4, 0.0, 0.0])  # errors prefer a label
            noise = rng.normal(size=exact.shape) * 0.05
            measured = (1 - depolarisation) * exact + readout + noise
            exact_answers = answers(exact, 0.0)
            decided = decide_by_known_texts(
                answers(measured, 0.07), exact_answers.take(is_known), is_known
            ).decided
            differs = (exact.argmax(axis=1) != measured.argmax(axis=1))[~is_known]
            shares.append((differs & decided).sum() / max(1, decided.sum()))
    assert np.mean(wrong["new texts"]) <= WRONG_SHARE
    assert np.mean(wrong["training texts"]) > WRONG_SHARE


def test_a_machine_of_noise_decides_nothing():
    rng = np.random.default_rng(0)
    exact, measured, is_known, _ = a_call(rng, lambda exact: rng.normal(size=exact.shape))
    assert not decide_by_known_texts(measured, exact.take(is_known), is_known).decided.any()


def test_several_labels_of_a_text():
    """A label's threshold takes the place of the other labels: one shifted logit leaves its label undecided."""
    rng = np.random.default_rng(1)
    exact = rng.normal(size=(N + KNOWN_TEXTS, 3))
    is_known = np.arange(len(exact)) < KNOWN_TEXTS
    thresholds = np.array([0.5, 0.3, 0.5])

    def make_answers(logits):
        p = 1 / (1 + np.exp(-logits))
        errors = np.full(len(logits), 0.05)
        nothing = np.zeros_like(p)
        decided = np.ones(len(p), bool)
        return LabelProbabilities(p, nothing, decided, nothing, nothing, thresholds, logits, errors)

    for shift, share in ((0.0, 1.0), (0.8, 0.5)):
        measured = make_answers(exact + np.array([shift, 0.0, 0.0]))
        decided_answers = decide_by_known_texts(
            measured, make_answers(exact).take(is_known), is_known
        )
        differs = (measured.sets != make_answers(exact).sets).any(axis=1)[~is_known]
        assert (
            differs & decided_answers.decided
        ).sum() <= WRONG_SHARE * decided_answers.decided.sum()
        assert decided_answers.decided.mean() <= share


def test_known_texts_are_in_every_part_and_follow_from_the_texts():
    rng = np.random.default_rng(2)
    texts = rng.normal(size=(300, 5))
    calibration_vectors = rng.normal(size=(90, 5))
    texts = texts.astype(np.float32)
    calibration_vectors = calibration_vectors.astype(np.float32)
    mixed = mix_known_texts(texts, calibration_vectors, 40)
    assert (mixed.vectors[~mixed.known_mask] == texts).all()
    rows = {row.tobytes() for row in calibration_vectors}
    known_rows = {row.tobytes() for row in mixed.vectors[mixed.known_mask]}
    assert len(known_rows) == 40
    assert known_rows < rows
    assert [part.sum() for part in np.array_split(mixed.known_mask, 40)] == [1] * 40
    assert (mix_known_texts(texts, calibration_vectors, 40).vectors == mixed.vectors).all()
    assert (
        mix_known_texts(texts[:299], calibration_vectors, 40).known_mask != mixed.known_mask[:339]
    ).any()


def test_another_rounding_of_the_embeddings_draws_the_same_known_texts():
    """Another machine that continues a call must not pay for other known texts."""
    rng = np.random.default_rng(3)
    texts = rng.normal(size=(300, 384)).astype(np.float32)
    calibration_vectors = rng.normal(size=(90, 384)).astype(np.float32)
    rounded = texts * (1 + 1e-6 * rng.normal(size=texts.shape)).astype(np.float32)
    assert not (rounded == texts).all()
    mixed, elsewhere = (
        mix_known_texts(vectors, calibration_vectors, 40) for vectors in (texts, rounded)
    )
    assert (elsewhere.known_mask == mixed.known_mask).all()
    is_known = mixed.known_mask
    assert (elsewhere.vectors[is_known] == mixed.vectors[is_known]).all()
    other_call = mix_known_texts(rng.permutation(texts), calibration_vectors, 40)
    assert (other_call.known_mask != is_known).any()
