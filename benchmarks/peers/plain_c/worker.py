"""Plain C for these circuits (steps.c), compiled for this processor by ``cc``: one loop over memory a gate, float32."""

from __future__ import annotations

import ctypes
import math
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from pauli_rotations import positions
from protocol import serve
from sample_task import SampleTask
from workloads import CX, RY, Arrays, Gate

LANES = 8
KINDS = ("flip", "x", "y", "z", "phase", "hadamard", "swap", "xx", "yy", "zz")
FIXED_PHASES = {"s": math.pi / 2, "t": math.pi / 4, "cz": math.pi}
FLAGS = ("-O3", "-march=native", "-ffast-math", "-fopenmp", "-shared", "-fPIC")


def compile_library() -> ctypes.CDLL:
    """Compile steps.c and load it."""
    source = Path(__file__).with_name("steps.c")
    library = Path(tempfile.mkdtemp()) / "steps.so"
    subprocess.run(["cc", *FLAGS, str(source), "-o", str(library), "-lm"], check=True)
    return ctypes.CDLL(str(library))


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    """Return the address of an array."""
    return ctypes.c_void_p(array.ctypes.data)


def align(array: np.ndarray) -> np.ndarray:
    """Copy an array to float32 on an address of 32 bytes, as one of the C code's vectors needs."""
    memory = np.empty(array.size + LANES, np.float32)
    start = -memory.ctypes.data % (4 * LANES) // 4
    copy = memory[start : start + array.size].reshape(array.shape)
    copy[...] = array
    return copy


class PlainC(SampleTask):
    """ENC, HEAD or MIXED. A gate is (kind, qubit, control, other qubit, row of its angle), with -1 for none."""

    def __init__(self, inputs: Arrays, variant: str) -> None:
        super().__init__(inputs, variant)
        self.library = compile_library()
        self.has_complex_gates = str(inputs["workload"]) == "mixed"
        self.n_samples, self.n_trained = self.angles.shape
        self.fixed: list[float] = []
        rows = [row for gate in self.gates for row in self.rows(gate)]
        self.gate_rows = np.array(rows, np.int32)
        fixed = np.broadcast_to(self.fixed, (self.n_samples, len(self.fixed)))
        self.angle_chunks = self.chunks(np.concatenate([self.angles, fixed], axis=1))
        self.cotangent_chunks = self.chunks(self.cotangent)
        self.start_chunks = None if self.amplitudes is None else self.chunks(self.amplitudes)

    def chunks(self, rows: np.ndarray) -> np.ndarray:
        """Return (samples, N) as (chunks, N, 8). The last chunk is filled with its first sample."""
        missing = -len(rows) % LANES
        filled = np.concatenate([rows, np.repeat(rows[:1], missing, axis=0)])
        parts = filled.reshape(-1, LANES, rows.shape[1]).transpose(0, 2, 1)
        return align(parts)

    def samples(self, chunks: np.ndarray) -> np.ndarray:
        """Return (chunks, N, 8) as (samples, N)."""
        return chunks.transpose(0, 2, 1).reshape(-1, chunks.shape[1])[: self.n_samples]

    def fixed_angle(self, angle: float) -> int:
        """Return the row of an angle that is not trained."""
        self.fixed.append(angle)
        return self.n_trained + len(self.fixed) - 1

    def rows(self, gate: Gate) -> list[tuple[int, int, int, int, int]]:
        """Return a gate as one or three rows of numbers, up to a global phase."""
        places = positions(gate, self.n_weights)
        if isinstance(gate, CX):
            return [(KINDS.index("flip"), gate.target, gate.control, -1, -1)]
        if isinstance(gate, RY):
            return [(KINDS.index("y"), gate.qubit, -1, -1, places[0])]
        first = gate.qubits[0]
        last = gate.qubits[-1]
        control = first if gate.name[0] == "c" else -1
        if gate.name == "u":
            axes = (("z", places[2]), ("y", places[0]), ("z", places[1]))
            return [(KINDS.index(axis), first, -1, -1, place) for axis, place in axes]
        if gate.name in FIXED_PHASES:
            angle = self.fixed_angle(FIXED_PHASES[gate.name])
            return [(KINDS.index("phase"), last, control, -1, angle)]
        if gate.name == "sx":
            return [(KINDS.index("x"), first, -1, -1, self.fixed_angle(math.pi / 2))]
        if gate.name == "cx":
            return [(KINDS.index("flip"), last, control, -1, -1)]
        if gate.name == "h":
            return [(KINDS.index("hadamard"), first, -1, -1, -1)]
        if gate.name == "swap":
            return [(KINDS.index("swap"), first, -1, last, -1)]
        if gate.name in ("rxx", "ryy", "rzz"):
            return [(KINDS.index(gate.name[1:]), first, -1, last, places[0])]
        kind = "phase" if gate.name in ("p", "cp") else gate.name[-1]
        return [(KINDS.index(kind), last, control, -1, places[0])]

    def run(self) -> None:
        """Run forward and backward."""
        self.values = align(np.zeros((len(self.angle_chunks), self.n_qubits, LANES)))
        self.slopes = align(np.zeros(self.angle_chunks.shape))
        self.library.step(
            len(self.angle_chunks),
            self.n_qubits,
            self.has_complex_gates,
            len(self.gate_rows),
            pointer(self.gate_rows),
            self.n_trained,
            self.angle_chunks.shape[1],
            None if self.start_chunks is None else pointer(self.start_chunks),
            pointer(self.angle_chunks),
            pointer(self.cotangent_chunks),
            pointer(self.values),
            pointer(self.slopes),
        )

    def outputs(self) -> Arrays:
        """Return values (16, Q) and gradients, as in ``reference.expected_outputs``."""
        slopes = self.samples(self.slopes)
        results = {
            "values": self.samples(self.values),
            "grad_weights": slopes[:, : self.n_weights].sum(axis=0),
        }
        if self.amplitudes is None:
            results["grad_data"] = slopes[:, self.n_weights : self.n_trained]
        return results


if __name__ == "__main__":
    serve(PlainC, None)
