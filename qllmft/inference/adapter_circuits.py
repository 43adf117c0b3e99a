"""Circuits of a model's quantum adapter with their trained angles."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from qiskit import QuantumCircuit
from safetensors import SafetensorError
from safetensors.torch import load_file

from qllmft.embed.adapter import CONFIG, WEIGHTS, checked_adapter, quantum_settings
from qllmft.embed.circuit_columns import qubits_of
from qllmft.embed.linear_layers import listed
from qllmft.embed.quantum_adapter import read_settings
from qllmft.errors import UserError
from qllmft.files import read_text
from qllmft.model.store import StoredModel
from qllmft_circuits import adapter_circuit, weight_parameters

Factor = Literal["input", "output"]


def adapter_of(
    model: StoredModel, layer: str | None, factor: Factor, *, bound: bool
) -> tuple[QuantumCircuit, dict[str, Any]]:
    """Return the circuit of one factor of a layer's adapter, and the numbers of the change that it does not hold.

    The change of the layer's weights is alpha · U diag(values) Vᵀ. The first ``rank`` columns of the matrix of the
    circuit, cut to ``rows``, are U for the factor "output" and V for "input".
    """
    folder = None if model.body.adapter is None else checked_adapter(Path(model.body.adapter))
    content = None if folder is None else quantum_settings(read_text(folder / CONFIG))
    if folder is None or content is None:
        raise UserError("this model has no quantum adapter: there is no such circuit to export.")
    settings = read_settings(content, str(folder / CONFIG))
    try:
        weights, sizes = load_file(folder / WEIGHTS), dict(content["sizes"])
        name = _one_layer(list(sizes), layer)
        rows = int(sizes[name][("input", "output").index(factor)])
        circuit = adapter_circuit(qubits_of(rows), settings.layers)
        angles = dict(
            zip(
                weight_parameters(circuit), weights[f"{name}.{factor}.angles"].tolist(), strict=True
            )
        )
        values = weights[f"{name}.values"].tolist()
    except (KeyError, TypeError, ValueError, IndexError, SafetensorError, OSError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(
            f"the adapter in {folder} is damaged: its two files do not fit each other ({error}). Copy the folder again."
        ) from error
    numbers = {
        "layer": name,
        "factor": factor,
        "rows": rows,
        "rank": settings.rank,
        "alpha": settings.alpha,
        "values": values,
    }
    return circuit.assign_parameters(angles) if bound else circuit, numbers


def _one_layer(names: list[str], layer: str | None) -> str:
    """Return the name that ends in ``layer``, or the only one if that is None."""
    fitting = [name for name in names if layer is None or f".{name}".endswith(f".{layer}")]
    if len(fitting) == 1:
        return fitting[0]
    count = f"{len(fitting) or 'none'} of them fit {layer!r}" if layer else "an export writes one"
    raise UserError(
        f"the adapter changes {len(names)} layers, and {count}. Name one with --layer: {listed(names)}."
    )
