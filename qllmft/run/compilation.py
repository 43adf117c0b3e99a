"""Compilation of what a training runs on the CPU, in processes that start before anything slow is imported."""

from __future__ import annotations

from qllmft.config import RunConfig
from qllmft_engine import ahead


def start_compilation(config: RunConfig) -> None:
    """Start to compile what a training runs on the CPU, while its texts are embedded. It takes time only once."""
    if runs_compiled(config):
        for dtype, functions in functions_to_compile(config):
            ahead.compile_ahead((dtype,), functions)


def runs_compiled(config: RunConfig) -> bool:
    """Return whether the compiled engine runs the circuits of a training."""
    return config.backend.entry.adjoint and config.backend.options.get("device", "cpu") == "cpu"


def functions_to_compile(config: RunConfig) -> list[tuple[str, str]]:
    """Return the type of numbers of each part of a training's circuits, and what is compiled for it.

    Odd encoders run in float64, and so does an exact head behind them.
    """
    noise = config.noise
    encoder_dtype = "float64" if config.model.odd else "float32"
    functions = [(encoder_dtype, ahead.REAL_GATES)]
    if encoder_dtype == "float64" and not noise.is_none:
        functions.append(("float32", ahead.REAL_GATES))
    if noise.shots and noise.shot_model == "gaussian":
        functions.append(("float32", ahead.SHOTS))
    return functions
