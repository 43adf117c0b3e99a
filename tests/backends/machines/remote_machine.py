"""A remote machine in this process: a `BackendV2` of a class that is not known as local."""

from qiskit.primitives import StatevectorSampler
from qiskit.providers import BackendV2, JobStatus, JobV1, Options
from qiskit.providers.fake_provider import GenericBackendV2

from qllmft_backends import create


def opened(machine, ledger, **options):
    """A backend that sends to a machine, with consent."""
    usual = {"max_circuits": 100, "yes": True, "poll_interval_s": 0.01, "shots": 2000}
    return create("qiskit", {"ledger": ledger, **usual, **options}, backend=machine)


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
        found = (
            StatevectorSampler(seed=len(self.jobs))
            .run([(c,) for c in circuits], shots=shots)
            .result()
        )
        job_id = f"job-{len(self.jobs) + 1}"
        self.jobs[job_id] = RemoteJob(self, job_id, [pub.data.meas.get_counts() for pub in found])
        self.log.append(len(circuits))
        if self.breaks is not None:
            self.breaks()
        return self.jobs[job_id]

    def retrieve_job(self, job_id):
        return self.jobs[job_id]
