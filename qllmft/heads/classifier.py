"""Whole trainable model on top of the body: encoder, head, readout."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from qllmft.config import ModelConfig
from qllmft.heads.checks import check_backend
from qllmft.heads.classical import linear, linear_readout, perceptron
from qllmft.heads.data_map import DataMap
from qllmft.heads.encoder import QuantumEncoder
from qllmft.heads.parallel_encoders import ParallelEncoders
from qllmft.heads.quantum import QuantumHead
from qllmft.heads.sines import sine_readout
from qllmft.templates import check_fits, encoder_ansatz, head_ansatz
from qllmft_backends import Backend
from qllmft_base.errors import UserError, check_whole_number
from qllmft_base.randomness import torch_generator
from qllmft_engine import adjoint_or_none


class Classifier(nn.Module):
    """Map embeddings (B, D) to logits (B, k) or real values; see `build_classifier`.

    Args:
        encoder: maps (B, D) to the latent vector (B, Q); None if the head reads the embedding itself.
        head: maps (B, Q) to ⟨Z⟩ (B, Q_m), or to logits if it is a perceptron; None: ``final`` reads the latent vector.
        final: linear layer on the head's values, or None.
        skip: ``final`` also reads the latent vector.
        sign_readout: logits are (⟨Z⟩, -⟨Z⟩) of one qubit, so that the prediction is its sign (table IV, "No").
    """

    def __init__(
        self,
        encoder: nn.Module | None,
        head: nn.Module | None,
        final: nn.Linear | None,
        *,
        skip: bool = False,
        sign_readout: bool = False,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head
        self.final = final
        self.skip = skip
        self.sign_readout = sign_readout

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B, k) of embeddings (B, D)."""
        return self.from_latent(x if self.encoder is None else self.encoder(x))

    def from_latent(self, latent: Tensor) -> Tensor:
        """Return logits (B, k) of latent vectors (B, Q)."""
        return self.apply_readout(latent, latent if self.head is None else self.head(latent))

    def apply_readout(self, latent: Tensor, values: Tensor) -> Tensor:
        """Return logits (B, k) of the latent vector (B, Q) and the head's values (B, Q_m) from any backend.

        Without a head, its values are the latent vector.
        """
        if self.sign_readout:
            return torch.cat([values, -values], dim=-1)
        if self.final is None:
            return values
        logits: Tensor = self.final(torch.cat([latent, values], dim=-1) if self.skip else values)
        return logits

    @torch.no_grad()
    def rescale(self, factor: Tensor | float, shift: Tensor | float = 0.0) -> None:
        """Replace the outputs (B, k) by ``factor`` (k,) times them plus ``shift`` (k,), in the last linear layer.

        A sign readout has no such layer.
        """
        last_layer = self.final or (self.head[-1] if isinstance(self.head, nn.Sequential) else None)
        if not isinstance(last_layer, nn.Linear):
            raise ValueError("the outputs are not those of a linear layer.")
        last_layer.weight.copy_(last_layer.weight * torch.as_tensor(factor).reshape(-1, 1))
        if last_layer.bias is not None:
            last_layer.bias.copy_(last_layer.bias * factor + shift)

    @property
    def quantum_encoders(self) -> ParallelEncoders:
        """Return the encoders of a model that has quantum ones."""
        assert isinstance(self.encoder, ParallelEncoders)
        return self.encoder

    @property
    def has_odd_encoders(self) -> bool:
        """Return whether the latent values are those of odd encoders, linear in the loaded vector."""
        return isinstance(self.encoder, ParallelEncoders) and self.encoder.is_odd

    @property
    def data_map(self) -> DataMap | None:
        """Return the map of embeddings before they are loaded, or None."""
        return getattr(self.encoder, "data_map", None)

    @property
    def n_parameters(self) -> int:
        """Return the number of trainable parameters."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad)


def build_classifier(
    config: ModelConfig,
    dimension: int,
    n_classes: int,
    *,
    seed: int = 0,
    backend: Backend | None = None,
) -> Classifier:
    """Build a trainable model on embeddings.

    Args:
        config: structure of the model.
        dimension: D, number of values of an embedding.
        n_classes: k, number of labels or real targets.
        seed: seed of the initial weights.
        backend: runs the head's circuit; the project's own engine by default.

    Raises:
        UserError: if embedding, classes and structure do not fit together.
    """
    if not isinstance(config, ModelConfig):
        raise UserError(
            f"config is of type {type(config).__name__}, expected ModelConfig. That of a preset is "
            "qllmft.load_preset('sines').config({}).model."
        )
    check_whole_number("dimension", dimension, 1, ", the length of an embedding")
    check_whole_number("n_classes", n_classes, 1, ", the number of labels")
    check_backend(backend)
    check_fits(config, dimension, n_classes)
    if config.head == "mlp":
        head = perceptron(config, dimension, n_classes, torch_generator(seed, "weights", "head"))
        return Classifier(None, head, None)
    config = config.for_labels(n_classes)
    encoder = _build_encoder(config, dimension, seed, backend)
    if config.head == "none":
        n_values = config.most_encoders * config.encoder_outputs
        readout = linear_readout(n_values, n_classes, torch_generator(seed, "weights", "final"))
        return Classifier(encoder, None, readout)
    quantum_head = QuantumHead(
        config.n_qubits,
        config.reuploads,
        config.reupload_layers,
        config.main_layers,
        ansatz=head_ansatz(config),
        readout=config.measured_values,
        word_weight=config.word_weight,
        initial_angle=config.initial_angle,
        start=config.start,
        backend=backend,
        generator=torch_generator(seed, "weights", "head"),
        registers=config.registers,
    )
    quantum_head.connector.is_double = config.odd
    final = None
    if config.final_linear:
        n_inputs = config.n_qubits + 1 if config.skip else quantum_head.n_values
        generator = torch_generator(seed, "weights", "final")
        final = linear(n_inputs, n_classes, generator, bias=not config.skip)
        if config.start == "sines":
            sine_readout(final, config.registers)
    sign = not config.final_linear
    return Classifier(encoder, quantum_head, final, skip=config.skip, sign_readout=sign)


def make_data_map(config: ModelConfig, dimension: int) -> DataMap | None:
    """Return the data map of a model on embeddings of D values before it is fitted, or None if it has none."""
    scaled = config.pad == "constant"
    if config.components is None and not scaled:
        return None
    return DataMap(dimension, config.components, scaled=scaled)


def _build_encoder(
    config: ModelConfig, dimension: int, seed: int, backend: Backend | None
) -> nn.Module:
    if config.encoder == "mlp":
        generator = torch_generator(seed, "weights", "encoder")
        return perceptron(config, dimension, config.n_qubits, generator)
    encoders: list[QuantumEncoder] = []
    for index in range(config.most_encoders):
        encoder = QuantumEncoder(
            config.loaded_values(dimension),
            config.latent_encoder_qubits,
            config.encoder_outputs,
            config.encoder_layers,
            ansatz=encoder_ansatz(config),
            pad=config.pad,
            odd=config.odd,
            scaled=config.head != "none",
            scale=config.initial_scale,
            wires=config.measured_wires,
            initial_angle=config.initial_angle,
            backend=adjoint_or_none(backend) if backend else None,
            noisy=config.head == "none",
            generator=torch_generator(seed, "weights", "encoder", index),
            like=encoders[0] if encoders else None,
        )
        encoders.append(encoder)
    return ParallelEncoders(encoders, make_data_map(config, dimension))
