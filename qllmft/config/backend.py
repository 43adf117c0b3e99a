"""Configuration of the backend in training."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from qllmft.config.section import Section
from qllmft_backends.errors import UnknownBackendError
from qllmft_backends.registry import BACKENDS, Entry

# options of backends that say where circuits are sent, whose key pays, what was paid, and who agreed to how much
PERSONAL_OPTIONS = (
    "url",
    "token_file",
    "ledger",
    "yes",
    "max_cost",
    "session_max_cost",
    "session_max_minutes",
    "circuit_budget",
    "allow_paid_training",
)


class BackendConfig(Section):
    """What runs the head's circuit; the encoder is simulated always.

    It may come from a file or a data base of somebody else, so that it names no address, no key and no agreement to a
    price: whoever runs it gives these beside it; see `PERSONAL_OPTIONS`.
    """

    name: str = "adjoint"
    options: dict[str, Any] = Field(default_factory=dict)

    @property
    def entry(self) -> Entry:
        """Return the backend's entry in the registry; an empty one if there is no such backend."""
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
                "of a configuration: take them out and give them on the command line with --backend-option, or the "
                "address and the key in the environment (QISKIT_IONQ_API_URL, QISKIT_IONQ_API_TOKEN)"
            )
        return options
