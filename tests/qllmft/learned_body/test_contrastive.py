"""SetFit's contrastive step: its pairs, its schedule, its effect on similarities, and a step that was stopped."""

import numpy as np
import pytest
import torch
from small_bodies import table, trainable, weights
from stopped_runs import same_bits

from qllmft.config import BodyConfig, ContrastiveConfig, DataConfig
from qllmft.data import read_corpus
from qllmft.embed import Body, TrainableBody
from qllmft.training import Checkpoint, contrastive_steps, fit_contrastive
from qllmft.training import contrastive as module
from qllmft.training.contrastive import draw_pairs, warm_up
from qllmft_base.randomness import numpy_generator

TRAIN = table(12)
SETTINGS = ContrastiveConfig(iterations=2, epochs=2, batch_size=8, lr=0.01)
SUPERVISED = ContrastiveConfig(loss="supervised", epochs=3, batch_size=6, lr=0.01)


@pytest.mark.parametrize(
    ("labels", "iterations"), [([0, 1] * 6, 3), ([0, 1, 2, 2, 1, 0, 2], 2), ([1, 0, 0, 1], 20)]
)
def test_every_text_has_as_many_partners_of_its_label_as_of_others(labels, iterations):
    labels = np.array(labels)
    pairs = draw_pairs(labels, iterations, seed=1)
    assert len(pairs) == 2 * iterations * len(labels)
    assert np.array_equal(labels[pairs.first] == labels[pairs.second], pairs.same_label == 1.0)
    assert set(np.unique(pairs.same_label)) == {0.0, 1.0}
    assert (pairs.first != pairs.second).all()
    for row in range(len(labels)):
        assert np.bincount(pairs.same_label[pairs.first == row].astype(int)).tolist() == [
            iterations,
            iterations,
        ]


def test_partners_are_drawn_evenly():
    pairs = draw_pairs(np.array([0, 0, 0, 1, 1, 1, 1]), 3000, seed=0)
    first_alike = pairs.second[(pairs.first == 0) & (pairs.same_label == 1)]
    first_other = pairs.second[(pairs.first == 0) & (pairs.same_label == 0)]
    # five standard deviations of a count
    assert np.bincount(first_alike, minlength=7)[1:3] == pytest.approx(
        1500, abs=5 * np.sqrt(3000 / 4)
    )
    assert np.bincount(first_other, minlength=7)[3:] == pytest.approx(
        750, abs=5 * np.sqrt(3000 * 3 / 16)
    )


def test_a_text_alone_with_its_label_has_no_partner_of_it():
    pairs = draw_pairs(np.array([0, 0, 1]), 2, seed=0)
    assert not ((pairs.first == 2) & (pairs.same_label == 1)).any()
    assert ((pairs.first == 2) & (pairs.same_label == 0)).sum() == 2


def test_pairs_follow_from_the_seed():
    labels = np.arange(20) % 2
    ours, repeated, reseeded = (draw_pairs(labels, 3, seed) for seed in (1, 1, 2))
    assert np.array_equal(ours.second, repeated.second)
    assert not np.array_equal(ours.second, reseeded.second)


def test_the_rate_rises_for_a_tenth_of_the_steps_and_falls_to_the_end():
    rates = [warm_up(step, 100) for step in range(1, 101)]
    assert rates[:10] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    np.testing.assert_allclose(np.diff(rates[9:]), -1 / 91)
    assert rates[-1] == pytest.approx(1 / 91)
    assert [warm_up(step, 1) for step in [1]] == [1.0]


def similarities(vectors, labels):
    """Mean cosine similarity of pairs of different texts, of the same label and of different ones."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine = unit @ unit.T
    is_same_label = labels[:, None] == labels
    is_pair = ~np.eye(len(labels), dtype=bool)
    return cosine[is_same_label & is_pair].mean(), cosine[~is_same_label].mean()


def test_held_out_texts_of_one_label_come_together_and_others_move_apart(tiny_bert):
    held_out = table(40, seed=9)
    body = trainable(tiny_bert)
    same_before, different = similarities(body.body.encode(held_out.texts), held_out.labels)
    loss = fit_contrastive(
        body, table(40), ContrastiveConfig(iterations=4, epochs=3, lr=0.01, batch_size=16), 0
    )
    same_after, different_after = similarities(body.body.encode(held_out.texts), held_out.labels)
    assert loss < 0.2, "a quarter where nothing was learned: targets are 0 and 1"
    assert same_after - different_after > same_before - different + 0.25
    assert different_after < different


@pytest.mark.slow
def test_with_more_pairs_the_real_body_tells_labels_apart_better():
    same_before, different, same_after, different_after = on_the_reviews(
        200, 60, ContrastiveConfig(iterations=3, lr=5e-5)
    )
    assert same_after > same_before + 0.1
    assert same_after - different_after > 2 * (same_before - different)


def on_the_reviews(n, n_held_out, settings):
    """`similarities` of held-out texts of the embedded corpus, before and after a step on n others."""
    corpus = read_corpus(DataConfig(source="reviews")).join_splits()
    rows = numpy_generator(0, "test").permutation(len(corpus))
    train = corpus.take(rows[:n])
    held_out = corpus.take(rows[540 : 540 + n_held_out])
    body = TrainableBody(Body(BodyConfig(model="minilm", device="cpu")))
    similarities_before = similarities(body.body.encode(held_out.texts), held_out.labels)
    fit_contrastive(body, train, settings, 0)
    return *similarities_before, *similarities(body.body.encode(held_out.texts), held_out.labels)


ODD = table(13)  # one text is alone in its batch


@pytest.fixture(scope="module")
def whole_steps(tiny_bert):
    """By loss, the weights after a step that nothing stopped; tests do not change them."""
    final_weights = {}
    for settings in (SETTINGS, SUPERVISED):
        body = trainable(tiny_bert)
        fit_contrastive(body, ODD, settings, 4)
        final_weights[settings.loss] = weights(body)
    return final_weights


@pytest.mark.parametrize(
    ("settings", "stop_at"), [(SETTINGS, 2), (SETTINGS, 12), (SUPERVISED, 2), (SUPERVISED, 8)]
)
def test_a_step_that_was_stopped_ends_in_the_same_bits(
    whole_steps, tiny_bert, tmp_path, monkeypatch, settings, stop_at
):
    monkeypatch.setattr(module, "CHECKPOINT_EVERY_S", -1.0)
    straight = whole_steps[settings.loss]
    body = trainable(tiny_bert)
    checkpoint = Checkpoint(tmp_path / "state.safetensors")
    assert not same_bits(straight, weights(body))
    assert all(tensor.isfinite().all() for tensor in straight.values())

    def stop(step):
        if step == stop_at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_contrastive(trainable(tiny_bert), ODD, settings, 4, checkpoint=checkpoint, on_step=stop)
    assert checkpoint.epochs_done() == stop_at - 1  # progress is reported before it is saved
    torch.manual_seed(99)
    steps = []
    fit_contrastive(body, ODD, settings, 4, checkpoint=checkpoint, on_step=steps.append)
    assert steps == list(range(stop_at, contrastive_steps(len(ODD), settings) + 1))
    assert same_bits(weights(body), straight)
