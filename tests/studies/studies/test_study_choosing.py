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
def marked(finished):
    """(predictions, record) of the tiny study as if settings were chosen on two other seeds."""
    folder, record, _ = finished
    record = replace(record, choosing_seeds=SEEDS, rule="The best.")
    kept = StudyPredictions.from_folder(folder)
    return kept.with_choosing_mask(record, str(folder / "texts.tsv")), record


def test_the_column_leaves_out_the_texts_that_the_choosing_seeds_drew(finished, marked, tmp_path):
    """Compare with the texts themselves, by a set of them in place of their hashes."""
    predictions, record = marked
    predictions.write(tmp_path)
    predictions = StudyPredictions.from_folder(tmp_path)
    data = DataConfig(source=str(finished[0] / "texts.tsv"), n_per_label=20)
    corpus = read_corpus(data)
    drawn = {
        text
        for seed in SEEDS
        for table in (
            split_corpus(corpus, data, seed).train,
            split_corpus(corpus, data, seed).validation,
        )
        for text in table.texts
    }
    found = predictions.recompute(record)
    shares = []
    for seed in record.seeds:
        test = split_corpus(corpus, data, seed).test
        shares.append(np.mean([text in drawn for text in test.texts]))
        left = sum(text not in drawn for text in test.texts)
        marks = predictions.choosing_mask[predictions.answers["test", seed].texts]
        assert (~marks).sum() == left < len(test)
    assert found.test_drawn == pytest.approx(shares)
    texts = [{*predictions.answers["test", seed].texts.tolist()} for seed in predictions.seeds]
    common = [len(a & b) / len(a) for a in texts for b in texts if a is not b]
    assert found.test_shared == pytest.approx(sum(common) / len(common))
    for row, before in zip(found.rows, record.rows, strict=True):
        assert row.test == before.test
        for place, seed in enumerate(record.seeds):
            test = predictions.answers["test", seed]
            apart = [i for i, text in enumerate(test.texts) if not predictions.choosing_mask[text]]
            right = sum(int(test.answers[row.label][i] == test.labels[i]) for i in apart)
            assert row.test_apart[place] == pytest.approx(right / len(apart))
    words = chosen_on(found)
    assert words.startswith(
        f"{100 * np.mean(shares):.0f} % of a seed's test texts are drawn texts of seeds 5 to 6"
    )
    assert chosen_on(record) == ""


def test_data_that_does_not_fit_is_refused(finished, marked, tmp_path):
    folder, plain, _ = finished
    predictions, record = marked
    with pytest.raises(
        UserError, match=r"the study tiny chose none on seeds of its own. Omit --data"
    ):
        predictions.with_choosing_mask(plain, str(folder / "texts.tsv"))
    lines = (folder / "texts.tsv").read_text().splitlines()
    other = tmp_path / "other.tsv"
    other.write_text("\n".join([*lines[:-1], lines[-1] + " and more"]))
    with pytest.raises(
        UserError, match=r"has the fingerprint \w+, and the study's data \w+. Give the same"
    ):
        predictions.with_choosing_mask(record, str(other))


@pytest.mark.parametrize("wrong", [np.zeros(1, np.uint8), np.zeros(3), "all"])
def test_marks_of_another_form_are_refused(marked, tmp_path, wrong):
    predictions, _ = marked
    file = predictions.write(tmp_path)
    arrays = dict(np.load(file))
    n = len(predictions.hashes)
    arrays["drawn"] = np.packbits(np.ones(n, bool)) if isinstance(wrong, str) else wrong
    np.savez_compressed(file, **arrays)
    with pytest.raises(UserError, match="its array 'drawn'"):
        StudyPredictions.from_folder(tmp_path)
