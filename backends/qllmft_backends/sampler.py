"""A backend as Qiskit's `BaseSamplerV2`: measured bits of circuits, in the registers that they are measured into."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.primitives import (
    BaseSamplerV2,
    BitArray,
    DataBin,
    PrimitiveJob,
    PrimitiveResult,
    SamplerPubResult,
)
from qiskit.primitives.containers.sampler_pub import SamplerPub, SamplerPubLike

from qllmft_backends.errors import BackendError
from qllmft_backends.precision import generator_of, number_of_shots
from qllmft_backends.protocol import Evaluator
from qllmft_backends.request import bound_values

DEFAULT_SHOTS = 1024  # Qiskit's


class Measurable(Evaluator, Protocol):
    """Backend that measures circuits."""

    def bits(
        self,
        circuit: QuantumCircuit,
        values: NDArray[np.float64],
        shots: int,
        rng: np.random.Generator,
    ) -> NDArray[np.bool_]:
        """Return classical bits (B, S, C) of a measured circuit (see `Backend.bits`).

        Args:
            circuit: with measurements into C classical bits.
            values: (B, P) parameter values in radians, in the order of ``circuit.parameters``.
            shots: S, measurements per row of ``values``.
            rng: source of the outcomes, or of a simulator's seed.
        """
        ...


class BackendSampler(BaseSamplerV2):  # type: ignore[misc]
    """Sampler on a backend. Each pub is one call with all its parameter values.

    Args:
        backend: the source of measurements.
        default_shots: shots of pubs without a number. None: the backend's option ``shots``, else 1024.
        seed: of the shots; a number gives the same bits in every run, as in Qiskit's `StatevectorSampler`. None: the
            backend's option ``seed``; each run then draws anew.
    """

    def __init__(
        self,
        backend: Measurable,
        *,
        default_shots: int | None = None,
        seed: int | np.random.Generator | None = None,
    ) -> None:
        self._backend = backend
        self._default_shots = default_shots
        self._seed = generator_of(backend) if seed is None else seed

    @property
    def default_shots(self) -> int:
        """Return the shots of pubs without a number."""
        return self._default_shots or number_of_shots(self._backend) or DEFAULT_SHOTS

    def run(self, pubs: Iterable[SamplerPubLike], *, shots: int | None = None) -> PrimitiveJob[Any]:
        """Run the pubs (see `qiskit.primitives.BaseSamplerV2.run`)."""
        coerced = [
            SamplerPub.coerce(pub, self.default_shots if shots is None else shots) for pub in pubs
        ]
        if any(not pub.circuit.cregs for pub in coerced):
            warnings.warn(
                "a circuit has no classical registers, so its result is empty; add measurements (measure_all)",
                UserWarning,
                stacklevel=2,
            )
        job = PrimitiveJob(self._run, coerced)
        job._submit()
        return job

    def _run(self, pubs: list[SamplerPub]) -> PrimitiveResult[SamplerPubResult]:
        return PrimitiveResult([self._run_pub(pub) for pub in pubs], metadata={"version": 2})

    def _run_pub(self, pub: SamplerPub) -> SamplerPubResult:
        circuit, shape = pub.circuit, pub.parameter_values.shape
        check_shots(self._backend, pub.shots)
        rows = bound_values(circuit, pub.parameter_values)
        bits = self._backend.bits(circuit, rows, pub.shots, np.random.default_rng(self._seed))
        registers = {}
        for register in circuit.cregs:
            places = [circuit.find_bit(bit).index for bit in register]
            of_register = bits[..., places].reshape(*shape, pub.shots, len(places))
            registers[register.name] = BitArray.from_bool_array(of_register, order="little")
        metadata = {"shots": pub.shots, "circuit_metadata": circuit.metadata}
        return SamplerPubResult(DataBin(**registers, shape=shape), metadata=metadata)


def check_shots(backend: Evaluator, shots: int) -> None:
    """Refuse a number of shots other than the option of a remote machine, which its price is for."""
    own = number_of_shots(backend)
    if backend.capabilities.remote and own not in (None, shots):
        raise BackendError(
            f"got {shots} shots, expected {own}, the option shots of backend {backend.name!r}: each shot has a price. "
            "Set the option to the number that you want."
        )
