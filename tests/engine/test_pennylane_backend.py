"""The backend ``pennylane``: a head's circuit on devices of PennyLane, against Aer."""

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Gate, ParameterVector
from qiskit.quantum_info import SparsePauliOp

from qllmft_backends import UnknownBackendError, UnsupportedGateError, create

pytest.importorskip("pennylane")
OBSERVABLES = [SparsePauliOp("IIZ"), SparsePauliOp(["ZZI", "III", "IIZ"], [0.5, 0.25, -1.0])]
VALUES = np.random.default_rng(5).uniform(-2, 2, (3, 5))


def circuit():
    p = ParameterVector("p", 5)
    head = QuantumCircuit(3, name="head")
    head.h(0)
    for i in range(3):
        head.ry(p[i], i)
    head.cx(0, 2)
    head.sdg(1)
    head.u(p[3], 0.3, 2 * p[4] - p[0], 1)
    head.crx(p[4], 1, 0)
    head.cz(2, 1)
    head.barrier()
    head.rxx(0.4, 0, 2)
    inner = QuantumCircuit(2, name="a name of its own")
    inner.rzx(p[0] * p[1], 0, 1)
    inner.dcx(1, 0)
    head.append(inner.to_gate(), [2, 1])
    return head


def exact():
    return create("aer_statevector").expectations(circuit(), VALUES, OBSERVABLES).values


@pytest.mark.parametrize("device", ["qllmft.adjoint", "default.qubit", "lightning.qubit"])
def test_a_device_gives_the_values_of_aer(device):
    answer = create("pennylane", {"device": device}).expectations(circuit(), VALUES, OBSERVABLES)
    np.testing.assert_allclose(answer.values, exact(), atol=1e-9)
    assert not answer.standard_errors.any()


@pytest.mark.parametrize("device", ["qllmft.adjoint", "default.qubit"])
def test_shots_have_standard_errors_and_a_seed(device):
    backend = create("pennylane", {"device": device, "shots": 3000, "seed": 3})
    answer = backend.expectations(circuit(), VALUES, OBSERVABLES)
    assert (np.abs(answer.values - exact()) < 4.5 * answer.standard_errors).all()
    assert answer.standard_errors.max() < 0.05
    same_seed, other_seed = (
        create("pennylane", {"device": device, "shots": 3000, "seed": seed}) for seed in (3, 4)
    )
    repeated = same_seed.expectations(circuit(), VALUES, OBSERVABLES)
    np.testing.assert_array_equal(repeated.values, answer.values)
    assert (other_seed.expectations(circuit(), VALUES, OBSERVABLES).values != answer.values).any()


@pytest.mark.parametrize("device", ["qllmft.adjoint", "default.qubit", "lightning.qubit"])
def test_rows_of_a_circuit_without_angles_have_shots_of_their_own(device):
    backend = create("pennylane", {"device": device})
    fixed = QuantumCircuit(3)
    fixed.h(0)
    fixed.cx(0, 2)
    outcomes = backend.outcomes(fixed, np.empty((4, 0)), 200, np.random.default_rng(1))
    assert outcomes.shape == (4, 200)
    assert set(outcomes.ravel().tolist()) == {0, 5}
    assert len({row.tobytes() for row in outcomes}) == 4
    assert (np.abs((outcomes == 5).mean(axis=1) - 0.5) < 0.15).all()
    none = backend.outcomes(circuit(), np.empty((0, 5)), 200, np.random.default_rng(1))
    assert none.shape == (0, 200)


def test_no_observables_have_no_values():
    assert create("pennylane").expectations(circuit(), VALUES, []).values.shape == (3, 0)


def test_what_does_not_fit_is_refused():
    with pytest.raises(UnknownBackendError, match=r"Input should be 'qllmft\.adjoint'"):
        create("pennylane", {"device": "os.system"})
    strange = QuantumCircuit(3, name="strange")
    strange.append(Gate("opaque", 2, []), [0, 1])
    with pytest.raises(
        UnsupportedGateError, match="gate 'opaque' of circuit 'strange' has no definition by gates"
    ):
        create("pennylane").expectations(strange, np.empty((1, 0)), OBSERVABLES)
    nothing = create("pennylane").expectations(circuit(), np.empty((0, 5)), OBSERVABLES)
    assert nothing.values.shape == (0, 2)
