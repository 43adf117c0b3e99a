"""The price of a call: the server's estimate, or, where it is not asked, a dated estimate from published prices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from qllmft_backends.ionq.compile import Template
from qllmft_backends.ionq.cost import CostEstimate
from qllmft_backends.ionq.errors import IonQError, IonQRequestError
from qllmft_backends.ionq.ledger import Setup
from qllmft_backends.ionq.transport import Deadline
from qllmft_backends.ionq.work import Work

if TYPE_CHECKING:
    from qllmft_backends.ionq.client import Client

_NOT_FOUND = 404
_PATIENCE_S = 5.0  # for a price that a person waits for


@dataclass(frozen=True)
class PublishedPrices:
    """What a seller of machine time published on a day: a circuit costs least + shots · (one · n1 + two · n2).

    Attributes:
        date: of the publication, ISO.
        source: address.
        unit: of all prices.
        one, two: of a one-qubit and a two-qubit gate, for each shot.
        least: of a circuit without error mitigation.
        least_mitigated: of a circuit with it.
    """

    date: str
    source: str
    unit: str
    one: float
    two: float
    least: float
    least_mitigated: float

    def circuit(self, template: Template, setup: Setup) -> float:
        """The price of one circuit; gates are counted as the ions run them."""
        least = self.least if setup.error_mitigation == "none" else self.least_mitigated
        one, two = template.native_one_qubit_gates, template.native_two_qubit_gates
        return least + setup.shots * (self.one * one + self.two * two)


# IonQ itself publishes no prices: they are part of each contract. Azure's are public.
PUBLISHED = PublishedPrices(
    date="2024-12-05",
    source="https://learn.microsoft.com/azure/quantum/pricing",
    unit="usd",
    one=0.000220,
    two=0.000975,
    least=12.4166,
    least_mitigated=97.50,
)


def dated_estimate(counted: CostEstimate, work: Work) -> CostEstimate:
    """``counted`` of ``work`` with a price from `PUBLISHED`; the server is not asked."""
    template, setup = work.template, work.setup
    if setup.backend == "simulator":
        return replace(counted, price=0.0, note="IonQ's simulator is free; the server was not asked")
    return replace(
        counted,
        price=PUBLISHED.circuit(template, setup) * counted.circuits,
        unit=PUBLISHED.unit,
        note=f"a dated estimate, not the server's price: Azure's prices of {PUBLISHED.date}, {PUBLISHED.source}, "
        f"{template.native_one_qubit_gates} native one-qubit and {template.native_two_qubit_gates} ZZ gates a circuit; "
        "yours may differ",
    )


class Prices:
    """The server's estimates, each asked for once.

    Args:
        client: makes the client; called where the server is asked.
        session: whether the circuits are to be sent in a session.
    """

    def __init__(self, client: Callable[[], Client], *, session: bool = False) -> None:
        self._client, self._session = client, session
        self._known: dict[tuple[Setup, int, int], dict[str, Any]] = {}

    def estimate(self, counted: CostEstimate, work: Work) -> CostEstimate:
        """``counted`` of ``work`` with the server's price; None, and why, where the server has no prices.

        Raises:
            IonQRequestError: where the price is no finite number of 0 or more.
            IonQError: where the server cannot be asked.
        """
        key = (work.setup, counted.one_qubit_gates, counted.two_qubit_gates)
        if key not in self._known:
            try:
                self._known[key] = self._client().price(*key, session=self._session)
            except IonQRequestError as error:
                if error.status != _NOT_FOUND:
                    raise
                return replace(counted, note=str(error))
        price = self._known[key]
        if price["cost"] is None:
            return replace(counted, queue_s=price["queue_s"], note="the server gives no price")
        return replace(
            counted,
            price=float(price["cost"]) * counted.circuits,
            unit=price["unit"],
            queue_s=price["queue_s"],
            note="one circuit's estimate times their number; not binding",
        )

    @contextmanager
    def soon(self) -> Iterator[None]:
        """Inside, a person waits for a price: it comes within a few seconds, or there is an error.

        Raises:
            IonQError: says why there is no price, and how to have a dated one.
        """
        try:
            with self._client().transport.until(Deadline(_PATIENCE_S)):
                yield
        except IonQError as error:
            raise type(error)(
                f"no price: {error} Without the server there is a dated estimate from the prices of {PUBLISHED.date}: "
                "--offline beside --dry-run, in Python estimate(..., offline=True).",
                status=error.status,
            ) from None
