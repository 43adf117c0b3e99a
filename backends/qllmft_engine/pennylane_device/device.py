"""PennyLane's device ``qllmft.adjoint``: `qp.device("qllmft.adjoint", wires=4)`.

PennyLane transforms and measures; the engine computes. Expectation values of Pauli words come from the engine itself,
with gradients in one reverse sweep for a whole batch of parameters; other measurements from its final states.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from types import FrameType
from typing import Any, Literal

import numpy as np
import pennylane as qp
from autograd.tracer import trace  # type: ignore[import-untyped]
from numpy.typing import NDArray
from pennylane.devices import Device, ExecutionConfig
from pennylane.devices.modifiers import simulator_tracking, single_tape_support
from pennylane.devices.preprocess import (
    decompose,
    device_resolve_dynamic_wires,
    validate_device_wires,
    validate_measurements,
)
from pennylane.devices.qubit.measure import measure
from pennylane.devices.qubit.sampling import measure_with_samples
from pennylane.exceptions import DeviceError
from pennylane.tape import QuantumScript

from qllmft_engine.pennylane_device.built_tape import BuiltTape, build
from qllmft_engine.pennylane_device.probabilities import (
    MAX_WIRES,
    expand_cotangents,
    expand_probabilities,
    gather_jacobians,
    has_swept_gradient,
)
from qllmft_engine.pennylane_device.symbols import decompose_by_matrix
from qllmft_engine.pennylane_device.tapes import is_differentiable, is_supported
from qllmft_engine.pennylane_device.transforms import (
    expand_batch,
    expand_undecomposed,
    gather,
    is_batch,
    refuse_undefined_gradients,
)

_SAMPLED_MEASUREMENTS = (
    qp.measurements.SampleMeasurement,
    qp.measurements.ClassicalShadowMP,
    qp.measurements.ShadowExpvalMP,
)


@simulator_tracking
@single_tape_support
class AdjointDevice(Device):  # type: ignore[misc]
    """The project's engine on the CPU as a device of PennyLane.

    Args:
        wires: labels or number of the wires. None: those of each circuit.
        shots: measurements per circuit, if a QNode sets none. None: exact values.
        seed: of the shots; ``global``: from NumPy's global state.
        dtype: ``float64``, or ``float32``, which takes about half the time.
    """

    def __init__(
        self,
        wires: Any = None,
        shots: int | None = None,
        seed: int | Literal["global"] | None = "global",
        dtype: Literal["float32", "float64"] = "float64",
    ) -> None:
        super().__init__(wires=wires, shots=shots)
        if dtype not in ("float32", "float64"):
            raise DeviceError(f"dtype is {dtype!r}, expected 'float32' or 'float64'.")
        self._dtype = dtype
        self._rng = np.random.default_rng(np.random.randint(2**31) if seed == "global" else seed)  # noqa: NPY002
        self._built_tapes: dict[Any, BuiltTape] = {}

    @property
    def name(self) -> str:
        """Return the name for `qp.device`."""
        return "qllmft.adjoint"

    def supports_derivatives(
        self, execution_config: ExecutionConfig | None = None, circuit: QuantumScript | None = None
    ) -> bool:
        """Return whether the reverse sweep differentiates a circuit: exact Pauli words, and probabilities."""
        if execution_config is not None and execution_config.gradient_method not in (
            "adjoint",
            "best",
        ):
            return False
        n_device_wires = len(self.wires or ())
        return circuit is None or (
            bool(circuit.measurements)
            and not circuit.shots
            and has_swept_gradient(circuit, n_device_wires)
        )

    supports_vjp = supports_derivatives

    def setup_execution_config(
        self, config: ExecutionConfig | None = None, circuit: QuantumScript | None = None
    ) -> ExecutionConfig:
        """Return a configuration with the gradient's method chosen, and vector-Jacobian products on the device."""
        config = config or ExecutionConfig()
        if config.device_options:
            raise DeviceError(
                f"got the device options {sorted(config.device_options)}, expected none."
            )
        updates: dict[str, Any] = {}
        if config.gradient_method == "best" and self.supports_derivatives(config, circuit):
            updates["gradient_method"] = "adjoint"
        uses_sweep = updates.get("gradient_method", config.gradient_method) == "adjoint"
        if uses_sweep and not self.supports_derivatives(
            replace(config, gradient_method="adjoint"), circuit
        ):
            raise DeviceError(
                "diff_method='adjoint' differentiates exact expectation values of Pauli words, and probabilities of at "
                f"most {MAX_WIRES} wires. Got other measurements, or shots. Use diff_method='parameter-shift'."
            )
        if config.use_device_gradient is None:
            updates["use_device_gradient"] = uses_sweep
        runs_batch = circuit is not None and is_batch(circuit)
        if config.use_device_jacobian_product is None or (uses_sweep and runs_batch):
            updates["use_device_jacobian_product"] = uses_sweep
        if config.grad_on_execution is None:
            updates["grad_on_execution"] = False
        if config.mcm_config.mcm_method in (None, "device"):
            updates["mcm_config"] = replace(config.mcm_config, mcm_method="deferred")
        return replace(config, **updates)

    def preprocess_transforms(self, execution_config: ExecutionConfig | None = None) -> Any:
        """Return the transforms to circuits of the engine's gates."""
        config = execution_config or ExecutionConfig()
        sweeps = config.gradient_method != "adjoint" or bool(config.use_device_jacobian_product)
        pipeline = qp.CompilePipeline()
        if config.gradient_method == "adjoint":
            pipeline.add_transform(refuse_undefined_gradients)
        stacks = config.gradient_method == "adjoint" and sweeps
        pipeline.add_transform(gather, sweeps=sweeps, stacks=stacks)
        if config.mcm_config.mcm_method == "deferred":
            pipeline.add_transform(qp.defer_measurements, allow_postselect=False)
        pipeline.add_transform(expand_undecomposed)
        pipeline.add_transform(
            decompose,
            stopping_condition=is_supported,
            skip_initial_state_prep=False,  # of the preparations, the engine takes StatePrep only
            decomposer=decompose_by_matrix,
            device_wires=self.wires,
            name=self.name,
        )
        pipeline.add_transform(device_resolve_dynamic_wires, wires=self.wires, allow_resets=False)
        pipeline.add_transform(validate_device_wires, self.wires, name=self.name)
        pipeline.add_transform(
            validate_measurements,
            analytic_measurements=lambda m: isinstance(m, qp.measurements.StateMeasurement),
            sample_measurements=lambda m: isinstance(m, _SAMPLED_MEASUREMENTS),
            name=self.name,
        )
        pipeline.add_transform(expand_batch, sweeps=sweeps)
        pipeline.add_transform(gather, sweeps=sweeps, stacks=stacks)
        return pipeline

    def execute(
        self, circuits: Sequence[QuantumScript], execution_config: ExecutionConfig | None = None
    ) -> tuple[Any, ...]:
        """Return the results of circuits."""
        before_gradient = (
            execution_config is not None and execution_config.gradient_method == "adjoint"
        )
        return tuple(
            self._execute(circuit, before_gradient=before_gradient) for circuit in circuits
        )

    def compute_vjp(
        self,
        circuits: Sequence[QuantumScript],
        cotangents: Sequence[Any],
        execution_config: ExecutionConfig | None = None,
    ) -> tuple[Any, ...]:
        """Return vector-Jacobian products by the trainable parameters, one reverse sweep for each circuit."""
        _check_order(execution_config)
        return tuple(
            self._vjp(circuit, cotangent)
            for circuit, cotangent in zip(circuits, cotangents, strict=True)
        )

    def compute_derivatives(
        self, circuits: Sequence[QuantumScript], execution_config: ExecutionConfig | None = None
    ) -> tuple[Any, ...]:
        """Return Jacobians by the trainable parameters, one reverse sweep for each measurement.

        Raises:
            DeviceError: for a batch of parameters, which has vector-Jacobian products only.
        """
        _check_order(execution_config)
        jacobians = []
        for user_circuit in circuits:
            if user_circuit.batch_size is not None:
                raise DeviceError(
                    "the whole Jacobian of a batch of parameters is not computed. Use vector-Jacobian products "
                    "(device_vjp=True), or one circuit per sample (qp.transforms.broadcast_expand)."
                )
            measured_circuit = _on_standard_wires(user_circuit)
            circuit = expand_probabilities(measured_circuit)
            built = self._built_tape(circuit)
            values = np.eye(len(circuit.measurements))
            gradients = [
                [np.asarray(gradient) for gradient in built.vjp(circuit, row[np.newaxis])]
                for row in values
            ]
            rows = [
                arrays[0] if len(arrays) == 1 else tuple(arrays)
                for arrays in gather_jacobians(measured_circuit, gradients)
            ]
            jacobians.append(rows[0] if len(rows) == 1 else tuple(rows))
        return tuple(jacobians)

    # --- one circuit

    def _execute(self, circuit: QuantumScript, *, before_gradient: bool) -> Any:
        circuit = _on_standard_wires(circuit)
        is_batched = circuit.batch_size is not None
        if not circuit.shots and is_differentiable(circuit):
            values = self._built_tape(circuit).values(circuit, before_gradient=before_gradient)
            results = tuple(values.T if is_batched else values[0])
            return results[0] if len(circuit.measurements) == 1 else results
        state = self._built_tape(circuit, states=True).state(circuit)
        if circuit.shots:
            results = measure_with_samples(
                circuit.measurements,
                state,
                shots=circuit.shots,
                is_state_batched=is_batched,
                rng=self._rng,
            )
            if len(circuit.measurements) > 1:
                return tuple(results)
            return (
                tuple(part[0] for part in results)
                if circuit.shots.has_partitioned_shots
                else results[0]
            )
        results = tuple(
            measure(m, state, is_state_batched=is_batched) for m in circuit.measurements
        )
        return results[0] if len(results) == 1 else results

    def _vjp(self, circuit: QuantumScript, cotangent: Any) -> Any:
        circuit = _on_standard_wires(circuit)
        cotangents = (cotangent,) if len(circuit.measurements) == 1 else cotangent
        arrays = [np.asarray(array, np.float64) for array in cotangents]
        rows = np.array(expand_cotangents(circuit, arrays))  # (O, ...)
        circuit = expand_probabilities(circuit)
        built = self._built_tape(circuit)
        if circuit.batch_size is None and rows.ndim == 2:  # a batch of cotangents
            by_row = [built.vjp(circuit, row[np.newaxis]) for row in rows.T]
            return Gradients(np.array(column) for column in zip(*by_row, strict=True))
        weights = rows.reshape(len(rows), -1).T  # (B, O)
        return Gradients(built.vjp(circuit, weights))

    def _built_tape(self, circuit: QuantumScript, *, states: bool = False) -> BuiltTape:
        """Return the engine for the structure of a circuit, kept for its next values."""
        built = build(circuit, self._dtype, states=states, built_tapes=self._built_tapes)
        if len(self._built_tapes) > 64:
            self._built_tapes.pop(next(iter(self._built_tapes)))
        return built


