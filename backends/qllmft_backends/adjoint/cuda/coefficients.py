"""Kernel from gate angles to the coefficients of gates."""

from __future__ import annotations

import math

from numba import cuda

from qllmft_backends.adjoint.cuda.device import kernel
from qllmft_backends.adjoint.cuda.plan import OP_WIDTH, REFLECTED, ROTATED, SWAPPED


@kernel
def compute_coefficients(angles, table, coefficients):
    """Compute the matrices of all gates from their angles (R, G), one thread per gate and sample.

    ``coefficients`` (R, 2 · ops) complex is overwritten with p + iq for a control that is 0 and for one that is 1.
    """
    item = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    if item >= coefficients.shape[0] * coefficients.shape[1]:
        return
    row, column = item // coefficients.shape[1], item % coefficients.shape[1]
    op = column - column % OP_WIDTH
    code = table[op + 1]
    family = (code >> (7 if column % OP_WIDTH else 5)) & 3
    cos, sin = 1.0, 0.0
    if code >> 9:
        half = 0.5 * angles[row, (code >> 9) - 1]
        cos, sin = math.cos(half), math.sin(half)
    if family == ROTATED:
        coefficients[row, column] = complex(cos, -sin)
    elif family == SWAPPED:
        coefficients[row, column] = complex(-sin, cos)
    elif family == REFLECTED:
        coefficients[row, column] = complex(cos, sin)
    else:
        coefficients[row, column] = complex(1.0, 1.0)
