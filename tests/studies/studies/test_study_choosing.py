"""Test texts on which settings were chosen: marked from the data, kept, and left out of a column."""

from dataclasses import replace

import numpy as np
import pytest

from qllmft.config import DataConfig
from qllmft.data import read_corpus, split_corpus
from qllmft_base.errors import UserError
from qllmft_studies.predictions import StudyPredictions
from qllmft_studies.report.table import chosen_on

SEEDS = (5, 6)


@pytest.fixture
def study_with_mask(tiny_outcome):
    """(predictions, record) of the tiny study as if settings were chosen on two other seeds."""
    folder, record, _ = tiny_outcome
    record = replace(record, choosing_seeds=SEEDS, rule="The best.")
    predictions = StudyPredictions.from_folder(folder)
    return predictions.with_choosing_mask(record, str(folder / "texts.tsv")), record


def test_the_column_leaves_out_the_texts_that_the_choosing_seeds_drew(
    tiny_outcome, study_with_mask, tmp_path
):
    """Compare with the texts themselves, by a set of them in place of their hashes."""
    predictions, record = study_with_mask
    predictions.write(tmp_path)
    predictions = StudyPredictions.from_folder(tmp_path)
    data = DataConfig(source=str(tiny_outcome[0] / "texts.tsv"), n_per_label=20)
    corpus = read_corpus(data)
    drawn_texts = {
        text
        for seed in SEEDS
        for table in (
            split_corpus(corpus, data, seed).train,
            split_corpus(corpus, data, seed).validation,
        )
        for text in table.texts
    }
    results = predictions.recompute(record)
    shares = []
    for seed in record.seeds:
        test = split_corpus(corpus, data, seed).test
        shares.append(np.mean([text in drawn_texts for text in test.texts]))
        n_fresh = sum(text not in drawn_texts for text in test.texts)
        marks = predictions.choosing_mask[predictions.answers["test", seed].texts]
        assert (~marks).sum() == n_fresh < len(test)
    assert results.test_drawn == pytest.approx(shares)
    texts = [{*predictions.answers["test", seed].texts.tolist()} for seed in predictions.seeds]
    common = [len(a & b) / len(a) for a in texts for b in texts if a is not b]
    assert results.test_shared == pytest.approx(sum(common) / len(common))
    for row, original in zip(results.rows, record.rows, strict=True):
        assert row.test == original.test
        for place, seed in enumerate(record.seeds):
            test = predictions.answers["test", seed]
            fresh = [i for i, text in enumerate(test.texts) if not predictions.choosing_mask[text]]
            right = sum(int(test.answers[row.label][i] == test.labels[i]) for i in fresh)
            assert row.test_apart[place] == pytest.approx(right / len(fresh))
    words = chosen_on(results)
    assert words.startswith(
        f"{100 * np.mean(shares):.0f} % of a seed's test texts are drawn texts of seeds 5 to 6"
    )
    assert chosen_on(record) == ""


def test_data_that_does_not_fit_is_refused(tiny_outcome, study_with_mask, tmp_path):
    folder, plain, _ = tiny_outcome
    predictions, record = study_with_mask
    with pytest.raises(
        UserError, match=r"the study tiny chose none on seeds of its own. Omit --data"
    ):
        predictions.with_choosing_mask(plain, str(folder / "texts.tsv"))
    lines = (folder / "texts.tsv").read_text().splitlines()
    changed_texts = tmp_path / "other.tsv"
    changed_texts.write_text("\n".join([*lines[:-1], lines[-1] + " and more"]))
    with pytest.raises(
        UserError, match=r"has the fingerprint \w+, and the study's data \w+. Give the same"
    ):
        predictions.with_choosing_mask(record, str(changed_texts))


@pytest.mark.parametrize("wrong", [np.zeros(1, np.uint8), np.zeros(3), "all"])
def test_marks_of_another_form_are_refused(study_with_mask, tmp_path, wrong):
    predictions, _ = study_with_mask
    file = predictions.write(tmp_path)
    arrays = dict(np.load(file))
    n = len(predictions.hashes)
    arrays["drawn"] = np.packbits(np.ones(n, bool)) if isinstance(wrong, str) else wrong
    np.savez_compressed(file, **arrays)
    with pytest.raises(UserError, match="its array 'drawn'"):
        StudyPredictions.from_folder(tmp_path)
