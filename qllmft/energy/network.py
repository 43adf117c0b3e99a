"""Operations of the head's simulation by a tensor network (`qllmft.heads.network`), which has no state vector."""

from __future__ import annotations

from qllmft.config import ModelConfig
from qllmft.config.model import PAPER_ANSATZ
from qllmft.errors import UserError


def has_network(config: ModelConfig) -> bool:
    """Return whether the operations of a tensor network are counted for the head."""
    return config.head == "quantum" and config.ansatz == PAPER_ANSATZ and config.connectivity == 1


def network_flops(config: ModelConfig, n_qubits: int) -> int:
    """Return the operations of ⟨Z⟩ of all qubits of a head with C = 1.

    L layers have bonds of χ = 2^L. Two sweeps over the qubits each multiply an environment by two tensors, for both
    values of a qubit: 16·χ³ operations per qubit on a chain, and 16·χ⁵ on a ring, whose environment also holds the
    ring's bond.

    Raises:
        UserError: if the head has another ansatz, or a larger connectivity.
    """
    layers = (config.reuploads - 1) * config.reupload_layers + config.main_layers
    if not has_network(config):
        crossing = config.connectivity * (config.connectivity + 1) // 2 * (2 if config.ring else 1)
        raise UserError(
            f"the head is {config.head!r}, its ansatz {config.ansatz!r}, C = {config.connectivity}; the operations of "
            "a tensor network are counted for the paper's ansatz with C = 1 only (with this C the bound on the Schmidt "
            f"rank is {2**crossing}^{layers}). Omit --against, or set model.connectivity to 1."
        )
    return n_qubits * 16 * (1 << layers * (5 if config.ring else 3))
