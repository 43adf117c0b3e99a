"""Counters of consumed energy on this machine: RAPL of the processor, NVML of NVIDIA's GPUs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from qllmft.errors import UserError

POWERCAP = Path("/sys/class/powercap")


@dataclass(frozen=True)
class EnergyCounter:
    """Counter that increases and wraps around to 0 after ``span_j``."""

    name: str  # counted device
    read_j: Callable[[], float]  # state in joules; only differences have a meaning
    span_j: float | None = None  # state of the wrap-around; None: there is none

    def used_j(self, before_j: float, after_j: float) -> float:
        """Return the joules between two readings that are less than one span apart."""
        if after_j < before_j and self.span_j is not None:
            return after_j + self.span_j - before_j
        return after_j - before_j


def find_counters(powercap: Path = POWERCAP, nvml: Any = None) -> list[EnergyCounter]:
    """Return all counters that can be read here, or raise UserError with the reasons if there are none."""
    rapl, no_rapl = _rapl(powercap)
    gpus, no_gpus = _nvml(nvml)
    if not rapl and not gpus:
        raise UserError(
            f"this machine's energy cannot be measured: {no_rapl}; {no_gpus}. Virtual machines and containers seldom "
            "have counters: use the machine itself. The models need none: omit --here."
        )
    return rapl + gpus


def _rapl(powercap: Path) -> tuple[list[EnergyCounter], str]:
    """Return processor packages and their memory, whose energy is not counted in the package.

    The zones ``core`` and ``uncore`` are parts of a package, and ``psys`` contains all of them, so they are left out.
    """
    zones = sorted(powercap.glob("intel-rapl:*"))
    if not zones:
        return [], f"RAPL: there are no zones intel-rapl:* in {powercap}"
    counters: list[EnergyCounter] = []
    reasons: list[str] = []
    for zone in zones:
        try:
            name = (zone / "name").read_text().strip()
            if not name.startswith(("package", "dram")):
                continue
            span_j = float((zone / "max_energy_range_uj").read_text()) / 1e6
            file = zone / "energy_uj"
            file.read_text()
        except PermissionError:
            reasons.append(f"{zone / 'energy_uj'} is readable by root only (sudo chmod a+r it)")
            continue
        except (OSError, ValueError) as error:
            reasons.append(f"{zone} cannot be read ({error})")
            continue

        def read_j(file: Path = file) -> float:
            return float(file.read_text()) / 1e6

        counters.append(EnergyCounter(f"RAPL {name} ({zone.name})", read_j, span_j))
    return counters, "RAPL: " + ("; ".join(reasons) or f"no processor package in {powercap}")


def _nvml(nvml: Any) -> tuple[list[EnergyCounter], str]:
    """Return GPUs that count their energy (Volta and later)."""
    if nvml is None:
        try:
            nvml = import_module("pynvml")
        except ImportError:
            return (
                [],
                "NVML: the package nvidia-ml-py is not installed (needed for NVIDIA's GPUs only)",
            )
    try:
        nvml.nvmlInit()
        counters = []
        for i in range(nvml.nvmlDeviceGetCount()):
            handle = nvml.nvmlDeviceGetHandleByIndex(i)

            def read_j(handle: Any = handle) -> float:
                # NVML counts millijoules
                return float(nvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1e3

            read_j()
            counters.append(EnergyCounter(f"NVML GPU {i}", read_j))
    except nvml.NVMLError as error:
        return [], f"NVML: {error}"
    return counters, "NVML: there is no GPU"
