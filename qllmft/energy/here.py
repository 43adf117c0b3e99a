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
    """What one counter counted."""

    name: str
    energy_j: float  # while the batches ran, in joules
    idle_power_w: float  # while nothing of ours ran, in watts


@dataclass(frozen=True)
class MachineEnergy:
    """Inference on this machine."""

    counts: CircuitCounts
    samples: int  # inferences while the counters ran
    seconds: float  # that they took
    counters: tuple[CounterReading, ...]

    @property
    def energy_kj(self) -> float:
        """Of one inference: all that the counters counted, the machine's idling included."""
        return sum(c.energy_j for c in self.counters) / self.samples / 1000

    @property
    def net_energy_kj(self) -> float:
        """Of one inference, less what the machine would have used idling; near 0 or below it where work was light."""
        idle_j = sum(c.idle_power_w for c in self.counters) * self.seconds
        return self.energy_kj - idle_j / self.samples / 1000

    @property
    def power_w(self) -> float:
        """Mean power while the batches ran."""
        return sum(c.energy_j for c in self.counters) / self.seconds

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        derived = ("energy_kj", "net_energy_kj", "power_w")
        return asdict(self) | {name: getattr(self, name) for name in derived}


def measure_here(
    config: RunConfig, seconds: float = 5.0, idle_seconds: float = 2.0, counters: Sequence[EnergyCounter] | None = None
) -> MachineEnergy:
    """Run batches of inference with the head of ``config`` for a while, and read the counters before and after.

    Args:
        config: its head, at its own number of qubits, in batches of its batch size; on the backend ``adjoint``.
        seconds: to run for, at least; less than one turn of a counter (RAPL's: minutes).
        idle_seconds: to measure the machine at rest for, beforehand.
        counters: to read; all that are found where None.

    Raises:
        UserError: where there are no counters, or the head does not run on the adjoint engine.
    """
    if not config.backend.entry.adjoint:
        raise UserError(f"the backend is {config.backend.name!r}; measured here is the backend 'adjoint' only.")
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
    energy_j, worked, batches = _counted(counters, lambda: backend.expectations(circuit, values, observables), seconds)
    readings = tuple(
        CounterReading(counter.name, used, idle / rested)
        for counter, used, idle in zip(counters, energy_j, idle_j, strict=True)
    )
    return MachineEnergy(counts, batches * len(values), worked, readings)


def _counted(
    counters: Sequence[EnergyCounter], work: Callable[[], object], least_s: float = 0.0
) -> tuple[list[float], float, int]:
    """Joules by counter, seconds, and how many times ``work`` was done: once, and until ``least_s`` are over."""
    before_j = [counter.read_j() for counter in counters]
    started, times = time.perf_counter(), 0
    while not times or time.perf_counter() < started + least_s:
        work()
        times += 1
    seconds = time.perf_counter() - started
    return [c.used_j(b, c.read_j()) for c, b in zip(counters, before_j, strict=True)], seconds, times
