"""`qllmft train`, killed anywhere, and two of them at once: the same command ends in the same bits."""

import json
import signal
import time

import forked_commands
import pytest
from forked_commands import PROMISED, SIGNALS
from same_bits import assert_same, hidden
from small_commands import EPOCHS, OFTEN, cache

pytestmark = pytest.mark.slow


def phase(run):
    """What a run was at when it was stopped."""
    if not (run / "config.toml").exists():
        return "while reading and embedding"
    if (run / "result.json").exists():
        return "while writing the report"
    epochs = (
        len((run / "metrics.jsonl").read_text().splitlines())
        if (run / "metrics.jsonl").exists()
        else 0
    )
    return "while training" if epochs < EPOCHS else "while fitting baselines and testing"


def assert_each_epoch_once(run):
    epochs = [
        json.loads(line)["epoch"] for line in (run / "metrics.jsonl").read_text().splitlines()
    ]
    assert epochs == list(range(1, EPOCHS + 1)), epochs


def test_train_is_killed(table, reference, tmp_path):
    row = table.begin(
        "train, killed",
        "`qllmft train`, stopped at a random time by SIGKILL, SIGTERM or Ctrl-C, one to three times",
    )
    for number in table.tries(50):
        with row.attempt() as rng:
            folder = tmp_path / str(number)
            for _ in range(rng.randint(1, 3)):
                command = forked_commands.start(reference.arguments, folder, cache(folder), OFTEN)
                time.sleep(rng.uniform(0, reference.seconds))
                kind = rng.choice(SIGNALS)
                command.strike(kind)
                code = command.wait()
                assert code in PROMISED[kind] | {0}, (
                    f"exit code {code} after {kind.name}: {command.transcript}"
                )
                row.met[kind.name if code else "finished before"] += 1
                row.met[phase(folder / "run")] += bool(code)
            temporary_files = [name for name in hidden(folder / "run") if ".lock" not in name]
            command = forked_commands.start(reference.arguments, folder, cache(folder), OFTEN)
            assert command.wait() == 0, command.transcript
            assert_same(folder / "run", reference.files)
            assert_each_epoch_once(folder / "run")
            row.met["temporary files of killed processes"] += len(temporary_files)
    row.assert_survived()


def test_two_at_once(table, reference, tmp_path):
    row = table.begin(
        "train, two at once",
        "two `qllmft train` on one folder, begun a random time apart; in half of the tries the first is killed",
    )
    for number in table.tries(20):
        with row.attempt() as rng:
            folder = tmp_path / str(number)
            killed = rng.random() < 0.5
            first = forked_commands.start(reference.arguments, folder, cache(folder), OFTEN)
            time.sleep(rng.uniform(0, 0.6 * reference.seconds))
            second = forked_commands.start(reference.arguments, folder, cache(folder), OFTEN)
            if killed:
                time.sleep(rng.uniform(0, 0.4 * reference.seconds))
                first.strike(signal.SIGKILL)
            codes = first.wait(), second.wait()
            assert codes[0] in ({0, -signal.SIGKILL} if killed else {0}), first.transcript
            assert codes[1] == 0, second.transcript
            transcript = " ".join((first.transcript + second.transcript).split())
            waiting = [
                p
                for p in (first.process.pid, second.process.pid)
                if f"is worked on by process {p} on" in transcript
            ]
            finished = "This run is finished already" in transcript
            assert waiting or finished or codes[0], f"neither names the other: {transcript}"
            row.met["waited and named the other"] += bool(waiting)
            row.met["first killed"] += bool(codes[0])
            assert_same(folder / "run", reference.files)
            assert_each_epoch_once(folder / "run")
    row.assert_survived()
