"""Inputs that several runs share: what is read or computed once, and the same bits as without sharing."""

import pytest
from tiny_runs import HashBody, assert_same, config, write_corpus

from qllmft.data import corpus as data
from qllmft.run import RunFolder, SharedInputs, run_experiment, setup


def test_four_runs_read_and_embed_once_and_have_the_same_bits(tmp_path, body, monkeypatch):
    corpus = write_corpus(tmp_path / "corpus.tsv")
    # two copies
    corpus.write_text(corpus.read_text() + "bad text number 0\tbad\nbad text  number 1\tgood\n")
    few = {"baselines__names": ["logistic_regression_c1"]}
    configs = [
        config(corpus, seed=seed, train__lr=lr, **few) for seed in (3, 4) for lr in (0.05, 0.1)
    ]
    outcomes = [
        run_experiment(run_config, tmp_path / "alone" / run_config.identity)
        for run_config in configs
    ]
    calls = []
    shared = SharedInputs()
    for module, name in ((setup, "read_corpus"), (data, "find_copies")):
        real = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda *a, _real=real, _name=name: calls.append(_name) or _real(*a)
        )
    body.calls.clear()
    for run_config, expected in zip(configs, outcomes, strict=True):
        outcome = run_experiment(
            run_config, tmp_path / "shared" / run_config.identity, inputs=shared
        )
        assert_same(RunFolder(outcome.folder.path), expected)
        assert outcome.record.data.findings.repeated_texts == 2
        assert outcome.record.data.findings.contradictory_texts == 1
    assert calls == ["read_corpus", "find_copies"]
    assert len(body.calls) == 1


def test_the_test_texts_are_embedded_only_for_a_run_that_reads_them(corpus, tmp_path, body):
    shared = SharedInputs()
    run_config = config(corpus, baselines__names=[])
    run_experiment(run_config, tmp_path / "run", read_test=False, inputs=shared)
    run_experiment(run_config, tmp_path / "run", inputs=shared)
    assert [len(texts) for texts in body.calls] == [40, 30]


def test_a_body_that_changed_embeds_all_texts_again(corpus):
    shared = SharedInputs()
    body = config(corpus).body
    first = HashBody()
    second = HashBody(identity="other weights")
    shared.embed(["a", "b"], body, lambda texts: first(texts, body))
    embedded = shared.embed(["b", "c", "b"], body, lambda texts: second(texts, body))
    assert (second.calls, embedded.identity) == ([["c"], ["b", "c"]], "other weights")
    assert shared.embed(["c"], body, pytest.fail).identity == "other weights"


def test_embeddings_beyond_the_limit_are_not_kept(corpus, monkeypatch):
    monkeypatch.setattr(setup, "MAX_MEMORY_BYTES", 7)
    shared = SharedInputs()
    body = config(corpus).body
    compute = HashBody()
    for _ in range(2):
        assert len(shared.embed(["a"], body, lambda texts: compute(texts, body)).vectors) == 1
    assert compute.calls == [["a"], ["a"]]
