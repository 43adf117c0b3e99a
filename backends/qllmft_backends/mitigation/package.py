"""Functions of the package mitiq, which is an extra."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qllmft_backends.errors import MissingExtraError
from qllmft_backends.mitigation.options import Extrapolation


def check_installed() -> None:
    """Raise `MissingExtraError` without mitiq."""
    try:
        import mitiq
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"error mitigation needs the package {error.name!r}, which is not installed: "
            "pip install 'qllmft[mitigation]', in a virtual environment of its own, because mitiq needs numpy below "
            "2.3."
        ) from error
    del mitiq


def zero_noise_weights(scales: Sequence[int], extrapolation: Extrapolation) -> NDArray[np.float64]:
    """Return the weights (S,) of the values at S noise scales in the value at zero noise."""
    from mitiq.zne.inference import LinearFactory, RichardsonFactory

    factory: Any = LinearFactory if extrapolation == "linear" else RichardsonFactory
    units = np.eye(len(scales)).tolist()  # both extrapolations are linear in the values
    return np.array([factory.extrapolate(list(scales), unit) for unit in units], np.float64)


def inverse_confusion(of_qubits: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the inverse (2^n, 2^n) of the confusion matrix of n qubits. The first qubit is the most significant bit.

    Args:
        of_qubits: (2, 2) probabilities of the read bit (row) for each true bit (column).
    """
    from mitiq.rem import generate_tensored_inverse_confusion_matrix

    inverse = generate_tensored_inverse_confusion_matrix(len(of_qubits), list(of_qubits))
    return np.asarray(inverse, np.float64)
