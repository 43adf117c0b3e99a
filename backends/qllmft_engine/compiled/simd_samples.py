"""Registers of float64 by sample: how they are read from a table, and written to rows of another type."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from qllmft_engine.compiled.simd import VectorType, make_operation, vector_pointer


@intrinsic
def load_samples(typingctx, table, column, start, batch):
    """Return float64 numbers of a column by sample: lane i has row ``start`` + i mod L, the last row past the end.

    Args:
        typingctx: numba's typing context, not used.
        table: (B, G) float64, contiguous. If B is 1, the row is that of all samples.
        column: index of the column; it is not checked.
        start: first sample.
        batch: L, a power of two up to the lanes of a register of float64.
    """
    vector = VectorType(table.dtype)

    def codegen(context, builder, signature, args):
        array = context.make_array(signature.args[0])(context, builder, args[0])
        rows, columns = cgutils.unpack_tuple(builder, array.shape)
        one = ir.Constant(rows.type, 1)
        last_row = builder.sub(rows, one)
        last_sample = builder.sub(args[3], one)
        value = ir.Constant(context.get_value_type(vector), ir.Undefined)
        for lane in range(vector.lanes):
            sample = builder.and_(ir.Constant(rows.type, lane), last_sample)
            row = builder.add(args[2], sample)
            is_inside = builder.icmp_signed("<", row, rows)
            row = builder.select(is_inside, row, last_row)
            index = builder.add(builder.mul(row, columns), args[1])
            number = builder.load(builder.gep(array.data, [index]))
            value = builder.insert_element(value, number, ir.Constant(ir.IntType(32), lane))
        return value

    return vector(table, types.intp, types.intp, types.intp), codegen


def _fill_lanes(builder, vector, x):
    """Return a ``vector`` with the float64 numbers of ``x``, rounded to its type, and repeated to fill its lanes."""
    if isinstance(vector.element, ir.DoubleType):
        return x
    narrow = builder.fptrunc(x, ir.VectorType(vector.element, x.type.count))
    order = [lane % x.type.count for lane in range(vector.count)]
    return builder.shuffle_vector(
        narrow, narrow, ir.Constant(ir.VectorType(ir.IntType(32), vector.count), order)
    )


@intrinsic
def store_samples(typingctx, array, index, by_sample):
    """Write a register of float64 of `load_samples` to ``array[index:index + lanes]``, lane i for sample i mod L.

    Args:
        typingctx: numba's typing context, not used.
        array: float32 or float64, contiguous, of one dimension.
        index: of the first number, see `store`.
        by_sample: the register, which is rounded to the array's dtype.
    """
    vector = VectorType(array.dtype)

    def codegen(context, builder, signature, args):
        pointer = vector_pointer(context, builder, signature.args[0], args[0], args[1], vector)
        value = _fill_lanes(builder, context.get_value_type(vector), args[2])
        builder.store(value, pointer).align = array.dtype.bitwidth // 8
        return context.get_dummy_value()

    return types.void(array, types.intp, by_sample), codegen


@intrinsic
def round_as(typingctx, array, x):
    """Return a register of float64 with the numbers that ``array`` can hold: rounded to its dtype."""

    def build(builder, _, number):
        if array.dtype == types.float64:
            return number
        narrow = ir.VectorType(ir.FloatType(), number.type.count)
        return builder.fpext(builder.fptrunc(number, narrow), number.type)

    return make_operation(x(array, x), build)
