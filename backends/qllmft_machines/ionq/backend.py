"""Backends ``ionq_simulator`` and ``ionq_forte``: their abilities, and what is theirs alone of a job."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from qllmft_backends.noise import GateNoise
from qllmft_backends.observables import draw_frequencies
from qllmft_backends.protocol import Capabilities
from qllmft_machines.batch import CircuitBatch
from qllmft_machines.cost import CostEstimate
from qllmft_machines.ionq.base import IDEAL_SHOTS, IonQBase
from qllmft_machines.ionq.compile import compile_at_server
from qllmft_machines.ionq.options import (
    CLOUD_NOISE,
    DEBIASING_MIN_SHOTS,
    QPU_MAX_SHOTS,
    IonQForteOptions,
    IonQSimulatorOptions,
)
from qllmft_machines.ledger.chunk import FREE_MACHINE, Chunk
from qllmft_machines.ledger.payload import Probabilities, Variant

# of another machine, the server says it before it is sent
_QUBITS = {"forte-1": 36, "forte-enterprise-1": 36}
_SIMULATOR_QUBITS = 29


class IonQSimulator(IonQBase):
    """IonQ's simulator in the cloud: free, ideal or with a machine's noise model."""

    name: ClassVar[str] = "ionq_simulator"
    options: IonQSimulatorOptions

    @property
    def capabilities(self) -> Capabilities:
        """Return the simulator's limits. Results are exact without shots."""
        return Capabilities(
            exact=self.options.shots is None,
            shots=self.options.shots is not None,
            noisy=self.options.cloud_model != "ideal",
            remote=True,
            max_qubits=_SIMULATOR_QUBITS,
            max_circuits=self.options.circuits_per_job,
        )

    @property
    def gate_noise(self) -> GateNoise | None:
        """Return the simulated noise, None for a machine whose rates IonQ does not publish."""
        return self.options.simulated_noise

    def _setup_fields(self) -> dict[str, Any]:
        ideal = self.options.cloud_model == "ideal"
        return {
            "backend": FREE_MACHINE,
            "shots": IDEAL_SHOTS if ideal or self.options.shots is None else self.options.shots,
            "noise_model": self.options.cloud_model,
            "seed": self.options.seed,
        }

    def _result(self, chunk: Chunk, index: int) -> Probabilities | None:
        result = super()._result(chunk, index)
        if result is None or self.options.cloud_model != "ideal" or self.options.shots is None:
            return result
        # The server's answer is exact; the same circuit of the same ledger always gives the same
        # shots.
        rng = np.random.default_rng([self.options.seed, int(chunk.id), index, self.options.shots])
        return draw_frequencies(result, self.options.shots, rng)


class IonQForte(IonQBase):
    """IonQ's machines, Forte by default: 36 trapped ions, all-to-all connected. Circuits cost money."""

    name: ClassVar[str] = "ionq_forte"
    options: IonQForteOptions

    @property
    def capabilities(self) -> Capabilities:
        """Return the machine's limits. Circuits on it are noisy and paid."""
        return Capabilities(
            shots=True,
            noisy=True,
            remote=True,
            paid=True,
            max_qubits=_QUBITS.get(self.options.target),
            max_shots=QPU_MAX_SHOTS,
            max_circuits=self.options.circuits_per_job,
        )

    @property
    def mitigation(self) -> str:
        """Return the mitigation at IonQ, "" without one."""
        options = self.options
        names: list[str] = []
        if options.error_mitigation != "none":
            names.append(options.error_mitigation)
        if options.symmetry_verification:
            names.append("symmetry verification")
        return ", ".join(names)

    @property
    def gate_noise(self) -> GateNoise | None:
        """Return the noise of IonQ's simulator for the machine, None if its rates are not published."""
        return CLOUD_NOISE.get(self.options.target)

    @property
    def fewest_shots(self) -> int:
        """Return the least shots that error mitigation takes."""
        return DEBIASING_MIN_SHOTS if self.options.error_mitigation == "debiasing" else 1

    def _add_native_size(self, estimate: CostEstimate, batch: CircuitBatch) -> CostEstimate:
        if not (self.options.compiled_estimate and len(batch.values)):
            return estimate
        (first_circuit,) = batch.template.bind(batch.values[:1], ["dry run"])
        native = compile_at_server(self._route, batch.setup, first_circuit)
        return replace(estimate, native=native)

    def _read_variants(self, chunk: Chunk, index: int) -> list[Variant] | None:
        if not self.options.variants or chunk.variants is None:
            return None
        return chunk.variants[index]

    def _read_extras(self, chunk: Chunk) -> None:
        super()._read_extras(chunk)
        name = self.options.aggregation
        ledger = self.jobs.ledger
        if name != "average" and chunk.state == "collected" and name not in chunk.aggregations:
            results = self._job_results(chunk).combined_probabilities(name)
            ledger.record("aggregated", chunk.id, aggregation=name, results=results)
        if self.options.variants and chunk.variants is None and any(chunk.results or ()):
            variants = self._job_results(chunk).variants()
            if variants is not None:
                ledger.record("variants", chunk.id, variants=variants)

    def _result(self, chunk: Chunk, index: int) -> Probabilities | None:
        if self.options.aggregation != "average" and chunk.state == "collected":
            aggregated_results = chunk.aggregations.get(self.options.aggregation)
            return None if aggregated_results is None else aggregated_results[index]
        return super()._result(chunk, index)

    def _setup_fields(self) -> dict[str, Any]:
        return {
            "backend": f"qpu.{self.options.target}",
            "shots": self.options.shots,
            "error_mitigation": self.options.error_mitigation,
            "symmetry_verification": self.options.symmetry_verification,
        }
