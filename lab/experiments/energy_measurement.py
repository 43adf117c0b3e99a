"""Energy of a real inference batch on this machine, by the counters of the devices that take part.

The command is ``python -m lab.experiments.energy_measurement --device cuda --set model.n_qubits=12``, and it prints
JSON. RAPL counts the processor, NVML the GPUs of NVIDIA. A circuit on a GPU needs the processor too, which launches its
work.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from qllmft import load_preset
from qllmft.config import RunConfig, parse_settings
from qllmft.energy import head_counts
from qllmft.templates import head_template
from qllmft_backends import create
from qllmft_base.errors import UserError
from qllmft_circuits import readout_observables
from qllmft_circuits.inspect import CircuitCounts

POWERCAP = Path("/sys/class/powercap")
IDLE_S = 2.0  # at rest, before the batches
IDLE_PARTS = 4  # of the rest, whose powers differ by the noise of idling
WORK_S = 5.0  # of batches at least; below one turn of a counter, which is minutes for RAPL


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


def find_counters(device: str = "cpu") -> list[EnergyCounter]:
    """Return the counters of the devices that take part in a circuit on ``device``.

    Raises:
        UserError: if the device that computes has no counter here; states the reasons.
    """
    kind, _, number = device.partition(":")
    rapl, no_rapl = _rapl()
    gpus, no_gpus = _nvml()
    if kind == "cpu" and rapl:
        return rapl
    index = int(number or 0)
    if kind == "cuda" and index < len(gpus):
        return [gpus[index], *rapl]
    if gpus:
        no_gpus = (
            f"NVML counts {', '.join(gpu.name for gpu in gpus)} (--device cuda computes there)"
        )
    raise UserError(
        f"the energy of device {device!r} cannot be measured here: {no_rapl}, and {no_gpus}. Virtual machines and "
        "containers seldom have counters: use the machine itself. `qllmft energy` needs none."
    )


def _rapl() -> tuple[list[EnergyCounter], str]:
    """Return processor packages and their memory, whose energy is not counted in the package.

    The zones ``core`` and ``uncore`` are parts of a package, and ``psys`` contains all of them, so they are left out.
    """
    zones = sorted(POWERCAP.glob("intel-rapl:*"))
    if not zones:
        return [], f"RAPL: there are no zones intel-rapl:* in {POWERCAP}"
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
    return counters, "RAPL: " + (", ".join(reasons) or f"no processor package in {POWERCAP}")


def _nvml() -> tuple[list[EnergyCounter], str]:
    """Return GPUs that count their energy (Volta and later)."""
    try:
        nvml = import_module("pynvml")
    except ImportError:
        return [], "NVML: the package nvidia-ml-py is not installed (needed for NVIDIA's GPUs only)"
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


@dataclass(frozen=True)
class CounterReading:
    """Result of one counter."""

    name: str
    energy_j: float  # energy during the batches, in joules
    idle_power_w: float  # power at rest, in watts


@dataclass(frozen=True)
class MachineEnergy:
    """Energy of inference on this machine."""

    counts: CircuitCounts  # of a register
    samples: int  # number of inferences during the measurement, each with all registers
    seconds: float  # duration of the measurement
    counters: tuple[CounterReading, ...]
    device: str = "cpu"  # that computed
    registers: int = 1  # of the head, each simulated alone

    @property
    def energy_kj(self) -> float:
        """Return the energy of one inference, with the machine's energy at rest."""
        return sum(c.energy_j for c in self.counters) / self.samples / 1000

    @property
    def net_energy_kj(self) -> float:
        """Return the energy of one inference without the energy at rest."""
        idle_j = sum(c.idle_power_w for c in self.counters) * self.seconds
        return self.energy_kj - idle_j / self.samples / 1000

    @property
    def power_w(self) -> float:
        """Return the mean power during the batches."""
        return sum(c.energy_j for c in self.counters) / self.seconds

    def as_dict(self) -> dict[str, Any]:
        """Return values for JSON."""
        derived = ("energy_kj", "net_energy_kj", "power_w")
        return asdict(self) | {name: getattr(self, name) for name in derived}


