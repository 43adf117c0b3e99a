"""Circuits as programs: the arrays that the kernels run, and the order in which they touch memory."""

from typing import TYPE_CHECKING

from qllmft_base.lazy import make_lazy_imports

if TYPE_CHECKING:
    from qllmft_engine.program.complex_lowering import ComplexProgram as ComplexProgram
    from qllmft_engine.program.complex_lowering import is_supported as is_supported
    from qllmft_engine.program.complex_lowering import lower_complex as lower_complex
    from qllmft_engine.program.lowering import Program as Program
    from qllmft_engine.program.lowering import lower as lower
    from qllmft_engine.program.lowering import try_lower as try_lower
    from qllmft_engine.program.operations import Op as Op
    from qllmft_engine.program.walk import SUPPORTED_GATES as SUPPORTED_GATES

if not TYPE_CHECKING:  # a type checker that saw it would allow every name
    __all__, __getattr__ = make_lazy_imports(__name__)
