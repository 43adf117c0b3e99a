"""Triton kernels of circuits of real gates: a program of the grid holds 2^L amplitudes, for several gates in turn.

Small circuits have S whole states in a program. Larger ones have a block of one state, pass by pass.
"""

import triton
import triton.language as tl

from qllmft_engine.torch.gpu.real_gates import apply_gates, undo_gates

# arguments that change with the circuit or the batch, so that no kernel is compiled for their values
INTEGERS = (
    "first",
    "last",
    "loads",
    "n_angles",
    "n_strings",
    "outside",
    "samples",
    "stores",
    "stride",
    "width",
)


@triton.jit
def whole_states(samples, S: tl.constexpr, L: tl.constexpr):
    """Return which samples a program holds, and whether they are in the batch; then the same of each amplitude.

    Returns:
        Samples, a scalar for one and (S,) for several, and whether they are there. For each amplitude (S·2^L,) sample,
        index, and whether it is there.
    """
    first = tl.program_id(0).to(tl.int64) * S
    if S == 1:
        b = first
    else:
        b = first + tl.arange(0, S)
    local = tl.arange(0, S << L)
    batch = first + (local >> L)
    return b, b < samples, batch, local & ((1 << L) - 1), batch < samples


@triton.jit
def string_sums(
    x,
    out,
    low,
    middle,
    top,
    n_strings,
    in_batch,
    S: tl.constexpr,
    L: tl.constexpr,
    LOW: tl.constexpr,
):
    """Store Σ x² · sign for each Z string, of amplitudes (S·2^L,) with successive indices.

    Args:
        x: amplitudes.
        out: pointers to each sample's first sum.
        low, middle: signs (T, 2^LOW) and (T, 2^(L - LOW)) by the bits of the index inside.
        top: pointer to the sign by the bits outside, (T,).
        n_strings: T.
        in_batch: whether the samples are there.
        S, L, LOW: samples, bits of an index inside, and of its low part.
    """
    squares = tl.reshape(x * x, (S, 1 << (L - LOW), 1 << LOW))
    columns = tl.arange(0, 1 << LOW)
    lines = tl.arange(0, 1 << (L - LOW))
    for t in range(n_strings):
        by_column = tl.reshape(tl.load(low + (t << LOW) + columns), (1, 1, 1 << LOW))
        by_line = tl.reshape(tl.load(middle + (t << (L - LOW)) + lines), (1, 1 << (L - LOW), 1))
        terms = tl.reshape(squares * by_column * by_line, (S, 1 << L))
        total = tl.sum(terms, axis=1) * tl.load(top + t)
        if S == 1:
            tl.store(out + t, tl.sum(total, axis=0))
        else:
            tl.store(out + t, total, mask=in_batch)


@triton.jit
def string_weights(
    x,
    cotangent,
    low,
    middle,
    top,
    n_strings,
    in_batch,
    S: tl.constexpr,
    L: tl.constexpr,
    LOW: tl.constexpr,
):
    """Return the co-states 2 x Σ_t cotangent_t · sign_t (S·2^L,).

    Args:
        x, cotangent: amplitudes, and pointers to each sample's first cotangent.
        low, middle, top, n_strings, in_batch, S, L, LOW: see `string_sums`.
    """
    columns = tl.arange(0, 1 << LOW)
    lines = tl.arange(0, 1 << (L - LOW))
    weights = tl.zeros((S, 1 << (L - LOW), 1 << LOW), x.dtype)
    for t in range(n_strings):
        by_column = tl.reshape(tl.load(low + (t << LOW) + columns), (1, 1, 1 << LOW))
        by_line = tl.reshape(tl.load(middle + (t << (L - LOW)) + lines), (1, 1 << (L - LOW), 1))
        if S > 1:
            factor = tl.reshape(tl.load(cotangent + t, mask=in_batch, other=0.0), (S, 1, 1))
        else:
            factor = tl.load(cotangent + t)
        weights += by_column * by_line * (2.0 * tl.load(top + t) * factor)
    return x * tl.reshape(weights, (S << L,))


