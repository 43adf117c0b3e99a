"""A remote machine in this process: a `BackendV2` of a class that is not known as local."""

from functools import lru_cache

import numpy as np
from qiskit.providers import BackendV2, JobStatus, JobV1, Options
from qiskit.providers.fake_provider import GenericBackendV2

from qllmft_backends import create


def open_backend(machine, ledger, **options):
    """A backend that sends to a machine, with consent."""
    usual = {"max_circuits": 100, "yes": True, "poll_interval_s": 0.01, "shots": 2000}
    return create("qiskit", {"ledger": ledger, **usual, **options}, backend=machine)


def evolved_state(circuit):
    """State of a circuit's gates, with qubit q on axis n - 1 - q; its measurements change nothing."""
    n_qubits = circuit.num_qubits
    state = np.zeros((2,) * n_qubits, complex)
    state[(0,) * n_qubits] = 1
    for instruction in circuit.data:
        if instruction.operation.name in ("measure", "barrier"):
            continue
        axes = [n_qubits - 1 - circuit.find_bit(q).index for q in reversed(instruction.qubits)]
        width = len(axes)
        matrix = instruction.operation.to_matrix().reshape((2,) * 2 * width)
        state = np.tensordot(matrix, state, (range(width, 2 * width), axes))
        state = np.moveaxis(state, range(width), axes)
    return state


def sampled_counts(circuit, shots, random):
    """Counts of the bits of a circuit, each measured once at its end; Qiskit's sampler makes a text of every shot."""
    n_bits = circuit.num_clbits
    measured = {
        circuit.find_bit(i.clbits[0]).index: circuit.find_bit(i.qubits[0]).index
        for i in circuit.data
        if i.operation.name == "measure"
    }
    measured_axes = [circuit.num_qubits - 1 - measured[bit] for bit in reversed(range(n_bits))]
    summed_axes = tuple(set(range(circuit.num_qubits)) - set(measured_axes))
    probabilities = (np.abs(evolved_state(circuit)) ** 2).sum(axis=summed_axes, keepdims=True)
    outcomes = probabilities.transpose(*measured_axes, *summed_axes).ravel()
    counts = random.multinomial(shots, outcomes / outcomes.sum())
    return {f"{i:0{n_bits}b}": int(counts[i]) for i in np.flatnonzero(counts)}


@lru_cache
def noiseless_target(n_qubits, coupling):
    """Target of a machine without noise, with its pairs of qubits in ``coupling``; None: all of them."""
    coupling_map = None if coupling is None else [list(pair) for pair in coupling]
    machine = GenericBackendV2(n_qubits, coupling_map=coupling_map, seed=1, noise_info=False)
    return machine.target


def flip_bits(counts):
    """Counts of the opposite bits."""
    return {"".join("10"[int(b)] for b in bits): number for bits, number in counts.items()}


def mirror_bits(counts):
    """Counts of the bits in another order of the qubits."""
    return {bits[::-1]: number for bits, number in counts.items()}


def answer_zeros(counts):
    """One outcome for all shots."""
    return {"0000": sum(counts.values())}


class Counts:
    def __init__(self, counts):
        self.counts = counts

    def get_counts(self, number):
        return self.counts[number]


class RemoteJob(JobV1):
    def __init__(self, backend, job_id, counts):
        super().__init__(backend, job_id)
        self.counts = counts
        self.state = JobStatus.DONE

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
        self.jobs = {}
        self.log = []
        self.breaks = breaks
        coupling = None if coupling_map is None else tuple(map(tuple, coupling_map))
        self._target = noiseless_target(qubits, coupling)

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
