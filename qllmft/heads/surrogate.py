"""Classical surrogate of a trained model: forms and the head's state in plain tensor operations."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from qllmft.config import ModelConfig, SurrogateConfig
from qllmft.config.model import MOST_ENTRIES, PAPER_ANSATZ
from qllmft.errors import UserError
from qllmft.heads.classifier import Classifier, data_map_of
from qllmft.heads.data_map import DataMap
from qllmft.heads.encoder import Pad, amplitudes
from qllmft.heads.network import network_values
from qllmft.templates import head_ansatz, head_template
from qllmft_backends import UnsupportedGateError
from qllmft_backends.adjoint import lower
from qllmft_backends.adjoint.program.lowering import Op
from qllmft_circuits import AnsatzOptions, data_parameters, readout_observables

MOST_STATE_QUBITS = 16  # wider heads are tensor networks
STATE_ENTRIES = 2**24  # amplitudes at once


class UnitEmbedding(nn.Module):
    """Unit embedding (B, m) of embeddings (B, D) behind the data map."""

    def __init__(self, data_map: DataMap | None) -> None:
        super().__init__()
        self.data_map = data_map

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, m) of embeddings (B, D)."""
        return amplitudes(x if self.data_map is None else self.data_map(x), "zeros")


class QuadraticForms(nn.Module):
    """Quadratic forms Σ_i λ_i (v_i · s)² of the loaded amplitudes s, with λ (Q, r) and v (Q, r, m)."""

    def __init__(self, data_map: DataMap | None, pad: Pad, dimension: int, outputs: int, rank: int) -> None:
        super().__init__()
        self.data_map, self.pad = data_map, pad
        self.eigenvalues = nn.Parameter(torch.zeros(outputs, rank))
        self.vectors = nn.Parameter(torch.zeros(outputs, rank, dimension))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, Q) of embeddings (B, D)."""
        loaded = amplitudes(x if self.data_map is None else self.data_map(x), self.pad)
        outputs, rank = self.eigenvalues.shape
        parts = loaded @ self.vectors.flatten(0, 1).T  # (B, Q·r)
        return (parts.square() * self.eigenvalues.flatten()).reshape(-1, outputs, rank).sum(dim=2)


class StateHead(nn.Module):
    """Head's state vector by its gates, R_Y, CNOT, CZ, X and Z: ⟨Z⟩ (B, T) of latent angles (B, Q)."""

    by_angle: Tensor
    offset: Tensor
    signs: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        circuit, words = (
            head_template(config),
            readout_observables(config.n_qubits, config.measured, config.word_weight),
        )
        assert circuit is not None  # the head is quantum
        try:
            program = lower(circuit)
        except UnsupportedGateError as error:
            raise UserError(f"{error} A surrogate computes real gates only.") from error
        self.n_qubits = config.n_qubits
        self.outputs = len(words)
        self.ops = [tuple(map(int, op)) for op in program.ops]
        data = [p.name for p in data_parameters(circuit)]
        weights = [p.name for p in program.parameters if p.name not in data]
        names = [p.name for p in program.parameters]
        columns = [names.index(name) for name in (*data, *weights)]
        self.theta = nn.Parameter(torch.zeros(len(weights)))
        self._derive("by_angle", torch.from_numpy(program.angle_matrix[:, columns]).float())
        self._derive("offset", torch.from_numpy(program.angle_offset).float())
        masks = torch.tensor([sum(1 << int(q) for q in word.paulis[0].z.nonzero()[0]) for word in words])
        self._derive("signs", _signs(torch.arange(2**config.n_qubits)[:, None] & masks))

    def _derive(self, name: str, value: Tensor) -> None:
        self.register_buffer(name, value, persistent=False)

    def forward(self, latent: Tensor) -> Tensor:
        """Return ⟨Z⟩ (B, T) of latent angles (B, Q) in radians."""
        rows = max(1, STATE_ENTRIES >> self.n_qubits)
        if latent.shape[0] <= rows:
            return self._values(latent)
        return torch.cat([self._values(part) for part in torch.split(latent, rows)])

    def _values(self, latent: Tensor) -> Tensor:
        weights = latent[:, :1] * 0 + self.theta  # (B, P), for any B
        half = (torch.cat([latent, weights], dim=1) @ self.by_angle.T + self.offset) / 2
        cos, sin = torch.cos(half), torch.sin(half)
        state = latent[:, :1] * 0 + torch.eye(1, 2**self.n_qubits, dtype=latent.dtype)  # |0...0⟩
        for op, control, target, slot in self.ops:
            state = self._moved(op, control, target, state)
            if slot >= 0:
                state = _turned(state, target, cos[:, slot], sin[:, slot])
        return state.square() @ self.signs

    def _moved(self, op: int, control: int, target: int, state: Tensor) -> Tensor:
        """Return the state behind a gate that moves amplitudes or changes their signs."""
        index = torch.arange(2**self.n_qubits)
        if op in (Op.CX, Op.CX_ROT):
            return state.index_select(1, index ^ ((index >> control & 1) << target))
        if op == Op.X:
            return state.index_select(1, index ^ (1 << target))
        if op in (Op.Z, Op.CZ):
            both = index >> target & (1 if op == Op.Z else index >> control) & 1
            return state * (1 - 2 * both).to(state)
        return state


