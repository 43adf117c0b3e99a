"""`qllmft evaluate`: a trained model on labelled texts."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import small_job
import tomli_w
from command_line import result_of
from sklearn.metrics import precision_recall_fscore_support
from sklearn.metrics.pairwise import cosine_similarity

from qllmft.config import DataConfig
from qllmft.data import read_corpus, split_corpus
from qllmft.embed import embed
from qllmft.inference.run_texts import texts_of_run
from qllmft.run.folder import RunFolder

WRONG_TWICE = {"a good film": "positive", "a dull film": "negative", "an awful plot": "positive"}
WRONG_TWICE |= {"a great cast": "negative", "lovely": "positive"}


def test_on_its_own_test_set_a_run_has_the_accuracy_of_its_record_with_embeddings_of_the_cache(
    run, cli, no_work
):
    evaluation = cli.json("evaluate", run.path)
    assert evaluation["accuracy"] == run.result["models"][0]["test"]
    assert evaluation["source"] == f"{run.data} (the run's test set)"
    assert cli.json("evaluate", run.path, "--sample 9")["accuracy"]["total"] == 9
    confusion = np.array(evaluation["confusion"])
    assert confusion.sum(axis=1).tolist() == [20, 20]
    assert np.trace(confusion) == evaluation["accuracy"]["right"]


def test_the_table_says_the_same(run, cli):
    evaluation = cli.json("evaluate", run.path)
    text = cli.words("evaluate", run.path)
    low, high = (100 * limit for limit in evaluation["accuracy"]["interval95"])
    assert f"{100 * evaluation['accuracy']['value']:.2f} % of 40 texts are right" in text
    assert f"(95 % interval {low:.1f} to {high:.1f} %)" in text
    assert "Confusion matrix: rows are the true label, columns the predicted." in text
    for name, row in zip(evaluation["labels"], evaluation["confusion"], strict=True):
        assert f"{name} {row[0]} {row[1]}" in text


@pytest.mark.public_report(
    case="evaluate_one_label",
    source="huggingface/autotrain-advanced#784",
    seen="texts with one label were refused by evaluate",
    outcome="the share of right answers is printed, without balanced accuracy and F1",
)
def test_texts_of_one_label_have_a_share_of_right_answers(run, cli, tmp_path):
    file = tmp_path / "good.csv"
    file.write_text("text,label\n" + "".join(f"{text},positive\n" for text in WRONG_TWICE))
    evaluation = cli.json("evaluate", run.path, "--data", file)
    assert evaluation["accuracy"]["total"] == len(WRONG_TWICE)
    assert evaluation["classes"] is None
    assert evaluation["confusion"][evaluation["labels"].index("negative")] == [0, 0]
    text = cli.words("evaluate", run.path, "--data", file)
    assert f"{100 * evaluation['accuracy']['value']:.2f} % of 5 texts are right" in text
    assert "Balanced accuracy and F1 need two labels: every text has the label 'positive'." in text
    assert "macro-F1" not in text


@pytest.mark.parametrize("setting", [{"delimiter": ";"}, {"column_names": "label,text"}])
def test_how_the_runs_table_is_written_is_not_said_of_a_file_of_another_kind(
    run, cli, tmp_path, monkeypatch, setting
):
    file = tmp_path / "other.jsonl"
    rows = [{"text": text, "label": label} for text, label in WRONG_TWICE.items()]
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    settings = RunFolder(run.path).read_config()
    data = settings.data.model_copy(update=dict(DataConfig(**setting)) | {"task": "classification"})
    monkeypatch.setattr(
        "qllmft.cli.evaluate.run_settings", lambda _: settings.model_copy(update={"data": data})
    )
    assert cli.json("evaluate", run.path, "--data", file)["accuracy"]["total"] == len(rows)


def test_labels_in_another_writing_are_those_of_the_model(run, cli, tmp_path):
    lower = tmp_path / "same.csv"
    upper = tmp_path / "other.csv"
    rows = [(text, label, label.upper()) for text, label in WRONG_TWICE.items()]
    lower.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label, _ in rows))
    upper.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, _, label in rows))
    expected = cli.json("evaluate", run.path, "--data", lower)["confusion"]
    assert cli.json("evaluate", run.path, "--data", upper)["confusion"] == expected
    upper.write_text(f"{upper.read_text()}ugly film,ugly\nuglier film,ugly\n")
    refusal = cli.refused("evaluate", run.path, "--data", upper)
    assert (
        "the model has no label 'ugly' (2 texts). Its labels are 'negative', 'positive'." in refusal
    )


@pytest.mark.parametrize("options", ["", "--text-column review --label-column stars"])
def test_other_texts_are_read_by_the_columns_of_the_run_or_of_the_options(
    run, cli, tmp_path, options
):
    named = shutil.copytree(run.path, tmp_path / "named")
    file = tmp_path / "stars.csv"
    rows = "".join(f"x,y,{text},{label}\n" for text, label in WRONG_TWICE.items())
    file.write_text(f"text,label,review,stars\n{rows}")
    if not options:
        config = RunFolder(named).read_config()
        columns = DataConfig(source=config.data.source, text_column="review", label_column="stars")
        changed = config.model_copy(update={"data": columns})
        tree = changed.model_dump(mode="json", exclude_none=True)
        (named / "config.toml").write_text(tomli_w.dumps(tree))
    evaluation = cli.json("evaluate", named, f"--data {file} {options}")
    assert (evaluation["confusion"], evaluation["source"]) == ([[1, 1], [1, 2]], str(file))
    columns = "--text-column text --label-column label"
    assert "label" in cli.refused("evaluate", named, f"--data {file} {columns}")


def test_a_run_on_relative_paths_is_evaluated_from_any_folder(run, cli, tmp_path, monkeypatch):
    work = tmp_path / "work"
    work.mkdir()
    shutil.copytree(run.body, work / "body")
    shutil.copyfile(run.data, work / "reviews.tsv")
    monkeypatch.chdir(work)
    cli(*small_job.arguments("reviews.tsv", "body", "runs/mine"), "--epochs 1 --no-baselines")
    relative = cli.json("evaluate", "runs/mine")
    monkeypatch.chdir(work / "runs")
    assert cli.json("evaluate", "mine")["confusion"] == relative["confusion"]
    monkeypatch.chdir(tmp_path)
    absolute = cli.json("evaluate", work / "runs" / "mine")
    assert absolute["confusion"] == relative["confusion"]
    assert absolute["source"] == f"{work / 'reviews.tsv'} (the run's test set)"
    assert cli("predict", work / "runs" / "mine", "a good film")[0]


def test_each_label_has_its_precision_recall_and_f1(run, cli):
    evaluation = cli.json("evaluate", run.path)
    confusion = np.array(evaluation["confusion"])
    truth = np.repeat([0, 0, 1, 1], confusion.ravel())
    parts = precision_recall_fscore_support(truth, np.repeat([0, 1, 0, 1], confusion.ravel()))
    table = [
        [scores[name] for name in ("precision", "recall", "f1", "texts")]
        for scores in evaluation["by_label"].values()
    ]
    np.testing.assert_allclose(table, np.transpose(parts))
    assert list(evaluation["by_label"]) == evaluation["labels"]
    first = " ".join(f"{100 * share:.1f} %" for share in table[0][:3])
    assert f"{evaluation['labels'][0]} {table[0][3]} {first}" in cli.words("evaluate", run.path)


def test_texts_that_were_trained_on_are_counted(run, cli, tmp_path):
    evaluation = cli.json("evaluate", run.path, "--data", run.data)
    sizes = run.result["data"]["sizes"]
    assert evaluation["trained_on"] == sizes["train"] + sizes["validation"]
    assert (
        f"trained or validated on {evaluation['trained_on']} of these {sum(sizes.values())} texts"
        in cli.words("evaluate", run.path, "--data", run.data)
    )
    assert cli.json("evaluate", run.path)["trained_on"] == 0
    other_writing = tmp_path / "other.csv"
    other_writing.write_text(Path(run.data).read_text().upper().replace("TEXT", "text", 1))
    rewritten = cli.json("evaluate", run.path, "--data", other_writing)
    assert rewritten["trained_on"] == evaluation["trained_on"]
    elsewhere = shutil.copytree(run.path, tmp_path / "run")
    record = result_of(elsewhere)
    record["data"]["fingerprint"] = "of other texts"
    (elsewhere / "result.json").write_text(json.dumps(record))
    assert (
        "Some of these texts may be its training texts."
        in cli("evaluate", elsewhere, "--data", run.data)[0]
    )
    assert "no nearest texts: " in cli("explain", elsewhere, "a good film")[0]


def test_texts_that_were_trained_on_are_left_out(run, cli, tmp_path):
    """What remains are the run's test texts, which another command has the accuracy of."""
    new = cli.json("evaluate", run.path, "--data", run.data, "--new-texts-only")
    own = cli.json("evaluate", run.path)
    assert new["trained_on"] == 0
    sizes = run.result["data"]["sizes"]
    assert new["source"].endswith(
        f"without {sizes['train'] + sizes['validation']} texts of the run"
    )
    assert (new["confusion"], new["accuracy"]) == (own["confusion"], own["accuracy"])
    few = cli.json("evaluate", run.path, "--data", run.data, "--new-texts-only --limit 2")
    assert (few["trained_on"], few["accuracy"]["total"]) == (0, 2)
    elsewhere = shutil.copytree(run.path, tmp_path / "run")
    record = result_of(elsewhere)
    record["data"]["fingerprint"] = "of other texts"
    (elsewhere / "result.json").write_text(json.dumps(record))
    known = tmp_path / "known.csv"
    _, corpus, splits = texts_of_run(Path(run.path))
    table = splits.validation
    labels = [corpus.label_names[label] for label in table.labels]
    known.write_text(
        "\n".join(["text,label", *(f'"{t}",{n}' for t, n in zip(table.items, labels, strict=True))])
    )
    for options, message in (
        ((run.path, "--new-texts-only"), "own test set has new texts only. Add --data"),
        (
            (run.path, "--data", known, "--new-texts-only"),
            "expected some new ones. Give other texts",
        ),
        ((elsewhere, "--data", run.data, "--new-texts-only"), "Restore the run's texts, or omit"),
    ):
        assert message in " ".join(cli("evaluate", *options, code=2)[1].split())


