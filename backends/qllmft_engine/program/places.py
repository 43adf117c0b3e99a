"""Places of gates in a chunk: row bits, and lanes of registers."""

from __future__ import annotations

from typing import NamedTuple

from qllmft_engine.program.complex_lowering import Gate, MatrixForm


class Place(NamedTuple):
    """Kernel of a gate, and the row bits and lane distances of its control (None, 0 if absent) and target."""

    path: MatrixForm
    control: int | None
    target: int | None
    control_lane: int
    target_lane: int

    @property
    def rows(self) -> set[int]:
        """Return its row bits."""
        return {bit for bit in (self.control, self.target) if bit is not None}


def locate_gate(gate: Gate, register_bits: int, batch: int) -> Place:
    """Return where a gate acts, if ``register_bits`` qubits are inside registers of ``batch`` samples."""
    (control, control_lane), (target, target_lane) = (
        (None, 0) if q < 0 else (None, batch << q) if q < register_bits else (q - register_bits, 0)
        for q in (gate.control, gate.target)
    )
    path = gate.form
    if target_lane and path != MatrixForm.PHASE:
        path = MatrixForm.LANES
    elif control_lane and path == MatrixForm.FLIP:
        path = MatrixForm.REAL
    return Place(path, control, target, control_lane, target_lane)
