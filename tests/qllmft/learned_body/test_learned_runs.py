"""Whole runs whose body learns: what is in the folder, its use, and runs that were killed."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import constants
from small_bodies import run_config, same_bits, trainable, weights, without_seconds, write_corpus

from qllmft.embed import body_identity, locate_body
from qllmft.errors import UserError
from qllmft.run import Predictor, RunFolder, load_model, run_experiment
from qllmft.run.evaluation import evaluate_run
from qllmft.run.export import embedding
from qllmft.run.reporter import Reporter

CONTRASTIVE = {"iterations": 1}
KINDS = {
    "end to end": {"body__trainable": True},
    "contrastive": {"body__contrastive": CONTRASTIVE},
    "both": {"body__trainable": True, "body__contrastive": CONTRASTIVE, "train__body_lr": 0.01},
}


class Watcher(Reporter):
    def __init__(self):
        self.said, self.embedded = [], []

    def message(self, text):
        self.said.append(text)

    def embedding(self, total, body):
        self.embedded.append((total, body))
        return super().embedding(total, body)


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    monkeypatch.setenv("QLLMFT_CACHE", str(tmp_path / "cache"))
    return write_corpus(tmp_path / "corpus.tsv")


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def outcome_of(corpus, body, out, kind, watcher=None, **changes):
    return run_experiment(run_config(corpus, body, **KINDS[kind], **changes), out, watcher)


def test_a_run_keeps_its_body_and_says_what_it_takes(corpus, tiny_bert, tmp_path, kind):
    watcher, out = Watcher(), tmp_path / "run"
    result = outcome_of(corpus, tiny_bert, out, kind, watcher).record.to_json()
    assert {p.name for p in (out / "model").iterdir()} == {"model.safetensors", "model.json", "body"}
    assert not (out / "checkpoint").exists(), "it is several times the body's size"
    assert not same_bits(weights(trainable(out / "model" / "body")), weights(trainable(tiny_bert)))
    assert not list((out / "model" / "body").rglob("*.bin")), "safetensors, never pickle"
    trained_with_head = kind != "contrastive"
    learned = result["body"]["learned"]
    assert learned["contrastive_pairs"] == (0 if kind == "end to end" else 2 * 34)
    assert learned["with_head"] == trained_with_head
    assert learned["bytes"] == sum(p.stat().st_size for p in (out / "model" / "body").rglob("*") if p.is_file())
    n_body = sum(p.numel() for p in trainable(tiny_bert).parameters())
    head = load_model(out).classifier.n_parameters
    assert [row["name"] for row in result["models"]] == [
        "quantum head and body" if trained_with_head else "quantum head",
        "logistic regression",
    ]
    assert [row["parameters"] for row in result["models"]] == [head + trained_with_head * n_body, 9]
    said = " ".join(watcher.said)
    assert ("weights learn too. An epoch will take" in said) == trained_with_head
    assert ("contrastive step on 68 pairs of training texts" in said) == (kind != "end to end")
    assert "GB of memory" in said
    assert "on disk" in said


def test_what_predicts_afterwards_is_what_was_tested(corpus, tiny_bert, tmp_path, kind):
    out = tmp_path / "run"
    result = outcome_of(corpus, tiny_bert, out, kind).record.to_json()
    evaluation = evaluate_run(out)
    assert evaluation.accuracy.right == result["models"][0]["test"]["right"]
    answers = RunFolder(out).read_predictions().answers[result["models"][0]["name"]]
    moved = tmp_path / "elsewhere"
    shutil.copytree(out / "model", moved)
    shutil.rmtree(out)
    texts = [line.split("\t")[0] for line in corpus.read_text().splitlines()[1:]]
    predictor = Predictor.load(moved)
    named = {p.text: p.label for p in predictor.predict(texts)}
    from qllmft.data import read_corpus, split_corpus

    config = run_config(corpus, tiny_bert)
    test = split_corpus(read_corpus(config.data), config.data, config.seed).test
    assert [named[text] for text in test.texts] == [("bad", "good")[answer] for answer in answers]
    assert np.array_equal(embedding(predictor.model, texts[0]).numpy()[0], predictor.embed(texts[:1])[0])


def test_the_rivals_of_a_trained_body_read_the_one_that_it_began_from(corpus, tiny_bert, tmp_path):
    rivals = {
        kind: outcome_of(corpus, tiny_bert, tmp_path / kind, kind).record.to_json()["models"][1]
        for kind in ("end to end", "both")
    }
    frozen = run_experiment(run_config(corpus, tiny_bert), tmp_path / "frozen").record.to_json()["models"][1]
    tuned = outcome_of(corpus, tiny_bert, tmp_path / "contrastive", "contrastive").record.to_json()["models"][1]
    for one, other in ((rivals["end to end"], frozen), (rivals["both"], tuned)):
        assert {**one, "seconds": 0} == {**other, "seconds": 0}


def test_without_rivals_the_frozen_body_embeds_nothing(corpus, tiny_bert, tmp_path):
    watcher = Watcher()
    outcome_of(corpus, tiny_bert, tmp_path / "run", "end to end", watcher, rivals__names=[])
    assert watcher.embedded == [(90, f"the trained {tiny_bert}")]
    assert not (tmp_path / "cache").exists(), "a body of the run's own leaves nothing in the user's cache"


def test_the_same_run_twice_is_the_same_to_the_bit(corpus, tiny_bert, tmp_path, kind):
    results = [without_seconds(outcome_of(corpus, tiny_bert, tmp_path / name, kind).record.to_json()) for name in "ab"]
    assert results[0] == results[1]
    bodies = [weights(trainable(tmp_path / name / "model" / "body")) for name in "ab"]
    assert same_bits(*bodies)


def test_a_body_of_the_hub_with_a_revision_learns_like_a_local_one(corpus, tiny_bert, tmp_path, kind):
    name, commit = "qllmft-tests/tiny-bert", "c" * 40
    folder = Path(constants.HF_HUB_CACHE) / "models--qllmft-tests--tiny-bert"
    shutil.copytree(tiny_bert, folder / "snapshots" / commit)
    (folder / "refs").mkdir()
    (folder / "refs" / "v2").write_text(commit)
    try:
        hub = outcome_of(corpus, name, tmp_path / "hub", kind, body__revision="v2").record.to_json()
    finally:
        shutil.rmtree(folder)
    local = outcome_of(corpus, tiny_bert, tmp_path / "local", kind).record.to_json()
    assert without_seconds(hub)["models"] == without_seconds(local)["models"]
    assert hub["body"]["model"] == name
    answer, same = (Predictor.load(tmp_path / where).predict(["a good film"]) for where in ("hub", "local"))
    assert answer == same, "the hub's model is no longer needed"


def test_a_body_learns_through_a_noisy_circuit_too(corpus, tiny_bert, tmp_path):
    noise = {"gates": "paper_high", "shots": 64}
    config = run_config(corpus, tiny_bert, body__trainable=True, noise__gates="paper_high", noise__shots=64)
    assert {name: getattr(config.noise, name) for name in noise} == noise
    results = [without_seconds(run_experiment(config, tmp_path / name).record.to_json()) for name in "ab"]
    assert results[0] == results[1]
    assert 0.0 <= results[0]["models"][0]["test_exact"] <= 1.0


def test_a_frozen_run_keeps_its_record_and_its_checkpoint(corpus, tiny_bert, tmp_path):
    out = tmp_path / "run"
    result = run_experiment(run_config(corpus, tiny_bert), out).record.to_json()
    assert "learned" not in result["body"]
    assert {p.name for p in (out / "model").iterdir()} == {"model.safetensors", "model.json"}
    assert (out / "checkpoint" / "state.safetensors").exists()
    assert "own_body" not in json.loads((out / "model" / "model.json").read_text())


@pytest.mark.parametrize("where", ["contrastive", "training"])
def test_killed_it_goes_on_to_the_same_bits(corpus, tiny_bert, tmp_path, monkeypatch, where):
    out, script = tmp_path / "killed", Path(__file__).with_name("killed_step.py")
    command = [sys.executable, str(script), str(corpus), str(tiny_bert), str(out), where]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        said = process.stdout.readline()
        process.kill()
        assert said == b"now\n", process.stderr.read().decode()
    assert process.returncode == -9
    changes = {"body__trainable": True, "body__contrastive": CONTRASTIVE}
    if where == "contrastive":
        assert RunFolder(out).contrastive_checkpoint.epochs_done() == 3
        assert not RunFolder(out).contrastive_body.exists()
    else:
        assert RunFolder(out).contrastive_body.is_dir()
        assert RunFolder(out).checkpoint.epochs_done() == 1
    ours = run_experiment(run_config(corpus, tiny_bert, **changes), out)
    whole = run_experiment(run_config(corpus, tiny_bert, **changes), tmp_path / "whole")
    assert without_seconds(ours.record.to_json()) == without_seconds(whole.record.to_json())
    folders = (ours.folder.model_folder, whole.folder.model_folder)
    files = [sorted(p.relative_to(f) for p in f.rglob("*") if p.is_file()) for f in folders]
    assert files[0] == files[1]
    for name in files[0]:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes(), name
    assert [m.epoch for m in ours.folder.metrics()] == [1, 2, 3]


def test_without_the_test_set_first_it_ends_as_the_whole_run_does(corpus, tiny_bert, tmp_path, kind):
    config, watcher = run_config(corpus, tiny_bert, **KINDS[kind]), Watcher()
    first = run_experiment(config, tmp_path / "run", watcher, read_test=False)
    assert {total for total, _ in watcher.embedded} == {40}, "training and validation texts alone"
    assert not any("test" in row for row in first.record.to_json()["models"])
    again = run_experiment(config, tmp_path / "run")
    whole = run_experiment(config, tmp_path / "whole")
    assert without_seconds(again.record.to_json()) == without_seconds(whole.record.to_json())
    assert [m.epoch for m in again.folder.metrics()] == [1, 2, 3], "nothing is trained twice"


def test_a_finished_contrastive_step_is_not_made_again(corpus, tiny_bert, tmp_path, monkeypatch):
    class Stop(Reporter):
        def embedding(self, total, body):
            raise KeyboardInterrupt

    out = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        outcome_of(corpus, tiny_bert, out, "contrastive", Stop())
    from qllmft.run import contrastive

    monkeypatch.setattr(contrastive, "fit_contrastive", None)
    assert outcome_of(corpus, tiny_bert, out, "contrastive").record is not None


def test_ctrl_c_leaves_a_model_with_its_body(corpus, tiny_bert, tmp_path):
    from contextlib import contextmanager

    class Stop(Reporter):
        @contextmanager
        def training(self, epochs, done):
            def report(metrics):
                if metrics.epoch == 2:
                    raise KeyboardInterrupt

            yield report

    out = tmp_path / "run"
    outcome = outcome_of(corpus, tiny_bert, out, "end to end", Stop())
    assert (outcome.record, outcome.epochs_done) == (None, 2)
    assert Predictor.load(out).predict(["a good film"])[0].label in ("bad", "good")


def test_a_model_folder_without_its_body_is_refused(corpus, tiny_bert, tmp_path):
    out = tmp_path / "run"
    outcome_of(corpus, tiny_bert, out, "end to end")
    shutil.rmtree(out / "model" / "body")
    with pytest.raises(UserError, match=r"trained together with its body, and the folder body is missing\. Copy the"):
        Predictor.load(out)


def test_another_body_in_its_place_is_refused(corpus, tiny_bert, tmp_path):
    out = tmp_path / "run"
    outcome_of(corpus, tiny_bert, out, "end to end")
    shutil.rmtree(out / "model" / "body")
    shutil.copytree(tiny_bert, out / "model" / "body")
    with pytest.raises(UserError, match="is not the one that this model was trained on"):
        Predictor.load(out).predict(["a good film"])
    model = load_model(out)
    assert body_identity(model.body, locate_body(model.body)) != model.body_identity
