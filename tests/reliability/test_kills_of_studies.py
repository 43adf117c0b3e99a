"""Two processes that share a study's folder, killed anywhere: the same bytes, and no finished run is done again."""

import signal
import time
from collections import Counter
from pathlib import Path

import forked_commands
import pytest
from small_commands import cache, save_often, set_arguments

from qllmft.run import RunFolder

pytestmark = pytest.mark.slow
STUDY = """
title = "Table 0: a study of seconds"
subject = "quantum head"
baseline = "classical head"
seeds = 2
epochs = 30
published = false

[[rows]]
label = "Single"
preset = "single-10q"
side = "subject"

[[rows]]
label = "Short"
preset = "single-12q"
side = "subject"
settings = { model = { reuploads = 2 } }

[[rows]]
label = "SVC"
preset = "nn-head-0"
side = "baseline"
classical = "svc"

[[rows]]
label = "NN head"
preset = "nn-head-0"
side = "baseline"
"""
RUNS = 6  # the two baselines of a seed are in one run
FILES = ("study.json", "table.md")


def noting(log, worker):
    """Append to ``log`` which worker trained an epoch, and which wrote a result, of which run."""
    save_often()
    write_result = RunFolder.write_result
    write_metrics = RunFolder.write_metrics

    def note(kind, folder):
        with Path(log).open("a") as file:
            file.write(f"{kind} {Path(folder.path).name} {worker}\n")

    def metrics(folder, epoch):
        note("epoch", folder)
        write_metrics(folder, epoch)

    def result(folder, record):
        write_result(folder, record)
        note("result", folder)

    RunFolder.write_metrics = metrics
    RunFolder.write_result = result


@pytest.fixture(scope="module")
def study(reviews, tiny_body, tmp_path_factory):
    """The command of the study, what one process makes of it, and the seconds that it takes."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "tiny.toml").write_text(STUDY)
    arguments = [
        "study",
        str(folder / "tiny.toml"),
        "--data",
        str(reviews),
        "--body",
        str(tiny_body),
        "--out",
        "study",
    ]
    arguments += set_arguments(**{"model.encoder_qubits": 5})
    for place in (folder / "warm", folder / "undisturbed"):
        _, seconds = forked_commands.run_timed(
            forked_commands.start, arguments, place, cache(place), (noting, place / "log", "0")
        )
    assert len(list((place / "study" / "runs").glob("*/result.json"))) == RUNS
    return arguments, {name: (place / "study" / name).read_bytes() for name in FILES}, seconds


def assert_no_run_done_twice(log):
    """No run's result is written twice, and no run is trained by two processes in turns."""
    lines = [line.split() for line in log.read_text().splitlines()]
    results = Counter(run for kind, run, _ in lines if kind == "result")
    assert set(results.values()) <= {1}, f"results written twice: {results}"
    for run in {run for _, run, _ in lines}:
        workers = [worker for _, of, worker in lines if of == run]
        changes = [
            worker
            for worker, previous_worker in zip(workers, [None, *workers], strict=False)
            if worker != previous_worker
        ]
        assert len(changes) == len(set(changes)), f"run {run} was trained in turns: {changes}"


def test_two_processes_of_a_study_are_killed(table, study, tmp_path):
    arguments, expected, seconds = study
    row = table.begin(
        "study, two processes, killed",
        "two `qllmft study` that share a folder; one or both stopped at random times, and begun again",
    )
    for number in table.tries(20):
        with row.attempt() as rng:
            folder = tmp_path / str(number)
            begun = 0
            log = tmp_path / f"log {number}"
            running = []
            for kills_left in range(rng.randint(1, 3), -1, -1):
                while len(running) < 2:
                    begun += 1
                    running.append(
                        forked_commands.start(
                            arguments, folder, cache(folder), (noting, log, str(begun))
                        )
                    )
                if kills_left:
                    time.sleep(rng.uniform(0, 0.5 * seconds))
                    struck = rng.sample(running, rng.randint(1, 2))
                    kind = rng.choice(
                        [signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT]
                    )
                    for command in struck:
                        command.strike(kind)
                    for command in struck:
                        code = command.wait()
                        allowed = {0, -kind, 128 + kind, 130}
                        assert code in allowed, (
                            f"exit code {code} after {kind.name}: {command.transcript}"
                        )
                        row.met[kind.name if code else "finished before"] += 1
                        running.remove(command)
            for command in running:
                assert command.wait() == 0, command.transcript
            for name, content in expected.items():
                assert (folder / "study" / name).read_bytes() == content, f"another {name}"
            assert len(list((folder / "study" / "runs").glob("*/result.json"))) == RUNS
            assert_no_run_done_twice(log)
    row.assert_survived()