@triton.jit(do_not_specialize=INTEGERS)
def small_forward(
    rows,
    last,
    cos,
    sin,
    stride,
    loads,
    amplitudes,
    width,
    stores,
    states,
    values,
    low,
    middle,
    top,
    n_strings,
    samples,
    S: tl.constexpr,
    L: tl.constexpr,
    LOW: tl.constexpr,
    WARPS: tl.constexpr,
):
    """Run all gates on S whole states, and store the expectation values and, the final states.

    Args:
        rows, last: table of gates, see `real_gates`, and the row after the last gate.
        cos, sin, stride: (1 or B, G) of half the angles, and the distance of two samples' angles, 0 for shared ones.
        loads, amplitudes, width: whether (B, D) amplitudes are loaded, from where, and D.
        stores, states: whether (B, 2^L) final states are stored, and where.
        values, samples: (B, T), and B.
        low, middle, top, n_strings, S, L, LOW: see `string_sums`.
        WARPS: warps of a program.
    """
    b, in_batch, batch, index, amplitude_in_batch = whole_states(samples, S, L)
    x = first_amplitudes(index, loads, amplitudes + batch * width, width, amplitude_in_batch)
    x = apply_gates(
        x, index, rows, 0, last, cos + b * stride, sin + b * stride, in_batch, S, L, WARPS
    )
    if stores != 0:
        tl.store(states + (batch << L) + index, x, mask=amplitude_in_batch)
    string_sums(x, values + b * n_strings, low, middle, top, n_strings, in_batch, S, L, LOW)


@triton.jit(do_not_specialize=INTEGERS)
def small_back(
    rows,
    last,
    cos,
    sin,
    stride,
    states,
    cotangent,
    by_angle,
    n_angles,
    stores,
    by_amplitude,
    width,
    low,
    middle,
    top,
    n_strings,
    samples,
    S: tl.constexpr,
    L: tl.constexpr,
    LOW: tl.constexpr,
    WARPS: tl.constexpr,
    THREADS: tl.constexpr,
):
    """Sweep back through all gates on S whole states.

    Args:
        rows, last: table of gates, see `real_gates`, and the row after the last gate.
        cos, sin, stride: (1 or B, G) of half the angles, and the distance of two samples' angles, 0 for shared ones.
        states, cotangent, samples: (B, 2^L) final states, (B, T), and B.
        by_angle, n_angles, WARPS, THREADS: (B, WARPS, G) parts of the gradient, and the threads of all parts.
        stores, by_amplitude, width: whether the gradient of the amplitudes is stored, where, and D.
        low, middle, top, n_strings, S, L, LOW: see `string_sums`.
    """
    b, in_batch, batch, index, amplitude_in_batch = whole_states(samples, S, L)
    x = tl.load(states + (batch << L) + index, mask=amplitude_in_batch, other=0.0)
    y = string_weights(
        x, cotangent + b * n_strings, low, middle, top, n_strings, in_batch, S, L, LOW
    )
    b_rows = tl.reshape(b, (S, 1)) if S > 1 else b
    parts = by_angle + (b_rows * WARPS + tl.reshape(tl.arange(0, WARPS), (1, WARPS))) * n_angles
    x, y = undo_gates(
        x,
        y,
        index,
        rows,
        0,
        last,
        cos + b * stride,
        sin + b * stride,
        parts,
        in_batch,
        S,
        L,
        WARPS,
        THREADS,
    )
    if stores != 0:
        tl.store(by_amplitude + batch * width + index, y, mask=amplitude_in_batch & (index < width))


@triton.jit
def first_amplitudes(index, loads, amplitudes, width, in_batch):
    """Return the amplitudes before the first gate: those in memory if it ``loads``, else |0...0>.

    Args:
        index, in_batch: of the amplitudes in a state, and whether the samples are there.
        loads, amplitudes, width: 0 or 1, pointers to each sample's first one, and D.
    """
    x = tl.where(index == 0, 1.0, 0.0).to(amplitudes.dtype.element_ty)
    if loads != 0:
        x = tl.load(amplitudes + index, mask=in_batch & (index < width), other=0.0)
    return x


@triton.jit
def sample_and_block(outside):
    """Return the sample of a program, and the bits outside of its block."""
    program = tl.program_id(0)
    return (program >> outside).to(tl.int64), program & ((1 << outside) - 1)


@triton.jit
def place(local, block, places, outside, L: tl.constexpr):
    """Return the indices in a whole state of a block's amplitudes, whose bits go to the places of a table.

    Args:
        local, block: bits of the amplitudes inside of the block, and outside.
        places, outside, L: (Q,) place of each bit, those inside first, and the number of bits outside and inside.
    """
    index = local * 0
    for k in tl.static_range(L):
        index += ((local >> k) & 1) << tl.load(places + k)
    for k in range(outside):
        index += ((block >> k) & 1) << tl.load(places + L + k)
    return index


