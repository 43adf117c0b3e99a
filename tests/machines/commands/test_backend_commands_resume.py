"""Interrupted and resumed: every circuit is paid once, and the answers are those of a call that nobody stopped."""

import gc
import shlex
import signal
import threading
import time

import pytest
from command_line import words_of
from sandbox_job import TEXTS, TOKEN, option_arguments, sandbox_job

from qllmft_base.text import format_count

# long enough to send, also on a busy machine
SELDOM = "--backend-option deadline_s=2 --backend-option poll_interval_s=0.3"
PATIENCE_S = 120  # nothing takes so long; it only keeps a defect from hanging the tests


def wait_until(true):
    give_up = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < give_up
        time.sleep(0.005)


@pytest.fixture
def interrupt_predict(job):
    """A function: `qllmft predict`, and Ctrl-C when ``moment()`` has come; the lines that it printed."""

    def call(moment):
        def interrupt():
            wait_until(moment)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

        handler = signal.signal(signal.SIGINT, signal.default_int_handler)
        helper = threading.Thread(target=interrupt)
        try:
            helper.start()
            output, messages = job.predict("--yes", code=130)
        finally:
            helper.join()
            signal.signal(signal.SIGINT, handler)
        gc.collect()  # of the connection that was left
        assert output == ""
        assert TOKEN not in messages
        options = words_of(["--backend ionq_forte", *option_arguments(), "--yes"])
        words = ["qllmft", "predict", "--resume", str(job.path), *TEXTS, *options]
        assert messages.splitlines()[-1] == f"resume: {shlex.join(words)}"
        return messages.splitlines()

    return call


def assert_resumed_as_if_nobody_had_stopped(job, run, cli, monkeypatch, folder):
    output, _ = job.predict("--resume --yes")
    job.assert_paid_once(7, jobs=3)
    assert job.totals["requests"]["submit"] == 3
    assert job("jobs", "list", job.path)[0].count("collected") == 3
    with sandbox_job(run, cli, monkeypatch, folder) as straight_job:
        assert straight_job.predict("--yes")[0] == output, (
            "the same jobs in the same order: the same shots"
        )


def test_ctrl_c_while_waiting(job, interrupt_predict, run, cli, monkeypatch, tmp_path):
    """All three jobs are accepted, and none is done."""
    job.hold()
    lines = interrupt_predict(lambda: job.box.store.requests["poll"] >= 2)
    assert lines[0].startswith("Estimated price: ")
    assert "for 7 circuits on qpu.forte-1, 1,000 shots each. Jobs: 3." in lines[0]
    told = lines[lines.index("interrupted. 3 jobs continue at the server, and are paid:") :]
    for line, (job_id, n) in zip(
        told[1:4], zip(job.totals["statuses"], (3, 3, 1), strict=True), strict=True
    ):
        assert (
            line
            == f"  {job_id}: {format_count(n, 'circuit')}, about {n * 0.236:.2f} sandbox-credit"
        )
    assert told[4:6] == [
        f"collect them: qllmft jobs wait --ledger {job.path / 'ledger'}",
        f"stop them: qllmft jobs cancel --ledger {job.path / 'ledger'}",
    ]
    assert job.totals["jobs"] == 3
    assert job("jobs", "list", job.path, "--offline")[0].count("submitted") == 3
    job.release()
    output, _ = job(*shlex.split(told[6].removeprefix("resume: qllmft ")))
    assert len(output.splitlines()) == 7, "the very command that was printed"
    assert_resumed_as_if_nobody_had_stopped(job, run, cli, monkeypatch, tmp_path / "straight")


def test_resuming_twice_and_with_more_texts(job):
    job.hold(times=1)
    _, messages = job.predict(f"--yes --limit 4 {SELDOM}", code=2)
    assert "after 2 s 1 job has not ended: " in messages
    assert "with `qllmft jobs wait`. Nothing is paid twice" in messages
    (stuck,) = (j for j in job.box.store.jobs.values() if j.outcome and not j.parent)
    assert f"{stuck.id} (started)" in job.predict(f"--resume --limit 4 {SELDOM}", code=2)[1]
    job.assert_paid_once(4, jobs=2)
    job.release()
    four, _ = job.predict("--resume --limit 4")  # all is paid: nobody has to agree
    job.assert_paid_once(4, jobs=2)
    messages = job.predict("--resume", code=2)[1]
    assert "for 3 circuits on" in messages
    assert "Jobs: 1. 4 circuits are in the ledger and free." in messages
    assert job.predict("--resume --yes")[0].splitlines()[:4] == four.splitlines()
    job.assert_paid_once(7, jobs=3)


def test_an_evaluation_is_resumed_from_the_same_ledger(job):
    job.hold(first=1)
    sample = ["--sample", 5, "--sample-seed", 3]
    job.evaluate("--yes", *sample, SELDOM, code=2)
    job.release()
    output, _ = job.evaluate("--resume", *sample)
    assert "5 drawn with seed 3" in " ".join(output.split())
    assert "from a noiseless simulation of 5 texts." in output
    job.assert_paid_once(5, jobs=2)
    # other texts: somebody has to agree
    job.evaluate("--resume --sample 5 --sample-seed 4", code=2)
    job.assert_paid_once(5, jobs=2)


def test_nothing_to_resume(job, tmp_path):
    for call in (job.predict, job.evaluate):
        _, messages = call("--resume", "--yes", code=2)
        assert messages == (
            f"error: there is nothing to resume, because {job.path}/ledger has no ledger. Omit --resume, or name the "
            "folder with --ledger.\n"
        )
        _, messages = call("--resume", "--yes", "--ledger", tmp_path / "none", code=2)
        assert f"{tmp_path}/none has no ledger. " in messages
        assert job.totals["requests"] == {}
        call("--limit", 2, code=2)  # nobody agrees to the price: nothing is sent
        assert f"{job.path}/ledger has no ledger. " in call("--resume", "--yes", code=2)[1]
        job.box.store.requests.clear()
    assert job.totals["jobs"] == 0
