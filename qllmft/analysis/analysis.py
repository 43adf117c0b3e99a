"""Analysis of a finished run: every number of its page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from qllmft.analysis.certificate import Certificate, certificate_of
from qllmft.analysis.entanglement import BondResult, States, head_states, meyer_wallach
from qllmft.analysis.forms import FormsResult
from qllmft.analysis.gradients import GradientVariance, decay_per_qubit, gradient_variances
from qllmft.analysis.kernels import (
    GeometricDifference,
    KernelResult,
    classical_kernels,
    fidelities,
    kernel_svm,
)
from qllmft.analysis.least_bond import LeastBonds, least_bonds
from qllmft.analysis.twin import Twin, train_twins, twin_configs
from qllmft.errors import UserError
from qllmft.events import Message, OnEvent, ignore
from qllmft.files import json_values
from qllmft.heads import Classifier, ParallelEncoders, QuantumHead
from qllmft.inference import Predictor
from qllmft.inference.evaluation import texts_of_run
from qllmft.run import RunFolder
from qllmft.run.record import RunRecord

Floats = NDArray[np.float64]

STATES = 64  # training texts whose states are taken apart
CHECKED = 256  # test texts on which the forms are compared with the circuits
MOST_QUBITS = 18  # of states: 435 training texts take 0.9 GB


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
        parts = {name: part for name, part in vars(self).items() if name != "run"}
        return {
            "run": self.run.identity,
            "head": {"name": head.name, "test": head.tested.as_dict()},
            **json_values(parts),
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
    twins = twin_configs(config) if twin else {}
    if splits.folds is not None:
        text = "kernels are trained without the first fold of the training texts, which chooses their C"
        on_event(Message(text))
        splits = splits.of_fold(0)
    tables = {"training": splits.train, "validation": splits.validation, "test": splits.test}
    train, validation, test = predictor.embed_tables(tables, on_event)
    encoder, head = classifier.encoder, classifier.head
    on_event(Message("analysing the encoder's forms and the head's states"))
    forms = bond = entangled = kernel = least = None
    if isinstance(encoder, ParallelEncoders):
        forms = FormsResult.of(encoder, test.x[:CHECKED].double())
    if isinstance(head, QuantumHead):
        few = STATES if head.circuit.num_qubits <= 14 else 4
        states = model_states(classifier, train.x[:few].double().numpy())
        bond, each = BondResult.of(head.circuit, states), meyer_wallach(states)
        entangled = float(each.mean()), float(each.std())
    geometry = {}
    if model.register_qubits <= MOST_QUBITS:
        on_event(Message(f"comparing kernels on {len(test.x):,} test texts"))
        kernel, states = kernel_svm(train, validation, test, lambda x: model_states(classifier, x))
        unit = torch.nn.functional.normalize(train.x.double(), dim=1).numpy()
        own = fidelities(states, states)
        known = classical_kernels(unit).items()
        geometry = {name: GeometricDifference.of(own, each) for name, each in known}
    on_event(Message("drawing random weights for the variance of gradients"))
    gradients = tuple(gradient_variances(model, seed=record.seed))
    if isinstance(head, QuantumHead) and model.register_qubits <= MOST_QUBITS:
        on_event(Message("searching the least bond that keeps the labels"))
        try:
            least = least_bonds(model, classifier, test.x.double())
        except UserError as error:
            on_event(Message(f"the least bond is not searched: {error}"))
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
        twins=train_twins(run, twins, on_event),
    )


@torch.no_grad()
def model_states(classifier: Classifier, x: Floats) -> States:
    """Return the states whose kernel is that of a model in float64, of embeddings (N, D).

    They are `head_states`, or the loaded amplitudes (N, m) if there is no head, since a circuit without data keeps
    their inner products.
    """
    embeddings, encoder = torch.from_numpy(x), classifier.encoder
    assert encoder is not None  # the head is not a perceptron
    if isinstance(classifier.head, QuantumHead):
        return head_states(classifier.head, encoder(embeddings).numpy())
    loaded: Floats = classifier.quantum_encoders.loaded(embeddings).numpy()
    return loaded
