"""The price of a call: the server's estimate, or, where it is not asked, a dated estimate from published prices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qllmft_backends.ionq.cost import CostEstimate
from qllmft_backends.ionq.errors import IonQError, IonQRequestError
from qllmft_backends.ionq.ledger import Setup
from qllmft_backends.ionq.transport import Deadline
from qllmft_backends.ionq.work import Work

if TYPE_CHECKING:
    from qllmft_backends.ionq.client import Client

_NOT_FOUND = 404
_PATIENCE_S = 5.0  # for a price that a person waits for


# IonQ itself publishes no prices: they are part of each contract. Azure's are public.
PUBLISHED_ON, PUBLISHED_AT = "2024-12-05", "https://learn.microsoft.com/azure/quantum/pricing"
_UNIT = "usd"
_ONE_QUBIT_GATE, _ZZ_GATE = 0.000220, 0.000975  # for each shot
_LEAST, _LEAST_MITIGATED = 12.4166, 97.50  # of a circuit without error mitigation, and with it


def dated_estimate(counted: CostEstimate, work: Work) -> CostEstimate:
    """``counted`` of ``work`` with a price as it was published on a day; the server is not asked.

    A circuit costs least + shots · (one · n1 + two · n2), its gates counted as the ions run them.
    """
    setup, one, two = work.setup, work.template.native_one_qubit_gates, work.template.native_two_qubit_gates
    if setup.backend == "simulator":
        return replace(counted, price=0.0, note="IonQ's simulator is free; the server was not asked")
    least = _LEAST if setup.error_mitigation == "none" else _LEAST_MITIGATED
    return replace(
        counted,
        price=(least + setup.shots * (_ONE_QUBIT_GATE * one + _ZZ_GATE * two)) * counted.circuits,
        unit=_UNIT,
        note=f"a dated estimate, not the server's price: Azure's prices of {PUBLISHED_ON}, {PUBLISHED_AT}, "
        f"{one} native one-qubit and {two} ZZ gates a circuit; yours may differ",
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
                f"no price: {error} Without the server there is a dated estimate from the prices of {PUBLISHED_ON}: "
                "--offline beside --dry-run, in Python estimate(..., offline=True).",
                status=error.status,
            ) from None
