"""Head for SetFit, of `qllmft_doors`."""

from typing import TYPE_CHECKING

from qllmft_base.lazy import make_lazy_imports

if TYPE_CHECKING:
    from qllmft_doors.setfit import QuantumSetFitHead as QuantumSetFitHead

if not TYPE_CHECKING:  # a type checker that saw it would allow every name
    __all__, __getattr__ = make_lazy_imports(__name__)
