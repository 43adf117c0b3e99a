"""Gate noise without a second simulator: Pauli errors become signs of angles and of outcomes.

Depolarizing noise is a random Pauli after each gate (`noise.py`). Every gate of the engine is a Clifford gate C or R_Y:

    C P = (C P C⁻¹) C,  and C P C⁻¹ is a Pauli up to a sign;
    R_Y(θ) P = P R_Y(±θ),  minus for P = X, Z, plus for P = I, Y,

the latter because R_Y(θ) = exp(-iθY/2), and X and Z anticommute with Y. So each error moves past all later gates to the
end of the circuit, as a *Pauli frame*: two bits x, z per qubit, for X^x Z^z up to a phase that no expectation value
depends on. With F the frame at the end and θ' the angles with their signs, the noisy state is F |ψ(θ')⟩, and

    ⟨Z-string m⟩ = (-1)^|x ∧ m| ⟨ψ(θ')| Z-string m |ψ(θ')⟩,   ∂/∂θ_g = ± ∂/∂θ'_g.

A trajectory is thus the noiseless program on other angles: exact, real and differentiable. Each gate of the written
circuit carries its noise (an ``id`` too, as in Aer; a ``barrier`` is no gate): the error after a CNOT comes before the
R_Y that the engine fuses with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import Operation, ParameterExpression

from qllmft_backends.errors import BackendError
from qllmft_backends.noise import GateNoise, pauli_error_probability
from qllmft_backends.protocol import Floats, Ints
from qllmft_engine.compiled import frames as kernels
from qllmft_engine.program.gates import GATES
from qllmft_engine.program.operations import Op, real_steps
from qllmft_engine.program.walk import Obstacle, read_real_gates

DATA_VECTOR = "x"  # the parameter vector of a head's data, as `head_circuit` names it

# H is Z, then R_Y(π/2), to the engine; a frame passes the Clifford gate. Gates that are not here pass step by step
_WHOLE_GATES = {"h": kernels.H, "swap": kernels.SWAP}
_STEP_KINDS = {Op.ROT: kernels.RY, Op.CX: kernels.CX, Op.CZ: kernels.CZ}


@dataclass(frozen=True)
class Trajectories:
    """Random runs of a circuit. Only those with an error are stored."""

    count: int  # N
    # (K,), ascending: the runs with an error
    rows: Ints
    # (K, G): ±1, the signs of their angles
    signs: NDArray[np.int8]
    # (K,): the qubits that their frames flip at the end; bit q is qubit q
    flips: Ints

    def repeat(self, times: int) -> Trajectories:
        """Return the same runs ``times`` over, as a whole."""
        rows = (self.count * np.arange(times)[:, None] + self.rows).reshape(-1)
        return Trajectories(
            self.count * times, rows, np.tile(self.signs, (times, 1)), np.tile(self.flips, times)
        )

    def string_signs(self, masks: Ints) -> Floats:
        """Return the signs (K, T) of ⟨Z-string⟩ of ``masks`` (T,) in the runs with an error."""
        return np.asarray(1.0 - 2.0 * (np.bitwise_count(self.flips[:, None] & masks) & 1))

    def sign_strings(self, values: NDArray[np.floating], masks: Ints) -> None:
        """Multiply (N, T) values of all runs with their signs, in place."""
        kernels.sign_strings(values, self.rows, self.flips, masks)

    def sign_angles(self, angles: NDArray[np.floating]) -> None:
        """Multiply (N, G) angles, or a gradient by them, with the runs' signs, in place."""
        kernels.sign_angles(angles, self.rows, self.signs)


def _reads_data(operation: Operation) -> bool:
    angles = (angle for angle in operation.params if isinstance(angle, ParameterExpression))
    return any(
        parameter.name.startswith(f"{DATA_VECTOR}[")
        for angle in angles
        for parameter in angle.parameters
    )


