"""Machines in this process: values against the exact engine, compilation, seeds and errors."""

import warnings

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.circuit.library import CXGate
from qiskit.primitives import StatevectorEstimator, StatevectorSampler
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.quantum_info import SparsePauliOp
from reference_circuits import own_gate
from remote_machine import RemoteMachine

from qllmft_backends import BackendError, MissingExtraError, UnknownBackendError, create
from qllmft_machines.qiskit_machines.providers import PROVIDERS, Provider

SUM = SparsePauliOp(["IZZI", "IIIZ"], [0.5, -2.0])
OBSERVABLES = [SparsePauliOp("IIIZ"), SparsePauliOp("ZIII"), SUM]
VALUES = np.random.default_rng(3).uniform(-2, 2, (3, 9))


def circuit(n_qubits=4, label=None):
    """A circuit that is not symmetric in its qubits."""
    p = ParameterVector("p", 9)
    head = QuantumCircuit(n_qubits, name="head")
    for i in range(8):
        head.ry(p[i], i % 4)
        head.append(CXGate(label), [i % 4, (i + 1) % 4])
    head.rz(p[8], 0)
    return head


def exact():
    return create("aer_statevector").expectations(circuit(), VALUES, OBSERVABLES).values


def assert_close(answer, sigmas=4.5, bias=0.0):
    assert (np.abs(answer.values - exact()) < sigmas * answer.standard_errors + bias).all()


@pytest.mark.parametrize("level", [0, 3])
def test_a_machine_without_noise_gives_the_exact_values_within_its_errors(level):
    machine = RemoteMachine(6, coupling_map=[[i, i + 1] for i in range(5)])
    options = {"shots": 4000, "optimization_level": level, "local": True}
    backend = create("qiskit", options, backend=machine)
    assert not backend.capabilities.remote
    compiled = backend.compile_for_machine(circuit())
    assert compiled.circuit.num_qubits == 6  # Qiskit widens circuits to the machine
    assert_close(backend.expectations(circuit(), VALUES, OBSERVABLES))


@pytest.mark.filterwarnings("ignore:.*has no QubitProperties")
def test_a_machine_runs_the_definition_of_a_gate_and_not_its_name():
    outer = QuantumCircuit(3)
    inner = QuantumCircuit(1)
    outer.append(own_gate("x"), [0])
    inner.append(own_gate("sx"), [0])
    for _ in range(2):
        outer.append(inner.to_gate(), [1])
    observables = [SparsePauliOp(label) for label in ("IIZ", "IZI", "ZII")]
    machine = GenericBackendV2(4, noise_info=False, seed=1)
    backend = create("qiskit", {"shots": 4000}, backend=machine)
    answer = backend.expectations(outer, np.empty((1, 0)), observables)
    np.testing.assert_allclose(answer.values, [[0, -1, 1]], atol=0.08)


def test_noise_of_a_machine_moves_the_values():
    options = {"machine": "5", "shots": 2000, "layout": [4, 1, 2, 0]}
    backend = create("qiskit", options)
    second_backend = create("qiskit", options)
    answer = backend.expectations(circuit(), VALUES, OBSERVABLES)
    assert_close(answer, bias=0.2)
    assert backend.machine == "generic:generic_backend_5q"
    for label in (None, "mine"):  # Aer would look for noise by a gate's label
        repeated = second_backend.expectations(circuit(label=label), VALUES, OBSERVABLES)
        np.testing.assert_array_equal(answer.values, repeated.values)


@pytest.mark.parametrize("primitive", [StatevectorSampler(seed=4), StatevectorEstimator(seed=4)])
def test_a_primitive_is_a_machine(primitive):
    backend = create("qiskit", {"shots": 4000}, backend=primitive)
    answer = backend.expectations(circuit(), VALUES, OBSERVABLES)
    assert_close(answer)
    assert (answer.standard_errors > 0).all()


def test_the_engine_is_a_machine_of_its_own_interface():
    backend = create("qiskit", {"shots": 4000}, backend=create("adjoint").qiskit_backend())
    assert_close(backend.expectations(circuit(), VALUES, OBSERVABLES))


def test_counts_keep_the_number_of_shots_of_the_request():
    backend = create("qiskit", {"machine": "5"}, backend=None)
    outcomes = backend.outcomes(circuit(), VALUES, 300, np.random.default_rng(0))
    assert outcomes.shape == (3, 300)
    assert outcomes.max() < 16


def test_another_precision_keeps_the_machine_that_was_given():
    backend = create("qiskit", {"shots": 100, "local": True}, backend=RemoteMachine(4))
    estimator = backend.estimator(default_precision=0.02)
    data = estimator.run([(circuit(), OBSERVABLES[0], VALUES[0])]).result()[0].data
    assert abs(data.evs - exact()[0, 0]) < 5 * 0.02
    assert data.stds < 0.025


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"machine": "3"}, r"has 4 qubits and the device has 3\. Nothing was sent"),
        ({"machine": "5", "layout": [0, 1]}, "expected 4 qubits below 5"),
        ({"native": "ionq", "machine": "4"}, "does not run IonQ's gates gpi"),
        ({"machine": "many"}, "expected the number of qubits of a generic device"),
        ({"provider": "ibm"}, "Name a device with the option machine"),
    ],
)
def test_faults_are_refused_before_anything_runs(options, match):
    with pytest.raises(BackendError, match=match):
        create("qiskit", options).expectations(circuit(), VALUES, OBSERVABLES)


