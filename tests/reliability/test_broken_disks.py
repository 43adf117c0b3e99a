"""A full disk and one that cannot be written: exit code 2 in our words, nothing half written, and it goes on later."""

import resource
import signal

import forked_commands
import pytest
from broken_disk import fill, protect
from same_bits import assert_same, hidden, outcome
from small_commands import OFTEN, cache, save_often

pytestmark = pytest.mark.slow


def filling(folder, counter, nth):
    save_often()
    fill(folder, counter, nth)


def limit(size):
    """No file may become longer than ``size`` bytes; unlike `fill` this reaches what SQLite writes."""
    save_often()
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def assert_in_our_words(command, code):
    assert code == 2, f"exit code {code}: {command.transcript}"
    assert "error: " in command.messages.read_text(), command.transcript


def test_train_on_a_full_disk(table, reference, tmp_path):
    row = table.begin("train, full disk", "`qllmft train`, the disk full from a random write on")
    counter = tmp_path / "writes"
    sound = (filling, tmp_path / "whole", counter, 0)
    command = forked_commands.start(
        reference.arguments, tmp_path / "whole", cache(tmp_path / "whole"), sound
    )
    assert command.wait() == 0, command.transcript
    writes = counter.stat().st_size
    for number in table.tries(25):
        with row.attempt() as rng:
            folder = tmp_path / str(number)
            nth = rng.randint(1, writes)
            broken = (filling, folder, tmp_path / f"writes {number}", nth)
            command = forked_commands.start(reference.arguments, folder, cache(folder), broken)
            code = command.wait()
            if (tmp_path / f"writes {number}").stat().st_size < nth:
                row.met["finished with fewer writes"] += 1
                assert code == 0, command.transcript
            else:
                assert_in_our_words(command, code)
                assert "No space left on device" in " ".join(command.transcript.split()), (
                    command.transcript
                )
                row.met["exit code 2"] += 1
            assert_goes_on(command, reference, folder)
    row.assert_survived()


def test_train_where_files_may_not_grow(table, reference, tmp_path):
    row = table.begin(
        "train, file size limit", "`qllmft train`, files limited to a random size (RLIMIT_FSIZE)"
    )
    for number in table.tries(15):
        with row.attempt() as rng:
            folder = tmp_path / str(number)
            broken = (limit, rng.randint(4_000, 60_000))
            command = forked_commands.start(reference.arguments, folder, cache(folder), broken)
            code = command.wait()
            row.met[f"exit code {code}"] += 1
            if code:
                assert_in_our_words(command, code)
            assert_goes_on(command, reference, folder)
    row.assert_survived()


def assert_goes_on(command, reference, folder):
    """No temporary is left, and the same command on a sound disk ends as if nothing had been."""
    assert hidden(folder) == [], f"{hidden(folder)} left after: {command.transcript}"
    repetition = forked_commands.start(reference.arguments, folder, cache(folder), OFTEN)
    assert repetition.wait() == 0, repetition.transcript
    assert_same(folder / "run", reference.files)


def test_a_finished_run_that_cannot_be_written(table, reference, tmp_path):
    row = table.begin(
        "finished run, read-only", "commands on a finished run whose folder cannot be written"
    )
    content = outcome(reference.run)
    text = "a good and lovely film"
    for arguments, code, expected in [
        (reference.arguments, 0, "logistic regression"),
        ([*reference.arguments, "--json"], 0, '"identity"'),
        (["predict", "run", text], 0, f"\t{text}"),
        (["evaluate", "run"], 0, "%"),
        (["export", "run", "--text", text], 0, "OPENQASM"),
        (["report", "run"], 2, "Read-only file system"),
    ]:
        with row.attempt():
            arguments = [a if a != "run" else str(reference.run) for a in arguments]
            place = tmp_path / arguments[0] / str(row.tries)
            command = forked_commands.start(
                arguments, place, cache(reference.folder), (protect, reference.folder)
            )
            assert command.wait() == code, f"{arguments[0]}: {command.transcript}"
            assert expected in command.transcript, f"{arguments[0]}: {command.transcript}"
            assert outcome(reference.run) == content
            row.met[f"{arguments[0]}: exit code {code}"] += 1
    row.assert_survived()
