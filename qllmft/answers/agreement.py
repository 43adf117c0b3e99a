"""Comparison of measured answers with those of the exact model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qllmft.answers.probabilities import LabelProbabilities
from qllmft_backends.protocol import Evaluator
from qllmft_base.text import format_count

_MAX_ROUNDING = 1e-4  # mean |Δ⟨Z⟩| between exact simulations, in float32 too


@dataclass(frozen=True)
class BackendAgreement:
    """Comparison of a backend's answers with those of the exact model."""

    samples: int  # N
    flips: int  # samples with another label, or with other labels of several
    undecided: int  # samples whose lead is within its interval, or that known texts do not decide
    mean_abs_difference: float  # mean |Δ⟨Z⟩| over samples and observables
    # mean |Δ⟨Z⟩| from shot noise alone: the mean of sqrt(2/π)·SE, with SE from the exact ⟨Z⟩ and
    # the number of shots; 0 if the backend is exact
    expected_from_shots: float
    mean_standard_error: float = 0.0  # of the expectation values, as the backend states it
    shots: int | None = None  # measurements per circuit, the mean over texts; None without shots
    decided_flips: int = 0  # decided samples with another label
    known_texts: int = 0  # texts with known answers that decide; 0: shot noise alone does
    most_shots: int | None = None  # of a circuit, if they differ between texts
    shortage: str = ""  # see `LabelProbabilities`

    def __str__(self) -> str:
        shots = "exact"
        if self.expected_from_shots:
            shots = f"shot noise alone would give {self.expected_from_shots:.4f}"
        if self.most_shots:
            shots += f", {self.shots:,} shots of a circuit on average, {self.most_shots:,} at most"
        by = "at this number of shots"
        n_reliable = self.samples - self.undecided
        if self.known_texts or self.shortage:
            by = f"by {format_count(self.known_texts, 'calibration text')}"
        reliable = ""
        if n_reliable:
            verb = "differs" if self.decided_flips == 1 else "differ"
            reliable = f"Of the {format_count(n_reliable, 'reliable label')}, {self.decided_flips:,} {verb}. "
        return (
            f"{format_count(self.flips, 'label', ('differs', 'differ'))} from a noiseless simulation of "
            f"{format_count(self.samples, 'text')}. "
            f"{format_count(self.undecided, 'label', ('is', 'are'))} unreliable {by}. {reliable}"
            f"Mean |Δ⟨Z⟩| = {self.mean_abs_difference:.4f} ({shots})"
        )

    def exactness_warning(self, backend: Evaluator) -> str:
        """Return a warning about an exact backend without noise whose values are others, "" if there is no cause."""
        is_exact = backend.capabilities.exact and not backend.capabilities.noisy
        if not is_exact or self.mean_abs_difference <= _MAX_ROUNDING:
            return ""
        return (
            f"warning: the backend {backend.name!r} is exact, and its values are not those of a noiseless simulation. "
            "Is bit q of an outcome its qubit q?"
        )


def compare(
    measured: LabelProbabilities,
    exact: LabelProbabilities,
    shots: int | NDArray[np.int64] | None,
    *,
    mitigated: bool = False,
) -> BackendAgreement:
    """Compare measured with exact answers to the same N samples.

    Args:
        measured: answers of a backend.
        exact: those of the exact model.
        shots: measurements per circuit, one number or (N,); None without shots.
        mitigated: the shot noise of the values is that of their standard errors, which mitigation raises.
    """
    sigma = measured.value_errors if mitigated else np.zeros_like(exact.values)
    if shots is not None and not mitigated:
        shots_by_text = np.reshape(shots, (-1, 1))
        sigma = np.sqrt(np.clip(1.0 - exact.values**2, 0.0, None) / shots_by_text)
    errors = measured.value_errors
    differs = (measured.sets != exact.sets).any(axis=1)
    return BackendAgreement(
        samples=len(exact.values),
        flips=int(differs.sum()),
        undecided=int((~measured.decided).sum()),
        mean_abs_difference=float(np.abs(measured.values - exact.values).mean()),
        expected_from_shots=float(np.sqrt(2.0 / np.pi) * sigma.mean()),
        mean_standard_error=float(errors.mean()) if errors.size else 0.0,
        shots=None if shots is None else round(float(np.mean(shots))),
        decided_flips=int((differs & measured.decided).sum()),
        known_texts=measured.known_texts,
        shortage=measured.shortage,
        most_shots=None if measured.shots is None else int(measured.shots.max()),
    )
