"""A service like IBM's in this process: a sampler whose jobs carry tags, and a list of them that may be late."""

from __future__ import annotations

import threading
import time
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from qiskit.primitives import BitArray, DataBin, PrimitiveResult, SamplerPubResult
from remote_machine import noiseless_target, sampled_counts

from qllmft_backends import create
from qllmft_machines.qiskit_machines.providers import PROVIDERS, Machine, Provider
from qllmft_machines.qiskit_machines.route import SamplerRunner


def sampled_result(circuits, shots):
    """Result of a sampler's job, as Qiskit's interface has it."""
    random = np.random.default_rng(1)
    answers = []
    for circuit in circuits:
        counts = sampled_counts(circuit, shots, random)
        data = DataBin(meas=BitArray.from_counts(counts, circuit.num_clbits))
        answers.append(SamplerPubResult(data, {"circuit_metadata": circuit.metadata}))
    return PrimitiveResult(answers)


class SamplerJob:
    def __init__(self, service, job_id, circuits, shots, tags):
        self.service = service
        self.circuits = circuits
        self.tags = tags
        self.accepted_at = time.monotonic()
        self.names = [circuit.name for circuit in circuits]
        self._id = job_id
        self._result = sampled_result(circuits, shots)

    def job_id(self):
        return self._id

    def status(self):
        self.service.answer_or_fail("status")
        return "DONE"

    def result(self):
        self.service.answer_or_fail("result")
        return self._result


class Service:
    """List of jobs and sampler in one.

    Attributes:
        lost: numbers of the submissions, from 0, whose answer is lost.
        late_s: seconds after which such a job is accepted; lag_s: seconds after which an accepted one is listed.
        faults: by question (status, result, job, jobs), an error to raise and how often.
    """

    def __init__(self, lost=(), late_s=0.0, lag_s=0.0):
        self.lost = set(lost)
        self.late_s = late_s
        self.lag_s = lag_s
        self.accepted = {}
        self.submissions = 0
        self.faults = {}
        self.options = SimpleNamespace(environment=SimpleNamespace(job_tags=[]))
        self.target = noiseless_target(5, None)

    def answer_or_fail(self, question):
        error, times = self.faults.get(question, (None, 0))
        if times:
            self.faults[question] = (error, times - 1)
            raise error

    def run(self, pubs, *, shots):
        number = self.submissions
        self.submissions = self.submissions + 1
        circuits = [pub[0] for pub in pubs]
        tags = list(self.options.environment.job_tags)

        def accept():
            job = SamplerJob(self, f"job-{number}", circuits, shots, tags)
            self.accepted[job.job_id()] = job
            return job

        if number not in self.lost:
            return accept()
        threading.Timer(self.late_s, accept).start() if self.late_s else accept()
        raise ConnectionError("the line is dead")

    def jobs(self, limit, job_tags):
        self.answer_or_fail("jobs")
        now = time.monotonic()
        return [
            job
            for job in self.accepted.values()
            if set(job_tags) <= set(job.tags) and now >= job.accepted_at + self.lag_s
        ]

    def job(self, job_id):
        self.answer_or_fail("job")
        return self.accepted[job_id]

    def paid(self):
        """Return how often each circuit was paid, by its angles, and the number of those with a known answer."""
        circuits = [c for job in self.accepted.values() for c in job.circuits]
        user_circuits = [c for c in circuits if c.name != "known answer"]
        texts = Counter(
            str([[float(p) for p in i.operation.params] for i in c.data]) for c in user_circuits
        )
        return sorted(texts.values()), len(circuits) - len(user_circuits)

    def machine(self, options):
        runner = SamplerRunner(self, self)
        return Machine("torino", f"ibm:{options.machine}", self, runner, remote=True)


def dies(monkeypatch, place, call):
    """The process ends in ``call`` at a function of the package ``remote``."""

    def die(*_):
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(f"qllmft_machines.{place}", die)
        with pytest.raises(SystemExit):
            call()


def ibm(monkeypatch, tmp_path, service):
    """Make a backend of the provider ``ibm``, whose account opens ``service``."""
    provider = Provider(service.machine, "ibm", remote=True)
    monkeypatch.setitem(PROVIDERS, "ibm", provider)

    def make(**options):
        usual = {"provider": "ibm", "machine": "torino", "ledger": tmp_path, "max_circuits": 100}
        quick = {"yes": True, "shots": 500, "circuits_per_job": 6, "poll_interval_s": 0.02}
        return create("qiskit", {**usual, **quick, **options})

    return make
