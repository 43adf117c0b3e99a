"""Configuration of an adapter whose factors are columns of circuits' matrices."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from qllmft.config.lora import MOST_RANK
from qllmft.config.section import PositiveReal, Section

MOST_LAYERS = 1000


class QuantumAdapterConfig(Section):
    """Adapter of a body with `trainable = "quantum_adapter"`: W + alpha · U diag(s) Vᵀ for the weights W of a layer.

    The columns of U and V are the first ones of the matrices of two circuits with trained angles, cut to the rows of W
    and to its columns.
    """

    rank: Annotated[int, Field(ge=1, le=MOST_RANK)] = 8  # number of columns
    # of each circuit, after its first rotations
    layers: Annotated[int, Field(ge=0, le=MOST_LAYERS)] = 3
    alpha: PositiveReal = 16.0  # factor of the change
    # last parts of the names of adapted modules, such as "query"; empty: all linear layers
    targets: tuple[str, ...] = ()
