"""Circuits with every gate, and the engines that answer for them: the CPU's in float64, and the simulated GPU's."""

import numpy as np
from reference_circuits import every_gate

from qllmft_backends.adjoint import AdjointEngine, lower
from qllmft_backends.adjoint.cuda import CudaAdjointEngine, Limits

WHOLE = Limits(shared_bytes=48 * 1024, threads=4)
GROUPED = Limits(shared_bytes=48 * 1024, threads=4, tile_qubits=4)
WIDER = Limits(shared_bytes=48 * 1024, threads=4, tile_qubits=5)  # two threads a block
TOLERANCE = {"float64": 1e-11, "float32": 1e-5}


class Problem:
    """A circuit, its inputs, and the answers of the CPU's engine in float64."""

    def __init__(self, program, masks, angles, amplitudes, cotangent):
        self.program, self.masks, self.cotangent = program, np.array(masks), cotangent
        self.angles, self.amplitudes = angles, amplitudes
        self.values, self.by_angle, self.by_amplitude = self.ask(
            AdjointEngine(program, self.masks, "float64")
        )

    def engine(self, limits=WHOLE, dtype="float64", **options):
        return CudaAdjointEngine(self.program, self.masks, dtype, limits, **options)

    def ask(self, engine):
        """Values, the gradient of the angles and that of the amplitudes."""
        values, tape = engine.forward(self.angles, self.amplitudes)
        return values, *engine.vjp(tape, self.cotangent, amplitudes=True)

    def check(self, limits=WHOLE, dtype="float64"):
        """The GPU's engine has the CPU's answers."""
        for got, expected in zip(
            self.ask(self.engine(limits, dtype)),
            (self.values, self.by_angle, self.by_amplitude),
            strict=True,
        ):
            close(got, expected, dtype)


class Case(Problem):
    """Every gate, at random angles."""

    def __init__(self, n_qubits, samples, *, dimension=None, shared=False, seed=0):
        rng = np.random.default_rng([n_qubits, samples, seed])
        program = lower(every_gate(n_qubits, seed, others=1))
        masks = [0, *(1 << q for q in range(n_qubits)), 2**n_qubits - 1, 1, 2**n_qubits // 3]
        angles = rng.uniform(-7, 7, program.n_angles if shared else (samples, program.n_angles))
        amplitudes = None if dimension is None else rng.normal(size=(samples, dimension))
        super().__init__(program, masks, angles, amplitudes, rng.normal(size=(samples, len(masks))))


def close(got, expected, dtype="float64"):
    """Same shape, and equal to the dtype's tolerance times the largest number."""
    assert got.shape == expected.shape
    assert got.dtype == np.dtype(dtype)
    scale = max(1.0, abs(expected).max(initial=0.0))
    np.testing.assert_allclose(got, expected, rtol=0, atol=TOLERANCE[dtype] * scale)
