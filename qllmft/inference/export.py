"""Circuits of a trained model as QASM, QPY or a drawing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from qiskit import ClassicalRegister, QuantumCircuit
from torch import Tensor

from qllmft.heads import Classifier, ParallelEncoders, QuantumHead
from qllmft.inference.predictor import Predictor
from qllmft.model import StoredModel, load_model
from qllmft.run.folder import RunFolder
from qllmft.templates import encoder_template
from qllmft_base.errors import UserError
from qllmft_base.files import write_bytes, write_json, writing
from qllmft_base.text import json_text
from qllmft_base.versions import install_command
from qllmft_circuits import (
    data_parameters,
    draw_text,
    to_qasm2,
    to_qasm3,
    to_qpy,
    weight_parameters,
)
from qllmft_circuits.encoder import loading_circuit
from qllmft_circuits.inspect import draw_svg
from qllmft_tables.cells import is_blank

Format = Literal["qasm3", "qasm2", "qpy", "svg", "txt"]
Part = Literal["head", "encoder"]
Weights = Literal["bound", "free"]
_NUMBERS_LABEL = "numbers outside the circuit"  # mark of a line of JSON
_ENCODER_NOTE = [
    "latent values: latent_scale times the expectation value of Z on each of the qubits, in their order",
    "An odd encoder takes half the difference between this circuit and the one of --minus.",
]
_MINUS_MESSAGE = (
    "--minus changes the constant that is loaded with a text into an odd encoder. Omit it."
)


@dataclass(frozen=True)
class ExportRequest:
    """Choice of a model's circuit and its form."""

    format: Format = "qasm3"  # qpy is Qiskit's binary form; svg and txt are drawings
    part: Part = "head"  # the head, or one encoder
    # text that binds the head to its latent angles in radians, or begins the encoder with a gate
    # ``load`` of its embedding; without it the head's ``x`` stays free and the encoder starts from
    # any state
    text: str | None = None
    weights: Weights = "bound"  # the trained ones, or the free parameter ``theta``
    encoder: int | None = None  # index of the encoder from 0; needed if there are several
    # write ``load`` as R_Y and CNOT rather than as a gate with a definition
    decompose: bool = False
    # measure the read qubits at the end, the i-th of them into bit i of the register ``c``
    measure: bool = False
    minus: bool = False  # of an odd encoder, the circuit with the negative constant
    # index of a head's register from 0; needed if there are several
    register: int | None = None

    def __post_init__(self) -> None:
        if self.text is not None and is_blank(self.text):
            raise UserError("--text is empty. There is nothing in it to bind the circuit to.")
        if self.part != "encoder" and self.encoder is not None:
            raise UserError(
                f"--encoder {self.encoder} names an encoder, and --part is {self.part}. Add --part encoder."
            )
        if self.part != "head" and self.register is not None:
            raise UserError(
                f"--register {self.register} names a register of the head, and --part is {self.part}. Omit one of them."
            )
        if self.decompose and (self.part != "encoder" or self.text is None):
            raise UserError(
                "--decompose spells out the gate that loads a text into an encoder. Add --part encoder --text '...'."
            )
        if self.minus and (self.part != "encoder" or self.text is None):
            raise UserError(_MINUS_MESSAGE)
        if self.format == "qasm2" and self.weights == "free":
            raise UserError(
                "QASM 2 has no parameters, so --weights free needs --format qasm3 or qpy."
            )
        if self.format == "qasm2" and self.part == "head" and self.text is None:
            raise UserError(
                "QASM 2 has no parameters, and the head's data angles x are free without a text. "
                "Bind them with --text '...', or use --format qasm3 or qpy."
            )


@dataclass(frozen=True)
class Export:
    """Exported circuit."""

    circuit: QuantumCircuit
    content: bytes  # content of the file; UTF-8 unless the format is ``qpy``
    names: dict[str, str]  # identifiers of free parameters in QASM 3; empty in other formats

    def write(self, path: Path) -> list[Path]:
        """Write the file, and ``<file>.names.json`` if there are names, and return the paths."""
        if path.is_dir():
            raise UserError(f"{path} is a folder. Give --out the name of a file.")
        with writing(f"the file {path}"):
            write_bytes(path, self.content)
            if not self.names:
                return [path]
            names_file = path.with_name(f"{path.name}.names.json")
            write_json(names_file, self.names)
        return [path, names_file]


def export_run(run: Path | str, request: ExportRequest) -> Export:
    """Export a circuit of the model in a run's folder.

    The body is loaded only if there is a text.
    """
    return _export(_load_trained(run), request)


