"""Circuits as programs: the arrays that the kernels run, and the order in which they touch memory."""

from qllmft_backends.adjoint.program.lowering import SUPPORTED_GATES, Op, Program, lower

__all__ = ["SUPPORTED_GATES", "Op", "Program", "lower"]
