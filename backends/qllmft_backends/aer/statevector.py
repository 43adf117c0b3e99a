"""Aer's state vector simulator as a backend: exact or with shots, on CPU or GPU."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.random import Generator
from pydantic import Field
from qiskit import QuantumCircuit
from qiskit_aer import AerSimulator

from qllmft_backends.aer.simulator import (
    check_gpu,
    check_request,
    gpu_obstacle,
    measured_bits,
    native_names,
    sample,
    saved_means,
)
from qllmft_backends.availability import Availability
from qllmft_backends.backend import Backend
from qllmft_backends.observables import PauliObservables, ZObservables
from qllmft_backends.protocol import (
    Bits,
    Capabilities,
    Expectations,
    Floats,
    Operators,
)
from qllmft_backends.requests import inline_definitions, request_seed
from qllmft_base.validation import CheckedModel

_THREADS_SHARE_A_SAMPLE_ABOVE = 14  # qubits; Aer's default statevector_parallel_threshold


class AerStatevectorOptions(CheckedModel):
    """Options of the backend ``aer_statevector``.

    Attributes:
        device: ``CPU``, or ``GPU``, which is refused if Aer finds none.
        precision: of the amplitudes; with ``single``, values are exact to about 1e-6.
        max_parallel_threads: threads of Aer; 0: one per core. Set 1 if the cores are shared.
        shots: measurements per sample; None: exact values.
        seed: of the shots; the same seed and request give the same counts.
    """

    device: Literal["CPU", "GPU"] = "CPU"
    precision: Literal["single", "double"] = "double"
    max_parallel_threads: int = Field(0, ge=0)
    shots: int | None = Field(None, ge=1)
    seed: int = Field(0, ge=0)


class AerStatevectorBackend(Backend):
    """Any unitary circuit without noise, gradients by parameter shift.

    ``adjoint`` is faster if it runs the circuit.

    Raises:
        BackendError: for ``device="GPU"`` if Aer finds none, with the remedy.
    """

    name: ClassVar[str] = "aer_statevector"

    def __init__(self, options: AerStatevectorOptions | None = None) -> None:
        self.options = options or AerStatevectorOptions()
        if self.options.device == "GPU":
            check_gpu()
        self._simulator = AerSimulator(
            method="statevector",
            device=self.options.device,
            precision=self.options.precision,
            max_parallel_threads=self.options.max_parallel_threads,
            max_parallel_experiments=0,  # as many as there are threads
        )

    @classmethod
    def availability(cls) -> Availability:
        """Return available, with a note about the GPU."""
        return Availability(True, gpu_obstacle() or "Aer finds a GPU: device='GPU' works.")

    @property
    def capabilities(self) -> Capabilities:
        """Return the abilities. The memory of a GPU, and so its limit of qubits, is unknown."""
        on_cpu = self.options.device == "CPU"
        return Capabilities(
            exact=self.options.shots is None,
            shots=self.options.shots is not None,
            paulis=self.options.shots is None,
            max_qubits=self._simulator.configuration().n_qubits if on_cpu else None,
        )

    def expectations(
        self, circuit: QuantumCircuit, values: Floats, observables: Operators
    ) -> Expectations:
        """Return values (see `Backend.expectations`). Exact ones take any Pauli strings, counts I and Z only."""
        values = check_request(circuit, values, self.capabilities.max_qubits)
        PauliObservables.from_operators(observables, circuit.num_qubits)  # or raise
        if len(values) == 0:
            return Expectations.exact(np.empty((0, len(observables))))
        runnable = self._to_aer_gates(circuit)
        batching = self._batch_options(circuit.num_qubits)
        if self.options.shots is None:
            means = saved_means(self._simulator, runnable, values, observables, **batching)
            return Expectations.exact(means)
        sums = ZObservables.from_operators(observables, circuit.num_qubits)
        seed = request_seed(self.options.seed, circuit, values)
        batching |= {"shots": self.options.shots, "seed_simulator": seed}
        return sample(self._simulator, runnable, values, sums, **batching)

    def bits(self, circuit: QuantumCircuit, values: Floats, shots: int, rng: Generator) -> Bits:
        """Return classical bits of a circuit, run with its measurements, resets, conditions and loops.

        Args:
            circuit: with measurements into C classical bits.
            values: (B, P) parameter values in radians, in the order of ``circuit.parameters``.
            shots: S, runs per row of ``values``; the option ``shots`` is not read.
            rng: one number drawn from it is Aer's seed; the option ``seed`` is not read.

        Returns:
            (B, S, C); a bit that is never written is False.

        Raises:
            BackendError: for values of another shape, or if Aer refuses the circuit.
            UnsupportedGateError: for a gate without a definition by gates that Aer runs.
        """
        seed = int(rng.integers(2**31))
        batching = self._batch_options(circuit.num_qubits)
        runnable = self._to_aer_gates(circuit)
        return measured_bits(
            self._simulator, runnable, values, shots, seed_simulator=seed, **batching
        )

    def _to_aer_gates(self, circuit: QuantumCircuit) -> QuantumCircuit:
        """Return a circuit in gates of Aer. Without noise, opened gates change no measurement."""
        return inline_definitions(circuit, native_names(self._simulator), "Aer")

    def _batch_options(self, n_qubits: int) -> dict[str, Any]:
        """Return run options for a batch of parameter sets, which change the time and not the values.

        On a GPU the sets are one batch; on several GPUs Aer mixes them up (qiskit-aer issue 2244), so it gets one. On a
        CPU, parameters bound inside Aer cost the least up to 14 qubits. Above that Aer would put all its threads on one
        sample after the other; one thread per sample takes half the time (16 qubits, 2 cores), and a seventh if another
        process keeps the cores busy.
        """
        if self.options.device == "GPU":
            return {
                "runtime_parameter_bind_enable": True,
                "batched_shots_gpu": True,
                "target_gpus": [0],
            }
        return {"runtime_parameter_bind_enable": n_qubits <= _THREADS_SHARE_A_SAMPLE_ABOVE}
