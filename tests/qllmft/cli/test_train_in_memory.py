"""`qllmft.train` on texts in memory: the run's name, its record and report, and what can be done with it later."""

import json
import sys

import pandas as pd
import pytest
from small_texts import write_reviews

from qllmft.api import train
from qllmft.progress import LineListener

pytestmark = pytest.mark.usefixtures("few_penalties")


class Lines(LineListener):
    """Keeps what is said."""

    def __init__(self):
        super().__init__()
        self.messages = []

    def message(self, text):
        self.messages.append(text)

    def line(self, text):
        pass


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A file of reviews."""
    return write_reviews(tmp_path_factory.mktemp("memory") / "reviews.tsv")


@pytest.fixture
def frame(table):
    """The texts of the file in memory."""
    return pd.read_csv(table, sep="\t")


@pytest.fixture(scope="module")
def settings(tiny_body):
    return {
        "data__n_per_label": 20, "body__model": str(tiny_body), "model__n_qubits": 3, "model__n_encoders": 1,
        "model__encoder_qubits": 5, "model__encoder_layers": 2, "train__epochs": 3, "baselines__names": [],
    }  # fmt: skip


@pytest.fixture(scope="module")
def frame_run(table, settings):
    """A run on the texts in memory."""
    return train(pd.read_csv(table, sep="\t"), out=table.with_name("run"), **settings)


def test_the_run_is_named_by_the_texts_and_goes_on_with_the_same(
    tmp_path, monkeypatch, frame, settings
):
    monkeypatch.chdir(tmp_path)
    first = train(frame, **settings)
    assert (
        first.record.data.source
        == f"in memory: DataFrame of 80 rows ({first.record.data.fingerprint})"
    )
    assert first.folder.report_file.is_file()
    lines = Lines()
    second = train(frame.copy(), on_event=lines, **settings)
    assert (second.folder.path, second.record) == (first.folder.path, first.record)
    assert "finished already" in lines.messages[0]
    changed = train(frame.assign(text=frame["text"] + "!"), **settings)
    assert changed.record.identity != first.record.identity
    content = "".join(
        path.read_text(errors="replace")
        for path in first.folder.path.rglob("*.*")
        if path.is_file()
    )
    wrong = {mistake.text for mistake in first.folder.read_predictions().mistakes}
    assert not [text for text in frame["text"] if text in content and text not in wrong]


def test_the_file_of_the_same_texts_gives_the_same_weights(tmp_path, table, settings, frame_run):
    of_file = train(table, out=tmp_path / "run", **settings)
    assert frame_run.record.models[0].test == of_file.record.models[0].test
    weights = [run.folder.model_folder / "model.safetensors" for run in (frame_run, of_file)]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_such_a_run_is_verified_and_says_what_its_evaluation_needs(tmp_path, cli, frame, frame_run):
    run = frame_run.folder.path
    cli("verify", run)
    _, message = cli("evaluate", run, code=2)
    assert "the texts were given to Python (in memory: DataFrame of 80 rows" in message
    assert "with --data" in message
    semicolons = tmp_path / "other.csv"
    frame.loc[len(frame)] = ["positive", ""]
    frame.to_csv(semicolons, sep=";", index=False)
    evaluation = cli.json("evaluate", run, f"--data {semicolons} --delimiter ';' --bad-rows skip")
    assert evaluation["accuracy"]["total"] == 80
    frame = frame[:-1]
    frame.to_csv(semicolons, sep=";", index=False)
    answers = cli("predict", run, "--file", semicolons, "--delimiter ';'")[0].splitlines()
    assert [line.split("\t")[2] for line in answers] == frame["text"].tolist()
    frame.to_parquet(tmp_path / "other.parquet")
    assert cli("predict", run, "--file", tmp_path / "other.parquet")[0].splitlines() == answers
    for option, value in (("--delimiter", ";"), ("--columns", "a,b")):
        message = cli.refused("predict", run, "--file", tmp_path / "other.parquet", option, value)
        assert f"{option} is '{value}', and the texts are those of other.parquet" in message
    assert "expected one character" in cli.refused(
        "predict", run, "--file", semicolons, "--delimiter ';;'"
    )


def test_findings_are_said_once_and_recorded(tmp_path, frame, settings):
    frame.loc[len(frame)] = frame.loc[0]
    frame.loc[len(frame)] = ["negative", ""]
    lines = Lines()
    outcome = train(
        frame,
        out=tmp_path / "run",
        on_event=lines,
        data__bad_rows="skip",
        **settings | {"data__n_per_label": 60},
    )
    messages = "\n".join(lines.messages)
    assert messages.count("1 row is left out: split 'all', row 82: the text is empty.") == 1
    assert messages.count("Duplicates: 1 text occurs more than once") == 1
    assert messages.count("60 per label are requested.") == 1
    content = json.loads(outcome.folder.result_file.read_text())
    assert content["data"]["findings"]["skipped_rows"] == 1
    assert content["data"]["findings"]["drawn"] == {"negative": 32, "positive": 33}
    assert outcome.folder.read_result() == outcome.record


def test_a_prompt_sees_lines_and_a_notebook_a_table(tmp_path, monkeypatch, capsys, frame, settings):
    settings = settings | {"baselines__names": ["logistic_regression"]}
    train(frame, out=tmp_path / "a", **settings)
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    outcome = train(frame, out=tmp_path / "b", **settings)
    lines = capsys.readouterr().out
    assert "embedded 56 texts with" in lines
    assert "epoch 3/3  loss " in lines
    assert "fitting logistic regression" in lines
    table = outcome._repr_html_()
    head = outcome.record.head
    best = max(outcome.record.models, key=lambda m: m.validation.value)
    assert repr(outcome) == (
        f"<TrainedRun {tmp_path / 'b'}: {head.name} {head.test} accuracy on the test texts, "
        f"selected on validation: {best.name} {best.validation.plain}>"
    )
    assert f"<td>{head.parameters}</td><td>{100 * head.validation.value:.1f} %</td>" in table
    assert f"<td>{100 * head.test.value:.2f} % [" in table
    assert table.count("<tr>") == 4 + 3, "models and comparisons"
    assert "DataFrame of 80 rows" in table
