"""Samplers and the engine as Qiskit's `BackendV2`: counts by the exact probabilities, registers, conditions, errors."""

import numpy as np
import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister, transpile
from qiskit.circuit import Parameter
from qiskit.circuit.classical import expr
from qiskit.primitives import BackendEstimatorV2, BackendSamplerV2
from qiskit.quantum_info import SparsePauliOp, Statevector
from reference_circuits import StatevectorBackend, every_gate

from qllmft_backends import BackendError, UnsupportedGateError, create

SHOTS = 4000
NO_NOISE = {"noise": "explicit", "one_qubit_rate": 0.0, "two_qubit_rate": 0.0}
STRONG = {"noise": "explicit", "one_qubit_rate": 0.05, "two_qubit_rate": 0.1, "readout_error": 0.02}


def registers(circuit: QuantumCircuit) -> QuantumCircuit:
    """Measure qubits 2 and 0 into ``low``, and 1 into bit 1 of ``high``."""
    low = ClassicalRegister(2, "low")
    high = ClassicalRegister(2, "high")
    out = QuantumCircuit(QuantumRegister(3), low, high, metadata={"about": "registers"})
    out.compose(circuit, range(3), inplace=True)
    out.measure([2, 0, 1], [low[0], low[1], high[1]])
    return out


