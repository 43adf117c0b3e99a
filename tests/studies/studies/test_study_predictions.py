"""Kept answers of a study: all its files come from them again, without runs, and from nothing else."""

import contextlib
import json
import math
import shutil
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from any_input import ODD_VALUES, damaged, examples, places, with_value
from hypothesis import given
from hypothesis import strategies as st
from tiny_studies import STUDY

from qllmft.run import RunFolder
from qllmft.tasks import CLASSIFICATION
from qllmft_base.errors import UserError
from qllmft_studies.predictions import FILE_NAME, SplitAnswers, StudyPredictions
from qllmft_studies.record import read_study
from qllmft_studies.report import finish_from_predictions, write_study_report

# pages are compared with those of `finished`, which have their figures
pytestmark = pytest.mark.usefixtures("drawn_figures")

FILES = ("study.json", "predictions.npz", "table.md", "report.html")


@pytest.fixture
def kept(finished, tmp_path):
    """A folder with the record and the answers alone."""
    folder = tmp_path / "kept"
    folder.mkdir()
    for name in FILES[:2]:
        shutil.copy(finished[0] / name, folder / name)
    return folder


def test_all_files_from_the_answers_are_those_from_the_runs(finished, kept, tmp_path):
    record, _ = finish_from_predictions(kept, tmp_path / "again")
    assert record == finished[1]
    for name in FILES:
        assert (tmp_path / "again" / name).read_bytes() == (finished[0] / name).read_bytes(), name


def test_the_answers_are_those_of_the_runs(finished):
    """Compare with the runs' own files, text by text, by another way: as bags of (label, answer)."""
    folder, record, _ = finished
    predictions = StudyPredictions.from_folder(folder)
    for row in record.rows:
        for seed in record.seeds:
            answers = RunFolder(folder / "runs" / row.runs[seed]).read_predictions()
            model = next(name for name in answers.answers if name == row.model)
            kept = predictions.answers["test", seed]
            pairs = sorted(
                zip(answers.labels.tolist(), answers.answers[model].tolist(), strict=True)
            )
            assert (
                sorted(zip(kept.labels.tolist(), kept.answers[row.label].tolist(), strict=True))
                == pairs
            )
            right = (
                predictions.answers["validation", seed].answers[row.label]
                == predictions.answers["validation", seed].labels
            ).mean()
            assert right == row.validation[seed]


def test_a_changed_answer_changes_the_page(finished, kept):
    predictions = StudyPredictions.from_folder(kept)
    test = predictions.answers["test", 0]
    # the first row is right everywhere
    answers = {**test.answers, predictions.rows[0]: test.labels}
    changed = {**predictions.answers, ("test", 0): replace(test, answers=answers)}
    replace(predictions, answers=changed).write(kept)
    record, page = finish_from_predictions(kept, kept)
    assert record.rows[0].test[0] == 1.0
    assert record.rows[1:] == finished[1].rows[1:]
    assert page.read_bytes() != finished[2].read_bytes()
    assert json.loads((kept / "study.json").read_text())["rows"][0]["test"][0] == 1.0


def test_no_text_and_no_folder_is_kept(finished, kept):
    folder, record, _ = finished
    texts = [line.split("\t")[1] for line in (folder / "texts.tsv").read_text().splitlines()[1:]]
    with np.load(kept / FILE_NAME, allow_pickle=False) as arrays:
        content = (
            b"".join(arrays[name].tobytes() for name in arrays) + (kept / "study.json").read_bytes()
        )
    assert not any(text.encode() in content for text in texts)
    body = next(
        v
        for k, v in StudyPredictions.from_folder(kept).settings["Single"].items()
        if k == "body.model"
    )
    assert body == record.body.model == record.settings["body.model"]
    assert "/" not in body
    assert len(record.body.weights) == 64


def test_the_command(finished, kept, tmp_path, cli):
    cli("study", STUDY.name, "--from-predictions", kept, "--out", tmp_path / "out")
    assert (tmp_path / "out" / "report.html").read_bytes() == finished[2].read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["other"], "holds the predictions of the study tiny"),
        (["tiny", "--seeds 3"], "--seeds cannot change"),
        (["tiny", "--body x --jobs 2"], "--body, --jobs cannot change"),
        (["tiny", "--registered x.json"], "--registered cannot change"),
        (["tiny", "--preset fig11"], "--preset cannot change"),
    ],
)
def test_a_command_that_does_not_fit(kept, arguments, message, cli):
    assert message in cli.refused("study", *arguments, "--from-predictions", kept)