def test_objects_that_are_no_machines():
    with pytest.raises(BackendError, match=r"got builtins\.str, expected a BackendV2"):
        create("qiskit", backend="a name")
    with pytest.raises(UnknownBackendError, match="takes no object"):
        create("adjoint", backend=GenericBackendV2(4))


@pytest.mark.parametrize("source", ["os.system", "qiskit_aer.AerSimulator", "__main__"])
def test_no_name_of_a_user_s_is_imported(source):
    with pytest.raises(UnknownBackendError, match="Input should be 'generic', 'ibm-fake'"):
        create("qiskit", {"provider": source})


@pytest.mark.parametrize("name", [name for name in PROVIDERS if name != "generic"])
def test_a_missing_package_is_named_with_its_extra(name):
    if PROVIDERS[name].installed:
        pytest.skip("it is installed")
    with pytest.raises(
        MissingExtraError, match=rf"pip install 'qllmft\[{PROVIDERS[name].extra}\]'"
    ):
        create("qiskit", {"provider": name, "machine": "some"})


def test_a_fault_of_a_provider_is_an_error_in_one_line(monkeypatch):
    def opens(options):
        raise RuntimeError("no account\nwas found")

    monkeypatch.setitem(PROVIDERS, "ibm", Provider(opens, "ibm", remote=True))
    with pytest.raises(
        BackendError, match=r"'ibm' does not open some: RuntimeError: no account was found\. Save"
    ):
        create("qiskit", {"provider": "ibm", "machine": "some"})


OFFLINE = {
    "ibm-fake": {"machine": "fake_nairobi"},
    "aer-from-backend": {"machine": "fake_nairobi"},
    "braket-local": {},
    "braket-local ionq": {"native": "ionq"},
}


@pytest.mark.parametrize("case", OFFLINE)
def test_an_offline_provider_runs_the_head(case):
    name = case.split()[0]
    if not PROVIDERS[name].installed:
        pytest.skip(f"needs the extra {PROVIDERS[name].extra}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the provider's packages
        backend = create("qiskit", {"provider": name, "shots": 4000, **OFFLINE[case]})
        answer = backend.expectations(circuit(), VALUES, OBSERVABLES)
        compiled = backend.compile_for_machine(circuit())
    noise = 0.0 if name == "braket-local" else 0.4
    assert_close(answer, bias=noise)
    if name == "braket-local":
        assert ("gpi2" in compiled.circuit.count_ops()) == case.endswith("ionq")


def test_barriers_keep_folded_gates_apart_in_the_sampler_too():
    folded = QuantumCircuit(2)
    folded.h(0)
    for _ in range(30):
        folded.cx(0, 1)
        folded.barrier()
    folded.h(0)
    folded.barrier()
    backend = create("qiskit", {"shots": 4000, "machine": "3"})
    data = backend.estimator().run([(folded, "IZ")]).result()[0].data
    assert abs(data.evs) < 0.9, "the noise of 30 gates"
    delayed = folded.copy()
    delayed.delay(10, 0, unit="ns")
    with_delay = backend.estimator().run([(delayed, "IZ")]).result()[0].data.evs
    measured = folded.measure_all(inplace=False)
    counts = backend.sampler().run([measured]).result()[0].data.meas
    for value in (with_delay, counts.expectation_values("IZ")):
        assert abs(value - data.evs) < 6 * data.stds


def test_the_sampler_s_seed_draws_its_shots():
    measured = QuantumCircuit(2)
    measured.ry(1.1, 0)
    measured.cx(0, 1)
    measured.h(1)
    measured.measure_all()
    backend = create("qiskit", {"shots": 1000, "machine": "3"})

    def counts(sampler, number=1):
        result = sampler.run([measured] * number).result()
        return [pub.data.meas.get_counts() for pub in result]

    default_sampler = backend.sampler()
    first, second = counts(default_sampler, 2)
    (third,) = counts(default_sampler)
    assert first != second != third != first, "each pub and run draws anew"
    assert counts(backend.sampler(), 2) == [first, second]
    assert counts(backend.sampler(seed=7)) == counts(backend.sampler(seed=7))
    assert counts(backend.sampler(seed=7)) != counts(backend.sampler(seed=8))


def test_an_estimator_measures_every_basis_itself():
    entangled = QuantumCircuit(3)
    entangled.ry(0.7, 0)
    entangled.cx(0, 1)
    entangled.rx(0.4, 1)
    entangled.cx(1, 2)
    terms = ["ZZI", "IXX", "YIZ", SparsePauliOp(["XXI", "ZIZ"], [0.5, -2.0])]
    backend = create("qiskit", {"shots": 40_000}, backend=StatevectorEstimator(seed=1))
    data = backend.estimator().run([(entangled, terms)]).result()[0].data
    right = StatevectorEstimator().run([(entangled, terms)]).result()[0].data.evs
    assert (np.abs(data.evs - right) < 5 * data.stds).all()
    entangled.measure_all()  # X and Y of a measured qubit are 0
    data = backend.estimator().run([(entangled, ["IXX", "IZZ"])]).result()[0].data
    assert (data.evs[0], data.stds[0]) == (0.0, 0.0)
