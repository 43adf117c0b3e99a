"""What a model is made of: its circuits, gates and parameters."""

from __future__ import annotations

from typing import Any

from qiskit import QuantumCircuit

from qllmft.config import ModelConfig
from qllmft.heads import ansatz_options, build_classifier
from qllmft_circuits import AnsatzOptions, count, encoder_circuit, head_circuit


def head_template(config: ModelConfig) -> QuantumCircuit | None:
    """The head's circuit; None where the head is classical."""
    if config.head != "quantum":
        return None
    return head_circuit(
        config.n_qubits, config.reuploads, config.reupload_layers, config.main_layers, ansatz_options(config)
    )


def encoder_template(config: ModelConfig) -> QuantumCircuit | None:
    """One encoder's circuit; None where the encoder is classical."""
    if config.encoder != "quantum":
        return None
    return encoder_circuit(
        config.latent_encoder_qubits, config.encoder_layers, AnsatzOptions(1, config.ring, config.block)
    )


def describe(config: ModelConfig, dimension: int, n_classes: int) -> dict[str, Any]:
    """Parts of a model, with their trained parameters and the counts of their circuits.

    Args:
        config: structure.
        dimension: D, of the embeddings.
        n_classes: k.

    Returns:
        ``parameters`` in all, and ``parts``: each a name, its parameters and, for a quantum one, its circuit's counts.
    """
    model = build_classifier(config, dimension, n_classes)
    parts: list[dict[str, Any]] = []
    for name, module, template in (
        (
            f"encoder ({config.n_encoders} of them)" if config.n_encoders > 1 else "encoder",
            model.encoder,
            encoder_template,
        ),
        ("head", model.head, head_template),
        ("final linear", model.final, None),
    ):
        if module is None:
            continue
        circuit = template(config) if template else None
        part: dict[str, Any] = {"name": name, "parameters": sum(p.numel() for p in module.parameters())}
        if circuit is not None:
            part["circuit"] = count(circuit).as_dict()
        parts.append(part)
    return {"parameters": model.n_parameters, "settings": config.model_dump(mode="json"), "parts": parts}
