"""Circuits as programs: the arrays that the kernels run, and the order in which they touch memory."""

from typing import TYPE_CHECKING

from qllmft_backends.lazy import make_lazy_imports

if TYPE_CHECKING:
    from qllmft_backends.adjoint.program.complex_lowering import ComplexProgram as ComplexProgram
    from qllmft_backends.adjoint.program.complex_lowering import lower_complex as lower_complex
    from qllmft_backends.adjoint.program.lowering import Op as Op
    from qllmft_backends.adjoint.program.lowering import Program as Program
    from qllmft_backends.adjoint.program.lowering import lower as lower
    from qllmft_backends.adjoint.program.walk import SUPPORTED_GATES as SUPPORTED_GATES

if not TYPE_CHECKING:  # a type checker that saw it would allow every name
    __all__, __getattr__ = make_lazy_imports(__name__)
