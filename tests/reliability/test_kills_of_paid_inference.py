"""Paid inference, killed anywhere, beside faults of the service: every circuit is paid once and every answer comes."""

import time

import pytest
from broken_disk import fill
from drawn_faults import KINDS
from faulty_server import Fault
from forked_commands import PROMISED, SIGNALS, run_timed
from paid_calls import paid_call
from same_bits import hidden
from sandbox_job import TEXTS, TOKEN

pytest.importorskip("qiskit_ionq", reason="qiskit-ionq is not installed: pip install '.[ionq]'")
pytestmark = pytest.mark.slow
CLOCKS_S = [0.0, 0.0, -3600.0, 3600.0, 86_400.0]


@pytest.fixture(scope="module")
def answers(reference, tmp_path_factory):
    """What the call prints with nothing in the way, and the seconds that it takes."""
    for name in ("warm", "undisturbed"):
        with paid_call(tmp_path_factory.mktemp("paid") / name, reference) as call:
            command, seconds = run_timed(call.start)
            call.assert_paid_once_and_all_there()
    assert len(command.output.read_text().splitlines()) == len(TEXTS)
    return command.output.read_text(), seconds


def assert_ends_well(call, answers):
    """The same command, with nothing in the way any more, prints all answers."""
    call.release()
    for _ in range(3):
        command = call.start(deadline_s=60.0, request_timeout_s=30.0, retry_s=20.0)
        code = command.wait()
        if code == 0:
            break
        assert code == 2, command.transcript
    assert code == 0, f"it does not end: {command.transcript}"
    assert command.output.read_text() == answers[0], f"other answers: {command.transcript}"
    call.assert_paid_once_and_all_there()


def test_paid_inference_is_killed(table, reference, answers, tmp_path):
    row = table.begin(
        "predict paid, killed, faults",
        "`qllmft predict --backend ionq_forte`, stopped at a random time up to four times, with one to four faults of "
        "the service and its clock up to a day off; every second try with known answers and single shots",
    )
    for number in table.tries(50):
        folder = tmp_path / str(number)
        checked = number % 2 == 1
        with (
            row.attempt() as rng,
            paid_call(folder, reference, rng.choice(CLOCKS_S), checked=checked) as call,
        ):
            for name in rng.sample(sorted(KINDS), rng.randint(1, 4)):
                call.box.faults.arm(KINDS[name](rng))
                row.met["faults"] += 1
            form = rng.choice(["url", "artifacts", *([] if checked else ["unnamed"])])
            if form == "unnamed":
                call.box.faults.arm(Fault("unnamed", "poll", times=-1))
            else:
                call.box.api.results_form = form
            for _ in range(rng.randint(1, 4)):
                command = call.start()
                kind = rng.choice(SIGNALS) if rng.random() < 0.7 else None
                if kind:
                    time.sleep(rng.uniform(0, 1.2 * answers[1]))
                    command.strike(kind)
                code = command.wait()
                allowed = {0, 2} | (PROMISED[kind] if kind else set())
                assert code in allowed, f"exit code {code} after {kind}: {command.transcript}"
                assert TOKEN not in command.transcript
                row.met[kind.name if kind and code not in (0, 2) else f"exit code {code}"] += 1
                if code == 0:
                    assert command.output.read_text() == answers[0], (
                        f"other answers: {command.transcript}"
                    )
                    break
            try:
                assert_ends_well(call, answers)
            finally:
                row.met["circuits paid"] += len(call.times_paid())
                row.met["circuits paid twice"] += sum(times > 1 for times in call.times_paid())
    row.assert_survived()


def test_paid_inference_is_killed_in_rounds(table, reference, tmp_path):
    """The same answers as without a kill, from as many circuits: no round is measured twice, and none is left out."""
    row = table.begin(
        "predict paid, killed in rounds",
        "`qllmft predict --backend ionq_forte --rounds 4`, stopped at a random time up to four times",
    )
    with paid_call(tmp_path / "whole", reference, rounds=4) as call:
        command, seconds = run_timed(call.start)
        answers = command.output.read_text()
        times = sorted(call.times_paid())
        assert 1 < max(times) <= 4
    for number in table.tries(25):
        with row.attempt() as rng, paid_call(tmp_path / str(number), reference, rounds=4) as call:
            for _ in range(rng.randint(1, 4)):
                command = call.start()
                kind = rng.choice(SIGNALS)
                time.sleep(rng.uniform(0.3, 1.1) * seconds)
                command.strike(kind)
                code = command.wait()
                row.met[kind.name if code not in (0, 2) else f"exit code {code}"] += 1
                if code == 0:
                    break
            assert_ends_well(call, (answers, seconds))
            assert sorted(call.times_paid()) == times
            row.met["circuits paid"] += sum(times)
    row.assert_survived()


def test_paid_inference_on_a_full_disk(table, reference, answers, tmp_path):
    row = table.begin(
        "predict paid, full disk",
        "`qllmft predict --backend ionq_forte`, the disk of its ledger full from a random write on",
    )
    counter = tmp_path / "writes"
    with paid_call(tmp_path / "whole", reference) as call:
        assert call.start((fill, call.ledger, counter, 0)).wait() == 0
    writes = counter.stat().st_size
    for number in table.tries(25):
        with row.attempt() as rng, paid_call(tmp_path / str(number), reference) as call:
            nth = rng.randint(1, writes)
            command = call.start((fill, call.ledger, tmp_path / f"writes {number}", nth))
            assert command.wait() == 2, command.transcript
            assert "No space left on device" in " ".join(command.transcript.split()), (
                command.transcript
            )
            temporary_files = [file.name for file in call.ledger.glob("*.new")] + hidden(
                call.ledger
            )
            assert not temporary_files, f"{temporary_files} left after: {command.transcript}"
            row.met["exit code 2"] += 1
            row.met["after circuits were paid"] += bool(call.box.store.totals()["jobs"])
            assert_ends_well(call, answers)
    row.assert_survived()
