"""Compilation to the native gates GPI2 and ZZ, gate by gate, as a dry run returns it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qllmft_backends.sandbox.refused import RefusedError
from qllmft_backends.sandbox.simulator import matrix_of, qubits_of

_TOLERANCE = 1e-9
Gate = Mapping[str, Any]


class Compiler:
    """Native gates of one circuit so far.

    The circuit is a rotation about Z of each qubit after ``gates``. Measurements do not see the last rotations.

    Attributes:
        gates: native gates, phases and angles in turns.
    """

    def __init__(self, n_qubits: int) -> None:
        self.gates: list[dict[str, Any]] = []
        self._frames_rad = np.zeros(n_qubits)

    def add(self, gate: Gate) -> None:
        """Append a gate of the gateset ``qis``."""
        controls, targets = qubits_of(gate)
        matrix = matrix_of(gate)
        assert matrix is not None, gate  # checked when the job was accepted
        if not controls and len(targets) == 1:
            self._rotate(matrix, targets[0])
        elif len(controls) == len(targets) == 1:
            self._controlled(matrix, controls[0], targets[0])
        elif not controls and gate.get("gate") in ("xx", "yy", "zz"):
            pauli = matrix_of({"gate": str(gate["gate"])[0]})
            assert pauli is not None
            _, basis = np.linalg.eigh(-pauli)  # the eigenvalue 1 of the Pauli matrix first
            self._in_basis(basis, targets, float(gate["rotation"]) / (2 * np.pi), targets)
        elif gate.get("gate") == "swap" and not controls:
            for control, target in (targets, targets[::-1], targets):
                self.add({"gate": "x", "control": control, "target": target})
        else:
            raise RefusedError(
                400, f"gate {gate.get('gate')!r} on {controls + targets}: compiled up to two qubits"
            )

    def _rotate(self, matrix: NDArray[Any], qubit: int) -> None:
        """Append a gate on one qubit: Rz(a) Ry(t) Rz(b) = Rz(a + t + b) GPI2(pi - t - b) GPI2(-b)."""
        frame = self._frames_rad[qubit]
        unitary = matrix.astype(np.complex128) @ np.diag(np.exp([-0.5j * frame, 0.5j * frame]))
        unitary = unitary / np.sqrt(np.linalg.det(unitary) + 0j)
        turn = 2 * np.arctan2(abs(unitary[1, 0]), abs(unitary[0, 0]))
        both = -2 * np.angle(unitary[0, 0]) if abs(unitary[0, 0]) > _TOLERANCE else 0.0
        difference = 2 * np.angle(unitary[1, 0]) if abs(unitary[1, 0]) > _TOLERANCE else 0.0
        if turn < _TOLERANCE:
            self._frames_rad[qubit] = both
            return
        after, before = (both + difference) / 2, (both - difference) / 2
        for phase in (-before, np.pi - turn - before):
            self.gates.append(
                {"gate": "gpi2", "target": qubit, "phase": float(phase) / (2 * np.pi) % 1.0}
            )
        self._frames_rad[qubit] = after + turn + before

    def _controlled(self, matrix: NDArray[Any], control: int, target: int) -> None:
        """Append a gate with one control: in its eigenbasis it is ZZ and two rotations about Z."""
        values, basis = np.linalg.eig(matrix)
        basis, _ = np.linalg.qr(basis)  # eigenvectors of a unitary are orthogonal, but for rounding
        first, second = np.angle(values)
        self._frames_rad[control] += (first + second) / 2
        self._in_basis(
            basis, [target], (first - second) / (4 * np.pi), [control, target], (second - first) / 2
        )

    def _in_basis(
        self,
        basis: NDArray[Any],
        rotated: Sequence[int],
        turns: float,
        pair: Sequence[int],
        frame_rad: float = 0.0,
    ) -> None:
        """Append ZZ on ``pair`` between the changes to a basis of ``rotated`` and back."""
        for qubit in rotated:
            self._rotate(basis.conj().T, qubit)
            self._frames_rad[qubit] += frame_rad
        self.gates.append({"gate": "zz", "targets": list(pair), "angle": float(turns) % 1.0})
        for qubit in rotated:
            self._rotate(basis, qubit)


def compiled(circuit: Sequence[Gate], n_qubits: int, gateset: str) -> dict[str, Any]:
    """Return a circuit in the form ``ionq.native.v1``."""
    if gateset == "native":
        return {"qubits": n_qubits, "circuit": [dict(gate) for gate in circuit]}
    compiler = Compiler(n_qubits)
    for gate in circuit:
        compiler.add(gate)
    return {"qubits": n_qubits, "circuit": compiler.gates}
