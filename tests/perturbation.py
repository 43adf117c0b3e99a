"""A plug-in of pytest: embeddings and initial weights differ by 1e-7, as on another processor.

`make test-processors` loads it by ``-p perturbation`` and gives a seed by ``--perturb``.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

NOISE = 1e-7  # float32 has steps of 6e-8 below 1
PHASES_PER_UNIT = (
    1e4  # equal numbers get equal noise, and those that differ in the last bit almost the same
)


def pytest_addoption(parser: Any) -> None:
    parser.addoption(
        "--perturb",
        type=int,
        metavar="SEED",
        help="add relative and absolute noise of 1e-7 to all embeddings and initial weights",
    )


def pytest_sessionstart(session: Any) -> None:
    """Change the package in a process that runs tests, after conftest.py has set its threads and caches."""
    seed = session.config.getoption("--perturb")
    if seed is None or session.config.getoption("numprocesses", None):
        return
    perturb_package(seed)


def perturb_package(seed: int, replace: Callable[[Any, str, Any], None] = setattr) -> None:
    """Let this process compute embeddings and draw initial weights with the noise of a seed.

    Args:
        seed: the seed.
        replace: function that sets an attribute.
    """
    from qllmft.baselines import networks
    from qllmft.embed.body import Body
    from qllmft.heads import classical, classifier, encoder, quantum

    replace(Body, "encode", _perturb_result(Body.encode, seed))
    draws = {
        draw.__name__: _perturb_result(draw, seed)
        for draw in (encoder.initial_angles, classical.linear, classical.linear_readout)
    }
    for module in (classical, classifier, encoder, networks, quantum):
        for name in draws.keys() & vars(module):
            replace(module, name, draws[name])


def perturb(values: Any, seed: int) -> Any:
    """Return numbers with a noise of at most 1e-7 (1 + |x|), of a seed. Zeros, and what is not finite, stay."""
    places = np.arange(values.size, dtype=np.float64).reshape(values.shape)
    if values.ndim == 2:
        places = places[:1]  # a text has the same noise in any row
    phases = PHASES_PER_UNIT * np.float64(values) + (seed + np.sqrt(2.0)) * (places + 1.0)
    with np.errstate(invalid="ignore"):
        noise = NOISE * (1.0 + np.abs(values)) * np.sin(phases)
    is_changed = np.isfinite(values) & (values != 0.0)
    return np.where(is_changed, values + noise, values).astype(values.dtype)


def _perturb_result(function: Any, seed: int) -> Any:
    """Return a function whose result, an array, a tensor or a layer, has the noise of a seed."""

    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        result = function(*arguments, **options)
        if isinstance(result, np.ndarray):
            return perturb(result, seed)
        tensors = result.parameters() if hasattr(result, "parameters") else [result]
        for tensor in tensors:
            numbers = tensor.detach().numpy()
            numbers[...] = perturb(numbers, seed)
        return result

    return call
