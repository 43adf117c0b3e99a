"""Table of the measured libraries, one entry per row of the result."""

from __future__ import annotations

from dataclasses import dataclass, field

FLOAT32_TOLERANCE = 1e-4
FLOAT64_TOLERANCE = 1e-8
PROJECT = "qllmft"
UP_TO_14 = {"enc": 14, "head": 14, "mixed": 14}
WITHOUT_ENC = {"head": 14, "mixed": 14}
FROM_ZERO = {"enc": "its gradient starts from |0…0⟩ only"}


@dataclass(frozen=True)
class Peer:
    """Library, or a variant of one, that is measured.

    Attributes:
        name: key on the command line and in the results.
        label: name in tables and figures.
        environment: folder under ``peers/`` with its requirements and workers, and name of its virtual environment.
        variant: passed to the worker.
        tolerance: largest absolute difference from the reference that still passes.
        largest: most qubits of a workload by default. A larger one takes minutes or tens of gigabytes. If a workload is
            not named, this peer cannot run it.
        reasons: why it cannot run a workload.
    """

    name: str
    label: str
    environment: str
    variant: str = "-"
    tolerance: float = FLOAT32_TOLERANCE
    largest: dict[str, int] = field(default_factory=lambda: {"enc": 14, "head": 14})
    reasons: dict[str, str] = field(default_factory=dict)


PEERS = {
    peer.name: peer
    for peer in (
        Peer(PROJECT, "qllmft", PROJECT, largest={"enc": 20, "head": 20, "mixed": 18}),
        Peer(
            "torchquantum",
            "TorchQuantum",
            "torchquantum",
            largest={"enc": 16, "head": 16, "mixed": 14},
        ),
        Peer(
            "pennylane-default", "PennyLane default.qubit, backprop", "pennylane", "default.qubit"
        ),
        Peer(
            "pennylane-lightning",
            "PennyLane lightning.qubit, adjoint",
            "pennylane",
            "lightning.qubit",
            largest={"enc": 16, "head": 16, "mixed": 14},
        ),
        Peer(
            "pennylane-kokkos",
            "PennyLane lightning.kokkos, adjoint",
            "pennylane",
            "lightning.kokkos",
            largest=UP_TO_14,
        ),
        Peer("pyqtorch", "pyqtorch, AD", "pyqtorch"),
        Peer("jax", "JAX, written for this circuit", "jax", largest={"enc": 16, "head": 16}),
        Peer(
            "tensorcircuit-scan",
            "TensorCircuit-NG on JAX, scan over layers",
            "tensorcircuit",
            "scan",
        ),
        Peer(
            "tensorcircuit-unrolled",
            "TensorCircuit-NG on JAX",
            "tensorcircuit",
            largest={"head": 12, "mixed": 10},
        ),
        Peer(
            "flagquantum-autograd",
            "FlagQuantum, autograd",
            "flagquantum",
            "autograd",
            largest=UP_TO_14,
        ),
        Peer(
            "flagquantum-adjoint",
            "FlagQuantum, adjoint in a loop over the batch",
            "flagquantum",
            largest=UP_TO_14,
        ),
        Peer("scaluq", "scaluq, gradient in a loop over the batch", "scaluq", largest=UP_TO_14),
        Peer(
            "metatron",
            "metatron-qso, adjoint",
            "metatron",
            tolerance=FLOAT64_TOLERANCE,
            largest=UP_TO_14,
        ),
        Peer(
            "qulacs",
            "qulacs, backprop in a loop over the batch",
            "qulacs",
            tolerance=FLOAT64_TOLERANCE,
            largest=WITHOUT_ENC,
            reasons=FROM_ZERO,
        ),
        Peer(
            "panta",
            "panta-sim, adjoint",
            "panta",
            tolerance=FLOAT64_TOLERANCE,
            largest=WITHOUT_ENC,
            reasons=FROM_ZERO,
        ),
        Peer(
            "mindquantum",
            "MindQuantum mqvector, adjoint in a loop over the batch",
            "mindquantum",
            largest=UP_TO_14,
        ),
        Peer(
            "prism",
            "PRISM-Q, adjoint",
            "prism",
            tolerance=FLOAT64_TOLERANCE,
            largest=WITHOUT_ENC,
            reasons=FROM_ZERO,
        ),
        Peer(
            "maestro",
            "Maestro, batched adjoint",
            "maestro",
            tolerance=FLOAT64_TOLERANCE,
            largest=WITHOUT_ENC,
            reasons=FROM_ZERO,
        ),
        Peer("deepquantum", "DeepQuantum, autograd", "deepquantum", largest=UP_TO_14),
        Peer(
            "plain-c",
            "plain C, written for these circuits",
            "plain_c",
            largest={"enc": 18, "head": 18, "mixed": 14},
        ),
        Peer(
            "fastqml",
            "fastQML, autograd",
            "fastqml",
            reasons={"mixed": "it has no SX"},
        ),
        Peer("pyvqnet", "VQNet, autograd", "pyvqnet"),
        Peer(
            "moonlab",
            "Moonlab, adjoint in a loop over the batch",
            "moonlab",
            tolerance=FLOAT64_TOLERANCE,
            largest={"head": 14},
            reasons=FROM_ZERO
            | {"mixed": "it has no gates on two qubits by an angle but controlled ones"},
        ),
        Peer("torq", "TorQ, 2^Q x 2^Q matrices", "torq", largest={"enc": 10, "head": 10}),
        Peer(
            "qiskit",
            "Qiskit EstimatorQNN, parameter shift",
            "qiskit",
            tolerance=FLOAT64_TOLERANCE,
            largest={"head": 8},
        ),
    )
}


def choose(names: str | None) -> list[Peer]:
    """Return the peers named in a comma-separated list (rows or environments), or all. This project is the first.

    Raises:
        ValueError: If a name is neither.
    """
    if names is None:
        return list(PEERS.values())
    requested_names = {name.strip() for name in names.split(",") if name.strip()}
    known_names = {peer.name for peer in PEERS.values()} | {
        peer.environment for peer in PEERS.values()
    }
    if unknown_names := requested_names - known_names:
        raise ValueError(
            f"unknown peers: {', '.join(sorted(unknown_names))}; known: {', '.join(sorted(known_names))}"
        )
    return [peer for peer in PEERS.values() if {peer.name, peer.environment} & requested_names]
