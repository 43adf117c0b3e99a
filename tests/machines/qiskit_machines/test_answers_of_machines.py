"""Forms of counts, memory beside them, dry runs, limits that machines state, and check circuits of local machines."""

from types import SimpleNamespace

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.primitives import BaseSamplerV2, BitArray
from qiskit.providers import Options
from qiskit.quantum_info import SparsePauliOp
from qiskit.result import Result
from remote_machine import RemoteMachine, mirror_bits, open_backend, sampled_counts
from sampler_service import Service, ibm

from qllmft_backends import BackendError, create
from qllmft_machines import ledger_jobs
from qllmft_machines.errors import JobFailedError
from qllmft_machines.qiskit_machines.counts import parse_counts, read_pub
from qllmft_machines.qiskit_machines.limits import fewest_shots, max_circuits, most_shots

ANGLE = Parameter("a")
Z_OF_EACH = [SparsePauliOp.from_sparse_list([("Z", [q], 1)], 3) for q in range(3)]


def asymmetric() -> QuantumCircuit:
    """Z of qubits 0 to 2: cos a, 1 and -1."""
    circuit = QuantumCircuit(3)
    circuit.ry(ANGLE, 0)
    circuit.x(2)
    return circuit


def measure(backend, rows: int) -> np.ndarray:
    angles = np.linspace(0, 3, rows)[:, None]
    return backend.expectations(asymmetric(), angles, Z_OF_EACH).values


def assert_right(values: np.ndarray) -> None:
    angles = np.linspace(0, 3, len(values))
    expected = np.stack([np.cos(angles), np.ones(len(angles)), -np.ones(len(angles))], axis=1)
    np.testing.assert_allclose(values, expected, atol=0.12)


def local(machine, **options):
    return create("qiskit", {"local": True, "shots": 2000, **options}, backend=machine)


class LyingMachine(RemoteMachine):
    """Machine that changes the counts of a batch; ``has_memory``: with its shots, which are right."""

    def __init__(self, lie=lambda counts: counts, *, has_memory=False):
        super().__init__()
        self.lie = lie
        self.has_memory = has_memory
        self.takes = np.inf

    def run(self, circuits, *, shots):
        if len(circuits) > self.takes:
            raise ValueError("3242: circuit count exceeded")
        job = super().run(circuits, shots=shots)
        results = []
        for circuit, counts in zip(circuits, job.counts, strict=True):
            told = self.lie(counts) if len(circuits) > 1 else counts
            data = {"counts": {hex(int(key, 2)): number for key, number in told.items()}}
            if self.has_memory:
                data["memory"] = [
                    hex(int(k, 2)) for k, number in counts.items() for _ in range(number)
                ]
            header = {"name": circuit.name, "memory_slots": circuit.num_clbits}
            results.append({"shots": shots, "success": True, "header": header, "data": data})
        answer = {"backend_name": "faraway", "success": True, "results": results}
        job.result = lambda: Result.from_dict(
            {**answer, "backend_version": "1", "qobj_id": "0", "job_id": "1"}
        )
        return job


@pytest.mark.public_report(
    case="counts_of_a_batch",
    source="amazon-braket/qiskit-braket-provider#374, Qiskit/qiskit-ibm-runtime#2904",
    seen="reversed counts of a batch were believed, although the memory of the same answer was right",
    outcome="counts that contradict the memory are refused, and a check circuit finds a reversal without it",
)
@pytest.mark.parametrize("rows", [1, 2, 7])
def test_counts_that_contradict_the_memory_are_refused(rows):
    machine = LyingMachine(mirror_bits, has_memory=True)
    with pytest.raises(
        JobFailedError, match=r"counts and memory of one answer contradict each other"
    ):
        measure(local(machine), rows)
    assert_right(measure(local(LyingMachine(has_memory=True)), rows))


