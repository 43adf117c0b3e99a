"""The base class of every backend: an evaluator that Qiskit's primitives and networks can use."""

from __future__ import annotations

from qiskit.primitives import BaseEstimatorV2
from qiskit_machine_learning.gradients import BaseEstimatorGradient

from qllmft_backends.estimator import BackendEstimator
from qllmft_backends.parameter_shift import BatchedParameterShift
from qllmft_backends.protocol import Availability, Evaluator, Sampling


class Backend(Evaluator):
    """Base of every backend: implement `expectations` and `capabilities`; Qiskit's interfaces come with it."""

    @classmethod
    def availability(cls) -> Availability:
        """Whether this backend can work here. Its packages are installed when this is asked; it sends nothing."""
        return Availability(True)

    @property
    def sampling(self) -> Sampling | None:
        """Return the random draws behind an answer under gate noise, None without such noise or if unknown."""
        return None

    def estimator(self) -> BaseEstimatorV2:
        """This backend as a Qiskit V2 primitive. Pubs that share circuit and values become one call."""
        return BackendEstimator(self)

    def gradient(self) -> BaseEstimatorGradient:
        """Gradients for Qiskit's `EstimatorQNN`; by the parameter-shift rule unless a backend knows better."""
        return BatchedParameterShift(self)

    def training_note(self, samples: int, epochs: int, evaluations: int) -> str:
        """What training through this backend would send, for a person to read first; "" where nothing is sent.

        Args:
            samples: number of samples that each epoch learns from.
            epochs: number of epochs.
            evaluations: number of circuits besides, for validation and test.

        Raises:
            BackendError: where training was not allowed.
        """
        del samples, epochs, evaluations
        return ""
