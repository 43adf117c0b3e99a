"""Options of the backend ``qiskit``."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

import platformdirs
from pydantic import Field, model_validator

from qllmft_machines.options import KnownAnswerOptions

ProviderName = Literal[
    "generic", "ibm-fake", "aer-from-backend", "braket-local", "ibm", "braket", "object"
]


class QiskitOptions(KnownAnswerOptions):
    """Options of the backend ``qiskit`` (see `KnownAnswerOptions`).

    Attributes:
        provider: source of the machine, one of a fixed table: ``generic`` (Qiskit's `GenericBackendV2` in Aer),
            ``ibm-fake`` (a snapshot of an IBM machine, in the local mode of IBM's sampler), ``aer-from-backend`` (the
            same snapshot in `AerSimulator.from_backend`), ``braket-local``, and the remote ``ibm`` and ``braket``. In
            Python, ``create("qiskit", backend=...)`` takes a `BackendV2` or a V2 primitive, which is ``object``.
        machine: name of the machine at the provider, of ``generic`` its number of qubits. None: a default of the
            provider; a remote one has none.
        shots: measurements per circuit.
        seed: of the shots and of the compiler; Braket's local simulator takes none for its shots.
        optimization_level: of Qiskit's preset pass manager.
        layout: qubits of the machine for the circuit's qubits 0, 1, …; None: the pass manager chooses.
        native: ``ionq`` compiles to IonQ's gates GPI, GPI2 and MS on all-to-all qubits, for a machine that runs them.
        object_name: name of the object given in Python, which its ledger and results are kept under, instead of its
            class's and its own; needed if several objects have the same ones.
        local: the object given in Python runs in this process, free. By default only known simulators do.
        ledger: folder of the ledger of remote jobs; the jobs of each provider are in a folder of its own in it.
        compare_names: use results only if the names of their circuits, as far as the machine answers them, are those
            that were sent.
        retry_doubtful: send jobs again that were sent without an answer, at a provider without a search by tags. If one
            was accepted after all, it is paid twice.
        max_circuits: see `JobOptions`; needed if the price is not known.
        price_per_circuit, price_per_shot: from the contract with the provider, in ``price_unit``; None: not known.
        price_unit: unit of the prices and of ``max_cost``.
    """

    needs_max_circuits: ClassVar[bool] = True
    provider: ProviderName = "generic"
    machine: str | None = Field(None, max_length=100, coerce_numbers_to_str=True)
    shots: int = Field(1000, ge=1, le=10_000_000)
    seed: int = Field(0, ge=0, lt=2**31)
    optimization_level: int = Field(1, ge=0, le=3)
    layout: tuple[int, ...] | None = None
    native: Literal["none", "ionq"] = "none"
    object_name: str | None = Field(None, min_length=1, max_length=100)
    local: bool = False
    ledger: Path = Field(
        default_factory=lambda: platformdirs.user_state_path("qllmft") / "machines"
    )
    compare_names: bool = True
    retry_doubtful: bool = False
    price_per_circuit: float | None = Field(None, ge=0)
    price_per_shot: float | None = Field(None, ge=0)
    price_unit: str = Field("usd", max_length=20)

    @model_validator(mode="after")
    def _fits_together(self) -> QiskitOptions:
        if self.layout is not None and (
            len(set(self.layout)) != len(self.layout) or min(self.layout, default=0) < 0
        ):
            raise ValueError(
                f"layout is {list(self.layout)}, expected different qubits, counted from 0"
            )
        if self.max_cost is not None and self.price_each is None:
            raise ValueError(
                "max_cost without a price, expected price_per_circuit or price_per_shot beside it, or max_circuits"
            )
        return self

    @property
    def paid(self) -> bool:
        """Return whether circuits cost money, or may."""
        return self.price_each != 0

    @property
    def price_each(self) -> float | None:
        """Return the price of one circuit, in ``price_unit``, or None if it is not known."""
        return self.price_of_shots(self.shots)

    def price_of_shots(self, shots: int) -> float | None:
        """Return the price of one circuit with a number of shots, or None if it is not known."""
        if self.price_per_circuit is None and self.price_per_shot is None:
            return None
        return (self.price_per_circuit or 0.0) + shots * (self.price_per_shot or 0.0)
