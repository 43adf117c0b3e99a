"""Kernels: a block takes one tile of one sample's state through a run of gates, in shared memory.

A tile is the 2^k amplitudes that differ in k of the qubits only. If all qubits fit, the tile is the whole state and one
launch runs the whole program; else a launch runs a group of gates on all tiles. The table of ``plan.py`` defines each
launch.

In a pass a thread holds the 16 amplitudes of four target qubits, a window, in registers, through all gates of the pass;
threads wait for each other between passes only.

Every sum is taken in an order fixed by the launch, without atomics, so that the same call gives the same bits.
Expectation values need no sum of their own: the Walsh-Hadamard transform of the probabilities, a few passes more, holds
⟨Z-string⟩ of every mask, added up pairwise. The transform of the weights is the diagonal that starts λ.

Gradient as in the CPU's kernels, with λ = ½ ∂E/∂ψ, so that the factors ½ and 2 cancel: ∂E/∂θ = Σ (λ_b ψ_a − λ_a ψ_b).
"""

from __future__ import annotations

from numba import cuda

from qllmft_backends.adjoint.cuda.device import kernel
from qllmft_backends.adjoint.cuda.gates import INDEX, device, gate, load, matrix, place, read, store
from qllmft_backends.adjoint.cuda.plan import (
    FIRST,
    FLAGS,
    HIGH,
    LAST,
    MASKS,
    MASKS_END,
    OP_WIDTH,
    OUTER,
    OUTER_BITS,
    PASS_WIDTH,
    PASSES,
    PASSES_END,
    ROW_BITS,
    RUN_WIDTH,
    RUNS,
    RUNS_END,
    TILE_BITS,
    TRANSFORM,
    TRANSFORM_END,
    WINDOW,
)

_AT_ONCE = 8  # numbers that a thread asks the memory for at once


@device
def _is_odd(bits):
    return (cuda.popc(bits) & 1) != 0


@device
def _run_pass(s, costate, size, outer, table, number, coefficients, sums, first_slot, backward):
    """Run the gates of one pass on all windows of a tile.

    ``outer`` is the tile's number, as the upper bits of an index in the group's order, ``number`` the pass's row of the
    table. ``sums`` are a thread's shares of the gradients, in rows of one number per thread and one unused, the first
    one for ``first_slot``. ``backward`` is a constant.
    """
    first, end = read(table, number), read(table, number + 1)
    below_a, below_b = read(table, number + 2), read(table, number + 3)
    below_c, below_d = read(table, number + 4), read(table, number + 5)
    a, b, c, d = place(below_a + 1), place(below_b + 1), place(below_c + 1), place(below_d + 1)
    thread, threads = cuda.threadIdx.x & 0xFFFF, cuda.blockDim.x & 0xFFFF
    x = cuda.local.array(16, s.dtype)
    y = cuda.local.array(16, s.dtype) if backward else x
    i = thread
    while i < size >> WINDOW:
        index = i + (i & ~below_a)  # zeros put in at the window's bits, from the lowest up
        index += index & ~below_b
        index += index & ~below_c
        index += index & ~below_d
        at = place(index)
        load(x, s, at, a, b, c, d)
        if backward:
            load(y, costate, at, a, b, c, d)
        done = first
        while done < end:
            op = first + end - OP_WIDTH - done if backward else done
            condition, code = read(table, op), read(table, op + 1)
            clear, met = coefficients[op & INDEX], coefficients[(op + 1) & INDEX]
            n = matrix(met, (code >> 7) & 3, backward)
            m = n if (index | outer) & condition else matrix(clear, (code >> 5) & 3, backward)
            slope = gate(x, y, code & 3, (code >> 2) & 7, m, n, backward)
            if backward and code >> 9:
                row = (code >> 9) - 1 - first_slot
                share = (row * (threads + 1) + thread) & 0xFFFFFF
                if i < threads:
                    sums[share] = slope
                else:
                    sums[share] += slope
            done += OP_WIDTH
        store(x, s, at, a, b, c, d)
        if backward:
            store(y, costate, at, a, b, c, d)
        i += threads


# --- tiles
# ------------------------------------------------------------------------------------------------------------


@device
def _tile(table, group):
    """Return the sample and tile of this block, and the tile's part of the index into the state."""
    outer_bits = read(table, group + OUTER_BITS) & 31
    block = cuda.blockIdx.x & INDEX
    tile = block & ((1 << outer_bits) - 1)
    part = 0
    for bit in range(outer_bits):
        part |= ((tile >> bit) & 1) << read(table, read(table, group + OUTER) + bit)
    return block >> outer_bits, tile, part


