"""The adjoint engine on a GPU: the interface of `AdjointEngine`, with all arrays on the device."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from qllmft_backends.adjoint.cuda import kernels
from qllmft_backends.adjoint.cuda.coefficients import compute_coefficients
from qllmft_backends.adjoint.cuda.device import Device, DeviceArray, find_limits, is_on_device, view
from qllmft_backends.adjoint.cuda.plan import OP_WIDTH, Limits, make_plan
from qllmft_backends.adjoint.cuda.sums import add_up
from qllmft_backends.adjoint.program import Program
from qllmft_backends.adjoint.requests import (
    EngineCopies,
    check_circuit,
    check_cotangent,
    request_size,
)
from qllmft_backends.errors import BackendError

Real = NDArray[np.floating]
EVALUATION_BYTES = 2**30  # of the device's memory, used at once where no gradient will be asked for
_COEFFICIENT_THREADS = 128
_SUM_COLUMNS, _SUM_ROWS = 32, 16  # threads of a block that adds up shares


@dataclass
class CudaTape:
    """Record of a forward pass for `CudaAdjointEngine.vjp`, on the device."""

    samples: int  # B
    dimension: int  # D, amplitudes loaded; 0 for |0...0⟩
    shared: bool  # the angles were (G,)
    amplitudes: DeviceArray | None  # (B, D), or None
    # returned to the engine with the tape: ``coefficients`` of the gates' matrices, and ``states``
    # (B, 2^n) until a sweep has consumed them
    arrays: dict[str, DeviceArray]


@dataclass
class CudaAdjointEngine(EngineCopies):
    """Engine of one program on batches of real states on a GPU. Checked in numba's simulator only, never on a GPU.

    Arrays are NumPy's, or on the device with ``__cuda_array_interface__`` (a torch tensor), contiguous and in the
    engine's dtype (angles: any real one). Results are on the side of the angles, or of the cotangent. The default
    stream is used.

    Args:
        program, masks, dtype: see `AdjointEngine`.
        limits: limits of a block; the device's own by default.
        memory_bytes: memory for states and gradients; by default the device's free memory.

    Raises:
        BackendError: without a usable GPU; for more than 30 qubits, or a mask that reaches past the circuit.
    """

    device: ClassVar[str] = "cuda"
    program: Program
    masks: NDArray[np.int64]
    dtype: Literal["float32", "float64"] = "float32"
    limits: Limits | None = None
    memory_bytes: int | None = None
    _admitted: dict[tuple[int, bool], int] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        check_circuit(self.program.n_qubits, self.masks)
        limits = self.limits or find_limits()
        self._threads = limits.threads
        itemsize = np.dtype(self.dtype).itemsize
        # an array of nothing would be a case of its own in every kernel: one number that nobody
        # asks for instead
        self._n_masks, self._n_angles = max(self.masks.size, 1), max(self.program.n_angles, 1)
        masks = self.masks if self.masks.size else np.zeros(1, np.int64)
        self._forward = make_plan(self.program, masks, itemsize, limits, backward=False)
        self._backward = make_plan(self.program, masks, itemsize, limits, backward=True)
        self._device = Device(self.memory_bytes)
        self._tables = self._device.put(self._forward.table), self._device.put(self._backward.table)

    # --- public
    # -----------------------------------------------------------------------------------------------------

    @property
    def launches(self) -> int:
        """Return the number of kernels launched so far."""
        return self._device.launches

    @property
    def tiles(self) -> tuple[int, int]:
        """Return the blocks per sample, forward and backward. 1 if one launch runs the whole program."""
        return self._forward.tiles, self._backward.tiles

    def forward(
        self, angles: Real | DeviceArray, amplitudes: Real | DeviceArray | None = None
    ) -> tuple[Real | DeviceArray, CudaTape]:
        """Return expectation values, and a tape for one backward sweep (see `AdjointEngine.forward`)."""
        samples, dimension = request_size(
            angles, amplitudes, self.program.n_angles, self.program.n_qubits
        )
        if samples == 0:
            return np.zeros((0, self.masks.size), self.dtype), CudaTape(
                0, dimension, angles.ndim == 1, None, {}
            )
        if self._fitting(samples, dimension, training=True) < samples:
            raise self._too_many(samples, dimension, training=True)
        tape = self._tape(samples, angles, amplitudes)
        values = self._run(tape, keep=True)
        return self._handed_out(values, self.masks.size, is_on_device(angles)), tape

    def values(
        self, angles: Real | DeviceArray, amplitudes: Real | DeviceArray | None = None
    ) -> Real | DeviceArray:
        """Return the expectation values (B, T) of `forward`, without a tape and in bounded memory."""
        samples, dimension = request_size(
            angles, amplitudes, self.program.n_angles, self.program.n_qubits
        )
        if samples == 0:
            return np.zeros((0, self.masks.size), self.dtype)
        step = min(
            samples, max(1, EVALUATION_BYTES // self.bytes_per_sample(dimension, training=False))
        )
        step = min(step, self._fitting(step, dimension, training=False))
        if step == 0:
            raise self._too_many(samples, dimension, training=False)
        if step == samples:
            values = self._run(self._tape(samples, angles, amplitudes), keep=False)
            return self._handed_out(values, self.masks.size, is_on_device(angles))
        answer: Any = np.empty((samples, self._n_masks), self.dtype)
        if is_on_device(angles):
            answer = self._device.take(answer.shape, self.dtype)
        for start in range(0, samples, step):
            part = slice(start, min(start + step, samples))
            loaded = None if amplitudes is None else amplitudes[part]
            tape = self._tape(
                part.stop - start, angles if angles.ndim == 1 else angles[part], loaded
            )
            values = self._run(tape, keep=False)
            if is_on_device(angles):
                answer[part].copy_to_device(values.reshape(part.stop - start, self._n_masks))
                self._device.give(values)
            else:
                answer[part] = self._handed_out(values, self._n_masks, on_device=False)
        return answer if self.masks.size else answer[:, :0]

    def vjp(
        self, tape: CudaTape, cotangent: Real | DeviceArray, *, amplitudes: bool = False
    ) -> tuple[Real | DeviceArray, Real | DeviceArray | None]:
        """Return the gradient of Σ cotangent · values (see `AdjointEngine.vjp`)."""
        samples, plan, device = tape.samples, self._backward, self._device
        check_cotangent(cotangent, samples, self.masks)
        if samples == 0:
            empty = np.zeros(
                self.program.n_angles if tape.shared else (0, self.program.n_angles), self.dtype
            )
            return empty, np.zeros((0, tape.dimension), self.dtype) if amplitudes else None
        on_device = is_on_device(cotangent)
        weights = self._received(
            cotangent if self.masks.size else np.zeros((samples, 1)), "cotangents"
        )
        if "states" not in tape.arrays:
            device.give(self._run(tape, keep=True))
        states = tape.arrays.pop("states")
        costates = device.take(states.shape, self.dtype) if len(plan.groups) > 1 else states
        shares = device.take((samples, plan.tiles, self._n_angles), self.dtype)
        dimension = tape.dimension if amplitudes else 0
        by_amplitude = device.take((samples, dimension), self.dtype) if dimension else states
        for group in reversed(plan.groups):
            device.launch(
                kernels.backward, samples * plan.tiles, plan.threads, plan.shared_bytes,
                states, costates, weights, tape.arrays["coefficients"], self._tables[1], group, shares, by_amplitude,
                dimension,
            )  # fmt: skip
        by_angle = self._summed(shares, 1 if tape.shared else samples)
        device.give(states, *([costates] if costates is not states else []))
        if not on_device:
            device.give(weights)
        angle_gradient = self._handed_out(by_angle, self.program.n_angles, on_device)
        if tape.shared:
            angle_gradient = angle_gradient.reshape(self.program.n_angles)
        if not amplitudes:
            return angle_gradient, None
        if not dimension:
            return angle_gradient, np.zeros((samples, 0), self.dtype)
        return angle_gradient, self._handed_out(by_amplitude, dimension, on_device)

    def bytes_per_sample(self, dimension: int, *, training: bool) -> int:
        """Return the most memory that a sample takes on the device, in ``training`` with a backward sweep."""
        forward, backward = self._forward, self._backward
        state = 1 << forward.n_qubits
        numbers = (
            (forward.tiles + 1) * self._n_masks
            + dimension
            + 2 * OP_WIDTH * forward.n_ops
            + 2 * self._n_angles
        )
        if training:
            numbers += state + self._n_masks + (backward.tiles + 1) * self._n_angles + dimension
            numbers += state if len(backward.groups) > 1 else 0
        elif len(forward.groups) > 1:
            numbers += state
        return numbers * np.dtype(self.dtype).itemsize

    # --- launches
    # -----------------------------------------------------------------------------------------------------

    def _tape(self, samples: int, angles: Any, amplitudes: Any) -> CudaTape:
        """Return a tape without states. Its arrays return to the device's store when it is collected."""
        device, plan = self._device, self._forward
        rows = 1 if angles.ndim == 1 else samples
        kept = is_on_device(angles) and self.program.n_angles > 0
        if kept:
            radians = view(angles, ("float32", "float64"), "angles")
        else:
            radians = device.put(
                np.asarray(angles, np.float64) if self.program.n_angles else np.zeros((rows, 1))
            )
        coefficients = device.take(
            (rows, OP_WIDTH * plan.n_ops), np.result_type(self.dtype, np.complex64)
        )
        threads = min(self._threads, _COEFFICIENT_THREADS)
        device.launch(
            compute_coefficients, -(-coefficients.size // threads), threads, 0,
            radians if radians.ndim == 2 else radians.reshape(1, self._n_angles), self._tables[0], coefficients,
        )  # fmt: skip
        if not kept:
            device.give(radians)
        arrays = {"coefficients": coefficients}
        dimension = 0 if amplitudes is None else int(amplitudes.shape[1])
        loaded = self._received(amplitudes, "amplitudes") if dimension else None
        if dimension and not is_on_device(amplitudes):
            arrays["amplitudes"] = loaded
        tape = CudaTape(samples, dimension, angles.ndim == 1, loaded, arrays)
        # the dictionary gets more arrays later
        give = weakref.finalize(tape, lambda: device.give(*arrays.values()))
        give.atexit = False
        return tape

    def _run(self, tape: CudaTape, *, keep: bool) -> DeviceArray:
        """Return the values (B, 1, T) of a tape. With ``keep``, store its states as well."""
        device, plan = self._device, self._forward
        scratch = len(plan.groups) > 1
        shape = (tape.samples, 1 << plan.n_qubits) if keep or scratch else (1, 1)
        states = device.take(shape, self.dtype)
        shares = device.take((tape.samples, plan.tiles, self._n_masks), self.dtype)
        for group in plan.groups:
            device.launch(
                kernels.forward, tape.samples * plan.tiles, plan.threads, plan.shared_bytes,
                states, states if tape.amplitudes is None else tape.amplitudes, tape.dimension,
                tape.arrays["coefficients"], self._tables[0], group, int(keep or group != plan.groups[-1]), shares,
            )  # fmt: skip
        if keep:
            tape.arrays["states"] = states
        else:
            device.give(states)
        return self._summed(shares, tape.samples)

    def _summed(self, shares: DeviceArray, rows: int) -> DeviceArray:
        """Sum (B, tiles, N) to (rows, 1, N), over a sample's tiles, or over everything if ``rows`` is 1."""
        samples, tiles, n = shares.shape
        if samples * tiles == rows:
            return shares
        totals = self._device.take((rows, 1, n), self.dtype)
        columns = min(_SUM_COLUMNS, self._threads)
        depth = max(min(_SUM_ROWS, self._threads // columns), 1)
        self._device.launch(
            add_up, (rows, -(-n // columns)), (columns, depth), columns * depth * totals.dtype.itemsize,
            shares.reshape(samples * tiles, n), totals.reshape(rows, n),
        )  # fmt: skip
        self._device.give(shares)
        return totals

    # --- arrays in and out
    # --------------------------------------------------------------------------------------------

    def _received(self, array: Any, what: str) -> DeviceArray:
        if is_on_device(array):
            return view(array, (self.dtype,), what)
        return self._device.put(np.ascontiguousarray(array, self.dtype))

    def _handed_out(self, array: DeviceArray, columns: int, on_device: bool) -> Any:
        """Return (rows, columns) for the caller. A copy on the host keeps the array for reuse."""
        rows = array.shape[0]
        if on_device and columns:
            return array.reshape(rows, columns)
        host = array.copy_to_host().reshape(rows, -1)[:, :columns]
        self._device.give(array)
        return host

    # --- checks
    # -------------------------------------------------------------------------------------------------------

    def _fitting(self, samples: int, dimension: int, *, training: bool) -> int:
        """Return ``samples``, or the number that the device has memory for, computed once per size."""
        key = dimension, training
        if samples > self._admitted.get(key, 0):
            fitting = self._device.free_bytes() // self.bytes_per_sample(
                dimension, training=training
            )
            if fitting < samples:
                return fitting
            self._admitted[key] = samples
        return samples

    def _too_many(self, samples: int, dimension: int, *, training: bool) -> BackendError:
        each = self.bytes_per_sample(dimension, training=training)
        free, fitting = (
            self._device.free_bytes(),
            self._fitting(samples, dimension, training=training),
        )
        what = "state, co-state and gradients" if training else "state and values"
        return BackendError(
            f"{samples} samples of {self.program.n_qubits} qubits need {samples * each / 2**20:.1f} MiB on the GPU "
            f"({each / 2**20:.1f} MiB each for {what}), {free / 2**20:.1f} MiB are free: "
            f"{fitting or 'not even one'} of them fit{'' if fitting else 's'}. Use a smaller batch, fewer qubits, "
            "or device='cpu'."
        )