@pytest.mark.parametrize("content", [None, b"", b"{}", b"PK\x05\x06" + bytes(18)])
def test_predictions_that_cannot_be_read(kept, content):
    (kept / FILE_NAME).unlink()
    if content is not None:
        (kept / FILE_NAME).write_bytes(content)
    with pytest.raises(UserError, match="is missing" if content is None else "cannot be read"):
        finish_from_predictions(kept, kept)


ABOUT = {
    "rows": [1],
    "seeds": [1, 1],
    "labels": 0,
    "settings": 3,
    "curves": "x",
    "format": math.inf,
    "more": 1,
}
ODD_ARRAYS = [
    np.array(3), np.zeros(3), np.zeros((3, 1, 1), int), np.array(["a"]), np.array([-1]), np.array([2**63], np.uint64),
    np.array([], int),
]  # fmt: skip


@pytest.fixture
def small(tmp_path):
    """Predictions of one row, three texts and one seed; the arrays as in the file."""
    answers = _answers(("row",), np.arange(3), np.array([0, 1, 1]), np.zeros((3, 1), bool))
    found = {(split, 1): answers for split in ("validation", "test")}
    curves = {"row": np.array([[7, 5], [1, 2]])}
    whole = StudyPredictions(
        ("row",), (1,), np.arange(3, dtype=np.uint64), np.array([0, 1, 1]), found, {}, curves
    )
    with np.load(whole.write(tmp_path)) as arrays:
        return dict(arrays)


def unreadable(folder):
    with pytest.raises(UserError, match=r"predictions\.npz cannot be read") as caught:
        StudyPredictions.from_folder(folder)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("name", ABOUT)
def test_odd_descriptions_are_refused(small, tmp_path, name):
    about = json.loads(small["about"].tobytes()) | {name: ABOUT[name]}
    np.savez(
        tmp_path / FILE_NAME,
        **small | {"about": np.frombuffer(json.dumps(about).encode(), np.uint8)},
    )
    unreadable(tmp_path)


@pytest.mark.parametrize("odd", ODD_ARRAYS, ids=lambda odd: f"{odd.dtype}{odd.shape}")
def test_odd_arrays_are_refused(small, tmp_path, odd):
    for name in small.keys() - {"about"}:
        np.savez(tmp_path / FILE_NAME, **small | {name: odd})
        unreadable(tmp_path)


@pytest.mark.parametrize(
    "shape", ["(1000000000000,)", f"({'9' * 25},)", "(-3,)", "(" * 3000 + ")" * 3000]
)
@pytest.mark.parametrize("kind", ["<f8", "|O"])
def test_arrays_whose_headers_are_wrong_are_refused(small, tmp_path, shape, kind):
    np.savez(tmp_path / "whole", **small)
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    with (
        zipfile.ZipFile(tmp_path / "whole.npz") as whole,
        zipfile.ZipFile(tmp_path / FILE_NAME, "w") as wrong,
    ):
        for part in whole.namelist():
            content = b"\x93NUMPY\x01\0" + len(header).to_bytes(2, "little") + header + b"N."
            wrong.writestr(part, content if part == "labels.npy" else whole.read(part))
    unreadable(tmp_path)


