"""The whole job on a corpus of seconds: the record, the order of work, and the reads of the test set."""

import errno
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from run_fixtures import evaluate_run
from sklearn.metrics import balanced_accuracy_score
from sklearn.svm import SVC
from tiny_runs import LABELS, PER_LABEL, D, HashBody, config, vector, write_corpus

from qllmft.baselines.grid import GridBaseline
from qllmft.cli.console import PlainConsole
from qllmft.cli.train import result_table
from qllmft.config import DataConfig
from qllmft.data import read_corpus, split_corpus
from qllmft.events import (
    BackendReady,
    DataChecked,
    EpochEnded,
    FinishedBefore,
    StageEnded,
    StageStarted,
)
from qllmft.heads import build_classifier
from qllmft.model import load_model
from qllmft.run import RunFolder, run_experiment, vectors
from qllmft.tasks.accuracy import Accuracy
from qllmft.training import TorchHead, compute_logits
from qllmft_base.errors import UserError
from qllmft_base.versions import versions

TEST_SIZE = 2 * 35 - 2 * PER_LABEL


@pytest.fixture
def predictions(monkeypatch) -> list[tuple[str, int]]:
    """(event, number of examples) of every head's fit and predict, in their order."""
    events: list[tuple[str, int]] = []
    for kind in (TorchHead, GridBaseline):
        for name in ("fit", "predict"):
            real = getattr(kind, name)

            def note_call(self, first, *arguments, _real=real, _name=name):
                events.append((_name, len(first)))
                return _real(self, first, *arguments)

            monkeypatch.setattr(kind, name, note_call)
    return events


