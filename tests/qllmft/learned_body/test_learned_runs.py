"""Whole runs whose body learns: the files of the folder, their use, and runs that were killed."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from any_input import contents
from huggingface_hub import constants
from run_fixtures import evaluate_run
from small_bodies import run_config, trainable, weights
from stopped_runs import Stop, killed, same_bits, without_seconds

from qllmft.data import read_corpus, split_corpus
from qllmft.events import Message, StageStarted, ignore
from qllmft.inference import Predictor
from qllmft.inference.export import embedding
from qllmft.model import load_model
from qllmft.run import RunFolder, bodies, run_experiment
from qllmft_base.errors import UserError

CONTRASTIVE = {"iterations": 1}
KINDS = {
    "end to end": {"body__trainable": True},
    "contrastive": {"body__contrastive": CONTRASTIVE},
    "both": {"body__trainable": True, "body__contrastive": CONTRASTIVE, "train__body_lr": 0.01},
}


class Watcher:
    def __init__(self):
        self.said = []
        self.embedded = []

    def __call__(self, event):
        match event:
            case Message(text):
                self.said.append(text)
            case StageStarted("embedding", body, total):
                self.embedded.append((total, body))


@pytest.fixture(scope="module")
def finished_runs(corpus, tiny_bert, tmp_path_factory):
    """Finished runs and their messages, by kind; tests do not change them."""
    runs = {}
    with pytest.MonkeyPatch.context() as patch:
        for kind in KINDS:
            folder = tmp_path_factory.mktemp("finished")
            watcher = Watcher()
            patch.setenv("QLLMFT_CACHE", str(folder / "cache"))
            runs[kind] = run_kind(corpus, tiny_bert, folder / "run", kind, watcher), watcher
    return runs


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def run_kind(corpus, body, out, kind, watcher=ignore, **changes):
    return run_experiment(run_config(corpus, body, **KINDS[kind], **changes), out, watcher)


def read_body(outcome):
    return weights(trainable(outcome.folder.model_body))


def test_a_run_keeps_its_body_and_says_what_it_takes(finished_runs, tiny_bert, kind):
    outcome, watcher = finished_runs[kind]
    out = outcome.folder.path
    result = outcome.record.to_json()
    assert {p.name for p in (out / "model").iterdir()} == {
        "model.safetensors",
        "model.json",
        "body",
    }
    assert not (out / "checkpoint").exists(), "it is several times the body's size"
    assert not same_bits(read_body(outcome), weights(trainable(tiny_bert)))
    assert not list((out / "model" / "body").rglob("*.bin")), "safetensors, never pickle"
    trained_with_head = kind != "contrastive"
    assert result["body"]["learned"] == {
        "contrastive_pairs": 0 if kind == "end to end" else 2 * 34,
        "with_head": trained_with_head,
        "bytes": sum(p.stat().st_size for p in (out / "model" / "body").rglob("*") if p.is_file()),
    }
    n_body = sum(p.numel() for p in trainable(tiny_bert).parameters())
    head = load_model(out).classifier.n_parameters
    name = "quantum head and body" if trained_with_head else "quantum head"
    assert [row["name"] for row in result["models"]] == [name, "logistic regression"]
    assert [row["parameters"] for row in result["models"]] == [head + trained_with_head * n_body, 9]
    messages = " ".join(watcher.said)
    assert ("weights learn too. An epoch will take" in messages) == trained_with_head
    assert ("contrastive fine-tuning on 68 pairs of training texts" in messages) == (
        kind != "end to end"
    )
    assert "GB" in messages
    assert ("On disk: " if kind == "end to end" else " on disk") in messages


def test_the_next_call_removes_what_a_finished_run_has_left(
    finished_runs, corpus, tiny_bert, tmp_path
):
    """Its process died before it removed the checkpoint."""
    kind = next(iter(KINDS))
    out = shutil.copytree(finished_runs[kind][0].folder.path, tmp_path / "run")
    (out / "checkpoint").mkdir()
    (out / "checkpoint" / "state.safetensors").write_bytes(b"left")
    run_kind(corpus, tiny_bert, out, kind)
    assert not (out / "checkpoint").exists()


def test_what_predicts_afterwards_is_what_was_tested(
    finished_runs, corpus, tiny_bert, tmp_path, kind
):
    outcome, _ = finished_runs[kind]
    head = outcome.record.head
    assert evaluate_run(outcome.folder.path).accuracy.right == head.tested.right
    answers = outcome.folder.read_predictions().answers[head.name]
    moved = shutil.copytree(outcome.folder.model_folder, tmp_path / "elsewhere")
    texts = [line.split("\t")[0] for line in corpus.read_text().splitlines()[1:]]
    predictor = Predictor.load(moved)
    named = {p.text: p.label for p in predictor.predict(texts)}
    config = run_config(corpus, tiny_bert)
    test = split_corpus(read_corpus(config.data), config.data, config.seed).test
    assert [named[text] for text in test.texts] == [("bad", "good")[answer] for answer in answers]
    assert np.array_equal(
        embedding(predictor.model, texts[0]).numpy()[0], predictor.embed(texts[:1])[0]
    )


def test_the_baselines_of_a_trained_body_read_the_one_that_it_began_from(
    finished_runs, corpus, tiny_bert, tmp_path
):
    baselines = {kind: outcome.record.models[1] for kind, (outcome, _) in finished_runs.items()}
    frozen = run_experiment(run_config(corpus, tiny_bert), tmp_path / "frozen").record.models[1]
    for first_baseline, second_baseline in (
        (baselines["end to end"], frozen),
        (baselines["both"], baselines["contrastive"]),
    ):
        ignored = {"seconds": 0.0, "against_head": None}  # it is of another head
        assert replace(first_baseline, **ignored) == replace(second_baseline, **ignored)


def test_without_baselines_the_frozen_body_embeds_nothing(corpus, tiny_bert, tmp_path, cache):
    watcher = Watcher()
    run_kind(corpus, tiny_bert, tmp_path / "run", "end to end", watcher, baselines__names=[])
    assert watcher.embedded == [(90, f"the trained {tiny_bert}")]
    assert not cache.exists(), "a body of the run's own leaves nothing in the user's cache"


def test_a_body_of_the_hub_with_a_revision_learns_like_a_local_one(
    finished_runs, corpus, tiny_bert, tmp_path, kind
):
    name = "qllmft-tests/tiny-bert"
    commit = "c" * 40
    folder = Path(constants.HF_HUB_CACHE) / "models--qllmft-tests--tiny-bert"
    shutil.copytree(tiny_bert, folder / "snapshots" / commit)
    (folder / "refs").mkdir()
    (folder / "refs" / "v2").write_text(commit)
    try:
        hub = run_kind(corpus, name, tmp_path / "hub", kind, body__revision="v2").record.to_json()
    finally:
        shutil.rmtree(folder)
    local = finished_runs[kind][0]
    assert without_seconds(hub)["models"] == without_seconds(local.record.to_json())["models"]
    assert hub["body"]["model"] == name
    answer, local_answer = (
        Predictor.load(path).predict(["a good film"])
        for path in (tmp_path / "hub", local.folder.path)
    )
    assert answer == local_answer, "the hub's model is no longer needed"


def test_a_body_learns_through_a_noisy_circuit_too(corpus, tiny_bert, tmp_path):
    config = run_config(
        corpus,
        tiny_bert,
        body__trainable=True,
        noise__gates="paper_high",
        noise__shots=64,
        train__epochs=2,
        baselines__names=[],
    )
    results = [
        without_seconds(run_experiment(config, tmp_path / name).record.to_json()) for name in "ab"
    ]
    assert results[0] == results[1]
    assert 0.0 <= results[0]["models"][0]["test_exact"] <= 1.0


def test_killed_in_the_contrastive_step_it_goes_on_to_the_same_bits(
    finished_runs, corpus, tiny_bert, tmp_path
):
    out = tmp_path / "killed"
    killed(Path(__file__).with_name("killed_step.py"), corpus, tiny_bert, out)
    # the third batch was reported, not yet saved
    assert RunFolder(out).contrastive_checkpoint.epochs_done() == 2
    assert not RunFolder(out).contrastive_body.exists()
    ours = run_kind(corpus, tiny_bert, out, "both")
    straight, _ = finished_runs["both"]
    assert without_seconds(ours.record.to_json()) == without_seconds(straight.record.to_json())
    assert contents(ours.folder.model_folder) == contents(straight.folder.model_folder)


def test_without_the_test_set_first_it_ends_as_the_whole_run_does(
    finished_runs, corpus, tiny_bert, tmp_path, kind
):
    config = run_config(corpus, tiny_bert, **KINDS[kind])
    watcher = Watcher()
    straight, _ = finished_runs[kind]
    first = run_experiment(config, tmp_path / "run", watcher, read_test=False)
    assert {total for total, _ in watcher.embedded} == {40}, "training and validation texts alone"
    assert not any("test" in row for row in first.record.to_json()["models"])
    watcher = Watcher()
    completed = run_experiment(config, tmp_path / "run", watcher)
    assert not any("epoch will take" in text for text in watcher.said), "no epoch is left"
    assert without_seconds(completed.record.to_json()) == without_seconds(straight.record.to_json())
    assert same_bits(read_body(completed), read_body(straight)), (
        "two runs of the same configuration"
    )
    assert [m.epoch for m in completed.folder.metrics()] == [1, 2, 3], "nothing is trained twice"


def test_a_finished_contrastive_step_is_not_made_again(corpus, tiny_bert, tmp_path, monkeypatch):
    def interrupt(event):
        if isinstance(event, StageStarted) and event.stage == "embedding":
            raise KeyboardInterrupt

    out = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        run_kind(corpus, tiny_bert, out, "contrastive", interrupt, baselines__names=[])
    monkeypatch.setattr(bodies.training, "fit_contrastive", None)
    outcome = run_kind(corpus, tiny_bert, out, "contrastive", baselines__names=[])
    assert outcome.record is not None


def test_ctrl_c_leaves_a_model_with_its_body(corpus, tiny_bert, tmp_path):
    out = tmp_path / "run"
    outcome = run_kind(corpus, tiny_bert, out, "end to end", Stop(2))
    assert (outcome.record, outcome.epochs_done) == (None, 2)
    assert Predictor.load(out).predict(["a good film"])[0].label in ("bad", "good")


def test_a_model_without_its_body_or_with_another_one_is_refused(
    finished_runs, tiny_bert, tmp_path
):
    model = shutil.copytree(finished_runs["end to end"][0].folder.model_folder, tmp_path / "model")
    shutil.rmtree(model / "body")
    with pytest.raises(
        UserError,
        match=r"trained together with its language model, and the folder body is missing\. Copy the",
    ):
        Predictor.load(model)
    shutil.copytree(tiny_bert, model / "body")
    with pytest.raises(UserError, match="is not the one that this model was trained on"):
        Predictor.load(model).predict(["a good film"])
