"""`qllmft evaluate`: a trained model on labelled texts."""

import json
import shutil

import numpy as np
import pytest
import small_job
import tomli_w
from small_texts import write_reviews

from qllmft.config import DataConfig
from qllmft.run import Predictor
from qllmft.run.folder import RunFolder

WRONG_TWICE = [
    ("a good film", "positive"),
    ("a dull film", "negative"),
    ("an awful plot", "positive"),
    ("a great cast", "negative"),
    ("lovely", "positive"),
]


@pytest.fixture
def other(tmp_path):
    """Labelled texts of which the model has three of five right."""
    file = tmp_path / "other.csv"
    file.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in WRONG_TWICE))
    return file


def test_on_its_own_test_set_a_run_has_the_accuracy_of_its_record_with_embeddings_of_the_cache(run, cli, no_work):
    output, _ = cli("evaluate", run.path, "--json")
    found = json.loads(output)
    assert found["accuracy"] == run.result["models"][0]["test"]
    assert found["source"] == f"{run.data} (the run's test set)"
    confusion = np.array(found["confusion"])
    assert confusion.sum(axis=1).tolist() == [20, 20]
    assert np.trace(confusion) == found["accuracy"]["right"]


def test_the_table_says_the_same(run, cli):
    output, _ = cli("evaluate", run.path)
    found = json.loads(cli("evaluate", run.path, "--json")[0])
    text = " ".join(output.split())
    low, high = (100 * limit for limit in found["accuracy"]["interval95"])
    assert f"{100 * found['accuracy']['value']:.2f} % of 40 texts are right" in text
    assert f"(95 % interval {low:.1f} to {high:.1f} %)" in text
    assert "Confusion matrix: rows are the true label, columns the predicted." in text
    for name, row in zip(found["labels"], found["confusion"], strict=True):
        assert f"{name} {row[0]} {row[1]}" in text


def test_other_texts_are_read_by_the_runs_columns(run, cli, tmp_path):
    named = shutil.copytree(run.path, tmp_path / "named")
    config = RunFolder(named).read_config()
    columns = DataConfig(source=config.data.source, text_column="review", label_column="stars")
    (named / "config.toml").write_text(
        tomli_w.dumps(config.model_copy(update={"data": columns}).model_dump(mode="json", exclude_none=True))
    )
    file = tmp_path / "stars.csv"
    file.write_text("text,label,review,stars\n" + "".join(f"x,y,{t},{label}\n" for t, label in WRONG_TWICE))
    found = json.loads(cli("evaluate", named, "--data", file, "--json")[0])
    assert found["confusion"] == [[1, 1], [1, 2]]
    _, messages = cli("evaluate", named, "--data", file, "--text-column", "text", "--label-column", "label", code=2)
    assert "label" in messages


def test_on_other_texts_the_confusion_is_that_of_the_predictions(run, cli, other):
    found = json.loads(cli("evaluate", run.path, "--data", other, "--json")[0])
    predicted = [p.label for p in Predictor.load(run.path).predict([text for text, _ in WRONG_TWICE])]
    assert predicted == ["positive", "negative", "negative", "positive", "positive"]
    assert found["labels"] == ["negative", "positive"]
    assert found["confusion"] == [[1, 1], [1, 2]]
    assert (found["accuracy"]["right"], found["accuracy"]["total"]) == (3, 5)
    assert found["source"] == str(other)


def test_columns_of_other_texts_are_chosen_by_name(run, cli, other):
    other.write_text(other.read_text().replace("text,label", "review,stars"))
    output, _ = cli(
        "evaluate", run.path, "--data", other, "--text-column", "review", "--label-column", "stars", "--json"
    )
    assert json.loads(output)["accuracy"]["total"] == 5


@pytest.mark.parametrize(("split", "total"), [(None, 6), ("test", 6), ("train", 4), ("validation", 2)])
def test_a_split_of_a_folder_is_chosen_by_name(run, cli, tmp_path, split, total):
    for name, n in (("train", 2), ("dev", 1), ("test", 3)):
        write_reviews(tmp_path / f"{name}.tsv", n)
    options = ["--split", split] if split else []
    found = json.loads(cli("evaluate", run.path, "--data", tmp_path, *options, "--json")[0])
    assert found["accuracy"]["total"] == total
    assert found["source"] == f"{tmp_path}, split {split or 'test'}"


def test_labels_in_another_order_are_told_apart_by_name(run, cli, tmp_path):
    """Numbers whose names stand beside them, in the other order than the model's."""
    rows = [("a good film", 0, "positive"), ("a dull film", 1, "negative")]
    file = tmp_path / "named.csv"
    file.write_text("text,label,label_text\n" + "".join(f"{t},{y},{name}\n" for t, y, name in rows))
    found = json.loads(cli("evaluate", run.path, "--data", file, "--json")[0])
    assert found["labels"] == ["negative", "positive"]
    assert found["confusion"] == [[1, 0], [0, 1]]


def test_a_run_on_relative_paths_is_evaluated_from_any_folder(run, cli, tmp_path, monkeypatch):
    work = tmp_path / "work"
    work.mkdir()
    shutil.copytree(run.body, work / "body")
    shutil.copyfile(run.data, work / "reviews.tsv")
    monkeypatch.chdir(work)
    cli(*small_job.arguments("reviews.tsv", "body", "runs/mine"), "--epochs", 1, "--no-rivals")
    here = json.loads(cli("evaluate", "runs/mine", "--json")[0])
    monkeypatch.chdir(work / "runs")
    assert json.loads(cli("evaluate", "mine", "--json")[0])["confusion"] == here["confusion"]
    monkeypatch.chdir(tmp_path)
    there = json.loads(cli("evaluate", work / "runs" / "mine", "--json")[0])
    assert there["confusion"] == here["confusion"]
    assert there["source"] == f"{work / 'reviews.tsv'} (the run's test set)"
    assert cli("predict", work / "runs" / "mine", "a good film")[0]
