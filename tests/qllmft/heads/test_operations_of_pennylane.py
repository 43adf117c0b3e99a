"""QNodes with every kind of operation of PennyLane: `from_qnode` has PennyLane's value, or refuses in words."""

import numpy as np
import pennylane as qml
import pytest
import torch

from qllmft import QuantumHead
from qllmft_backends import BackendError

X = np.array([0.3, 0.7, -0.4, 0.2])
W = np.array([0.4, 0.9, 0.2])
UNITARY = np.array([[0.6, -0.8], [0.8, 0.6]]) * np.exp(0.3j)


def hamiltonian():
    return qml.Hamiltonian([0.3, 0.4], [qml.X(0) @ qml.X(1), qml.Z(0) @ qml.Z(2)])


def after_rotation(operation):
    """A function of weights that makes an operation without angles behind a rotation."""

    def make(w):
        qml.RX(w[0], 0)
        operation()

    return make


# each makes operations of the weights (3,) on four wires
OPERATIONS = {
    "measurement": after_rotation(lambda: qml.measure(0)),
    "ctrl RX": lambda w: qml.ctrl(qml.RX, [0, 1])(w[0], wires=2),
    "ctrl RY": lambda w: qml.ctrl(qml.RY, [0, 1])(w[0], wires=2),
    "ctrl RZ": lambda w: qml.ctrl(qml.RZ, [0, 1])(w[0], wires=2),
    "ctrl values": lambda w: qml.ctrl(qml.RX, [3, 0, 1], control_values=[0, 1, 1])(w[0], wires=2),
    "ctrl Rot": lambda w: qml.ctrl(qml.Rot, [0, 1])(w[0], w[1], w[2], wires=2),
    "ctrl PhaseShift": lambda w: qml.ctrl(qml.PhaseShift, [0, 1])(w[0], wires=2),
    "ctrl U1": lambda w: qml.ctrl(qml.U1, [0])(w[0], wires=2),
    "ctrl U2": lambda w: qml.ctrl(qml.U2, [0])(w[0], w[1], wires=2),
    "ctrl U3": lambda w: qml.ctrl(qml.U3, [0])(w[0], w[1], w[2], wires=2),
    "ctrl CRX": lambda w: qml.ctrl(qml.CRX(w[0], wires=[1, 2]), 0),
    "ctrl MultiRZ": lambda w: qml.ctrl(qml.MultiRZ(w[0], wires=[1, 2]), 0),
    "ctrl IsingXX": lambda w: qml.ctrl(qml.IsingXX(w[0], wires=[1, 2]), 0),
    "ctrl SingleExcitation": lambda w: qml.ctrl(qml.SingleExcitation(w[0], wires=[1, 2]), 0),
    "ctrl GlobalPhase": lambda w: qml.ctrl(qml.GlobalPhase(w[0]), [0, 2]),
    "ctrl of a function": lambda w: qml.ctrl(lambda a: qml.RX(a, 2), [0, 1])(w[0]),
    "ctrl adjoint": lambda w: qml.ctrl(qml.adjoint(qml.RX(w[0], 2)), [0, 1]),
    "adjoint ctrl": lambda w: qml.adjoint(qml.ctrl(qml.RX(w[0], 2), [0, 1])),
    "pow ctrl": lambda w: qml.pow(qml.ctrl(qml.RX(w[0], 2), [0, 1]), 2),
    "adjoint Rot": lambda w: qml.adjoint(qml.Rot)(w[0], w[1], w[2], wires=0),
    "adjoint U2": lambda w: qml.adjoint(qml.U2)(w[0], w[1], wires=0),
    "U2": lambda w: qml.U2(w[0], w[1], wires=0),
    "pow": lambda w: qml.pow(qml.RX(w[0], 0), 0.5),
    "prod": lambda w: qml.prod(qml.RX(w[0], 0), qml.CNOT([0, 1])),
    "exp": lambda w: qml.exp(qml.X(0) @ qml.Y(1), 1j * w[0]),
    "exp of a sum": lambda w: qml.exp(0.3 * (qml.X(0) @ qml.Y(3)) + 0.7 * qml.Z(3), 1j * w[0]),
    "evolve": lambda w: qml.evolve(qml.X(0) @ qml.X(1), w[0]),
    "evolve a sum": lambda w: qml.evolve(hamiltonian(), w[0]),
    "adjoint exp": lambda w: qml.adjoint(qml.exp(qml.X(0) @ qml.Y(1), 1j * w[0])),
    "adjoint evolve": lambda w: qml.adjoint(qml.evolve(qml.X(0) @ qml.Z(1), w[0])),
    "adjoint evolve a sum": lambda w: qml.adjoint(qml.evolve(hamiltonian(), w[0])),
    "adjoint evolve three wires": lambda w: qml.adjoint(
        qml.evolve(0.3 * (qml.X(0) @ qml.Z(1)) + 0.4 * (qml.Z(0) @ qml.Y(2)), w[0])
    ),
    "TrotterProduct": lambda w: qml.TrotterProduct(hamiltonian(), w[0], n=2),
    "ApproxTimeEvolution": lambda w: qml.ApproxTimeEvolution(hamiltonian(), w[0], 2),
    "Select": lambda w: qml.Select(
        [qml.RX(w[0], 2), qml.RY(w[1], 2), qml.X(2), qml.RZ(w[2], 2)], control=[0, 1]
    ),
    "FermionicSWAP": lambda w: qml.FermionicSWAP(w[0], wires=[0, 1]),
    "SingleExcitationPlus": lambda w: qml.SingleExcitationPlus(w[0], wires=[0, 1]),
    "DoubleExcitation": lambda w: qml.DoubleExcitation(w[0], wires=[0, 1, 2, 3]),
    "OrbitalRotation": lambda w: qml.OrbitalRotation(w[0], wires=[0, 1, 2, 3]),
    "PauliRot": lambda w: qml.PauliRot(w[0], "XYZ", wires=[0, 1, 2]),
    "PSWAP": lambda w: qml.PSWAP(w[0], wires=[0, 1]),
    "PCPhase": lambda w: qml.PCPhase(w[0], 2, wires=[0, 1]),
    "IsingXY": lambda w: qml.IsingXY(w[0], wires=[0, 1]),
    "CRot": lambda w: qml.CRot(w[0], w[1], w[2], wires=[0, 1]),
    "CPhaseShift01": lambda w: qml.CPhaseShift01(w[0], wires=[0, 1]),
    "Reflection": lambda w: qml.Reflection(qml.Hadamard(0), w[0]),
    "QuantumPhaseEstimation": lambda w: qml.QuantumPhaseEstimation(
        qml.RX(w[0], 0), estimation_wires=[1, 2]
    ),
    "math.sin": lambda w: qml.RX(qml.math.sin(w[0]), 0),
    "math.sqrt": lambda w: qml.RX(qml.math.sqrt(w[0]), 0),
    "math.exp": lambda w: qml.RX(qml.math.exp(w[0]), 0),
    "math of an array": lambda w: qml.AngleEmbedding(qml.math.cos(w), [0, 1, 2]),
    "math.stack": lambda w: qml.AngleEmbedding(qml.math.stack([w[0], w[1]]), [0, 1]),
    "numpy.arctan": lambda w: qml.RX(np.arctan(w[0]), 0),
    "product": lambda w: qml.RX(w[0] ** 2 * w[1], 0),
    "StronglyEntanglingLayers": lambda w: qml.StronglyEntanglingLayers(
        np.reshape([*w] * 3, (1, 3, 3)), wires=[0, 1, 2]
    ),
    "IQPEmbedding": lambda w: qml.IQPEmbedding(w, wires=[0, 1, 2]),
    "SimplifiedTwoDesign": lambda w: qml.SimplifiedTwoDesign(
        w, np.ones((1, 2, 2)), wires=[0, 1, 2]
    ),
    "ctrl QubitUnitary": after_rotation(lambda: qml.ctrl(qml.QubitUnitary(UNITARY, 2), [0, 1])),
    "DiagonalQubitUnitary": after_rotation(
        lambda: qml.DiagonalQubitUnitary([1, 1j, -1, 1], wires=[0, 1])
    ),
    "QFT": after_rotation(lambda: qml.QFT(wires=[0, 1, 2])),
    "GroverOperator": after_rotation(lambda: qml.GroverOperator(wires=[0, 1, 2])),
    "MultiControlledX": after_rotation(lambda: qml.MultiControlledX([0, 1, 2, 3])),
    "ECR": after_rotation(lambda: qml.ECR([0, 1])),
    "QubitSum": after_rotation(lambda: qml.QubitSum([0, 1, 2])),
    "Qubitization": after_rotation(
        lambda: qml.Qubitization(qml.dot([0.3, 0.7], [qml.X(0), qml.Z(0)]), control=[1])
    ),
}
REFUSED = {
    "ctrl exp": lambda w: qml.ctrl(qml.exp(qml.X(1), 1j * w[0]), 0),
    "exp without i": lambda w: qml.exp(qml.X(1), w[0]),
    "matrix of a weight": lambda w: qml.QubitUnitary(qml.RX.compute_matrix(w[0]), wires=0),
    "diagonal of a weight": lambda w: qml.DiagonalQubitUnitary(
        [1, qml.math.exp(1j * w[0])], wires=0
    ),
    "math.arctan2": lambda w: qml.RX(qml.math.arctan2(w[0], w[1]), 0),
    "math.clip": lambda w: qml.RX(qml.math.clip(w[0], 0, 1), 0),
    "decision": lambda w: qml.RX(w[0], 0) if w[0] > 0 else qml.RY(w[0], 0),
    "number": lambda w: qml.RX(float(w[0]), 0),
    "amplitudes": lambda w: qml.AmplitudeEmbedding(w, [0, 1], pad_with=0.0, normalize=True),
    "SelectPauliRot": lambda w: qml.SelectPauliRot(w[:2], [0], target_wire=1, rot_axis="X"),
    "channel": after_rotation(lambda: qml.DepolarizingChannel(0.1, wires=0)),
    "BlockEncode": after_rotation(lambda: qml.BlockEncode(np.diag([0.1, 0.4]), wires=[0, 1])),
}


