"""Analysis of a finished run: every number of its page."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from qllmft.analysis.certificate import Certificate, certificate_of
from qllmft.analysis.entanglement import (
    States,
    head_states,
    meyer_wallach,
    rank_bounds,
    schmidt_rank,
    schmidt_values,
    truncated_rank,
)
from qllmft.analysis.forms import Forms, effective_rank, forms_of, rank_of_weight
from qllmft.analysis.gradients import GradientVariance, decay_per_qubit, gradient_variances
from qllmft.analysis.kernels import (
    GeometricDifference,
    KernelResult,
    differences,
    fidelities,
    kernel_svm,
)
from qllmft.analysis.least_bond import LeastBonds, least_bonds
from qllmft.analysis.twin import Twin, train_twins
from qllmft.config import ModelConfig
from qllmft.errors import UserError
from qllmft.events import Message, OnEvent, ignore
from qllmft.heads import Classifier, ParallelEncoders, QuantumHead
from qllmft.heads.encoder import amplitudes
from qllmft.inference import Predictor
from qllmft.inference.evaluation import texts_of_run
from qllmft.run import RunFolder
from qllmft.run.record import RunRecord
from qllmft.training import Examples

Floats = NDArray[np.float64]

STATES = 64  # training texts whose states are taken apart
CHECKED = 256  # test texts on which the forms are compared with the circuits
MOST_QUBITS = 18  # of states: 435 training texts take 0.9 GB


@dataclass(frozen=True)
class FormsResult:
    """Quadratic forms of the encoders."""

    dimension: int  # m, length of the loaded amplitudes
    linear: bool  # the encoders are odd, so that their values are linear in the unit embedding
    spectra: tuple[tuple[float, ...], ...]  # (Q, m) eigenvalues, ascending
    effective_ranks: tuple[float, ...]  # (Q,)
    ranks_of_weight: tuple[int, ...]  # (Q,) for 99 % of Σ λ²
    largest_error: float  # of the latent values by the forms against the circuits, in units of ⟨Z⟩
    texts: int  # number of test texts of that comparison


@dataclass(frozen=True)
class BondResult:
    """Schmidt ranks of the head's states, by cut: the largest over the texts."""

    bounds: tuple[int, ...]  # for any angles and any number of qubits
    limits: tuple[int, ...]  # of any state, 2^min(q, Q-q)
    ranks: tuple[int, ...]
    truncated: tuple[int, ...]  # without 1e-4 of the weight
    texts: int


@dataclass(frozen=True)
class Analysis:
    """Content of ``analysis.json``. Parts are None if the model has no such part, or they were left out."""

    run: RunRecord
    certificate: Certificate
    forms: FormsResult | None
    bond: BondResult | None
    least: LeastBonds | None
    # mean and standard deviation over the texts, by Meyer and Wallach
    entanglement: tuple[float, float] | None
    kernel: KernelResult | None
    geometry: dict[str, GeometricDifference]
    gradients: tuple[GradientVariance, ...]
    twins: dict[str, Twin]  # by name; empty if they were left out

    @property
    def decay(self) -> float:
        """Return the slope of log₂ of the gradient's variance per qubit."""
        return decay_per_qubit(self.gradients)

    def as_dict(self) -> dict[str, Any]:
        """Return values for JSON."""
        head = self.run.head
        found = {name: value for name, value in asdict(self).items() if name != "run"}
        parts: list[tuple[dict[str, Any], Any]] = [
            (found["twins"][name], twin) for name, twin in self.twins.items()
        ]
        if self.kernel is not None:
            parts.append((found["kernel"], self.kernel))
        for values, part in parts:
            values |= {
                key: value.as_dict()
                for key, value in vars(part).items()
                if hasattr(value, "as_dict")
            }
        if self.least is not None:
            found["least"] = self.least.as_dict()
        record = {
            "run": self.run.identity,
            "head": {"name": head.name, "test": head.tested.as_dict()},
        }
        return {
            **record,
            **found,
            "decay_per_qubit": self.decay,
            "sentence": self.certificate.sentence,
        }