class Gradients(tuple[Any, ...]):
    """Gradients by the parameters of a circuit, of a batch or shared by it: arrays of two shapes.

    PennyLane's interface to torch calls `numpy.squeeze`, which makes no array of them.
    """

    __slots__ = ()

    def squeeze(self, axis: None = None) -> NDArray[np.object_]:
        """Return the gradients as an array of objects."""
        del axis
        out = np.empty(len(self), object)
        out[:] = list(self)
        return out


def _on_standard_wires(circuit: QuantumScript) -> QuantumScript:
    """Return a circuit on wires 0, 1, ...; one of gathered gates has any."""
    is_gathered = bool(circuit.operations) and circuit.operations[0].name == "GateSequence"
    return circuit if is_gathered else circuit.map_to_standard_wires()


def _check_order(config: ExecutionConfig | None) -> None:
    """Raise if a gradient by the reverse sweep is to be differentiated itself, which gives zero.

    Raises:
        DeviceError: for a graph of a gradient in torch, or a gradient inside of another in autograd.
    """
    interface = "" if config is None or config.interface is None else config.interface.value
    if interface == "torch":
        # in a backward pass it means create_graph=True
        is_second_order = sys.modules["torch"].is_grad_enabled()
    else:
        is_second_order = interface == "autograd" and _is_traced()
    if is_second_order:
        raise DeviceError(
            "second derivatives (create_graph=True, a Hessian) are not computed by the reverse sweep, and would be "
            "zero. Use diff_method='parameter-shift' with max_diff=2."
        )


def _is_traced() -> bool:
    """Return whether this call is inside of a function that autograd differentiates.

    The stack says so. Autograd's own count of such functions is too high for ever after an error inside of one.
    """
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code is not trace.__code__:
        frame = frame.f_back
    return frame is not None
