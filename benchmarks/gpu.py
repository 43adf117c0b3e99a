"""Training steps on a GPU: ``python benchmarks/gpu.py`` writes ``gpu.json`` and ``gpu.md``.

A step is forward and the gradient of every angle, each text with its own angles. A peer is timed where its values and
gradients agree with the compiled engine in float64. All take turns, round by round, and the median round counts. A
library that is not installed has a reason in the place of its times; nothing is downloaded.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qllmft_engine import AdjointEngine, lower
from qllmft_engine.torch.devices import torch_devices
from qllmft_engine.torch.engine import TorchEngine

from machine import cpu_model
from workloads import CX, EMBEDDING, circuit_gates

HERE = Path(__file__).parent
ROUNDS = 5
BURST_S = 0.04  # of repeated steps in a round
LONGEST_S = 1.5  # of a first step; a slower peer is not repeated
CPU_QUBITS = 20  # the largest step of the compiled engine
PEER_STATE_BYTES = (
    2**28
)  # of a batch's states; larger ones are not given to TorchQuantum and PennyLane
TOLERANCE = 2e-4  # of values, and of gradients as a share of the largest one
STEPS = [
    ("head", 4, 256), ("head", 10, 16), ("enc", 10, 16), ("enc", 10, 1024), ("head", 12, 64), ("head", 13, 64),
    ("head", 14, 64), ("head", 16, 16), ("head", 18, 16), ("head", 20, 16), ("head", 22, 16), ("head", 26, 1),
]  # fmt: skip
VALUES = [("head", 10, 16), ("head", 16, 16), ("head", 20, 8)]

Results = tuple[torch.Tensor, torch.Tensor | None]
Run = Callable[[], Results]


@dataclass
class Work:
    """Circuit with the angles of each text, and the factors of the values in the loss.

    Attributes:
        circuit: ``head`` or ``enc``, see `workloads`.
        n_qubits: Q.
        samples: B.
        device: of torch.
        program: the circuit for the engines.
        angles: (B, G) in radians, float32.
        amplitudes: (B, 768) of norm 1; None for |0…0⟩.
        cotangent: (B, Q).
    """

    circuit: str
    n_qubits: int
    samples: int
    device: str
    program: Any = field(init=False)
    angles: torch.Tensor = field(init=False)
    amplitudes: torch.Tensor | None = field(init=False, default=None)
    cotangent: torch.Tensor = field(init=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng([self.n_qubits, self.samples])
        self.program = lower(qiskit_circuit(self.circuit, self.n_qubits))

        def tensor(array: Any) -> torch.Tensor:
            return torch.tensor(array, dtype=torch.float32, device=self.device)

        self.angles = tensor(rng.uniform(-3, 3, (self.samples, self.program.n_angles)))
        if self.circuit == "enc":
            vectors = rng.normal(size=(self.samples, min(EMBEDDING, 2**self.n_qubits)))
            self.amplitudes = tensor(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
        self.cotangent = tensor(rng.normal(size=(self.samples, self.n_qubits)))

    @property
    def masks(self) -> Any:
        """Return the strings Z on one qubit."""
        return 1 << np.arange(self.n_qubits)

    @property
    def state_bytes(self) -> int:
        """Return the bytes of all states in float32."""
        return 4 * self.samples << self.n_qubits


def qiskit_circuit(circuit: str, n_qubits: int) -> QuantumCircuit:
    """Return the circuit with an angle of its own for each rotation."""
    gates = circuit_gates(circuit, n_qubits)
    angles = iter(ParameterVector("t", sum(not isinstance(gate, CX) for gate in gates)))
    built = QuantumCircuit(n_qubits)
    for gate in gates:
        if isinstance(gate, CX):
            built.cx(gate.control, gate.target)
        else:
            built.ry(next(angles), gate.qubit)
    return built


# --- the peers: a function that runs one step


def engine_step(engine: Any, work: Work) -> Run:
    """Return a step of an engine of this project."""
    tensors = (work.angles, work.amplitudes, work.cotangent)
    if isinstance(engine, AdjointEngine):
        angles, amplitudes, cotangent = (
            None if part is None else part.numpy(force=True) for part in tensors
        )
    else:
        angles, amplitudes, cotangent = tensors

    def run() -> Results:
        values, tape = engine.forward(angles, amplitudes)
        gradient, _ = engine.vjp(tape, cotangent)
        return torch.as_tensor(values), torch.as_tensor(gradient)

    return run


def fused_step(work: Work) -> Run:
    """Return a step of Triton's kernels, launch by launch."""
    return engine_step(triton_engine(work), work)


def triton_engine(work: Work) -> Any:
    """Return the engine in Triton, which is imported here, because the page needs none."""
    from qllmft_engine.torch.gpu.engine import TritonEngine

    return TritonEngine(work.program, work.masks, "float32", work.device)


