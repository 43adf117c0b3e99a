"""Variance of a circuit's gradient over random weights, as a function of its qubits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from qllmft.config import ModelConfig
from qllmft.templates import encoder_template, head_template
from qllmft_backends import create
from qllmft_base.randomness import numpy_generator
from qllmft_circuits import readout_observables
from qllmft_engine import AdjointCapable

WIDTHS = (4, 6, 8, 10, 12)
SAMPLES = 200


@dataclass(frozen=True)
class GradientVariance:
    """Variance of ∂⟨Z_0⟩/∂θ, averaged over the weights θ."""

    n_qubits: int
    variance: float


def gradient_variances(
    model: ModelConfig, widths: Sequence[int] = WIDTHS, samples: int = SAMPLES, seed: int = 0
) -> list[GradientVariance]:
    """Return the variances for random weights and inputs, of the head's circuit or else of the encoder's.

    Weights and latent angles are uniform on [-π, π); an encoder's amplitudes are a random real state.

    Args:
        model: structure of the circuit at every width.
        widths: numbers of qubits; those up to the connectivity are left out.
        samples: number of random weights and inputs at each width.
        seed: seed of the draws.
    """
    adjoint = cast("AdjointCapable", create("adjoint", {"dtype": "float64"}))
    variances = []
    for width in (candidate for candidate in widths if candidate > model.connectivity):
        random = numpy_generator(seed, "gradients", width)
        size = {"n_qubits": width, "encoder_qubits": width, "registers": 1}
        sized_model = model.model_copy(update=size)
        circuit = head_template(sized_model)
        loaded = None
        if circuit is None:
            circuit = encoder_template(sized_model)
            loaded = random.normal(size=(samples, 2**width))
            loaded /= np.linalg.norm(loaded, axis=1, keepdims=True)
        assert circuit is not None  # the model has a circuit
        engine, _ = adjoint.compile(circuit, readout_observables(width, "first"))
        program = engine.program
        values = random.uniform(-np.pi, np.pi, (samples, len(program.parameters)))
        _, tape = engine.forward(program.angles(values), loaded)
        by_angle, _ = engine.vjp(tape, np.ones((samples, 1)))
        weight_columns = [i for i, p in enumerate(program.parameters) if p.name.startswith("theta")]
        by_weight = by_angle @ program.angle_matrix[:, weight_columns]
        variances.append(GradientVariance(width, float(by_weight.var(axis=0).mean())))
    return variances


def decay_per_qubit(gradients: Sequence[GradientVariance]) -> float:
    """Return the slope of log₂ of the variance per qubit: -1 if it halves with each qubit (a barren plateau)."""
    variances = np.log2([gradient.variance for gradient in gradients])
    return float(np.polyfit([gradient.n_qubits for gradient in gradients], variances, 1)[0])