def measure_here(config: RunConfig, device: str | None = None) -> MachineEnergy:
    """Run batches of inference with a configuration's head for a while, and read the counters before and after.

    Args:
        config: of the head.
        device: computes; None: the configuration's, which is the CPU by default.

    Raises:
        UserError: if the backend is another one than ``adjoint``, the device has no counters here, or its power during
            the batches is within the noise of idling.
    """
    if not config.backend.entry.adjoint:
        raise UserError(
            f"the backend is {config.backend.name!r}. Measured here is the backend 'adjoint' only."
        )
    counts = head_counts(config.model, config.model.register_qubits)
    device = device or str(config.backend.options.get("device", "cpu"))
    backend = create(config.backend.name, {**config.backend.options, "device": device})
    counters = find_counters(device)
    model = config.model
    circuit = head_template(model)
    assert circuit is not None  # it was counted
    observables = readout_observables(
        model.register_qubits, model.measured_values, model.word_weight
    )
    random = np.random.default_rng(config.seed)
    rows = config.train.batch_size * model.registers
    values = random.uniform(-np.pi, np.pi, (rows, circuit.num_parameters))

    backend.expectations(circuit, values, observables)  # compiles
    idle_w = []  # by part of the rest and by counter
    for _ in range(IDLE_PARTS):
        idle_j, rest_s, _ = _count_energy(counters, lambda: time.sleep(IDLE_S / IDLE_PARTS))
        idle_w.append([joules / rest_s for joules in idle_j])
    work = partial(backend.expectations, circuit, values, observables)
    energy_j, work_s, batches = _count_energy(counters, work, WORK_S)
    _check_power(sum(energy_j) / work_s, [sum(powers) for powers in idle_w])
    readings = tuple(
        CounterReading(counter.name, used, float(np.mean(powers)))
        for counter, used, powers in zip(counters, energy_j, zip(*idle_w, strict=True), strict=True)
    )
    texts = batches * config.train.batch_size
    return MachineEnergy(counts, texts, work_s, readings, device, model.registers)


def _check_power(working_w: float, idle_w: Sequence[float]) -> None:
    """Refuse a power during the batches that idling reaches too."""
    noise_w = max(idle_w) - min(idle_w)
    if working_w <= max(idle_w) + noise_w:
        raise UserError(
            f"the power during the batches was {working_w:.1f} W, and {min(idle_w):.1f} to {max(idle_w):.1f} W at "
            "rest: the work is within the noise of idling. Take a larger train.batch_size or more qubits, and end "
            "other work on this computer."
        )


def _count_energy(
    counters: Sequence[EnergyCounter], work: Callable[[], object], least_s: float = 0.0
) -> tuple[list[float], float, int]:
    """Return joules by counter, seconds and number of calls of ``work``, repeated for at least ``least_s``."""
    before_j = [counter.read_j() for counter in counters]
    started = time.perf_counter()
    n_calls = 0
    while not n_calls or time.perf_counter() < started + least_s:
        work()
        n_calls += 1
    seconds = time.perf_counter() - started
    used_j = [c.used_j(b, c.read_j()) for c, b in zip(counters, before_j, strict=True)]
    return used_j, seconds, n_calls


def main() -> None:
    """Measure a head, and print the result as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--preset", default="single-10q", help="preset of the head")
    parser.add_argument("--device", help="device that computes and is counted, cpu or cuda")
    parser.add_argument("--set", action="append", default=[], help="setting, as NAME=VALUE")
    arguments = parser.parse_args()
    config = load_preset(arguments.preset).config(parse_settings(arguments.set))
    print(json.dumps(measure_here(config, arguments.device).as_dict(), indent=1))


if __name__ == "__main__":
    main()
