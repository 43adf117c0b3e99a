"""The adjoint engine: circuits on batches of real or complex state vectors, with gradients in one reverse sweep."""

from typing import TYPE_CHECKING

from qllmft_base.lazy import make_lazy_imports

if TYPE_CHECKING:
    from qllmft_backends.observables import ZObservables as ZObservables
    from qllmft_engine.chunks import GaussianShots as GaussianShots
    from qllmft_engine.engine import AdjointEngine as AdjointEngine
    from qllmft_engine.engine import Tape as Tape
    from qllmft_engine.interface import AdjointCapable as AdjointCapable
    from qllmft_engine.interface import Differentiable as Differentiable
    from qllmft_engine.interface import Engine as Engine
    from qllmft_engine.interface import EngineMaker as EngineMaker
    from qllmft_engine.interface import Noisy as Noisy
    from qllmft_engine.interface import adjoint_or_none as adjoint_or_none
    from qllmft_engine.interface import provide_engines as provide_engines
    from qllmft_engine.program import SUPPORTED_GATES as SUPPORTED_GATES
    from qllmft_engine.program import Program as Program
    from qllmft_engine.program import lower as lower

if not TYPE_CHECKING:  # a type checker that saw it would allow every name
    __all__, __getattr__ = make_lazy_imports(__name__)
