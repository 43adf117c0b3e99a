"""Checks that backends apply their noise, by closed formulas.

Gate noise. After k rotations of qubit 0 by t and l CNOTs from it, depolarized with r₁ and r₂, ⟨Z₀⟩ is

    (1 - r₁)^k (1 - r₂)^l cos(k t):

the channel after a gate multiplies every Pauli on its qubits by 1 - r, and CNOT leaves Z of its control unchanged.

Shots. ⟨Z⟩ = z from S shots scatters with variance (1 - z²)/S.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import SparsePauliOp

from qllmft_backends.backend import Backend
from qllmft_backends.errors import MissingExtraError
from qllmft_backends.noise import PRESETS
from qllmft_backends.registry import create

ROTATIONS = 60  # k, l, t in radians
CNOTS = 40
ANGLE_RAD = 0.01
REPEATS = 500
SHOTS = 256
TOLERANCE_SIGMAS = 5.0  # a sound backend fails by chance once in two million checks
_ROUNDING = 1e-6  # of float32


@dataclass(frozen=True)
class NoiseCheck:
    """Result of one check."""

    backend: str  # its name, with its options in short
    quantity: str
    got: float
    expected: float  # by the formula
    without: float  # the value without noise
    # largest allowed distance of ``got`` from ``expected``
    tolerance: float
    note: str = ""  # reason for a skipped check; else ""

    @property
    def passed(self) -> bool:
        """Return whether the value is the expected one, and not the one without noise."""
        is_near = abs(self.got - self.expected) <= self.tolerance
        return not self.note and is_near and abs(self.got - self.without) > self.tolerance


BackendMaker = Callable[[str, dict[str, Any]], Backend]


def check_noise(make: BackendMaker = create) -> list[NoiseCheck]:
    """Run all checks, in a few seconds. Those of a backend whose packages are not installed carry a note."""
    exact_options = {"shots": None, "method": "density_matrix"}
    no_gate_noise = {"noise": "explicit", "one_qubit_rate": 0.0, "two_qubit_rate": 0.0}
    return [
        *(_check_decay(make, "adjoint", preset, {"trajectories": 20_000}) for preset in PRESETS),
        *(_check_decay(make, "aer_forte", preset, exact_options) for preset in PRESETS),
        _check_decay(make, "aer_forte", "forte1", {"shots": 3000, "method": "trajectories"}),
        *(
            _check_shot_variance(make, "adjoint", model, {"shot_model": model})
            for model in ("gaussian", "multinomial")
        ),
        _check_shot_variance(make, "aer_forte", "shots", no_gate_noise),
    ]


def _check_decay(make: BackendMaker, name: str, preset: str, options: dict[str, Any]) -> NoiseCheck:
    """Check ⟨Z₀⟩ after many gates."""
    t = Parameter("t")
    circuit = QuantumCircuit(2)
    for _ in range(ROTATIONS):
        circuit.ry(t, 0)
    for _ in range(CNOTS):
        circuit.cx(0, 1)
    noise = PRESETS[preset]
    ideal = float(np.cos(ROTATIONS * ANGLE_RAD))
    expected = ideal * (1 - noise.one_qubit_rate) ** ROTATIONS * (1 - noise.two_qubit_rate) ** CNOTS
    label = f"{name}, {preset}"
    quantity = f"⟨Z⟩ after {ROTATIONS} rotations and {CNOTS} CNOTs"
    try:
        backend = make(name, {"noise": preset, **options})
    except MissingExtraError as error:
        return NoiseCheck(label, quantity, float("nan"), expected, ideal, 0.0, str(error))
    answer = backend.expectations(circuit, np.array([[ANGLE_RAD]]), [SparsePauliOp("IZ")])
    tolerance = TOLERANCE_SIGMAS * float(answer.standard_errors[0, 0]) + _ROUNDING
    return NoiseCheck(label, quantity, float(answer.values[0, 0]), expected, ideal, tolerance)


def _check_shot_variance(
    make: BackendMaker, name: str, model: str, options: dict[str, Any]
) -> NoiseCheck:
    """Check the variance of ⟨Z⟩ over repeated requests, in units of (1 - z²)/S."""
    circuit = QuantumCircuit(1)
    circuit.ry(1.0, 0)
    z = float(np.cos(1.0))
    label = f"{name}, {model}"
    quantity = f"variance of ⟨Z⟩ from {SHOTS} shots, by (1 - z²)/S"
    variance_error = (2 / (REPEATS - 1)) ** 0.5  # of a variance from so many normal numbers
    try:
        backend = make(name, {"shots": SHOTS, **options})
    except MissingExtraError as error:
        return NoiseCheck(label, quantity, float("nan"), 1.0, 0.0, 0.0, str(error))
    values = backend.expectations(circuit, np.empty((REPEATS, 0)), [SparsePauliOp("Z")]).values[
        :, 0
    ]
    ratio = float(values.var(ddof=1)) * SHOTS / (1 - z**2)
    return NoiseCheck(label, quantity, ratio, 1.0, 0.0, TOLERANCE_SIGMAS * variance_error)
