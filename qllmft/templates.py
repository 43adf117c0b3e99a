"""Ansätze by name, and circuits of a model's encoder and head and its parts, from its settings alone, without torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import Gate, ParameterVectorElement

from qllmft.bounds import MAX_MATRIX_ENTRIES
from qllmft.config import ModelConfig
from qllmft.config.model import PAPER_ANSATZ
from qllmft.config.presets import Preset
from qllmft_backends.layouts import describe_layout, final_qubits
from qllmft_base.errors import UserError
from qllmft_base.plugins import Registry
from qllmft_base.text import error_text
from qllmft_circuits import (
    AnsatzOptions,
    count,
    encoder_circuit,
    head_circuit,
    readout_observables,
    weight_parameters,
)
from qllmft_circuits.ansatz import LIBRARY, Ansatz
from qllmft_circuits.inspect import CircuitCounts
from qllmft_circuits.names import listed_names

Pad = Literal["zeros", "bias", "constant"]  # filling of the amplitudes past an embedding

ANSATZE: Registry[Ansatz] = Registry(
    "ansatz", Callable, {PAPER_ANSATZ: AnsatzOptions(), **LIBRARY}, UserError
)
LOGISTIC_REGRESSION = "logistic regression"  # the baseline of a preset


def ansatz_named(name: str, n_qubits: int) -> Ansatz:
    """Return an ansatz of `ANSATZE` that was tried on ``n_qubits`` and checks each of its circuits."""
    function = ANSATZE[name]
    title = f"the ansatz {name!r} ({ANSATZE.source(name)})"

    def make(qubits: int, layers: int) -> QuantumCircuit:
        call = f"{title}, called with {qubits} qubits and {layers} layer{'s' * (layers > 1)},"
        try:
            circuit = function(qubits, layers)
        except Exception as error:  # user code may raise anything
            raise UserError(f"{call} failed: {error_text(error)}.") from error
        if fault := _fault(circuit, qubits):
            raise UserError(f"{call} {fault}.")
        return circuit

    one_layer = make(n_qubits, 1)
    two_layers = make(n_qubits, 2)
    if not 0 < one_layer.num_parameters < two_layers.num_parameters:
        raise UserError(
            f"{title} has {one_layer.num_parameters} parameters for 1 layer and {two_layers.num_parameters} for 2 "
            f"on {n_qubits} "
            "qubits, expected at least one, and more with every layer. Give each layer angles of its own."
        )
    if _bound(one_layer) != _bound(make(n_qubits, 1)):
        raise UserError(
            f"{title} made two different circuits of the same numbers. A trained model could not be loaded. Remove its "
            "randomness, or give it a seed."
        )
    return make


def _fault(circuit: object, n_qubits: int) -> str:
    """Describe the fault of a circuit by an ansatz, or return ""."""
    if not isinstance(circuit, QuantumCircuit):
        return f"made a {type(circuit).__name__}, expected a qiskit.QuantumCircuit"
    if circuit.num_qubits != n_qubits:
        return f"made a circuit of {circuit.num_qubits} qubits"
    if final_qubits(circuit) != list(range(n_qubits)):
        return (
            f"made a circuit in which others take the places of qubits: {describe_layout(circuit)}"
        )
    for instruction in circuit.data:
        operation = instruction.operation
        width = len(instruction.qubits)
        if operation.name == "barrier":
            continue
        if not isinstance(operation, Gate):
            return f"has a {operation.name!r}, expected gates only: measurements are a setting of the model"
        if width > 2:
            return f"has the gate {operation.name!r} on {width} qubits. Write it as gates on one and two (decompose())"
    used = set(circuit.parameters)
    vectors = {p.vector for p in used if isinstance(p, ParameterVectorElement)}
    for parameter in (parameter for vector in vectors for parameter in vector):
        if parameter not in used:
            return f"does not use the parameter {parameter.name}. Make the vector as long as there are angles"
    return ""


def _bound(circuit: QuantumCircuit) -> QuantumCircuit:
    """Return the circuit with numbers for parameters, because Qiskit compares vectors of parameters by identity."""
    return circuit.assign_parameters(np.arange(1.0, circuit.num_parameters + 1.0))


def head_ansatz(config: ModelConfig) -> Ansatz:
    """Return the ansatz of the head's layers, or raise UserError as in `ansatz_named`."""
    return _ansatz(config, config.ansatz, config.register_qubits, config.connectivity)