def test_one_text_and_one_epoch_are_singular(run, cli, tmp_path):
    output, messages = cli("evaluate", run.path, "--limit 1")
    assert "% of 1 text is right" in output
    assert not re.search(r"\b1 [a-z]+s\b", output + messages)
    folder = tmp_path / "run"
    output, messages = cli(*run.arguments(folder), "--epochs 1 --no-baselines")
    assert not re.search(
        r"\b1 (epochs|texts|models)\b", output + messages + cli("verify", folder)[0]
    )


def test_an_answer_is_explained_by_words_and_by_training_texts(run, cli):
    text = "a good film dull"
    explanation = cli.json("explain", run.path, text)
    texts = [text, "good film dull", "a film dull", "a good dull", "a good film"]
    answers = cli.records("predict", run.path, *texts)
    shares = [answer["probabilities"][explanation["label"]] for answer in answers]
    effects = {word["position"]: word["effect"] for word in explanation["words"]}
    by_hand = [shares[0] - share for share in shares[1:]]
    assert [effects[i] for i in range(1, 5)] == pytest.approx(by_hand, abs=1e-5)
    sizes = [abs(word["effect"]) for word in explanation["words"]]
    assert sizes == sorted(sizes, reverse=True)
    without = {word["position"]: word["label"] for word in explanation["words"]}
    assert [without[i] for i in range(1, 5)] == [answer["label"] for answer in answers[1:]]
    assert cli.json("explain", run.path, "film")["words"] == [], "none is left without it"
    config = RunFolder(run.path).read_config()
    train = split_corpus(read_corpus(config.data), config.data, config.seed).train.texts
    vectors = embed([text, *train], config.body).vectors
    cosines = cosine_similarity(vectors[:1], vectors[1:])[0]
    nearest = [neighbour["cosine"] for neighbour in explanation["neighbours"]]
    assert nearest == pytest.approx(sorted(cosines)[::-1][:5], abs=1e-6)
    assert all(neighbour["text"] in train for neighbour in explanation["neighbours"])
    output, _ = cli("explain", run.path, text)
    assert "training text" in output
    effects = re.findall(r"[+−]\d+\.\d\d", output)
    assert any(effect[0] == "−" for effect in effects)
    assert len(effects) == 4