@examples(25)
@given(data=st.data())
def test_any_predictions(data, small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("any")
    np.savez(folder / "whole", **small)
    (folder / FILE_NAME).write_bytes(data.draw(damaged((folder / "whole.npz").read_bytes())))
    with contextlib.suppress(UserError):
        StudyPredictions.from_folder(folder)


@examples(6)
@given(data=st.data(), value=st.sampled_from([*ODD_VALUES, -1e308, "<b>", "\x1b[2J"]))
def test_any_value_in_a_study_record(data, value, kept, tmp_path_factory):
    """All that a study's record goes into is made from it, or refused."""
    folder = tmp_path_factory.mktemp("any")
    content = json.loads((kept / "study.json").read_text())
    changed = with_value(content, data.draw(st.sampled_from(list(places(content)))), value)
    for name, new in (
        ("study.json", json.dumps(changed).encode()),
        (FILE_NAME, (kept / FILE_NAME).read_bytes()),
    ):
        (folder / name).write_bytes(new)
    with contextlib.suppress(UserError):
        finish_from_predictions(folder, folder / "out")


@pytest.mark.parametrize("name", ["parameters", "test", "validation_loss", "epochs"])
def test_a_row_with_another_number_of_values_is_refused(kept, tmp_path, name):
    content = json.loads((kept / "study.json").read_text())
    content["rows"][1][name] = [content["rows"][1]["test"][0]] if name != "parameters" else []
    (tmp_path / "study.json").write_text(json.dumps(content))
    with pytest.raises(
        UserError, match=r"row '.*' has \[\d, \d\] values by seed, expected one number|epochs"
    ):
        read_study(tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("group", "<b>", "the group '(<b>)?' has no row of the side 'baseline'"),
        ("side", "baseline", "no row has the side 'subject'"),
        ("bodies", ["a"], r"bodies has \['a'\], expected groups with rows of both sides"),
    ],
)
def test_a_row_without_another_one_to_compare_is_refused(kept, tmp_path, name, value, message):
    content = json.loads((kept / "study.json").read_text())
    content["contrasts"] = []
    subjects = [row for row in content["rows"] if row["side"] == "subject"]
    for place in [content] if name == "bodies" else subjects:
        place[name] = value
    (tmp_path / "study.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=message):
        read_study(tmp_path)


def test_predictions_of_other_rows_are_refused(kept):
    record = read_study(kept)
    predictions = StudyPredictions.from_folder(kept)
    others = replace(predictions, rows=("A", *predictions.rows[1:]))
    with pytest.raises(UserError, match="Keep both files of one study together"):
        others.recompute(record)
    answers = {
        key: replace(
            of_split, answers=dict(zip(others.rows, of_split.answers.values(), strict=True))
        )
        for key, of_split in predictions.answers.items()
    }
    replace(others, answers=answers, settings={}, curves={}).write(kept)
    with pytest.raises(UserError, match="Keep both files of one study together"):
        write_study_report(kept)


def test_an_answer_that_is_a_label_of_training_texts_alone_is_kept(tmp_path):
    """The third label is that of no validation or test text, and a model answers it."""
    labels = np.array([0, 1, 1])
    given = np.array([2, 1, 2])
    answers = SplitAnswers(CLASSIFICATION, labels, {"row": given}, np.arange(3))
    found = {(split, 1): answers for split in ("validation", "test")}
    hashes = np.arange(3, dtype=np.uint64)
    StudyPredictions(("row",), (1,), hashes, labels, found, {}, {}).write(tmp_path)
    kept_answers = StudyPredictions.from_folder(tmp_path).answers["test", 1].answers["row"]
    np.testing.assert_array_equal(kept_answers, given)


@pytest.mark.parametrize("name", ["../../outside", "a/b", "..", ""])
def test_a_record_whose_name_leads_to_another_folder_is_refused(kept, name):
    content = json.loads((kept / "study.json").read_text())
    (kept / "study.json").write_text(json.dumps({**content, "study": name}))
    with pytest.raises(UserError, match=r"the name is '.*', and folders and figures are named"):
        read_study(kept)


def test_ten_seeds_of_twenty_rows_on_sst2_take_less_than_two_megabytes(tmp_path):
    """9,101 test texts, 88 % right, as independent as answers can be: real ones agree more and take less."""
    rng, rows, seeds, pool = np.random.default_rng(0), 20, 10, 9613
    labels = rng.integers(0, 2, pool)
    found, names = {}, tuple(f"row {i}" for i in range(rows))
    for seed in range(seeds):
        for split, size in (("validation", 77), ("test", 9101)):
            texts = np.sort(rng.choice(pool, size, replace=False))
            wrong = rng.random((size, rows)) < 0.12
            found[split, seed] = _answers(names, texts, labels[texts], wrong)
    hashes = np.sort(rng.integers(0, 2**63, pool, dtype=np.uint64))
    written = StudyPredictions(names, tuple(range(seeds)), hashes, labels, found, {}, {})
    assert written.write(tmp_path).stat().st_size < 1_000_000
    again = StudyPredictions.from_folder(tmp_path)
    assert all(
        (again.answers[key].answers[name] == found[key].answers[name]).all()
        for key in found
        for name in names
    )


def _answers(names, texts, labels, wrong):
    by_row = {
        name: np.where(each, 1 - labels, labels) for name, each in zip(names, wrong.T, strict=True)
    }
    return SplitAnswers(CLASSIFICATION, labels, by_row, texts)
