"""The measured circuits and their inputs, in one place, on NumPy alone.

Qubit order is little-endian everywhere: bit q of an amplitude's index is qubit q. A peer that counts the other way
round converts inside its own worker.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

BATCH = 16
EMBEDDING = 768
ENCODER_LAYERS = 28
REUPLOADS = 4
MAIN_LAYERS = 2
MIXED_LAYERS = 28
# name: angles
MIXED_ON_ONE = {"rx": 1, "ry": 1, "rz": 1, "p": 1, "u": 3, "h": 0, "s": 0, "t": 0, "sx": 0}
MIXED_ON_TWO = {
    "cx": 0,
    "cz": 0,
    "swap": 0,
    "crx": 1,
    "cry": 1,
    "crz": 1,
    "cp": 1,
    "rxx": 1,
    "ryy": 1,
    "rzz": 1,
}
# 2^10 is the first power of two that holds 768 amplitudes
SMALLEST = {"enc": 10, "head": 2, "mixed": 2}
SEED = 20240917

Arrays = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True)
class CX:
    """A CNOT."""

    control: int
    target: int


@dataclass(frozen=True)
class RY:
    """R_Y on one qubit. The angle is ``weights[index]``, or ``data[:, index]`` if ``from_data``."""

    qubit: int
    index: int
    from_data: bool = False


@dataclass(frozen=True)
class Named:
    """A gate by Qiskit's name and with its order of qubits and angles: a control comes first."""

    name: str
    qubits: tuple[int, ...]
    indices: tuple[int, ...]  # its angles are ``weights[i]`` for i in ``indices``


Gate = CX | RY | Named


def ring_layer(n_qubits: int, first_weight: int) -> list[Gate]:
    """Return one ansatz layer of ``n_qubits`` weights: CNOT(i -> i+1) and then R_Y on i+1, around the ring."""
    gates: list[Gate] = []
    for i in range(n_qubits):
        target = (i + 1) % n_qubits
        gates += [CX(i, target), RY(target, first_weight + i)]
    return gates


def encoder_gates(n_qubits: int) -> list[Gate]:
    """Return ENC(Q) after its amplitudes are loaded: 28 layers, 28·Q weights."""
    return [
        gate for layer in range(ENCODER_LAYERS) for gate in ring_layer(n_qubits, layer * n_qubits)
    ]


def head_gates(n_qubits: int) -> list[Gate]:
    """Return HEAD(Q) from |0…0>, with 5·Q weights.

    It has four encodings of x, one layer between two of them, and two layers at the end.
    """
    gates: list[Gate] = []
    layers = 0
    for encoding in range(REUPLOADS):
        gates += [RY(q, q, from_data=True) for q in range(n_qubits)]
        for _ in range(MAIN_LAYERS if encoding == REUPLOADS - 1 else 1):
            gates += ring_layer(n_qubits, layers * n_qubits)
            layers += 1
    return gates


def mixed_gates(n_qubits: int) -> list[Gate]:
    """Return MIXED(Q) from |0…0>.

    After R_Y(x) on all qubits there are 28 layers of a random gate on every qubit and on random pairs.
    """
    rng = np.random.default_rng([SEED, n_qubits, 3])
    gates: list[Gate] = [RY(q, q, from_data=True) for q in range(n_qubits)]
    used = 0
    for _ in range(MIXED_LAYERS):
        pairs = rng.permutation(n_qubits)[: n_qubits // 2 * 2].reshape(-1, 2)
        for qubits in [*((q,) for q in range(n_qubits)), *map(tuple, pairs.tolist())]:
            counts = MIXED_ON_ONE if len(qubits) == 1 else MIXED_ON_TWO
            name = str(rng.choice(list(counts)))
            gates.append(Named(name, qubits, tuple(range(used, used + counts[name]))))
            used += counts[name]
    return gates


def save_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write an .npz file."""
    np.savez(path, **arrays)


def circuit_gates(workload: str, n_qubits: int) -> list[Gate]:
    """Return the gates of ``enc``, ``head`` or ``mixed``."""
    return {"enc": encoder_gates, "head": head_gates, "mixed": mixed_gates}[workload](n_qubits)


def count_weights(workload: str, n_qubits: int) -> int:
    """Return the number of weights: 28·Q for ``enc``, 5·Q for ``head``, and those of the random gates for ``mixed``."""
    if workload == "mixed":
        return sum(len(gate.indices) for gate in mixed_gates(n_qubits) if isinstance(gate, Named))
    layers = ENCODER_LAYERS if workload == "enc" else REUPLOADS - 1 + MAIN_LAYERS
    return layers * n_qubits


def unit_vectors(rng: np.random.Generator, batch: int = BATCH) -> NDArray[np.float64]:
    """Return real vectors of length one, (batch, 768), with entries exactly representable in float32."""
    vectors = rng.standard_normal((batch, EMBEDDING))
    return as_float32_values(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def as_float32_values(array: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round to float32 and return float64, so that every peer starts from the same numbers."""
    return array.astype(np.float32).astype(np.float64)


def make_inputs(workload: str, n_qubits: int, batch: int = BATCH) -> dict[str, NDArray[np.generic]]:
    """Make the inputs of one workload, always the same ones for the same arguments.

    Returns:
        ``workload`` (string), ``n_qubits`` (integer), ``weights`` (P,) float64 in radians, ``data`` float64:
        (batch, 768) unit vectors for ``enc`` or (batch, Q) angles in radians, and ``cotangent``
        (batch, Q) float64, the factors of the loss sum(cotangent * <Z>).
    """
    if n_qubits < SMALLEST[workload]:
        raise ValueError(f"{workload} needs at least {SMALLEST[workload]} qubits, got {n_qubits}")
    rng = np.random.default_rng([SEED, n_qubits, list(SMALLEST).index(workload)])
    data = (
        unit_vectors(rng, batch)
        if workload == "enc"
        else as_float32_values(rng.uniform(-1.5, 1.5, (batch, n_qubits)))
    )
    return {
        "workload": np.array(workload),
        "n_qubits": np.array(n_qubits),
        "weights": as_float32_values(rng.uniform(-np.pi, np.pi, count_weights(workload, n_qubits))),
        "data": data,
        "cotangent": as_float32_values(rng.standard_normal((batch, n_qubits))),
    }
