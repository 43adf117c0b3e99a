"""The adjoint engine: circuits on batches of real or complex state vectors, with gradients in one reverse sweep."""

from typing import TYPE_CHECKING

from qllmft_backends.lazy import make_lazy_imports

if TYPE_CHECKING:
    from qllmft_backends.adjoint.chunks import GaussianShots as GaussianShots
    from qllmft_backends.adjoint.engine import AdjointEngine as AdjointEngine
    from qllmft_backends.adjoint.engine import Tape as Tape
    from qllmft_backends.adjoint.interface import AdjointCapable as AdjointCapable
    from qllmft_backends.adjoint.interface import Differentiable as Differentiable
    from qllmft_backends.adjoint.interface import Engine as Engine
    from qllmft_backends.adjoint.interface import EngineMaker as EngineMaker
    from qllmft_backends.adjoint.interface import Noisy as Noisy
    from qllmft_backends.adjoint.interface import adjoint_or_none as adjoint_or_none
    from qllmft_backends.adjoint.interface import provide_engines as provide_engines
    from qllmft_backends.adjoint.program import SUPPORTED_GATES as SUPPORTED_GATES
    from qllmft_backends.adjoint.program import Program as Program
    from qllmft_backends.adjoint.program import lower as lower
    from qllmft_backends.observables import ZObservables as ZObservables

if not TYPE_CHECKING:  # a type checker that saw it would allow every name
    __all__, __getattr__ = make_lazy_imports(__name__)
