"""A run with several labels per text by the command line: train, evaluate, predict, report, card, and refusals."""

import json
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import result_of
from sklearn.metrics import average_precision_score, f1_score
from small_texts import BAD, GOOD

import qllmft
from qllmft.events import Message
from qllmft.inference import Predictor
from qllmft.training.linear_model import fold_counts
from qllmft_machines.trust import MeasuredModel

pytestmark = pytest.mark.usefixtures("few_penalties", "few_samples")

THINGS = ("film", "plot", "cast")
TRAIN = "train --task multilabel --data texts.tsv --body BODY"
SMALL = {
    "model__n_qubits": 4,
    "model__encoder_qubits": 5,
    "model__encoder_layers": 2,
    "train__lr": 0.05,
}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Texts of two or three words with the labels good, film and again."""
    path = tmp_path_factory.mktemp("several") / "texts.jsonl"
    rows = []
    for i, word in enumerate((*GOOD, *BAD) * 3):
        for j, thing in enumerate(THINGS):
            words = [word, thing] + ["not"] * ((i + j) % 2)
            labels = ["good"] * (word in GOOD) + ["film"] * (thing == "film")
            labels += ["not"] * ("not" in words)
            rows.append({"text": f"{' '.join(words)} {i}", "label": labels})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(table, tiny_body, tmp_path_factory, few_samples):
    """The folder of a run with thresholds of the validation texts."""
    return qllmft.train(
        table,
        body=str(tiny_body),
        out=tmp_path_factory.mktemp("several") / "run",
        data__task="multilabel",
        train__epochs=15,
        train__ridge_c=1.0,
        train__thresholds="validation",
        baselines__grid="small",
        **SMALL,
    ).folder.path


def test_a_run_has_the_scores_of_scikit_learn_and_thresholds_of_its_validation_texts(run, cli):
    record = result_of(run)
    predictions = json.loads((run / "predictions.json").read_text())
    labels = np.array(predictions["labels"])
    names = [model["name"] for model in record["models"]]
    one_versus_rest = (f"{name}, one-versus-rest" for name in ("logistic regression", "SVC"))
    assert names[:3] == ["quantum head", *one_versus_rest]
    for model in record["models"]:
        leads = np.array(predictions["answers"][model["name"]])
        scores = model["test"]
        assert scores["macro_f1"] == pytest.approx(f1_score(labels, leads >= 0, average="macro"))
        assert scores["average_precision"] == pytest.approx(average_precision_score(labels, leads))
        assert len(model["settings"]["thresholds"]) == 3
    assert record["models"][1]["test"]["macro_f1"] > 0.8, "each label has a word of its own"
    thresholds = json.loads((run / "model" / "model.json").read_text())["thresholds"]
    assert thresholds == pytest.approx(record["models"][0]["settings"]["thresholds"])
    assert "give the record's macro-F1" in cli("verify", run)[0]
    assert cli.json("evaluate", run)["scores"] == record["models"][0]["test"]
    assert "Hamming loss" in cli("evaluate", run, "--threshold 0.3")[0]
    page = (run / "report.html").read_text()
    assert 'id="labels"' in page
    assert "Thresholds are those of the highest F1 on the validation texts" in page
    assert "from the quantum head in macro-F1." in page or "higher macro-F1" in page
    assert "Confusion matrix" not in page
    card = cli("push", run, "me/mine", "--dry-run")[0]
    assert "any number of which a text can have: `film`, `good`, `not`" in card
    assert "print(answer.labels, answer.probabilities)" in card
    assert "chosen without the test texts" in card


def test_two_runs_are_compared_by_macro_f1(run, cli):
    assert cli.json("runs", run.parent, "--compare", run, run)["difference"]["value"] == 0
    assert "texts: 0.000 in macro-F1 [" in cli("runs", run.parent, "--compare", run, run)[0]


def test_predictions_have_all_labels_over_their_thresholds(run, cli):
    texts = ["a good film", "a bad plot"]
    model = Predictor.load(run)
    records = cli.records("predict", run, *texts)
    for record, answer in zip(records, model.predict(texts), strict=True):
        over = zip(answer.probabilities.items(), model.model.thresholds, strict=True)
        expected = [name for (name, p), least in over if p >= least]
        assert record["labels"] == list(answer.labels) == expected
    model.model = model.model.model_copy(update={"thresholds": (0.0, 1.0, 0.0)})
    assert model.predict("a good film")[0].labels == ("film", "not")
    every = cli("predict", run, "a film", "--threshold 0.0001")[0]
    assert every.startswith("film, good, not\t")
    assert cli("predict", run, "a film", "--threshold 0.9999")[0].startswith("none\t")


def test_a_server_gives_all_labels_and_explains_none(run):
    from qllmft_doors.serving.model import ServedModel

    model = ServedModel(Predictor.load(run), run)
    (record,) = model.answer(["a good film"])
    assert record["labels"] == list(Predictor.load(run).predict("a good film")[0].labels)
    assert "label" not in record
    assert not model.explains


def test_a_backend_gives_the_labels_of_the_exact_model_and_their_errors(run, cli):
    exact = cli.json("evaluate", run, "--limit 6")
    evaluation = cli.json("evaluate", run, "--backend aer_statevector --limit 6")
    assert evaluation["scores"] == exact["scores"]
    assert evaluation["agreement"]["flips"] == 0
    from qllmft_backends import create

    # the errors are of first order: at 400 shots the curve of a probability adds up to a quarter
    model = Predictor.load(run)
    backend = create("adjoint", {"shots": 10_000, "seed": 1})
    measured = MeasuredModel(model, backend).answer(model.embed(["a good film"] * 300))
    errors = measured.standard_errors.mean(axis=0)
    np.testing.assert_allclose(measured.probabilities.std(axis=0), errors, rtol=0.2)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("predict RUN 'a film' --margin 0.1", "a margin is for models of one label per text"),
        ("evaluate RUN --backend adjoint,aer_statevector", "compared on one label per text"),
        ("evaluate RUN --backend adjoint --budget", "--budget predicts one label per text"),
        ("explain RUN 'a film'", "is about one label per text, and the model gives any number"),
        ("analyse RUN", "an analysis is about one label per text"),
        ("dequantise RUN", "a surrogate is compared on one label per text"),
        (
            "evaluate RUN --data other.jsonl",
            "the model has no label 'sad' (2 texts). Its labels are 'film', 'good', 'not'. Evaluate",
        ),
        (f"{TRAIN} --label-separator ,", "'good' is the only label, expected two or more"),
        (TRAIN, "the labels are 'good', expected a list. Name the character"),
        (
            f'{TRAIN} --set \'data.label_column=["label", "text2"]\'',
            "there is no column 'text2'",
        ),
        (
            f"{TRAIN} --set 'baselines.names=[\"svc\"]'",
            "'svc', which is not for multilabel, expected some of",
        ),
    ],
)
def test_what_does_not_fit_several_labels_is_refused(
    run, cli, tiny_body, tmp_path, monkeypatch, command, message
):
    monkeypatch.chdir(tmp_path)
    Path("other.jsonl").write_text('{"text": "a film", "label": ["film", "sad"]}\n' * 2)
    Path("texts.tsv").write_text("text\tlabel\n" + "a film\tgood\n" * 20)
    places = {"RUN": run, "BODY": tiny_body}
    assert message in cli.refused(*(places.get(word, word) for word in shlex.split(command)))


def test_texts_with_one_of_the_labels_are_evaluated(run, cli, tmp_path):
    (tmp_path / "one.jsonl").write_text('{"text": "a film", "label": ["film"]}\n' * 3)
    scores = cli.json("evaluate", run, "--data", tmp_path / "one.jsonl")["scores"]
    assert [label["texts"] for label in scores["by_label"]] == [3, 0, 0]


@pytest.mark.parametrize(
    ("ridge_c", "start", "numbers"),
    [
        ("auto", "C of each label is chosen", ("'once' none, C = 1", "'rare' 4")),
        ("folds", "Fewer than 5 training texts", ("'once' 1", "'rare' 4")),
    ],
)
def test_labels_with_few_folds_are_named(ridge_c, start, numbers, tiny_body, tmp_path, monkeypatch):
    for name in ("linear_model.LABEL_STRENGTHS", "linear_start.LOGISTIC_STRENGTHS"):
        monkeypatch.setattr(f"qllmft.training.{name}", (0.1, 1.0))
    rows = [
        ("film", i % 2 * ["often"] + (i < 4) * ["rare"] + (i == 7) * ["once"]) for i in range(40)
    ]
    texts = [{"text": f"{word} {i}", "label": labels} for i, (word, labels) in enumerate(rows)]
    parts = {name: pd.DataFrame(texts) for name in ("train", "validation", "test")}
    events = []
    qllmft.train(
        {name: table.assign(text=name + " " + table["text"]) for name, table in parts.items()},
        body=str(tiny_body),
        out=tmp_path / "run",
        on_event=events.append,
        data__task="multilabel",
        data__protocol="given",
        train__epochs=1,
        train__ridge_c=ridge_c,
        baselines__names=[],
        **SMALL,
    )
    (text,) = (
        event.text
        for event in events
        if isinstance(event, Message) and event.text.startswith(start)
    )
    assert all(number in text for number in numbers)
    assert "often" not in text
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Thresholds are those of the highest F1 in folds of the training texts" in page
    labels = np.array([[1, 1, 0]] * 3 + [[0, 1, 0]] * 5 + [[0, 0, 0]] * 9)
    assert fold_counts(labels).tolist() == [3, 5, 0]