@triton.jit(do_not_specialize=INTEGERS)
def pass_forward(
    rows,
    first,
    last,
    cos,
    sin,
    stride,
    places,
    outside,
    loads,
    source,
    width,
    states,
    L: tl.constexpr,
    WARPS: tl.constexpr,
):
    """Run the gates of one pass on 2^L amplitudes of one state, at the places of their bits.

    Args:
        rows, first, last: table of gates, see `real_gates`, its row of the first gate, and the one after the last.
        cos, sin, stride: (1 or B, G) of half the angles, and the distance of two samples' angles, 0 for shared ones.
        places, outside, L, WARPS: see `place`, and the warps of a program.
        loads, source, width: whether amplitudes are loaded, from where, and their number of a sample.
        states: (B, 2^Q) states behind the pass.
    """
    b, block = sample_and_block(outside)
    local = tl.arange(0, 1 << L)
    index = place(local, block, places, outside, L)
    x = first_amplitudes(index, loads, source + b * width, width, index >= 0)
    bits = local + (block << L)
    x = apply_gates(
        x, bits, rows, first, last, cos + b * stride, sin + b * stride, True, 1, L, WARPS
    )
    # computed again, because an index kept through all gates takes a register for each amplitude
    index = place(local, block, places, outside, L)
    tl.store(states + (b << (L + outside)) + index, x)


@triton.jit(do_not_specialize=INTEGERS)
def pass_back(
    rows,
    first,
    last,
    cos,
    sin,
    stride,
    places,
    outside,
    states,
    costates,
    by_angle,
    n_angles,
    stores,
    by_amplitude,
    width,
    L: tl.constexpr,
    WARPS: tl.constexpr,
    THREADS: tl.constexpr,
):
    """Sweep back through one pass; without anything before it, only the gradient of the amplitudes is stored.

    Args:
        rows, first, last: table of gates, see `real_gates`, its row of the first gate, and the one after the last.
        cos, sin, stride: (1 or B, G) of half the angles, and the distance of two samples' angles, 0 for shared ones.
        places, outside, L: see `place`.
        states, costates: (B, 2^Q) each, changed in place.
        by_angle, n_angles, WARPS, THREADS: parts (B, blocks · WARPS, G) of the gradient, and the threads of a block.
        stores, by_amplitude, width: whether the gradient of the amplitudes is stored, where, and D.
    """
    b, block = sample_and_block(outside)
    local = tl.arange(0, 1 << L)
    offset = (b << (L + outside)) + place(local, block, places, outside, L)
    x = tl.load(states + offset)
    y = tl.load(costates + offset)
    bits = local + (block << L)
    part = tl.program_id(0).to(tl.int64) * WARPS + tl.reshape(tl.arange(0, WARPS), (1, WARPS))
    x, y = undo_gates(
        x,
        y,
        bits,
        rows,
        first,
        last,
        cos + b * stride,
        sin + b * stride,
        by_angle + part * n_angles,
        True,
        1,
        L,
        WARPS,
        THREADS,
    )
    index = place(local, block, places, outside, L)
    if first > 0:
        tl.store(states + (b << (L + outside)) + index, x)
        tl.store(costates + (b << (L + outside)) + index, y)
    else:
        if stores != 0:
            tl.store(by_amplitude + b * width + index, y, mask=index < width)


@triton.jit(do_not_specialize=INTEGERS)
def read_strings(
    states, sums, low, middle, top, n_strings, outside, L: tl.constexpr, LOW: tl.constexpr
):
    """Store a block's part of the expectation values of one state.

    Args:
        states, sums, outside: (B, 2^Q) final states, (B, blocks, T), and the number of bits outside of a block.
        low, middle, top, n_strings, L, LOW: see `string_sums`.
    """
    b, block = sample_and_block(outside)
    x = tl.load(states + (b << (L + outside)) + (block << L) + tl.arange(0, 1 << L))
    out = sums + tl.program_id(0).to(tl.int64) * n_strings
    string_sums(x, out, low, middle, top + block * n_strings, n_strings, True, 1, L, LOW)


@triton.jit(do_not_specialize=INTEGERS)
def make_costates(
    states,
    cotangent,
    costates,
    low,
    middle,
    top,
    n_strings,
    outside,
    L: tl.constexpr,
    LOW: tl.constexpr,
):
    """Store a block of the co-states of one state.

    Args:
        states, cotangent, costates, outside: (B, 2^Q), (B, T), (B, 2^Q) to write, and see `read_strings`.
        low, middle, top, n_strings, L, LOW: see `string_sums`.
    """
    b, block = sample_and_block(outside)
    offset = (b << (L + outside)) + (block << L) + tl.arange(0, 1 << L)
    x = tl.load(states + offset)
    weights = cotangent + b * n_strings
    y = string_weights(x, weights, low, middle, top + block * n_strings, n_strings, True, 1, L, LOW)
    tl.store(costates + offset, y)