def analyse(run: Path, on_event: OnEvent = ignore, *, twin: bool = True) -> Analysis:
    """Analyse the model of a finished run on its own texts.

    Args:
        run: the run's folder.
        on_event: receives progress.
        twin: also train the separable twins, which take as long as the run each, or read them if they are there.

    Raises:
        UserError: if the run is not finished, its texts or its body have changed, or nothing in it is quantum.
    """
    predictor = Predictor.load(run)
    predictor.check_one_label("an analysis is about")
    classifier, model = predictor.model.classifier.double(), predictor.model.config
    if model.head == "mlp":
        raise UserError(
            "the model is classical: there is no circuit to analyse. Give a run with a quantum head."
        )
    record = RunFolder(run).finished()
    config, _, splits = texts_of_run(run)
    tables = {"training": splits.train, "validation": splits.validation, "test": splits.test}
    train, validation, test = predictor.embed_tables(tables, on_event)
    encoder, head = classifier.encoder, classifier.head
    on_event(Message("analysing the encoder's forms and the head's states"))
    forms = _forms(encoder, test) if isinstance(encoder, ParallelEncoders) else None
    bond, entangled = (
        _bond(classifier, head, train) if isinstance(head, QuantumHead) else (None, None)
    )
    kernel, geometry = None, {}
    if model.n_qubits <= MOST_QUBITS:
        on_event(Message(f"comparing kernels on {len(test.x):,} test texts"))
        kernel, states = kernel_svm(train, validation, test, lambda x: model_states(classifier, x))
        unit = torch.nn.functional.normalize(train.x.double(), dim=1).numpy()
        geometry = dict(differences(fidelities(states, states), unit))
    on_event(Message("drawing random weights for the variance of gradients"))
    gradients = tuple(gradient_variances(model, seed=record.seed))
    least = _least(model, classifier, test, on_event) if isinstance(head, QuantumHead) else None
    return Analysis(
        run=record,
        certificate=certificate_of(model),
        forms=forms,
        bond=bond,
        least=least,
        entanglement=entangled,
        kernel=kernel,
        geometry=geometry,
        gradients=gradients,
        twins=train_twins(run, config, on_event) if twin else {},
    )


def _least(
    model: ModelConfig, classifier: Classifier, test: Examples, on_event: OnEvent
) -> LeastBonds | None:
    """Return the least bonds of a head that a truncation can compute, else None after a message."""
    if model.n_qubits > MOST_QUBITS:
        return None
    on_event(Message("searching the least bond that keeps the labels"))
    try:
        return least_bonds(model, classifier, test.x.double())
    except UserError as error:
        on_event(Message(f"the least bond is not searched: {error}"))
        return None


@torch.no_grad()
def model_states(classifier: Classifier, x: Floats) -> States:
    """Return the states (N, 2^Q) whose kernel is that of a model in float64, of embeddings (N, D).

    They are the head's, or the loaded amplitudes (N, m) if there is no head, since a circuit without data keeps their
    inner products.
    """
    embeddings, encoder = torch.from_numpy(x), classifier.encoder
    assert encoder is not None  # the head is not a perceptron
    if isinstance(classifier.head, QuantumHead):
        return head_states(classifier.head, encoder(embeddings).numpy())
    assert isinstance(encoder, ParallelEncoders)
    loaded: Floats = amplitudes(encoder.mapped(embeddings), encoder.encoders[0].pad).numpy()  # type: ignore[arg-type]
    return loaded


@torch.no_grad()
def _forms(encoder: ParallelEncoders, test: Examples) -> FormsResult:
    found: Forms = forms_of(encoder)
    x = test.x[:CHECKED].double()
    difference = np.abs(found.latent(encoder.mapped(x).numpy()) - encoder(x).numpy()) / np.abs(
        found.scales
    )
    spectra = found.spectra
    return FormsResult(
        dimension=spectra.shape[1],
        linear=found.odd,
        spectra=tuple(tuple(row) for row in spectra.tolist()),
        effective_ranks=tuple(map(effective_rank, spectra)),
        ranks_of_weight=tuple(map(rank_of_weight, spectra)),
        largest_error=float(difference.max()),
        texts=len(x),
    )


@torch.no_grad()
def _bond(
    classifier: Classifier, head: QuantumHead, train: Examples
) -> tuple[BondResult, tuple[float, float]]:
    qubits = head.circuit.num_qubits
    states = model_states(classifier, train.x[: STATES if qubits <= 14 else 4].double().numpy())
    values = schmidt_values(states)
    entangled = meyer_wallach(states)
    result = BondResult(
        bounds=tuple(rank_bounds(head.circuit)),
        limits=tuple(2 ** min(cut, qubits - cut) for cut in range(1, qubits)),
        ranks=tuple(map(schmidt_rank, values)),
        truncated=tuple(map(truncated_rank, values)),
        texts=len(states),
    )
    return result, (float(entangled.mean()), float(entangled.std()))