def test_counts_of_a_paid_job_that_contradict_the_memory_are_not_recorded(tmp_path):
    machine = LyingMachine(mirror_bits, has_memory=True)
    backend = open_backend(machine, tmp_path)
    with pytest.raises(JobFailedError, match="contradict each other"):
        measure(backend, 3)
    (row,) = ledger_jobs(backend.jobs.ledger.folder)
    assert row.state == "submitted"


def test_a_check_circuit_finds_a_reversal_on_a_local_machine():
    with pytest.raises(BackendError, match=r"the check circuit came back wrong on the qubits"):
        measure(local(LyingMachine(mirror_bits)), 3)
    assert measure(local(LyingMachine(mirror_bits), known_answer_shots=0), 3).shape == (3, 3)


def test_a_local_machine_is_checked_once_for_the_same_qubits():
    machine = RemoteMachine()
    backend = local(machine)
    assert_right(measure(backend, 3))
    assert_right(measure(backend, 4))
    assert machine.log == [4, 4]
    few_shots = RemoteMachine()
    measure(local(few_shots, shots=19), 3)
    assert few_shots.log == [3]


@pytest.mark.public_report(
    case="circuits_of_a_job",
    source="qiskit-community/qiskit-machine-learning#701",
    seen="a machine object's max_circuits was ignored, and its raw ValueError came back",
    outcome="circuits are sent in parts of at most max_circuits",
)
@pytest.mark.parametrize(
    ("limit", "sizes"),
    [
        (3, [3, 3, 2]),
        (1, [1] * 8),
        (None, [8]),
        (0, [8]),
        (lambda: 5, [5, 3]),
        (np.int64(7), [7, 1]),
    ],
    ids=["3", "1", "none", "0", "method", "numpy"],
)
def test_a_local_machine_gets_no_more_circuits_than_it_takes(limit, sizes):
    machine = LyingMachine()
    machine.max_circuits = limit
    machine.takes = max(sizes)
    assert_right(measure(local(machine), 7))
    assert machine.log == sizes


class SeededMachine(RemoteMachine):
    """Simulator that takes a seed for its shots, and two circuits."""

    max_circuits = 2

    @classmethod
    def _default_options(cls):
        return Options(seed_simulator=None)

    def run(self, circuits, *, shots, seed_simulator):
        self.seeds = [*getattr(self, "seeds", []), seed_simulator]
        return super().run(circuits, shots=shots)


def test_parts_of_one_call_have_different_seeds():
    machine = SeededMachine()
    measure(local(machine), 5)
    assert len(set(machine.seeds)) == len(machine.seeds) == 3


def failing(error):
    return property(lambda self: (_ for _ in ()).throw(error))


def test_limits_that_machines_state():
    class Silent:
        max_circuits = failing(NotImplementedError())

    class Broken:
        max_circuits = failing(RuntimeError("no calibration"))

    assert max_circuits(Silent()) == max_circuits(object()) == np.inf
    with pytest.raises(BackendError, match=r"Broken does not state max_circuits: .*no calibration"):
        max_circuits(Broken())
    for wrong in ("3", -2, True):
        with pytest.raises(BackendError, match="max_circuits of SimpleNamespace is"):
            max_circuits(SimpleNamespace(max_circuits=wrong))
    service = SimpleNamespace(shotsRange=(100, 5000))
    braket = SimpleNamespace(_device=SimpleNamespace(properties=SimpleNamespace(service=service)))
    assert (fewest_shots(braket), most_shots(braket)) == (100, 5000)
    options = Options(shots=1000)
    options.set_validator("shots", (20, 4096))
    ranged = SimpleNamespace(options=options)
    assert (fewest_shots(ranged), most_shots(ranged)) == (20, 4096)
    assert (fewest_shots(object()), most_shots(object())) == (1, np.inf)


