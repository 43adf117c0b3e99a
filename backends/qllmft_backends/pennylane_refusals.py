"""Gradients that PennyLane computes as zero or NaN without a word: each is an error with its remedy."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pennylane as qml
from autograd.tracer import isbox, trace_stack  # type: ignore[import-untyped]
from pennylane.devices import ExecutionConfig
from pennylane.exceptions import DeviceError
from pennylane.tape import QuantumScript


def check_parameters(tape: QuantumScript) -> None:
    """Raise if a parameter is differentiated whose gradient by the reverse sweep would be zero or NaN.

    Raises:
        DeviceError: for coefficients of an observable, and for amplitudes of which one is zero.
    """
    for measurement in tape.measurements:
        if measurement.obs is not None and any(map(_differentiated, measurement.obs.data)):
            raise DeviceError(
                "gradients by the coefficients of an observable are not computed by the reverse sweep. Measure each "
                "term and take the sum outside of the QNode, or detach the coefficients."
            )
    for operation in tape.operations:
        if isinstance(operation, qml.StatePrep) and any(map(_differentiated, operation.data)):
            (amplitudes,) = qml.math.unwrap(operation.data)
            zeros = int(np.count_nonzero(np.asarray(qml.math.toarray(amplitudes)) == 0))
            if zeros:
                raise DeviceError(
                    f"{operation.name} has {zeros} amplitudes of zero, as padding gives, where the rotations that "
                    "prepare it have no derivative: its gradient would be NaN. Pad with a small number "
                    "(pad_with=1e-6), detach the input, or use default.qubit with diff_method='backprop'."
                )


def check_order(config: ExecutionConfig | None) -> None:
    """Raise if a gradient by the reverse sweep is to be differentiated itself, which gives zero.

    Raises:
        DeviceError: for a graph of a gradient in torch, or a gradient inside of another in autograd.
    """
    interface = "" if config is None or config.interface is None else config.interface.value
    if interface == "torch":
        # in a backward pass it means create_graph=True
        second = sys.modules["torch"].is_grad_enabled()
    else:
        second = interface == "autograd" and trace_stack.top >= 0
    if second:
        raise DeviceError(
            "second derivatives (create_graph=True, a Hessian) are not computed by the reverse sweep, and would be "
            "zero. Use diff_method='parameter-shift' with max_diff=2."
        )


def _differentiated(parameter: Any) -> bool:
    """Return whether a gradient by a parameter is asked for; PennyLane's own arrays say so even outside of one."""
    if qml.math.get_interface(parameter) == "autograd":
        return bool(isbox(parameter))
    return bool(qml.math.requires_grad(parameter))
