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
    known = np.zeros(len(exact), bool)
    known[rng.permutation(len(exact))[:KNOWN_TEXTS]] = True
    right = exact.argmax(axis=1) == measured.argmax(axis=1)
    return answers(exact, 0.0), answers(measured, error), known, right


MACHINES = {
    "no errors": lambda exact: exact,
    "smaller values": lambda exact: 0.6 * exact,
    "a label preferred": lambda exact: exact + np.array([0.9, 0.0, 0.0]),
    "two labels alike": lambda exact: exact @ np.array([[1, 0, 0], [0, 0.6, 0.4], [0, 0.4, 0.6]]),
}


@pytest.mark.parametrize("name", MACHINES)
def test_few_decided_labels_differ_from_the_exact_model(name):
    """The mean over calls of the wrong share is at most 5 %; shot noise alone decides more of them wrong."""
    wrong, by_shots, decided = [], [], []
    for seed in range(100):
        exact, measured, known, right = a_call(np.random.default_rng(seed), MACHINES[name])
        found = decide_by_known_texts(measured, exact.take(known), known)
        assert found.known_texts == KNOWN_TEXTS
        assert len(found.probabilities) == len(found.decided) == N
        assert (found.logits == measured.logits[~known]).all()
        here = ~right[~known]
        wrong.append((here & found.decided).sum() / max(1, found.decided.sum()))
        by_shots.append((here & measured.decided[~known]).sum() / measured.decided[~known].sum())
        decided.append(found.decided.mean())
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
            known = np.arange(len(exact)) < KNOWN_TEXTS
            if kind == "training texts":
                exact[known, exact[known].argmax(axis=1)] += 2.0
            readout = np.array([0.4, 0.0, 0.0])  # errors prefer a label
            noise = rng.normal(size=exact.shape) * 0.05
            measured = (1 - depolarisation) * exact + readout + noise
            exact_answers = answers(exact, 0.0)
            decided = decide_by_known_texts(
                answers(measured, 0.07), exact_answers.take(known), known
            ).decided
            differs = (exact.argmax(axis=1) != measured.argmax(axis=1))[~known]
            shares.append((differs & decided).sum() / max(1, decided.sum()))
    assert np.mean(wrong["new texts"]) <= WRONG_SHARE
    assert np.mean(wrong["training texts"]) > WRONG_SHARE


def test_a_machine_of_noise_decides_nothing():
    rng = np.random.default_rng(0)
    exact, measured, known, _ = a_call(rng, lambda exact: rng.normal(size=exact.shape))
    assert not decide_by_known_texts(measured, exact.take(known), known).decided.any()


def test_several_labels_of_a_text():
    """A label's threshold takes the place of the other labels: one shifted logit leaves its label undecided."""
    rng = np.random.default_rng(1)
    exact = rng.normal(size=(N + KNOWN_TEXTS, 3))
    known = np.arange(len(exact)) < KNOWN_TEXTS
    thresholds = np.array([0.5, 0.3, 0.5])

    def of(logits):
        p, errors = 1 / (1 + np.exp(-logits)), np.full(len(logits), 0.05)
        nothing = np.zeros_like(p)
        decided = np.ones(len(p), bool)
        return LabelProbabilities(p, nothing, decided, nothing, nothing, thresholds, logits, errors)

    for shift, share in ((0.0, 1.0), (0.8, 0.5)):
        measured = of(exact + np.array([shift, 0.0, 0.0]))
        found = decide_by_known_texts(measured, of(exact).take(known), known)
        differs = (measured.sets != of(exact).sets).any(axis=1)[~known]
        assert (differs & found.decided).sum() <= WRONG_SHARE * found.decided.sum()
        assert found.decided.mean() <= share


def test_known_texts_are_in_every_part_and_follow_from_the_texts():
    rng = np.random.default_rng(2)
    texts, others = rng.normal(size=(300, 5)), rng.normal(size=(90, 5))
    texts, others = texts.astype(np.float32), others.astype(np.float32)
    found = mix_known_texts(texts, others, 40)
    assert (found.vectors[~found.known_mask] == texts).all()
    rows = {row.tobytes() for row in others}
    chosen = {row.tobytes() for row in found.vectors[found.known_mask]}
    assert len(chosen) == 40
    assert chosen < rows
    assert [part.sum() for part in np.array_split(found.known_mask, 40)] == [1] * 40
    again = mix_known_texts(texts, others, 40)
    assert (again.vectors == found.vectors).all()
    assert (mix_known_texts(texts[:299], others, 40).known_mask != found.known_mask[:339]).any()


def test_another_rounding_of_the_embeddings_draws_the_same_known_texts():
    """Another machine that continues a call must not pay for other known texts."""
    rng = np.random.default_rng(3)
    texts = rng.normal(size=(300, 384)).astype(np.float32)
    others = rng.normal(size=(90, 384)).astype(np.float32)
    rounded = texts * (1 + 1e-6 * rng.normal(size=texts.shape)).astype(np.float32)
    assert not (rounded == texts).all()
    found, elsewhere = (mix_known_texts(vectors, others, 40) for vectors in (texts, rounded))
    assert (elsewhere.known_mask == found.known_mask).all()
    known = found.known_mask
    assert (elsewhere.vectors[known] == found.vectors[known]).all()
    other_call = mix_known_texts(rng.permutation(texts), others, 40)
    assert (other_call.known_mask != known).any()
