"""How the command line ends where it is stopped: Ctrl-C, and a reader that has left."""

import contextlib
import errno
import io
import os
import signal
import sys
import time
from dataclasses import replace
from unittest.mock import Mock

import pytest
from command_line import metrics_of
from small_job import EPOCHS

import qllmft.training.loop
from qllmft.config.model import Section
from qllmft.embed.adapter import replace_folder
from qllmft.inference import Predictor
from qllmft.run import RunFolder
from qllmft_base.errors import UserError


def interrupt(*arguments, **options):
    raise KeyboardInterrupt


def test_ctrl_c_ends_with_130_and_a_word(run, cli, monkeypatch):
    monkeypatch.setattr(Predictor, "load", interrupt)
    assert cli("predict", run.path, "a text", code=130) == ("", "interrupted\n")


@pytest.mark.usefixtures("usual_ctrl_c")
def test_ctrl_c_that_falls_into_a_destructor_is_not_lost(run, cli, monkeypatch):
    class Interrupted:
        def __del__(self):
            raise KeyboardInterrupt

    def load_and_interrupt(*arguments, **options):
        Interrupted()  # Python says "Exception ignored in" and goes on
        for _ in range(1000):  # one long sleep would go on to its end
            time.sleep(0.01)

    monkeypatch.setattr(Predictor, "load", load_and_interrupt)
    assert cli("predict", run.path, "a text", code=130) == ("", "interrupted\n")


def test_ctrl_c_that_falls_into_what_pydantic_calls_is_not_lost(run, cli, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(
            Section, "non_default_names", interrupt
        )  # called in serialising a configuration
        assert cli("report", run.path, code=130) == ("", "interrupted\n")
    cli("report", run.path)


@pytest.mark.usefixtures("usual_ctrl_c")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_while_a_baseline_trains_leaves_no_result_and_the_run_goes_on(
    run, cli, tmp_path, monkeypatch, number
):
    original = qllmft.training.loop.Training.run

    def stopped_at_the_perceptron(training, *arguments):
        def train_on(*batch):
            if training.model.encoder is None:
                signal.raise_signal(number)
            return training.train_on(*batch)

        return original(replace(training, train_on=train_on), *arguments)

    arguments = run.arguments(tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr(qllmft.training.loop.Training, "run", stopped_at_the_perceptron)
        output, _ = cli(*arguments, code=128 + number)
    assert "Interrupted after epoch 6 of 6. Missing: baselines and test." in output
    assert not (tmp_path / "out" / "result.json").exists()
    metrics = metrics_of(tmp_path / "out")
    result = cli.json(*arguments)
    for model, expected in zip(result["models"], run.result["models"], strict=True):
        assert (model["name"], model["test"]) == (expected["name"], expected["test"])
    assert metrics_of(tmp_path / "out") == metrics, "the head's epochs are not trained again"


@pytest.mark.parametrize("folds", ["", "--protocol split --folds 2"])
def test_ctrl_c_in_a_fit_of_scikit_learn_names_what_is_missing(
    run, cli, tmp_path, monkeypatch, folds
):
    folder = tmp_path / "out"
    arguments = [*run.arguments(folder), *folds.split()]

    with monkeypatch.context() as patch:
        patch.setattr("sklearn.svm.SVC.fit", interrupt)
        output, _ = cli(*arguments, code=130)
    if folds:
        assert "Interrupted after 0 of 2 folds. The same command continues" in output
        return
    assert f"Interrupted after epoch {EPOCHS} of {EPOCHS}. Missing: baselines and test." in output
    assert "The same command continues from the last checkpoint." in output
    assert (
        f"its model was trained for {EPOCHS} of {EPOCHS} epochs (missing: baselines and test)."
        in cli("predict", folder, "a good film")[1]
    )
    refusal = cli.refused("report", folder)
    assert f"{EPOCHS} of {EPOCHS} epochs (missing: baselines and test). Finish it:" in refusal
    assert cli.json("runs", folder)[0]["test"] == "not tested"
    assert len(cli.json(*arguments)["models"]) == len(run.result["models"])


def test_ctrl_c_before_there_is_a_run_says_that_it_starts_again(run, cli, tmp_path, monkeypatch):
    monkeypatch.setattr("qllmft.run.vectors.embed", interrupt)
    output, _ = cli(*run.arguments(tmp_path / "out"), code=130)
    assert output == "Interrupted. The same command starts again.\n"


@pytest.mark.usefixtures("usual_ctrl_c")
def test_ctrl_c_keeps_what_there_is_and_the_run_goes_on(run, cli, tmp_path, monkeypatch):
    folder = tmp_path / "out"
    arguments = [*run.arguments(folder), "--no-baselines"]
    write = RunFolder.write_metrics

    def write_and_stop(self, metrics):
        write(self, metrics)
        if metrics.epoch == 3:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(qllmft.training.loop, "CHECKPOINT_EVERY_S", -1.0)
        patch.setattr(RunFolder, "write_metrics", write_and_stop)
        output, _ = cli(*arguments, code=130)
    assert (
        f"Interrupted after epoch 3 of {EPOCHS}. The best model so far is in {folder}/model. "
        in output
    )
    assert "The same command continues from the last checkpoint." in output
    assert not (folder / "result.json").exists()
    assert cli("predict", folder, "a good film")[0].endswith("\ta good film\n")
    assert "continuing after epoch " in cli(*arguments)[1]
    assert (folder / "result.json").exists()


@pytest.mark.parametrize(
    "command", [["predict", "RUN", "a good film"], ["info"], ["info", "--json"]], ids=" ".join
)
def test_a_reader_that_has_left_ends_it_silently(run, monkeypatch, capsys, command):
    from qllmft.cli.main import main

    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", buffering=1) as output:
        monkeypatch.setattr(sys, "stdout", output)
        monkeypatch.setattr(sys, "stderr", sys.stderr)  # typer wraps both
        with pytest.raises(SystemExit) as end:
            main([str(run.path) if argument == "RUN" else argument for argument in command])
        assert end.value.code == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)], ids=str)
