"""A whole study of a second: its record, no work done twice, and the same bits after kills."""

import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from forked_scripts import Script
from small_texts import write_corpus
from tiny_studies import COMMAND, STUDY, Watcher, settings

from qllmft.config import parse_config
from qllmft.events import Message, ignore
from qllmft.run import RunFolder, SharedInputs
from qllmft_backends.errors import BackendError
from qllmft_base.errors import UserError
from qllmft_studies import checks, local
from qllmft_studies.comparison import differences_by_seed, find_leaders
from qllmft_studies.executors import Executor
from qllmft_studies.file import Study, load_study
from qllmft_studies.predictions import StudyPredictions
from qllmft_studies.record import read_study
from qllmft_studies.study import run_study
from qllmft_studies.verdict import verdict

LABELS = [f"{label}, seed {seed}" for seed in (0, 1) for label in ("Single", "Short", "NN head")]
EPOCHS = 3

# pages are compared with that of `tiny_outcome`, which has its figures
pytestmark = pytest.mark.usefixtures("drawn_figures")


@pytest.fixture
def run(tiny_body):
    def call(folder, texts, listener=ignore, study=STUDY, **changes):
        return run_study(
            study, folder, settings(texts, tiny_body) | changes, COMMAND, Executor(listener)
        )

    return call


def test_every_row_has_its_runs_values(tiny_outcome):
    folder, record, _ = tiny_outcome
    # SVC, logistic regression and the NN head share runs
    assert len(list((folder / "runs").iterdir())) == 3 * 2
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


def test_rows_of_a_seed_have_the_same_split_and_seeds_have_others(tiny_outcome):
    folder, record, _ = tiny_outcome

    def labels(seed):
        runs = [RunFolder(folder / "runs" / row.runs[seed]) for row in record.rows]
        return {tuple(run.read_predictions().labels) for run in runs}

    assert len(labels(0)) == len(labels(1)) == 1
    assert labels(0) != labels(1)


def test_discordant_answers_add_up_to_the_difference_of_accuracies(tiny_outcome):
    folder, record, page = tiny_outcome
    subject, baseline = find_leaders(record)
    for seed, difference in differences_by_seed(
        StudyPredictions.from_folder(folder), subject, baseline
    ).items():
        assert difference["total"] == len(
            RunFolder(folder / "runs" / subject.runs[seed]).read_predictions().labels
        )
        assert difference["value"] == pytest.approx(subject.test[seed] - baseline.test[seed])
    assert "McNemar" in page.read_text()


def test_study_json_holds_what_the_page_says_and_can_be_read_again(tiny_outcome):
    folder, record, _ = tiny_outcome
    content = json.loads((folder / "study.json").read_text())
    assert read_study(folder) == record
    lines = verdict(record)
    assert content["verdict"] == lines.as_dict()
    table = (folder / "table.md").read_text("utf-8")
    assert f"**{lines.headline}**\n\n{lines.sentences['lead']}\n\n| fact | value |\n" in table
    for name, value in lines.facts.items():
        markdown = value.replace("> ", "\\> ")
        assert f"| {name} | {markdown} |" in table
    baselines = [c["baseline"] for c in content["comparisons"]]
    assert baselines == ["SVC", "Logistic regression", "NN head"]
    subject = next(row for row in record.rows if row.label == content["comparisons"][0]["subject"])
    assert content["comparisons"][0]["difference"]["value"] == pytest.approx(
        float(np.mean(subject.test) - np.mean(record.rows[2].test))
    )
    assert content["intervals95"]["SVC"]["n"] == 2
    assert "seconds" not in (folder / "study.json").read_text()


def test_a_finished_study_trains_nothing_again(tiny_outcome, run, monkeypatch):
    folder, record, _ = tiny_outcome
    monkeypatch.setattr("qllmft.training.head.fit", None)
    watcher = Watcher()
    assert run(folder, folder / "texts.tsv", watcher) == record
    assert {(s.runs, s.finished, s.share) for s in watcher.looks} == {(6, 6, 1.0)}
    assert watcher.began == []


