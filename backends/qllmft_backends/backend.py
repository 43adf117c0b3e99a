"""Base class of every backend: an evaluator for Qiskit's primitives and networks."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.random import Generator
from qiskit import QuantumCircuit
from qiskit.primitives import BaseEstimatorV2, BaseSamplerV2
from qiskit.providers import BackendV2
from qiskit_machine_learning.gradients import BaseEstimatorGradient

from qllmft_backends.availability import Availability
from qllmft_backends.deferral import defer
from qllmft_backends.errors import BackendError
from qllmft_backends.gradients import BatchedParameterShift
from qllmft_backends.noise import GateNoise
from qllmft_backends.pauli_expectations import refuse_added_gates
from qllmft_backends.primitives import BackendEstimator, BackendSampler
from qllmft_backends.protocol import Bits, Evaluator, Floats, Ints, Sampling
from qllmft_backends.requests import (
    ROUND_SEED_STEP,
    check_outcomes,
    number_of_shots,
    seed_option,
    with_options,
)


class Backend(Evaluator):
    """Base of every backend: implement `expectations` and `capabilities`. Qiskit's interfaces are inherited."""

    @classmethod
    def availability(cls) -> Availability:
        """Return whether this backend can run here. Its packages are installed, and nothing is sent."""
        return Availability(True)

    @property
    def sampling(self) -> Sampling | None:
        """Return the random draws behind an answer under gate noise, None without such noise or if unknown."""
        return None

    @property
    def mitigation(self) -> str:
        """Return the mitigation of errors behind an answer, "" without one."""
        return ""

    @property
    def gate_noise(self) -> GateNoise | None:
        """Return the noise after each gate as the circuit is written, None if unknown or another kind."""
        return None

    @property
    def for_qiskit(self) -> Backend:
        """Return the backend behind Qiskit's interfaces: this one, unless overridden."""
        return self

    def estimator(
        self, *, default_precision: float | None = None, seed: int | Generator | None = None
    ) -> BaseEstimatorV2:
        """Return this backend as a Qiskit V2 primitive (see `BackendEstimator`)."""
        return BackendEstimator(self.for_qiskit, default_precision=default_precision, seed=seed)

    def sampler(
        self, *, default_shots: int | None = None, seed: int | Generator | None = None
    ) -> BaseSamplerV2:
        """Return this backend as a Qiskit V2 primitive that gives counts (see `BackendSampler`)."""
        return BackendSampler(self.for_qiskit, default_shots=default_shots, seed=seed)

    def outcomes(self, circuit: QuantumCircuit, values: Floats, shots: int, rng: Generator) -> Ints:
        """Return outcomes (B, S) of measurements of all qubits, in random order. Bit q of an outcome is qubit q.

        Args:
            circuit: without measurements.
            values: (B, P) parameter values in radians.
            shots: S, the number of measurements per row.
            rng: random numbers of the shots.
        """
        del circuit, values, shots, rng
        raise BackendError(
            f"backend {self.name!r} gives expectation values and no counts: it has no method outcomes. Use "
            "estimator(), or another backend."
        )

    def bits(self, circuit: QuantumCircuit, values: Floats, shots: int, rng: Generator) -> Bits:
        """Return classical bits (B, S, C) of a circuit with measurements, by default from deferred ones.

        Args:
            circuit: P parameters, C classical bits.
            values: (B, P) parameter values in radians, in the order of ``circuit.parameters``.
            shots: S, number of measurements per row of ``values``.
            rng: source of the outcomes.
        """
        deferred = defer(circuit)
        refuse_added_gates(self, deferred)
        outcomes = np.asarray(self.outcomes(deferred.circuit, values, shots, rng))
        check_outcomes(self, outcomes, (len(values), shots), deferred.circuit.num_qubits)
        wires = np.array(deferred.clbits, np.int64)
        bits = (outcomes[..., np.newaxis] >> np.maximum(wires, 0) & 1).astype(np.bool_)
        return np.asarray(bits & (wires >= 0))

    def gradient(self) -> BaseEstimatorGradient:
        """Return gradients for Qiskit's `EstimatorQNN`, by the parameter-shift rule unless overridden."""
        return BatchedParameterShift(self.for_qiskit)

    def qiskit_backend(self) -> BackendV2:
        """Return this backend as Qiskit's `BackendV2`."""
        raise BackendError(
            f"backend {self.name!r} is no BackendV2. Use estimator() or sampler(), or the backend adjoint."
        )

    def in_round(self, shots: int, number: int) -> Backend:
        """Return this backend with other shots, whose draws are independent of those of its other rounds.

        Args:
            shots: S of a circuit in this round.
            number: of the round, from 0, in which the draws are those of this backend.

        Raises:
            BackendError: if the backend has no shots, or cannot measure the same circuits again.
        """
        if number_of_shots(self) is None or self.capabilities.remote or self.mitigation:
            mitigation_text = f" with {self.mitigation}" if self.mitigation else ""
            raise BackendError(
                f"backend {self.name!r}{mitigation_text} cannot measure its shots in rounds. Omit the rounds, or "
                "set shots and leave mitigation out."
            )
        seed = seed_option(self) or 0
        changed_backend = with_options(self, shots=shots, seed=seed + number * ROUND_SEED_STEP)
        return cast("Backend", changed_backend)

    def training_note(self, samples: int, epochs: int, evaluations: int) -> str:
        """Return a line about the circuits that training through this backend sends, "" if it sends none.

        Args:
            samples: number of samples per epoch.
            epochs: number of epochs.
            evaluations: number of circuits besides, for validation and test.

        Raises:
            BackendError: if training was not allowed.
        """
        del samples, epochs, evaluations
        return ""