def encoder_ansatz(config: ModelConfig) -> Ansatz:
    """Return the ansatz of the encoder, with connectivity 1 as in every printed count of parameters."""
    return _ansatz(config, config.ansatz_of_encoders, config.latent_encoder_qubits, 1)


def _ansatz(config: ModelConfig, name: str, n_qubits: int, connectivity: int) -> Ansatz:
    if name == PAPER_ANSATZ:
        return AnsatzOptions(connectivity, config.ring, config.block)
    return ansatz_named(name, n_qubits)


def head_template(config: ModelConfig) -> QuantumCircuit | None:
    """Return the circuit of one register of the head, or None if the head is classical."""
    if config.head != "quantum":
        return None
    return head_circuit(
        config.register_qubits,
        config.reuploads,
        config.reupload_layers,
        config.main_layers,
        head_ansatz(config),
    )


def encoder_template(config: ModelConfig) -> QuantumCircuit | None:
    """Return one encoder's circuit, or None if the encoder is classical."""
    if config.encoder != "quantum":
        return None
    qubits = config.latent_encoder_qubits
    layers = config.encoder_layers
    return encoder_circuit(qubits, layers, encoder_ansatz(config))


def preset_parameters(preset: Preset, dimension: int, n_classes: int) -> int | None:
    """Return the number of trained parameters of a preset's head or baseline, or None for an SVC.

    Args:
        preset: The preset. An SVC has as many parameters as support vectors, which training decides.
        dimension: Number of values of an embedding, D.
        n_classes: Number of labels.
    """
    if preset.baseline is None:
        return sum(part_parameters(preset.config().model, dimension, n_classes).values())
    return dimension + 1 if preset.baseline == LOGISTIC_REGRESSION else None


def part_parameters(config: ModelConfig, dimension: int, n_classes: int) -> dict[str, int]:
    """Return the numbers of trained parameters of the encoders, the head and the final layer that the model has."""
    if config.head == "mlp":
        return {"head": _perceptron(config, dimension, n_classes)}
    config = config.for_labels(n_classes)
    head = head_template(config)
    encoder = encoder_template(config)
    if encoder is None:
        size = _perceptron(config, dimension, config.n_qubits)
    else:
        size = config.most_encoders * (encoder.num_parameters + (head is not None))
    parts = {"encoder": size}
    if head is None:
        return parts | {"final": (config.most_encoders * config.encoder_outputs + 1) * n_classes}
    parts["head"] = config.registers * len(weight_parameters(head))
    words = readout_observables(config.register_qubits, config.measured_values, config.word_weight)
    values = config.registers * len(words)
    n_readout_inputs = (
        config.n_qubits + 1 if config.skip else values + 1
    )  # with a skip there is no bias
    return parts | ({"final": n_readout_inputs * n_classes} if config.final_linear else {})


def least_numbers(config: ModelConfig, dimension: int, n_classes: int) -> int:
    """Return a lower bound of the numbers that a model's weights hold, without building a circuit.

    The parameters of an ansatz other than the paper's are not counted.
    """
    if config.head == "mlp":
        return _perceptron(config, dimension, n_classes)
    config = config.for_labels(n_classes)
    total = 0
    if config.encoder == "mlp":
        total += _perceptron(config, dimension, config.n_qubits)
    else:
        total += config.stored_numbers(dimension)
        if config.ansatz_of_encoders == PAPER_ANSATZ:
            of_layer = config.latent_encoder_qubits - (not config.ring)
            total += config.most_encoders * config.encoder_layers * of_layer
    if config.head == "quantum" and config.ansatz == PAPER_ANSATZ:
        n_missing_links = (
            0 if config.ring else sum(range(config.connectivity + 1))
        )  # of a chain's ends
        of_register = config.register_qubits * config.connectivity - n_missing_links
        total += config.head_layers * config.registers * of_register
    return total + n_classes * config.final_linear


