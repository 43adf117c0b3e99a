"""A sweep that is killed with -9 in the middle of a trial: the same command goes on, and nothing is trained twice."""

import signal

import pytest
import sweep_process
from small_sweeps import EPOCHS, arguments, epochs_trained, start, wait_for

TRIALS = 3  # the re-uploading layers of table XI


def test_the_same_command_goes_on_after_kill_9(
    texts, tiny_body, tmp_path, environment, monkeypatch, capsys
):
    out, log = tmp_path / "sweep", tmp_path / "log"
    command = arguments(texts, tiny_body, out, "--set", "model.main_layers=2")
    stop = EPOCHS + 3  # the third epoch of the second trial
    process = start(command, log, environment, stop)
    wait_for(process, "now")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert len(epochs_trained(log)) == stop

    monkeypatch.setenv("SWEEP_LOG", str(log))
    monkeypatch.setattr(sweep_process.RunFolder, "write_metrics", sweep_process.logged)
    with pytest.raises(SystemExit) as end:
        sweep_process.main(command)
    said = "".join(capsys.readouterr())
    assert not end.value.code, said
    assert "3 runs, 1 of them finished already" in said
    assert "continuing" in said
    trained = epochs_trained(log)
    assert len(trained) == TRIALS * EPOCHS
    # of the kill, in no checkpoint
    assert [epoch for (_, epoch), times in trained.items() if times > 1] == ["3"]

    # each is the only one of its row
    assert len(list(out.glob("runs/*/result.json"))) == TRIALS
    assert len(list(out.glob("runs/*/validation.json"))) == TRIALS
    assert f"the best {TRIALS} of {TRIALS} configurations" in said