def fused_graph(work: Work) -> Run:
    """Return the replay of a step of Triton's kernels that was captured as a CUDA graph."""
    return capture_graph(fused_step(work))


def torch_operations(work: Work) -> Run:
    """Return a step with one torch operation a gate."""
    return engine_step(TorchEngine(work.program, work.masks, "float32", work.device), work)


def compiled_step(work: Work) -> Run:
    """Return a step of the compiled engine on all cores."""
    return engine_step(AdjointEngine(work.program, work.masks), work)


def capture_graph(run: Run) -> Run:
    """Return the replay of a function as a CUDA graph."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        run()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        results = run()

    def replay() -> Results:
        graph.replay()
        return results

    return replay


def by_autograd(compute_values: Callable[[torch.Tensor], torch.Tensor], work: Work) -> Run:
    """Return a step whose gradient is autograd's."""
    angles = work.angles.clone().requires_grad_()

    def run() -> Results:
        values = compute_values(angles)
        (gradient,) = torch.autograd.grad((values * work.cotangent).sum(), angles)
        return values.detach(), gradient

    return run


def torchquantum(work: Work) -> Run:
    """Return a step of TorchQuantum's functional gates."""
    from peers.torchquantum.stand_ins import import_torchquantum

    tq = import_torchquantum()
    last = work.n_qubits - 1  # wire 0 is the most significant bit
    measure = tq.MeasureAll(tq.PauliZ)
    load = tq.AmplitudeEncoder()

    def compute_values(angles: torch.Tensor) -> torch.Tensor:
        device = tq.QuantumDevice(n_wires=work.n_qubits, bsz=work.samples, device=work.device)
        if work.amplitudes is not None:
            load(device, work.amplitudes)
        slot = 0
        for gate in circuit_gates(work.circuit, work.n_qubits):
            if isinstance(gate, CX):
                tq.functional.cnot(device, wires=[last - gate.control, last - gate.target])
            else:
                tq.functional.ry(device, wires=last - gate.qubit, params=angles[:, slot])
                slot += 1
        values: torch.Tensor = measure(device).flip(-1)
        return values

    return by_autograd(compute_values, work)


def pennylane(work: Work) -> Run:
    """Return a step of PennyLane's ``default.qubit`` with torch and backprop."""
    import pennylane as qp

    last = work.n_qubits - 1
    start = work.amplitudes
    if start is None:  # loaded too: its own |0…0⟩ is on the CPU
        start = torch.ones(1, device=work.device)

    @qp.qnode(
        qp.device("default.qubit", wires=work.n_qubits), interface="torch", diff_method="backprop"
    )
    def node(angles: torch.Tensor) -> Any:
        qp.AmplitudeEmbedding(start, wires=range(work.n_qubits), pad_with=0.0, normalize=True)
        slot = 0
        for gate in circuit_gates(work.circuit, work.n_qubits):
            if isinstance(gate, CX):
                qp.CNOT(wires=[last - gate.control, last - gate.target])
            else:
                qp.RY(angles[:, slot], wires=last - gate.qubit)
                slot += 1
        return [qp.expval(qp.PauliZ(last - qubit)) for qubit in range(work.n_qubits)]

    return by_autograd(lambda angles: torch.stack(node(angles), dim=1).float(), work)


def fused_values(work: Work) -> Run:
    """Return the values alone of Triton's kernels."""
    engine = triton_engine(work)
    return lambda: (engine.values(work.angles, work.amplitudes), None)


def aer_values(device: str) -> Callable[[Work], Run]:
    """Return the values alone of Qiskit Aer on ``CPU`` or ``GPU``, as this project's backend asks for them."""

    def prepare(work: Work) -> Run:
        from qllmft_backends import create
        from qllmft_circuits import readout_observables

        backend = create("aer_statevector", {"device": device})
        circuit = qiskit_circuit(work.circuit, work.n_qubits)
        observables = readout_observables(work.n_qubits)
        angles = work.angles.double().numpy(force=True)

        def run() -> Results:
            return torch.as_tensor(backend.expectations(circuit, angles, observables).values), None

        return run

    return prepare


STEP_PEERS: dict[str, Callable[[Work], Run]] = {
    "fused, one graph": fused_graph,
    "fused": fused_step,
    "torch operations": torch_operations,
    "compiled, CPU": compiled_step,
    "TorchQuantum": torchquantum,
    "PennyLane": pennylane,
}
VALUE_PEERS: dict[str, Callable[[Work], Run]] = {
    "fused": fused_values,
    "Aer, GPU": aer_values("GPU"),
    "Aer, CPU": aer_values("CPU"),
}
KERNELS = ("fused, one graph", "fused")  # peers of a quick run


