"""Truncated embeddings, ``body.dimension``: the first entries of a vector, in each way to a prediction."""

import json
import shutil

import numpy as np
import pytest
from small_bodies import cpu_body, run_config, table, write_corpus

from qllmft.embed import Body, TrainableBody, body_identity, embed, locate_body
from qllmft.inference import Predictor
from qllmft.model import load_model
from qllmft.run import run_experiment

TEXTS = ["a good film", "bad", "not a great plot"]
UNIT = {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}  # fmt: skip


@pytest.fixture
def unit_body(tiny_bert, tmp_path):
    """A copy of the tiny transformer whose vectors have norm 1."""
    folder = shutil.copytree(tiny_bert, tmp_path / "unit")
    modules = json.loads((folder / "modules.json").read_text("utf-8"))
    (folder / "modules.json").write_text(json.dumps([*modules, UNIT]), "utf-8")
    return folder


@pytest.mark.parametrize("dimension", [3, 8])
def test_a_vector_is_the_first_entries_of_the_whole_one(tiny_bert, dimension):
    body = Body(cpu_body(tiny_bert, dimension=dimension))
    assert body.dimension == dimension
    full_vectors = Body(cpu_body(tiny_bert)).encode(TEXTS)
    np.testing.assert_allclose(body.encode(TEXTS), full_vectors[:, :dimension], rtol=1e-6)


def test_vectors_of_norm_1_have_norm_1_again(unit_body):
    full_vectors = Body(cpu_body(unit_body)).encode(TEXTS)
    first = full_vectors[:, :3].astype(np.float64)
    expected = first / np.sqrt((first**2).sum(axis=1, keepdims=True))
    config = cpu_body(unit_body, dimension=3)
    np.testing.assert_allclose(Body(config).encode(TEXTS), expected, rtol=1e-5)
    trained = TrainableBody(Body(config)).eval()
    np.testing.assert_allclose(trained(TEXTS).detach().numpy(), expected, rtol=1e-5)


def test_parts_of_a_long_text_are_truncated_too(unit_body):
    text = "good film bad plot " * 6
    mean = Body(cpu_body(unit_body, dimension=3, long_texts="mean")).encode([text, "bad"])
    assert mean.shape == (2, 3)
    np.testing.assert_allclose(np.linalg.norm(mean, axis=1), 1.0, rtol=1e-6)


def test_each_dimension_has_its_own_embeddings_in_the_cache(tiny_bert, tmp_path):
    bodies = [
        cpu_body(tiny_bert, **settings) for settings in ({}, {"dimension": 3}, {"dimension": 5})
    ]
    widths = [embed(TEXTS, body, cache_folder=tmp_path).vectors.shape[1] for body in bodies]
    assert widths == [8, 3, 5]
    assert len({body_identity(body, locate_body(body)) for body in bodies}) == 3


def test_a_folder_that_truncates_its_vectors_does_so_when_it_is_loaded_lightly(tiny_bert, tmp_path):
    folder = tmp_path / "truncated"
    model = Body(cpu_body(tiny_bert)).transformer
    model.truncate_dim = 5
    model.save(str(folder), create_model_card=False)
    full_vectors = Body(cpu_body(tiny_bert)).encode(TEXTS)
    for light in (True, False):
        body = Body(cpu_body(folder), light=light)
        assert body.dimension == 5
        np.testing.assert_allclose(body.encode(TEXTS), full_vectors[:, :5], rtol=1e-6)


@pytest.mark.parametrize("learns", [False, True])
def test_a_run_predicts_with_the_dimension_that_it_trained_on(
    tiny_bert, tmp_path, monkeypatch, learns
):
    monkeypatch.setenv("QLLMFT_CACHE", str(tmp_path / "cache"))
    corpus = write_corpus(tmp_path / "corpus.tsv")
    settings = {"body__dimension": 5, "body__trainable": learns, "baselines__names": []}
    outcome = run_experiment(run_config(corpus, tiny_bert, **settings), tmp_path / "run")
    assert outcome.record.body.dimension == 5
    model = load_model(outcome.folder.path)
    assert model.body.dimension == model.dimension == 5
    texts = table(4).texts
    predictor = Predictor.load(outcome.folder.path)
    full_vectors = Body(model.body.model_copy(update={"dimension": None})).encode(texts)
    np.testing.assert_allclose(predictor.embed(texts), full_vectors[:, :5], rtol=1e-5)
    assert len(predictor.predict(texts)) == 4
