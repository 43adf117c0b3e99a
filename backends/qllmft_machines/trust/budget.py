"""Error budget of a model on a machine before anything is sent: its accuracy, and the gain of each smaller error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from scipy.special import softmax

from qllmft.answers.decision import MOST_PROBABLE, Decision
from qllmft.answers.probabilities import Floats
from qllmft.heads import Classifier
from qllmft.tasks import ACCURACY
from qllmft.tasks.statistics import INTERVAL_QUANTILES
from qllmft.training import finite_logits
from qllmft_backends import Backend
from qllmft_backends.aer.machine_errors import MachineErrors, Part
from qllmft_backends.observables import ZObservables
from qllmft_backends.requests import number_of_shots
from qllmft_base.errors import UserError
from qllmft_base.randomness import numpy_generator
from qllmft_machines.trust.circuits import ModelCircuits, model_circuits

N_SHOT_DRAWS = 400  # of the shots of all texts
HALVED_ERROR_NAMES: dict[Part, str] = {
    "one_qubit": "one-qubit errors halved",
    "two_qubit": "two-qubit errors halved",
    "readout": "readout errors halved",
}
STATED_ERRORS = "errors as stated"
DOUBLED_SHOTS = "shots doubled"


@dataclass(frozen=True)
class BudgetRow:
    """Predicted answers of a model on a machine."""

    errors: str  # in words
    accuracy: float  # mean over draws of the shots
    interval: tuple[float, float]  # of the accuracy of one evaluation of these texts, 95 %
    differ: float  # share of labels that are not the exact model's


@dataclass(frozen=True)
class ErrorBudget:
    """Predicted accuracy of a model on a machine, and that with smaller errors."""

    texts: int  # N
    shots: int | None  # of a circuit; None: the values have no shot noise
    exact: float  # accuracy of the exact model
    rows: tuple[BudgetRow, ...]  # the first has the errors as they are stated

    @property
    def sentence(self) -> str:
        """Return the change after which most labels are the exact model's, and its worth."""
        stated_row, *smaller_error_rows = self.rows
        best = min(smaller_error_rows, key=lambda row: row.differ, default=stated_row)
        if best.differ >= stated_row.differ:
            return "No error of the device changes these labels."
        gained_percent = 100 * (stated_row.differ - best.differ)
        return (
            f"The largest gain is with {best.errors}: {gained_percent:.1f} % more labels as in a noiseless simulation, "
            f"and {ACCURACY.with_sign(best.accuracy - stated_row.accuracy)} points of accuracy."
        )


def error_budget(
    classifier: Classifier,
    vectors: NDArray[np.float32],
    labels: NDArray[np.int64],
    backend: Backend,
    decision: Decision = MOST_PROBABLE,
) -> ErrorBudget:
    """Predict the accuracy of a model on a machine from a density matrix of its circuits; nothing is sent.

    The distribution of the outcomes of each text is exact under the errors that the machine states. The shot noise of
    the logits is normal, with the covariance of that distribution, and its draws are the same for all rows and calls.

    Args:
        classifier: model with a quantum circuit.
        vectors: embeddings (N, D).
        labels: true labels (N,).
        backend: the machine: Qiskit's, or one with noise after each gate.
        decision: threshold of the answers.

    Raises:
        UserError: if the backend states no errors.
        BackendError: if a density matrix of the circuit does not fit.
    """
    circuits = model_circuits(classifier, vectors)
    errors = find_machine_errors(backend, circuits.circuit)
    shots = number_of_shots(backend)
    shape = N_SHOT_DRAWS, len(labels), len(circuits.weights)
    standard_normals = numpy_generator(0, "error budget").standard_normal(shape)
    logits = finite_logits(classifier, torch.from_numpy(vectors)).double().numpy()
    exact_labels = decision.labels(softmax(logits, axis=1))

    def predict_row(words: str, part: Part | None = None, shots: int | None = shots) -> BudgetRow:
        outcomes = errors.probabilities(circuits.parameters, part=part, factor=0.5)
        logits, covariance = logit_moments(circuits, outcomes)
        sampled_logits = logits[None]
        if shots is not None:
            sampled_logits = logits + np.einsum(
                "nkl,mnl->mnk", _matrix_root(covariance / shots), standard_normals
            )
        sampled_labels = decision.labels(
            softmax(sampled_logits.reshape(-1, sampled_logits.shape[-1]), axis=1)
        )
        sampled_labels = sampled_labels.reshape(len(sampled_logits), -1)
        accuracies = (sampled_labels == labels).mean(axis=1)
        low, high = np.quantile(accuracies, INTERVAL_QUANTILES)
        differ = float((sampled_labels != exact_labels).mean())
        return BudgetRow(words, float(accuracies.mean()), (float(low), float(high)), differ)

    rows = [
        predict_row(STATED_ERRORS),
        *(
            predict_row(words, part)
            for part, words in HALVED_ERROR_NAMES.items()
            if errors.has_errors(part)
        ),
    ]
    if shots is not None:
        rows.append(predict_row(DOUBLED_SHOTS, shots=2 * shots))
    return ErrorBudget(len(labels), shots, float((exact_labels == labels).mean()), tuple(rows))


