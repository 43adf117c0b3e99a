"""Rates of IonQ's cloud noise models.

The API takes the name of a noise model and a seed, no rates: only noise with a name at IonQ can run there. The
rates are those of docs.ionq.com/guides/simulation-with-noise-models: depolarizing after every gate, with Kraus weights
r/4 and r/16, the convention of `qllmft_backends.noise`.
"""

from __future__ import annotations

import math
from typing import Literal

from qllmft_backends.errors import BackendError
from qllmft_backends.noise import PRESETS, GateNoise

_Published = Literal["ideal", "aria-1", "aria-2", "forte-1"]  # with their rates
CloudModel = Literal[_Published, "harmony", "harmony-1", "harmony-2", "forte-enterprise-1"]

CLOUD_NOISE: dict[str, GateNoise] = {
    "ideal": GateNoise(0, 0),
    "aria-1": GateNoise(0.0005, 0.0133),
    "aria-2": GateNoise(0.0006573333333333332, 0.01856),
    "forte-1": PRESETS["forte1"],
}
_SAME_RATE = 1e-3  # relative: rates may be printed with four digits


def cloud_model_of(noise: GateNoise) -> str:
    """Return the name of IonQ's noise model with the rates of ``noise``, or raise `BackendError` if there is none."""
    for name, named in CLOUD_NOISE.items():
        if not noise.readout_error and all(
            math.isclose(noise.rate(n), named.rate(n), rel_tol=_SAME_RATE) for n in (1, 2)
        ):
            return name
    known = ", ".join(
        f"{name} ({n.one_qubit_rate:.4g}, {n.two_qubit_rate:.4g})"
        for name, n in CLOUD_NOISE.items()
    )
    readout = f" and readout error {noise.readout_error:g}" if noise.readout_error else ""
    raise BackendError(
        f"IonQ's cloud simulator has no noise with the rates {noise.one_qubit_rate:.4g} and "
        f"{noise.two_qubit_rate:.4g}{readout}: it takes a name, no numbers, and has {known}, without readout error. "
        "Set noise='forte1' or noise_model, or run this noise on this machine with the backend adjoint or aer_forte."
    )
