"""Mitigation of readout errors: circuits that measure them, and observables that undo them, on any noisy backend.

The mean of Z on a qubit with flip probabilities p(1|0) and p(0|1) is a·⟨Z⟩ + b. The inverse of that, for each qubit of
a string, is again a sum of Z strings. So mitigated values are expectation values of other observables of the same
shots, with their standard errors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol, cast, runtime_checkable

import numpy as np
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

from qllmft_backends.backend import Backend
from qllmft_backends.bounds import MAX_MITIGATED_QUBITS
from qllmft_backends.errors import BackendError
from qllmft_backends.noise import NoiseSettings
from qllmft_backends.observables import ZObservables, z_string
from qllmft_backends.protocol import (
    Capabilities,
    ConsentBackend,
    Estimate,
    Expectations,
    Floats,
    Operators,
    Sampling,
)
from qllmft_backends.requests import check_values, number_of_shots
from qllmft_base.text import format_count

Request = tuple[Backend, QuantumCircuit, Floats]
_MIN_CONTRAST = 0.1  # of the mean of Z between a qubit in 0 and in 1


@dataclass(frozen=True)
class Readout:
    """Measured means of Z of n qubits that were prepared in 0 and in 1."""

    means: Floats  # (2, n)
    errors: Floats  # (2, n) standard errors

    def check(self, name: str, shots: int | None) -> None:
        """Raise if a backend has no readout error, or a qubit's bit says nothing about its state."""
        if (self.means[0] == 1).all() and (self.means[1] == -1).all():
            shots_text = f" in {format_count(shots, 'shot')}. Use more shots" if shots else ""
            raise BackendError(
                f"there is no readout error to mitigate: {name} read every calibration bit right{shots_text}."
            )
        contrast = self.means[0] - self.means[1]
        if (worst := contrast.min()) < _MIN_CONTRAST:
            raise BackendError(
                f"qubit {contrast.argmin()} of {name} has a mean of Z that differs by {worst:.3f} between 0 and 1, "
                f"expected at least {_MIN_CONTRAST}. Its readout cannot be inverted. Use more shots, or other qubits."
            )

    def inverse(self, mask: int) -> dict[int, float]:
        """Return the sum of Z strings (mask: coefficient) with the mean of an error-free string ``mask``."""
        if mask.bit_count() > MAX_MITIGATED_QUBITS:
            raise BackendError(
                f"a string has Z on {mask.bit_count()} qubits. Readout mitigation takes up to {MAX_MITIGATED_QUBITS}."
            )
        a, b = self._readout_lines
        return _expand_product(np.stack([-b / a, 1 / a]), mask)

    def slopes(self, mask: int) -> dict[tuple[int, int], dict[int, float]]:
        """Return the derivatives of `inverse` by each mean (state, qubit) of the string's qubits."""
        a, b = self._readout_lines
        slopes_by_mean = {}
        for q in (q for q in range(len(a)) if mask >> q & 1):
            for state, slope in ((0, 0.5), (1, -0.5)):  # of a; that of b is 0.5
                factors = np.stack([-b / a, 1 / a])
                factors[:, q] = (slope * b[q] - 0.5 * a[q]) / a[q] ** 2, -slope / a[q] ** 2
                slopes_by_mean[state, q] = _expand_product(factors, mask)
        return slopes_by_mean

    @property
    def _readout_lines(self) -> Floats:
        """Return a and b of each qubit, (2, n): a measured mean of Z is a·⟨Z⟩ + b."""
        zeros, ones = self.means
        return np.stack([zeros - ones, zeros + ones]) / 2


def _expand_product(factors: Floats, mask: int) -> dict[int, float]:
    """Return the product of ``factors[0, q] + factors[1, q]·Z`` over the qubits of a mask, by strings."""
    terms = {0: 1.0}
    for q in (q for q in range(factors.shape[1]) if mask >> q & 1):
        i_factor, z_factor = factors[:, q].tolist()
        terms = {key: coefficient * i_factor for key, coefficient in terms.items()} | {
            key | 1 << q: coefficient * z_factor for key, coefficient in terms.items()
        }
    return terms