def qnode(make):
    """A QNode that makes operations between fixed rotations."""

    @qml.qnode(qml.device("default.qubit", wires=5))
    def circuit(x, w):
        for wire in range(4):
            qml.RY(x[wire], wire)
            qml.RX(0.3 + 0.2 * wire, wire)
        make(w)
        for wire in range(3):
            qml.RX(0.5, wire)
        qml.CNOT([0, 1])
        qml.CNOT([2, 3])
        return qml.expval(qml.Z(0)), qml.expval(qml.Y(2) @ qml.X(1))

    return circuit


@pytest.mark.public_report(
    case="from_qnode_autoray",
    source="own audit",
    seen="ImportError of autoray for 12 of 48 operations, such as rotations with two controls",
    outcome="PennyLane's value and gradient; what has no symbolic form is a BackendError",
)
@pytest.mark.parametrize("name", OPERATIONS)
def test_values_and_gradients_are_pennylanes(name):
    node = qnode(OPERATIONS[name])
    head = QuantumHead.from_qnode(node, X, W, dtype=torch.float64)
    values = head(torch.from_numpy(X)[None])[0]
    np.testing.assert_allclose(values.detach().numpy(), np.array(node(X, W)), atol=1e-9)
    values[1].backward()
    (n_weights,) = head.connector.weight.shape
    direction = np.linspace(0.5, 1.0, n_weights)
    step = 1e-5 * np.pad(direction, (0, 3 - n_weights))
    plus, minus = (np.array(node(X, W + sign * step))[1] for sign in (1, -1))
    slope = head.connector.weight.grad.numpy() @ direction
    np.testing.assert_allclose(slope, (plus - minus) / 2e-5, atol=1e-8)


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_symbolic_form_is_refused_in_words(name):
    node = qnode(REFUSED[name])
    with pytest.raises(
        BackendError, match=r"cannot be captured: .*in front of the layer|with qllmft"
    ):
        QuantumHead.from_qnode(node, X, W)