def _frame_rows(name: str, qubits: list[int], slot: int) -> list[tuple[int, ...]]:
    """Return a gate's rows of `FrameProgram.gates`, of which the last one carries its noise.

    Args:
        name: of a real gate of the table.
        qubits: one or two.
        slot: of the gate's first rotation.
    """
    places = (*qubits, *[-1] * (2 - len(qubits)))
    if name in _WHOLE_GATES:
        return [(_WHOLE_GATES[name], *places, slot)]
    rows = []
    for op, step_places, turn in real_steps(GATES[name]):
        step_qubits = [qubits[place] for place in step_places]
        kind = _STEP_KINDS.get(op, kernels.PAULI)
        rows.append((kind, *step_qubits, *[-1] * (2 - len(step_qubits)), slot))
        slot += turn is not None
    if [row[1:3] for row in rows] != [places]:
        rows.append((kernels.PAULI, *places, slot))
    return rows


@dataclass(frozen=True)
class FrameProgram:
    """Circuit in the form that Pauli frames pass through."""

    # (N, 4); see `compiled.frames.push_frames`. Rotation slots are those of `lower`.
    gates: NDArray[np.int32]
    n_angles: int  # G
    # (N,) whether an error may follow
    is_noisy: NDArray[np.bool_]

    @classmethod
    def from_circuit(cls, circuit: QuantumCircuit, *, uploads: bool = True) -> FrameProgram:
        """Read a circuit of `SUPPORTED_GATES`.

        With ``uploads``, the rotations by data, of the parameter vector `DATA_VECTOR`, have errors too; without, a
        circuit that has no such vector is an error.
        """
        gates: list[tuple[int, ...]] = []
        is_noisy: list[bool] = []
        has_data = False
        slots = 0
        steps = read_real_gates(circuit)
        if isinstance(steps, Obstacle):
            raise steps.error
        for operation, qubits, _ in steps:
            rows = _frame_rows(operation.name, qubits, slots)
            gates += rows
            is_noisy += [False] * (len(rows) - 1)
            is_noisy.append(uploads or not _reads_data(operation))
            has_data |= not is_noisy[-1]
            slots += sum(step.op == Op.ROT for step in real_steps(GATES[operation.name]))
        if not uploads and not has_data:
            raise BackendError(
                f"uploads is false, and no rotation of the circuit reads the parameter vector {DATA_VECTOR!r}, got "
                f"{sorted({p.name.partition('[')[0] for p in circuit.parameters})}. Name the vector of the data "
                f"{DATA_VECTOR!r}, or leave uploads out."
            )
        return cls(np.array(gates, np.int32).reshape(-1, 4), slots, np.array(is_noisy, np.bool_))

    def draw_errors(self, noise: GateNoise, count: int, seed: int) -> tuple[Ints, Ints, Ints]:
        """Draw the errors of ``count`` runs: after each gate, with the noise's probability, a Pauli but the identity.

        Equal ``seed`` of 64 bits give equal errors: (E,) runs, gates and Paulis (see `compiled.frames.push_frames`).
        """
        one_qubit_rate, two_qubit_rate = (
            pauli_error_probability(noise.rate(width), width) for width in (1, 2)
        )
        probabilities = np.where(self.gates[:, 2] >= 0, two_qubit_rate, one_qubit_rate)
        thresholds = np.rint(probabilities * 2.0**32).astype(np.int64) * self.is_noisy
        low_word = np.uint32(seed & 0xFFFFFFFF)
        high_word = np.uint32(seed >> 32 & 0xFFFFFFFF)
        rows, places, paulis = kernels.draw_errors(
            self.gates, thresholds, count, low_word, high_word
        )
        return rows, places, paulis

    def draw(self, noise: GateNoise, count: int, seed: int) -> Trajectories:
        """Draw ``count`` random runs (see `draw_errors`)."""
        if not noise.is_on_gates:
            no_rows = np.empty(0, np.int64)
            return Trajectories(count, no_rows, np.empty((0, self.n_angles), np.int8), no_rows)
        rows, places, paulis = self.draw_errors(noise, count, seed)
        trajectory_arrays = kernels.push_errors(self.gates, self.n_angles, rows, places, paulis)
        return Trajectories(count, *trajectory_arrays)
