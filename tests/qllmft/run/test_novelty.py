"""Texts unlike the training texts: nearest cosine similarity by brute force, limits, and files that do not fit."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import cosine_similarity

from qllmft.config import BodyConfig
from qllmft.run.novelty import FILE, MAX_DISTANCES, MAX_REFERENCES, Novelty
from qllmft.run.vectors import Vectors
from qllmft.training import Examples
from qllmft_base.errors import UserError


def vectors(n=60, n_validation=40, d=6, seed=0):
    random = np.random.default_rng(seed)

    def part(count):
        x = (2 + random.normal(size=(count, d))).astype(np.float32)
        return Examples(torch.from_numpy(x), torch.zeros(count, dtype=torch.int64))

    return Vectors(BodyConfig(), "a body", part(n), part(n_validation))


def test_the_distance_is_that_of_the_nearest_training_text():
    texts = vectors()
    novelty = Novelty.from_vectors(texts, 0)
    x = np.random.default_rng(3).normal(size=(9, 6)).astype(np.float32)
    nearest = cosine_similarity(x, texts.train.x.numpy()).max(axis=1)
    np.testing.assert_allclose(novelty.distance(x), 1 - nearest, atol=1e-5)
    assert novelty.out_of_distribution(-texts.train.x.numpy()[:5], 0.05).all(), (
        "opposite directions"
    )
    assert not novelty.out_of_distribution(texts.train.x.numpy(), 0.05).any()


@pytest.mark.parametrize("share", [0.01, 0.05, 0.25, 0.5])
def test_at_most_the_share_of_the_validation_texts_is_marked(share):
    novelty = Novelty.from_vectors(vectors(), 0)
    marked = novelty.out_of_distribution(vectors().validation.x.numpy(), share).mean()
    assert marked == novelty.marked_share(share)
    assert share - 1 / 40 < marked <= share


def test_many_texts_are_drawn_and_the_file_is_small(tmp_path):
    novelty = Novelty.from_vectors(vectors(3_000, 5_000), 1)
    assert (novelty.references.shape, novelty.distances.shape) == (
        (MAX_REFERENCES, 6),
        (MAX_DISTANCES,),
    )
    novelty.save(tmp_path)
    loaded = Novelty.load(tmp_path, "a body", 6)
    assert loaded.calibration.shape == (MAX_REFERENCES, 6)
    for name in ("references", "distances", "calibration"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(novelty, name))


def test_calibration_texts_are_the_validation_texts_unless_others_are_kept_apart():
    texts = vectors()
    validation = texts.validation.x.numpy()
    np.testing.assert_array_equal(Novelty.from_vectors(texts, 0).calibration, validation)
    calibrated = replace(texts, calibration=-validation[:25])
    np.testing.assert_array_equal(Novelty.from_vectors(calibrated, 0).calibration, -validation[:25])
    assert Novelty.from_vectors(
        replace(texts, calibration=validation[:0]), 0
    ).calibration.shape == (0, 6)


@pytest.mark.parametrize(
    ("identity", "dimension", "message"),
    [
        ("another", 6, "belongs to another language model"),
        ("a body", 7, "cannot be read: its shapes are"),
    ],
)
def test_a_file_of_another_body_is_refused(tmp_path, identity, dimension, message):
    Novelty.from_vectors(vectors(), 0).save(tmp_path)
    with pytest.raises(UserError, match=message):
        Novelty.load(tmp_path, identity, dimension)


def test_a_file_that_is_missing_or_cut_short_is_named(tmp_path):
    with pytest.raises(UserError, match="leave --novelty out"):
        Novelty.load(tmp_path, "a body", 6)
    Novelty.from_vectors(vectors(), 0).save(tmp_path)
    file = tmp_path / FILE
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(UserError, match=f"{FILE} cannot be read"):
        Novelty.load(tmp_path, "a body", 6)