@dataclass(frozen=True)
class Correction:
    """Observables as sums of M strings whose means are measured, and their derivatives by the calibration."""

    masks: list[int]  # M
    coefficients: Floats  # (O, M)
    # (J, O, M), times the standard error of the mean j of the calibration
    slopes: Floats

    @classmethod
    def from_readout(cls, sums: ZObservables, readout: Readout) -> Correction:
        """Return the correction of O sums of Z strings."""
        strings: list[int] = sums.masks.tolist()
        inverses = [readout.inverse(mask) for mask in strings]
        masks = sorted({0}.union(*inverses))
        inverse_values = np.array(
            [[inverse.get(mask, 0.0) for mask in masks] for inverse in inverses]
        )
        slopes = np.zeros((*readout.means.shape, *inverse_values.shape))
        for t, string in enumerate(strings):
            for mean_index, terms in readout.slopes(string).items():
                slope = np.array([terms.get(mask, 0.0) for mask in masks])
                slopes[*mean_index, t] = readout.errors[mean_index] * slope
        by_mean = slopes.reshape(-1, *inverse_values.shape)
        return cls(masks, sums.coefficients @ inverse_values, sums.coefficients @ by_mean)

    def operators(self, n_qubits: int) -> list[SparsePauliOp]:
        """Return the M strings, then the O corrected observables."""
        strings = [z_string(mask, n_qubits) for mask in self.masks]
        sums = (
            SparsePauliOp.sum([c * s for c, s in zip(row, strings, strict=True)])
            for row in self.coefficients.tolist()
        )
        return [*strings, *sums]


@runtime_checkable
class CompilingBackend(ConsentBackend, Protocol):
    """Backend that compiles circuits, and chooses the qubits that they measure."""

    def for_calibration(self, circuit: QuantumCircuit) -> Backend:
        """Return this backend with the qubits that it measures for ``circuit``."""
        ...


