"""Compilation of what a training runs on the CPU, in processes that start before anything slow is imported."""

from __future__ import annotations

from qllmft.config import RunConfig
from qllmft_backends.adjoint.compiled.ahead import compile_ahead


def start_compilation(config: RunConfig) -> None:
    """Start to compile what a training runs on the CPU, while its texts are embedded. It takes time only once."""
    if runs_compiled(config):
        compile_ahead(number_types(config))


def runs_compiled(config: RunConfig) -> bool:
    """Return whether the compiled engine runs the circuits of a training."""
    return config.backend.entry.adjoint and config.backend.options.get("device", "cpu") == "cpu"


def number_types(config: RunConfig) -> tuple[str, ...]:
    """Return the types of numbers in which circuits run: float64 for odd encoders and an exact head behind them."""
    if not config.model.odd:
        return ("float32",)
    return ("float64",) if config.noise.is_none else ("float32", "float64")
