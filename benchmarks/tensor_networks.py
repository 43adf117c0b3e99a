"""Heads beyond a state vector: a chain of 100 qubits and a ring of 34, by `qllmft.heads.network`, Aer and quimb.

``python benchmarks/tensor_networks.py benchmarks/tensor_networks.json``. Seconds are of the processor, one thread, per
text. Aer's ``matrix_product_state`` and quimb's ``CircuitMPS`` run in processes that end after --limit such seconds.
quimb is in the Python of --quimb. If opt_einsum is installed, the same network is also contracted by it: once, with a
weight per value of each qubit, whose gradient by autograd is all ⟨Z⟩. A gradient cannot be written as ONNX.
``--choice`` measures rings of 17 to 20 qubits as a state and as a network instead, and keeps the other rows: the
constants of `qllmft.heads.surrogate` are from it.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from qllmft.config import ModelConfig
from qllmft.heads.network import NetworkHead
from qllmft.heads.state import StateHead
from qllmft.heads.surrogate import state_is_cheaper
from qllmft_circuits import (
    AnsatzOptions,
    data_parameters,
    head_circuit,
    readout_observables,
    weight_parameters,
)

LAYERS = (1, 1, 1, 2)  # R = 4, N = 1, M = 2
HEADS = ((100, False), (34, True), (12, True))  # qubits, ring
CHOICES = ((18, 2), (19, 2), (20, 2))  # qubits, M of a ring with R = 4 and N = 1


QUIMB = """
import json, resource, sys, time
import numpy, quimb.tensor
head = json.load(sys.stdin)
resource.setrlimit(resource.RLIMIT_CPU, (head["limit"], head["limit"] + 5))
small = quimb.tensor.CircuitMPS(3)  # compiles
for gate in (("RY", 0.1, 0), ("CNOT", 0, 1), ("CNOT", 2, 0)):
    small.apply_gate(*gate)
started = time.process_time()
circuit = quimb.tensor.CircuitMPS(head["qubits"], cutoff=1e-12)
for gate in head["gates"]:
    circuit.apply_gate(*gate)
z = numpy.diag([1.0, -1.0])
values = [float(circuit.local_expectation(z, q).real) for q in range(head["qubits"])]
print(json.dumps({"values": values, "seconds": time.process_time() - started, "bond": circuit.psi.max_bond()}))
"""


def inputs(qubits: int, ring: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Return angles of two texts (2, Q) and weights (P,), uniform on [-π, π), in float64."""
    random = np.random.default_rng(qubits)
    weights = random.uniform(-np.pi, np.pi, 5 * (qubits if ring else qubits - 1))
    return torch.from_numpy(random.uniform(-np.pi, np.pi, (2, qubits))), torch.from_numpy(weights)


def make_network(qubits: int, ring: bool, theta: torch.Tensor) -> NetworkHead:
    """Return the head as a network with these weights, in their dtype, beyond the qubits that a model may have."""
    network = NetworkHead(ModelConfig().model_copy(update={"n_qubits": qubits, "ring": ring}))
    network.theta.data = theta
    return network.requires_grad_(False)


def by_network(qubits: int, ring: bool, dtype: torch.dtype) -> tuple[list[float], float]:
    """Return ⟨Z⟩ of the first text, and the processor seconds of the second."""
    latent, theta = (tensor.to(dtype) for tensor in inputs(qubits, ring))
    network = make_network(qubits, ring, theta)
    first = network(latent[:1])
    started = time.process_time()
    network(latent[1:])
    return first[0].double().tolist(), time.process_time() - started


def by_opt_einsum(qubits: int, ring: bool) -> tuple[list[float], float]:
    """Return ⟨Z⟩ of the first text and the processor seconds, in float32, of a greedy path and its gradient."""
    from opt_einsum import contract

    latent, theta = (tensor.float() for tensor in inputs(qubits, ring))
    for _ in range(2):  # the first call imports and warms up
        started = time.process_time()
        sites = make_network(qubits, ring, theta).sites(latent[:1])
        shares = torch.ones(qubits, 2, requires_grad=True)
        terms = []
        for q, site in enumerate(site_tensors[0] for site_tensors in sites):
            previous = (q - 1) % qubits
            if not ring:  # its outer bonds are at 0
                site = site[: None if q else 1, : None if q < qubits - 1 else 1]
            terms += [
                site,
                (previous, q, 2 * qubits + q),
                site * shares[q],
                (qubits + previous, qubits + q, 2 * qubits + q),
            ]
        (gradient,) = torch.autograd.grad(contract(*terms, (), optimize="greedy"), shares)
    return (gradient[:, 0] - gradient[:, 1]).double().tolist(), time.process_time() - started