class MitigatedBackend(Backend):
    """Noisy backend whose expectation values have their readout errors inverted.

    Two more circuits per call measure the errors of the qubits. Standard errors are those of the shots and of this
    calibration.

    Raises:
        BackendError: if the backend has no readout error, or a server compiles its circuits.
    """

    name: ClassVar[str] = "mitigated"

    def __init__(self, inner: Backend) -> None:
        capabilities = inner.capabilities
        inner_options = getattr(inner, "options", None)
        if capabilities.remote and not isinstance(inner, CompilingBackend):
            raise BackendError(
                f"{inner.name} compiles circuits at its server, which chooses the qubits, and it mitigates errors "
                "itself: use its option error_mitigation. Omit --mitigation."
            )
        if not capabilities.noisy:
            raise BackendError(
                f"{inner.name} has no noise with these options, so there is nothing to mitigate. Omit --mitigation, or "
                "choose aer_forte, qiskit, or adjoint with noise=..."
            )
        if isinstance(inner_options, NoiseSettings) and inner_options.gate_noise.readout_error == 0:
            raise BackendError(
                f"{inner.name} has no readout error to mitigate with these options. Simulate one: "
                "--backend-option readout_error=0.01."
            )
        self.inner = inner
        self.name = inner.name  # type: ignore[misc]  # answers are the inner backend's

    @property
    def options(self) -> Any:
        """Return the options of the inner backend."""
        return getattr(self.inner, "options", None)

    @property
    def mitigation(self) -> str:
        """Return the method with the number of circuits."""
        return "readout, 2 calibration circuits"

    @property
    def capabilities(self) -> Capabilities:
        """Return the abilities of the inner backend, for Z strings only."""
        return replace(self.inner.capabilities, paulis=False, adjoint=False, exact=False)

    @property
    def sampling(self) -> Sampling | None:
        """Return the random draws of one circuit."""
        return self.inner.sampling

    def expectations(
        self, circuit: QuantumCircuit, values: Floats, observables: Operators
    ) -> Expectations:
        """Return mitigated expectation values (see `Backend.expectations`)."""
        values = check_values(circuit, values)
        if len(values) == 0:
            return self.inner.expectations(circuit, values, observables)
        sums = ZObservables.from_operators(observables, circuit.num_qubits)
        is_remote = self.inner.capabilities.remote
        with self.consent(self.estimate(circuit, values)) if is_remote else nullcontext():
            correction = Correction.from_readout(sums, self._run_calibration(circuit))
            operators = correction.operators(circuit.num_qubits)
            estimates = self.inner.expectations(circuit, values, operators)
        means = estimates.values
        squares = estimates.standard_errors**2
        n_strings = len(correction.masks)
        by_calibration = np.einsum("jom,bm->jbo", correction.slopes, means[:, :n_strings])
        variances = squares[:, n_strings:] + (by_calibration**2).sum(axis=0)
        return Expectations(means[:, n_strings:], np.sqrt(variances))

    def training_note(self, samples: int, epochs: int, evaluations: int) -> str:
        """Raise `BackendError`: training measures no mitigated values."""
        del samples, epochs, evaluations
        raise BackendError("mitigation is for predict and evaluate. Train without it.")

    @property
    def consented(self) -> bool:
        """Return whether the options allow paid circuits without confirmation."""
        return bool(self._remote.consented)

    @property
    def has_ledger(self) -> bool:
        """Return whether earlier calls have left a ledger."""
        return bool(self._remote.has_ledger)

    def attend(self, **callbacks: Callable[..., Any] | None) -> None:
        """Set the callbacks of later calls (see `RemoteBackend.attend`)."""
        self._remote.attend(**callbacks)

    def estimate(
        self, circuit: QuantumCircuit, values: Floats, *, offline: bool = False
    ) -> Estimate:
        """Return all circuits that a call would send, with those of the calibration."""
        requests: list[Any] = [*self._calibration_requests(circuit), (self.inner, circuit, values)]
        estimates = [
            backend.estimate(request_circuit, request_values, offline=offline)
            for backend, request_circuit, request_values in requests
        ]
        return self.merge_estimates(estimates)

    @property
    def has_limits(self) -> bool:
        """Return whether circuits are paid or limited in number (see `ConsentBackend.has_limits`)."""
        return bool(self._remote.has_limits)

    def merge_estimates(self, estimates: Sequence[Any]) -> Estimate:
        """Return one estimate of several calls (see `ConsentBackend.merge_estimates`)."""
        return cast("Estimate", self._remote.merge_estimates(estimates))

    def consent(self, estimate: Estimate) -> AbstractContextManager[None]:
        """Return a context whose calls ask once for consent (see `ConsentBackend.consent`)."""
        return cast("AbstractContextManager[None]", self._remote.consent(estimate))

    def running_jobs(self) -> str:
        """Return a report of jobs that have not ended (see `RemoteBackend.running_jobs`)."""
        return str(self._remote.running_jobs())

    @property
    def _remote(self) -> Any:
        return self.inner

    def _calibration_requests(self, circuit: QuantumCircuit) -> list[Request]:
        """Return the requests for circuits that prepare all qubits in 0, and all in 1."""
        inner = self.inner
        n_qubits = circuit.num_qubits
        if isinstance(inner, CompilingBackend):
            inner = inner.for_calibration(circuit)
        zeros = QuantumCircuit(n_qubits, name="all-0")
        ones = QuantumCircuit(n_qubits, name="all-1")
        ones.x(range(n_qubits))
        return [(inner, prepared_circuit, np.empty((1, 0))) for prepared_circuit in (zeros, ones)]

    def _run_calibration(self, circuit: QuantumCircuit) -> Readout:
        """Measure the readout errors of the circuit's qubits."""
        n_qubits = circuit.num_qubits
        z_operators = [z_string(1 << q, n_qubits) for q in range(n_qubits)]
        calibration_means = [
            backend.expectations(calibration_circuit, calibration_values, z_operators)
            for backend, calibration_circuit, calibration_values in self._calibration_requests(
                circuit
            )
        ]
        means = np.concatenate([expectations.values for expectations in calibration_means])
        readout = Readout(
            means,
            np.concatenate([expectations.standard_errors for expectations in calibration_means]),
        )
        readout.check(self.name, number_of_shots(self.inner))
        return readout
