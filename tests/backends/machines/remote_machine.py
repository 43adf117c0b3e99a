"""A remote machine in this process: a `BackendV2` of a class that is not known as local."""

import numpy as np
from qiskit.providers import BackendV2, JobStatus, JobV1, Options
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.quantum_info import Statevector

from qllmft_backends import create


def opened(machine, ledger, **options):
    """A backend that sends to a machine, with consent."""
    usual = {"max_circuits": 100, "yes": True, "poll_interval_s": 0.01, "shots": 2000}
    return create("qiskit", {"ledger": ledger, **usual, **options}, backend=machine)


def sampled_counts(circuit, shots, random):
    """Counts of the bits of a circuit, each measured once at its end; Qiskit's sampler makes a text of every shot."""
    measured = {
        circuit.find_bit(i.clbits[0]).index: circuit.find_bit(i.qubits[0]).index
        for i in circuit.data
        if i.operation.name == "measure"
    }
    state = Statevector(circuit.remove_final_measurements(inplace=False))
    state.seed(random)
    return dict(state.sample_counts(shots, [measured[bit] for bit in range(circuit.num_clbits)]))


class Counts:
    def __init__(self, counts):
        self.counts = counts

    def get_counts(self, number):
        return self.counts[number]


class RemoteJob(JobV1):
    def __init__(self, backend, job_id, counts):
        super().__init__(backend, job_id)
        self.counts, self.state = counts, JobStatus.DONE

    def submit(self):
        pass

    def result(self):
        return Counts(self.counts)

    def status(self):
        return self.state


class RemoteMachine(BackendV2):
    """``log`` has the number of circuits of each accepted job; ``breaks`` runs after a job is accepted."""

    def __init__(self, qubits=5, breaks=None, coupling_map=None):
        super().__init__(name="faraway")
        self.jobs, self.log, self.breaks = {}, [], breaks
        self._target = GenericBackendV2(
            qubits, coupling_map=coupling_map, seed=1, noise_info=False
        ).target

    @property
    def target(self):
        return self._target

    max_circuits = None

    @classmethod
    def _default_options(cls):
        return Options()

    def run(self, circuits, *, shots):
        random = np.random.default_rng(len(self.jobs))
        counts = [sampled_counts(circuit, shots, random) for circuit in circuits]
        job_id = f"job-{len(self.jobs) + 1}"
        self.jobs[job_id] = RemoteJob(self, job_id, counts)
        self.log.append(len(circuits))
        if self.breaks is not None:
            self.breaks()
        return self.jobs[job_id]

    def retrieve_job(self, job_id):
        return self.jobs[job_id]
