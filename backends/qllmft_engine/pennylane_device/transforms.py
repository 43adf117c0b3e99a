"""Transforms of PennyLane's circuits to what the engine runs at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pennylane as qp
from autograd.tracer import isbox  # type: ignore[import-untyped]
from pennylane.exceptions import DeviceError
from pennylane.ops import Controlled
from pennylane.tape import QuantumScript
from pennylane.transforms import broadcast_expand

from qllmft_engine.pennylane_device.gates import GATES
from qllmft_engine.pennylane_device.tapes import gather_gates, is_supported


def is_batch(circuit: QuantumScript) -> bool:
    """Return whether a parameter is a batch, which PennyLane finds more slowly."""
    return any(
        any(np.ndim(angle) for angle in op.data) if op.name in GATES else op.batch_size is not None
        for op in circuit.operations
        if op.data
    )


@qp.transform  # type: ignore[untyped-decorator]
def refuse_undefined_gradients(
    tape: QuantumScript,
) -> tuple[Sequence[QuantumScript], Callable[..., Any]]:
    """Refuse a tape if a parameter is differentiated whose gradient by the reverse sweep would be zero or NaN.

    Raises:
        DeviceError: for coefficients of an observable, and for amplitudes of which one is zero.
    """
    for measurement in tape.measurements:
        if measurement.obs is not None and any(map(_requires_gradient, measurement.obs.data)):
            raise DeviceError(
                "gradients by the coefficients of an observable are not computed by the reverse sweep. Measure each "
                "term and take the sum outside of the QNode, or detach the coefficients."
            )
    for operation in tape.operations:
        if isinstance(operation, qp.StatePrep) and any(map(_requires_gradient, operation.data)):
            (amplitudes,) = qp.math.unwrap(operation.data)
            zeros = int(np.count_nonzero(np.asarray(qp.math.toarray(amplitudes)) == 0))
            if zeros:
                raise DeviceError(
                    f"{operation.name} has {zeros} amplitudes of zero, as padding gives, where the rotations that "
                    "prepare it have no derivative: its gradient would be NaN. Pad with a small number "
                    "(pad_with=1e-6), detach the input, or use default.qubit with diff_method='backprop'."
                )
    return (tape,), lambda results: results[0]


def _requires_gradient(parameter: Any) -> bool:
    """Return whether a gradient by a parameter is asked for; PennyLane's own arrays say so even outside of one."""
    if qp.math.get_interface(parameter) == "autograd":
        return bool(isbox(parameter))
    return bool(qp.math.requires_grad(parameter))


@qp.transform  # type: ignore[untyped-decorator]
def gather(
    tape: QuantumScript, *, sweeps: bool, stacks: bool
) -> tuple[Sequence[QuantumScript], Callable[..., Any]]:
    """Gather the gates of a circuit, if it has nothing else, so that the steps that follow take less time.

    Args:
        tape: the circuit.
        sweeps: no whole Jacobian is wanted; with one, a batch is expanded first.
        stacks: gradients are vector-Jacobian products of the device, which may be those of stacked angles.
    """
    gathered_tape = gather_gates(tape, stacks=stacks) if sweeps or not is_batch(tape) else None
    return (tape if gathered_tape is None else gathered_tape,), lambda results: results[0]


@qp.transform  # type: ignore[untyped-decorator]
def expand_batch(
    tape: QuantumScript, *, sweeps: bool
) -> tuple[Sequence[QuantumScript], Callable[..., Any]]:
    """Expand a batch that the engine does not run at once.

    Args:
        tape: the circuit; batches of prepared states and of matrices are expanded.
        sweeps: no whole Jacobian is wanted, which a batch does not have.
    """
    batched_names = (op.name for op in tape.operations if op.batch_size is not None)
    angles_only = not {"StatePrep", "BasisState", "QubitUnitary", "DiagonalQubitUnitary"} & {
        *batched_names
    }
    if tape.batch_size is None or (sweeps and angles_only):
        return (tape,), lambda results: results[0]
    expanded: tuple[Sequence[QuantumScript], Callable[..., Any]] = broadcast_expand(tape)
    return expanded


@qp.transform  # type: ignore[untyped-decorator]
def expand_undecomposed(
    tape: QuantumScript,
) -> tuple[Sequence[QuantumScript], Callable[..., Any]]:
    """Expand a batch of angles that need a gradient, in a gate that PennyLane decomposes for single angles only."""
    if not any(
        operation.batch_size is not None
        and not is_supported(operation)
        and (isinstance(operation, Controlled) or not operation.has_decomposition)
        and any(map(qp.math.requires_grad, operation.data))
        for operation in tape.operations
    ):
        return (tape,), lambda results: results[0]
    expanded: tuple[Sequence[QuantumScript], Callable[..., Any]] = broadcast_expand(tape)
    return expanded
