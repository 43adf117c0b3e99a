"""Rank of planted heads: when a limited bond keeps their values, and when their structure has a certificate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from lab.experiments.planted_heads import Floats
from qllmft.config import ModelConfig
from qllmft.heads import QuantumHead, TruncatedHead
from qllmft.templates import head_ansatz, head_template
from qllmft_audit import (
    certify,
    head_states,
    rank_bounds,
    schmidt_rank,
    schmidt_values,
)
from qllmft_base.randomness import torch_generator

QUBITS = 6  # a cut in the middle has a rank of at most 2^3
WIDE = 16  # qubits of a structure whose gates across the middle are counted
BONDS = (1, 2, 4, 8)
TEXTS = 64
EXACT = 1e-6  # largest bound on an error of ⟨Z⟩ that counts as rounding
SHALLOW = ((1, 0, False), (1, 1, False), (1, 2, False), (1, 3, False), (2, 1, False), (1, 1, True))
DEEP = (
    *((1, layers, False) for layers in (1, 16, 17)),
    *((1, layers, True) for layers in (1, 8, 9)),
    *((2, layers, False) for layers in (1, 5, 6)),
    *((2, layers, True) for layers in (1, 2, 3)),
)


def make_config(connectivity: int, layers: int, ring: bool, qubits: int = QUBITS) -> ModelConfig:
    """Return a head of one encoding and so many layers of the paper's ansatz."""
    return ModelConfig(
        n_qubits=qubits,
        reuploads=1,
        main_layers=layers,
        connectivity=connectivity,
        ring=ring,
    )


def describe_shape(connectivity: int, layers: int, ring: bool) -> str:
    """Return a structure in words."""
    kind = "ring" if ring else "chain"
    return f"{kind}, C = {connectivity}, {layers} layer{'s' * (layers != 1)}"


@torch.no_grad()
def truncations(angles: Floats) -> list[dict[str, Any]]:
    """Return, for each of `SHALLOW`, its Schmidt rank on angles (N, `QUBITS`), and the largest bound by bond."""
    rows = []
    for connectivity, layers, ring in SHALLOW:
        config = make_config(connectivity, layers, ring)
        head = QuantumHead(
            QUBITS,
            1,
            1,
            layers,
            ansatz=head_ansatz(config),
            generator=torch_generator(layers, "planted rank"),
        )
        states = head_states(head, angles[:TEXTS].astype(np.float64))
        rank = max(map(schmidt_rank, schmidt_values(states)))
        bounds = {}
        for bond in BONDS:
            truncated = TruncatedHead(config, bond)
            truncated.load_state_dict({"theta": head.connector.weight})
            _, value_bounds = truncated.values_with_bounds(torch.from_numpy(angles[:TEXTS]))
            bounds[str(bond)] = float(value_bounds.max())
        rows.append(
            {"shape": describe_shape(connectivity, layers, ring), "rank": rank, "bounds": bounds}
        )
    return rows


@dataclass(frozen=True)
class Deep:
    """Structure of `DEEP` with its certificate."""

    shape: str
    planted: int  # bound on the Schmidt rank in the middle, by the gates across it
    bond: int | None  # the certificate's
    is_certified: bool


def certificates() -> list[Deep]:
    """Return the structures of `DEEP`."""
    rows = []
    for connectivity, layers, ring in DEEP:
        config = make_config(connectivity, layers, ring, WIDE)
        circuit = head_template(config)
        assert circuit is not None
        certificate = certify(config)
        planted = rank_bounds(circuit)[WIDE // 2 - 1]
        rows.append(
            Deep(
                describe_shape(connectivity, layers, ring),
                planted,
                certificate.bond,
                certificate.holds,
            )
        )
    return rows
