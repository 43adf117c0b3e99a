"""Circuits for the tests of noise, and what draws on them."""

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector

from qllmft_backends import create
from qllmft_backends.noise import CircuitNoise, GateNoise
from qllmft_engine import AdjointEngine, lower
from qllmft_engine.compiled.normals import fill_normal
from qllmft_engine.engine import GaussianShots
from qllmft_engine.frames import FrameProgram
from qllmft_engine.noisy import NoisyPass

STRONG = GateNoise(0.03, 0.08)
WIDTHS = {"ry": 1, "h": 1, "x": 1, "z": 1, "id": 1, "cx": 2, "cz": 2, "swap": 2}


def random_gates(n_qubits: int, n_gates: int, seed: int) -> QuantumCircuit:
    """Gates of every kind of the engine in random order, each kind on random qubits; every R_Y has its own angle."""
    rng = np.random.default_rng([n_qubits, seed])
    names = [list(WIDTHS)[i % len(WIDTHS)] for i in range(n_gates)]
    theta = iter(ParameterVector("t", n_gates))
    circuit = QuantumCircuit(n_qubits, name=f"random_{n_qubits}q")
    for qubit in range(n_qubits):
        circuit.ry(next(theta), qubit)
    for name in rng.permutation(names):
        qubits = rng.choice(n_qubits, WIDTHS[str(name)], replace=False).tolist()
        if name == "ry":
            circuit.ry(next(theta), *qubits)
        else:
            getattr(circuit, str(name))(*qubits)
        if rng.random() < 0.1:
            circuit.barrier()
    return circuit


def all_strings(n_qubits: int) -> np.ndarray:
    """Every Z string, as masks; string 0 is the identity."""
    return np.arange(2**n_qubits)


def density_matrix(
    circuit: QuantumCircuit, values: np.ndarray, observables, noise: GateNoise
) -> np.ndarray:
    """(B, O), exact, by Aer; `test_aer_forte` has it against Kraus operators in NumPy."""
    options = {**noise.options, "shots": None, "method": "density_matrix"}
    return create("aer_forte", options).expectations(circuit, values, observables).values


def random_angles(circuit: QuantumCircuit, batch: int, seed: int = 0) -> np.ndarray:
    """(B, G) gate angles of random parameter values."""
    values = np.random.default_rng(seed).uniform(-np.pi, np.pi, (batch, circuit.num_parameters))
    return lower(circuit).angles(values)


def circuit_noise(
    gates: GateNoise, shots=None, shot_model=None, trajectories=None, **choices
) -> CircuitNoise:
    shot_options = {"shots": shots, "shot_model": shot_model, "trajectories": trajectories}
    return CircuitNoise(**gates.options, **shot_options, **choices)


def noisy_pass(
    circuit: QuantumCircuit, noise: CircuitNoise, seed: int, masks=None, dtype="float64"
) -> NoisyPass:
    masks = 1 << np.arange(circuit.num_qubits) if masks is None else np.asarray(masks)
    return NoisyPass(
        AdjointEngine(lower(circuit), masks, dtype), FrameProgram.from_circuit(circuit), noise, seed
    )


def signs(n_qubits: int) -> np.ndarray:
    """(strings, outcomes)."""
    x = np.arange(2**n_qubits)
    return 1.0 - 2.0 * (np.bitwise_count(x[:, None] & x) & 1)


def epsilons(shots: GaussianShots, engine: AdjointEngine, batch: int) -> np.ndarray:
    """(B, 2^Q) the ε of a pass, by sample."""
    n = engine.program.n_qubits
    size = engine._samples_per_chunk(batch)
    parts = []
    for chunk in range(-(-batch // size)):
        normal_numbers = np.empty(2**n * size, engine.dtype)
        low, high, first = shots.stream
        fill_normal(np.uint32(low), np.uint32(high), np.uint32(first + chunk), normal_numbers)
        parts.append(normal_numbers.reshape(2**n, size).T)
    return np.concatenate(parts)[:batch]


def equation_2(psi: np.ndarray, eps: np.ndarray, n: int) -> np.ndarray:
    """(B, 2^Q) ŷ/n before rectification, as it is printed, with the sign of ψ in ε."""
    p = psi**2
    eps = eps * np.sign(psi)
    y = n * p + np.sqrt(n) * (np.sqrt(p) * eps - p * (np.sqrt(p) * eps).sum(axis=1, keepdims=True))
    return y / n