@device
def _index(i, table, high, row_bits):
    """Return the index into the state of amplitude ``i`` of tile 0."""
    return (i & ((1 << row_bits) - 1)) | read(table, high + (i >> row_bits))


@device
def _fetch(s, row, dimension, part, bits, table, high):
    """Fetch a tile from the ``dimension`` numbers of ``row``, with zeros past them.

    A thread requests several numbers before it waits for the first; past the tile's end it requests the last again.
    """
    size, row_bits = 1 << bits, min(ROW_BITS, bits - WINDOW)
    x = cuda.local.array(_AT_ONCE, s.dtype)
    threads = cuda.blockDim.x & 0xFFFF
    i = cuda.threadIdx.x & 0xFFFF
    while i < size:
        for k in range(_AT_ONCE):
            index = part | _index(min(i + k * threads, size - 1), table, high, row_bits)
            x[k] = row[index] if index < dimension else s.dtype.type(0)
        for k in range(_AT_ONCE):
            s[place(min(i + k * threads, size - 1))] = x[k]
        i += _AT_ONCE * threads


@device
def _return(s, row, dimension, factor, part, bits, table, high):
    size, row_bits = 1 << bits, min(ROW_BITS, bits - WINDOW)
    x = cuda.local.array(_AT_ONCE, s.dtype)
    threads = cuda.blockDim.x & 0xFFFF
    i = cuda.threadIdx.x & 0xFFFF
    while i < size:
        for k in range(_AT_ONCE):
            x[k] = factor * s[place(min(i + k * threads, size - 1))]
        for k in range(_AT_ONCE):
            index = part | _index(min(i + k * threads, size - 1), table, high, row_bits)
            if index < dimension:
                row[index] = x[k]
        i += _AT_ONCE * threads


@device
def _transform(s, size, table, group, coefficients):
    """Transform a tile (Walsh-Hadamard). Every thread may use all of it afterwards."""
    number = read(table, group + TRANSFORM)
    while number < read(table, group + TRANSFORM_END):
        cuda.syncthreads()
        _run_pass(s, s, size, 0, table, number, coefficients, s, 0, False)
        number += PASS_WIDTH
    cuda.syncthreads()


