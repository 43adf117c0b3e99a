"""Calibration texts of a run trained nothing, in whichever way its body and head were trained."""

import numpy as np
import pytest
from small_bodies import run_config

from qllmft.data import read_corpus, split_corpus
from qllmft.inference import Predictor
from qllmft.run import run_experiment
from qllmft_backends import create
from qllmft_base.errors import UserError
from qllmft_machines.trust import MeasuredModel

HALVES = {"data__train_fraction": 0.5}  # 20 texts train, and 20 validate
FOLDS = {
    "data__protocol": "split",
    "data__n_per_label": None,
    "data__validation_folds": 2,
    "train__select": "last",
}
WAYS = {
    "frozen": HALVES,
    "unfrozen": HALVES | {"body__trainable": True},
    "adapter": HALVES | {"body__trainable": "lora", "body__lora": {"rank": 2}},
    "tuned": HALVES | {"body__contrastive": {"loss": "supervised", "epochs": 1}},
    "tuned adapter": HALVES
    | {"body__contrastive": {"loss": "supervised", "epochs": 1, "weights": "lora"}},
    "kept apart": {"data__known_texts": 19, "data__train_fraction": 0.7},
    "kept apart, folds": FOLDS | {"data__known_texts": 19},
}
NEW = [f"a film that is new, number {i}" for i in range(8)]


def train_predictor(corpus, body, out, **changes):
    """A run of one epoch, whose test set nobody reads, and its splits."""
    config = run_config(corpus, body, train__epochs=1, baselines__names=[], **changes)
    run_experiment(config, out, read_test=False)
    return Predictor.load(out), split_corpus(read_corpus(config.data), config.data, config.seed)


@pytest.mark.public_report(
    case="trust_tuned_body",
    source="own audit",
    seen="labels were decided by training texts, whose leads a tuned body enlarges; 6 to 19 % were wrong, not 5 %",
    outcome="calibration texts are texts that trained nothing, for each way of training",
)
@pytest.mark.parametrize("way", WAYS)
def test_calibration_texts_trained_nothing(corpus, tiny_bert, tmp_path, way):
    predictor, splits = train_predictor(corpus, tiny_bert, tmp_path / "run", **WAYS[way])
    held_out = splits.validation if splits.calibration is None else splits.calibration
    assert not {*held_out.texts} & {*splits.train.texts}, "texts of the corpus differ"
    assert (len(held_out), splits.calibration is None) == (
        (20, True) if "apart" not in way else (19, False)
    )
    measured_model = MeasuredModel(predictor, create("adjoint"), known_texts=19)
    texts = measured_model.mix_known_texts(predictor.embed(NEW))
    assert texts.known_mask.sum() == 19
    rows = texts.vectors[texts.known_mask]
    possible = predictor.embed(held_out.texts)
    distances = np.abs(rows[:, None] - possible[None]).max(axis=2).min(axis=1)
    assert distances.max() < 1e-5


def test_folds_leave_no_calibration_texts(corpus, tiny_bert, tmp_path):
    predictor, _ = train_predictor(corpus, tiny_bert, tmp_path / "run", **FOLDS)
    measured_model = MeasuredModel(predictor, create("adjoint"), known_texts=19)
    message = r"has 0 calibration texts, expected 19 or more\. Train with .* data\.known_texts\. Or set --known"
    with pytest.raises(UserError, match=message):
        measured_model.mix_known_texts(predictor.embed(NEW))


def test_texts_are_kept_apart_from_all_others(corpus, tiny_bert):
    config = run_config(corpus, tiny_bert, data__known_texts=19)
    splits = split_corpus(read_corpus(config.data), config.data, config.seed)
    plain = run_config(corpus, tiny_bert)
    without = split_corpus(read_corpus(plain.data), plain.data, plain.seed)
    parts = [splits.train, splits.validation, splits.calibration, splits.test]
    texts = [text for part in parts for text in part.texts]
    assert len({*texts}) == len(texts)
    assert {*without.test.texts} == {*splits.test.texts}
    assert "19 calibration," in splits.in_words
    assert config.identity != plain.identity
    few = run_config(corpus, tiny_bert, data__known_texts=21)
    with pytest.raises(UserError, match=r"data\.known_texts is 21, and there are 40 texts"):
        split_corpus(read_corpus(few.data), few.data, few.seed)


def test_few_calibration_texts_or_none_are_said(corpus, tiny_bert, tmp_path):
    """A noisy call decides fewer labels, or none, and says why; --known-texts 0 decides by shot noise alone.

    At 50 shots the lead of 240 equal texts is 1.8 standard errors, so shot noise decides 105 ± 8. Calibration texts
    decide none: 95 % of the leads would have to be larger than each of 20 errors, which has a chance of 1e-5.
    """
    predictor, _ = train_predictor(corpus, tiny_bert, tmp_path / "many", **HALVES)
    noise = {"noise": "forte1", "shots": 50}
    backend = create("adjoint", noise)
    measured_model = MeasuredModel(predictor, backend)
    vectors = np.repeat(predictor.embed(NEW), 30, axis=0)
    answers = measured_model.answer(vectors)
    assert (answers.known_texts, len(answers.decided)) == (20, 240)
    shortage = "Fewer labels are reliable: the run has 20 of 60 calibration texts."
    assert answers.shortage == shortage
    agreement = measured_model.agreement(vectors, answers)
    assert agreement.shortage == shortage
    assert "240 labels are unreliable by 20 calibration texts" in str(agreement)
    by_shots = MeasuredModel(predictor, backend, known_texts=0)
    assert 60 < by_shots.answer(vectors).decided.sum() < 150

    small_predictor, _ = train_predictor(corpus, tiny_bert, tmp_path / "few")
    few = MeasuredModel(small_predictor, backend)
    answers = few.answer(vectors)
    assert not answers.decided.any()
    assert answers.shortage.startswith("No label is reliable: ")
    assert "has 6 calibration texts, expected 19 or more" in answers.shortage
    assert "240 labels are unreliable by 0 calibration texts" in str(
        few.agreement(vectors, answers)
    )
    few_by_shots = MeasuredModel(small_predictor, backend, known_texts=0)
    assert few_by_shots.answer(vectors).decided.any()
    assert few_by_shots.answer(vectors).shortage == ""
