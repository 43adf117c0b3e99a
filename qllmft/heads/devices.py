"""Devices of torch, and the engine of each: kernels of Triton where it compiles them, else torch operations."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec

import torch

from qllmft.heads.torch_engine import TorchEngine
from qllmft_backends import BackendError
from qllmft_backends.adjoint import EngineMaker

COMPILED = ("cuda", "xpu")  # kinds of devices for which torch's wheels bring Triton


def torch_devices() -> list[str]:
    """Return the kinds of devices that torch computes on here, ``cpu`` first."""
    # a wheel for CUDA names cuda also where no driver is, unless it is asked for a device that answers
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    return ["cpu"] if accelerator is None else ["cpu", accelerator.type]


def engines_on(device: str) -> EngineMaker:
    """Return a maker of engines on one of torch's devices.

    Raises:
        BackendError: if torch has no such device here.
    """
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).partition("\n")[0].partition(". ")[0].rstrip(".")
        raise BackendError(
            f"device is {device!r}, and torch {torch.__version__} has {' and '.join(torch_devices())} here ({reason}). "
            "The driver of that device may be missing (nvidia-smi lists the GPUs of NVIDIA), or torch was built "
            "without it (pytorch.org/get-started). Install what is missing, or set device='cpu'."
        ) from None
    if runs_kernels(device):
        from qllmft.heads.gpu.engine import TritonEngine

        return partial(TritonEngine, device=device)
    return partial(TorchEngine, device=device)


def runs_kernels(device: str) -> bool:
    """Return whether the circuits run in Triton's kernels on a device of torch, and not in torch operations."""
    return torch.device(device).type in COMPILED and find_spec("triton") is not None
