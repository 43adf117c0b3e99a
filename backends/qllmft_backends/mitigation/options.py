"""Options of error mitigation."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, model_validator

Method = Literal["readout", "zne", "zne+readout"]
Extrapolation = Literal["linear", "richardson"]


class MitigationOptions(BaseModel):
    """Options of error mitigation.

    Attributes:
        method: ``readout`` inverts the readout errors that two more circuits measure; ``zne`` measures each circuit at
            several noise scales and extrapolates to zero noise; ``zne+readout`` does both.
        scale_factors: noise scales of ``zne``, two or more different odd numbers: each gate G becomes G (G† G)^k.
        extrapolation: ``linear``: a straight line, fitted by least squares; ``richardson``: the polynomial through all
            points, with less bias and more shot noise.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    method: Method
    scale_factors: tuple[int, ...] = (1, 3, 5)
    extrapolation: Extrapolation = "linear"

    @model_validator(mode="after")
    def _check_factors(self) -> MitigationOptions:
        scales = self.scale_factors
        if (
            len(set(scales)) != len(scales)
            or len(scales) < 2
            or any(s < 1 or s % 2 == 0 for s in scales)
        ):
            raise ValueError(
                f"the scale factors are {', '.join(map(str, scales))}; expected two or more different odd numbers, "
                "such as 1,3,5"
            )
        if not self.zne and {"scale_factors", "extrapolation"} & self.model_fields_set:
            raise ValueError(
                "scale factors and an extrapolation are about zne, and the method is readout; omit them"
            )
        return self

    @property
    def zne(self) -> bool:
        """Return whether the gate noise is extrapolated to zero."""
        return self.method != "readout"

    @property
    def readout(self) -> bool:
        """Return whether readout errors are inverted."""
        return self.method != "zne"

    def __str__(self) -> str:
        factors = ", ".join(map(str, self.scale_factors))
        return (
            f"{self.method} ({self.extrapolation}, scale factors {factors})"
            if self.zne
            else self.method
        )
