"""A request to an IonQ backend, checked: what would be sent for it, and where its circuits stand in the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qllmft_backends.ionq.compile import Template
from qllmft_backends.ionq.cost import CostEstimate
from qllmft_backends.ionq.known_answer import KnownAnswer
from qllmft_backends.ionq.ledger import Chunk, Setup
from qllmft_backends.ionq.options import JOB_MAX_CIRCUITS, JOB_MAX_GATES, IonQOptions

Place = tuple[Chunk, int]  # a circuit of the ledger: its chunk, and its index there


@dataclass(frozen=True)
class Work:
    """A request, checked.

    Attributes:
        template: the circuit.
        values: (B, P) parameter values in radians.
        setup: what decides the meaning of a result.
        known: the circuit with a known answer that goes first in each job; None: none.
    """

    template: Template
    values: NDArray[np.float64]
    setup: Setup
    known: KnownAnswer | None = None

    @property
    def known_state(self) -> int | None:
        """The answer of the circuit with a known answer; None: there is no such circuit."""
        return None if self.known is None else self.known.state

    @property
    def known_work(self) -> Work | None:
        """The circuit with a known answer as a request of its own, for its price: same shots and mitigation."""
        if self.known is None:
            return None
        template = self.known.template
        return Work(template, np.empty((1, 0)), replace(self.setup, circuit_sha256=template.sha256))

    def circuits_per_job(self, options: IonQOptions) -> int:
        """Rows of ``values`` in a job, at most: as ``options`` have it, and within IonQ's limits on a job."""
        circuits, gates = JOB_MAX_CIRCUITS, JOB_MAX_GATES
        if self.known is not None:
            circuits, gates = circuits - 1, gates - self.known.template.gates
        return max(1, min(options.circuits_per_job, circuits, gates // max(1, self.template.gates)))

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
            "known_price": estimate.known_price,
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
