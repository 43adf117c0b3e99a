"""No circuit is paid twice: whatever the answer, the clock and the ledger's file, the server is asked first."""

from __future__ import annotations

import warnings

import pytest
from faulty_server import Fault, MockServer, Store

from ionq import TOKEN
from ionq.helpers import (
    ask,
    assert_fails,
    assert_recovers,
    assert_refused,
    assert_right,
    assert_served,
    await_jobs,
    fill_a_page,
    make_problem,
)
from qllmft_backends.errors import LedgerError
from qllmft_machines import ledger_jobs
from qllmft_machines.errors import DuplicateJobWarning, RemoteError


@pytest.mark.parametrize("code", [302, 404])
def test_a_refusal_whose_job_shows_up_later_is_found_by_the_next_call(
    box, forte, problem, code, folder
):
    """The list is behind: the job is not in it when it is asked for."""
    box.faults.arm(Fault("status_after", "submit", code=code))
    box.faults.arm(Fault("value", "list", value={"jobs": [], "next": None}, times=-1))
    assert_fails(forte(), problem, RemoteError, f"answered {code}")
    assert [job.state for job in ledger_jobs(folder)] == ["planned"]
    assert_recovers(box, forte, problem, jobs=3)


def stall_first_request(box, forte, problem):
    """A request that is accepted long after it was given up and sent again."""
    box.faults.arm(Fault("slow", "submit", seconds=2.5))
    ask(forte(request_timeout_s=0.8, settle_s=0.2), problem)
    await_jobs(box, 4)


def test_a_job_that_was_accepted_late_is_told(box, forte, problem, folder):
    stall_first_request(box, forte, problem)
    with pytest.warns(
        DuplicateJobWarning,
        match=r"the 3 circuits of chunk 0001 .*again.*cancel --job .*cancel\(\['",
    ):
        assert_right(ask(forte(), problem), problem)
    rows = ledger_jobs(folder)
    late = [job for job in rows if job.state == "duplicate"]
    assert len(late) == 1
    assert late[0].job_id not in {job.job_id for job in rows if job.state == "collected"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # told once
        ask(forte(), problem)
        larger_problem = make_problem(9)
        larger_problem.values[:7] = problem.values
        ask(forte(), larger_problem)  # ... and what is sent on is sent once
    assert box.store.totals()["jobs"] == 5


@pytest.mark.parametrize("offset", [-7200.0, 7200.0])
def test_clocks_that_differ(forte, problem, offset):
    """More jobs than a page, so that the search could end too early; the clock of the server is hours off."""
    with MockServer(token=TOKEN, store=Store(qpu_noise="ideal", clock_offset_s=offset)) as box:
        ask(forte(url=box.url), make_problem(2, seed=3))
        box.faults.arm(Fault("drop_after", "submit"))
        box.faults.arm(Fault("status", "list", code=503, times=-1, after=1))
        with pytest.raises(RemoteError, match="may have been accepted"):
            ask(forte(url=box.url, retry_s=0.1), problem)
        box.faults.clear()
        fill_a_page(box)
        assert_right(ask(forte(url=box.url), problem), problem)
        assert max(box.store.totals()["times"].values()) == 1
        assert box.store.totals()["circuits_paid"] == 2 + 30 + 7


def test_old_jobs_are_not_read_through(box, forte, problem):
    """The list ends, by the server's clock, at what was there before the ledger."""
    fill_a_page(box)
    for job in box.store.jobs.values():
        job.submitted_at = "2020-01-01T00:00:00Z"
    ask(forte(), problem)
    box.store.requests.clear()
    ask(forte(), make_problem(2, seed=8))
    assert box.store.requests["list"] == 1


def lose(folder, lines=0, *, count=True):
    """Keep the first ``lines`` lines of the ledger; ``count``: lose the number of its jobs too."""
    path = folder / "ledger.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:lines]))
    if count:
        (folder / "ledger.count").unlink()


@pytest.mark.parametrize("lines", [0, 4, None])
def test_a_ledger_that_lost_its_records_sends_nothing(box, forte, problem, folder, lines):
    ask(forte(), problem)
    lose(folder, lines or 0, count=False)
    calls = [
        lambda: ask(forte(), problem),
        lambda: forte().estimate(problem.circuit, problem.values),
    ]
    if lines is None:
        (folder / "ledger.jsonl").unlink()
    else:
        calls.append(lambda: ledger_jobs(folder))
    for call in calls:
        with assert_refused(
            box, LedgerError, r"has lost records: .*once held 3.*Restore.*delete ledger\.count"
        ):
            call()


@pytest.mark.parametrize("lines", [0, 3, 5])
def test_after_a_loss_the_jobs_are_found_at_the_server(box, forte, problem, folder, lines):
    ask(forte(), problem)
    lose(folder, lines)
    assert_served(box, forte, problem, jobs=3)


def test_after_a_loss_another_call_does_not_pay_for_what_it_cannot_know(
    box, forte, problem, folder
):
    """Cut otherwise, the circuits have other client tokens (but the chunk of one); whose the jobs are is known."""
    ask(forte(), problem)
    lose(folder)
    with assert_refused(
        box, LedgerError, r"holds 2 jobs of the ledger .* not recorded in it.*nothing was sent"
    ):
        ask(forte(circuits_per_job=2), problem)


def test_a_running_backend_notices_that_its_ledger_was_emptied(box, forte, problem, folder):
    backend = forte()
    ask(backend, problem)
    lose(folder, count=False)
    with assert_refused(box, LedgerError, "has become shorter"):
        ask(backend, make_problem(2, seed=5))


def test_equal_chunks_have_tokens_of_their_own(box, forte, problem, folder):
    problem.values[:] = problem.values[0]
    problem.exact[:] = problem.exact[0]
    problem.values = problem.values[:6]
    problem.exact = problem.exact[:6]
    ask(forte(), problem)
    tokens = {
        j.payload["metadata"]["client_token"] for j in box.store.jobs.values() if not j.parent
    }
    assert len(tokens) == 2
    lose(folder)
    assert_right(ask(forte(), problem), problem)
    assert box.store.totals()["jobs"] == 2


def test_a_list_that_cannot_be_read_stops_the_sending(box, forte, problem):
    ask(forte(), problem)
    for page in ({"jobs": 7}, {"jobs": [7]}, {"jobs": [{"id": 7}]}, [1]):
        box.faults.arm(Fault("value", "list", value=page))
        with assert_refused(box, RemoteError, r"cannot be read|expected a JSON object"):
            ask(forte(), make_problem(2, seed=5))
    box.faults.arm(Fault("value", "list", value={"jobs": [], "next": "1"}, times=-1))
    with assert_refused(box, RemoteError, "does not come to an end"):
        ask(forte(), make_problem(2, seed=5))


def test_jobs_of_other_programs_are_passed_over(box, forte, problem):
    ask(forte(), problem)
    metadata = (None, 7, [], {"client_token": 7}, {"client_token": "x", "ledger": 7})
    jobs = [
        {"id": f"x{n}", "metadata": job_metadata, "submitted_at": 7}
        for n, job_metadata in enumerate(metadata)
    ]
    box.faults.arm(Fault("value", "list", value={"jobs": jobs, "next": None}))
    ask(forte(), make_problem(2, seed=5))
    assert box.store.totals()["jobs"] == 4
