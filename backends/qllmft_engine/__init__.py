"""The adjoint engine: circuits on batches of real or complex state vectors, with gradients in one reverse sweep."""

from typing import TYPE_CHECKING

from qllmft_base.lazy import make_lazy_imports

if TYPE_CHECKING:
    from qllmft_engine.chunks import GaussianShots as GaussianShots
    from qllmft_engine.compiled import ahead as ahead
    from qllmft_engine.compiled import layers as layers
    from qllmft_engine.complex_engine import ComplexEngine as ComplexEngine
    from qllmft_engine.engine import AdjointEngine as AdjointEngine
    from qllmft_engine.interface import AdjointCapable as AdjointCapable
    from qllmft_engine.interface import Differentiable as Differentiable
    from qllmft_engine.interface import Engine as Engine
    from qllmft_engine.interface import Noisy as Noisy
    from qllmft_engine.interface import adjoint_or_none as adjoint_or_none
    from qllmft_engine.program import SUPPORTED_GATES as SUPPORTED_GATES
    from qllmft_engine.program import Program as Program
    from qllmft_engine.program import is_supported as is_supported
    from qllmft_engine.program import lower as lower
    from qllmft_engine.program import try_lower as try_lower
    from qllmft_engine.thread_pool import thread_count as thread_count

if not TYPE_CHECKING:  # a type checker that saw it would allow every name
    __all__, __getattr__ = make_lazy_imports(__name__)
