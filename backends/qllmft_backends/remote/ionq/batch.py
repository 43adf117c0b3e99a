"""Circuits of one call, and their places in the ledger."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qllmft_backends.remote.ionq.compile import Template
from qllmft_backends.remote.ionq.cost import CostEstimate
from qllmft_backends.remote.ionq.options import JOB_MAX_CIRCUITS, JOB_MAX_GATES
from qllmft_backends.remote.ledger.chunk import Chunk, Setup
from qllmft_backends.remote.ledger.ledger import Place


@dataclass
class CircuitBatch:
    """Circuits of one call, checked and compiled.

    Attributes:
        template: the circuit.
        values: (B, P) parameter values in radians.
        setup: settings that decide a result.
        job_size: the option ``circuits_per_job``.
        places: for each row of ``values`` its place in the ledger; None: still to be sent.
        known: circuit with a known answer that goes first in each job, here with the answer 0; None without one.
    """

    template: Template
    values: NDArray[np.float64]
    setup: Setup
    job_size: int
    places: list[Place | None] = field(default_factory=list)
    known: Template | None = None

    @property
    def chunks(self) -> list[Chunk]:
        """Return the chunks of all places, each once, in their order."""
        return list({place[0].id: place[0] for place in self.places if place is not None}.values())

    @property
    def missing(self) -> list[int]:
        """Return the rows of ``values`` that are not in the ledger."""
        return [row for row, place in enumerate(self.places) if place is None]

    @property
    def checked(self) -> bool:
        """Return whether a circuit with a known answer goes first in each job."""
        return self.known is not None

    def parts(self) -> list[list[int]]:
        """Return the missing rows divided into jobs, as the options ask and within IonQ's limits on a job."""
        circuits, gates = JOB_MAX_CIRCUITS, JOB_MAX_GATES
        if self.known is not None:
            circuits, gates = circuits - 1, gates - self.known.gates
        size = max(1, min(self.job_size, circuits, gates // max(1, self.template.gates)))
        missing = self.missing
        return [missing[start : start + size] for start in range(0, len(missing), size)]

    def estimate(self) -> CostEstimate:
        """Return the cost of sending the missing circuits, without a price."""
        missing, jobs = len(self.missing), len(self.parts())
        return CostEstimate(
            backend=self.setup.backend,
            circuits=missing,
            known=len(self.places) - missing,
            jobs=jobs,
            shots=self.setup.shots,
            one_qubit_gates=self.template.one_qubit_gates,
            two_qubit_gates=self.template.two_qubit_gates,
            known_answers=0 if self.known is None else jobs,
        )

    def facts(self, estimate: CostEstimate) -> dict[str, Any]:
        """Return the fields that a planned chunk's record holds for people."""
        return {
            "circuit_name": self.template.circuit.name,
            "one_qubit_gates": self.template.one_qubit_gates,
            "two_qubit_gates": self.template.two_qubit_gates,
            "price_each": estimate.price_each,
            "known_price": estimate.known_price,
            "price_unit": estimate.unit,
            "versions": {name: version(name) for name in ("qiskit", "qiskit-ionq")},
        }


@dataclass(frozen=True)
class Submission:
    """Result of `IonQBase.submit`.

    Attributes:
        estimate: cost of the circuits that were sent.
        job_ids: ids of all jobs that hold circuits of the call, sent now or before.
    """

    estimate: CostEstimate
    job_ids: tuple[str, ...]