def check_fits(config: ModelConfig, dimension: int, n_classes: int) -> None:
    """Raise UserError unless embedding, labels and structure fit together."""
    rows = max(config.hidden_dim, config.n_qubits, n_classes)
    if rows * dimension > MAX_MATRIX_ENTRIES or rows * n_classes > MAX_MATRIX_ENTRIES:
        raise UserError(
            f"embeddings of {dimension:,} values, {n_classes:,} labels and hidden_dim {config.hidden_dim:,} need a "
            f"weight matrix of more than {MAX_MATRIX_ENTRIES:,} entries. Choose a smaller hidden_dim, or another "
            "language model."
        )
    if config.head != "mlp":
        check_classes(config, n_classes)
    if config.encoder == "quantum":
        check_amplitudes(config.loaded_values(dimension), config.latent_encoder_qubits, config.pad)


def check_classes(config: ModelConfig, n_classes: int) -> None:
    """Raise UserError if the readout cannot represent ``n_classes`` labels."""
    if config.head != "mlp" and not config.final_linear and n_classes != 2:
        raise UserError(
            f"the data has {n_classes} labels. The sign of one qubit (final_linear = false) separates two. "
            "Set model.final_linear to true."
        )


def check_amplitudes(dimension: int, n_qubits: int, pad: Pad) -> None:
    """Raise UserError for another ``pad``, or if ``n_qubits`` have fewer amplitudes than ``dimension`` values need."""
    if pad not in get_args(Pad):
        raise UserError(f"pad is {pad!r}, expected one of {listed_names(get_args(Pad))}.")
    has_constant = pad != "zeros"
    needed = dimension + has_constant
    if needed > 2**n_qubits:
        values = f"{dimension} values"
        if has_constant:
            values += f" and a constant (pad = {pad!r})"
        raise UserError(
            f"the language model's embedding has {values}, and {n_qubits} encoder qubits hold {2**n_qubits} "
            f"amplitudes. Set model.encoder_qubits to {math.ceil(math.log2(needed))} or more, or take a smaller "
            "language model."
        )


def _perceptron(config: ModelConfig, dimension: int, n_outputs: int) -> int:
    """Return the number of parameters of a perceptron."""
    width = config.hidden_dim or dimension
    normalised = 2 * width if config.batch_norm else 0
    hidden = (dimension + 1) * width if config.hidden_dim else 0
    return hidden + normalised + (width + 1) * n_outputs


@dataclass(frozen=True)
class ModelPart:
    """Part of a model."""

    name: str
    parameters: int  # trained ones
    circuit: CircuitCounts | None = None  # None if the part is classical
    stored: int | None = None  # numbers of a data map, none of which is trained


@dataclass(frozen=True)
class ModelDescription:
    """Parts of a model, in their order."""

    parts: tuple[ModelPart, ...]

    @property
    def parameters(self) -> int:
        """Return the number of trained parameters."""
        return sum(part.parameters for part in self.parts)


def describe(config: ModelConfig, dimension: int, n_classes: int) -> ModelDescription:
    """Describe the parts of a model on embeddings of D = ``dimension`` values."""
    check_fits(config, dimension, n_classes)
    config = config.for_labels(n_classes)
    counts = part_parameters(config, dimension, n_classes)
    count_of = config.n_encoders
    encoder = "encoder" if count_of == 1 else f"encoder ({count_of} of them)"
    parts: list[ModelPart] = []
    if stored := config.stored_numbers(dimension):
        name = f"data map ({stored:,} numbers stored, none trained)"
        parts.append(ModelPart(name, 0, stored=stored))
    head = "head" if config.registers == 1 else f"head ({config.registers} registers)"
    for key, name, circuit in (
        ("encoder", encoder, encoder_template(config)),
        ("head", head, head_template(config)),
        ("final", "final linear", None),
    ):
        if key in counts:
            parts.append(ModelPart(name, counts[key], None if circuit is None else count(circuit)))
    return ModelDescription(tuple(parts))
