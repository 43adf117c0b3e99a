"""Price of a call: the server's estimate or, offline, an estimate from published prices."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qllmft_backends.ionq.chunk import Setup
from qllmft_backends.ionq.compile import Template
from qllmft_backends.ionq.errors import NOT_FOUND, IonQRequestError

if TYPE_CHECKING:
    from qllmft_backends.ionq.client import Client

# IonQ itself publishes no prices: they are part of each contract. Azure's are public.
PUBLISHED_ON, PUBLISHED_AT = "2024-12-05", "https://learn.microsoft.com/azure/quantum/pricing"
_UNIT = "usd"
_ONE_QUBIT_GATE, _ZZ_GATE = 0.000220, 0.000975  # per shot
_LEAST, _LEAST_MITIGATED = 12.4166, 97.50  # per circuit without error mitigation, and with it

PriceOf = Callable[[Setup, Template], dict[str, Any]]  # fields of a `CostEstimate`; ``price_each`` is the price


def published_price(setup: Setup, template: Template) -> dict[str, Any]:
    """Return the price of one circuit as published on `PUBLISHED_ON`, without asking the server.

    A circuit costs least + shots · (one · n1 + two · n2), its gates counted as the ions run them.
    """
    if setup.free:
        return {"price_each": 0.0, "note": "IonQ's simulator is free; the server was not asked"}
    one, two = template.native_one_qubit_gates, template.native_two_qubit_gates
    least = _LEAST if setup.error_mitigation == "none" else _LEAST_MITIGATED
    return {
        "price_each": least + setup.shots * (_ONE_QUBIT_GATE * one + _ZZ_GATE * two),
        "unit": _UNIT,
        "note": f"a dated estimate, not the server's price: Azure's prices of {PUBLISHED_ON}, {PUBLISHED_AT}, "
        f"{one} native one-qubit and {two} ZZ gates a circuit; yours may differ",
    }


def server_price(client: Client, setup: Setup, template: Template, *, session: bool) -> dict[str, Any]:
    """Return the server's price of one circuit, or None with a note if the server has no prices.

    Raises:
        IonQError: if the server cannot be asked, or the price is no finite number of 0 or more.
    """
    try:
        price = client.price(setup, template.one_qubit_gates, template.two_qubit_gates, session=session)
    except IonQRequestError as error:
        if error.status != NOT_FOUND:
            raise
        return {"price_each": None, "note": str(error)}
    given = price["price_each"] is not None
    note = "one circuit's estimate times their number; not binding" if given else "the server gives no price"
    return {**price, "note": note}
