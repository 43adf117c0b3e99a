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
def stored_study(tiny_outcome, tmp_path):
    """A folder with the record and the answers alone."""
    folder = tmp_path / "kept"
    folder.mkdir()
    for name in FILES[:2]:
        shutil.copy(tiny_outcome[0] / name, folder / name)
    return folder


def test_all_files_from_the_answers_are_those_from_the_runs(tiny_outcome, stored_study, tmp_path):
    record, _ = finish_from_predictions(stored_study, tmp_path / "again")
    assert record == tiny_outcome[1]
    for name in FILES:
        assert (tmp_path / "again" / name).read_bytes() == (tiny_outcome[0] / name).read_bytes(), (
            name
        )


def test_the_answers_are_those_of_the_runs(tiny_outcome):
    """Compare with the runs' own files, text by text, by another way: as bags of (label, answer)."""
    folder, record, _ = tiny_outcome
    predictions = StudyPredictions.from_folder(folder)
    for row in record.rows:
        for seed in record.seeds:
            answers = RunFolder(folder / "runs" / row.runs[seed]).read_predictions()
            model = next(name for name in answers.answers if name == row.model)
            split_answers = predictions.answers["test", seed]
            pairs = sorted(
                zip(answers.labels.tolist(), answers.answers[model].tolist(), strict=True)
            )
            assert (
                sorted(
                    zip(
                        split_answers.labels.tolist(),
                        split_answers.answers[row.label].tolist(),
                        strict=True,
                    )
                )
                == pairs
            )
            right = (
                predictions.answers["validation", seed].answers[row.label]
                == predictions.answers["validation", seed].labels
            ).mean()
            assert right == row.validation[seed]


def test_a_changed_answer_changes_the_page(tiny_outcome, stored_study):
    predictions = StudyPredictions.from_folder(stored_study)
    test = predictions.answers["test", 0]
    # the first row is right everywhere
    answers = {**test.answers, predictions.rows[0]: test.labels}
    changed = {**predictions.answers, ("test", 0): replace(test, answers=answers)}
    replace(predictions, answers=changed).write(stored_study)
    record, page = finish_from_predictions(stored_study, stored_study)
    assert record.rows[0].test[0] == 1.0
    assert record.rows[1:] == tiny_outcome[1].rows[1:]
    assert page.read_bytes() != tiny_outcome[2].read_bytes()
    assert json.loads((stored_study / "study.json").read_text())["rows"][0]["test"][0] == 1.0


def test_no_text_and_no_folder_is_kept(tiny_outcome, stored_study):
    folder, record, _ = tiny_outcome
    texts = [line.split("\t")[1] for line in (folder / "texts.tsv").read_text().splitlines()[1:]]
    with np.load(stored_study / FILE_NAME, allow_pickle=False) as arrays:
        content = (
            b"".join(arrays[name].tobytes() for name in arrays)
            + (stored_study / "study.json").read_bytes()
        )
    assert not any(text.encode() in content for text in texts)
    body = next(
        v
        for k, v in StudyPredictions.from_folder(stored_study).settings["Single"].items()
        if k == "body.model"
    )
    assert body == record.body.model == record.settings["body.model"]
    assert "/" not in body
    assert len(record.body.weights) == 64


def test_the_command(tiny_outcome, stored_study, tmp_path, cli):
    cli("study", STUDY.name, "--from-predictions", stored_study, "--out", tmp_path / "out")
    assert (tmp_path / "out" / "report.html").read_bytes() == tiny_outcome[2].read_bytes()


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
def test_a_command_that_does_not_fit(stored_study, arguments, message, cli):
    assert message in cli.refused("study", *arguments, "--from-predictions", stored_study)


@pytest.mark.parametrize("content", [None, b"", b"{}", b"PK\x05\x06" + bytes(18)])
def test_predictions_that_cannot_be_read(stored_study, content):
    (stored_study / FILE_NAME).unlink()
    if content is not None:
        (stored_study / FILE_NAME).write_bytes(content)
    with pytest.raises(UserError, match="is missing" if content is None else "cannot be read"):
        finish_from_predictions(stored_study, stored_study)


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
    answers_by_seed = {(split, 1): answers for split in ("validation", "test")}
    curves = {"row": np.array([[7, 5], [1, 2]])}
    predictions = StudyPredictions(
        ("row",),
        (1,),
        np.arange(3, dtype=np.uint64),
        np.array([0, 1, 1]),
        answers_by_seed,
        {},
        curves,
    )
    with np.load(predictions.write(tmp_path)) as arrays:
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
        zipfile.ZipFile(tmp_path / "whole.npz") as archive,
        zipfile.ZipFile(tmp_path / FILE_NAME, "w") as wrong,
    ):
        for part in archive.namelist():
            content = b"\x93NUMPY\x01\0" + len(header).to_bytes(2, "little") + header + b"N."
            wrong.writestr(part, content if part == "labels.npy" else archive.read(part))
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
def test_any_value_in_a_study_record(data, value, stored_study, tmp_path_factory):
    """All that a study's record goes into is made from it, or refused."""
    folder = tmp_path_factory.mktemp("any")
    content = json.loads((stored_study / "study.json").read_text())
    changed = with_value(content, data.draw(st.sampled_from(list(places(content)))), value)
    for name, new in (
        ("study.json", json.dumps(changed).encode()),
        (FILE_NAME, (stored_study / FILE_NAME).read_bytes()),
    ):
        (folder / name).write_bytes(new)
    with contextlib.suppress(UserError):
        finish_from_predictions(folder, folder / "out")


