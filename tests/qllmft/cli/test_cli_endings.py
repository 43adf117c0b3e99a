"""How the command line ends where it is stopped: Ctrl-C, and a reader that has left."""

import json
import os
import signal
import sys
import time

import pytest

import qllmft.training.loop
from qllmft.run import Predictor


def test_ctrl_c_ends_with_130_and_a_word(run, cli, monkeypatch):
    def stopped(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(Predictor, "load", stopped)
    assert cli("predict", run.path, "a text", code=130) == ("", "interrupted\n")


@pytest.fixture
def usual_ctrl_c():
    """Python's own handler of Ctrl-C; a shell starts its background jobs with Ctrl-C ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("usual_ctrl_c")
def test_ctrl_c_that_falls_into_a_destructor_is_not_lost(run, cli, monkeypatch):
    class Interrupted:
        def __del__(self):
            raise KeyboardInterrupt

    def loaded(*arguments):
        Interrupted()  # Python says "Exception ignored in" and goes on
        time.sleep(10)

    monkeypatch.setattr(Predictor, "load", loaded)
    assert cli("predict", run.path, "a text", code=130) == ("", "interrupted\n")


@pytest.mark.usefixtures("usual_ctrl_c")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_while_a_rival_trains_leaves_no_result_and_the_run_goes_on(run, cli, tmp_path, monkeypatch, number):
    original = qllmft.training.loop.Training.epoch

    def stopped_at_the_perceptron(training, *arguments):
        if training.model.encoder is None:
            signal.raise_signal(number)
        return original(training, *arguments)

    arguments = run.arguments(tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr(qllmft.training.loop.Training, "epoch", stopped_at_the_perceptron)
        output, _ = cli(*arguments, code=128 + number)
    assert "Interrupted after epoch 6 of 6." in output
    assert not (tmp_path / "out" / "result.json").exists()
    metrics = (tmp_path / "out" / "metrics.jsonl").read_text()
    result = json.loads(cli(*arguments, "--json")[0])
    for model, expected in zip(result["models"], run.result["models"], strict=True):
        assert (model["name"], model["test"]) == (expected["name"], expected["test"])
    assert [json.loads(line) for line in (tmp_path / "out" / "metrics.jsonl").read_text().splitlines()] == [
        json.loads(line) for line in metrics.splitlines()
    ], "the head's epochs are not trained again"


@pytest.mark.parametrize("command", [["predict", "RUN", "a good film"], ["info"], ["info", "--json"]], ids=" ".join)
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
