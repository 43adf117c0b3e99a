"""Published prices of IonQ's circuits, and the circuits of training."""

from __future__ import annotations

from typing import Any

from qllmft_backends.remote.batch import Template
from qllmft_backends.remote.errors import PaidTrainingError
from qllmft_backends.remote.ionq.compile import native_gates
from qllmft_backends.remote.ionq.options import IonQForteOptions, IonQOptions
from qllmft_backends.remote.ledger.chunk import Setup

# IonQ itself publishes no prices: they are part of each contract. Azure's are public.
PUBLISHED_ON, PUBLISHED_AT = "2024-12-05", "https://learn.microsoft.com/azure/quantum/pricing"
_UNIT = "usd"
_ONE_QUBIT_GATE, _ZZ_GATE = 0.000220, 0.000975  # per shot
_LEAST, _LEAST_MITIGATED = 12.4166, 97.50  # per circuit without error mitigation, and with it


def published_price(setup: Setup, template: Template) -> dict[str, Any]:
    """Return the price of one circuit as published on `PUBLISHED_ON`, without asking the server.

    A circuit costs least + shots · (one · n1 + two · n2), its gates counted as the ions run them.
    """
    if setup.free:
        return {"price_each": 0.0, "note": "IonQ's simulator is free; the server was not asked"}
    one, two = native_gates(template.circuit)
    least = _LEAST if setup.error_mitigation == "none" else _LEAST_MITIGATED
    return {
        "price_each": least + setup.shots * (_ONE_QUBIT_GATE * one + _ZZ_GATE * two),
        "unit": _UNIT,
        "note": f"a dated estimate, not the server's price: Azure's prices of {PUBLISHED_ON}, {PUBLISHED_AT}, "
        f"{one} native one-qubit and {two} ZZ gates a circuit; yours may differ",
    }


def training_circuits(options: IonQOptions, samples: int, epochs: int = 1) -> int:
    """Return the number of circuits of SPSA training: per sample and epoch a forward pass and two per perturbation."""
    return epochs * samples * (1 + 2 * options.spsa_batch)


def check_training(options: IonQOptions) -> None:
    """Raise `PaidTrainingError` for a gradient through paid circuits unless the options allow it."""
    if isinstance(options, IonQForteOptions) and not options.allow_paid_training:
        raise PaidTrainingError(
            "a gradient through ionq_forte would send paid circuits at every step, and was not asked for. Nothing was "
            "sent. Train on adjoint or aer_statevector and predict on ionq_forte; or set allow_paid_training and "
            f"circuit_budget (an epoch of 1,000 samples would send {training_circuits(options, 1000):,} circuits)."
        )
