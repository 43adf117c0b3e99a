"""Sets of labels and calibration of a run whose fifteen labels need two registers."""

import numpy as np
import pytest
from command_ending import finish_command
from scipy.special import log_softmax
from small_job import set_options
from small_texts import BAD, GOOD
from trained_run import Trained

from qllmft.inference import Predictor
from qllmft.inference.run_texts import texts_of_run

pytestmark = pytest.mark.usefixtures("few_penalties")

LABELS = (*GOOD, *BAD, "film", "plot", "cast", "score", "ending", "not", "very")
PER_LABEL = 30  # texts, of which 54 validate and choose the temperature


@pytest.fixture(scope="module")
def run(tmp_path_factory, tiny_body):
    """A trained run: a text repeats the word that is its label among random words."""
    folder = tmp_path_factory.mktemp("many_labels")
    random = np.random.default_rng(0)
    lines = []
    for label in LABELS:
        for _ in range(PER_LABEL):
            words = random.permutation([label, label, *random.choice(LABELS, 4)])
            lines.append(f"{' '.join(words)}\tabout {label}\n")
    data = folder / "texts.tsv"
    data.write_text("text\tlabel\n" + "".join(lines), encoding="utf-8")
    settings = {
        "model.encoder_qubits": 5,
        "model.encoder_layers": 4,
        "train.epochs": 2,
        "train.ridge_c": 3,
    }
    out = folder / "run"
    places = ["--data", data, "--body", tiny_body, "--out", out]
    finish_command("train", *places, "--no-baselines", *set_options(settings))
    return Trained(out, data, tiny_body)


@pytest.fixture(scope="module")
def predictor(run):
    return Predictor.load(run.path)


@pytest.fixture(scope="module")
def splits(run):
    return texts_of_run(run.path)[2]


def log_probabilities(predictor, texts):
    return np.log([list(answer.probabilities.values()) for answer in predictor.predict(texts)])


def test_the_labels_have_two_registers(predictor):
    assert predictor.model.config.registers == 2
    assert len(predictor.model.label_names) == 15


def test_sets_of_labels_have_the_true_one_as_often_as_asked(run, cli, predictor, splits):
    true_probabilities = predictor.model.true_probabilities
    rank = int(np.ceil(0.9 * (len(true_probabilities) + 1)))
    least = sorted(true_probabilities, reverse=True)[rank - 1]
    for record in cli.records("predict", run.path, "--coverage 0.9", *splits.test.texts[:10]):
        likely = {name for name, p in record["probabilities"].items() if p >= least - 1e-6}
        assert set(record["set"]) == likely | {record["label"]}
        assert record["coverage"] == 0.9
    covered = cli.json("evaluate", run.path, "--coverage 0.9")["covered"]
    share = covered["right"] / len(splits.test)
    assert share > 0.9 - 3 * np.sqrt(0.09 / len(splits.test) + 0.09 / len(true_probabilities))


def test_the_temperature_has_the_least_loss_on_the_validation_texts(run, predictor, splits):
    (head,) = run.result["models"]
    assert head["settings"]["temperature"] > 0
    scaled = log_probabilities(predictor, splits.validation.texts)
    rows = np.arange(len(scaled))
    losses = [
        -log_softmax(factor * scaled, axis=1)[rows, splits.validation.labels].mean()
        for factor in (1 / 1.2, 1.0, 1.2)
    ]
    assert np.argmin(losses) == 1
