"""Base class of every backend: an evaluator for Qiskit's primitives and networks."""

from __future__ import annotations

from qiskit.primitives import BaseEstimatorV2
from qiskit_machine_learning.gradients import BaseEstimatorGradient

from qllmft_backends.estimator import BackendEstimator
from qllmft_backends.parameter_shift import BatchedParameterShift
from qllmft_backends.protocol import Availability, Evaluator, Sampling


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

    def estimator(self) -> BaseEstimatorV2:
        """Return this backend as a Qiskit V2 primitive. Pubs that share circuit and values become one call."""
        return BackendEstimator(self)

    def gradient(self) -> BaseEstimatorGradient:
        """Return gradients for Qiskit's `EstimatorQNN`, by the parameter-shift rule unless overridden."""
        return BatchedParameterShift(self)

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
