"""Figures 6 and 7: values and gradients of the straightforward and the differentiable sampler.

The paper's figures are diagrams without numbers. Here both samplers are run: the head's circuit, in the engine's noisy
pass that training uses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qllmft.report import style

SHOTS = 8192
SAMPLERS = {  # figure: shot model, words in the note, colour
    "6": ("multinomial", "straightforward sampler, eq. 1", style.ORANGE),
    "7": ("gaussian", "differentiable sampler, eq. 2", style.BLUE),
}


@dataclass(frozen=True)
class SamplerFigure:
    """Data of one figure, for qubit 0."""

    name: str  # ``6`` or ``7``
    sampler: str  # ``multinomial`` (eq. 1) or ``gaussian`` (eq. 2)
    n_qubits: int  # Q
    shots: int  # S
    exact: float  # ⟨Z⟩ without shots
    draws: NDArray[np.float64]  # ⟨Z⟩ of S shots each
    gradient: NDArray[np.float64]  # d⟨Z⟩/dθ at each weight, mean over the draws
    exact_gradient: NDArray[np.float64]  # without shots

    @property
    def standard_deviation(self) -> float:
        """Return that of ⟨Z⟩ from S shots by theory, sqrt((1 - ⟨Z⟩²)/S)."""
        return float(np.sqrt((1 - self.exact**2) / self.shots))


def sampler_figure(name: str, n_qubits: int = 6, draws: int = 4000) -> SamplerFigure:
    """Sample `SHOTS` shots ``draws`` times from one circuit on Q qubits with random angles, for figure 6 or 7."""
    import torch

    from qllmft.heads import QuantumHead, without_noise
    from qllmft_backends import create
    from qllmft_base.randomness import torch_generator

    sampler, *_ = SAMPLERS[name]
    generator = torch_generator(0, "figure", "head")
    backend = create(
        "adjoint", {"shots": SHOTS, "shot_model": sampler, "seed": 0, "dtype": "float64"}
    )
    head = QuantumHead(n_qubits, backend=backend, generator=generator)
    weights = head.connector.weight
    with torch.no_grad():
        weights.uniform_(-1.5, 1.5, generator=generator)
    latent = (torch.rand(1, n_qubits, generator=generator) * 2 - 1).expand(draws, -1)

    def measure(n_samples: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        values = head(latent[:n_samples])[:, 0]
        (gradient,) = torch.autograd.grad(values.mean(), weights)
        return values.detach().double().numpy(), gradient.double().numpy().reshape(-1)

    with without_noise(head):
        (exact,), exact_gradient = measure(1)
    if sampler == "gaussian":
        z_values, gradient = measure(draws)
    else:  # counts of outcomes have no derivative by the probabilities that they were drawn from
        with torch.no_grad():
            z_values = head(latent)[:, 0].double().numpy()
        gradient = np.zeros_like(exact_gradient)
    return SamplerFigure(
        name, sampler, n_qubits, SHOTS, float(exact), z_values, gradient, exact_gradient
    )


@style.figure_style()
def draw_sampler(data: SamplerFigure) -> Any:
    """Draw the distribution of ⟨Z⟩ with its theory, and the gradient through the sampler with the exact one."""
    figure = style.new_figure(width=style.WIDE_INCHES, height=3.1)
    distribution_axes, gradient_axes = figure.subplots(1, 2)
    _, words, color = SAMPLERS[data.name]
    _draw_distribution(distribution_axes, data, color)
    _draw_gradient(gradient_axes, data, color)
    style.note_below(figure, f"{words}; the head's circuit on {data.n_qubits} qubits")
    return figure


def _draw_distribution(axes: Any, data: SamplerFigure, color: str) -> None:
    label = f"{len(data.draws):,} draws"
    axes.hist(
        data.draws,
        bins=40,
        density=True,
        histtype="stepfilled",
        color=color,
        alpha=0.55,
        label=label,
    )
    sigma = data.standard_deviation
    x = np.linspace(data.exact - 4 * sigma, data.exact + 4 * sigma, 200)
    density = np.exp(-(((x - data.exact) / sigma) ** 2) / 2) / (sigma * np.sqrt(2 * np.pi))
    axes.plot(
        x, density, color=style.INK, lw=1.2, label=r"normal, $\sqrt{(1-\langle Z\rangle^2)/S}$"
    )
    axes.set(
        xlabel=r"$\langle Z_0\rangle$ of one draw", ylabel="density", ylim=(0, 1.5 * density.max())
    )
    axes.set_title(f"what it draws, $S$ = {data.shots:,}")
    axes.legend(loc="upper right")


def _draw_gradient(axes: Any, data: SamplerFigure, color: str) -> None:
    order = np.argsort(data.exact_gradient)
    place = np.arange(len(order))
    axes.plot(
        place,
        data.exact_gradient[order],
        marker="D",
        label="without shots",
        **{**style.PUBLISHED, "ms": 5},
    )
    axes.plot(
        place,
        data.gradient[order],
        marker=".",
        ls="",
        color=color,
        ms=5,
        zorder=5,
        label="through the sampler",
    )
    derivative = r"$\partial\langle Z_0\rangle/\partial\theta$ (1/rad)"
    axes.set(xlabel="weight, in the order of its gradient", ylabel=derivative)
    axes.set_title("gradient at the weights" + ("" if data.gradient.any() else ": blocked"))
    axes.legend(loc="upper left")