class NetworkHead(nn.Module):
    """Head of the paper's ansatz with C = 1 as a tensor network; see `network_values`."""

    def __init__(self, config: ModelConfig, options: AnsatzOptions) -> None:
        super().__init__()
        self.layers = [*[config.reupload_layers] * (config.reuploads - 1), config.main_layers]
        self.options, self.outputs = options, 1 if config.measured == "first" else config.n_qubits
        self.theta = nn.Parameter(torch.zeros(sum(self.layers) * options.layer_size(config.n_qubits)))

    def forward(self, latent: Tensor) -> Tensor:
        """Return ⟨Z⟩ (B, Q_m) of latent angles (B, Q) in radians."""
        return network_values(latent, self.theta, self.layers, self.options)[:, : self.outputs]


def build_surrogate(config: ModelConfig, dimension: int, n_classes: int, surrogate: SurrogateConfig) -> Classifier:
    """Build the surrogate of a model of ``config`` with weights of zero.

    Args:
        config: structure of the quantum model.
        dimension: D, length of the embeddings.
        n_classes: number k of labels.
        surrogate: rank of its forms.

    Raises:
        UserError: if the model is classical, or its head is wider than a state and no tensor network holds it.
    """
    if config.head == "mlp" or config.encoder != "quantum":
        raise UserError("the model's encoder is classical, and a surrogate replaces quantum ones; give another run.")
    config = config.for_labels(n_classes)
    data_map = data_map_of(config, dimension)
    size = dimension if data_map is None else data_map.width
    if config.head == "none" and config.odd:
        return Classifier(UnitEmbedding(data_map), None, nn.Linear(size, n_classes))
    outputs = config.most_encoders * config.encoder_outputs
    encoder = _encoder(config, data_map, size, outputs, surrogate)
    if config.head == "none":
        return Classifier(encoder, None, nn.Linear(outputs, n_classes))
    head = _head(config)
    final = None
    if config.final_linear:
        final = nn.Linear(head.outputs + config.skip * config.n_qubits, n_classes, bias=not config.skip)
    return Classifier(encoder, head, final, skip=config.skip, sign_readout=not config.final_linear)


def _encoder(
    config: ModelConfig, data_map: DataMap | None, size: int, outputs: int, surrogate: SurrogateConfig
) -> nn.Module:
    if config.odd:
        return nn.Sequential(UnitEmbedding(data_map), nn.Linear(size, outputs, bias=False))
    size += config.pad == "bias"
    rank = size if surrogate.rank is None else surrogate.rank
    if rank > size or outputs * rank * size > MOST_ENTRIES:
        raise UserError(
            f"{outputs} forms of rank {rank} on {size} amplitudes; expected a rank of at most {size}, and at most "
            f"{MOST_ENTRIES:,} entries in all. Choose a smaller rank."
        )
    return QuadraticForms(data_map, config.pad, size, outputs, rank)


def _head(config: ModelConfig) -> StateHead | NetworkHead:
    if config.n_qubits <= MOST_STATE_QUBITS:
        return StateHead(config)
    options = head_ansatz(config)
    single = config.measured != "words" or config.word_weight == 1
    if single and config.ansatz == PAPER_ANSATZ and isinstance(options, AnsatzOptions) and options.connectivity == 1:
        return NetworkHead(config, options)
    raise UserError(
        f"the head has {config.n_qubits} qubits, ansatz {config.ansatz!r}, C = {config.connectivity} and readout "
        f"{config.measured!r}. Above {MOST_STATE_QUBITS} qubits there is a surrogate for single qubits of the ansatz "
        "'paper' with C = 1 only; no certificate is given for others."
    )


def _turned(state: Tensor, target: int, cos: Tensor, sin: Tensor) -> Tensor:
    """Return states (B, 2^Q) behind R_Y on one qubit, with cos and sin (B,) of half its angle."""
    pairs = state.reshape(-1, state.shape[1] >> target + 1, 2, 2**target)
    cos, sin = cos.reshape(-1, 1, 1), sin.reshape(-1, 1, 1)
    low, high = pairs[:, :, 0], pairs[:, :, 1]
    return torch.stack([cos * low - sin * high, sin * low + cos * high], dim=2).reshape(-1, state.shape[1])


def _signs(masked: Tensor) -> Tensor:
    """Return (-1)^(number of ones) of integers, in float32."""
    parity = torch.zeros_like(masked)
    while masked.any():
        parity, masked = parity ^ (masked & 1), masked >> 1
    return (1 - 2 * parity).float()
