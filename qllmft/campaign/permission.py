"""What a worker may send away: its plan is in a data base that others write to, and moves neither key nor money."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from qllmft.config import PERSONAL_OPTIONS, RunConfig
from qllmft.errors import UserError
from qllmft_backends import BACKENDS


@dataclass(frozen=True)
class Permission:
    """What a worker's own command line lets it send.

    Raises:
        UserError: where there is one without the other, or an option that decides about a result.
    """

    allow_paid: bool = False  # circuits may leave this machine, with its key, and be paid for
    max_cost: float | None = None  # ceiling on their price in all, in the server's unit
    # more options of the backend that no configuration holds, such as the address; see `PERSONAL_OPTIONS`
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.allow_paid != (self.max_cost is not None):
            raise UserError(
                "--allow-paid and --max-cost go together: the first lets a worker send circuits with this machine's "
                "key, the second is the ceiling on their price in all. Give both, or none."
            )
        if self.options and not self.allow_paid:
            raise UserError(f"{', '.join(self.options)} are about circuits that are sent away. Add --allow-paid.")
        if others := [name for name in self.options if name not in PERSONAL_OPTIONS]:
            raise UserError(
                f"--backend-option got {', '.join(others)}, which the search's plan decides about; a worker's own are "
                f"{', '.join(PERSONAL_OPTIONS)}."
            )

    def options_for(self, config: RunConfig) -> dict[str, Any]:
        """Options of the backend of ``config``, beside its own; UserError where it may not be sent circuits."""
        entry = BACKENDS[config.backend.name]
        if not entry.keeps_ledger:
            return {}
        if not self.allow_paid:
            raise UserError(
                f"the search's plan names the backend {config.backend.name!r}, to which circuits and this "
                "machine's key would be sent. A worker sends none on a plan's word: add --allow-paid and --max-cost if "
                "you agree."
            )
        consent = {"yes": True, "allow_paid_training": True} if entry.price == "paid" else {}
        return {"max_cost": self.max_cost, **consent, **self.options}
