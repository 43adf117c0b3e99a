"""Energy of a real inference batch on this machine, by its own counters."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from qllmft.config import RunConfig
from qllmft.energy.circuits import head_counts
from qllmft.energy.counters import EnergyCounter, find_counters
from qllmft.errors import UserError
from qllmft.templates import head_template
from qllmft_backends import create
from qllmft_circuits import CircuitCounts, readout_observables


@dataclass(frozen=True)
class CounterReading:
    """Result of one counter."""

    name: str
    energy_j: float  # energy during the batches, in joules
    idle_power_w: float  # power at rest, in watts


@dataclass(frozen=True)
class MachineEnergy:
    """Energy of inference on this machine."""

    counts: CircuitCounts
    samples: int  # number of inferences during the measurement
    seconds: float  # duration of the measurement
    counters: tuple[CounterReading, ...]

    @property
    def energy_kj(self) -> float:
        """Return the energy of one inference, with the machine's energy at rest."""
        return sum(c.energy_j for c in self.counters) / self.samples / 1000

    @property
    def net_energy_kj(self) -> float:
        """Return the energy of one inference without the energy at rest, near 0 or below it if the work was light."""
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


def measure_here(
    config: RunConfig,
    seconds: float = 5.0,
    idle_seconds: float = 2.0,
    counters: Sequence[EnergyCounter] | None = None,
) -> MachineEnergy:
    """Run batches of inference with a head for a while, and read the counters before and after.

    Args:
        config: the head, its batch size and its seed; the backend must be ``adjoint``.
        seconds: least duration in seconds, below one turn of a counter (minutes for RAPL).
        idle_seconds: duration at rest before it, in seconds.
        counters: energy counters; None for those of this machine.

    Raises:
        UserError: if the backend is another one.
    """
    if not config.backend.entry.adjoint:
        raise UserError(
            f"the backend is {config.backend.name!r}; measured here is the backend 'adjoint' only."
        )
    counts = head_counts(config.model, config.model.n_qubits)
    counters = find_counters() if counters is None else counters
    backend = create(config.backend.name, config.backend.options)
    model = config.model
    circuit = head_template(model)
    assert circuit is not None  # it was counted
    observables = readout_observables(model.n_qubits, model.measured, model.word_weight)
    random = np.random.default_rng(config.seed)
    values = random.uniform(-np.pi, np.pi, (config.train.batch_size, circuit.num_parameters))

    backend.expectations(circuit, values, observables)  # compiles
    idle_j, rested, _ = _counted(counters, lambda: time.sleep(idle_seconds))
    energy_j, worked, batches = _counted(
        counters, lambda: backend.expectations(circuit, values, observables), seconds
    )
    readings = tuple(
        CounterReading(counter.name, used, idle / rested)
        for counter, used, idle in zip(counters, energy_j, idle_j, strict=True)
    )
    return MachineEnergy(counts, batches * len(values), worked, readings)


def _counted(
    counters: Sequence[EnergyCounter], work: Callable[[], object], least_s: float = 0.0
) -> tuple[list[float], float, int]:
    """Return joules by counter, seconds and number of calls of ``work``, repeated for at least ``least_s``."""
    before_j = [counter.read_j() for counter in counters]
    started, times = time.perf_counter(), 0
    while not times or time.perf_counter() < started + least_s:
        work()
        times += 1
    seconds = time.perf_counter() - started
    return (
        [c.used_j(b, c.read_j()) for c, b in zip(counters, before_j, strict=True)],
        seconds,
        times,
    )