def export_registers(run: Path | str, request: ExportRequest) -> list[Export]:
    """Export the circuit of each register of a run's head, in their order. Model and body are loaded once."""
    predictor = _load_trained(run)
    registers = range(predictor.model.config.registers)
    return [_export(predictor, replace(request, register=index)) for index in registers]


def _load_trained(run: Path | str) -> Predictor:
    RunFolder(Path(run)).unfinished_note()  # it raises if no epoch was trained
    return Predictor(load_model(Path(run)))


def _export(predictor: Predictor, request: ExportRequest) -> Export:
    model = predictor.model
    circuit = (
        export_head(predictor, request)
        if request.part == "head"
        else export_encoder(model, request)
    )
    reading_note = _head_note(model, request) if request.part == "head" else _ENCODER_NOTE
    content, names = _render(circuit, request.format, reading_note)
    return Export(circuit, content, names)


def _numbers_outside_circuit(model: StoredModel, **part_numbers: Any) -> dict[str, Any]:
    """Return the trained numbers between the circuit's values and the logits, which no circuit holds.

    An encoder's latent values are ``latent_scale`` times ⟨Z⟩ of ``qubits``. If it is ``odd``, half the difference of
    ⟨Z⟩ between its two circuits takes the place of ⟨Z⟩.
    Logits are ``weight`` · values + ``bias``, one per label, and without a final linear layer they are the values.
    Values are the head's (⟨Z⟩ of its observables), or the latent values if there is no head. Registers of a head have
    their columns of ``weight`` each, and the logits are the sum over all of them, plus ``bias`` once.
    """
    labels = list(model.label_names)
    final = model.classifier.final
    if final is not None:
        part_numbers["weight"] = final.weight.tolist()
        part_numbers["bias"] = [0.0] * len(labels) if final.bias is None else final.bias.tolist()
    return {"labels": labels, **part_numbers}


def export_head(predictor: Predictor, request: ExportRequest) -> QuantumCircuit:
    """Return the head's circuit, free in ``x`` without a text and in ``theta`` if weights are free.

    If it is measured, then on the qubits that the head's observables read, in their order.
    """
    model = predictor.model
    head = model.classifier.head
    if not isinstance(head, QuantumHead):
        raise UserError(
            "this model has no head: its linear layer reads the encoders. Add --part encoder."
            if head is None and model.surrogate is None
            else "the head of this model is classical: there is no circuit to export."
        )
    index = _register(head, request.register)
    values = {}
    if request.text is not None:
        encoder = model.classifier.encoder
        vector = torch.from_numpy(predictor.embed([request.text]))
        with torch.no_grad():
            latent = vector if encoder is None else encoder(vector)
        angles = latent[0].chunk(head.registers)[index].tolist()
        values = dict(zip(data_parameters(head.circuit), angles, strict=True))
    if request.weights == "bound":
        weights = head.connector.weight.detach().chunk(head.registers)[index].tolist()
        values |= dict(zip(weight_parameters(head.circuit), weights, strict=True))
    circuit = head.circuit.assign_parameters(values)
    circuit.metadata = _numbers_outside_circuit(model)
    if head.registers > 1:
        columns = np.split(np.array(circuit.metadata["weight"]), head.registers, axis=1)
        of_register = {"weight": columns[index].tolist(), "register": index}
        circuit.metadata |= of_register | {"registers": head.registers}
    reads_qubit = np.any(
        [observable.paulis.z.any(axis=0) for observable in head.observables], axis=0
    )
    return (
        _add_measurements(circuit, np.flatnonzero(reads_qubit).tolist())
        if request.measure
        else circuit
    )


def _register(head: QuantumHead, index: int | None) -> int:
    """Return the index of the register to export, or raise UserError if it is none of the head's."""
    if index is None and head.registers > 1:
        raise UserError(
            f"this head has {head.registers} registers, each a circuit of its own. Choose one with --register 0 to "
            f"{head.registers - 1}, or name a file with --out, which writes one for each."
        )
    index = index or 0
    if not 0 <= index < head.registers:
        raise UserError(
            f"--register is {index}, expected 0 to {head.registers - 1}, a register of this head."
        )
    return index


