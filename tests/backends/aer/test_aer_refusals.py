"""What the backends on Aer refuse: options, questions that do not fit, and a GPU that is not there."""

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Gate, Parameter
from qiskit.quantum_info import SparsePauliOp

from qllmft_backends import BackendError, UnknownBackendError, create
from qllmft_backends.aer.simulator import gpu_obstacle
from qllmft_circuits import head_circuit

RATES = {"noise": "explicit", "one_qubit_rate": 0.03}
DENSITY_MATRIX = {"shots": None, "method": "density_matrix"}


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("aer_forte", {"noise": "explicit"}, BackendError, r"got the rates \(None, None\). It needs both"),
        ("aer_forte", RATES, BackendError, r"got the rates \(0.03, None\). It needs both"),
        ("aer_forte", {"two_qubit_rate": 0.1}, BackendError, r"\(None, 0.1\) would not be used with noise='forte1'"),
        ("aer_forte", {"trajectories": 50}, BackendError, "trajectories=50 would not be used with shots=8192"),
        (
            "aer_forte",
            RATES | {"two_qubit_rate": 1.07},
            BackendError,
            "two_qubit_rate is 1.07, expected a number from 0 to 1.067",
        ),
        ("aer_forte", {"readout_error": 0.7}, UnknownBackendError, "option readout_error = 0.7"),
        ("aer_forte", {"noise": "aria"}, UnknownBackendError, r"option noise = 'aria': Input .*'explicit'\.$"),
        ("aer_forte", {"method": "statevector"}, UnknownBackendError, "option method = 'statevector'"),
        ("aer_forte", {"shots": 0}, UnknownBackendError, "option shots = 0"),
        ("aer_forte", {"seeds": 0}, UnknownBackendError, "option seeds = 0: there is no such setting"),
        ("aer_statevector", {"device": "TPU"}, UnknownBackendError, "option device = 'TPU'"),
        ("aer_statevector", {"shots": 0}, UnknownBackendError, "option shots = 0"),
        (
            "aer_statevector",
            {"threads": 2},
            UnknownBackendError,
            "Its options are: device, precision, max_parallel_threads, shots, seed",
        ),
    ],
)  # fmt: skip
def test_wrong_options_are_named(name, options, error, message):
    with pytest.raises(error, match=message):
        create(name, options)


def circuit_with(append) -> QuantumCircuit:
    circuit = QuantumCircuit(3)
    append(circuit)
    return circuit


MEASURED = circuit_with(lambda c: c.measure_all())
RESET = circuit_with(lambda c: (c.x(1), c.reset(1)))
SWAPPED = circuit_with(lambda c: (c.h(0), c.iswap(0, 1)))
UNDEFINED = circuit_with(lambda c: c.append(Gate("mystery", 1, []), [0]))
# Qiskit defines it for numbers only
ABOUT_A_VECTOR = circuit_with(lambda c: c.rv(Parameter("a"), 0.1, 0.2, 0))
EMPTY = QuantumCircuit(3)
NONE = np.zeros((1, 0))


@pytest.mark.parametrize(
    ("options", "circuit", "values", "observable", "message"),
    [
        ({}, head_circuit(3), np.zeros((2, 17)), "IIZ", r"shape \(2, 17\), expected \(B, 18\)"),
        ({}, head_circuit(3), np.zeros(18), "IIZ", r"shape \(18,\), expected \(B, 18\)"),
        ({}, head_circuit(3), np.full((2, 18), np.nan), "IIZ", r"value of parameter 'theta\[0\]' in row 0 is nan"),
        ({}, head_circuit(3), np.zeros((1, 18)), "ZZ", "observable 0 acts on 2 qubits, expected 3"),
        ({}, EMPTY, NONE, SparsePauliOp("ZZZ", 1j), "observable 0 has complex coefficients"),
        ({}, QuantumCircuit(60), NONE, "Z" * 60, "has 60 qubits. This computer's memory holds"),
        ({}, MEASURED, NONE, "IIZ", "'measure', expected unitary gates .* Leave measurements and resets out"),
        ({}, RESET, NONE, "IIZ", "instruction 1 of circuit .* is 'reset'"),
        ({}, UNDEFINED, NONE, "IIZ", "gate .mystery. .* has no definition by gates that Aer"),
        ({}, ABOUT_A_VECTOR, np.zeros((1, 1)), "IIZ", "gate .rv. .* has no definition by gates that Aer"),
        ({"shots": 10}, EMPTY, NONE, "IXI", r"observable 0 is \['IXI'\].* without shots"),
        (DENSITY_MATRIX, EMPTY, NONE, "IIX", "expected strings of I and Z only"),
        (DENSITY_MATRIX, QuantumCircuit(30), NONE, "Z" * 30, "has 30 qubits. This computer's memory holds"),
        (DENSITY_MATRIX, SWAPPED, NONE, "IIZ", "gate 'iswap' of circuit .* none that Aer runs as it is written"),
    ],
)  # fmt: skip
def test_a_question_that_does_not_fit_is_refused(options, circuit, values, observable, message):
    backend = create("aer_forte" if "method" in options else "aer_statevector", options)
    with pytest.raises(BackendError, match=message):
        backend.expectations(circuit, values, [SparsePauliOp(observable)])


@pytest.mark.skipif(gpu_obstacle() is None, reason="Aer finds a GPU here")
@pytest.mark.parametrize("name", ["aer_forte", "aer_statevector"])
def test_a_gpu_that_is_not_there_is_refused_with_the_remedy(name):
    with pytest.raises(
        BackendError, match=r"device is 'GPU'\. Aer finds no GPU: its devices"
    ) as error:
        create(name, {"device": "GPU"})
    words = [
        "(qiskit-aer",
        "needs qiskit-aer-gpu",
        "NVIDIA GPU",
        "CUDA 12",
        "Linux",
        "pip uninstall qiskit-aer",
    ]
    assert [
        word for word in [*words, "qllmft[gpu]", "device='CPU'"] if word not in str(error.value)
    ] == []
