"""Classical surrogate of a trained model, and its agreement with the circuits on the test texts."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from qllmft.config import SurrogateConfig
from qllmft.config.body import ADAPTER_FOLDER, BODY_FOLDER
from qllmft.energy.formula import (
    flops_energy_kj,
    linear_energy_j,
    network_flops,
    quantum_energies_j,
)
from qllmft.events import OnEvent, ignore
from qllmft.heads import QuantumHead
from qllmft.heads.network import NetworkHead
from qllmft.heads.state import StateHead
from qllmft.heads.surrogate import QuadraticForms, build_surrogate
from qllmft.heads.truncated import TruncatedHead
from qllmft.inference import Predictor
from qllmft.inference.labelled_texts import LabelledTexts
from qllmft.model import RECORD_FILE, WEIGHTS_FILE, StoredModel, save_model
from qllmft_audit.agreement import Pair, SurrogateAgreement
from qllmft_audit.certificate import Certificate, certify
from qllmft_audit.forms import compute_forms
from qllmft_base.errors import UserError
from qllmft_base.files import (
    is_writable,
    json_values,
    new_folder,
    parse_json,
    read_text,
    reading,
    write_bytes,
    write_json,
)
from qllmft_base.versions import install_command

RECORD = "dequantised.json"  # in the surrogate's folder
ONNX_OPSET = 17  # of ONNX


@dataclass(frozen=True)
class Dequantised:
    """Content of ``dequantised.json``."""

    kind: str  # in words, such as "an exact classical simulation of 10 qubits"
    rank: int | None  # eigenvalues per form; None if exact
    bond: int | None  # Schmidt values across each cut of the head; None if exact
    numbers: int  # numbers that the surrogate stores, the data map's included
    parameters: int  # of the circuits' model
    agreement: SurrogateAgreement
    # of an inference by the paper's constants: surrogate, circuits on a GPU, on a QPU
    energies_j: dict[str, float]
    certificate: Certificate

    def as_dict(self) -> dict[str, Any]:
        """Return values for JSON."""
        return dict(json_values(vars(self)))


def dequantise(
    run: Path,
    out: Path,
    rank: int | None = None,
    bond: int | None = None,
    on_event: OnEvent = ignore,
) -> tuple[StoredModel, Dequantised]:
    """Write the surrogate of a run's model into a folder, and compare both on the run's test texts.

    The folder is new, or holds a surrogate of the same rank and bond, which is replaced: a repeated call, also after
    a crash, ends in the same files.

    Args:
        run: the run's folder.
        out: folder of the surrogate, a model folder like any other.
        rank: eigenvalues kept of each quadratic form; None keeps all, which is exact.
        bond: Schmidt values kept across each cut of the head; None keeps all, which is exact.
        on_event: receives progress.

    Raises:
        UserError: if the model has no surrogate, the folder holds other files, or the run's texts or body have
            changed.
    """
    _check_folder_is_free(out, rank, bond)
    predictor = Predictor.load(run)
    predictor.check_one_label("a surrogate is compared on")
    model = predictor.model
    surrogate, pair = make_surrogate_pair(model, rank, bond)
    texts = LabelledTexts.load(predictor, run, on_event=on_event)
    agreement = pair.agreement(texts.vectors, texts.labels)
    numbers = sum(p.numel() for p in surrogate.classifier.state_dict().values())
    flops = 0
    head = surrogate.classifier.head
    if isinstance(head, NetworkHead):
        flops = network_flops(model.config, model.config.n_qubits)
    elif isinstance(head, TruncatedHead | StateHead):
        flops = head.flops
    truncations = [
        f"{name} {value}" for name, value in (("rank", rank), ("bond", bond)) if value is not None
    ]
    kind = f"exact: {'one linear layer' if model.config.odd else 'quadratic forms'}"
    if truncations:
        kind = f"truncated: {', '.join(truncations)}"
    elif isinstance(head, StateHead):
        kind = f"an exact classical simulation of {model.config.n_qubits} qubits"
    elif isinstance(head, NetworkHead):
        kind = f"an exact tensor network of {model.config.n_qubits} qubits"
    gpu, qpu = quantum_energies_j(model.config, model.dimension, len(model.label_names))
    classical = linear_energy_j(1, numbers) + 1000 * flops_energy_kj(flops)
    record = Dequantised(
        kind=kind,
        rank=rank,
        bond=bond,
        numbers=numbers,
        parameters=model.classifier.n_parameters,
        agreement=agreement,
        energies_j={"surrogate": classical, "gpu": gpu, "qpu": qpu},
        certificate=certify(model.config),
    )
    with new_folder(out) as new_out:
        save_model(new_out, surrogate)
        write_json(new_out / RECORD, record.as_dict())
    return surrogate, record


def _check_folder_is_free(out: Path, rank: int | None, bond: int | None) -> None:
    """Raise UserError if a folder cannot be written, or holds anything but a surrogate of this rank and bond."""
    if not is_writable(out.parent):
        raise UserError(f"the folder {out} cannot be written. Choose another one with --out.")
    names = {path.name for path in out.iterdir()} if out.exists() else set()
    if RECORD in names and names <= {
        RECORD,
        RECORD_FILE,
        WEIGHTS_FILE,
        BODY_FOLDER,
        ADAPTER_FOLDER,
    }:
        with reading(out / RECORD, "Choose another folder with --out, or delete this one."):
            earlier_record = parse_json(read_text(out / RECORD))
            if (earlier_record["rank"], earlier_record["bond"]) == (rank, bond):
                return
    if names:
        raise UserError(
            f"{out} exists and is not an empty folder. Choose another one with --out, or delete it."
        )


@torch.no_grad()
def make_surrogate_pair(
    model: StoredModel, rank: int | None = None, bond: int | None = None
) -> tuple[StoredModel, Pair]:
    """Return the surrogate of a trained model in float32, and both side by side."""
    if model.surrogate is not None:
        raise UserError("the model is a surrogate already. Give the run that it was made from.")
    if model.config.odd and rank is not None:
        raise UserError(
            f"the encoders are odd, so they become one linear layer, and a rank of {rank} is one of quadratic forms. "
            "Give no rank."
        )
    classifier = model.classifier
    surrogate_config = SurrogateConfig(rank=rank, bond=bond)
    surrogate, reference = (
        build_surrogate(
            model.config, model.dimension, len(model.label_names), surrogate_config
        ).eval()
        for _ in range(2)
    )
    forms = compute_forms(classifier.quantum_encoders)
    state = reference.double().state_dict()
    final = classifier.final
    if (data_map := classifier.data_map) is not None:
        name = next(
            name
            for name, submodule in surrogate.named_modules()
            if type(submodule) is type(data_map)
        )
        state |= {f"{name}.{key}": value for key, value in data_map.state_dict().items()}
    if final is not None:
        state |= {f"final.{key}": value for key, value in final.state_dict().items()}
    errors = torch.zeros(len(forms.scales), dtype=torch.float64)
    if isinstance(surrogate.encoder, QuadraticForms):
        values, vectors, errors = forms.largest_terms(surrogate.encoder.eigenvalues.shape[1])
        state |= {"encoder.eigenvalues": values, "encoder.vectors": vectors}
    elif (
        surrogate.head is None and final is not None
    ):  # odd encoders and a linear layer are one layer
        state["final.weight"] = final.weight.double() @ torch.from_numpy(forms.linear)
    else:
        state["encoder.1.weight"] = torch.from_numpy(forms.linear)
    if isinstance(classifier.head, QuantumHead):
        state["head.theta"] = classifier.head.connector.weight
    for target in (surrogate, reference):
        target.load_state_dict(state)
    surrogate_model = model.model_copy(
        update={"classifier": surrogate, "surrogate": surrogate_config, "checked": False}
    )
    return surrogate_model, Pair(classifier, surrogate, reference, errors, model.config.reuploads)


def check_onnx() -> None:
    """Raise UserError if the package onnx is not installed."""
    if find_spec("onnx") is None:
        raise UserError(
            "an ONNX file is written with the package onnx, which is not installed: "
            f"{install_command('export')}"
        )


def write_onnx(model: StoredModel, file: Path) -> None:
    """Write a surrogate as ONNX: input ``embedding`` (float32, N x D), output ``logits`` (float32, N x k)."""
    example = torch.eye(2, model.dimension)
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        content = Path(folder) / "model.onnx"
        # torch announces the end of this exporter; the newer one needs onnxscript
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model.classifier.eval(),
            (example,),
            content,
            input_names=["embedding"],
            output_names=["logits"],
            dynamic_axes={"embedding": {0: "n"}, "logits": {0: "n"}},
            opset_version=ONNX_OPSET,
            dynamo=False,
        )
        write_bytes(file, content.read_bytes())