def test_shots_beyond_the_limits_of_a_machine_are_refused_before_it_runs(tmp_path):
    machine = RemoteMachine()
    machine.max_shots = 1500
    for backend in (local(machine), open_backend(machine, tmp_path)):
        with pytest.raises(
            BackendError, match=r"got 2000 shots, and faraway takes 1 to 1500\. Nothing"
        ):
            measure(backend, 2)
    assert machine.log == []
    assert_right(measure(local(machine, shots=1500), 2))


@pytest.mark.parametrize(
    "counts",
    [
        {"101": 3, "001": 1},
        {"1 01": 3, "0 01": 1},
        {"0x5": 3, "0x1": 1},
        {5: 3, 1: 1},
        {"101": 3.0, "1": 1},
    ],
    ids=["bits", "blanks", "hexadecimal", "numbers", "unpadded"],
)
def test_forms_of_counts(counts):
    assert parse_counts(counts, 3) == {5: 3, 1: 1}


@pytest.mark.parametrize(
    ("counts", "match"),
    [
        ({"101": 0.75, "001": 0.25}, r"the answer has 0\.75 shots.* Probabilities are no counts"),
        ({"101": -0.1, "001": 1.1}, "Probabilities are no counts"),
        ({5: float("nan")}, "the answer has nan shots"),
        ({"12": 4}, r"outcome '12', expected 3 bits"),
        ({"1011": 4}, r"outcome '1011', expected 3 bits"),
        ({9: 4}, r"outcome '9', expected 3 bits"),
        ({(1, 0, 1): 4}, "expected 3 bits"),
        ([3, 1], "the answer is a list, expected counts by outcome"),
    ],
)
def test_other_answers_are_refused(counts, match):
    with pytest.raises(JobFailedError, match=match):
        parse_counts(counts, 3)


def test_forms_of_a_samplers_register():
    bits = BitArray.from_counts({"101": 3, "001": 1}, 3)
    shots = SimpleNamespace(
        get_counts=lambda: {"101": 3, "001": 1}, get_bitstrings=bits.get_bitstrings
    )
    for register in (bits, shots, {"0x5": 3, "0x1": 1}):
        assert read_pub(SimpleNamespace(data={"meas": register}), 3).counts == {5: 3, 1: 1}
    shots.get_counts = lambda: {"101": 3, "100": 1}
    with pytest.raises(JobFailedError, match="contradict each other"):
        read_pub(SimpleNamespace(data={"meas": shots}), 3)
    with pytest.raises(JobFailedError, match=r"without the register 'meas'"):
        read_pub(SimpleNamespace(data=SimpleNamespace(c=bits)), 3)


def test_a_dry_run_reaches_no_ledger(monkeypatch, tmp_path):
    """IBM's service does it on a device named mock_..., and its results are random."""
    service = Service()
    make = ibm(monkeypatch, tmp_path, service)
    run = service.run

    def dry_run(pubs, *, shots):
        job = run(pubs, shots=shots)
        job.backend = lambda: SimpleNamespace(name="mock_torino")
        return job

    service.run = dry_run
    with pytest.raises(
        JobFailedError, match=r"the job is a dry run on mock_torino, whose results are random"
    ):
        measure(make(), 3)
    service.run = run
    with pytest.raises(JobFailedError, match="retry_failed"):
        measure(make(), 3)
    assert_right(measure(make(retry_failed=True), 3))


class DrySampler(BaseSamplerV2):
    """Sampler in this process whose results say that they are of a dry run."""

    def run(self, pubs, *, shots):
        circuits = [pub[0] for pub in pubs]
        counts = [sampled_counts(c, shots, np.random.default_rng(0)) for c in circuits]
        answers = [SimpleNamespace(data={"meas": c}, metadata={"dry_run": True}) for c in counts]
        return SimpleNamespace(result=lambda: answers, status=lambda: "DONE")


def test_a_dry_run_of_a_local_sampler_is_refused():
    with pytest.raises(JobFailedError, match=r"the job is a dry run\. Its results are random"):
        measure(local(DrySampler()), 2)
