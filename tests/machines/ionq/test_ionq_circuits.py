"""Library gates and random circuits through each client of the mock server, against Qiskit's state vectors."""

from __future__ import annotations

import numpy as np
import pytest
from faulty_server import MockServer, Store
from qiskit import QuantumCircuit, qasm3, transpile
from qiskit.circuit import Gate, ParameterVector
from qiskit.circuit.library import (
    PauliEvolutionGate,
    QFTGate,
    efficient_su2,
    get_standard_gate_name_mapping,
    zz_feature_map,
)
from qiskit.circuit.random import random_circuit
from qiskit.quantum_info import Operator, SparsePauliOp, Statevector

from ionq import TOKEN

pytest.importorskip("qiskit_ionq", reason="qiskit-ionq is not installed: pip install '.[ionq]'")

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),  # http, and advice on transpilation
    pytest.mark.filterwarnings("ignore::scipy.sparse.SparseEfficiencyWarning"),
]
ROUNDING = 1e-9  # probabilities are sent with all digits
DRAWN = 200_000  # qiskit-ionq leaves out the probability of a state that it does not draw in as many shots
RARE = 30 / DRAWN  # a more probable one is not drawn with probability 1e-13


def asymmetric(operation, name):
    """A circuit whose answers show every angle, phase and qubit order of an operation."""
    n_qubits = operation.num_qubits
    rng = np.random.default_rng(7)
    circuit = QuantumCircuit(n_qubits, name=name)
    for layer in range(2):
        for qubit in range(n_qubits):
            circuit.ry(rng.uniform(0.3, 2.8), qubit)
            circuit.rz(rng.uniform(0.3, 2.8), qubit)
        if layer == 0:
            circuit.append(operation, range(n_qubits))
    return circuit


def library_gates():
    """Every unitary gate of Qiskit's standard library, with angles that differ."""
    for name, gate in get_standard_gate_name_mapping().items():
        if isinstance(gate, Gate) and gate.num_qubits:
            angles = np.linspace(0.7, 2.3, len(gate.params)).tolist()
            yield asymmetric(gate.base_class(*angles), name)


def evolution(terms, coefficients, time=0.9):
    operation = PauliEvolutionGate(SparsePauliOp(terms, coefficients), time)
    return asymmetric(operation, f"exp {' '.join(terms)}")


def wide_gates():
    """Gates that a client sends with several controls or terms, and circuits of the library that have them."""
    standard = get_standard_gate_name_mapping()
    yield asymmetric(standard["p"].base_class(0.7).control(3), "mcphase")
    yield asymmetric(standard["x"].control(4), "mcx")
    yield asymmetric(QFTGate(4), "qft")
    yield asymmetric(zz_feature_map(3).assign_parameters([0.3, 0.8, 1.7]).to_gate(), "feature map")
    weights = np.linspace(-2, 2, 24)
    yield asymmetric(efficient_su2(4, reps=2).assign_parameters(weights).to_gate(), "su2")


EVOLUTIONS = [
    evolution(["XY"], [0.7]),
    evolution(["XXI", "IYY", "ZII"][:1], [1.1]),
    evolution(["XX", "YY", "ZZ"], [0.3, -0.8, 0.5]),
    evolution(["XYZ", "YXI"], [0.4, 0.9]),
]


def random_circuits(count):
    """Circuits of 3 to 8 qubits of the standard library's gates on one to four qubits."""
    for seed in range(count):
        n_qubits = 3 + seed % 6
        circuit = random_circuit(n_qubits, depth=6, max_operands=4, seed=seed)
        circuit.name = f"random {seed}"
        yield circuit


def one_behind_another(circuits, length=6):
    """Circuits of so many circuits each, all of which begin at qubit 0."""
    for start in range(0, len(circuits), length):
        parts = circuits[start : start + length]
        n_qubits = max(part.num_qubits for part in parts)
        combined = QuantumCircuit(n_qubits, name=" + ".join(part.name for part in parts))
        for part in parts:
            combined.compose(part, range(part.num_qubits), inplace=True)
        yield combined


def add_measurements(circuit):
    return circuit.measure_all(inplace=False)


def compiled_here(circuits, backend, **options):
    """Compiled by one pass manager, in this process."""
    return transpile(circuits, backend, num_processes=1, **options)


