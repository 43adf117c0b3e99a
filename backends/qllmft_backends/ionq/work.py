"""A request to an IonQ backend, checked: what would be sent for it, and where its circuits stand in the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qllmft_backends.ionq.compile import Template
from qllmft_backends.ionq.cost import CostEstimate
from qllmft_backends.ionq.ledger import Chunk, Setup
from qllmft_backends.ionq.options import JOB_MAX_GATES, IonQOptions

Place = tuple[Chunk, int]  # a circuit of the ledger: its chunk, and its index there


@dataclass(frozen=True)
class Work:
    """A request, checked.

    Attributes:
        template: the circuit.
        values: (B, P) parameter values in radians.
        setup: what decides the meaning of a result.
    """

    template: Template
    values: NDArray[np.float64]
    setup: Setup

    def circuits_per_job(self, options: IonQOptions) -> int:
        """At most so many: as ``options`` have it, and within IonQ's limit on the gates of a job."""
        gates = max(1, self.template.one_qubit_gates + self.template.two_qubit_gates)
        return max(1, min(options.circuits_per_job, JOB_MAX_GATES // gates))

    def counted(self, places: Sequence[Place | None], options: IonQOptions) -> CostEstimate:
        """What sending those that are at no place would be, without a price."""
        circuits = sum(place is None for place in places)
        return CostEstimate(
            backend=self.setup.backend,
            circuits=circuits,
            known=len(places) - circuits,
            jobs=-(-circuits // self.circuits_per_job(options)),
            shots=self.setup.shots,
            one_qubit_gates=self.template.one_qubit_gates,
            two_qubit_gates=self.template.two_qubit_gates,
        )

    def facts(self, estimate: CostEstimate) -> dict[str, Any]:
        """What the ledger keeps beside a planned chunk, for people."""
        return {
            "circuit_name": self.template.circuit.name,
            "one_qubit_gates": self.template.one_qubit_gates,
            "two_qubit_gates": self.template.two_qubit_gates,
            "price_each": estimate.price_each,
            "price_unit": estimate.unit,
            "versions": {name: version(name) for name in ("qiskit", "qiskit-ionq")},
        }


@dataclass(frozen=True)
class Submission:
    """What `submit` did.

    Attributes:
        estimate: what was to be sent.
        job_ids: of all jobs that hold circuits of the request, sent now or before.
    """

    estimate: CostEstimate
    job_ids: tuple[str, ...]


def chunks_of(places: Iterable[Place | None]) -> list[Chunk]:
    """The chunks of some places, each once, in their order."""
    return list({place[0].id: place[0] for place in places if place is not None}.values())
