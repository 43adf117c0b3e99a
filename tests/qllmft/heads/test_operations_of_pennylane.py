"""QNodes with every kind of operation of PennyLane: `from_qnode` has PennyLane's value, or refuses in words."""

import numpy as np
import pennylane as qp
import pytest
import torch

from qllmft import QuantumHead
from qllmft_backends import BackendError

X = np.array([0.3, 0.7, -0.4, 0.2])
W = np.array([0.4, 0.9, 0.2])
UNITARY = np.array([[0.6, -0.8], [0.8, 0.6]]) * np.exp(0.3j)


def hamiltonian():
    return qp.Hamiltonian([0.3, 0.4], [qp.X(0) @ qp.X(1), qp.Z(0) @ qp.Z(2)])


def no_commuting_sum():
    return qp.X(0) @ qp.Y(1) + 0.5 * (qp.Z(2) @ qp.X(0))


def after_rotation(operation):
    """A function of weights that makes an operation without angles behind a rotation."""

    def make(w):
        qp.RX(w[0], 0)
        operation()

    return make


# each makes operations of the weights (3,) on four wires
OPERATIONS = {
    "measurement": after_rotation(lambda: qp.measure(0)),
    "ctrl RX": lambda w: qp.ctrl(qp.RX, [0, 1])(w[0], wires=2),
    "ctrl RY": lambda w: qp.ctrl(qp.RY, [0, 1])(w[0], wires=2),
    "ctrl RZ": lambda w: qp.ctrl(qp.RZ, [0, 1])(w[0], wires=2),
    "ctrl values": lambda w: qp.ctrl(qp.RX, [3, 0, 1], control_values=[0, 1, 1])(w[0], wires=2),
    "ctrl Rot": lambda w: qp.ctrl(qp.Rot, [0, 1])(w[0], w[1], w[2], wires=2),
    "ctrl PhaseShift": lambda w: qp.ctrl(qp.PhaseShift, [0, 1])(w[0], wires=2),
    "ctrl U1": lambda w: qp.ctrl(qp.U1, [0])(w[0], wires=2),
    "ctrl U2": lambda w: qp.ctrl(qp.U2, [0])(w[0], w[1], wires=2),
    "ctrl U3": lambda w: qp.ctrl(qp.U3, [0])(w[0], w[1], w[2], wires=2),
    "ctrl CRX": lambda w: qp.ctrl(qp.CRX(w[0], wires=[1, 2]), 0),
    "ctrl MultiRZ": lambda w: qp.ctrl(qp.MultiRZ(w[0], wires=[1, 2]), 0),
    "ctrl IsingXX": lambda w: qp.ctrl(qp.IsingXX(w[0], wires=[1, 2]), 0),
    "ctrl SingleExcitation": lambda w: qp.ctrl(qp.SingleExcitation(w[0], wires=[1, 2]), 0),
    "ctrl GlobalPhase": lambda w: qp.ctrl(qp.GlobalPhase(w[0]), [0, 2]),
    "ctrl of a function": lambda w: qp.ctrl(lambda a: qp.RX(a, 2), [0, 1])(w[0]),
    "ctrl adjoint": lambda w: qp.ctrl(qp.adjoint(qp.RX(w[0], 2)), [0, 1]),
    "adjoint ctrl": lambda w: qp.adjoint(qp.ctrl(qp.RX(w[0], 2), [0, 1])),
    "pow ctrl": lambda w: qp.pow(qp.ctrl(qp.RX(w[0], 2), [0, 1]), 2),
    "adjoint Rot": lambda w: qp.adjoint(qp.Rot)(w[0], w[1], w[2], wires=0),
    "adjoint U2": lambda w: qp.adjoint(qp.U2)(w[0], w[1], wires=0),
    "U2": lambda w: qp.U2(w[0], w[1], wires=0),
    "pow": lambda w: qp.pow(qp.RX(w[0], 0), 0.5),
    "prod": lambda w: qp.prod(qp.RX(w[0], 0), qp.CNOT([0, 1])),
    "exp": lambda w: qp.exp(qp.X(0) @ qp.Y(1), 1j * w[0]),
    "exp of a sum": lambda w: qp.exp(0.3 * (qp.X(0) @ qp.Y(3)) + 0.7 * qp.Z(3), 1j * w[0]),
    "evolve": lambda w: qp.evolve(qp.X(0) @ qp.X(1), w[0]),
    "evolve a sum": lambda w: qp.evolve(hamiltonian(), w[0]),
    "adjoint exp": lambda w: qp.adjoint(qp.exp(qp.X(0) @ qp.Y(1), 1j * w[0])),
    "adjoint evolve": lambda w: qp.adjoint(qp.evolve(qp.X(0) @ qp.Z(1), w[0])),
    "adjoint evolve a sum": lambda w: qp.adjoint(qp.evolve(hamiltonian(), w[0])),
    "adjoint evolve three wires": lambda w: qp.adjoint(
        qp.evolve(0.3 * (qp.X(0) @ qp.Z(1)) + 0.4 * (qp.Z(0) @ qp.Y(2)), w[0])
    ),
    "TrotterProduct": lambda w: qp.TrotterProduct(hamiltonian(), w[0], n=2),
    "ApproxTimeEvolution": lambda w: qp.ApproxTimeEvolution(hamiltonian(), w[0], 2),
    "Select": lambda w: qp.Select(
        [qp.RX(w[0], 2), qp.RY(w[1], 2), qp.X(2), qp.RZ(w[2], 2)], control=[0, 1]
    ),
    "FermionicSWAP": lambda w: qp.FermionicSWAP(w[0], wires=[0, 1]),
    "SingleExcitationPlus": lambda w: qp.SingleExcitationPlus(w[0], wires=[0, 1]),
    "DoubleExcitation": lambda w: qp.DoubleExcitation(w[0], wires=[0, 1, 2, 3]),
    "OrbitalRotation": lambda w: qp.OrbitalRotation(w[0], wires=[0, 1, 2, 3]),
    "PauliRot": lambda w: qp.PauliRot(w[0], "XYZ", wires=[0, 1, 2]),
    "PSWAP": lambda w: qp.PSWAP(w[0], wires=[0, 1]),
    "PCPhase": lambda w: qp.PCPhase(w[0], 2, wires=[0, 1]),
    "IsingXY": lambda w: qp.IsingXY(w[0], wires=[0, 1]),
    "CRot": lambda w: qp.CRot(w[0], w[1], w[2], wires=[0, 1]),
    "CPhaseShift01": lambda w: qp.CPhaseShift01(w[0], wires=[0, 1]),
    "Reflection": lambda w: qp.Reflection(qp.Hadamard(0), w[0]),
    "QuantumPhaseEstimation": lambda w: qp.QuantumPhaseEstimation(
        qp.RX(w[0], 0), estimation_wires=[1, 2]
    ),
    "math.sin": lambda w: qp.RX(qp.math.sin(w[0]), 0),
    "math.sqrt": lambda w: qp.RX(qp.math.sqrt(w[0]), 0),
    "math.exp": lambda w: qp.RX(qp.math.exp(w[0]), 0),
    "math of an array": lambda w: qp.AngleEmbedding(qp.math.cos(w), [0, 1, 2]),
    "math.stack": lambda w: qp.AngleEmbedding(qp.math.stack([w[0], w[1]]), [0, 1]),
    "numpy.arctan": lambda w: qp.RX(np.arctan(w[0]), 0),
    "product": lambda w: qp.RX(w[0] ** 2 * w[1], 0),
    "StronglyEntanglingLayers": lambda w: qp.StronglyEntanglingLayers(
        np.reshape([*w] * 3, (1, 3, 3)), wires=[0, 1, 2]
    ),
    "IQPEmbedding": lambda w: qp.IQPEmbedding(w, wires=[0, 1, 2]),
    "SimplifiedTwoDesign": lambda w: qp.SimplifiedTwoDesign(w, np.ones((1, 2, 2)), wires=[0, 1, 2]),
    "ctrl QubitUnitary": after_rotation(lambda: qp.ctrl(qp.QubitUnitary(UNITARY, 2), [0, 1])),
    "DiagonalQubitUnitary": after_rotation(
        lambda: qp.DiagonalQubitUnitary([1, 1j, -1, 1], wires=[0, 1])
    ),
    "QFT": after_rotation(lambda: qp.QFT(wires=[0, 1, 2])),
    "GroverOperator": after_rotation(lambda: qp.GroverOperator(wires=[0, 1, 2])),
    "MultiControlledX": after_rotation(lambda: qp.MultiControlledX([0, 1, 2, 3])),
    "ECR": after_rotation(lambda: qp.ECR([0, 1])),
    "QubitSum": after_rotation(lambda: qp.QubitSum([0, 1, 2])),
    "Qubitization": after_rotation(
        lambda: qp.Qubitization(qp.dot([0.3, 0.7], [qp.X(0), qp.Z(0)]), control=[1])
    ),
    "BlockEncode": after_rotation(lambda: qp.BlockEncode(np.diag([0.1, 0.4]), wires=[0, 1])),
    "evolve a sum by a number": after_rotation(lambda: qp.evolve(no_commuting_sum(), 0.7)),
    "exp of a sum by a number": after_rotation(lambda: qp.exp(no_commuting_sum(), -0.7j)),
    "ctrl evolve a word by a number": after_rotation(
        lambda: qp.ctrl(qp.evolve(qp.X(0) @ qp.Y(1), 0.7), 2)
    ),
    "ctrl evolve a sum by a number": after_rotation(
        lambda: qp.ctrl(qp.evolve(no_commuting_sum(), 0.7), 3)
    ),
    "pow evolve by a number": after_rotation(lambda: qp.pow(qp.evolve(qp.X(0), 0.7), 3)),
    "ctrl FermionicSWAP of a number": after_rotation(
        lambda: qp.ctrl(qp.FermionicSWAP(0.4, [0, 1]), 2)
    ),
    "DoubleExcitationPlus of a number": after_rotation(
        lambda: qp.DoubleExcitationPlus(0.3, [0, 1, 2, 3])
    ),
}
REFUSED = {
    "ctrl exp": lambda w: qp.ctrl(qp.exp(qp.X(1), 1j * w[0]), 0),
    "exp without i": lambda w: qp.exp(qp.X(1), w[0]),
    "matrix of a weight": lambda w: qp.QubitUnitary(qp.RX.compute_matrix(w[0]), wires=0),
    "diagonal of a weight": lambda w: qp.DiagonalQubitUnitary([1, qp.math.exp(1j * w[0])], wires=0),
    "math.arctan2": lambda w: qp.RX(qp.math.arctan2(w[0], w[1]), 0),
    "math.clip": lambda w: qp.RX(qp.math.clip(w[0], 0, 1), 0),
    "decision": lambda w: qp.RX(w[0], 0) if w[0] > 0 else qp.RY(w[0], 0),
    "number": lambda w: qp.RX(float(w[0]), 0),
    "amplitudes": lambda w: qp.AmplitudeEmbedding(w, [0, 1], pad_with=0.0, normalize=True),
    "SelectPauliRot": lambda w: qp.SelectPauliRot(w[:2], [0], target_wire=1, rot_axis="X"),
    "channel": after_rotation(lambda: qp.DepolarizingChannel(0.1, wires=0)),
    "exp without i of a number": after_rotation(lambda: qp.exp(qp.X(1), 0.3)),
}


def qnode(make):
    """A QNode that makes operations between fixed rotations."""

    @qp.qnode(qp.device("default.qubit", wires=5))
    def circuit(x, w):
        for wire in range(4):
            qp.RY(x[wire], wire)
            qp.RX(0.3 + 0.2 * wire, wire)
        make(w)
        for wire in range(3):
            qp.RX(0.5, wire)
        qp.CNOT([0, 1])
        qp.CNOT([2, 3])
        return qp.expval(qp.Z(0)), qp.expval(qp.Y(2) @ qp.X(1))

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
