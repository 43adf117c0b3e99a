"""Errors of a provider's package: asked again for ``retry_s``, then one message; nothing is lost or paid twice."""

from json import JSONDecodeError

import numpy as np
import pytest
from sampler_service import Service, dies, ibm
from test_local_machines import OBSERVABLES, circuit

from qllmft_machines import IonQConnection, cancel_ledger, ledger_jobs, silence, wait
from qllmft_machines.errors import NoAnswerWarning, RemoteError

SIX = np.random.default_rng(6).uniform(-2, 2, (6, 9))
ERRORS = [
    KeyError("status"),
    ValueError("not a job"),
    TypeError("'NoneType' object is not subscriptable"),
    JSONDecodeError("Expecting value", "<html>", 0),
    ConnectionError("the line\nis dead"),
]
QUESTIONS = {
    "status": "the status of a job",
    "result": "the results of a job",
    "job": "a job's id",
    "jobs": "a search by tags",
}


@pytest.fixture
def asking(monkeypatch, tmp_path, prompt_lists):
    """A service with a job that a process left behind, doubtful if it is to be searched for, and its backends."""

    def prepare(question):
        service = Service({0} if question == "jobs" else ())
        make = ibm(monkeypatch, tmp_path, service)
        place = "send.resolve_doubtful_chunk" if question == "jobs" else "jobs.collect"
        dies(monkeypatch, place, lambda: measure(make()))
        assert len(service.accepted) == 1
        return service, make

    return prepare


def measure(backend):
    return backend.expectations(circuit(), SIX, OBSERVABLES)


def test_a_provider_that_does_not_answer_is_named_before_the_end(asking, monkeypatch):
    monkeypatch.setattr(silence, "QUIET_S", 0.0)
    service, make = asking("status")
    service.faults["status"] = (ConnectionError("away"), 1)
    with pytest.warns(NoAnswerWarning, match="does not answer the status of a job. The request is"):
        measure(make())


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("question", QUESTIONS)
def test_an_error_that_passes_is_asked_away(asking, question, error):
    service, make = asking(question)
    service.faults[question] = (error, 2)
    measure(make())
    assert service.faults[question] == (error, 0)
    assert service.paid()[0] == [1] * 6


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("question", QUESTIONS)
def test_an_error_that_stays_ends_in_one_message(asking, question, error, tmp_path):
    service, make = asking(question)
    service.faults[question] = (error, 10**6)
    text = f"torino did not answer {QUESTIONS[question]}: {type(error).__name__}: "
    with pytest.raises(RemoteError) as caught:
        measure(make(retry_s=0.1))
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)
    assert service.submissions == 1
    service.faults.clear()
    measure(make())
    assert service.paid()[0] == [1] * 6
    assert [row.state for row in ledger_jobs(tmp_path / "ibm-torino")] == ["collected"]


@pytest.mark.parametrize("answer", [[None], [""], [7], None, 7], ids=str)
def test_a_search_that_answers_no_ids_names_no_job(asking, monkeypatch, answer):
    service, make = asking("jobs")
    listed_jobs = answer if not isinstance(answer, list) else [Named(job_id) for job_id in answer]
    with monkeypatch.context() as patch:
        patch.setattr(service, "jobs", lambda limit, job_tags: listed_jobs)
        with pytest.raises(RemoteError, match=r"not answer a search by tags: .*is not sent again"):
            measure(make(retry_s=0.1))
    measure(make())
    assert service.paid()[0] == [1] * 6


class Named:
    def __init__(self, job_id):
        self._id = job_id

    def job_id(self):
        return self._id


def test_one_job_that_cannot_be_read_keeps_no_other_from_the_ledger(monkeypatch, tmp_path):
    service = Service()
    make = ibm(monkeypatch, tmp_path, service)

    def result(job):
        if job.job_id() == "job-0":
            raise KeyError("results")
        return job._result

    monkeypatch.setattr("sampler_service.SamplerJob.result", result)
    with pytest.raises(RemoteError, match="did not answer the results of a job: KeyError"):
        measure(make(retry_s=0.05, circuits_per_job=3))
    states = [row.state for row in ledger_jobs(tmp_path / "ibm-torino")]
    assert states == ["submitted", "collected"]
    monkeypatch.undo()
    ibm(monkeypatch, tmp_path, service)
    rows = wait(tmp_path / "ibm-torino", IonQConnection())
    assert [row.state for row in rows] == ["collected", "collected"]


def test_a_cancellation_is_no_poll(asking, tmp_path, monkeypatch):
    """An error of a wrong value ends it at once."""
    asking("status")
    monkeypatch.setattr("sampler_service.SamplerJob.cancel", lambda job: [][0], raising=False)
    (line,) = cancel_ledger(tmp_path / "ibm-torino", IonQConnection())
    assert "not canceled: torino did not answer the cancellation of a job: IndexError" in line
