"""Runs that are refused, before any work if possible."""

import pytest
from tiny_runs import config, write_corpus

from qllmft.run import run_experiment
from qllmft_base.errors import UserError


def test_what_cannot_work_is_refused_before_the_texts_are_embedded(corpus, tmp_path, body):
    three = write_corpus(tmp_path / "three.tsv", labels=("bad", "good", "fair"))
    with pytest.raises(
        UserError, match=r"the data has 3 labels. The sign of one qubit .* Set model.final_linear"
    ):
        run_experiment(config(three, model__final_linear=False), tmp_path / "three")
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file" / "run", tmp_path / "file" / "deeper" / "run"):
        with pytest.raises(UserError, match=r"cannot be written: .*file is not a directory"):
            run_experiment(config(corpus), out)
    assert body.calls == []


def test_a_folder_that_may_not_be_written_is_refused_before_the_texts_are_read(
    corpus, tmp_path, body, monkeypatch
):
    monkeypatch.setattr("qllmft.run.folder.os.access", lambda path, mode: path != tmp_path)
    with pytest.raises(UserError, match=r"cannot be written: .* is not writable"):
        run_experiment(config(corpus, data__source="no-such-file.tsv"), tmp_path / "deep" / "run")
    assert body.calls == []


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        (
            {"baselines__names": ["svc", "knn"], "data__source": "/no/such.tsv"},
            UserError,
            "baselines.names has 'knn', expected",
        ),
        ({"data__n_per_label": 35}, UserError, "35 texts per label leave none of 70 for the test"),
    ],
    ids=str,
)
def test_bad_input_stops_a_run_before_any_work(corpus, out, body, changes, error, message):
    with pytest.raises(error, match=message):
        run_experiment(config(corpus, **changes), out)
    assert body.calls == []
    assert not out.exists()


def test_an_encoder_too_small_for_the_body_leaves_no_folder(corpus, out):
    with pytest.raises(
        UserError, match="embedding has 8 values, and 2 encoder qubits hold 4 amplitudes"
    ):
        run_experiment(config(corpus, model__n_qubits=2), out)
    assert not out.exists()
