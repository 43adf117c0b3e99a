"""Noise of 1e-7 on embeddings and initial weights, from the import of the package's modules on."""

import functools
import importlib.abc
import importlib.machinery
import sys
from types import ModuleType
from typing import Any

NOISE = 1e-7  # float32 has steps of 6e-8 below 1
# equal numbers get equal noise, and those that differ in the last bit almost the same
PHASES_PER_UNIT = 1e4
VARIABLE = "QLLMFT_TESTS_PERTURB"  # the seed, for the processes that tests start
PERTURBED = {  # by module, the functions whose results have noise
    "qllmft.embed.body": ("Body.encode",),
    "qllmft.heads.classical": ("linear", "linear_readout"),
    "qllmft.heads.initial_weights": ("initial_angles",),
}


def perturb_imports(seed: int) -> None:
    """Let the package's modules of `PERTURBED` have the noise of a seed when they are imported."""
    if any(isinstance(finder, PerturbingFinder) for finder in sys.meta_path):
        return
    early = PERTURBED.keys() & sys.modules
    assert not early, f"imported before the noise: {early}"
    sys.meta_path.insert(0, PerturbingFinder(seed))


class PerturbingFinder(importlib.abc.MetaPathFinder):
    """Find the modules of `PERTURBED`, and add noise to results of their functions."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> Any:
        if fullname not in PERTURBED:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        assert spec is not None
        assert spec.loader is not None
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            perturb_functions(module, self.seed)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def perturb_functions(module: ModuleType, seed: int) -> None:
    """Add the noise of a seed to the results of a module's functions in `PERTURBED`."""
    for name in PERTURBED[module.__name__]:
        *owners, function = name.split(".")
        owner = functools.reduce(getattr, owners, module)
        setattr(owner, function, _perturb_result(getattr(owner, function), seed))


def perturb(values: Any, seed: int) -> Any:
    """Return numbers with a noise of at most 1e-7 (1 + |x|), of a seed. Zeros, and what is not finite, stay."""
    import numpy as np  # what a process does not need, it does not import

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
        if not hasattr(result, "requires_grad") and not hasattr(result, "parameters"):
            return perturb(result, seed)
        tensors = result.parameters() if hasattr(result, "parameters") else [result]
        for tensor in tensors:
            numbers = tensor.detach().numpy()
            numbers[...] = perturb(numbers, seed)
        return result

    return call
