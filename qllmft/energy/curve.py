"""Both energies over the number of qubits, and their crossover (figure 5)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Literal

from qllmft.config import ModelConfig
from qllmft.energy.formula import (
    FORTE,
    PAPER,
    EnergyConstants,
    amplitude_flops,
    flops_energy_kj,
    head_counts,
    network_flops,
    qpu_energy_kj,
)
from qllmft_circuits.inspect import CircuitCounts

ModelName = Literal["paper", "measured", "follow-up"]
Against = Literal["state-vector", "tensor-network"]
FOLLOW_UP_BREAK_EVEN = 34  # qubits; arXiv 2605.02798 (May 2026), abstract: "around 34"
MAX_QUBITS = 100  # of a curve, and of the search for a crossover

SOURCES: dict[ModelName, str] = {
    "paper": (
        "Table V and section VII-B as printed (1Q 1e-4 s, 2Q 1e-5 s, 8,000 shots), but for E_gpu. Its formula is "
        "printed with P_qpu, and P_gpu is used. Table V has no other use for it, and P_qpu would not give the "
        "published crossover of 46."
    ),
    "measured": (
        "Table V with a trapped-ion device's real gate times in place of the printed ones. Power (300 W a qubit) and "
        "the GPU are the paper's."
    ),
    "follow-up": (
        "The abstract of arXiv 2605.02798 (May 2026, measured on Forte Enterprise) gives a QPU energy about linear in "
        "qubits, and a break-even around 34 qubits. No watts are taken from it. Both curves are in units "
        "of the energy at break-even, and meet there by construction. The GPU's shape is 2^Q times this circuit's "
        "operations, as in the paper."
    ),
}


@dataclass(frozen=True)
class EnergyPoint:
    """Energy of one inference at one width."""

    counts: CircuitCounts  # counts of the circuit, as written
    qpu: float  # energy on the QPU, in the unit of the curve
    gpu: float  # energy of the simulation, in the same unit


@dataclass(frozen=True)
class EnergyCurve:
    """Both energies over the number of qubits."""

    model: ModelName
    constants: EnergyConstants | None  # None for ``follow-up``, which has none
    points: tuple[EnergyPoint, ...]  # in the order of qubits
    # least number with more energy on the GPU than on the QPU; None: none up to 100
    crossover_qubits: int | None
    against: Against = "state-vector"  # simulation on the GPU

    @property
    def unit(self) -> str:
        """Return the unit of all energies."""
        return f"energy at {FOLLOW_UP_BREAK_EVEN} qubits" if self.constants is None else "kJ"

    @property
    def source(self) -> str:
        """Return the source of the numbers in one or two sentences."""
        return SOURCES[self.model]

    def as_dict(self) -> dict[str, Any]:
        """Return values for JSON with the unit in the names of energies."""
        suffix = "energy_kj" if self.unit == "kJ" else "relative_energy"
        points = [
            {**point.counts.as_dict(), f"qpu_{suffix}": point.qpu, f"gpu_{suffix}": point.gpu}
            for point in self.points
        ]
        names = ("model", "against", "source", "unit")
        return {
            **{name: getattr(self, name) for name in names},
            "constants": asdict(self.constants) if self.constants else None,
            "crossover_qubits": self.crossover_qubits,
            "points": points,
        }


def energy_curve(
    config: ModelConfig,
    qubits: Sequence[int],
    model: ModelName = "paper",
    constants: EnergyConstants | None = None,
    against: Against = "state-vector",
) -> EnergyCurve:
    """Return the energies of one inference with the head of a model at several widths.

    Args:
        config: the model.
        qubits: widths, ascending.
        model: definition of the energy; see `ModelName`.
        constants: replace the model's own; ``follow-up`` takes none.
        against: simulation on the GPU: the paper's state vector, or the cheaper of it and a tensor network.

    Raises:
        UserError: if no tensor network is known for the head; it needs the paper's ansatz with C = 1.
    """
    used_constants = (
        None if model == "follow-up" else constants or (PAPER if model == "paper" else FORTE)
    )
    points = tuple(_energy_point(config, q, used_constants, against) for q in qubits)
    return EnergyCurve(
        model, used_constants, points, crossover_qubits(config, used_constants, against), against
    )


def crossover_qubits(
    config: ModelConfig,
    constants: EnergyConstants | None = PAPER,
    against: Against = "state-vector",
) -> int | None:
    """Return the least number of qubits with more energy on the GPU than on the QPU, or None up to 100."""
    for q in range(max(2, config.connectivity + 1), MAX_QUBITS + 1):
        point = _energy_point(config, q, constants, against)
        if point.gpu >= point.qpu:
            return q
    return None


def crossing(points: Sequence[EnergyPoint]) -> tuple[float, float] | None:
    """Return the drawn curves' intersection (qubits, energy), by straight lines on a logarithmic axis."""
    for a, b in pairwise(points):
        log_ratio_before = math.log(a.gpu / a.qpu)
        log_ratio_after = math.log(b.gpu / b.qpu)
        if log_ratio_before < 0 <= log_ratio_after:
            share = log_ratio_before / (log_ratio_before - log_ratio_after)
            at = a.counts.n_qubits + share * (b.counts.n_qubits - a.counts.n_qubits)
            return at, a.qpu ** (1 - share) * b.qpu**share
    return None


def _energy_point(
    config: ModelConfig, q: int, constants: EnergyConstants | None, against: Against
) -> EnergyPoint:
    counts = head_counts(config, q)
    flops = amplitude_flops(counts) * 2**q
    if against == "tensor-network":
        flops = min(flops, network_flops(config, q))
    if constants is not None:
        return EnergyPoint(
            counts, qpu_energy_kj(counts, constants), flops_energy_kj(flops, constants)
        )
    unit = amplitude_flops(head_counts(config, FOLLOW_UP_BREAK_EVEN)) * 2**FOLLOW_UP_BREAK_EVEN
    return EnergyPoint(counts, q / FOLLOW_UP_BREAK_EVEN, flops / unit)
