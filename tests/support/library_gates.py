"""Gates and circuits of Qiskit's library, each once, with free parameters where Qiskit allows them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import (
    AnnotatedOperation,
    ControlModifier,
    InverseModifier,
    Operation,
    Parameter,
    PowerModifier,
    library,
)
from qiskit.quantum_info import Clifford, Pauli, SparsePauliOp, random_unitary
from qiskit_machine_learning.circuit.library import qnn_circuit, raw_feature_vector

HERMITIAN = np.array([[1, 0.5 - 0.2j], [0.5 + 0.2j, -0.7]])
TWO_QUBITS = np.kron(HERMITIAN, HERMITIAN) + np.diag([0.1, 0.0, 0.3, -0.2])
UNITARY = random_unitary(4, seed=1).data
GRAPH = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
PAULI_SUM = SparsePauliOp(["XXI", "IXX"], [0.3, 0.4])


def _functional(name: str, *arguments: object) -> Callable[[Parameter], Operation]:
    return lambda a: getattr(library, name)(*arguments)


def _turns(name: str, count: int) -> Callable[[Parameter], Operation]:
    """Return a maker of a gate with ``count`` angles, of which the first is free."""
    return lambda a: getattr(library, name)(a, *(0.3 + 0.4 * i for i in range(1, count)))


# of each class of `qiskit.circuit.library`, an operation with the parameter a if it takes one
OPERATIONS: dict[str, Callable[[Parameter], Operation]] = {
    **{
        name: _functional(name)
        for name in (
            *(
                "C3SXGate",
                "C3XGate",
                "C4XGate",
                "CCXGate",
                "CCZGate",
                "CHGate",
                "CSGate",
                "CSXGate",
            ),
            *("CSdgGate", "CSwapGate", "CXGate", "CYGate", "CZGate", "DCXGate", "ECRGate", "HGate"),
            *("IGate", "RC3XGate", "RCCXGate", "SGate", "SXGate", "SXdgGate", "SdgGate"),
            *("SwapGate", "TGate", "TdgGate", "XGate", "YGate", "ZGate", "iSwapGate"),
        )
    },
    **{
        name: _turns(name, 1)
        for name in (
            *("CPhaseGate", "CRXGate", "CRYGate", "CRZGate", "CU1Gate", "PhaseGate", "RXGate"),
            *("RXXGate", "RYGate", "RYYGate", "RZGate", "RZXGate", "RZZGate", "U1Gate"),
        )
    },
    **{name: _turns(name, 2) for name in ("RGate", "U2Gate", "XXMinusYYGate", "XXPlusYYGate")},
    **{name: _turns(name, 3) for name in ("CU3Gate", "RVGate", "U3Gate", "UGate")},
    "CUGate": _turns("CUGate", 4),
    "MCPhaseGate": lambda a: library.MCPhaseGate(a, 2),
    "MCU1Gate": lambda a: library.MCU1Gate(a, 2),
    "MCXGate": _functional("MCXGate", 3),
    "MCXGrayCode": _functional("MCXGrayCode", 3),
    "MCXRecursive": _functional("MCXRecursive", 3),
    "MCXVChain": _functional("MCXVChain", 2),
    "MCMTGate": lambda a: library.MCMTGate(library.RYGate(a), 2, 2),
    "MSGate": lambda a: library.MSGate(3, a),
    "HamiltonianGate": lambda a: library.HamiltonianGate(TWO_QUBITS, a),
    "PauliEvolutionGate": lambda a: library.PauliEvolutionGate(PAULI_SUM, a),
    "PauliProductRotationGate": lambda a: library.PauliProductRotationGate(Pauli("XYZ"), a),
    "PauliGate": _functional("PauliGate", "XYZ"),
    "AndGate": _functional("AndGate", 2, [1, -1]),
    "OrGate": _functional("OrGate", 2, [1, -1]),
    "BitFlipOracleGate": _functional("BitFlipOracleGate", "(a & b)"),
    "PhaseOracleGate": _functional("PhaseOracleGate", "(a & b)"),
    "BitwiseXorGate": _functional("BitwiseXorGate", 3, 5),
    "DiagonalGate": _functional("DiagonalGate", np.exp(1j * np.arange(8.0))),
    "ExactReciprocalGate": _functional("ExactReciprocalGate", 2, 0.4),
    "FullAdderGate": _functional("FullAdderGate", 1),
    "HalfAdderGate": _functional("HalfAdderGate", 1),
    "ModularAdderGate": _functional("ModularAdderGate", 2),
    "MultiplierGate": _functional("MultiplierGate", 1),
    "GraphStateGate": _functional("GraphStateGate", GRAPH),
    "Initialize": _functional("Initialize", np.array([0.6, 0.0, 0.8j, 0.0])),
    "StatePreparation": _functional("StatePreparation", np.array([0.6, 0.0, 0.8j, 0.0])),
    "InnerProductGate": _functional("InnerProductGate", 2),
    "IntegerComparatorGate": _functional("IntegerComparatorGate", 2, 2),
    "Isometry": _functional("Isometry", UNITARY, 0, 0),
    "LinearAmplitudeFunctionGate": _functional(
        "LinearAmplitudeFunctionGate", 2, 0.5, 0.1, (0, 1), (0, 1)
    ),
    "LinearFunction": _functional("LinearFunction", [[1, 1], [0, 1]]),
    "LinearPauliRotationsGate": _functional("LinearPauliRotationsGate", 2, 0.4, 0.3),
    "PolynomialPauliRotationsGate": _functional("PolynomialPauliRotationsGate", 2, [0.3, 0.2, 0.4]),
    "PiecewiseChebyshevGate": _functional("PiecewiseChebyshevGate", np.sin, 2, 2, [0, 2]),
    "PiecewiseLinearPauliRotationsGate": _functional(
        "PiecewiseLinearPauliRotationsGate", 2, [0, 2], [0.4, 0.2], [0.1, 0.3]
    ),
    "PiecewisePolynomialPauliRotationsGate": _functional(
        "PiecewisePolynomialPauliRotationsGate", 2, [0, 2], [[0.4, 0.2], [0.1]]
    ),
    "QuadraticFormGate": _functional("QuadraticFormGate", 2, [[1, 0], [0, 1]], [0, 1], 1),
    "MCGupDiag": _functional("MCGupDiag", UNITARY[:2, :2] * 0 + np.eye(2), 1, 0, 0),
    "PermutationGate": _functional("PermutationGate", [2, 0, 1]),
    "QFTGate": _functional("QFTGate", 3),
    "UCGate": _functional("UCGate", [random_unitary(2, seed=i).data for i in (1, 2)]),
    "UCPauliRotGate": _functional("UCPauliRotGate", [0.3, 0.5], "X"),
    "UCRXGate": _functional("UCRXGate", [0.3, 0.5]),
    "UCRYGate": _functional("UCRYGate", [0.3, 0.5]),
    "UCRZGate": _functional("UCRZGate", [0.3, 0.5]),
    "UniformSuperpositionGate": _functional("UniformSuperpositionGate", 3, 2),
    "UnitaryGate": _functional("UnitaryGate", UNITARY),
    "WeightedSumGate": _functional("WeightedSumGate", 2, [1, 1]),
    "GlobalPhaseGate": lambda a: library.GlobalPhaseGate(a),
    "Clifford": lambda a: Clifford(library.iqp([[0, 2], [2, 0]])),
    "Pauli": lambda a: Pauli("YX"),
    "annotated inverse": lambda a: library.QFTGate(2).inverse(annotated=True),
    "annotated control": lambda a: library.RXGate(a).control(2, ctrl_state=1, annotated=True),
    "annotated power": lambda a: library.RYGate(a).power(3, annotated=True),
    "annotated root": lambda a: AnnotatedOperation(library.SGate(), PowerModifier(0.5)),
    "annotated thrice": lambda a: AnnotatedOperation(
        library.RZXGate(a), [InverseModifier(), PowerModifier(2), ControlModifier(1, 0)]
    ),
    "annotated annotated": lambda a: AnnotatedOperation(
        AnnotatedOperation(library.UGate(a, 0.2, 0.3), InverseModifier()), ControlModifier(1)
    ),
}

# circuits with parameters of their own
CIRCUITS: dict[str, Callable[[], QuantumCircuit]] = {
    "efficient_su2": lambda: library.efficient_su2(3, reps=1),
    "evolved_operator_ansatz": lambda: library.evolved_operator_ansatz(
        [SparsePauliOp("XXI"), SparsePauliOp("IZZ")]
    ),
    "excitation_preserving": lambda: library.excitation_preserving(3, reps=1),
    "fourier_checking": lambda: library.fourier_checking([1, -1, 1, 1], [1, 1, -1, 1]),
    "grover_operator": lambda: library.grover_operator(library.iqp([[0, 2], [2, 0]])),
    "hamiltonian_variational_ansatz": lambda: library.hamiltonian_variational_ansatz(PAULI_SUM),
    "hidden_linear_function": lambda: library.hidden_linear_function(GRAPH.tolist()),
    "iqp": lambda: library.iqp([[1, 2], [2, 3]]),
    "n_local": lambda: library.n_local(3, ["ry", "rz"], "cz", reps=1),
    "pauli_feature_map": lambda: library.pauli_feature_map(3, paulis=["Z", "YY"]),
    "pauli_two_design": lambda: library.pauli_two_design(3, reps=1, seed=1),
    "phase_estimation": lambda: library.phase_estimation(2, library.iqp([[1, 2], [2, 3]])),
    "qaoa_ansatz": lambda: library.qaoa_ansatz(SparsePauliOp(["ZZI", "IZZ"])),
    "quantum_volume": lambda: library.quantum_volume(3, seed=1),
    "real_amplitudes": lambda: library.real_amplitudes(3, reps=1),
    "unitary_overlap": lambda: library.unitary_overlap(
        library.real_amplitudes(2, reps=1),
        library.real_amplitudes(2, reps=1, parameter_prefix="w"),
    ),
    "z_feature_map": lambda: library.z_feature_map(3),
    "zz_feature_map": lambda: library.zz_feature_map(3),
    "raw_feature_vector": lambda: raw_feature_vector(4),
    "qnn_circuit": lambda: qnn_circuit(
        feature_map=library.zz_feature_map(3), ansatz=library.real_amplitudes(3, reps=1)
    )[0],
}


def library_circuit(name: str) -> QuantumCircuit:
    """Return a circuit with one operation or circuit of the library between rotations by the parameters of all."""
    a = Parameter("a")
    b = Parameter("b")
    inner = OPERATIONS[name](a) if name in OPERATIONS else CIRCUITS[name]()
    circuit = QuantumCircuit(max(inner.num_qubits, 1), name=name)
    starts = name in ("Initialize", "raw_feature_vector")
    for qubit in range(0 if starts else circuit.num_qubits):
        circuit.ry(0.3 + 0.2 * qubit, qubit)
        circuit.rz(0.5 - 0.3 * qubit, qubit)
    if isinstance(inner, QuantumCircuit):
        circuit.compose(inner, inplace=True)
    else:
        circuit.append(inner, range(inner.num_qubits))
    for qubit in range(circuit.num_qubits):
        circuit.rx(0.4 + b if qubit == 0 else 0.7, qubit)
    return circuit
