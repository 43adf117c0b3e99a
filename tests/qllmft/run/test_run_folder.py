"""The folder of a run: its identity, its files, and the errors of other folders."""

import json
import os
from dataclasses import asdict

import pytest
from tiny_runs import config

from qllmft.config import RunConfig
from qllmft.config.presets import load_preset
from qllmft.run import ModelResult, RunFolder, RunRecord
from qllmft.run.record import BodyRecord, DataRecord
from qllmft.tasks.accuracy import Accuracy
from qllmft.training import EpochMetrics
from qllmft_base.errors import UserError


def epoch(number: int) -> EpochMetrics:
    return EpochMetrics(number, 0.7 / number, 0.1 + 1e-17, 1 / 3, 2.5e-3, 0.01 * number)


@pytest.fixture
def folder(out) -> RunFolder:
    return RunFolder(out)


@pytest.fixture
def settings(corpus) -> RunConfig:
    return config(corpus)


@pytest.mark.parametrize(
    "overrides",
    [
        {"backend.options": {"dtype": "float64"}},
        {"data.source": 'a "quoted"\\path é\n', "data.n_per_label": 7, "data.subset": "s", "data.revision": "r"},
        {"model.readout": "latent", "model.encoder_qubits": 11},
        {"train.lr": 1e-300, "train.weight_decay": 0.1 + 0.2, "seed": 2**63 - 1},
        {"baselines.names": [], "body.device": "cpu"},
    ],
    ids=str,
)  # fmt: skip
def test_config_toml_holds_odd_values_too(overrides, folder):
    run_config = load_preset("single-10q").config(overrides)
    folder.open_for(run_config)
    assert folder.read_config() == run_config


def test_an_empty_folder_may_become_a_run_and_is_opened_again(folder, settings):
    folder.path.mkdir()
    folder.open_for(settings)
    folder.write_metrics(epoch(1))
    folder.started_file.write_text("2026-01-02T03:04:05+00:00")
    folder.open_for(settings)  # an unfinished run goes on: nothing is lost
    assert folder.metrics() == [epoch(1)]
    assert {p.name for p in folder.path.iterdir()} == {".started", "config.toml", "metrics.jsonl"}
    assert folder.start_time == "2026-01-02T03:04:05+00:00"
    folder.started_file.write_text("yesterday")
    with pytest.raises(UserError, match=r"\.started cannot be read: .* Delete it. The record is"):
        _ = folder.start_time


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"train__lr": 0.1}, "train.lr"),
        ({"seed": 4}, "seed"),
        ({"model__n_qubits": 4, "train__epochs": 9, "seed": 8}, "model.n_qubits, seed, train.epochs"),
        ({"baselines__names": ["svc"]}, "baselines.names"),
        ({"model__encoder_qubits": 3}, "model.encoder_qubits"),
    ],
)  # fmt: skip
def test_a_run_of_another_configuration_is_refused_and_the_differences_named(
    changes, named, folder, corpus
):
    folder.open_for(config(corpus))
    content = folder.config_file.read_bytes()
    message = (
        f"the folder {folder.path} holds a run of another configuration. They differ in {named}. "
        "Choose another folder with --out, or delete that one."
    )
    for check in (folder.open_for, folder.check_holds):
        with pytest.raises(UserError) as caught:
            check(config(corpus, **changes))
        assert str(caught.value) == message
    assert folder.config_file.read_bytes() == content


def test_what_cannot_change_a_result_makes_no_other_run(folder, corpus):
    folder.open_for(config(corpus))
    folder.open_for(config(corpus, body__batch_size=7, body__device="cpu"))
    assert folder.read_config().body.batch_size == 7


@pytest.mark.parametrize(
    "name", [".config.toml.4711", "..lock-holder.4711", ".lock", ".lock-holder"]
)
def test_a_folder_in_which_a_process_was_killed_as_it_began_may_become_a_run(
    folder, settings, name
):
    folder.path.mkdir()
    (folder.path / name).write_text("half a fi")
    folder.check_holds(settings)
    folder.open_for(settings)
    assert folder.read_config() == settings


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_a_place_that_holds_something_else_is_refused_and_left_alone(kind, folder, settings):
    if kind == "folder":
        folder.path.mkdir()
        (folder.path / "thesis.tex").write_text("years of work")
    else:
        folder.path.write_text("years of work")
    with pytest.raises(
        UserError, match=f"{folder.path} exists and holds no run. Choose another folder with --out"
    ):
        folder.open_for(settings)
    assert (
        folder.path / "thesis.tex" if kind == "folder" else folder.path
    ).read_text() == "years of work"


