"""The backend ``adjoint``."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import cached_property, partial
from hashlib import blake2b
from typing import Any, ClassVar, Literal, cast

import numpy as np
from numpy.random import Generator
from pydantic import Field
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp
from qiskit_machine_learning.gradients import BaseEstimatorGradient

from qllmft_backends.backend import Backend
from qllmft_backends.errors import BackendError, NoSweepError, UnsupportedGateError
from qllmft_backends.gradients import BackendGradient, GradientPoint
from qllmft_backends.noise import TRAJECTORIES, CircuitNoise, GateNoise
from qllmft_backends.observables import (
    PauliObservables,
    ZObservables,
    expectations_from_counts,
    find_flip,
    readout_factors,
)
from qllmft_backends.protocol import Capabilities, Expectations, Floats, Ints, Sampling
from qllmft_backends.requests import check_values, request_seed
from qllmft_engine.bounds import MAX_QUBITS
from qllmft_engine.complex_engine import ComplexEngine
from qllmft_engine.engine import AdjointEngine
from qllmft_engine.frames import FrameProgram
from qllmft_engine.interface import (
    AdjointCapable,
    Engine,
    EngineMaker,
    MeasuringEngine,
    engine_maker,
)
from qllmft_engine.noisy import NoisyPass
from qllmft_engine.noisy_sampler import NoisySampler
from qllmft_engine.outcomes import flip_bits, noisy_outcomes, sample_outcomes
from qllmft_engine.program import ComplexProgram, Program, lower_complex, try_lower
from qllmft_engine.program.content import exact_content
from qllmft_engine.qiskit_backend import EngineBackend


class AdjointOptions(CircuitNoise):
    """Options of the backend ``adjoint``, beside those of `CircuitNoise`.

    Attributes:
        dtype: ``float32``, or ``float64`` for reference values. Unset: ``float32`` in training, ``float64`` under
            Qiskit's interfaces.
        device: ``cpu``, or one of torch's, such as ``cuda``, ``cuda:1``, ``mps`` or ``xpu``, on which `qllmft.heads`
            computes in torch operations.
        seed: of all draws; the same seed and request give the same bits.
    """

    dtype: Literal["float32", "float64"] = "float32"
    device: str = Field("cpu", pattern=r"^(cpu|(cuda|hpu|mps|npu|xpu)(:\d{1,3})?)$")
    seed: int = Field(0, ge=0)


class AdjointBackend(Backend):
    """The project's own simulator: batched, with adjoint gradients and noise.

    Circuits of real gates run with noise too, circuits of any gates without, or with true shots only.

    Raises:
        BackendError: for a device that torch does not have here; states the devices found and the remedy.
    """

    name: ClassVar[str] = "adjoint"

    def __init__(self, options: AdjointOptions | None = None) -> None:
        self.options = options or AdjointOptions()
        self._engine_cache: deque[tuple[QuantumCircuit, Any, Engine]] = deque(maxlen=4)
        device = self.options.device
        self._make_engine: EngineMaker = AdjointEngine if device == "cpu" else engine_maker(device)
        self._make_complex_engine: EngineMaker = (
            ComplexEngine if device == "cpu" else self._make_engine
        )

    @property
    def capabilities(self) -> Capabilities:
        """Return the abilities. Readout error leaves the means exact, but shots and gate noise do not."""
        has_shots = self.options.shots is not None
        has_gate_noise = self.options.gate_noise.is_on_gates
        return Capabilities(
            exact=not (has_shots or has_gate_noise),
            shots=has_shots,
            noisy=has_gate_noise or self.options.gate_noise.readout_error > 0,
            paulis=self.options.is_none and self._runs_complex_gates,
            adjoint=True,
            max_qubits=MAX_QUBITS,
        )

    @property
    def gate_noise(self) -> GateNoise | None:
        """Return the noise of the options, None if rotations by data carry none."""
        return self.options.gate_noise if self.options.uploads else None

    @property
    def seed(self) -> int:
        """Return the seed of all draws."""
        return self.options.seed

    @property
    def sampling(self) -> Sampling | None:
        """Return the random draws of `expectations`, None without gate noise."""
        if not self.options.gate_noise.is_on_gates:
            return None
        noise = self.options.in_evaluation
        trajectories = self.options.trajectories or TRAJECTORIES
        return Sampling(noise.shots or 0, trajectories, noise.model == "multinomial")

    def engine(self, program: Program, masks: Ints) -> Engine:
        """Return an engine on this backend's device for a lowered circuit and (T,) Z strings."""
        return self._make_engine(program, masks, self.options.dtype)

    def compile(
        self, circuit: QuantumCircuit, observables: Sequence[SparsePauliOp]
    ) -> tuple[Engine, ZObservables]:
        """Return an engine for ``circuit`` that measures the strings of ``observables``, and these as sums.

        Circuits of real gates run on the real path, which is the faster one at every size in ``benchmarks/paths.py``.

        Raises:
            UnsupportedGateError: for an operation that is no gate; with gate noise or eq. 2, or on a device that has no
                kernels for them, for gates of complex circuits too.
            NoSweepError: for gates of complex circuits with true shots or readout error.
        """
        strings = PauliObservables.from_operators(observables, circuit.num_qubits)
        fault = find_flip(observables)
        if not fault:
            program = try_lower(circuit)
            if isinstance(program, Program):
                sums = ZObservables(strings.masks, strings.coefficients)
                return self.engine(program, sums.masks), sums
            fault = str(program.error)
        if self._runs_complex_gates and self.options.is_none:
            return self._complex_engine(circuit, strings), strings
        error_class = NoSweepError if self._measures_complex_states else UnsupportedGateError
        raise error_class(
            f"{fault} (device='cpu' runs all standard gates without gate noise and shot_model='gaussian', also with "
            "true shots and readout error, whose gradients come from the parameter-shift rule.)"
        )

    @property
    def _runs_complex_gates(self) -> bool:
        """Return whether this backend's device computes complex states."""
        return self.options.device == "cpu" or bool(
            getattr(self._make_engine, "complex_gates", False)
        )

    def _complex_engine(self, circuit: QuantumCircuit, strings: PauliObservables) -> Engine:
        """Return an engine for any gates. The last ones are kept, because Qiskit's networks compile in every step."""
        content = exact_content(circuit), strings.masks.tolist(), strings.flips.tolist()
        for cached_circuit, cached_content, engine in self._engine_cache:
            if cached_content == content and cached_circuit == circuit:
                return engine
        engine = self._make_complex_engine(lower_complex(circuit), strings, self.options.dtype)
        if content[0] is not None:
            # a copy: the caller may change his own
            self._engine_cache.append((deepcopy(circuit), content, engine))
        return engine

    def noisy_pass(
        self, circuit: QuantumCircuit, engine: Engine
    ) -> Callable[[int], NoisyPass] | None:
        """Return a function from a seed to a pass of training (see `AdjointCapable.noisy_pass`)."""
        if self.options.is_none:
            return None
        frames = FrameProgram.from_circuit(circuit, uploads=self.options.uploads)
        return partial(NoisyPass, cast("MeasuringEngine", engine), frames, self.options)

    def expectations(
        self, circuit: QuantumCircuit, values: Floats, observables: Sequence[SparsePauliOp]
    ) -> Expectations:
        """Return exact values, or noisy ones by `NoisySampler` (see `Backend.expectations`)."""
        values = check_values(circuit, values)
        noise = self.options.in_evaluation
        try:
            engine, sums = self.compile(circuit, observables)
        except NoSweepError:
            return self._complex_expectations(circuit, values, observables)
        if self.options.is_none:
            string_values = engine.values(engine.program.angles(values)).astype(np.float64)
            return Expectations.exact(string_values @ sums.coefficients.T)
        if noise.draw == "batch":
            raise BackendError(
                "draw='batch' is about the passes of a training. Expectation values of a sample come from "
                "trajectories of its own. Leave it out."
            )
        if noise.gate_noise.is_on_gates and self.options.trajectories is None:
            noise = noise.model_copy(update={"trajectories": TRAJECTORIES})
        angles = engine.program.angles(values)
        frames = FrameProgram.from_circuit(circuit, uploads=noise.uploads)
        # equal requests get the same bits
        content = repr((self.seed, frames.gates.shape, angles.shape)).encode()
        digest = blake2b(content, digest_size=8)
        digest.update(frames.gates.tobytes())
        digest.update(np.ascontiguousarray(angles).tobytes())
        seed = int.from_bytes(digest.digest(), "little")
        measuring_engine = cast("MeasuringEngine", engine)
        return NoisySampler(measuring_engine, frames, noise, sums).expectations(angles, seed)

    @property
    def _measures_complex_states(self) -> bool:
        """Return whether circuits of any gates are measured: without gate noise and without eq. 2."""
        noise = self.options.in_evaluation
        return self.options.device == "cpu" and not (
            noise.gate_noise.is_on_gates or noise.model == "gaussian"
        )

    def _complex_expectations(
        self, circuit: QuantumCircuit, values: Floats, observables: Sequence[SparsePauliOp]
    ) -> Expectations:
        """Return expectation values of a circuit of any gates, with readout error, exact or by true shots."""
        sums = ZObservables.from_operators(observables, circuit.num_qubits)
        if not self.options.shots:
            engine, strings = self._noiseless_backend.compile(circuit, observables)
            string_values = engine.values(engine.program.angles(values)).astype(np.float64)
            factors = readout_factors(self.options.gate_noise, strings.masks)
            return Expectations.exact(string_values * factors @ strings.coefficients.T)
        rng = np.random.default_rng(request_seed(self.seed, circuit, values))
        outcomes = self.outcomes(circuit, values, self.options.shots, rng)
        return expectations_from_counts(map(Counter, outcomes.tolist()), sums)

    @cached_property
    def _noiseless_backend(self) -> AdjointBackend:
        """Return this backend without noise, with the engines that it keeps."""
        return AdjointBackend(AdjointOptions(dtype=self.options.dtype))

    def outcomes(self, circuit: QuantumCircuit, values: Floats, shots: int, rng: Generator) -> Ints:
        """Return outcomes, with a trajectory per shot under noise (see `Backend.outcomes`).

        Args:
            circuit: without measurements; with gate noise, of `SUPPORTED_GATES` only.
            values: (B, P) parameter values in radians, in the order of ``circuit.parameters``.
            shots: S, measurements per row; the option ``shots`` is not read.
            rng: random numbers of the trajectories and the shots; the option ``seed`` is not read.

        Returns:
            (B, S) int64; bit q of an outcome is qubit q.

        Raises:
            BackendError: for values of another shape.
            UnsupportedGateError: see `compile`.
        """
        values = check_values(circuit, values)
        observables = [SparsePauliOp("I" * circuit.num_qubits)]
        try:
            engine, _ = self.compile(circuit, observables)
        except NoSweepError:
            engine, _ = self._noiseless_backend.compile(circuit, observables)
        measuring_engine = cast("MeasuringEngine", engine)
        angles = engine.program.angles(values)
        if self.options.is_none or isinstance(engine.program, ComplexProgram):
            outcomes = sample_outcomes(measuring_engine, angles, np.full(len(angles), shots), rng)
            readout_error = self.options.gate_noise.readout_error
            outcomes = flip_bits(outcomes, circuit.num_qubits, readout_error, rng)
            return outcomes.reshape(len(angles), shots)
        frames = FrameProgram.from_circuit(circuit, uploads=self.options.uploads)
        return noisy_outcomes(measuring_engine, frames, self.options.gate_noise, angles, shots, rng)

    def gradient(self) -> BaseEstimatorGradient:
        """Return gradients for `EstimatorQNN`: by reverse sweeps, or of noisy values by the parameter-shift rule."""
        return AdjointGradient(self.for_qiskit) if self.options.is_none else super().gradient()

    def qiskit_backend(self) -> EngineBackend:
        """Return this backend as Qiskit's `BackendV2`, for `transpile` and tools that call `run`."""
        return EngineBackend(self.for_qiskit)

    @cached_property
    def for_qiskit(self) -> AdjointBackend:
        """Return this backend in float64, unless its options name a precision: optimizers difference its values."""
        if "dtype" in self.options.model_fields_set:
            return self
        return AdjointBackend(self.options.model_copy(update={"dtype": "float64"}))


class AdjointGradient(BackendGradient):
    """Jacobians by one reverse sweep per observable.

    The interface requires the whole Jacobian; `qllmft.heads.AdjointConnector` uses the vector-Jacobian product instead.
    """

    _backend: AdjointCapable

    def jacobians(
        self, circuit: QuantumCircuit, observables: list[SparsePauliOp], points: list[GradientPoint]
    ) -> Sequence[Floats]:
        """Return exact Jacobians in the engine's precision (see `BackendGradient.jacobians`)."""
        engine, sums = self._backend.compile(circuit, observables)
        values = np.array([point.values for point in points])
        _, tape = engine.forward(engine.program.angles(values))
        rows = []  # (N, P) of each observable
        for coefficients in sums.coefficients:
            by_angle, _ = engine.vjp(tape, np.tile(coefficients, (len(points), 1)))
            rows.append(engine.program.by_parameter(by_angle, values))
        return [
            np.array([row[n, list(point.columns)] for row in rows])
            for n, point in enumerate(points)
        ]
