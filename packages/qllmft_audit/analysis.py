"""Analysis of a finished run: every number of its page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from qllmft.data.splits import Splits
from qllmft.events import Message, OnEvent, ignore
from qllmft.heads import Classifier, ParallelEncoders, QuantumHead
from qllmft.inference import Predictor
from qllmft.inference.run_texts import texts_of_run
from qllmft.run import RunFolder
from qllmft.run.record import RunRecord
from qllmft.training import Examples
from qllmft_audit.certificate import Certificate, certify
from qllmft_audit.entanglement import BondResult, States, head_states, meyer_wallach
from qllmft_audit.forms import FormsResult
from qllmft_audit.gradients import GradientVariance, decay_per_qubit, gradient_variances
from qllmft_audit.kernels import (
    GeometricDifference,
    KernelResult,
    classical_kernels,
    fidelities,
    kernel_svm,
)
from qllmft_audit.least_bond import LeastBonds, least_bonds
from qllmft_audit.twin import Twin, check_twin_folders, train_twins, twin_configs
from qllmft_base.errors import UserError
from qllmft_base.files import is_writable, json_values

Floats = NDArray[np.float64]

MAX_STATE_TEXTS = 64  # training texts whose states are taken apart
MAX_CHECKED_TEXTS = 256  # test texts on which the forms are compared with the circuits
MAX_QUBITS = 18  # of states: 435 training texts take 0.9 GB


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
        UserError: if the run is not finished, its texts or its body have changed, nothing in it is quantum, its folder
            cannot be written, or has twins with other settings.
    """
    predictor = _load_quantum_model(run)
    classifier = predictor.model.classifier.double()
    model = predictor.model.config
    record = RunFolder(run).require_record()
    config, _, splits = texts_of_run(run)
    twins = twin_configs(config) if twin else {}
    check_twin_folders(run, twins)
    if not is_writable(run):
        raise UserError(
            f"the folder {run} cannot be written, and its analysis goes into it. Analyse a copy of the folder."
        )
    train, validation, test = _embed_splits(predictor, splits, on_event)
    encoder = classifier.encoder
    head = classifier.head
    on_event(Message("analysing the encoder's forms and the head's states"))
    forms = bond = entanglement = kernel = least_bond_result = None
    if isinstance(encoder, ParallelEncoders):
        forms = FormsResult.compute(encoder, test.x[:MAX_CHECKED_TEXTS].double())
    if isinstance(head, QuantumHead):
        n_state_texts = MAX_STATE_TEXTS if head.circuit.num_qubits <= 14 else 4
        states = model_states(classifier, train.x[:n_state_texts].double().numpy())
        bond = BondResult.compute(head.circuit, states)
        text_entanglements = meyer_wallach(states)
        entanglement = float(text_entanglements.mean()), float(text_entanglements.std())
    geometry = {}
    if model.register_qubits <= MAX_QUBITS:
        on_event(Message(f"comparing kernels on {len(test.x):,} test texts"))
        kernel, states = kernel_svm(train, validation, test, lambda x: model_states(classifier, x))
        unit = torch.nn.functional.normalize(train.x.double(), dim=1).numpy()
        model_kernel = fidelities(states, states)
        named_kernels = classical_kernels(unit).items()
        geometry = {
            name: GeometricDifference.compute(model_kernel, classical_kernel)
            for name, classical_kernel in named_kernels
        }
    on_event(Message("drawing random weights for the variance of gradients"))
    gradients = tuple(gradient_variances(model, seed=record.seed))
    if isinstance(head, QuantumHead) and model.register_qubits <= MAX_QUBITS:
        on_event(Message("searching the least bond that keeps the labels"))
        try:
            least_bond_result = least_bonds(model, classifier, test.x.double())
        except UserError as error:
            on_event(Message(f"the least bond is not searched: {error}"))
    return Analysis(
        run=record,
        certificate=certify(model),
        forms=forms,
        bond=bond,
        least=least_bond_result,
        entanglement=entanglement,
        kernel=kernel,
        geometry=geometry,
        gradients=gradients,
        twins=train_twins(run, twins, on_event),
    )


def _load_quantum_model(run: Path) -> Predictor:
    """Return the model of a run, or raise UserError if it has several labels per text or no circuit."""
    predictor = Predictor.load(run)
    predictor.check_one_label("an analysis is about")
    if predictor.model.config.head == "mlp":
        raise UserError(
            "the model is classical: there is no circuit to analyse. Give a run with a quantum head."
        )
    return predictor


def _embed_splits(predictor: Predictor, splits: Splits, on_event: OnEvent) -> list[Examples]:
    """Return the vectors and labels of the training, validation and test texts."""
    if splits.folds is not None:
        text = "kernels are trained without the first fold of the training texts, which chooses their C"
        on_event(Message(text))
        splits = splits.take_fold(0)
    tables = {"training": splits.train, "validation": splits.validation, "test": splits.test}
    return predictor.embed_tables(tables, on_event)


@torch.no_grad()
def model_states(classifier: Classifier, x: Floats) -> States:
    """Return the states whose kernel is that of a model in float64, of embeddings (N, D).

    They are `head_states`, or the loaded amplitudes (N, m) if there is no head, since a circuit without data keeps
    their inner products.
    """
    embeddings = torch.from_numpy(x)
    encoder = classifier.encoder
    assert encoder is not None  # the head is not a perceptron
    if isinstance(classifier.head, QuantumHead):
        return head_states(classifier.head, encoder(embeddings).numpy())
    loaded_amplitudes: Floats = classifier.quantum_encoders.load_amplitudes(embeddings).numpy()
    return loaded_amplitudes