def test_a_place_that_cannot_be_written_is_refused(tmp_path, settings):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        UserError, match=r"the run's folder .*/file/run cannot be written: Not a directory"
    ):
        RunFolder(tmp_path / "file" / "run").open_for(settings)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[train", r"config\.toml cannot be read: "),
        (b"seed = '\xff'", r"config\.toml cannot be read: .*utf-8"),
        (b"[train]\nlearning_rate = 1", r"config\.toml: train\.learning_rate \(got 1\): there is no such setting"),
        (b"[train]\nepochs = 0", r"config\.toml: train\.epochs \(got 0\)"),
    ],
)  # fmt: skip
def test_a_damaged_configuration_is_refused(content, message, folder, settings):
    folder.open_for(settings)
    folder.config_file.write_bytes(content)
    for reader in (folder.read_config, lambda: folder.open_for(settings)):
        with pytest.raises(UserError, match=message):
            reader()


@pytest.mark.parametrize(
    "value", ["9" * 400, "-" + "9" * 400, "NaN", "Infinity", "1e999", '"a"', "[]"]
)
def test_metrics_end_at_a_value_that_is_no_finite_number(folder, value):
    folder.path.mkdir()
    folder.write_metrics(epoch(1))
    line = json.dumps(asdict(epoch(2)) | {"train_loss": "?"}).replace('"?"', value)
    with folder.metrics_file.open("a") as file:
        file.write(f"{line}\n")
    assert folder.metrics() == [epoch(1)]


def test_metrics_come_back_to_the_last_digit_and_those_after_the_checkpoint_are_dropped(folder):
    assert folder.metrics() == []
    folder.path.mkdir()
    with pytest.raises(UserError, match=r"run is not a run: there is no config\.toml in it"):
        folder.read_config()
    for number in (1, 2, 3):
        folder.write_metrics(epoch(number))
    lines = folder.metrics_file.read_text().splitlines()
    assert [json.loads(line) for line in lines] == [asdict(epoch(n)) for n in (1, 2, 3)]
    for done in (4, 3, 1, 0):
        folder.keep_metrics_until(done)
        assert folder.metrics() == [epoch(number) for number in range(1, min(done, 3) + 1)]


@pytest.mark.parametrize("cut", [1, 20, -2, -1])
def test_a_last_line_that_a_crash_cut_short_is_left_out(folder, cut):
    folder.path.mkdir()
    folder.write_metrics(epoch(1))
    line = json.dumps(asdict(epoch(2)))
    with folder.metrics_file.open("a") as file:
        file.write(line[:cut])
    assert folder.metrics() == [epoch(1)]
    folder.keep_metrics_until(5)
    folder.write_metrics(epoch(2))  # a continued run goes on below a whole line
    assert folder.metrics() == [epoch(1), epoch(2)]


def test_the_result_comes_back_and_is_there_only_when_it_is_written(folder):
    folder.path.mkdir()
    assert folder.read_result() is None
    accuracy = Accuracy(1, 3)
    head = ModelResult("⟨Z⟩", accuracy, 7, 0.1 + 0.2, {"C": None}, 0.5, accuracy, 0.25)
    data = DataRecord(
        "texts.tsv", "f00d", ("bad", "good"), {"train": 4, "validation": 2, "test": 3}
    )
    record = RunRecord(
        "abc", 1, data, BodyRecord("minilm", "id", 384), 2, (head,), {"python": "3.12"}
    )
    folder.write_result(record)
    assert folder.read_result() == record
    assert folder.result_file.read_text(encoding="utf-8").endswith("}\n")

    content = json.loads(folder.result_file.read_text(encoding="utf-8"))
    del content["data"]["sizes"]["train"]
    folder.result_file.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(UserError, match=r"data\.sizes: there is no number of train texts"):
        folder.read_result()


@pytest.mark.parametrize("content", [b"", b'{"models": [', b"\xff\xfe"])
def test_a_damaged_result_is_refused_with_the_remedy(folder, content):
    folder.path.mkdir()
    folder.result_file.write_bytes(content)
    with pytest.raises(
        UserError,
        match=r"result\.json cannot be read: .*Delete it. The same command makes it again",
    ):
        folder.read_result()


@pytest.mark.parametrize(
    "make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "zeros"]
)
def test_metrics_that_are_a_pipe_or_a_device(folder, make):
    folder.path.mkdir()
    make(folder.metrics_file)
    for use in (folder.metrics, folder.epochs_done):
        with pytest.raises(UserError, match="is a pipe or a device"):
            use()
    with pytest.raises(UserError, match=r"is a pipe or a device|metrics\.jsonl cannot be written"):
        folder.write_metrics(epoch(1))


def test_metrics_are_not_written_through_a_link(folder):
    folder.path.mkdir()
    folder.metrics_file.symlink_to(folder.path.parent / "own")
    (folder.path.parent / "own").write_text("precious")
    with pytest.raises(UserError, match=r"metrics\.jsonl cannot be written"):
        folder.write_metrics(epoch(1))
    assert (folder.path.parent / "own").read_text() == "precious"
