"""Classical surrogate of a trained model, and its agreement with the circuits on the test texts."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import softmax

from qllmft.analysis.certificate import Certificate, certificate_of
from qllmft.analysis.forms import Forms, forms_of
from qllmft.config import ModelConfig, SurrogateConfig
from qllmft.energy.formula import flops_energy_kj, linear_energy_j, quantum_energies_j
from qllmft.energy.network import network_flops
from qllmft.errors import UserError
from qllmft.events import OnEvent, ignore
from qllmft.files import write_json
from qllmft.heads import Classifier, ParallelEncoders, QuantumHead, without_noise
from qllmft.heads.state import StateHead
from qllmft.heads.surrogate import NetworkHead, QuadraticForms, build_surrogate
from qllmft.heads.truncated import TruncatedHead
from qllmft.inference import Predictor
from qllmft.inference.evaluation import LabelledTexts
from qllmft.model.store import StoredModel, save_model
from qllmft.tasks.statistics import Accuracy
from qllmft.training import finite_logits
from qllmft.versions import versions

RECORD = "dequantised.json"  # in the surrogate's folder


@dataclass(frozen=True)
class Agreement:
    """Comparison of a surrogate with the circuits on labelled texts."""

    same_labels: Accuracy
    circuit: Accuracy  # accuracy of the circuits, without noise
    surrogate: Accuracy
    largest_difference: float  # of the logits
    # on the difference of a logit by truncation, the largest of all texts; 0 if the surrogate is
    # exact
    bound: float
    certain: int  # number of texts whose label the bound guarantees
    circuit_s: float  # processor time per text from the embedding on, in seconds
    surrogate_s: float


@dataclass(frozen=True)
class Dequantised:
    """Content of ``dequantised.json``."""

    rank: int | None  # eigenvalues per form; None if exact
    bond: int | None  # Schmidt values across each cut of the head; None if exact
    numbers: int  # numbers that the surrogate stores, the data map's included
    parameters: int  # of the circuits' model
    agreement: Agreement
    # of an inference by the paper's constants: surrogate, circuits on a GPU, on a QPU
    energies_j: dict[str, float]
    certificate: Certificate

    def as_dict(self) -> dict[str, Any]:
        """Return values for JSON."""
        shares = {
            name: part.as_dict()
            for name, part in vars(self.agreement).items()
            if isinstance(part, Accuracy)
        }
        return {**asdict(self), "agreement": asdict(self.agreement) | shares}


def dequantise(
    run: Path,
    out: Path,
    rank: int | None = None,
    bond: int | None = None,
    on_event: OnEvent = ignore,
) -> tuple[StoredModel, Dequantised]:
    """Write the surrogate of a run's model into a new folder, and compare both on the run's test texts.

    Args:
        run: the run's folder.
        out: folder of the surrogate, a model folder like any other.
        rank: eigenvalues kept of each quadratic form; None keeps all, which is exact.
        bond: Schmidt values kept across each cut of the head; None keeps all, which is exact.
        on_event: receives progress.

    Raises:
        UserError: if the model has no surrogate, the folder holds files, or the run's texts or body have changed.
    """
    if out.exists() and any(out.iterdir()):
        raise UserError(
            f"{out} exists and is not an empty folder. Choose another one with --out, or delete it."
        )
    predictor = Predictor.load(run)
    predictor.check_one_label("a surrogate is compared on")
    model = predictor.model
    surrogate, bounds = surrogate_of(model, rank, bond)
    texts = LabelledTexts.read(predictor, run, on_event=on_event)
    agreement = _compare(model.classifier, surrogate.classifier, texts, bounds)
    save_model(out, surrogate, versions())
    k, numbers = (
        len(model.label_names),
        sum(p.numel() for p in surrogate.classifier.state_dict().values()),
    )
    energies = dict(
        zip(("gpu", "qpu"), quantum_energies_j(model.config, model.dimension, k), strict=True)
    )
    energies = {
        "surrogate": linear_energy_j(1, numbers)
        + _head_energy_j(surrogate.classifier, model.config),
        **energies,
    }
    found = Dequantised(
        rank,
        bond,
        numbers,
        model.classifier.n_parameters,
        agreement,
        energies,
        certificate_of(model.config),
    )
    write_json(out / RECORD, found.as_dict())
    return surrogate, found


@torch.no_grad()
def surrogate_of(
    model: StoredModel, rank: int | None = None, bond: int | None = None
) -> tuple[StoredModel, Callable[[Tensor], Tensor]]:
    """Return the surrogate of a trained model, and the bound (N, k) on each logit's change by truncation.

    The bound is a function of embeddings (N, D): that of the bond depends on the text.
    """
    if model.surrogate is not None:
        raise UserError("the model is a surrogate already; give the run that it was made from.")
    classifier, chosen = model.classifier, SurrogateConfig(rank=rank, bond=bond)
    found = build_surrogate(model.config, model.dimension, len(model.label_names), chosen).eval()
    assert isinstance(classifier.encoder, ParallelEncoders)  # else there is no surrogate
    forms = forms_of(classifier.encoder)
    state, final = found.state_dict(), classifier.final
    if (data_map := classifier.data_map) is not None:
        name = next(name for name, part in found.named_modules() if type(part) is type(data_map))
        state |= {f"{name}.{key}": value for key, value in data_map.state_dict().items()}
    if final is not None:
        state |= {f"final.{key}": value for key, value in final.state_dict().items()}
    errors = np.zeros(len(forms.scales))
    if isinstance(found.encoder, QuadraticForms):
        values, vectors, errors = _largest(forms, found.encoder.eigenvalues.shape[1])
        state |= {"encoder.eigenvalues": values, "encoder.vectors": vectors}
    elif found.head is None and final is not None:  # odd encoders and a linear layer are one layer
        state["final.weight"] = (final.weight.double() @ _rows(forms)).float()
    else:
        state["encoder.1.weight"] = _rows(forms).float()
    if isinstance(classifier.head, QuantumHead):
        state["head.theta"] = classifier.head.connector.weight
    found.load_state_dict(state)
    bounds = partial(_logit_bounds, found, final, torch.from_numpy(errors), model.config.reuploads)
    return model.model_copy(
        update={"classifier": found, "surrogate": chosen, "checked": False}
    ), bounds


def _rows(forms: Forms) -> Tensor:
    linear = forms.linear
    assert linear is not None  # the encoders are odd
    return torch.from_numpy(linear)


def _largest(forms: Forms, rank: int) -> tuple[Tensor, Tensor, np.ndarray[Any, Any]]:
    """Return λ (Q, r) times the scale, v (Q, r, m), and the bound (Q,) on a latent value by what is left out."""
    values, vectors = np.linalg.eigh(forms.matrices)
    order = np.argsort(-np.abs(values), axis=1)
    values = np.take_along_axis(values, order, axis=1) * forms.scales[:, None]
    vectors = np.take_along_axis(vectors.transpose(0, 2, 1), order[:, :, None], axis=1)
    left_out = np.abs(values[:, rank]) if rank < values.shape[1] else np.zeros(len(values))
    return (
        torch.from_numpy(values[:, :rank]).float(),
        torch.from_numpy(vectors[:, :rank]).float(),
        left_out,
    )


@torch.no_grad()
def _logit_bounds(
    surrogate: Classifier, final: nn.Linear | None, errors: Tensor, reuploads: int, x: Tensor
) -> Tensor:
    """Return the bound (N, k) on the change of logits if latent values changed by at most ``errors`` (Q,).

    A derivative of ⟨Z⟩ by one angle is at most 1 in size, and a latent value turns R gates. ⟨Z⟩ changes by 2 at most,
    and by the head's own truncation.
    """
    latent, head = errors.expand(len(x), -1), surrogate.head
    values = latent
    if head is not None:
        values = (reuploads * errors.sum()).expand(len(x), cast("int", head.outputs))
    if isinstance(head, TruncatedHead):
        assert surrogate.encoder is not None  # a surrogate has an encoder
        values = values + head.measured(surrogate.encoder(x))[1][:, None]
    if head is not None:
        values = values.clamp(max=2.0)
    if final is None:
        return values.expand(-1, 2)
    read = torch.cat([latent, values], dim=1) if surrogate.skip else values
    return read @ final.weight.double().abs().T


def _compare(
    circuit: Classifier,
    surrogate: Classifier,
    texts: LabelledTexts,
    bounds_of: Callable[[Tensor], Tensor],
) -> Agreement:
    x = torch.from_numpy(texts.vectors)
    with without_noise(circuit):
        logits, circuit_s = _timed(circuit, x)
    found, surrogate_s = _timed(surrogate, x)
    labels, answers = (softmax(each, dim=1).argmax(dim=1).numpy() for each in (logits, found))
    best, bounds = logits.double().max(dim=1, keepdim=True), bounds_of(x)
    gaps = best.values - logits - (bounds.gather(1, best.indices) + bounds)
    gaps.scatter_(1, best.indices, 1.0)
    return Agreement(
        same_labels=Accuracy.of(labels, answers),
        circuit=Accuracy.of(texts.labels, labels),
        surrogate=Accuracy.of(texts.labels, answers),
        largest_difference=float((logits - found).abs().max()),
        bound=float(bounds.max()),
        certain=int((gaps > 0).all(dim=1).sum()),
        circuit_s=circuit_s,
        surrogate_s=surrogate_s,
    )


def _timed(model: nn.Module, x: Tensor) -> tuple[Tensor, float]:
    """Return the logits, and the processor time per text in seconds, after a first batch."""
    finite_logits(model, x[:1])
    started = time.process_time()
    logits = finite_logits(model, x)
    return logits, (time.process_time() - started) / len(x)


def _head_energy_j(classifier: Classifier, config: ModelConfig) -> float:
    """Return the joules of the head's own operations."""
    head = classifier.head
    if isinstance(head, NetworkHead):
        flops = network_flops(config, config.n_qubits)
    elif isinstance(head, TruncatedHead):
        flops = head.flops
    elif isinstance(head, StateHead):
        flops = len(head.ops) * 3 * 2**head.n_qubits  # a gate takes three operations per number
    else:
        flops = 0
    return 1000 * flops_energy_kj(flops)
