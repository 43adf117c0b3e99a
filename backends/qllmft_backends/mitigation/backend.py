"""Any noisy backend with its readout errors inverted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

from qllmft_backends.backend import Backend
from qllmft_backends.errors import BackendError
from qllmft_backends.mitigation.readout import Correction, Readout, calibration_circuits
from qllmft_backends.noise import NoiseSettings
from qllmft_backends.protocol import Capabilities, Estimate, Expectations, Sampling
from qllmft_backends.request import check_values
from qllmft_backends.z_observables import ZObservables, z_string

Request = tuple[Backend, QuantumCircuit, NDArray[np.float64]]


@runtime_checkable
class Compiling(Protocol):
    """Backend that compiles circuits, and chooses the qubits that they measure."""

    def calibrating(self, circuit: QuantumCircuit) -> Backend:
        """Return this backend with the qubits that it measures for ``circuit``."""
        ...

    def merged(self, estimates: Sequence[Any]) -> Any:
        """Return one estimate of several calls, with the limits on their sum."""
        ...

    def authorize(self, estimate: Any) -> None:
        """Ask for consent to an estimate, or raise `CostRefusedError`. Later calls within it ask for none."""
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
        _check_noise(inner)
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
        self,
        circuit: QuantumCircuit,
        values: NDArray[np.float64],
        observables: Sequence[SparsePauliOp],
    ) -> Expectations:
        """Return mitigated expectation values (see `Backend.expectations`)."""
        values = check_values(circuit, values)
        if len(values) == 0:
            return self.inner.expectations(circuit, values, observables)
        if isinstance(self.inner, Compiling) and self.inner.capabilities.remote:
            self.inner.authorize(self.estimate(circuit, values))
        sums = ZObservables.from_operators(observables, circuit.num_qubits)
        correction = Correction.of(sums, self._calibrated(circuit))
        operators = correction.operators(circuit.num_qubits)
        found = self.inner.expectations(circuit, values, operators)
        means, squares = found.values, found.standard_errors**2
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
        self, circuit: QuantumCircuit, values: NDArray[np.float64], *, offline: bool = False
    ) -> Estimate:
        """Return all circuits that a call would send, with those of the calibration."""
        requests: list[Any] = [*self._calibration(circuit), (self.inner, circuit, values)]
        parts = [each.estimate(of, row, offline=offline) for each, of, row in requests]
        return cast("Estimate", self._remote.merged(parts))

    def running_jobs(self) -> str:
        """Return a report of jobs that have not ended (see `RemoteBackend.running_jobs`)."""
        return str(self._remote.running_jobs())

    @property
    def _remote(self) -> Any:
        return self.inner

    def _calibration(self, circuit: QuantumCircuit) -> list[Request]:
        inner = self.inner.calibrating(circuit) if isinstance(self.inner, Compiling) else self.inner
        return [
            (inner, prepared, np.empty((1, 0)))
            for prepared in calibration_circuits(circuit.num_qubits)
        ]

    def _calibrated(self, circuit: QuantumCircuit) -> Readout:
        """Measure the readout errors of the circuit's qubits."""
        n_qubits = circuit.num_qubits
        z = [z_string(1 << q, n_qubits) for q in range(n_qubits)]
        found = [
            backend.expectations(of, row, z) for backend, of, row in self._calibration(circuit)
        ]
        means, errors = (
            [getattr(each, part) for each in found] for part in ("values", "standard_errors")
        )
        readout = Readout(np.concatenate(means), np.concatenate(errors))
        readout.check(self.name)
        return readout


def _check_noise(inner: Backend) -> None:
    """Refuse a backend without a readout error to invert."""
    able, name = inner.capabilities, inner.name
    if able.remote and not isinstance(inner, Compiling):
        raise BackendError(
            f"{name} compiles circuits at its server, which chooses the qubits, and it mitigates errors itself: use "
            "its option error_mitigation. Omit --mitigation."
        )
    if not able.noisy:
        raise BackendError(
            f"{name} has no noise with these options, so there is nothing to mitigate. Omit --mitigation, or choose "
            "aer_forte, qiskit, or adjoint with noise=..."
        )
    settings = getattr(inner, "options", None)
    if not isinstance(settings, NoiseSettings):
        return
    if settings.named_noise().readout_error == 0:
        raise BackendError(
            f"{name} has no readout error to mitigate with these options. Simulate one: "
            "--backend-option readout_error=0.01."
        )
