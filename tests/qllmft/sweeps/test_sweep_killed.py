"""A sweep that is killed with -9 in the middle of a trial: the same command goes on, and nothing is trained twice."""

import json
import signal

from small_sweeps import EPOCHS, SIZE, arguments, complete_trials, epochs_trained, start, wait_for


def test_the_same_command_goes_on_after_kill_9(texts, tiny_body, tmp_path, environment):
    out, log = tmp_path / "sweep", tmp_path / "log"
    command = arguments(texts, tiny_body, out)
    stop = 2 * EPOCHS + 3  # the third epoch of the third trial
    process = start(command, log, environment, stop)
    wait_for(process, "now")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert len(epochs_trained(log)) == stop

    process = start(command, log, environment)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert "9 runs, 2 of them finished already" in said
    assert "continuing" in said
    trained = epochs_trained(log)
    assert len(trained) == SIZE * EPOCHS
    twice = [run for run, times in trained.items() if times > 1]
    assert len(twice) == 1  # the epoch of the kill, which was in no checkpoint
    assert twice[0][1] == "3"
    done = complete_trials(f"sqlite:///{out}/study.db")
    assert len(done) == SIZE
    assert set(done.values()) == {1}

    record = json.loads((out / "sweep.json").read_text())
    tested = [path.parent.name for path in out.glob("runs/*/result.json")]
    assert sorted(tested) == sorted(row["winner"] for row in record["rows"])  # each is the only one of its row
    assert record["ranking"][0]["identity"] == record["winner"]
    assert sorted(path.parent.name for path in out.glob("runs/*/validation.json")) == sorted(done)
