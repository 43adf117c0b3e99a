"""Gates of a whole circuit as one operation of PennyLane, which takes time for each operation at every step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pennylane as qp
from pennylane.ops.functions import bind_new_parameters

try:
    from pennylane.resource import ResourcesOperation
except ImportError:  # from 0.46 on, PennyLane counts the gates of a decomposition itself
    from pennylane.operation import Operation as ResourcesOperation

# Qiskit's gate of each operation without angles, and with one
_FIXED_GATES = {
    "PauliX": "x",
    "PauliY": "y",
    "PauliZ": "z",
    "Hadamard": "h",
    "S": "s",
    "T": "t",
    "SX": "sx",
    "Adjoint(S)": "sdg",
    "Adjoint(T)": "tdg",
    "Adjoint(SX)": "sxdg",
    "Identity": "id",
    "CNOT": "cx",
    "CY": "cy",
    "CZ": "cz",
    "CH": "ch",
    "SWAP": "swap",
}
_ONE_ANGLE_GATES = {
    "RX": "rx",
    "RY": "ry",
    "RZ": "rz",
    "PhaseShift": "p",
    "CRX": "crx",
    "CRY": "cry",
    "CRZ": "crz",
    "U1": "p",
    "IsingXX": "rxx",
    "IsingYY": "ryy",
    "IsingZZ": "rzz",
    "ControlledPhaseShift": "cp",
}
# and of each operation the order of its angles
GATES: dict[str, tuple[str, tuple[int, ...]]] = {
    **{name: (gate, ()) for name, gate in _FIXED_GATES.items()},
    **{name: (gate, (0,)) for name, gate in _ONE_ANGLE_GATES.items()},
    "U3": ("u", (0, 1, 2)),
    "Rot": ("u", (1, 2, 0)),  # RZ(ω) RY(θ) RZ(φ), up to a phase
}

Structure = tuple[tuple[str, tuple[int, ...]], ...]  # name and places of the wires of each gate
Columns = tuple[tuple[int, ...], ...] | None


class GateSequence(ResourcesOperation):  # type: ignore[misc]
    """Gates one after the other. The parameters are the angles of all, in their order, or stacks of them.

    Args:
        angles: of all gates, each () or (B,), in radians; stacks are (n,) or (n, B).
        wires: of the circuit.
        gates: name of each gate, and the places of its wires in ``wires``.
        columns: of each stack, the numbers of its angles in the order of the gates; None: no stacks.
    """

    grad_method = None

    def __init__(self, *angles: Any, wires: Any, gates: Structure, columns: Columns = None) -> None:
        super().__init__(*angles, wires=wires)
        self._hyperparameters = {"gates": gates, "columns": columns}

    @property
    def ndim_params(self) -> tuple[int, ...]:
        """Return the dimensions of the parameters, which are numbers or stacks of them."""
        return (0 if self.hyperparameters["columns"] is None else 1,) * len(self.data)

    @property
    def batch_size(self) -> int | None:
        """Return the size of the batch, or None for numbers."""
        (parameter_ndim, *_) = self.ndim_params or (0,)
        return next(
            (
                np.shape(parameter)[-1]
                for parameter in self.data
                if np.ndim(parameter) > parameter_ndim
            ),
            None,
        )

    @property
    def angles(self) -> list[Any]:
        """Return the angles of all gates in their order, each () or (B,)."""
        columns = self.hyperparameters["columns"]
        if columns is None:
            return list(self.data)
        by_number = {
            number: angle
            for stack, numbers in zip(self.data, columns, strict=True)
            for number, angle in zip(numbers, stack, strict=True)
        }
        return [by_number[number] for number in range(len(by_number))]

    def decomposition(self) -> list[Any]:
        """Return the gates."""
        remaining_angles = iter(self.angles)
        return [
            make_operation(
                name,
                [next(remaining_angles) for _ in GATES[name][1]],
                [self.wires[i] for i in places],
            )
            for name, places in self.hyperparameters["gates"]
        ]

    def resources(self) -> Any:
        """Return the numbers of the gates, which the tracker of PennyLane before 0.46 records."""
        from pennylane.resource import Resources

        gates = self.hyperparameters["gates"]
        return Resources(
            num_wires=len(self.wires),
            num_gates=len(gates),
            gate_types=Counter(name for name, _ in gates),
            gate_sizes=Counter(len(places) for _, places in gates),
        )

    def __deepcopy__(self, memo: Any) -> GateSequence:
        """Return a copy. The structure is shared, as it never changes."""
        del memo
        return GateSequence(*map(np.copy, self.data), wires=self.wires, **self.hyperparameters)


@bind_new_parameters.register  # type: ignore[untyped-decorator]
def rebind_angles(op: GateSequence, params: Sequence[Any]) -> GateSequence:
    """Return the gates with other angles."""
    return GateSequence(*params, wires=op.wires, **op.hyperparameters)


def make_operation(name: str, angles: Iterable[Any], wires: Sequence[Any]) -> Any:
    """Return an operation by its name in `GATES`."""
    base = getattr(qp, name.removeprefix("Adjoint(").removesuffix(")"))(*angles, wires=wires)
    return qp.adjoint(base) if name.startswith("Adjoint(") else base
