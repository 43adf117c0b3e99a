"""Expectation values and gradients in NumPy float64, by an adjoint sweep: the reference of every peer.

Written to be read, not to be fast. It shares only the gate lists of ``workloads`` with the peers.

States are real, (B, 2^Q) float64, little-endian: bit q of the index is qubit q.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import reference_mixed
import workloads
from workloads import CX, RY, Arrays, Gate, circuit_gates

Floats = NDArray[np.float64]
CACHED_AMPLITUDES = 2**18  # amplitudes worked on at a time, so that a pass over them stays in cache


@dataclass(frozen=True)
class Gradients:
    """Expectation values and the gradient of sum(cotangent * values)."""

    values: Floats  # (B, Q), <Z_q>
    weights: Floats  # (P,)
    data: Floats  # (B, D); zero if no gate takes its angle from the data


def halves(state: Floats, qubit: int) -> tuple[Floats, Floats]:
    """Return views of the amplitudes with bit ``qubit`` 0 and 1, each (B, 2^(Q-1-qubit), 2^qubit)."""
    split = state.reshape(state.shape[0], -1, 2, 2**qubit)
    return split[:, :, 0], split[:, :, 1]


def apply_cx(state: Floats, control: int, target: int) -> None:
    """Apply CNOT in place. It is its own inverse."""
    high = max(control, target)
    low = min(control, target)
    split = state.reshape(state.shape[0], -1, 2, 2 ** (high - low - 1), 2, 2**low)
    if control == high:
        flipped = split[:, :, 1]
        flipped[...] = flipped[:, :, :, ::-1].copy()
    else:
        flipped = split[:, :, :, :, 1]
        flipped[...] = flipped[:, :, ::-1].copy()


def apply_ry(state: Floats, qubit: int, angle: Floats) -> None:
    """Apply R_Y(angle) in place, with ``angle`` () or (B,) in radians."""
    amplitudes_0, amplitudes_1 = halves(state, qubit)
    cos, sin = (f(angle / 2).reshape(-1, 1, 1) for f in (np.cos, np.sin))
    rotated_0 = cos * amplitudes_0 - sin * amplitudes_1
    amplitudes_1[...] = sin * amplitudes_0 + cos * amplitudes_1
    amplitudes_0[...] = rotated_0


def z_signs(n_qubits: int) -> Floats:
    """Return the eigenvalue of Z_q on every basis state, (Q, 2^Q)."""
    index = np.arange(2**n_qubits)
    return 1.0 - 2.0 * ((index >> np.arange(n_qubits)[:, None]) & 1).astype(np.float64)


def expectation_and_gradients(
    gates: Sequence[Gate], state: Floats, weights: Floats, data: Floats, cotangent: Floats
) -> Gradients:
    """Run one forward pass and one adjoint sweep over real gates.

    Args:
        gates: the circuit.
        state: (B, 2^Q) start amplitudes; not changed.
        weights: (P,) angles shared by the batch.
        data: (B, D) angles of one sample each.
        cotangent: (B, Q) factors of <Z_q> in the loss.
    """
    state = state.copy()
    n_qubits = cotangent.shape[1]

    def angle(gate: RY) -> Floats:
        return data[:, gate.index] if gate.from_data else weights[gate.index]

    for gate in gates:
        if isinstance(gate, CX):
            apply_cx(state, gate.control, gate.target)
        else:
            apply_ry(state, gate.qubit, angle(gate))

    signs = z_signs(n_qubits)
    values = state**2 @ signs.T
    costate = state * (cotangent @ signs)

    grad_weights = np.zeros_like(weights)
    grad_data = np.zeros_like(data)
    for gate in reversed(gates):
        if isinstance(gate, CX):
            for array in (state, costate):
                apply_cx(array, gate.control, gate.target)
            continue
        # d R_Y(t)/dt = R_Y(t) (-iY)/2, and the loss is quadratic in the state: the two factors of 2
        # cancel.
        amplitudes_0, amplitudes_1 = halves(state, gate.qubit)
        costate_0, costate_1 = halves(costate, gate.qubit)
        slope = np.einsum("bij,bij->b", costate_1, amplitudes_0)
        slope -= np.einsum("bij,bij->b", costate_0, amplitudes_1)
        if gate.from_data:
            grad_data[:, gate.index] += slope
        else:
            grad_weights[gate.index] += slope.sum()
        for array in (state, costate):
            apply_ry(array, gate.qubit, -angle(gate))
    return Gradients(values, grad_weights, grad_data)


def in_chunks(
    gates: Sequence[Gate], state: Floats, weights: Floats, data: Floats, cotangent: Floats
) -> Gradients:
    """Call ``expectation_and_gradients`` on as many samples at a time as fit into cache."""
    size = max(1, CACHED_AMPLITUDES // state.shape[1])
    parts = [
        expectation_and_gradients(
            gates, state[i : i + size], weights, data[i : i + size], cotangent[i : i + size]
        )
        for i in range(0, state.shape[0], size)
    ]
    return Gradients(
        np.concatenate([part.values for part in parts]),
        np.sum([part.weights for part in parts], axis=0),
        np.concatenate([part.data for part in parts]),
    )


def load_amplitudes(vectors: Floats, n_qubits: int) -> Floats:
    """Normalise and zero-pad vectors (B, D) to amplitudes (B, 2^Q)."""
    state = np.zeros((vectors.shape[0], 2**n_qubits))
    state[:, : vectors.shape[1]] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return state


def ground_state(batch: int, n_qubits: int) -> Floats:
    """Return the amplitudes (B, 2^Q) of |0…0>."""
    state = np.zeros((batch, 2**n_qubits))
    state[:, 0] = 1.0
    return state


def encode(vectors: Floats, weights: Floats, cotangent: Floats) -> Gradients:
    """Compute ENC(Q) of vectors (B, 768), with Q from ``cotangent`` (B, Q) and no data gradient."""
    n_qubits = cotangent.shape[1]
    no_data = np.zeros((vectors.shape[0], 0))
    return in_chunks(
        circuit_gates("enc", n_qubits),
        load_amplitudes(vectors, n_qubits),
        weights,
        no_data,
        cotangent,
    )


def head(angles: Floats, weights: Floats, cotangent: Floats) -> Gradients:
    """Compute HEAD(Q) of angles (B, Q) in radians."""
    batch, n_qubits = angles.shape
    return in_chunks(
        circuit_gates("head", n_qubits), ground_state(batch, n_qubits), weights, angles, cotangent
    )


def expected_outputs(inputs: Arrays) -> dict[str, Floats]:
    """Return the expected results of a worker for the inputs of ``workloads.make_inputs``.

    Returns:
        ``values`` (16, Q), ``grad_weights`` (P,), and for ``head`` and ``mixed`` also ``grad_data`` (16, Q).
    """
    weights, data, cotangent = (
        np.asarray(inputs[k], np.float64) for k in ("weights", "data", "cotangent")
    )
    if str(inputs["workload"]) == "enc":
        result = encode(data, weights, cotangent)
        return {"values": result.values, "grad_weights": result.weights}
    if str(inputs["workload"]) == "mixed":
        gates = circuit_gates("mixed", cotangent.shape[1])
        values, by_weights, by_data = reference_mixed.expectation_and_gradients(
            gates, weights, data, cotangent
        )
        return {"values": values, "grad_weights": by_weights, "grad_data": by_data}
    result = head(data, weights, cotangent)
    return {"values": result.values, "grad_weights": result.weights, "grad_data": result.data}


def remembered_outputs(inputs: Arrays, folder: Path) -> dict[str, Floats]:
    """Return `expected_outputs` from ``folder`` if they are cached there.

    At 18 qubits they take minutes, and at 20 a quarter of an hour.
    """
    digest = hashlib.sha256()
    for source in (Path(__file__), Path(reference_mixed.__file__), Path(workloads.__file__)):
        digest.update(source.read_bytes())
    for name in sorted(inputs):
        digest.update(np.ascontiguousarray(inputs[name]).tobytes())
    path = (
        folder
        / f"{inputs['workload']}-{inputs['cotangent'].shape[1]}-{digest.hexdigest()[:12]}.npz"
    )
    if path.exists():
        with np.load(path) as file:
            return {name: file[name] for name in file.files}
    outputs = expected_outputs(inputs)
    folder.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part.npz")
    np.savez(partial, allow_pickle=False, **outputs)
    partial.replace(path)
    return outputs
