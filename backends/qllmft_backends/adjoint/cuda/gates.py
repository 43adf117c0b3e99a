"""A gate on a window of 16 amplitudes that a thread holds in registers, independent of the thread's number.

A gate is a real 2x2 matrix on its target for a control that is 0, and another for a control that is 1. Each is (p, q;
-q, p), a rotation, or (p, q; q, -p), a reflection. numba's cache checks the file of a kernel only: after a change here,
touch ``kernels.py``.
"""

from __future__ import annotations

from numba import cuda

from qllmft_backends.adjoint.cuda.plan import ROTATED

# a masked index is not negative: the compiler drops the test for one that counts from the end
INDEX = 0x7FFFFFFF

device = cuda.jit(device=True)


@device
def read(table, at):
    """Return ``table[at]``, both known not to be negative."""
    return table[at & INDEX] & INDEX


@device
def place(i):
    """Return the place of amplitude ``i`` of a tile: no two threads of a warp use one bank for neighbours in any ring.

    Linear over XOR, so that a window needs one place and four strides.
    """
    i = i & 0xFFFFFF
    upper = i >> 5
    return i ^ ((upper ^ (upper << 1)) & 31)


@device
def _act(x, y, target, control, m, n, backward):
    """Multiply the pairs of ``target`` by m, or by n if ``control`` is 1 (-1: no control in the window).

    Backward, on the state x and the co-state y alike; return Σ (y_b x_a − y_a x_b), taken before.
    """
    slope = x.dtype.type(0)
    for k in range(8):
        i = ((k >> target) << (target + 1)) | (k & ((1 << target) - 1))
        j = i | (1 << target)
        p, q, r, s = n if control >= 0 and (i >> control) & 1 else m
        a, b = x[i], x[j]
        x[i] = p * a + q * b
        x[j] = r * a + s * b
        if backward:
            c, d = y[i], y[j]
            slope += d * a - c * b
            y[i] = p * c + q * d
            y[j] = r * c + s * d
    return slope


@device
def gate(x, y, target, control, m, n, backward):
    """Call `_act` with constants, as registers have no addresses. ``control`` is 0, or 1 + its qubit of the window."""
    if target == 0:
        if control == 0:
            return _act(x, y, 0, -1, m, n, backward)
        if control == 2:
            return _act(x, y, 0, 1, m, n, backward)
        if control == 3:
            return _act(x, y, 0, 2, m, n, backward)
        return _act(x, y, 0, 3, m, n, backward)
    if target == 1:
        if control == 0:
            return _act(x, y, 1, -1, m, n, backward)
        if control == 1:
            return _act(x, y, 1, 0, m, n, backward)
        if control == 3:
            return _act(x, y, 1, 2, m, n, backward)
        return _act(x, y, 1, 3, m, n, backward)
    if target == 2:
        if control == 0:
            return _act(x, y, 2, -1, m, n, backward)
        if control == 2:
            return _act(x, y, 2, 1, m, n, backward)
        if control == 1:
            return _act(x, y, 2, 0, m, n, backward)
        return _act(x, y, 2, 3, m, n, backward)
    if control == 0:
        return _act(x, y, 3, -1, m, n, backward)
    if control == 3:
        return _act(x, y, 3, 2, m, n, backward)
    if control == 2:
        return _act(x, y, 3, 1, m, n, backward)
    return _act(x, y, 3, 0, m, n, backward)


@device
def matrix(coefficient, family, backward):
    """Return rows (p, q) and (r, s), transposed if ``backward``. A reflection is its own transpose."""
    p, q = coefficient.real, coefficient.imag
    if family != ROTATED:
        return p, q, q, -p
    if backward:
        return p, -q, q, p
    return p, q, -q, p


@device
def load(x, s, at, a, b, c, d):
    """Load a window from shared memory, by its first place and the strides of its qubits."""
    for k in range(16):
        x[k] = s[at ^ (a * (k & 1)) ^ (b * ((k >> 1) & 1)) ^ (c * ((k >> 2) & 1)) ^ (d * (k >> 3))]


@device
def store(x, s, at, a, b, c, d):
    """Store a window where `load` found it."""
    for k in range(16):
        s[at ^ (a * (k & 1)) ^ (b * ((k >> 1) & 1)) ^ (c * ((k >> 2) & 1)) ^ (d * (k >> 3))] = x[k]
