"""Classical surrogate of a trained model: forms of its encoders, and its head in plain tensor operations."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from qllmft.bounds import MAX_MATRIX_ENTRIES
from qllmft.config import ModelConfig, SurrogateConfig
from qllmft.config.model import PAPER_ANSATZ
from qllmft.heads.classifier import Classifier, make_data_map
from qllmft.heads.data_map import DataMap
from qllmft.heads.loading import amplitudes, loaded_vector
from qllmft.heads.network import NetworkHead
from qllmft.heads.state import StateHead
from qllmft.heads.truncated import TruncatedHead
from qllmft.templates import Pad
from qllmft_base.budget import check_budget
from qllmft_base.errors import UserError

STATE_QUBITS = 16  # up to here a head is its state, whose texts are computed together
MAX_STATE_QUBITS = 20  # of a state: its signs take 84 MB
# seconds of one core, for the choice between a state and a network from 17 qubits on: per gate and
# amplitude, and per operation of the network (benchmarks/tensor_networks.json)
STATE_COST_S = 6e-9
NETWORK_COST_S = 3.3e-11


class LoadedVector(nn.Module):
    """Vectors (B, m), in which odd values are linear, of embeddings (B, D) behind the data map."""

    def __init__(self, data_map: DataMap | None, pad: Pad) -> None:
        super().__init__()
        self.data_map = data_map
        self.pad = pad

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, m) of embeddings (B, D)."""
        return loaded_vector(x if self.data_map is None else self.data_map(x), self.pad)


class QuadraticForms(nn.Module):
    """Quadratic forms Σ_i λ_i (v_i · s)² of the loaded amplitudes s, with λ (Q, r) and v (Q, r, m)."""

    def __init__(
        self, data_map: DataMap | None, pad: Pad, dimension: int, outputs: int, rank: int
    ) -> None:
        super().__init__()
        self.data_map = data_map
        self.pad = pad
        self.eigenvalues = nn.Parameter(torch.zeros(outputs, rank))
        self.vectors = nn.Parameter(torch.zeros(outputs, rank, dimension))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, Q) of embeddings (B, D)."""
        loaded = amplitudes(x if self.data_map is None else self.data_map(x), self.pad)
        outputs, rank = self.eigenvalues.shape
        parts = loaded @ self.vectors.flatten(0, 1).T  # (B, Q·r)
        return (parts.square() * self.eigenvalues.flatten()).reshape(-1, outputs, rank).sum(dim=2)


def build_surrogate(
    config: ModelConfig, dimension: int, n_classes: int, surrogate: SurrogateConfig
) -> Classifier:
    """Build the surrogate of a model with weights of zero.

    Args:
        config: structure of the model.
        dimension: D, number of values of an embedding.
        n_classes: k, number of labels or real targets.
        surrogate: rank of the encoders' forms and bond of the head.

    Raises:
        UserError: if the model is classical, or its head is wider than a state, no tensor network holds it and no bond
            is given.
    """
    if config.head == "mlp" or config.encoder != "quantum":
        raise UserError(
            "the model's encoder is classical, and a surrogate replaces quantum ones. Give another run."
        )
    if config.head == "none" and surrogate.bond is not None:
        raise UserError(
            f"the model has no head, and a bond of {surrogate.bond} is one of its state. Give no bond."
        )
    config = config.for_labels(n_classes)
    data_map = make_data_map(config, dimension)
    size = config.loaded_values(dimension)
    outputs = config.most_encoders * config.encoder_outputs
    encoder: nn.Module = LoadedVector(data_map, config.pad)
    if config.odd:
        if config.head == "none":
            return Classifier(encoder, None, nn.Linear(size, n_classes))
        encoder = nn.Sequential(encoder, nn.Linear(size, outputs, bias=False))
    else:
        size += config.pad != "zeros"
        rank = size if surrogate.rank is None else surrogate.rank
        if rank > size or outputs * rank * size > MAX_MATRIX_ENTRIES:
            raise UserError(
                f"{outputs} forms of rank {rank} on {size} amplitudes, expected a rank of at most {size}, and at most "
                f"{MAX_MATRIX_ENTRIES:,} entries in all. Choose a smaller rank."
            )
        encoder = QuadraticForms(data_map, config.pad, size, outputs, rank)
    if config.head == "none":
        return Classifier(encoder, None, nn.Linear(outputs, n_classes))
    head = _build_head(config, surrogate.bond)
    final = None
    n_readout_inputs = head.outputs + config.skip * config.n_qubits
    if config.final_linear:
        final = nn.Linear(n_readout_inputs, n_classes, bias=not config.skip)
    return Classifier(encoder, head, final, skip=config.skip, sign_readout=not config.final_linear)


def bound_surrogate_numbers(
    config: ModelConfig, dimension: int, n_classes: int, surrogate: SurrogateConfig
) -> int:
    """Return a lower bound of the numbers that the weights of `build_surrogate` hold, without building it.

    Args:
        config: structure of the model.
        dimension: D, number of values of an embedding.
        n_classes: k, number of labels or real targets.
        surrogate: rank of the encoders' forms and bond of the head.
    """
    config = config.for_labels(n_classes)
    width = config.loaded_values(dimension)
    stored = config.stored_numbers(dimension)
    outputs = config.most_encoders * config.encoder_outputs
    if config.odd:
        return stored + width * (n_classes if config.head == "none" else outputs)
    rank = width if surrogate.rank is None else surrogate.rank
    return stored + outputs * rank * width


def _build_head(config: ModelConfig, bond: int | None) -> StateHead | NetworkHead | TruncatedHead:
    if bond is not None:
        return TruncatedHead(config, bond)
    is_network = (config.ansatz, config.connectivity) == (PAPER_ANSATZ, 1)
    is_network &= config.measured_values != "words" or config.word_weight == 1
    qubits = config.register_qubits
    is_wide = qubits > STATE_QUBITS and is_network and not state_is_cheaper(config)
    if qubits <= MAX_STATE_QUBITS and not is_wide:
        return StateHead(config)
    if is_network:
        bond = 2**config.head_layers
        numbers, operations = (bond**4, bond**5) if config.ring else (bond**2, bond**3)
        check_budget(
            f"the tensor network of {config.head_layers} layers",
            torch.float32.itemsize * numbers,
            16 * config.n_qubits * operations,
        )
        return NetworkHead(config)
    raise UserError(
        f"the head has {qubits} qubits, ansatz {config.ansatz!r}, C = {config.connectivity} and readout "
        f"{config.measured_values!r}. Above {MAX_STATE_QUBITS} qubits there is an exact surrogate for single "
        "qubits of the ansatz 'paper' with C = 1 only. Give a bond: the head is then truncated, and each text has a "
        "bound on the error."
    )


def state_is_cheaper(config: ModelConfig) -> bool:
    """Return whether ⟨Z⟩ of the paper's ansatz with C = 1 takes less time by a state than by a tensor network.

    With L layers a state has 2^Q numbers, and Q·(R + L) gates pass over them. A network has bonds of χ = 2^L and takes
    16·Q·χ⁵ operations on a ring, whose environment has χ⁴ = 2^(4L) numbers per qubit, and 16·Q·χ³ on a chain.

    >>> [state_is_cheaper(ModelConfig(n_qubits=qubits)) for qubits in (17, 18, 19, 20)]
    [True, True, False, False]
    """
    state: int = (config.reuploads + config.head_layers) << config.register_qubits
    network: int = 16 << config.head_layers * (5 if config.ring else 3)
    return state * STATE_COST_S <= network * NETWORK_COST_S  # both per qubit