def export_encoder(model: StoredModel, request: ExportRequest) -> QuantumCircuit:
    """Return one encoder's circuit, behind the loaded embedding if there is a text.

    The q-th latent value, q < Q/E, is ⟨Z⟩ of qubit q times the encoder's scale. For an odd encoder ⟨Z⟩ is half the
    difference between this circuit and the one with the negative constant.
    """
    template = encoder_template(model.config)
    if template is None or not isinstance(model.classifier.encoder, ParallelEncoders):
        raise UserError("this model has no quantum encoder: there is no such circuit to export.")
    parallel = model.classifier.encoder
    encoders = parallel.encoders
    if request.encoder is None and len(encoders) > 1:
        raise UserError(
            f"this model has {len(encoders)} encoders. Choose one: --encoder 0 to {len(encoders) - 1}."
        )
    index = request.encoder or 0
    if not 0 <= index < len(encoders):
        raise UserError(
            f"--encoder is {index}. This model's encoders are {', '.join(map(str, range(len(encoders))))}."
        )
    encoder = encoders[index]
    if request.minus and not encoder.odd:
        raise UserError(_MINUS_MESSAGE)
    circuit = QuantumCircuit(template.num_qubits, name=template.name)
    if request.text is not None:
        vector = embedding(model, request.text)
        state = parallel.load_amplitudes(vector, encoder.signs[request.minus])[0].tolist()
        load = loading_circuit(state, template.num_qubits)
        circuit.compose(load if request.decompose else load.to_gate(), inplace=True)
    circuit.compose(template, inplace=True)
    if request.weights == "bound":
        pairs = zip(weight_parameters(template), encoder.theta.detach().tolist(), strict=True)
        circuit = circuit.assign_parameters(dict(pairs))
    wires = model.config.measured_wires
    circuit.metadata = _numbers_outside_circuit(
        model, latent_scale=encoder.scale.item(), qubits=wires, odd=encoder.odd
    )
    return _add_measurements(circuit, wires) if request.measure else circuit


def embedding(model: StoredModel, text: str) -> Tensor:
    """Return the embedding (1, D) of a text by the model's body."""
    return torch.from_numpy(Predictor(model).embed([text]))


def _add_measurements(circuit: QuantumCircuit, qubits: list[int]) -> QuantumCircuit:
    """Measure qubits into the register ``c``, and return the circuit."""
    register = ClassicalRegister(len(qubits), "c")
    circuit.add_register(register)
    circuit.measure(qubits, register)
    return circuit


def _head_note(model: StoredModel, request: ExportRequest) -> list[str]:
    """Return lines that say how a head's circuit and the numbers outside of it give the logits."""
    head = model.classifier.head
    assert isinstance(head, QuantumHead)
    observables = [" + ".join(operator.paulis.to_labels()) for operator in head.observables]
    lines = [
        f"values: the expectation values of {', '.join(observables)}, whose rightmost letter is qubit 0",
        f"logits: {_logits_text(model.classifier)}",
    ]
    if request.text is None:
        lines.append(
            "x: latent angles of a text in radians. The encoders compute them and are not in this file. "
            "qllmft export RUN --text 'your text' binds them."
        )
    return lines


def _logits_text(classifier: Classifier) -> str:
    """Return how the logits follow from the values of a head's circuit."""
    if classifier.sign_readout:
        return "the value, and minus the value"
    if classifier.skip:
        return "weight times the latent angles x, in their order, and then the values"
    head = classifier.head
    if isinstance(head, QuantumHead) and head.registers > 1:
        return "the sum over all registers of weight times values, plus bias once"
    return "weight times values, plus bias. Without a weight, the logits are the values."


def _render(
    circuit: QuantumCircuit, form: Format, reading_note: Sequence[str]
) -> tuple[bytes, dict[str, str]]:
    """Return a file's content, with lines on the use of its numbers, and the identifiers of its free parameters."""
    if form == "qpy":
        return to_qpy(circuit), {}
    names: dict[str, str] = {}
    numbers = json_text(circuit.metadata)
    if form in ("qasm3", "qasm2"):
        text, names = to_qasm3(circuit) if form == "qasm3" else (to_qasm2(circuit), {})
        version, _, statements = text.partition("\n")
        comments = "".join(
            f"// {line}\n" for line in (f"{_NUMBERS_LABEL}: {numbers}", *reading_note)
        )
        text = f"{version}\n{comments}{statements}"
    elif form == "txt":
        text = f"{draw_text(circuit)}\n{_NUMBERS_LABEL}: {numbers}\n"
    else:
        try:
            text = draw_svg(circuit)
        except ImportError as error:
            raise UserError(
                f"a drawing in SVG needs matplotlib and pylatexenc: {install_command('demo')}."
            ) from error
    return text.encode(), names