@runtime_checkable
class StatesErrors(Protocol):
    """Backend that states the errors of gates and readouts of its machine."""

    def machine_errors(self, circuit: QuantumCircuit) -> MachineErrors:
        """Return the errors of a circuit as the machine runs it."""
        ...


def find_machine_errors(backend: Backend, circuit: QuantumCircuit) -> MachineErrors:
    """Return the errors of a circuit on a backend, or raise UserError if they are unknown."""
    if isinstance(backend, StatesErrors):
        return backend.machine_errors(circuit)
    if backend.mitigation:
        raise UserError(
            f"--budget predicts unmitigated results, and {backend.name} mitigates errors: {backend.mitigation}. Omit "
            "the mitigation."
        )
    if backend.gate_noise is None:
        raise UserError(
            f"--budget needs the errors of gates and readouts, and {backend.name} states none. Name a device of "
            "Qiskit, or a backend with gate noise such as aer_forte."
        )
    return MachineErrors.from_noise(circuit, backend.gate_noise)


def logit_moments(circuits: ModelCircuits, outcomes: Floats) -> tuple[Floats, Floats]:
    """Return the logits (N, k) of outcomes' means, and their covariance (N, k, k) for one shot of each circuit.

    ``outcomes`` (N·C, 2ⁿ) are probabilities of C circuits for each of N texts.
    """
    n_qubits = circuits.circuit.num_qubits
    sums = ZObservables.from_operators(circuits.observables, n_qubits)
    states = np.arange(outcomes.shape[1])
    parity = np.array([[int(s & m).bit_count() & 1 for m in sums.masks] for s in states])
    table = (1 - 2 * parity) @ sums.coefficients.T  # (2ⁿ, O)
    values = outcomes @ table
    square = np.einsum("bs,so,sp->bop", outcomes, table, table, optimize=True)
    observable_covariance = square - values[:, :, None] * values[:, None, :]
    weights = circuits.weights  # (k, C, O)
    by_circuit = observable_covariance.reshape(
        -1, weights.shape[1], *observable_covariance.shape[1:]
    )
    covariance = np.einsum("kco,ncop,lcp->nkl", weights, by_circuit, weights, optimize=True)
    logits = circuits.logits(values).detach().double().numpy()
    return logits, covariance


def _matrix_root(covariance: Floats) -> Floats:
    """Return matrices R (N, k, k) with R·Rᵀ the given ones, which may be singular."""
    eigenvalues, eigenvectors = np.linalg.eigh(covariance)
    return np.asarray(eigenvectors * np.sqrt(np.clip(eigenvalues, 0.0, None))[:, None, :])
