"""Head as a matrix product state with a limited bond, and a bound on the error of each text."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from qllmft.config import ModelConfig
from qllmft.heads.state import GateHead
from qllmft_engine.torch.state_vectors import StateRepresentation, apply_x_or_z

TEXTS_AT_ONCE = 256


class TruncatedHead(GateHead):
    """Matrix product state with at most ``bond`` Schmidt values across each cut, in float64.

    A truncation leaves out the weight w and changes the state by √w in norm. Gates keep the norm of a change, so that
    the final state is right within δ = Σ √w, and each ⟨Z⟩ within δ(1 + ‖φ‖), with the norm of the truncated state φ.
    """

    def __init__(self, config: ModelConfig, bond: int) -> None:
        super().__init__(config)
        self.bond = bond

    @property
    def flops(self) -> int:
        """Return the operations per text: 22·m³ per decomposition of a site, m = 2·bond (Golub, Van Loan)."""
        cuts = sum(abs(c - t) for _, c, t, _ in self.gates if c >= 0)
        size: int = min(2 * self.bond, 1 << self.n_qubits // 2 + 1)
        return 22 * self.registers * cuts * size**3

    def forward(self, latent: Tensor) -> Tensor:
        """Return ⟨Z⟩ (B, T) of latent angles (B, Q) in radians."""
        return self.values_with_bounds(latent)[0]

    def values_with_bounds(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """Return ⟨Z⟩ (B, T) of latent angles (B, Q) in radians, and the bound (B,) on the error of each."""
        if len(latent) > TEXTS_AT_ONCE:
            parts = [self.values_with_bounds(part) for part in torch.split(latent, TEXTS_AT_ONCE)]
            return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])
        latent = self.rows(latent)
        cos, sin = (half.double() for half in self.half_angles(latent))
        chain = _Chain(len(latent), self.n_qubits, self.bond)
        chain.apply(self.gates, cos, sin)
        values = chain.values([*self.words, []])
        norms = values[:, -1].clamp(min=0.0).sqrt()
        errors = (chain.error * (1 + norms)).clamp(max=2.0)
        if self.registers > 1:  # the bound of a text is that of its worst register
            errors = errors.reshape(-1, self.registers).amax(dim=1)
        return self.texts(values[:, :-1].to(latent.dtype)), errors


class _Chain(StateRepresentation):
    """Matrix product states of B texts, with orthonormal sites left and right of the centre."""

    def __init__(self, texts: int, qubits: int, bond: int) -> None:
        zero = torch.zeros(texts, 1, 2, 1, dtype=torch.float64)
        zero[:, :, 0] = 1.0
        self.sites = [zero] * qubits  # (B, left bond, 2, right bond) each
        self.bond = bond
        self.centre = 0
        self.error = torch.zeros(texts, dtype=torch.float64)  # distance to the exact state, at most

    def act(self, qubit: int, gate: Callable[[Tensor], Tensor]) -> None:
        """See `StateRepresentation`."""
        self.sites[qubit] = gate(self.sites[qubit])

    def entangle(self, control: int, target: int, *, flips: bool) -> None:
        """Apply CNOT or CZ: the sum over b of P_b on the control and X^b or Z^b on the target."""
        first = min(control, target)
        last = max(control, target)
        while self.centre < first:
            self._pass_right()
        while self.centre > last:
            self._pass_left(truncate=False)
        for qubit in range(first, last + 1):
            site = self.sites[qubit]
            pair = [site, site]
            if qubit == control:
                pair = [torch.stack([part, part * 0], dim=2) for part in site.unbind(2)]
                pair[1] = pair[1].flip(2)
            elif qubit == target:
                pair[1] = apply_x_or_z(site, 2, flips=flips)
            if first < qubit < last:  # b is in both bonds, on their diagonal
                rows = [(pair[0], pair[1] * 0), (pair[0] * 0, pair[1])]
                self.sites[qubit] = torch.cat([torch.cat(row, dim=3) for row in rows], dim=1)
            else:
                self.sites[qubit] = torch.cat(pair, dim=1 if qubit > first else 3)
        self.centre = first
        while self.centre < last:
            self._pass_right()
        while self.centre > first:
            self._pass_left(truncate=True)

    def _pass_right(self) -> None:
        site = self.sites[self.centre]
        next_site = self.sites[self.centre + 1]
        q, r = torch.linalg.qr(site.flatten(1, 2))
        self.sites[self.centre] = q.reshape(len(site), site.shape[1], 2, -1)
        self.sites[self.centre + 1] = torch.einsum("nab,nbsr->nasr", r, next_site)
        self.centre += 1

    def _pass_left(self, *, truncate: bool) -> None:
        site = self.sites[self.centre]
        previous_site = self.sites[self.centre - 1]
        rows = site.flatten(2)
        if truncate and min(rows.shape[1:]) > self.bond:
            u, s, v = torch.linalg.svd(rows, full_matrices=False)
            self.error = self.error + s[:, self.bond :].square().sum(dim=1).sqrt()
            v = v[:, : self.bond]
            left_factor = u[:, :, : self.bond] * s[:, None, : self.bond]
        else:  # nothing is left out, and this takes a third of the time
            q, r = torch.linalg.qr(rows.mT)
            v = q.mT
            left_factor = r.mT
        self.sites[self.centre] = v.reshape(len(site), v.shape[1], 2, -1)
        self.sites[self.centre - 1] = torch.einsum("nlsa,nab->nlsb", previous_site, left_factor)
        self.centre -= 1

    def values(self, words: list[list[int]]) -> Tensor:
        """Return ⟨φ|Z…Z|φ⟩ (B, T) of words of qubits; an empty word gives the squared norm."""
        environment = self.error.new_ones(len(self.error), len(words), 1, 1)
        for qubit, site in enumerate(self.sites):
            rows = [[1.0, -1.0 if qubit in word else 1.0] for word in words]
            signs = torch.tensor(rows, dtype=site.dtype)
            half = torch.einsum("ntlm,nlsr,ts->ntmsr", environment, site, signs)
            environment = torch.einsum("ntmsr,nmsk->ntrk", half, site)
        return environment[:, :, 0, 0]
