"""A backend beside the exact model: the report, by hand and by simulation; a trained run on another backend."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from run_fixtures import evaluate_run
from tiny_runs import LABELS, HashBody, backend_named, config, vector, write_corpus

from qllmft.answers.agreement import BackendAgreement, compare
from qllmft.answers.decision import Decision
from qllmft.answers.probabilities import LabelProbabilities
from qllmft.config import DataConfig
from qllmft.data import Table
from qllmft.inference import Predictor
from qllmft.inference.labelled_texts import LabelledTexts, Subset
from qllmft.run import run_experiment, vectors
from qllmft_backends import Capabilities, create
from qllmft_base.errors import UserError
from qllmft_machines.trust import MeasuredModel

TEXTS = [f"{label} new text {i}" for i in range(6) for label in LABELS]


def answers(probabilities, values, decided=None) -> LabelProbabilities:
    """LabelProbabilities made by hand; what `compare` does not read is not a number."""
    p = np.array(probabilities, float)
    z = np.array(values, float)
    nothing = np.full_like(p, np.nan)
    return LabelProbabilities(
        p, nothing, np.array(decided or [1] * len(p), bool), z, np.zeros_like(z)
    )


def test_the_report_by_hand():
    p = [[0.9, 0.1], [0.4, 0.6], [0.45, 0.55]]
    measured_p = [[0.7, 0.3], [0.55, 0.45], [0.51, 0.49]]
    exact = answers(p, [[0.6, 0.0], [-0.8, 0.28], [1.0, -1.0]])
    measured = answers(measured_p, [[0.5, 0.2], [-0.8, 0.4], [0.9, -0.7]], [1, 0, 0])
    agreement = compare(measured, exact, shots=100)
    assert (agreement.samples, agreement.flips, agreement.undecided) == (3, 2, 2)
    assert agreement.mean_abs_difference == pytest.approx((0.1 + 0.2 + 0.0 + 0.12 + 0.1 + 0.3) / 6)
    # sqrt(1 - z²) of the exact values: 0.8, 1, 0.6, 0.96, 0, 0; sqrt(2/π) = 0.7978845608
    expected = 0.7978845608 * (0.8 + 1 + 0.6 + 0.96) / 6 / 10
    assert agreement.expected_from_shots == pytest.approx(expected)
    assert str(agreement) == (
        "2 labels differ from a noiseless simulation of 3 texts. 2 labels are unreliable at this number of shots. "
        "Of the 1 reliable label, 0 differ. Mean |Δ⟨Z⟩| = 0.1367 (shot noise alone would give 0.0447)"
    )


def test_without_reliable_labels_none_of_them_is_counted():
    exact = answers([[0.9, 0.1]], [[0.6, 0.0]])
    measured = answers([[0.7, 0.3]], [[0.5, 0.2]], [0])
    assert str(compare(measured, exact, shots=100)).startswith(
        "0 labels differ from a noiseless simulation of 1 text. 1 label is unreliable at this number of shots. Mean"
    )


def test_without_shots_nothing_is_expected_of_them():
    exact = answers([[0.2, 0.5, 0.3]], [[0.6, 0.0, 1.0000001]])
    agreement = compare(answers([[0.2, 0.3, 0.5]], [[0.5, 0.0, 1.0]]), exact, shots=None)
    change = pytest.approx(0.1 / 3, abs=1e-6)
    assert agreement == BackendAgreement(1, 1, 0, change, 0.0, decided_flips=1)
    assert str(agreement).endswith(". Mean |Δ⟨Z⟩| = 0.0333 (exact)")
    # a ⟨Z⟩ that rounding puts beyond 1 is 1
    assert compare(exact, exact, shots=10).expected_from_shots < 1


@pytest.mark.parametrize(
    ("capabilities", "change", "warns"),
    [
        (Capabilities(exact=True), 0.01, True),
        (Capabilities(exact=True), 1e-6, False),
        (Capabilities(exact=True, noisy=True), 0.01, False),
        (Capabilities(shots=True), 0.01, False),
    ],
)
def test_an_exact_backend_with_other_values_has_a_warning(capabilities, change, warns):
    exact = answers([[0.2, 0.8]], [[0.6, 0.1]])
    agreement = compare(answers([[0.2, 0.8]], [[0.6 + change, 0.1]]), exact, shots=None)
    warning = agreement.exactness_warning(SimpleNamespace(name="mine", capabilities=capabilities))
    assert bool(warning) == warns
    assert not warns or "the backend 'mine' is exact, and its values are not" in warning


def test_what_shots_alone_would_give_is_what_they_give():
    """The mean |Δ⟨Z⟩| of simulated shots of the exact ⟨Z⟩, three qubits."""
    rng = np.random.default_rng(0)
    z = rng.uniform(-0.95, 0.95, (50, 3))
    shots = 1000
    counts = rng.binomial(shots, (1 + z) / 2, (1000, 50, 3))
    simulated = np.abs(2 * counts / shots - 1 - z)
    exact = answers(np.full((50, 2), 0.5), z)
    expected = compare(exact, exact, shots).expected_from_shots
    # 150,000 values, each of relative spread sqrt(π/2 - 1) = 0.76: the mean is known to 0.2 %
    assert simulated.mean() == pytest.approx(expected, rel=0.01)
    first = answers(np.full((50, 2), 0.5), 2 * counts[0] / shots - 1)
    difference = compare(first, exact, shots).mean_abs_difference
    assert difference == pytest.approx(expected, rel=4 * 0.76 / np.sqrt(150))


@pytest.fixture(scope="module")
def trained_run(tmp_path_factory) -> Path:
    """A trained run of three qubits."""
    folder = tmp_path_factory.mktemp("trained")
    texts = write_corpus(folder / "corpus.tsv")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vectors, "embed", HashBody())
        run_experiment(config(texts, baselines__names=[]), folder / "run")
    return folder / "run"


@pytest.fixture
def run(trained_run, loaded) -> Path:
    """The trained run, whose body is not loaded."""
    return trained_run


def test_a_trained_model_answers_the_same_on_every_exact_backend(run):
    """The same ⟨Z⟩ to 1e-6; predictions with no backend, with `adjoint`, with Aer."""
    x = np.stack([vector(text) for text in TEXTS])
    predictor = Predictor.load(run)
    adjoint = MeasuredModel(predictor, create("adjoint", {"dtype": "float64"}))
    statevector = MeasuredModel(predictor, backend_named("aer_statevector"))
    np.testing.assert_allclose(statevector.answer(x).values, adjoint.answer(x).values, atol=1e-6)
    assert np.ptp(adjoint.answer(x).values, axis=0).min() > 0.1
    plain = predictor.predict(TEXTS)
    for model in (adjoint, statevector):
        for answer, expected in zip(model.predict(TEXTS), plain, strict=True):
            assert (answer.text, answer.label) == (expected.text, expected.label)
            assert answer.probabilities == pytest.approx(expected.probabilities, abs=1e-6)
            assert (answer.standard_error, answer.decided) == (0.0, True)
    assert {p.label for p in plain} == set(LABELS)
    (single,) = adjoint.predict(TEXTS[0])
    assert (single.text, single.label) == (plain[0].text, plain[0].label)
    assert adjoint.predict([]) == []


def test_a_prediction_from_shots_has_the_error_of_its_label(run):
    model = MeasuredModel(Predictor.load(run), backend_named("aer_statevector", shots=40))
    measured = model.answer(np.stack([vector(text) for text in TEXTS]))
    answers_of_texts = model.predict(TEXTS)  # the same seed and question: the same shots
    assert [p.decided for p in answers_of_texts] == measured.decided.tolist()
    assert len(set(measured.decided.tolist())) == 2
    rows = zip(answers_of_texts, measured.probabilities, measured.standard_errors, strict=True)
    for prediction, p, error in rows:
        assert list(prediction.probabilities.values()) == p.tolist()
        assert prediction.label == LABELS[int(p.argmax())]
        assert prediction.standard_error == error[p.argmax()] > 0
    exact = model.exact(np.stack([vector(text) for text in TEXTS]))
    assert not exact.standard_errors.any(), "exact whatever the backend"


def test_an_evaluation_through_a_backend_is_that_of_its_answers(run):
    backend = backend_named("aer_statevector", shots=60)
    predictor = Predictor.load(run)
    evaluation = evaluate_run(run, backend=backend)
    model = MeasuredModel(predictor, backend)
    texts = LabelledTexts.load(predictor, run)
    measured = model.answer(texts.vectors)
    exact = model.exact(texts.vectors)
    confusion = np.zeros((2, 2), int)
    np.add.at(confusion, (texts.labels, measured.labels), 1)
    assert (evaluation.confusion, evaluation.backend) == (confusion.tolist(), "aer_statevector")
    assert evaluation.agreement == compare(measured, exact, 60)
    assert evaluation.agreement.samples == len(texts.labels) == 30
    assert evaluation.agreement.undecided > 0
    assert evaluation.as_dict()["backend"] == "aer_statevector"
    assert evaluation.as_dict()["agreement"]["flips"] == evaluation.agreement.flips
    plain = evaluate_run(run)
    through_exact_backend = evaluate_run(run, backend=backend_named("aer_statevector"))
    assert through_exact_backend.confusion == plain.confusion
    assert (plain.backend, plain.as_dict()["agreement"]) == (None, None)
    none = through_exact_backend.agreement
    assert (none.flips, none.undecided, none.expected_from_shots) == (0, 0, 0.0)
    assert none.mean_abs_difference < 1e-6


def test_a_coverage_needs_exact_probabilities(run):
    model = MeasuredModel(Predictor.load(run), backend_named("aer_statevector", shots=40))
    with pytest.raises(UserError, match="a coverage is that of probabilities computed here"):
        model.predict(TEXTS, Decision(coverage=0.9))


def table(n: int) -> Table:
    return Table([f"text {i}" for i in range(n)], np.arange(n) % 2)


def test_a_subset_is_the_first_texts_or_drawn_by_its_seed():
    some = Subset(4).select(table(10))
    assert (some.texts, some.labels.tolist()) == ([f"text {i}" for i in range(4)], [0, 1, 0, 1])
    samples = [Subset(5, seed).select(table(40)) for seed in (0, 0, 1)]
    assert samples[0].texts == samples[1].texts != samples[2].texts
    for some in samples:
        rows = [int(text.removeprefix("text ")) for text in some.texts]
        assert sorted(set(rows)) == rows, "each once, in the order of the table"
        assert some.labels.tolist() == [row % 2 for row in rows]
        assert rows != list(range(5))
    for every_text in (Subset(40), Subset(99), Subset(40, 0), Subset(99, 0)):
        assert every_text.select(table(40)).texts == table(40).texts
    assert (str(Subset(4)), str(Subset(5, 7))) == ("the first 4", "5 drawn with seed 7")


@pytest.mark.parametrize("seed", [None, 5])
def test_only_the_subset_is_embedded_and_counted(run, corpus, body, seed):
    subset = Subset(7, seed)
    backend = backend_named("aer_statevector")
    data = DataConfig(source=str(corpus))
    evaluation = evaluate_run(run, data, backend=backend, subset=subset)
    rows = [tuple(line.split("\t")) for line in corpus.read_text().splitlines()[1:]]
    labels = np.array([LABELS.index(label) for _, label in rows])
    expected = subset.select(Table([text for text, _ in rows], labels))
    assert body.calls == [expected.texts]
    counts = np.bincount(expected.labels, minlength=2)
    assert np.sum(evaluation.confusion, axis=1).tolist() == counts.tolist()
    assert evaluation.agreement.samples == evaluation.accuracy.total == 7
    assert evaluation.source == f"{corpus}, {subset}"