def within_errors(counts, p, shots=SHOTS):
    """Counts agree with probabilities within 5 standard errors."""
    return np.abs(counts / shots - p).max() < 5 * np.sqrt(0.25 / shots)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        *(("adjoint", options) for options in ({}, {"readout_error": 0.0, "shots": 9})),
        ("aer_statevector", {}),
        ("aer_forte", NO_NOISE),
    ],
)
def test_registers_hold_the_bits_of_the_same_shot(name, options):
    circuit = every_gate(3)
    values = np.random.default_rng(1).normal(size=(2, 1, circuit.num_parameters))
    pub = registers(circuit), values, SHOTS
    [result] = create(name, options).sampler(seed=5).run([pub]).result()
    assert result.data.shape == (2, 1)
    assert result.metadata == {"shots": SHOTS, "circuit_metadata": {"about": "registers"}}
    low = result.data.low
    high = result.data.high
    assert (low.num_bits, high.num_bits, low.shape, low.num_shots) == (2, 2, (2, 1), SHOTS)
    for b in range(2):
        bits_low, bits_high = (register[b, 0].array[:, 0].astype(int) for register in (low, high))
        outcomes = (bits_low >> 1 & 1) | (bits_high >> 1 & 1) << 1 | (bits_low & 1) << 2
        exact = Statevector(circuit.assign_parameters(values[b, 0])).probabilities()
        assert within_errors(np.bincount(outcomes, minlength=8), exact)
        first, second = (np.bincount(part, minlength=8) for part in np.split(outcomes, 2))
        assert within_errors(first, exact, SHOTS // 2)  # any part of the shots is a fair one
        assert within_errors(second, exact, SHOTS // 2)


def dynamic() -> QuantumCircuit:
    """Measurements in the middle, active reset, a condition with two branches, and a bit that is measured twice."""
    circuit = QuantumCircuit(3, 4)
    circuit.ry(Parameter("a"), 0)
    circuit.cx(0, 1)
    circuit.measure(0, 0)
    with circuit.if_test((0, 1)):
        circuit.x(0)
    circuit.h(1)
    circuit.measure(1, 1)
    with circuit.if_test((circuit.cregs[0], 3)) as otherwise:
        circuit.ry(0.8, 2)
        circuit.h(0)
    with otherwise:
        circuit.ry(1.9, 2)
        circuit.cx(2, 0)
    circuit.h(1)
    circuit.reset(1)
    circuit.cx(0, 1)
    circuit.h(0)
    circuit.measure([0, 1, 2], [0, 2, 3])
    return circuit


def test_deferred_measurements_give_the_counts_of_aers_true_ones():
    values = np.array([[0.6], [2.0]])
    shots = 8000
    engine, aer = (
        create(name).sampler(seed=2).run([(dynamic(), values, shots)]).result()[0].data.c
        for name in ("adjoint", "aer_statevector")
    )
    for b in range(2):
        ours, aers = (
            np.bincount(bits[b].array[:, 0], minlength=16) / shots for bits in (engine, aer)
        )
        assert (ours > 0).sum() > 6
        p = (ours + aers) / 2
        assert (np.abs(ours - aers) <= 5 * np.sqrt(2 * p * (1 - p) / shots)).all()


def test_noise_of_the_engine_is_that_of_aer():
    circuit = registers(every_gate(3, others=1))
    values = np.random.default_rng(2).normal(size=circuit.num_parameters)

    def frequencies(name, options):
        sampler = create(name, options).sampler(seed=3)
        data = sampler.run([(circuit, values)], shots=20000).result()[0].data
        outcomes = data.low.array[:, 0] | data.high.array[:, 0] << 2
        return np.bincount(outcomes, minlength=16) / 20000

    ours, aers = (frequencies(name, STRONG) for name in ("adjoint", "aer_forte"))
    assert np.abs(ours - aers).max() < 5 * np.sqrt(2 * 0.25 / 20000)
    assert np.abs(frequencies("adjoint", {}) - ours).max() > 0.05


@pytest.mark.parametrize("name", ["adjoint", "aer_statevector"])
def test_a_seed_repeats_the_shots_and_none_draws_anew(name):
    circuit = registers(every_gate(3))
    pub = circuit, np.ones(circuit.num_parameters)

    def bits(sampler):
        return sampler.run([pub]).result()[0].data.low.array

    fixed, free, second_free = (create(name).sampler(seed=seed) for seed in (4, None, None))
    np.testing.assert_array_equal(bits(fixed), bits(fixed))
    first = bits(free)
    assert (first != bits(free)).any()
    np.testing.assert_array_equal(first, bits(second_free))  # by the option seed
    assert create(name, {"shots": 12}).sampler().default_shots == 12


def test_what_cannot_be_sampled_is_refused_with_the_remedy():
    loop = QuantumCircuit(2, 2)
    with loop.while_loop((loop.clbits[0], 0)):
        loop.h(0)
        loop.measure(0, 0)
    loop.cx(0, 1)
    loop.measure(1, 1)
    with pytest.raises(
        UnsupportedGateError, match=r"'while_loop'.* create\('aer_statevector'\).sampler\(\)"
    ):
        create("adjoint").sampler().run([loop]).result()
    [result] = create("aer_statevector").sampler().run([loop], shots=20).result()
    assert result.data.c.get_counts() == {"11": 20}
    measured = QuantumCircuit(1)
    measured.measure_all()
    with pytest.raises(BackendError, match="no method outcomes"):
        StatevectorBackend().sampler().run([measured]).result()
    with pytest.warns(UserWarning, match="no classical registers"):
        create("adjoint").sampler().run([QuantumCircuit(1)]).result()


def test_transpile_and_qiskits_tools_take_the_engine_as_a_backend():
    backend = create("adjoint").qiskit_backend()
    circuit = QuantumCircuit(3)
    circuit.h(0)
    circuit.ccx(0, 1, 2)
    circuit.ryy(0.4, 0, 2)
    circuit.iswap(1, 2)
    exact = Statevector(circuit)
    circuit.measure_all()
    compiled = transpile(circuit, backend)
    assert compiled.num_qubits == 3
    job = backend.run([compiled, compiled], shots=SHOTS, seed_simulator=1, memory=True)
    counts = job.result().get_counts(0)
    counts = np.array([counts.get(f"{k:03b}", 0) for k in range(8)])
    assert within_errors(counts, exact.probabilities())
    assert len(job.result().get_memory(1)) == SHOTS
    assert job.job_id() != backend.run(compiled).job_id()
    [result] = BackendSamplerV2(backend=backend).run([compiled], shots=SHOTS).result()
    sampled_counts = result.data.meas.get_int_counts()
    assert within_errors(
        np.array([sampled_counts.get(k, 0) for k in range(8)]), exact.probabilities()
    )
    plain = compiled.remove_final_measurements(inplace=False)
    [result] = BackendEstimatorV2(backend=backend).run([(plain, "XXZ")], precision=0.02).result()
    value = exact.expectation_value(SparsePauliOp("XXZ")).real
    assert result.data.evs == pytest.approx(value, abs=0.1)
    refusals = (
        ({"shot": 1}, "got the options shot, expected"),
        ({"shots": 0}, "shots is 0, expected a whole number"),
    )
    for wrong, message in refusals:
        with pytest.raises(BackendError, match=message):
            backend.run(compiled, **wrong)
    with pytest.raises(BackendError, match=r"free parameters a. Call assign_parameters"):
        backend.run(dynamic())


def test_a_box_is_its_body():
    circuit = QuantumCircuit(3, 2)
    circuit.h(0)
    circuit.measure(0, 0)
    with circuit.box():
        circuit.cx(0, 2)
        circuit.measure(2, 1)
    counts = create("adjoint").sampler(seed=1).run([circuit]).result()[0].data.c.get_counts()
    assert counts.keys() == {"00", "11"}


def test_the_remedy_is_aer_where_aer_has_the_feature():
    with_loop = QuantumCircuit(1, 1)
    with_loop.measure(0, 0)
    with with_loop.while_loop((with_loop.clbits[0], 1)):
        with_loop.x(0)
    with_variable = QuantumCircuit(1, 1)
    with_variable.add_var("v", expr.lift(True))
    with_variable.measure(0, 0)
    register = ClassicalRegister(2, "c")
    with_index = QuantumCircuit(QuantumRegister(2), register)
    with_index.measure(0, 0)
    with with_index.if_test(expr.index(register, 1)):
        with_index.x(1)
    for circuit, remedy in (
        (with_loop, "Qiskit Aer runs it shot by shot"),
        (with_variable, "Write it with conditions on single bits"),
        (with_index, "Write it with conditions on single bits"),
    ):
        with pytest.raises(UnsupportedGateError, match=remedy):
            create("adjoint").sampler().run([circuit]).result()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shots": 1.7}, "shots is 1.7, expected a whole number from 1"),
        ({"shots": 0}, "shots is 0, expected a whole number from 1"),
        (
            {"shots": 3, "seed_simulator": "x"},
            "seed_simulator is 'x', expected None or a whole number",
        ),
        (
            {"shots": 3, "seed_simulator": -1},
            "seed_simulator is -1, expected None or a whole number",
        ),
    ],
)
def test_run_refuses_numbers_that_are_none(options, message):
    circuit = QuantumCircuit(1, 1)
    circuit.measure(0, 0)
    with pytest.raises(BackendError, match=message):
        create("adjoint").qiskit_backend().run(circuit, **options)