def test_all_of_the_work_is_reported(observed_outcome):
    _, watcher = observed_outcome
    shares = [look.share for look in watcher.looks]
    assert shares[0] == 0.0
    assert shares[-1] == 1.0
    assert shares == sorted(shares)
    assert len(set(shares)) > 6 * EPOCHS
    assert {look.finished for look in watcher.looks} == set(range(7))
    assert watcher.began == watcher.ended == LABELS


def test_the_texts_are_reported_once_before_any_training(observed_outcome):
    (folder, _, _), watcher = observed_outcome
    ((begun, checked),) = watcher.checks
    assert begun == 0
    assert checked.labels[0].split() == ["label", "rows", "training", "validation", "test"]
    assert [line.split()[:2] for line in checked.labels[1:]] == [
        ["negative", "35"],
        ["positive", "35"],
    ]
    assert checked.tables[0].startswith("texts.tsv: 70 rows")
    # as a run alone reports them
    config = RunFolder(next((folder / "runs").iterdir())).read_config()
    assert SharedInputs().check(config.data, 0).labels == checked.labels


@pytest.mark.parametrize("read_test", [True, False])
def test_what_the_language_model_reads_is_reported_once_for_all_runs(tmp_path, read_test):
    for split in ("train", "test"):
        rows = "".join(
            f"{'👍' * i}{split} {split},good\nA dull lamp {split} {i},bad\n" for i in range(1, 9)
        )
        (tmp_path / f"{split}.csv").write_text(f"text,label\n{rows}")
    tree = {"data": {"source": str(tmp_path), "protocol": "given"}, "body": {"model": "minilm"}}
    configs = [parse_config({**tree, "seed": seed}, "the test") for seed in (0, 1)]
    watcher = Watcher()
    checks.report_texts(configs, SharedInputs(), watcher, read_test=read_test)
    assert len(watcher.checks) == 1
    unknown = [text for text in watcher.messages if "that minilm does not know" in text]
    assert len(unknown) == 1
    assert unknown[0].startswith(f"{16 if read_test else 8} texts hold")


def test_rows_with_rules_and_bodies_of_their_own(texts, tmp_path, run, tiny_body):
    """A setting that differs between rows is reported as such."""
    second_body = shutil.copytree(tiny_body, tmp_path / "other")
    rows = [row.model_dump() for row in (STUDY.rows[0], STUDY.rows[4])]
    rows[0]["settings"] = {"train.select": "last", "body.model": str(second_body)}
    common = settings(texts, tiny_body)
    rows = [
        {**row, "settings": {"body.model": common["body.model"], **row["settings"]}} for row in rows
    ]
    study = Study.model_validate({**STUDY.model_dump(), "rows": rows, "seeds": 1, "epochs": 1})
    del common["body.model"]
    record = run_study(study, tmp_path / "study", common, COMMAND)
    assert record.select == "of each row"
    assert str(record.body) == f"other, {tiny_body.name}"
    assert (tmp_path / "study" / "report.html").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data.source": "/nowhere.tsv"}, "there is no file or folder"),
        ({"data.text_column": "nothing"}, "no column 'nothing'"),
        ({"body.model": "/nowhere"}, "there is no folder /nowhere"),
        ({"backend.name": "abacus"}, "abacus"),
    ],
)
def test_bad_input_stops_before_any_work(texts, tmp_path, run, monkeypatch, change, message):
    monkeypatch.setattr(local, "run_tracked", None)
    with pytest.raises((UserError, BackendError), match=message):
        run(tmp_path / "study", texts, **change)
    assert not (tmp_path / "study").exists()


