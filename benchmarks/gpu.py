"""One step on a GPU: checked against the CPU engine, then timed; ``python benchmarks/gpu.py --help``.

Three times are shown: of a step from NumPy arrays to NumPy arrays, of a step with arrays that stay on the GPU, as for
tensors there, and of the CPU engine on this machine's threads.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numba import cuda
from numpy.typing import NDArray
from qllmft_backends import BackendError
from qllmft_backends.adjoint import AdjointEngine, Program
from qllmft_backends.adjoint.cuda import CudaAdjointEngine, Limits, find_limits
from qllmft_backends.adjoint.cuda.device import SIMULATED

from machine import cpu_model
from peers.qllmft.adapter import EngineCircuit
from report import three_digits
from workloads import BATCH, SMALLEST, count_weights, gates_of, make_inputs

VALUE_TOLERANCE = 1e-5  # absolute; |<Z>| is at most 1
GRADIENT_TOLERANCE = 1e-4  # of the largest entry
LEAST_SECONDS = 0.5  # of every measurement

Reals = NDArray[np.floating]


@dataclass(frozen=True)
class Row:
    """Result of one workload at one width.

    Attributes:
        launches: kernels of one step.
        tiles: blocks per sample, forward and backward.
        host_ms: a step from NumPy to NumPy, median.
        device_ms: a step with all arrays on the GPU, mean over steps without a wait after each.
        cpu_ms: a step of the CPU engine in float32, median.
        value_error: largest difference to the CPU engine in float64.
        gradient_error: largest difference of the gradient, relative to its largest entry.
    """

    workload: str
    qubits: int
    launches: int
    tiles: tuple[int, int]
    host_ms: float
    device_ms: float
    cpu_ms: float
    value_error: float
    gradient_error: float

    @property
    def agrees(self) -> bool:
        """Return whether the numbers are within the tolerances of the CPU engine's."""
        return self.value_error <= VALUE_TOLERANCE and self.gradient_error <= GRADIENT_TOLERANCE


@dataclass(frozen=True)
class Work:
    """Workload in the form of any engine."""

    program: Program
    masks: NDArray[np.int64]
    angles: Reals
    amplitudes: Reals | None
    cotangent: Reals

    @classmethod
    def make(cls, workload: str, n_qubits: int) -> Work:
        """Make a workload.

        ENC has shared angles and loaded amplitudes. HEAD has angles of each sample and starts from |0...0>.
        """
        inputs = make_inputs(workload, n_qubits)
        weights = np.asarray(inputs["weights"], np.float64)
        data = np.asarray(inputs["data"], np.float64)
        encodes = workload == "enc"
        circuit = EngineCircuit(
            gates_of(workload, n_qubits),
            n_qubits,
            count_weights(workload, n_qubits),
            0 if encodes else n_qubits,
        )
        values = (
            weights
            if encodes
            else np.hstack([np.broadcast_to(weights, (BATCH, weights.size)), data])
        )
        angles = circuit.program.angles(np.atleast_2d(values))
        return cls(
            program=circuit.program,
            masks=1 << np.arange(n_qubits, dtype=np.int64),
            angles=angles[0] if encodes else angles,
            amplitudes=data.astype(np.float32) if encodes else None,
            cotangent=np.asarray(inputs["cotangent"], np.float32),
        )

    def step(self, engine: Any) -> tuple[Any, Any]:
        """Return the values and the gradient of the angles, on the device of this work's arrays."""
        values, tape = engine.forward(self.angles, self.amplitudes)
        return values, engine.vjp(tape, self.cotangent)[0]

    def on_device(self) -> Work:
        """Return a copy with arrays on the GPU."""
        loaded = None if self.amplitudes is None else cuda.to_device(self.amplitudes)
        return replace(
            self,
            angles=cuda.to_device(self.angles.astype(np.float32)),
            amplitudes=loaded,
            cotangent=cuda.to_device(self.cotangent),
        )