# --- checks and times


def is_left_out(peer: str, work: Work) -> str:
    """Return that a peer does not get a step that would take long, or nothing."""
    if peer in ("TorchQuantum", "PennyLane") and work.state_bytes * 2 > PEER_STATE_BYTES:
        return "not run"
    if peer == "PennyLane" and work.samples > 64:
        return "not run"
    if peer == "compiled, CPU" and work.n_qubits > CPU_QUBITS:
        return "not run"
    return ""


def reference_answers(work: Work) -> Results:
    """Return values and gradients in float64, of torch operations."""
    run = engine_step(TorchEngine(work.program, work.masks, "float64", work.device), work)
    values, gradient = run()
    return values.double().cpu(), None if gradient is None else gradient.double().cpu()


def difference(got: Results, expected: Results) -> float:
    """Return the largest difference of values, and of gradients as a share of the largest one."""
    differences = [(got[0].double().cpu() - expected[0]).abs().max()]
    if got[1] is not None and expected[1] is not None:
        largest = expected[1].abs().max()
        differences.append((got[1].double().cpu() - expected[1]).abs().max() / largest)
    return float(max(differences))


def synchronize() -> None:
    """Wait until the device has computed everything."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def time_step(run: Run) -> float:
    """Return the seconds of one step."""
    synchronize()
    start = time.perf_counter()
    run()
    synchronize()
    return time.perf_counter() - start


def burst_ms(run: Run, once_s: float) -> float:
    """Return the milliseconds of a step within a burst of them."""
    count = max(1, round(BURST_S / once_s))
    synchronize()
    start = time.perf_counter()
    for _ in range(count):
        run()
    synchronize()
    return (time.perf_counter() - start) / count * 1e3


def time_peers(work: Work, peers: dict[str, Callable[[Work], Run]]) -> dict[str, Any]:
    """Return milliseconds or a reason by peer, and the differences of those that were timed."""
    expected = reference_answers(work)
    reasons: dict[str, str] = {}
    runs: dict[str, tuple[Run, float]] = {}
    first_s: dict[str, float] = {}
    differences: dict[str, float] = {}
    for peer, prepare in peers.items():
        if reason := is_left_out(peer, work):
            reasons[peer] = reason
            continue
        try:
            start = time.perf_counter()
            run = prepare(work)
            answers = run()
            synchronize()
            first_s[peer] = time.perf_counter() - start
            differences[peer] = difference(answers, expected)
            if differences[peer] > TOLERANCE:
                reasons[peer] = f"differs by {differences[peer]:.1e}"
                continue
            once_s = time_step(run)
        except Exception as error:  # whatever is missing or fails, the row says so
            reasons[peer] = " ".join(f"{type(error).__name__}: {error}".split())[:120]
            continue
        if once_s > LONGEST_S:
            reasons[peer] = f"one step {once_s:.1f} s"
            continue
        runs[peer] = (run, once_s)
    rounds: dict[str, list[float]] = {peer: [] for peer in runs}
    for _ in range(ROUNDS):
        for peer, (run, once_s) in runs.items():
            rounds[peer].append(burst_ms(run, once_s))
    return {
        "circuit": work.circuit,
        "n_qubits": work.n_qubits,
        "samples": work.samples,
        "ms": {peer: round(median(times), 4) for peer, times in rounds.items()},
        "range_ms": {
            peer: [round(min(times), 4), round(max(times), 4)] for peer, times in rounds.items()
        },
        "reasons": reasons,
        "differences": differences,
        "first_s": {peer: round(seconds, 2) for peer, seconds in first_s.items()},
    }


def copy_bandwidth() -> float:
    """Return the bytes a second of a copy on the device, read and written."""
    size = 2**31 if torch.cuda.is_available() else 2**26
    source = torch.randint(0, 255, (size,), dtype=torch.uint8, device=torch_devices()[-1])
    target = torch.empty_like(source)
    target.copy_(source)
    seconds = []
    for _ in range(ROUNDS):
        synchronize()
        start = time.perf_counter()
        target.copy_(source)
        synchronize()
        seconds.append(time.perf_counter() - start)
    return 2 * size / median(seconds)


def least_bytes(work: Work) -> int:
    """Return the bytes of the states that a step reads and writes at least.

    A state that stays on the chip is written and read once. P passes read and write states 2·P times forward, and
    states and co-states 4·P times back.
    """
    engine = triton_engine(work)
    passes = len(engine._table[1])
    return work.state_bytes * (2 if engine._is_small else 6 * passes)


def versions() -> dict[str, str]:
    """Return the versions of the libraries that are installed here."""
    installed = {}
    for name in ("torch", "triton", "qiskit", "qiskit-aer-gpu", "pennylane", "torchquantum"):
        try:
            installed[name] = version(name)
        except PackageNotFoundError:
            continue
    return installed


def measure(
    steps: list[tuple[str, int, int]], values: list[tuple[str, int, int]], *, quick: bool = False
) -> dict[str, Any]:
    """Return the record of all rows, of the kernels alone if it is to be quick."""
    device = torch_devices()[-1]
    bandwidth = copy_bandwidth()
    record: dict[str, Any] = {
        "device": torch.cuda.get_device_name() if device == "cuda" else device,
        "processor": f"{cpu_model()}, {torch.get_num_threads()} threads of torch",
        "date": datetime.now(tz=UTC).date().isoformat(),
        "versions": versions(),
        "copy_tb_s": round(bandwidth / 1e12, 3),
        "steps": [],
        "values": [],
    }
    for rows, all_peers, name in ((steps, STEP_PEERS, "steps"), (values, VALUE_PEERS, "values")):
        peers = {peer: run for peer, run in all_peers.items() if peer in KERNELS or not quick}
        for circuit, n_qubits, samples in rows:
            work = Work(circuit, n_qubits, samples, device)
            row = time_peers(work, peers)
            if name == "steps":
                row["bytes_ms"] = round(least_bytes(work) / bandwidth * 1e3, 4)
            record[name].append(row)
            print(json.dumps(row), flush=True)
            del work
            if device == "cuda":
                torch.cuda.empty_cache()
    return record


# --- the page


def cell(row: dict[str, Any], peer: str) -> str:
    """Return a peer's milliseconds, or its reason."""
    if (ms := row["ms"].get(peer)) is None:
        reason = row["reasons"].get(peer, "")
        return (
            "not installed" if "NotFound" in reason or "No module" in reason else reason[:60] or "–"
        )
    return f"{ms:.3g}" if ms < 100 else f"{ms:,.0f}"


