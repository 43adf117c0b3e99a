"""A whole study of a second: what it records, that nothing is done twice, and that kills cost no bit."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_studies import SETTINGS, STUDY

from qllmft.errors import UserError
from qllmft.experiments.compare import StudyReporter, read_record, run_study
from qllmft.experiments.compare import work as the_work
from qllmft.report import finish_study
from qllmft.run import RunFolder
from qllmft_backends.errors import BackendError


class Watcher(StudyReporter):
    def __init__(self):
        self.began, self.plan, self.done, self.messages = [], None, 0.0, []

    def message(self, text):
        self.messages.append(text)

    def runs(self, total, finished, cost):
        self.plan = (total, finished, cost)

    def run(self, label, seed):
        self.began.append((label, seed))

    def worked(self, cost, *, earlier=False):
        self.done += cost


def run(folder, texts, reporter=None, **settings):
    given = {**SETTINGS, "data.source": str(texts)} | settings
    return run_study(STUDY, folder, given, "qllmft study tiny --data <texts>", reporter)


def test_every_row_has_its_runs_values(finished):
    folder, record, _ = finished
    assert len(list((folder / "runs").iterdir())) == 3 * 2  # SVC, logistic regression and the NN head share runs
    for row in record.rows:
        for seed, identity in enumerate(row.runs):
            result = RunFolder(folder / "runs" / identity).read_result().to_json()
            assert (result["identity"], result["seed"]) == (identity, seed)
            name = {"SVC": "SVC", "Logistic regression": "logistic regression"}.get(row.label)
            model = next(m for m in result["models"] if name is None or m["name"] == name)
            assert row.test[seed] == model["test"]["value"]
            assert row.validation[seed] == model["validation"]["value"]
            assert row.parameters[seed] == model["parameters"]
            assert row.epochs == () or row.epochs[seed] == result["selected_epoch"]
    assert record.rows[2].runs == record.rows[4].runs
    assert record.redrawn
    assert not record.as_published


def test_rows_of_a_seed_have_the_same_split_and_seeds_have_others(finished):
    folder, record, _ = finished
    labels = [
        [tuple(RunFolder(folder / "runs" / row.runs[seed]).read_predictions().labels) for row in record.rows]
        for seed in (0, 1)
    ]
    assert len(set(labels[0])) == len(set(labels[1])) == 1
    assert labels[0][0] != labels[1][0]


def test_study_json_holds_what_the_page_says_and_can_be_read_again(finished):
    folder, record, _ = finished
    content = json.loads((folder / "study.json").read_text())
    assert read_record(folder) == record
    assert content["verdict"] in (folder / "table.md").read_text()
    assert [c["rival"] for c in content["comparisons"]] == ["SVC", "Logistic regression", "NN head"]
    subject = next(row for row in record.rows if row.label == content["comparisons"][0]["subject"])
    assert content["comparisons"][0]["difference"]["mean"] == pytest.approx(
        float(np.mean(subject.test) - np.mean(record.rows[2].test))
    )
    assert content["intervals95"]["SVC"]["n"] == 2
    assert "seconds" not in (folder / "study.json").read_text()


def test_a_finished_study_trains_nothing_again(finished, monkeypatch):
    folder, record, _ = finished
    monkeypatch.setattr("qllmft.rivals.trained.fit", None)
    watcher = Watcher()
    assert run(folder, folder / "texts.tsv", watcher) == record
    assert (watcher.plan, watcher.began, watcher.done) == ((6, 6, 0), [], 0)


def test_the_whole_cost_is_reported_as_done(texts, tmp_path):
    watcher = Watcher()
    run(tmp_path / "study", texts, watcher)
    assert watcher.plan[:2] == (6, 0)
    assert watcher.done == pytest.approx(watcher.plan[2])
    assert watcher.began == [(label, seed) for seed in (0, 1) for label in ("Single", "Short", "NN head")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data.source": "/nowhere.tsv"}, "there is no file or folder"),
        ({"data.n_per_label": 1000}, "1000 texts a label"),
        ({"body.model": "/nowhere"}, "there is no folder /nowhere"),
        ({"backend.name": "abacus"}, "abacus"),
    ],
)
def test_bad_input_stops_before_any_work(texts, tmp_path, monkeypatch, change, message):
    monkeypatch.setattr(the_work, "run_experiment", None)
    with pytest.raises((UserError, BackendError), match=message):
        run(tmp_path / "study", texts, **change)
    assert not (tmp_path / "study").exists()


def test_a_model_that_does_not_fit_the_labels_stops_before_any_work(tmp_path, monkeypatch):
    from qllmft.experiments.compare import STUDIES

    three = tmp_path / "three.tsv"
    three.write_text("text\tlabel\n" + "".join(f"{k} text {i}\t{k}\n" for i in range(30) for k in "abc"))
    monkeypatch.setattr(the_work, "run_experiment", None)
    with pytest.raises(UserError, match="the data has 3 labels"):
        run_study(STUDIES["table4"], tmp_path / "out", {**SETTINGS, "data.source": str(three)}, "")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file"):
        run_study(STUDY, tmp_path / "file", {**SETTINGS, "data.source": str(three)}, "")


def kill(texts, out, label, seed, where):
    """Start the study, and kill it when it stands still."""
    script = Path(__file__).with_name("killed_study.py")
    arguments = [sys.executable, str(script), str(texts), str(out), label, str(seed), where]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        said = process.stdout.readline()
        process.kill()  # SIGKILL
        assert said == b"now\n", process.stderr.read().decode()
    assert process.returncode == -9


def bits(folder):
    """Every file that a study leaves, by name; of records the seconds aside."""
    names = ("study.json", "table.md", "report.html")
    found = {name: (folder / name).read_bytes() for name in names}
    for run_folder in (folder / "runs").iterdir():
        for name in ("model/model.safetensors", "checkpoint/state.safetensors", "predictions.json"):
            found[f"{run_folder.name}/{name}"] = (run_folder / name).read_bytes()
    return found


def test_killed_twice_it_ends_in_the_same_bits(finished, tmp_path):
    whole, record, _ = finished
    texts, out = whole / "texts.tsv", tmp_path / "study"
    kill(texts, out, "Short", 0, "2")  # within an epoch of the second run
    began = {path.name for path in (out / "runs").iterdir()}
    assert len(began) == 2
    kill(texts, out, "NN head", 1, "logistic regression")  # a rival is being fitted in the last run
    times = {path: path.stat().st_mtime_ns for path in (out / "runs").glob("*/result.json")}
    assert len(times) == 5
    watcher = Watcher()
    again = run(out, texts, watcher)
    finish_study(out, again)
    assert watcher.began == [("NN head", 1)]  # the others were finished, and are not touched
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert again == record
    assert bits(out) == bits(whole)


def test_a_run_on_texts_that_changed_is_refused(finished, tmp_path):
    folder = shutil.copytree(finished[0], tmp_path / "copy")
    source = finished[0] / "texts.tsv"
    before = source.read_text()
    try:
        source.write_text(before + "another text\tgood\n")
        with pytest.raises(UserError, match="has changed since"):
            run(folder, source)
    finally:
        source.write_text(before)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no finished study"),
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        ('{"format": 9}', "format 9"),
        ('{"format": 1}', "cannot be read"),
    ],
)
def test_a_record_that_cannot_be_read(tmp_path, content, message):
    if content is not None:
        (tmp_path / "study.json").write_text(content)
    with pytest.raises(UserError, match=message):
        read_record(tmp_path)
