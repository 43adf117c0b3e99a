"""Submissions whose answer is lost: whenever the list of jobs shows them, no circuit is paid twice."""

import time

import numpy as np
import pytest
from sampler_service import SamplerJob, Service, dies, ibm
from test_local_machines import OBSERVABLES, circuit

from qllmft_machines import IonQConnection, cancel_ledger, ledger_jobs, wait
from qllmft_machines.errors import DuplicateJobWarning, RemoteError

TWELVE = np.random.default_rng(5).uniform(-2, 2, (12, 9))


def measure(backend):
    return backend.expectations(circuit(), TWELVE, OBSERVABLES)


@pytest.mark.usefixtures("prompt_lists")
def test_a_job_that_is_accepted_or_listed_a_moment_later_is_found(monkeypatch, tmp_path):
    service = Service({0, 1}, late_s=0.3, lag_s=0.3)
    make = ibm(monkeypatch, tmp_path, service)
    answer = measure(make(settle_s=3.0))
    assert service.paid()[0] == [1] * 12
    assert service.submissions == 2
    np.testing.assert_array_equal(measure(make(settle_s=3.0)).values, answer.values)
    assert service.submissions == 2


def test_a_doubtful_job_is_not_counted_out_by_a_patience_below_the_lag(monkeypatch, tmp_path):
    """It was sent with more patience, or by an earlier version."""
    service = Service({0}, lag_s=0.5)
    make = ibm(monkeypatch, tmp_path, service)
    dies(monkeypatch, "send.resolve_doubtful_chunk", lambda: measure(make()))
    with pytest.raises(RemoteError, match=r"settle_s is 0\.05 s, expected 60 s or more"):
        measure(make(settle_s=0.05))
    time.sleep(0.5)
    wait(tmp_path / "ibm-torino", IonQConnection())  # by the provider's usual patience
    measure(make(settle_s=60.0))
    assert service.paid()[0] == [1] * 12


def test_a_job_that_was_accepted_without_an_answer_is_canceled(monkeypatch, tmp_path):
    service = Service({0}, lag_s=1e6)
    make = ibm(monkeypatch, tmp_path, service)
    dies(monkeypatch, "send.resolve_doubtful_chunk", lambda: measure(make()))
    folder = tmp_path / "ibm-torino"
    canceled = []
    monkeypatch.setattr(SamplerJob, "cancel", lambda job: canceled.append(job), raising=False)
    (line,) = cancel_ledger(folder, IonQConnection())
    assert line.startswith(
        "chunk 0001: sent without an answer. torino does not list its job, which"
    )
    service.lag_s = 0.0
    assert cancel_ledger(folder, IonQConnection()) == ["job-0: canceled"]
    assert canceled == [service.accepted["job-0"]]


@pytest.mark.usefixtures("prompt_lists")
def test_a_job_that_is_listed_after_the_patience_is_a_duplicate(monkeypatch, tmp_path):
    service = Service({0}, lag_s=1e6)
    make = ibm(monkeypatch, tmp_path, service)
    with pytest.raises(RemoteError, match="was not accepted and costs nothing"):
        measure(make(settle_s=0.05))
    measure(make(settle_s=0.05))
    assert service.submissions == 3
    service.lag_s = 0.0
    with pytest.warns(DuplicateJobWarning, match="cancel it with the provider's own tools"):
        measure(make())
    states = [row.state for row in ledger_jobs(tmp_path / "ibm-torino")]
    assert states == ["collected", "duplicate", "collected"]
