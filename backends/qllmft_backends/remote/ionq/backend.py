"""Backends ``ionq_simulator`` and ``ionq_forte``: their machines' limits and settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from qllmft_backends.counts import draw
from qllmft_backends.noise import GateNoise
from qllmft_backends.protocol import Capabilities, Expectations
from qllmft_backends.remote.batch import CircuitBatch
from qllmft_backends.remote.ionq.base import IonQBase
from qllmft_backends.remote.ionq.compile import known_answer
from qllmft_backends.remote.ionq.native import NativeSize, compile_there
from qllmft_backends.remote.ionq.noise import CLOUD_NOISE
from qllmft_backends.remote.ionq.options import (
    QPU_MAX_SHOTS,
    IonQForteOptions,
    IonQOptions,
    IonQSimulatorOptions,
)
from qllmft_backends.remote.known_answers import KnownAnswers
from qllmft_backends.remote.ledger.chunk import FREE_MACHINE, Chunk
from qllmft_backends.remote.ledger.payload import Probabilities
from qllmft_backends.remote.ledger.variants import standard_errors
from qllmft_backends.z_observables import ZObservables

if TYPE_CHECKING:
    from qllmft_backends.remote.ionq.library import Characterization

# of another machine, the server says it before it is sent
QUBITS = {"forte-1": 36, "forte-enterprise-1": 36}
SIMULATOR_QUBITS = 29
# sent with an ideal simulation, which ignores it ("shots is ignored by ideal simulator backend")
_IDEAL_SHOTS = 1000


class IonQSimulator(IonQBase):
    """IonQ's simulator in the cloud: free, ideal or with a machine's noise model."""

    name: ClassVar[str] = "ionq_simulator"
    options_type: ClassVar[type[IonQOptions]] = IonQSimulatorOptions
    options: IonQSimulatorOptions

    @property
    def capabilities(self) -> Capabilities:
        """Return the simulator's limits. Results are exact without shots."""
        return Capabilities(
            exact=self.options.shots is None,
            shots=self.options.shots is not None,
            noisy=self.options.cloud_model != "ideal",
            remote=True,
            max_qubits=SIMULATOR_QUBITS,
            max_circuits=self.options.circuits_per_job,
        )

    @property
    def gate_noise(self) -> GateNoise | None:
        """Return the simulated noise, None for a machine whose rates IonQ does not publish."""
        return self.options.simulated_noise

    def _machine(self) -> dict[str, Any]:
        ideal = self.options.cloud_model == "ideal"
        return {
            "backend": FREE_MACHINE,
            "shots": _IDEAL_SHOTS if ideal or self.options.shots is None else self.options.shots,
            "error_mitigation": "none",
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
        return draw(result, self.options.shots, rng)


class IonQForte(IonQBase):
    """IonQ's machines, Forte by default: 36 trapped ions, all-to-all connected. Circuits cost money."""

    name: ClassVar[str] = "ionq_forte"
    options_type: ClassVar[type[IonQOptions]] = IonQForteOptions
    options: IonQForteOptions

    @property
    def capabilities(self) -> Capabilities:
        """Return the machine's limits. Circuits on it are noisy and paid."""
        return Capabilities(
            shots=True,
            noisy=True,
            remote=True,
            paid=True,
            max_qubits=QUBITS.get(self.options.target),
            max_shots=QPU_MAX_SHOTS,
            max_circuits=self.options.circuits_per_job,
        )

    @property
    def gate_noise(self) -> GateNoise | None:
        """Return the noise of IonQ's simulator for the machine, None if its rates are not published."""
        return next((CLOUD_NOISE[n] for n in CLOUD_NOISE if n == self.options.target), None)

    def calibration(self) -> Characterization | None:
        """Return the machine's latest characterization, or None if the server has none.

        Its times are in seconds. `GateNoise.calibrated` reads its fidelities as those of processes.
        """
        return self._client.get_latest_calibration(f"qpu.{self.options.target}")

    def _known_answers(self) -> KnownAnswers:
        return KnownAnswers(
            self.options,
            lambda batch, state: known_answer(batch.setup.n_qubits, state),
            is_mock=lambda: any(route.is_mock for route in self._opened),
        )

    def _read_more(self, chunk: Chunk) -> None:
        super()._read_more(chunk)
        name, ledger = self.options.aggregation, self.jobs.ledger
        if name != "average" and chunk.state == "collected" and name not in chunk.aggregations:
            ledger.aggregated(chunk, name, self._at_server(chunk).aggregated(name))
        if self.options.variants and chunk.variants is None and any(chunk.results or ()):
            ledger.keep("variants", chunk, self._at_server(chunk).variants())

    def _collect(self, batch: CircuitBatch, sums: ZObservables) -> Expectations:
        answer = super()._collect(batch, sums)
        for b, (chunk, i) in enumerate(place for place in batch.places if place is not None):
            if self.options.variants and chunk.variants and (variants := chunk.variants[i]):
                answer.standard_errors[b] = standard_errors(variants, sums)
        return answer

    def _native_size(self, batch: CircuitBatch) -> NativeSize | None:
        if not (self.options.compiled_estimate and len(batch.values)):
            return None
        (circuit,) = batch.template.bind(batch.values[:1], ["dry run"])
        return compile_there(self._client, batch.setup, circuit, self.options.deadline_s)

    def _result(self, chunk: Chunk, index: int) -> Probabilities | None:
        if self.options.aggregation != "average" and chunk.state == "collected":
            return chunk.aggregations[self.options.aggregation][index]
        return super()._result(chunk, index)

    def _machine(self) -> dict[str, Any]:
        return {
            "backend": f"qpu.{self.options.target}",
            "shots": self.options.shots,
            "error_mitigation": self.options.error_mitigation,
            "symmetry_verification": self.options.symmetry_verification,
            "noise_model": None,
            "seed": None,
        }