BY_SEED = r"row '.*' has \[\d, \d\] values by seed, expected one number|epochs"
# the part of a record, the name of a value in it, another value, and what the error says
RECORDS = [
    ("row", "parameters", [], BY_SEED),
    *(("row", name, [1.0], BY_SEED) for name in ("test", "validation_loss", "epochs")),
    *(
        ("record", "study", name, r"the name is '.*', and folders and figures are named")
        for name in ("../../outside", "a/b", "..", "")
    ),
    ("subjects", "group", "<b>", "the group '(<b>)?' has no row of the side 'baseline'"),
    ("subjects", "side", "baseline", "no row has the side 'subject'"),
    ("record", "bodies", ["a"], r"bodies has \['a'\], expected groups with rows of both sides"),
]


@pytest.mark.parametrize(("part", "name", "value", "message"), RECORDS)
def test_a_record_that_contradicts_itself_is_refused(stored_study, part, name, value, message):
    content = json.loads((stored_study / "study.json").read_text())
    content["contrasts"] = []
    subjects = [row for row in content["rows"] if row["side"] == "subject"]
    for place in {"row": content["rows"][1:2], "record": [content], "subjects": subjects}[part]:
        place[name] = value
    (stored_study / "study.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=message):
        read_study(stored_study)


def test_predictions_of_other_rows_are_refused(stored_study):
    record = read_study(stored_study)
    predictions = StudyPredictions.from_folder(stored_study)
    renamed = replace(predictions, rows=("A", *predictions.rows[1:]))
    with pytest.raises(UserError, match="Keep both files of one study together"):
        renamed.recompute(record)
    answers = {
        key: replace(
            of_split, answers=dict(zip(renamed.rows, of_split.answers.values(), strict=True))
        )
        for key, of_split in predictions.answers.items()
    }
    replace(renamed, answers=answers, settings={}, curves={}).write(stored_study)
    with pytest.raises(UserError, match="Keep both files of one study together"):
        write_study_report(stored_study)


def test_an_answer_that_is_a_label_of_training_texts_alone_is_kept(tmp_path):
    """The third label is that of no validation or test text, and a model answers it."""
    labels = np.array([0, 1, 1])
    answered_labels = np.array([2, 1, 2])
    answers = SplitAnswers(CLASSIFICATION, labels, {"row": answered_labels}, np.arange(3))
    answers_by_seed = {(split, 1): answers for split in ("validation", "test")}
    hashes = np.arange(3, dtype=np.uint64)
    StudyPredictions(("row",), (1,), hashes, labels, answers_by_seed, {}, {}).write(tmp_path)
    kept_answers = StudyPredictions.from_folder(tmp_path).answers["test", 1].answers["row"]
    np.testing.assert_array_equal(kept_answers, answered_labels)


def test_ten_seeds_of_twenty_rows_on_sst2_take_less_than_two_megabytes(tmp_path):
    """9,101 test texts, 88 % right, as independent as answers can be: real ones agree more and take less."""
    rng = np.random.default_rng(0)
    rows = 20
    seeds = 10
    pool = 9613
    labels = rng.integers(0, 2, pool)
    answers_by_seed = {}
    names = tuple(f"row {i}" for i in range(rows))
    for seed in range(seeds):
        for split, size in (("validation", 77), ("test", 9101)):
            texts = np.sort(rng.choice(pool, size, replace=False))
            wrong = rng.random((size, rows)) < 0.12
            answers_by_seed[split, seed] = _answers(names, texts, labels[texts], wrong)
    hashes = np.sort(rng.integers(0, 2**63, pool, dtype=np.uint64))
    written = StudyPredictions(names, tuple(range(seeds)), hashes, labels, answers_by_seed, {}, {})
    assert written.write(tmp_path).stat().st_size < 1_000_000
    reloaded = StudyPredictions.from_folder(tmp_path)
    assert all(
        (reloaded.answers[key].answers[name] == answers_by_seed[key].answers[name]).all()
        for key in answers_by_seed
        for name in names
    )


def _answers(names, texts, labels, wrong):
    by_row = {
        name: np.where(is_wrong, 1 - labels, labels)
        for name, is_wrong in zip(names, wrong.T, strict=True)
    }
    return SplitAnswers(CLASSIFICATION, labels, by_row, texts)
