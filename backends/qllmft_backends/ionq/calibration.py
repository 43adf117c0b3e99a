"""Characterization of a machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qllmft_backends.noise import GateNoise


@dataclass(frozen=True)
class Calibration:
    """Latest characterization of a machine. Fields that the server does not give are None.

    Attributes:
        backend: the API's name.
        date: date of the measurement, ISO.
        qubits: number.
        one_qubit_fidelity, two_qubit_fidelity, spam_fidelity: medians; `noise` states their convention.
        one_qubit_s, two_qubit_s, readout_s, reset_s, t1_s, t2_s: times in seconds.
    """

    backend: str
    date: str
    qubits: int
    one_qubit_fidelity: float | None = None
    two_qubit_fidelity: float | None = None
    spam_fidelity: float | None = None
    one_qubit_s: float | None = None
    two_qubit_s: float | None = None
    readout_s: float | None = None
    reset_s: float | None = None
    t1_s: float | None = None
    t2_s: float | None = None

    def noise(self) -> GateNoise | None:
        """Return the machine's gate noise, or None if a fidelity is missing.

        The fidelities are read as process fidelities (see `GateNoise.calibrated`): r = 4/3·(1 - F) for one qubit and
        16/15·(1 - F) for two, in the convention of Aer's ``depolarizing_error(r, n)``.
        """
        if self.one_qubit_fidelity is None or self.two_qubit_fidelity is None:
            return None
        return GateNoise.calibrated(self.one_qubit_fidelity, self.two_qubit_fidelity, kind="process")


def read_calibration(characterization: Any) -> Calibration | None:
    """Return qiskit-ionq's `Characterization` as a `Calibration`."""
    if characterization is None:
        return None
    fidelity, timing = characterization.fidelity, characterization.timing
    return Calibration(
        backend=characterization.backend,
        date=characterization.date.isoformat(),
        qubits=characterization.qubits,
        one_qubit_fidelity=_median(fidelity, "1q"),
        two_qubit_fidelity=_median(fidelity, "2q"),
        spam_fidelity=_median(fidelity, "spam"),
        one_qubit_s=timing.get("1q"),
        two_qubit_s=timing.get("2q"),
        readout_s=timing.get("readout"),
        reset_s=timing.get("reset"),
        t1_s=timing.get("t1"),
        t2_s=timing.get("t2"),
    )


def _median(fidelity: Mapping[str, Any], name: str) -> float | None:
    value = (fidelity.get(name) or {}).get("median")
    return None if value is None else float(value)