@device
def _add_rows(sums, rows, gradients, first_slot):
    """Add rows of `_run_pass` to gradients: threads add up parts of a row, and one of them the parts."""
    thread, threads, rows = cuda.threadIdx.x & 0xFFFF, cuda.blockDim.x & 0xFFFF, rows & 0xFFFF
    length = -(-threads // max(threads // max(rows, 1), 1))
    parts = -(-threads // length)
    item = thread
    while item < rows * parts:
        row, skipped = item % rows, (item // rows) * length
        total = sums[row * (threads + 1) + skipped]
        for i in range(skipped + 1, min(skipped + length, threads)):
            total += sums[row * (threads + 1) + i]
        sums[row * (threads + 1) + skipped] = total
        item += threads
    cuda.syncthreads()
    row = thread
    while row < rows:
        total = sums[row * (threads + 1)]
        for part in range(1, parts):
            total += sums[row * (threads + 1) + part * length]
        gradients[first_slot + row] = total
        row += threads


# --- launches
# ---------------------------------------------------------------------------------------------------------


@kernel
def forward(states, amplitudes, dimension, coefficients, table, group, keep, values):
    """Run a group of gates forward on all tiles, with a block per tile and sample, and measure after the last one.

    Args:
        states: (B, 2^n) states, read unless this group is the first, and written with ``keep``.
        amplitudes: (B, D ≥ dimension) initial amplitudes.
        dimension: amplitudes loaded; 0 for |0...0⟩.
        coefficients: (1 or B, 2 · ops) complex, from `coefficients.compute_coefficients`.
        table: see ``plan.py``.
        group: the group's row in it.
        keep: 1 to keep the states, else 0.
        values: (B, tiles, T), overwritten by the last group with each tile's share of ⟨Z-string⟩.
    """
    s = cuda.shared.array(0, states.dtype)
    thread, threads = cuda.threadIdx.x & 0xFFFF, cuda.blockDim.x & 0xFFFF
    bits, flags = read(table, group + TILE_BITS) & 31, read(table, group + FLAGS)
    size, whole = 1 << bits, 1 << (bits + (read(table, group + OUTER_BITS) & 31))
    high = read(table, group + HIGH)
    sample, tile, part = _tile(table, group)
    of_sample = coefficients[min(sample, coefficients.shape[0] - 1)]
    if not flags & FIRST:
        _fetch(s, states[sample], whole, part, bits, table, high)
    elif dimension:
        _fetch(s, amplitudes[sample], dimension, part, bits, table, high)
    else:
        _fetch(s, states[0], 0, part, bits, table, high)
        if thread == 0 and part == 0:  # where it has put a zero itself
            s[0] = s.dtype.type(1)
    number = read(table, group + PASSES)
    while number < read(table, group + PASSES_END):
        cuda.syncthreads()
        _run_pass(s, s, size, tile << bits, table, number, of_sample, s, 0, False)
        number += PASS_WIDTH
    cuda.syncthreads()
    if keep:
        _return(s, states[sample], whole, s.dtype.type(1), part, bits, table, high)
    if flags & LAST:
        cuda.syncthreads()
        i = thread
        while i < size:
            s[i] *= s[i]
            i += threads
        _transform(s, size, table, group, of_sample)
        first = read(table, group + MASKS)
        t = thread
        while first + t < read(table, group + MASKS_END):
            mask = read(table, first + t)
            x = s[place(mask & (size - 1))]
            values[sample, tile, t] = -x if _is_odd((mask >> bits) & tile) else x
            t += threads


@kernel
def backward(
    states, costates, weights, coefficients, table, group, gradients, amplitude_gradients, dimension
):
    """Undo a group of gates on all tiles, with a block per tile and sample, and collect gradients.

    Args:
        states: (B, 2^n) states after the group, overwritten with those before it unless the group is the first.
        costates: (B, 2^n) the same of λ; not used if there is one group only.
        weights: (B, T) derivatives of the loss by ⟨Z-string⟩.
        coefficients: as in `forward`.
        table: as in `forward`.
        group: the group's row in it.
        gradients: (B, tiles, G), this group's slots overwritten with each tile's share of the angles' gradient.
        amplitude_gradients: (B, dimension), overwritten by the first group if ``dimension`` is not 0.
        dimension: amplitudes to differentiate by, or 0.
    """
    s = cuda.shared.array(0, states.dtype)
    thread, threads = cuda.threadIdx.x & 0xFFFF, cuda.blockDim.x & 0xFFFF
    bits, flags = read(table, group + TILE_BITS) & 31, read(table, group + FLAGS)
    size, whole = 1 << bits, 1 << (bits + (read(table, group + OUTER_BITS) & 31))
    high = read(table, group + HIGH)
    sample, tile, part = _tile(table, group)
    of_sample = coefficients[min(sample, coefficients.shape[0] - 1)]
    costate, sums = s[size:], s[2 * size :]
    _fetch(s, states[sample], whole, part, bits, table, high)
    if not flags & LAST:
        _fetch(costate, costates[sample], whole, part, bits, table, high)
    else:
        i = thread
        while i < size:
            costate[i] = s.dtype.type(0)
            i += threads
        cuda.syncthreads()
        if thread == 0:  # few numbers, and several masks may share a place
            first = read(table, group + MASKS)
            for t in range(read(table, group + MASKS_END) - first):
                mask = read(table, first + t)
                weight = weights[sample, t]
                at = place(mask & (size - 1))
                costate[at] += -weight if _is_odd((mask >> bits) & tile) else weight
        _transform(costate, size, table, group, of_sample)
        i = thread
        while i < size:
            costate[i] *= s[i]
            i += threads
    run = read(table, group + RUNS_END)
    while run > read(table, group + RUNS):
        run -= RUN_WIDTH
        number, first_slot = read(table, run + 1), read(table, run + 2)
        while number > read(table, run):
            number -= PASS_WIDTH
            cuda.syncthreads()
            _run_pass(
                s, costate, size, tile << bits, table, number, of_sample, sums, first_slot, True
            )
        cuda.syncthreads()
        _add_rows(sums, read(table, run + 3) - first_slot, gradients[sample, tile], first_slot)
    cuda.syncthreads()
    if not flags & FIRST:
        _return(s, states[sample], whole, s.dtype.type(1), part, bits, table, high)
        _return(costate, costates[sample], whole, s.dtype.type(1), part, bits, table, high)
    elif dimension:
        _return(
            costate,
            amplitude_gradients[sample],
            dimension,
            s.dtype.type(2),
            part,
            bits,
            table,
            high,
        )
