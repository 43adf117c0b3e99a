"""Consent to the circuits that a call would send."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qllmft_backends.errors import CostRefusedError
from qllmft_backends.protocol import Estimate


def ask_consent(estimate: Estimate, *, yes: bool, confirm: Callable[[Any], bool] | None) -> None:
    """Raise `CostRefusedError` without consent: the option ``yes``, or True from ``confirm``."""
    if yes or estimate.circuits == 0:
        return
    if confirm is None:
        raise CostRefusedError(
            f"{estimate}. Nothing was sent, because nobody agreed to the price: set yes, or give the backend a confirm "
            "function that asks a person. A limit, such as max_cost, is a ceiling, not an agreement."
        )
    if confirm(estimate) is not True:
        raise CostRefusedError(f"not confirmed: {estimate}. Nothing was sent.")