def median_ms(step: Callable[[], object], seconds: float) -> float:
    """Return the median duration of a step up to its results, after one untimed step."""
    step()
    times: list[float] = []
    while sum(times) < seconds or len(times) < 3:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def stream_ms(step: Callable[[], object], seconds: float) -> float:
    """Return the mean duration of steps that follow each other on the GPU without waiting by the host."""
    count = 1
    while True:
        cuda.synchronize()
        start = time.perf_counter()
        for _ in range(count):
            step()
        cuda.synchronize()
        spent = time.perf_counter() - start
        if spent >= seconds:
            return 1e3 * spent / count
        count *= 2


def measure(workload: str, n_qubits: int, limits: Limits, seconds: float = LEAST_SECONDS) -> Row:
    """Check and time one workload at one width."""
    work = Work.make(workload, n_qubits)
    engine = CudaAdjointEngine(work.program, work.masks, limits=limits)
    values, gradient = work.step(engine)
    launches = engine.launches
    true_values, true_gradient = work.step(AdjointEngine(work.program, work.masks, "float64"))
    cpu = AdjointEngine(work.program, work.masks)
    resident = work.on_device()
    return Row(
        workload=workload,
        qubits=n_qubits,
        launches=launches,
        tiles=engine.tiles,
        host_ms=median_ms(lambda: work.step(engine), seconds),
        device_ms=stream_ms(lambda: resident.step(engine), seconds),
        cpu_ms=median_ms(lambda: work.step(cpu), seconds),
        value_error=float(abs(values - true_values).max()),
        gradient_error=float(abs(gradient - true_gradient).max() / abs(true_gradient).max()),
    )


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line of ``gpu.py``."""
    parser = argparse.ArgumentParser(
        description="One step of the circuits ENC and HEAD on a GPU, 16 samples."
    )
    parser.add_argument(
        "--workload", default="enc,head", help="comma-separated; default %(default)s"
    )
    parser.add_argument(
        "--qubits", default="10,12,14,15,16,18", help="comma-separated; default %(default)s"
    )
    parser.add_argument("--threads", type=int, help="of a block, to try others than the default")
    parser.add_argument(
        "--tile-qubits", type=int, help="of a tile at most, to try others than the default"
    )
    parser.add_argument("--out", type=Path, help="a file for the rows as JSON")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return 0, 1 if a number did not agree, or 2 if there is no GPU."""
    options = parse(arguments)
    workloads = options.workload.split(",")
    if unknown := set(workloads) - set(SMALLEST):
        print(
            f"error: unknown workloads: {', '.join(sorted(unknown))}; known: {', '.join(SMALLEST)}",
            file=sys.stderr,
        )
        return 2
    try:
        if SIMULATED:
            raise BackendError("got numba's simulator, expected a GPU; unset NUMBA_ENABLE_CUDASIM.")
        limits = find_limits()
    except BackendError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    limits = replace(
        limits, threads=options.threads or limits.threads, tile_qubits=options.tile_qubits
    )
    name = cuda.get_current_device().name
    print(f"{name.decode() if isinstance(name, bytes) else name}, {limits}; CPU: {cpu_model()}")
    print(
        "| circuit | launches | tiles | host ms | device ms | CPU ms | error of values | of gradient |"
    )
    print("|---|---|---|---|---|---|---|---|")
    rows = []
    for workload in workloads:
        for n_qubits in map(int, options.qubits.split(",")):
            row = measure(workload, n_qubits, limits)
            rows.append(row)
            times = " | ".join(three_digits(ms) for ms in (row.host_ms, row.device_ms, row.cpu_ms))
            print(
                f"| {workload.upper()}({n_qubits}) | {row.launches} | {row.tiles[0]}, {row.tiles[1]} | {times} "
                f"| {row.value_error:.1e} | {row.gradient_error:.1e} |{'' if row.agrees else ' DOES NOT AGREE'}",
                flush=True,
            )
    if options.out is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        content = {
            "gpu": str(name),
            "cpu": cpu_model(),
            "limits": asdict(limits),
            "rows": [asdict(row) for row in rows],
        }
        options.out.write_text(json.dumps(content, indent=1) + "\n")
    return 0 if all(row.agrees for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