def test_closed_standard_streams(run, closed, tmp_path):
    """A file that is opened later does not get the descriptor of a closed stream, and nothing is printed into it."""
    from qllmft.cli.main import main

    child = os.fork()
    if child == 0:
        code = 99
        with contextlib.suppress(BaseException):
            for number in closed:
                os.close(number)
            sys.stdin, sys.stdout, sys.stderr = (
                None if number in closed else os.fdopen(number, mode, closefd=False)
                for number, mode in enumerate(("r", "w", "w"))
            )
            try:
                main(["predict", str(run.path), "a good film"])
            except SystemExit as end:
                code = end.code or 0
            (tmp_path / "descriptor").write_text(str(os.open(tmp_path, os.O_RDONLY)))
        os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert int((tmp_path / "descriptor").read_text()) > 2


def test_a_reader_that_has_left_an_output_without_a_descriptor(run, monkeypatch):
    from qllmft.cli.main import main

    class Left(io.StringIO):
        def write(self, text):
            raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(sys, "stdout", Left())
    with pytest.raises(SystemExit) as end:
        main(["predict", str(run.path), "a good film"])
    assert end.value.code == 0


REMEDY = (
    "cannot be written: No space left on device. Make room there, and run the same command again."
)


@pytest.mark.public_report(
    case="disk_full",
    source="own attack",
    seen="[Errno 28] No space left on device, without the name of what was written",
    outcome="the file or the standard output is named, with what to do",
)
@pytest.mark.parametrize("name", ["state.safetensors", "novelty.safetensors"])
def test_a_full_disk_names_the_file(name, run, cli, tmp_path, monkeypatch):
    sync = os.fsync

    def full(descriptor):
        if name in os.path.realpath(f"/proc/self/fd/{descriptor}"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    _, error = cli(*run.arguments(tmp_path / "out"), "--no-baselines", code=2)
    assert error.splitlines()[-1].startswith("error: ")
    assert error.splitlines()[-1].endswith(f"{name} {REMEDY}")
    assert "Errno" not in error


@pytest.mark.parametrize("option", ["", "--json"])
def test_a_full_output_is_named(option, run, cli, monkeypatch):
    output = io.StringIO()
    output.write = Mock(side_effect=OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    monkeypatch.setattr(sys, "stdout", output)
    _, error = cli("predict", run.path, *option.split(), "a text", code=2)
    assert error.endswith(f"error: the standard output {REMEDY}\n")


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (OSError(errno.ENOSPC, "No space left"), "No space left. Make room there, and run the same"),
        (OSError(errno.EFBIG, "File too large"), "File too large. Make room there, and run the same"),
        (OSError(errno.EDQUOT, "Quota exceeded"), "Quota exceeded. Make room there, and run the same"),
        (OSError(errno.EACCES, "Permission denied"), "Permission denied. Give a language model that"),
        (ValueError("../../x is no name"), "../../x is no name. Give a language model that"),
    ],
)  # fmt: skip
def test_only_a_full_disk_is_said_to_be_full(fault, message, tmp_path):
    with (
        pytest.raises(UserError, match=f"body cannot be written into .*: {message}"),
        replace_folder(tmp_path / "body", "body"),
    ):
        raise fault