def by_aer(
    qubits: int, ring: bool, limit: int, send: multiprocessing.connection.Connection
) -> None:
    """Send ⟨Z⟩ of the first text and the processor seconds."""
    from qiskit_aer import AerSimulator

    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))
    latent, theta = inputs(qubits, ring)
    circuit = head_circuit(qubits, 4, 1, 2, AnsatzOptions(1, ring))
    values = dict(zip(data_parameters(circuit), latent[0].tolist(), strict=True))
    values |= dict(zip(weight_parameters(circuit), theta.tolist(), strict=True))
    bound = circuit.assign_parameters(values)
    for q, z in enumerate(readout_observables(qubits)):
        bound.save_expectation_value(z, range(qubits), label=str(q))
    simulator = AerSimulator(method="matrix_product_state", max_parallel_threads=1)
    started = time.process_time()
    data = simulator.run(bound).result().data(0)
    send.send(([float(data[str(q)]) for q in range(qubits)], time.process_time() - started))


def by_quimb(qubits: int, ring: bool, limit: int, python: str) -> dict[str, object] | None:
    """Return ⟨Z⟩ of the first text, the processor seconds and the largest bond, or None if the limit ended it."""
    latent, theta = inputs(qubits, ring)
    angles = latent[0].tolist()
    weights = iter(theta.tolist())
    gates = []
    for count in LAYERS:
        gates += [("RY", angle, q) for q, angle in enumerate(angles)]
        for _ in range(count):
            for q in range(qubits if ring else qubits - 1):
                target = (q + 1) % qubits
                gates += [("CNOT", q, target), ("RY", next(weights), target)]
    quimb_input = json.dumps({"qubits": qubits, "gates": gates, "limit": limit})
    environment = os.environ | {"NUMBA_NUM_THREADS": "1"}
    process = subprocess.run(
        [python, "-c", QUIMB],
        input=quimb_input,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        check=False,
    )
    return json.loads(process.stdout) if process.returncode == 0 else None


@torch.no_grad()
def state_and_network(qubits: int, main_layers: int) -> dict[str, object]:
    """Return the processor seconds of one text as a state and as a network, in float32, and their difference."""
    config = ModelConfig(n_qubits=qubits, main_layers=main_layers)
    state = StateHead(config)
    network = NetworkHead(config)
    random = np.random.default_rng(qubits)
    weights = torch.from_numpy(random.uniform(-np.pi, np.pi, state.theta.shape)).float()
    latent = torch.from_numpy(random.uniform(-np.pi, np.pi, (1, qubits))).float()
    seconds = {}
    values = []
    for name, head in (("state_s", state), ("network_s", network)):
        head.theta.copy_(weights)
        head(latent)
        started = time.process_time()
        values.append(head(latent))
        seconds[name] = time.process_time() - started
    return {
        "qubits": qubits,
        "layers": 3 + main_layers,
        **seconds,
        "difference": float((values[0] - values[1]).abs().max()),
        "chosen": "state" if state_is_cheaper(config) else "network",
    }


def choices(file: Path) -> None:
    """Measure the rings of `CHOICES` and write them into the record beside its other rows."""
    rows = []
    for qubits, main_layers in CHOICES:
        rows.append(state_and_network(qubits, main_layers))
        print(rows[-1], flush=True)
    record = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps({**record, "choices": rows}, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Measure all heads and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument(
        "--limit", type=int, default=120, help="Processor seconds of Aer and of quimb per head."
    )
    parser.add_argument("--quimb", help="Python with quimb; without it, quimb is left out.")
    parser.add_argument("--choice", action="store_true", help="States and networks alone.")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.choice:
        choices(arguments.file)
        return
    rows = []
    choice_rows = []
    if arguments.file.exists():
        choice_rows = json.loads(arguments.file.read_text("utf-8")).get("choices", [])
    for qubits, ring in HEADS:
        exact, double_s = by_network(qubits, ring, torch.float64)
        single, single_s = by_network(qubits, ring, torch.float32)
        row = {"qubits": qubits, "ring": ring, "float64_s": double_s, "float32_s": single_s}
        row["float32_error"] = max(abs(a - b) for a, b in zip(exact, single, strict=True))
        receiver, sender = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.get_context("spawn").Process(
            target=by_aer, args=(qubits, ring, arguments.limit, sender)
        )
        process.start()
        sender.close()
        try:
            values, row["aer_s"] = receiver.recv()
            row["aer_difference"] = max(abs(a - b) for a, b in zip(exact, values, strict=True))
        except EOFError:
            row["aer_s"] = None
            row["aer_limit_s"] = arguments.limit
        process.join()
        if find_spec("opt_einsum") is not None:
            values, row["opt_einsum_s"] = by_opt_einsum(qubits, ring)
            row["opt_einsum_difference"] = max(
                abs(a - b) for a, b in zip(exact, values, strict=True)
            )
        if arguments.quimb is not None:
            quimb_row = by_quimb(qubits, ring, arguments.limit, arguments.quimb)
            row["quimb_s"] = quimb_row["seconds"] if quimb_row else None
            row["quimb_limit_s"] = None if quimb_row else arguments.limit
            if quimb_row:
                row["quimb_difference"] = max(
                    abs(a - b) for a, b in zip(exact, quimb_row["values"], strict=True)
                )
        rows.append(row)
        print(row, flush=True)
        arguments.file.write_text(
            json.dumps({"layers": LAYERS, "heads": rows, "choices": choice_rows}, indent=1) + "\n",
            encoding="utf-8",
        )


if __name__ == "__main__":
    main()
