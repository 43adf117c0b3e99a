"""Records from folders equal those from a summary, which names nothing of this computer."""

import json
from dataclasses import replace

import pytest

from lab.paper.page import select_paper_runs
from lab.paper.runs import read_runs, thin_curve, write_runs
from qllmft_base.errors import UserError
from qllmft_studies.runs import Curve


def test_a_summary_equals_its_folders(made_run, tmp_path):
    made_run(
        "single-10q", 801, baselines=[("SVC", 300, 850, 66)], train__lr=1e-3, train__epochs=100
    )
    made_run("multi-14q", 812, seed=2, curve=[(0.7, 0.5), (0.6, 0.61)])
    records = read_runs([tmp_path / "runs"])
    file = tmp_path / "records.json"
    write_runs(records, file, records[1:])
    summaries = read_runs([file])
    for a, b in zip(records, summaries, strict=True):
        curve = a.curve if a is records[1] else None
        assert replace(a, curve=curve, record=b.record) == b
        assert (a.record.models, a.record.data.sizes) == (b.record.models, b.record.data.sizes)
        assert (a.config.data.source, a.record.data.source, b.record.data.source) == (
            "sst2",
            "/data/sst2",
            "sst2",
        )
    assert {run.validation_loss for run in summaries} == {None, 0.5}
    assert "/data" not in file.read_text()
    assert len(file.read_text().splitlines()) == 2 + 2, "a line a run"


def test_a_summary_of_a_summary_is_the_same_file(made_run, tmp_path):
    for seed in (1, 0):
        made_run("multi-14q", 800 + seed, seed=seed, curve=[(0.71234567, 0.5)] * 7)
    first = tmp_path / "1.json"
    second = tmp_path / "2.json"
    for source, file in ((tmp_path / "runs", first), (first, second)):
        runs, curved = select_paper_runs(read_runs([source]))
        write_runs(runs, file, curved)
    assert first.read_text() == second.read_text()
    assert [record.config.seed for record in read_runs([first])] == [0, 1]


def test_a_summary_keeps_runs_of_the_paper_once(made_run, tmp_path):
    made_run("single-10q", 801)
    made_run("single-10q", 801, folder="copy")
    made_run("sines", 900)
    made_run("single-10q", 870, model__reuploads=2)
    made_run("single-14q", 805, model__main_layers=5)  # of figure 9
    runs, curved = select_paper_runs(read_runs([tmp_path]))
    assert sorted(record.record.head.test.right for record in runs) == [801, 805]
    assert not curved


def test_a_curve_is_thinned_to_its_last_epoch():
    epochs = tuple(range(1, 801))
    curve = thin_curve(Curve(epochs, tuple(0.123456 for _ in epochs), tuple(0.5 for _ in epochs)))
    assert len(curve.epochs) == len(curve.train_loss) == len(curve.score) == 200
    assert (curve.epochs[-1], curve.train_loss[0]) == (800, 0.1235)
    assert curve.epochs[1] - curve.epochs[0] == 4
    assert thin_curve(Curve((), (), ())) == Curve((), (), ())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is neither a folder of runs nor a .json file"),
        ("{", "is not a summary that `python -m lab.paper page` wrote"),
        ('{"format": 9, "runs": []}', "has format 9, expected 1"),
        ('{"format": 1, "runs": [{}]}', "is not a summary"),
        ('{"format": 1, "runs": [{"settings": []}]}', "is not a summary"),
        *((content, "is not a summary") for content in ('{"a": 1}', "[]", "null", "[" * 100_000)),
        ('{"format": 1, "runs": []}', "there is no finished run"),
    ],
)
def test_another_file_is_refused(tmp_path, content, message):
    file = tmp_path / "records.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(UserError, match=message) as caught:
        read_runs([file])
    assert str(file) in str(caught.value)


def test_a_folder_without_runs_and_a_strange_record_are_refused(made_run, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="there is no finished run under"):
        read_runs([tmp_path / "empty"])
    run = made_run("single-10q")
    (run / "result.json").write_text(json.dumps({"models": []}))
    with pytest.raises(
        UserError, match="is not a run's record of the form that this version writes: identity"
    ):
        read_runs([tmp_path / "runs"])
