"""Devices of torch, and the engine of each: kernels of Triton where it compiles them, else torch operations."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal

import torch

from qllmft_backends import BackendError, UnsupportedGateError
from qllmft_engine.interface import Engine
from qllmft_engine.program import ComplexProgram, Program
from qllmft_engine.torch.engine import TorchEngine

TRITON_DEVICE_KINDS = ("cuda", "xpu")  # kinds of devices for which torch's wheels bring Triton


def torch_devices() -> list[str]:
    """Return the kinds of devices that torch computes on here, ``cpu`` first."""
    # a wheel for CUDA names cuda also where no driver is, unless it is asked for a device that answers
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    return ["cpu"] if accelerator is None else ["cpu", accelerator.type]


def engines_on(device: str) -> DeviceEngines:
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
    return DeviceEngines(device, complex_gates=runs_kernels(device))


@dataclass(frozen=True)
class DeviceEngines:
    """Maker of engines on one device (see `EngineMaker`)."""

    device: str
    complex_gates: bool

    def __call__(
        self,
        program: Program | ComplexProgram,
        strings: Any,
        dtype: Literal["float32", "float64"] = "float32",
    ) -> Engine:
        """Return an engine of a program of real gates and (T,) Z strings, or of any gates and Pauli strings."""
        if not self.complex_gates:
            if isinstance(program, ComplexProgram):
                raise UnsupportedGateError(
                    f"the circuit has complex gates, and device {self.device!r} runs real ones only, in torch "
                    "operations. Set device='cpu', or use a GPU with Triton."
                )
            return TorchEngine(program, strings, dtype, self.device)
        # importing Triton takes seconds
        from qllmft_engine.torch.gpu.complex_engine import TritonComplexEngine
        from qllmft_engine.torch.gpu.engine import TritonEngine

        if isinstance(program, ComplexProgram):
            return TritonComplexEngine(program, strings, dtype, self.device)
        return TritonEngine(program, strings, dtype, self.device)


def runs_kernels(device: str) -> bool:
    """Return whether the circuits run in Triton's kernels on a device of torch, and not in torch operations."""
    return torch.device(device).type in TRITON_DEVICE_KINDS and find_spec("triton") is not None


def compile_kernels_together() -> AbstractContextManager[None]:
    """Return a context in which kernels are compiled at the same time and not launched, so that values are undefined.

    Without Triton it changes nothing.
    """
    if find_spec("triton") is None:
        return nullcontext()
    from qllmft_engine.torch.gpu.launches import compile_together

    return compile_together()


def engine_text(device: str) -> str:
    """Return in words how circuits run on a device of torch."""
    if torch.device(device).type == "cpu":
        return "in the compiled engine"
    if runs_kernels(device):
        return "in Triton's kernels"
    if torch.device(device).type in TRITON_DEVICE_KINDS:
        return "an operation of torch a gate, because Triton is not installed (pip install triton)"
    return "an operation of torch a gate"
