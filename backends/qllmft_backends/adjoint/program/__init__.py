"""Circuits as programs: the arrays that the kernels run, and the order in which they touch memory."""

from qllmft_backends.adjoint.program.complex_lowering import ComplexProgram, lower_complex
from qllmft_backends.adjoint.program.lowering import Op, Program, lower
from qllmft_backends.adjoint.program.walk import SUPPORTED_GATES

__all__ = ["SUPPORTED_GATES", "ComplexProgram", "Op", "Program", "lower", "lower_complex"]
