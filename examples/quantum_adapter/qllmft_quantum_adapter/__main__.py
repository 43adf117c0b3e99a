"""Circuit of a trained adapter as OpenQASM 3: ``python -m qllmft_quantum_adapter runs/quantum --layer query``."""

import argparse
import json
from pathlib import Path
from typing import Literal

import torch
from qiskit import QuantumCircuit
from safetensors.torch import load_file

from qllmft_circuits import to_qasm3
from qllmft_quantum_adapter.adapter import Settings
from qllmft_quantum_adapter.circuit import adapter_circuit, qubit_count

Factor = Literal["input", "output"]


def trained_circuit(run: Path, layer: str, factor: Factor) -> QuantumCircuit:
    """Return the circuit of one factor of a layer's adapter, with the other numbers of the change as its metadata.

    The change of the layer's weights is alpha · U diag(values) Vᵀ. The first ``rank`` columns of the matrix of the
    circuit, cut to ``rows``, are U for the factor "output" and V for "input".

    Args:
        run: folder of the run.
        layer: name of the layer, or the end of it.
        factor: the one with a row per output of the layer, or per input.

    Raises:
        SystemExit: if no layer, or more than one, has this name.
    """
    folder = run / "model" / "adapter"
    settings = Settings.model_validate_json((folder / "adapter_config.json").read_text("utf-8"))
    weights = load_file(folder / "adapter_model.safetensors")
    sizes = settings.sizes or {}
    fitting = [name for name in sizes if f".{name}".endswith(f".{layer}")]
    if len(fitting) != 1:
        raise SystemExit(
            f"{len(fitting)} layers fit {layer!r}, expected one of {', '.join(sizes)}."
        )
    (name,) = fitting
    rows = sizes[name][("input", "output").index(factor)]
    circuit = adapter_circuit(qubit_count(rows), settings.layers)
    circuit.metadata = {
        "layer": name,
        "factor": factor,
        "rows": rows,
        "rank": settings.rank,
        "alpha": settings.alpha,
        "values": weights[f"{name}.values"].tolist(),
    }
    return circuit.assign_parameters(weights[f"{name}.{factor}.angles"].to(torch.float64).numpy())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--layer", required=True, help="name of the layer, or the end of it")
    parser.add_argument("--factor", choices=("input", "output"), default="output")
    arguments = parser.parse_args()
    circuit = trained_circuit(arguments.run, arguments.layer, arguments.factor)
    version, _, program = to_qasm3(circuit)[0].partition("\n")
    print(f"{version}\n// numbers outside the circuit: {json.dumps(circuit.metadata)}\n{program}")