@pytest.fixture(scope="module")
def finished_run(corpus, tmp_path_factory, short_baselines_of_runs):
    """The outcome of the tiny run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vectors, "embed", HashBody())
        return run_experiment(config(corpus), tmp_path_factory.mktemp("finished") / "run")


def read_splits(corpus):
    settings = DataConfig(source=str(corpus), n_per_label=PER_LABEL)
    return split_corpus(read_corpus(settings), settings, seed=3)


def test_the_record_of_a_run(corpus, finished_run, body):
    run_config = config(corpus)
    outcome = finished_run
    out = finished_run.folder.path
    result = json.loads(
        (out / "result.json").read_text(encoding="utf-8"), parse_constant=pytest.fail
    )
    assert outcome.record.to_json() == result == outcome.folder.read_result().to_json()
    assert outcome.epochs_done == 4
    varying = {"models", "selected_epoch", "data", "started"}
    assert {k: v for k, v in result.items() if k not in varying} == {
        "identity": run_config.identity,
        "seed": 3,
        "body": {"model": "hash", "identity": body.identity, "dimension": D, "weights": ""},
        "versions": versions(),
        "format": 1,
    }
    assert result["data"] == {
        "source": str(corpus),
        "fingerprint": read_corpus(run_config.data).fingerprint,
        "labels": list(LABELS),
        "sizes": {"train": 34, "validation": 6, "test": TEST_SIZE},
        "split": "all but 20 random texts per label",
        "majority": 0.5,
    }
    assert 1 <= result["selected_epoch"] <= 4
    names = ["quantum head", "logistic regression", "SVC", "MLP, no hidden layer"]
    assert [row["name"] for row in result["models"]] == names
    # no linear head is larger
    assert [model["parameters"] for model in result["models"][::3]] == [24, 18]
    keys = {"name", "validation", "test", "test_classes", "parameters", "seconds", "settings"}
    keys.add("balanced")
    for row in result["models"]:
        calibration = {"test_calibration"} if row["name"] != "SVC" else set()
        assert set(row) == keys | calibration | (
            {"circuit_dependence", "without_circuit"}
            if row["name"] == "quantum head"
            else {"against_head"}
        )
        assert (row["validation"]["total"], row["test"]["total"]) == (6, TEST_SIZE)
        assert row["test"] == Accuracy(row["test"]["right"], TEST_SIZE).as_dict()
        assert row["seconds"] > 0
    folders = {"checkpoint", "model", "models"}
    files = {"config.toml", "metrics.jsonl", "result.json", "predictions.json"}
    assert {p.name for p in out.iterdir()} == {*folders, *files, "novelty.safetensors"}
    assert outcome.folder.read_config() == run_config
    assert [m.epoch for m in outcome.folder.metrics()] == [1, 2, 3, 4]


def test_its_figures_can_be_had_again_from_what_is_on_disk(corpus, finished_run):
    """The quantum row from the stored model, the SVC row from scikit-learn, on splits and vectors made anew."""
    result = finished_run.record.to_json()
    splits = read_splits(corpus)
    x = {
        name: np.stack([vector(t) for t in getattr(splits, name).texts])
        for name in ("train", "validation", "test")
    }
    head, _, svc, _ = result["models"]

    model = load_model(finished_run.folder.path)
    assert (model.label_names, model.dimension) == (LABELS, D)
    assert (
        head["parameters"]
        == sum(p.numel() for p in model.classifier.parameters())
        == (2 * 3 + 1) + 3 * 3 + 4 * 2
    )
    for name in ("validation", "test"):
        predicted = (
            compute_logits(model.classifier, torch.from_numpy(x[name])).argmax(dim=1).numpy()
        )
        assert head[name]["right"] == (predicted == getattr(splits, name).labels).sum()
    by_hand = SVC(**svc["settings"]).fit(x["train"], splits.train.labels)
    for name in ("validation", "test"):
        assert (
            svc[name]["right"] == (by_hand.predict(x[name]) == getattr(splits, name).labels).sum()
        )
    assert svc["parameters"] == by_hand.n_support_.sum()
    assert head["settings"] == {"epoch": result["selected_epoch"]}


def test_the_test_set_is_read_once_by_each_and_after_all_the_fitting(
    corpus, out, predictions, body
):
    run_experiment(config(corpus), out)
    on_test = [i for i, event in enumerate(predictions) if event == ("predict", TEST_SIZE)]
    assert len(on_test) == 5  # once a model, and once without its circuit
    # the very last that happens
    assert on_test == list(range(len(predictions) - 5, len(predictions)))
    assert Counter(predictions) == {("fit", 34): 5, ("predict", 6): 5, ("predict", TEST_SIZE): 5}
    assert len(body.calls) == 1  # texts are embedded once
    splits = read_splits(corpus)
    assert body.calls[0] == [*splits.train.texts, *splits.validation.texts, *splits.test.texts]


def test_no_test_label_reaches_a_model_or_a_choice(corpus, finished_run, tmp_path):
    """Other labels on the test texts change the test accuracy and nothing else."""
    first = finished_run.record.to_json()
    labels = dict(line.split("\t") for line in corpus.read_text(encoding="utf-8").splitlines()[1:])
    test = read_splits(corpus).test.texts
    folder = tmp_path / "given"
    folder.mkdir()
    splits = read_splits(corpus)
    for name, flip in (("train", False), ("validation", False), ("test", True)):
        texts = getattr(splits, name).texts
        rows = [
            f"{t}\t{labels[t] if not flip else LABELS[1 - LABELS.index(labels[t])]}" for t in texts
        ]
        (folder / f"{name}.tsv").write_text(
            "text\tlabel\n" + "\n".join(rows) + "\n", encoding="utf-8"
        )
    changed = run_experiment(
        config(corpus, data={"source": str(folder), "protocol": "given"}), tmp_path / "other"
    ).record.to_json()  # fmt: skip
    assert changed["selected_epoch"] == first["selected_epoch"]
    for ours, theirs in zip(first["models"], changed["models"], strict=True):
        for key in ("name", "validation", "parameters", "settings"):
            assert ours[key] == theirs[key]
        assert ours["test"]["right"] + theirs["test"]["right"] == len(test)
    folders = finished_run.folder.path, tmp_path / "other"
    weights = [(folder / "model" / "model.safetensors").read_bytes() for folder in folders]
    assert weights[0] == weights[1]


def test_a_second_call_does_no_work(corpus, finished_run, predictions, body):
    out = finished_run.folder.path
    files = {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in out.rglob("*") if p.is_file()}
    events = []
    second = run_experiment(config(corpus), out, events.append)
    assert second.record.to_json() == finished_run.record.to_json()
    assert second.epochs_done == 4
    assert predictions == []
    assert body.calls == []
    assert events == [
        FinishedBefore(f"This run is finished already. Its record is {out / 'result.json'}.")
    ]
    assert {
        p: (p.stat().st_mtime_ns, p.read_bytes()) for p in out.rglob("*") if p.is_file()
    } == files


def test_the_runs_seed_is_the_seed_of_the_weights(corpus, out):
    """With a rate of next to nothing, the trained weights are the initial ones."""
    run_config = config(corpus, train__lr=1e-9, baselines__names=[])
    run_experiment(run_config, out)
    initial = build_classifier(run_config.model, D, 2, seed=3).state_dict()
    for name, tensor in load_model(out).classifier.state_dict().items():
        torch.testing.assert_close(tensor, initial[name], rtol=0, atol=1e-5)


def test_a_run_without_a_place_is_named_by_its_configuration(corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_config = config(corpus, baselines__names=[])
    assert (
        run_experiment(run_config).folder.path.resolve() == tmp_path / "runs" / run_config.identity
    )


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"baselines__names": []}, ["quantum head"]),
        ({"baselines__names": ["svc", "mlp"]}, ["quantum head", "SVC", "MLP, no hidden layer"]),
        ({"model": {"encoder": "none", "head": "mlp"}, "baselines__names": ["svc"]}, ["classical head", "SVC"]),
    ],
    ids=str,
)  # fmt: skip
def test_the_baselines_are_those_that_are_named(corpus, out, changes, names):
    events = []
    result = run_experiment(config(corpus, **changes), out, events.append).record.to_json()
    assert [row["name"] for row in result["models"]] == names
    assert isinstance(events[0], DataChecked)
    assert sum(isinstance(event, BackendReady) for event in events) == ("quantum head" in names)
    assert [event for event in events if isinstance(event, StageStarted)] == [
        StageStarted("embedding", "hash", 70),
        StageStarted("training", names[0], 4),
        *(StageStarted("fitting", name, {"SVC": 3}.get(name, 0)) for name in names[1:]),
    ]
    epochs = [event.metrics.epoch for event in events if isinstance(event, EpochEnded)]
    assert epochs == [1, 2, 3, 4]
    assert sum(isinstance(event, StageEnded) for event in events) == 1 + len(names)


def test_three_labels(tmp_path, out):
    corpus = write_corpus(tmp_path / "three.tsv", labels=("a", "b", "c"))
    result = run_experiment(config(corpus), out).record.to_json()
    assert result["data"]["labels"] == ["a", "b", "c"]
    assert [row["parameters"] for row in result["models"][:2]] == [7 + 9 + 4 * 3, 3 * (D + 1)]
    assert all(row["validation"]["total"] == 9 for row in result["models"])


def test_texts_that_changed_since_make_it_another_run(tmp_path, out):
    run_config = config(write_corpus(tmp_path / "own.tsv"), baselines__names=[])
    run_experiment(run_config, out)
    rewritten = write_corpus(tmp_path / "own.tsv", per_label=36)
    with pytest.raises(
        UserError, match=f"holds a finished run on other texts: {rewritten} has changed since"
    ):
        run_experiment(run_config, out)


@pytest.mark.parametrize(("split", "size"), [("train", 34), ("validation", 6), ("test", TEST_SIZE)])
@pytest.mark.parametrize("value", [np.nan, -np.inf, 0.0])
def test_an_embedding_that_is_no_number_or_zero_is_named_by_its_text(
    corpus, out, body, monkeypatch, split, size, value
):
    spoilt = getattr(read_splits(corpus), split).texts[4]

    def embed(texts, *arguments, **options):
        embedded = body(texts, *arguments, **options)
        embedded.vectors[texts.index(spoilt), slice(None) if value == 0 else 2] = value
        return embedded

    monkeypatch.setattr(vectors, "embed", embed)
    kind = {"train": "training"}.get(split, split)
    content = value or "zeros alone, which have no direction"
    message = f"the embedding of {kind} text 5 of {size} by the language model 'hash' holds {content}, expected finite"
    with pytest.raises(UserError, match=message):
        run_experiment(config(corpus), out)
    assert not out.exists()


def test_a_finished_run_on_a_disk_that_cannot_be_written_is_read(corpus, out, monkeypatch):
    first = run_experiment(config(corpus, baselines__names=[]), out)

    def refuse(*arguments, **options):
        raise OSError(errno.EROFS, "Read-only file system")

    for name in ("mkdir", "touch", "replace", "unlink"):
        monkeypatch.setattr(Path, name, refuse)
    opened = Path.open
    monkeypatch.setattr(Path, "open", lambda self, mode="r", *arguments, **o: (
        opened(self, mode, *arguments, **o) if set(mode) <= set("rb") else refuse()
    ))  # fmt: skip
    assert run_experiment(config(corpus, baselines__names=[]), out).record == first.record
    with pytest.raises((OSError, UserError), match="Read-only"):
        run_experiment(config(corpus, baselines__names=[], seed=9), out.with_name("other"))


def test_uneven_labels_stand_beside_the_accuracy(out, tmp_path):
    """Test texts: 4 of one label and 90 of the other. A head that learned nothing answers the same to all."""
    corpus = write_corpus(tmp_path / "few.tsv", per_label=14)
    with corpus.open("a", encoding="utf-8") as file:
        file.writelines(f"good text number {i}\tgood\n" for i in range(14, 100))
    run_config = config(corpus, data__n_per_label=10, train__lr=1e-9, baselines__names=["svc"])
    record = run_experiment(run_config, out).record
    predictions = RunFolder(out).read_predictions()
    for model in record.models:
        scores = model.test_classes
        answers = predictions.answers[model.name]
        assert scores.balanced == pytest.approx(
            balanced_accuracy_score(predictions.labels, answers)
        )
        assert scores.texts == (4, 90)
        assert scores.uneven
        # the training texts are even, so accuracies are compared
        assert model.balanced is False
        assert model.uneven is None
    classes = json.loads(RunFolder(out).result_file.read_text(encoding="utf-8"))["models"][0][
        "test_classes"
    ]
    assert classes["macro_f1"] == record.head.test_classes.macro_f1
    assert evaluate_run(out).as_dict()["classes"] == classes
    for width in (45, 80):
        console = PlainConsole()
        console.width = width
        with console.capture() as printed:
            console.print(result_table(record))
        assert f"balanced {100 * record.head.test_classes.balanced:.1f}" in printed.get()
        assert max(map(len, printed.get().splitlines())) <= width