def by_qiskit(box, circuits, monkeypatch, *, prepare=compiled_here):
    """Through qiskit-ionq, compiled for the 29 qubits of the simulator as its users do."""
    from qiskit_ionq import IonQProvider

    monkeypatch.setenv(
        "QISKIT_IONQ_API_URL", box.url
    )  # what the library asks for the number of qubits
    backend = IonQProvider(TOKEN, box.url).get_backend("ionq_simulator")
    assert backend.num_qubits == 29
    ready = prepare([add_measurements(circuit) for circuit in circuits], backend)
    answers = backend.run(ready, shots=DRAWN).result(wait=0.01).get_probabilities()
    answers = answers if isinstance(answers, list) else [answers]
    return [{int(bits, 2): p for bits, p in probabilities.items()} for probabilities in answers]


def by_qiskit_as_they_are(box, circuits, monkeypatch):
    """Through qiskit-ionq, gates as its users wrote them."""
    return by_qiskit(box, circuits, monkeypatch, prepare=lambda circuits, _: circuits)


def by_ionq_core(box, circuits, monkeypatch):
    """Through ionq-core, as OpenQASM 3."""
    ionq_core = pytest.importorskip("ionq_core", reason="ionq-core is not installed")
    pytest.importorskip("qiskit_qasm3_import")
    from ionq_core.api.default import create_job, get_job_probabilities
    from ionq_core.models import CircuitJobCreationPayload

    answers = []
    with ionq_core.IonQClient(api_key=TOKEN, base_url=box.url, max_retries=0) as client:
        for circuit in circuits:
            body = {"data": qasm3.dumps(add_measurements(circuit))}
            job = {"type": "ionq.qasm3.v1", "backend": "simulator", "input": body}
            sent_job = create_job.sync(client=client, body=CircuitJobCreationPayload.from_dict(job))
            ionq_core.wait_for_job(client, sent_job.id, poll_interval=0.01)
            answer = get_job_probabilities.sync(uuid=sent_job.id, client=client)
            answers.append({int(s): p for s, p in answer.additional_properties.items()})
    return answers


CLIENTS = [by_qiskit, by_ionq_core]


def assert_equal_state_vectors(answers, circuits):
    wrong = []
    for probabilities, circuit in zip(answers, circuits, strict=True):
        exact = Statevector(circuit).probabilities()
        rare = [p for state, p in enumerate(exact) if state not in probabilities]
        differences = [abs(p - exact[state]) for state, p in probabilities.items()]
        if max(differences) > ROUNDING or max(rare, default=0.0) > RARE:
            wrong.append(circuit.name)
    assert not wrong


@pytest.fixture
def ideal(_simulated_once):
    with MockServer(token=TOKEN, store=Store(qpu_noise="ideal")) as server:
        yield server


@pytest.mark.public_report(
    case="ionq_mock_phase",
    source="own audit",
    seen="the mock server refused p, cp, mcphase and PauliEvolutionGate as qiskit-ionq 1.1.1 sends them",
    outcome="every gate of Qiskit's library has the probabilities of its state vector through each client",
)
@pytest.mark.parametrize("ask", CLIENTS)
def test_every_library_gate(ask, ideal, monkeypatch):
    circuits = [*library_gates(), *wide_gates(), *EVOLUTIONS]
    assert_equal_state_vectors(ask(ideal, circuits, monkeypatch), circuits)


def test_gates_that_qiskit_ionq_sends_as_they_are(ideal, monkeypatch):
    from qiskit_ionq.helpers import ionq_basis_gates

    circuits = [
        circuit
        for circuit in (*library_gates(), *wide_gates(), *EVOLUTIONS)
        if circuit.count_ops().keys() <= {*ionq_basis_gates}
    ]
    names = {circuit.name for circuit in circuits}
    assert {"p", "cp", "csx", "ch", "mcphase", "mcx", "ccx", "rzz", "exp XYZ YXI"} <= names
    assert_equal_state_vectors(by_qiskit_as_they_are(ideal, circuits, monkeypatch), circuits)


def own_answers(box, folder, circuits):
    """Our backend's exact ⟨Z⟩ of each qubit and ⟨ZZ⟩ of each pair."""
    from qllmft_backends import create

    backend = create("ionq_simulator", {"url": box.url, "ledger": folder, "poll_interval_s": 0.01})
    for circuit in circuits:
        observables = z_strings(circuit.num_qubits)
        yield backend.expectations(circuit, np.empty((1, 0)), observables).values[0]


def z_strings(n_qubits):
    places = [(q,) for q in range(n_qubits)]
    places += [(a, b) for b in range(n_qubits) for a in range(b)]
    return [
        SparsePauliOp.from_sparse_list([("Z" * len(qubits), qubits, 1.0)], n_qubits)
        for qubits in places
    ]