def table(rows: list[dict[str, Any]], peers: dict[str, Any]) -> list[str]:
    """Return a table of Markdown, a row a circuit and a batch."""
    has_bytes = "bytes_ms" in rows[0]
    head = ["circuit × texts", *peers, *(["bytes at least"] if has_bytes else [])]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        cells = [f"{row['circuit'].upper()} {row['n_qubits']} × {row['samples']:,}"]
        cells += [cell(row, peer) for peer in peers]
        if has_bytes:
            cells.append(f"{row['bytes_ms']:.2g}" if row["bytes_ms"] >= 1e-3 else "< 0.001")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def page(record: dict[str, Any]) -> str:
    """Return the page of a record."""
    first = [
        (row["n_qubits"], row["first_s"]["fused, one graph"])
        for row in record["steps"]
        if "fused, one graph" in row["first_s"]
    ]
    largest = max((seconds for _, seconds in first), default=0.0)
    peers = ", ".join(f"{name} {number}" for name, number in record["versions"].items())
    lines = [
        "# Steps on a GPU",
        "",
        f"{record['device']}, beside {record['processor']}, {record['date']}; {peers}.",
        f"A copy moves {record['copy_tb_s']} TB/s.",
        "",
        "Milliseconds of one training step: values, and the gradient of every angle, each text with its own angles.",
        "HEAD and ENC are those of the [benchmarks](README.md).",
        "Made by `python benchmarks/gpu.py` ([record](gpu.json)).",
        "",
        *table(record["steps"], STEP_PEERS),
        "",
        "- *fused*: this project's kernels in Triton, launched one by one or replayed as one CUDA graph.",
        "- *torch operations*: this project's engine where Triton is missing.",
        "- *compiled, CPU*: this project's engine on the processor.",
        "- *bytes at least*: the states that the passes must read and write, at the speed of a copy.",
        f"- The first step of a number of qubits compiles its kernels, in at most {largest:.1f} s here.",
        "  Triton's cache keeps them.",
        "",
        "Milliseconds of the values alone, without a gradient:",
        "",
        *table(record["values"], VALUE_PEERS),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, or write the page of a record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE)
    parser.add_argument("--page", action="store_true", help="only write the page of gpu.json")
    parser.add_argument("--largest", type=int, default=30, help="leave out rows of more qubits")
    parser.add_argument("--quick", action="store_true", help="time the kernels alone")
    arguments = parser.parse_args()
    file = arguments.out / "gpu.json"
    if not arguments.page:
        selected_rows = (
            [row for row in rows if row[1] <= arguments.largest] for rows in (STEPS, VALUES)
        )
        file.write_text(json.dumps(measure(*selected_rows, quick=arguments.quick), indent=1) + "\n")
    (arguments.out / "gpu.md").write_text(page(json.loads(file.read_text())))


if __name__ == "__main__":
    main()
