"""`qllmft runs`: list, compare and delete run folders."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tomli_w
from command_line import result_of
from scipy import stats

import qllmft
from qllmft import UserError, load
from qllmft.heads import build_classifier
from qllmft.run.lock import sole_use
from qllmft.tasks.accuracy import DiscordantTexts
from qllmft_base.files import write_json

GOLDEN = Path(__file__).parents[2] / "golden" / "run"


@pytest.fixture
def runs(tmp_path):
    """A folder with the same run twice: in the second, three answers differ, and so does the learning rate."""
    folder = tmp_path / "runs"
    shutil.copytree(GOLDEN, folder / "one")
    shutil.copytree(GOLDEN, folder / "two")
    answers = json.loads((folder / "one" / "predictions.json").read_text())
    head = next(iter(answers["answers"]))
    for i in range(3):
        answers["answers"][head][i] = 1 - answers["answers"][head][i]
    (folder / "two" / "predictions.json").write_text(json.dumps(answers))
    config = (folder / "two" / "config.toml").read_text()
    assert "\nlr = 0.05" in config
    (folder / "two" / "config.toml").write_text(config.replace("\nlr = 0.05", "\nlr = 0.04"))
    return folder


def test_a_list_has_data_preset_and_accuracy_of_each_run(runs, cli):
    rows = cli.json("runs", runs)
    assert {row["name"] for row in rows} == {"one", "two"}
    first = next(row for row in rows if row["name"] == "one")
    assert first["data"] == "texts.tsv"
    assert first["test"] == "68.8"
    assert first["what"] == "3 qubits"
    output = cli("runs", runs)[0]
    assert "one" in output
    assert max(map(len, output.splitlines()[:-1])) <= 80
    (runs / "one" / "result.json").write_text("{")
    output, messages = cli("runs", runs)
    assert "two" in output
    assert "result.json cannot be read" in messages


def test_a_list_reads_a_run_that_chose_its_structure_and_names_a_head_without_qubits(
    runs, cli, made_run
):
    result = result_of(runs / "one")
    tried = [
        {"name": name, "right": right, "total": 9, "loss": 0.5, "parameters": 7}
        for name, right in (("odd", 8), ("reuploading", 6))
    ]
    choice = {"choice": {"tried": tried, "folds": 5}}
    (runs / "one" / "result.json").write_text(json.dumps(result | choice))
    odd_run = made_run("odd")
    rows = {row["name"]: row["what"] for row in cli.json("runs", runs)}
    assert rows == {"one": "3 qubits", "two": "3 qubits", odd_run.name: "linear"}


@pytest.mark.parametrize(
    ("preset", "labels", "settings", "text"),
    [
        ("sines", 1, {"data.task": "regression"}, "7 qubits"),
        ("sines", 6, {}, "7 qubits"),
        ("sines", 9, {}, "10 qubits"),
        ("sines", 9, {"data.task": "multilabel"}, "10 qubits"),
        ("sines", 12, {}, "13 qubits"),
        ("sines", 13, {}, "16 qubits, 2 registers"),
        ("sines", 24, {}, "27 qubits, 3 registers"),
        ("sines", 40, {"model.n_qubits": 13}, "13 qubits"),
        ("sines", 9, {"model.registers": 4, "model.n_qubits": 8}, "8 qubits, 4 registers"),
        ("multi-14q", 9, {}, "14 qubits"),
        ("odd", 9, {}, "linear"),
        ("nn-head-48", 9, {}, "network"),
    ],
)
def test_a_list_has_the_qubits_of_the_trained_head(cli, tmp_path, preset, labels, settings, text):
    config = qllmft.load_preset(preset).config(settings)
    folder = tmp_path / "runs" / "nine"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(
        tomli_w.dumps(config.model_dump(mode="json", exclude_none=True))
    )
    width = cli.json("runs", tmp_path / "runs")[0]["what"]  # the texts are not read yet
    is_fixed = "model.n_qubits" in settings or preset != "sines"
    assert width == (text if is_fixed else "7 or more qubits").split(",")[0]
    write_json(
        folder / "checkpoint" / "texts.json",
        {"fingerprint": "0", "labels": [f"label {i}" for i in range(labels)]},
    )
    assert cli.json("runs", tmp_path / "runs")[0]["what"] == text
    if "qubits" in text:
        head = build_classifier(config.model, 255, labels).head
        sizes = [head.circuit.num_qubits * head.registers, head.registers]
        assert [int(word) for word in text.split() if word.isdigit()] == sizes[
            : text.count(",") + 1
        ]


def test_two_runs_are_compared_text_by_text(runs, cli):
    comparison = cli.json("runs", runs, "--compare one two")
    assert list(comparison["settings"]) == ["train.lr"]
    low, high = comparison["difference"]["interval95"]
    assert low < comparison["difference"]["value"] < high
    text = cli("runs", runs, "--compare", runs / "one", runs / "two")[0]
    assert "First minus second on the same 16 texts" in text


def test_features_of_pairs_are_no_other_split(runs, cli):
    file = runs / "two" / "config.toml"
    config = file.read_text()
    assert "[data]\n" in config
    file.write_text(config.replace("[data]\n", '[data]\npair_features = "both"\n', 1))
    assert "First minus second on the same" in cli("runs", runs, "--compare one two")[0]


def test_the_interval_of_a_paired_difference_is_walds_with_one_more_text_of_either_kind():
    differences = np.repeat([1.0, -1.0, 0.0], [3 + 1, 1 + 1, 12])
    error = stats.norm.ppf(0.975) * differences.std() / np.sqrt(len(differences))
    ends = [differences.mean() - error, differences.mean() + error]
    assert DiscordantTexts(3, 1, 16).interval == pytest.approx(ends)


def test_runs_of_other_seeds_are_paired_on_a_test_of_the_data(runs, cli):
    for name, seed in (("one", 9), ("two", 10)):
        result = result_of(runs / name) | {"seed": seed}
        result["data"]["split"] = "the data's own test"
        (runs / name / "result.json").write_text(json.dumps(result))
        config = (runs / name / "config.toml").read_text()
        protocol = config.replace('protocol = "paper"', 'protocol = "split"')
        (runs / name / "config.toml").write_text(protocol)
    assert "First minus second on the same" in cli("runs", runs, "--compare one two")[0]


def test_a_run_is_deleted_unless_it_is_in_use_or_has_paid_jobs(runs, cli, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert "nothing was deleted" in cli.refused("runs", runs, "--delete one")
    assert (runs / "one").exists()
    (runs / "two" / "ledger").mkdir()
    assert "ledger of paid jobs" in cli.refused("runs", runs, "--delete one --delete two --yes")
    (runs / "two" / "ledger").rmdir()
    with sole_use(runs / "two", None):
        assert "another process works on" in cli.refused("runs", runs, "--delete two --yes")
    assert len(cli("runs", runs, "--delete one --delete two --yes")[0].splitlines()) == 2
    assert not list(runs.iterdir())
    assert "There is no run" in cli("runs", runs)[0]
    assert "there is no folder" in cli.refused("runs", runs / "nowhere")


def test_the_question_shows_a_name_as_it_is_and_its_end_is_no_consent(runs, cli, monkeypatch):
    (runs / "one").rename(runs / "a\x1b[2Jb")
    for answer in ("n\n", ""):
        monkeypatch.setattr("sys.stdin", io.StringIO(answer))
        messages = cli.refused("runs", runs, "--delete", "a\x1b[2Jb")
        assert r"/a\x1b[2Jb? [y/n]" in messages
        assert "nothing was deleted" in messages
    assert "\x1b" not in cli("report", runs / "a\x1b[2Jb")[0]


def test_a_model_that_was_not_trained_gives_no_answers_and_a_part_trained_one_says_so(
    run, cli, tmp_path
):
    """The files of a run that Ctrl-C ended, in its first epoch and after two."""
    copy = shutil.copytree(run.path, tmp_path / "stopped")
    for name in ("result.json", "predictions.json", "report.html", "novelty.safetensors"):
        (copy / name).unlink()
    lines = (copy / "metrics.jsonl").read_text().splitlines(keepends=True)
    (copy / "metrics.jsonl").write_text("".join(lines[:2]))
    of = f"of {len(lines)} epochs"
    warning = f"the run in {copy} is not finished: its model was trained for 2 {of}.\n"
    answering = [["predict", copy, "a film"], ["evaluate", copy], ["explain", copy, "a film"]]
    for command in answering:
        assert warning in cli(*command)[1]
    assert load(copy).unfinished == warning.removesuffix(".\n")
    (copy / "metrics.jsonl").unlink()
    other_commands = [["push", copy, "me/mine", "--dry-run"]]
    other_commands += [[command, copy] for command in ("serve", "analyse", "export")]
    for command in (*answering, *other_commands):
        assert f"0 {of}. Finish it: qllmft train --config " in cli.refused(*command), command
    with pytest.raises(UserError, match="is not finished: 0 of"):
        load(copy)