def test_a_model_that_does_not_fit_the_labels_stops_before_any_work(tmp_path, run, monkeypatch):
    three = write_corpus(tmp_path / "three.tsv", labels="abc")
    monkeypatch.setattr(local, "run_tracked", None)
    with pytest.raises(
        UserError, match="table4, Single sQE 14Q, no final linear, seed 0: the data has 3 labels"
    ):
        run(tmp_path / "out", three, study=load_study("table4"), **{"model.encoder_qubits": 4})
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file"):
        run(tmp_path / "file", three)


def bits(folder):
    """Every file that a study leaves, by name; of records the seconds aside."""
    names = ("study.json", "predictions.npz", "table.md", "report.html")
    files = {name: (folder / name).read_bytes() for name in names}
    for run_folder in (folder / "runs").iterdir():
        for name in ("model/model.safetensors", "checkpoint/state.safetensors", "predictions.json"):
            files[f"{run_folder.name}/{name}"] = (run_folder / name).read_bytes()
    return files


def test_three_processes_share_a_study_two_are_killed_and_it_ends_in_the_same_bits(
    tiny_outcome, tmp_path, tiny_body, run
):
    """A stands still in its first run; B leaves that alone, and is killed within an epoch of another one.

    C goes on with it, and is killed while it fits a baseline; this process goes on with that, and waits for A.
    """
    single_folder, record, _ = tiny_outcome
    texts = single_folder / "texts.tsv"
    out = tmp_path / "study"
    logs = [tmp_path / f"log-{name}" for name in "abc"]
    places = (
        ("Single, seed 0", 2),
        ("Single, seed 1", 2),
        ("NN head, seed 1", "logistic regression"),
    )
    script = Path(__file__).with_name("study_process.py")
    standing = []
    for log, place in zip(logs, places, strict=True):
        process = Script(script, texts, tiny_body, out, log, *place)
        process.wait_until_it_stands()
        standing.append(process)
        if process is not standing[0]:
            process.kill()
    times = {path: path.stat().st_mtime_ns for path in (out / "runs").glob("*/result.json")}
    assert len(times) == 4

    class LetsAGoOn(Watcher):
        def __call__(self, event):
            super().__call__(event)
            if isinstance(event, Message) and event.text.endswith(". Waiting for it."):
                Path(f"{logs[0]}.go").touch()

    watcher = LetsAGoOn()
    assert run(out, texts, watcher) == record
    assert watcher.began == ["NN head, seed 1"]  # the others were finished, and are not touched
    assert watcher.looks[0].finished == 4
    assert {path: path.stat().st_mtime_ns for path in times} == times
    standing[0].wait()
    trained = [line for log in logs for line in log.read_text().splitlines()]
    by_run = [{line.rpartition(";")[0] for line in log.read_text().splitlines()} for log in logs]
    assert by_run[0] == {"Single, seed 0"}
    assert by_run[1] == {"Short, seed 0", "NN head, seed 0", "Single, seed 1"}
    assert by_run[2] == {"Single, seed 1", "Short, seed 1", "NN head, seed 1"}
    assert len(set(trained)) == 6 * EPOCHS
    # the epoch of the kill
    assert [line for line, n in Counter(trained).items() if n > 1] == ["Single, seed 1; 2"]
    assert read_study(out) == record
    assert bits(out) == bits(single_folder)


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
        read_study(tmp_path)


@pytest.mark.parametrize(("name", "printed"), [("sst2", 90.21), ("reviews", None)])
def test_the_papers_numbers_are_beside_its_own_texts_only(
    run, tmp_path, monkeypatch, name, printed
):
    (tmp_path / name).mkdir()
    texts = write_corpus(tmp_path / name / "train.tsv").parent
    study = STUDY.model_copy(update={"rows": STUDY.rows[:1] + STUDY.rows[-1:]})
    record = run(tmp_path / "study", texts, study=study, **{"data.protocol": "paper"})
    assert Path(record.data.source).name == name
    published = record.rows[0].published
    assert (published and published.accuracy) == printed
