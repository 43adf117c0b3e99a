"""Shots of one pass as the paper's eq. 2 has them, which can be differentiated.

The multinomial counts of n shots have mean n·p and covariance n (diag p - p pᵀ). So has

    ŷ = n·p + sqrt(n) (sqrt(p)∘ε - p (sqrt(p)ᵀε)),   ε ~ N(0, I),

since diag(sqrt p) - p sqrt(p)ᵀ, times its transpose, is diag p - p pᵀ - p pᵀ + p pᵀ (Σp = 1). It costs O(2^Q). Negative
counts are rectified to 0. The noise is outside the gradient's path: ŷ counts as n·p if it is positive, and as a
constant if it was rectified. The engine writes ψ for sqrt(p): the sign of a negative ψ goes into ε, which is equally
likely with the other sign.

If the gradient is ``reparametrised``, it is that of ŷ/n with ε fixed, so it also passes through the standard deviation
of the noise. With v = 1/sqrt(n), a positive outcome has the derivative 2ψ + v (ε - 2ψ Σψε) by its own ψ in place of 2ψ,
and -v ψ² ε_k by every ψ_k.

After rectification the frequencies ŷ/n add up to more than 1: little if n·p is large for the relevant outcomes, much if
2^Q is far above n. That is the paper's model; the true multinomial has no such bias. Divided by their sum
(`CircuitNoise.renormalize`) they are too flat instead, as outcomes of small p gain most.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class GaussianShots:
    """Eq. 2 for one pass of the engine."""

    count: int  # n, shots per sample
    # of this pass, 64 bits; each chunk of samples has numbers of its own, so the bits do not depend
    # on threads
    seed: int
    first_chunk: int = 0  # number of the pass's first chunk
    reparametrised: bool = False  # the gradient passes through the noise's standard deviation

    @property
    def stream(self) -> tuple[int, int, int]:
        """Return the words of the key and the stream of the first chunk's ε (see `fill_normal`)."""
        return self.seed & 0xFFFFFFFF, self.seed >> 32 & 0xFFFFFFFF, self.first_chunk

    def after(self, chunks: int) -> GaussianShots:
        """Return the shots of the part of the pass that begins ``chunks`` later."""
        return replace(self, first_chunk=self.first_chunk + chunks)