def assert_own_answers(box, folder, circuits):
    for circuit, values in zip(circuits, own_answers(box, folder, circuits), strict=True):
        state = Statevector(circuit)
        exact = [
            state.expectation_value(observable).real for observable in z_strings(circuit.num_qubits)
        ]
        np.testing.assert_allclose(values, exact, atol=2e-6, err_msg=circuit.name)


@pytest.mark.public_report(
    case="phase_gates_to_ionq",
    source="own audit",
    seen="the IonQ backends refused p, cp, u and gates of three qubits, and asked for a decomposition",
    outcome="sent as rotations and ZZ gates with the same state up to its phase, checked for every gate of Qiskit",
)
def test_every_library_gate_through_our_backend(ideal, folder):
    circuits = list(one_behind_another([*library_gates(), *wide_gates()]))
    assert sum(circuit.name.count("+") + 1 for circuit in circuits) > 50
    assert_own_answers(ideal, folder, circuits)


@pytest.mark.parametrize("ask", CLIENTS)
def test_random_circuits(ask, ideal, monkeypatch):
    circuits = list(random_circuits(6))
    assert_equal_state_vectors(ask(ideal, circuits, monkeypatch), circuits)


@pytest.mark.slow
def test_fifty_random_circuits_through_our_backend(ideal, folder):
    assert_own_answers(ideal, folder, list(random_circuits(50)))


@pytest.mark.parametrize("seed", range(5))
def test_a_bell_pair_wherever_it_is_laid(ideal, monkeypatch, seed):
    """The transpiler puts it on any of 29 or 36 qubits, the default noise has Forte's errors."""
    circuit = QuantumCircuit(3)
    circuit.h(0)
    circuit.cx(0, 1)

    def prepare(circuits, backend):
        return compiled_here(circuits, backend, seed_transpiler=seed)

    answers = by_qiskit(ideal, [circuit], monkeypatch, prepare=prepare)
    assert_equal_state_vectors(answers, [circuit])


def test_shots_of_a_noisy_machine_are_within_their_errors(monkeypatch):
    """Forte's errors change the Toffoli's answers by less than 2 %, and more than three qubits need no refusal."""
    from qiskit_ionq import IonQProvider

    circuits = [c for c in (*library_gates(), *wide_gates()) if c.name in ("ccx", "cp", "mcphase")]
    with MockServer(token=TOKEN, store=Store(qpu_noise="forte-1")) as box:
        monkeypatch.setenv("QISKIT_IONQ_API_URL", box.url)
        backend = IonQProvider(TOKEN, box.url).get_backend("ionq_qpu.forte-1")
        ready = compiled_here([add_measurements(circuit) for circuit in circuits], backend)
        counts = backend.run(ready, shots=4000).result(wait=0.01).get_counts()
    for circuit, count in zip(circuits, counts, strict=True):
        exact = Statevector(circuit).probabilities()
        frequencies = (
            np.array([count.get(f"{s:0{circuit.num_qubits}b}", 0) for s in range(len(exact))])
            / 4000
        )
        errors = np.sqrt(exact * (1 - exact) / 4000) + 1 / 4000
        # a circuit of at most 60 gates on two qubits with rate 0.4 %
        assert np.abs(frequencies - exact).max() < 4 * errors.max() + 0.1, circuit.name


def test_a_rewritten_circuit_is_the_same_unitary_with_free_angles():
    """The library's own names of p, cp and csx would be other gates on the server, so none of them is sent."""
    from qllmft_machines.ionq.compile import NATIVE_GATE_COUNTS, make_template

    angles = ParameterVector("a", 8)
    circuit = QuantumCircuit(3)
    circuit.p(angles[0], 1)
    circuit.cp(2 * angles[1] + 0.3, 2, 0)
    circuit.u(*angles[2:5], 2)
    circuit.cu(*angles[4:8], 0, 1)
    circuit.csx(1, 2)
    circuit.ccx(2, 0, 1)
    circuit.iswap(0, 2)
    template = make_template(circuit)
    assert template.circuit.count_ops().keys() <= {*NATIVE_GATE_COUNTS, "measure", "barrier"}
    sent_circuit = template.circuit.remove_final_measurements(inplace=False)
    numbers = np.random.default_rng(0).normal(size=8)
    assert Operator(sent_circuit.assign_parameters(numbers)).equiv(
        Operator(circuit.assign_parameters(numbers))
    )
