"""Configuration of the backend in training."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from qllmft.config.section import Section
from qllmft_backends.errors import UnknownBackendError
from qllmft_backends.registry import BACKENDS, Entry

# options about the receiver of circuits, the key that pays, the ledger of payments, agreements to a
# price, and circuits that are paid again
PERSONAL_OPTIONS = (
    "url",
    "token_file",
    "ledger",
    "yes",
    "max_cost",
    "session_max_cost",
    "session_max_minutes",
    "circuit_budget",
    "max_circuits",
    "allow_paid_training",
    "settle_s",
    "repetition",
    "retry_failed",
    "retry_wrong",
    "retry_doubtful",
)


class BackendConfig(Section):
    """Backend that runs the head's circuit; encoders are always simulated.

    A configuration may come from someone else, so it holds no address, no key and no agreement to a price. Users give
    them separately; see `PERSONAL_OPTIONS`.
    """

    name: str = "adjoint"
    options: dict[str, Any] = Field(default_factory=dict)

    @property
    def entry(self) -> Entry:
        """Return the backend's entry in the registry, or an empty one."""
        try:
            return BACKENDS[self.name]
        except UnknownBackendError:
            return Entry("", "", "", "")

    @field_validator("options")
    @classmethod
    def _nothing_personal(cls, options: dict[str, Any]) -> dict[str, Any]:
        if given := [name for name in PERSONAL_OPTIONS if name in options]:
            raise ValueError(
                f"it holds {', '.join(given)}. An address, a key, an agreement to a price and its limits are no part "
                "of a configuration: remove them and give them on the command line with --backend-option, or the "
                "address and the key in the environment (QISKIT_IONQ_API_URL, QISKIT_IONQ_API_TOKEN)"
            )
        return options
