"""DisCoCat: a circuit for each sentence from its grammar (Lorenz et al., arXiv 2102.12846)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from torch import Tensor, nn

from lab.audits.architectures.model import QuantumTextModel, States
from qllmft import QuantumHead
from qllmft_audit import trained_circuit

# types of pregroup grammar: pairs of a basic type and its order of adjoint, -1 left, 1 right
GRAMMAR = {
    "noun": [("n", 0)],
    "verb": [("n", 1), ("s", 0), ("n", -1)],
    "adjective": [("n", 0), ("n", -1)],
}
ANGLES = {"noun": 3, "verb": 2, "adjective": 1}
LEAST = 1e-12  # probability


def sentence_circuit(kinds: Sequence[str]) -> tuple[QuantumCircuit, int]:
    """Return the circuit of a sentence's angles x, word after word, and its open wire.

    A noun is R_X R_Z R_X on its wire, another word the IQP ansatz: Hadamard gates and controlled R_Z of neighbours. A
    cup joins a wire to the nearest before it that cancels its type, by the effect of a Bell state: both are to be
    measured as 0.
    """
    words: list[range] = []
    cups: list[tuple[int, int]] = []
    stack: list[tuple[int, str, int]] = []
    for kind in kinds:
        first = words[-1].stop if words else 0
        words.append(range(first, first + len(GRAMMAR[kind])))
        for wire, (base, order) in zip(words[-1], GRAMMAR[kind], strict=True):
            if stack and stack[-1][1:] == (base, order - 1):
                cups.append((stack.pop()[0], wire))
            else:
                stack.append((wire, base, order))
    ((open_wire, _, _),) = stack
    circuit = QuantumCircuit(words[-1].stop)
    angles = iter(ParameterVector("x", sum(ANGLES[kind] for kind in kinds)))
    for wires in words:
        if len(wires) == 1:
            circuit.rx(next(angles), wires)
            circuit.rz(next(angles), wires)
            circuit.rx(next(angles), wires)
        else:
            circuit.h(wires)
            for pair in pairwise(wires):
                circuit.crz(next(angles), *pair)
    for pair in cups:
        circuit.cx(*pair)
        circuit.h(pair[0])
    return circuit, open_wire


class DisCoCat(QuantumTextModel):
    """Model of one circuit per sentence; each word has angles of its own.

    Args:
        sentences: all sentences, as pairs of a word and its kind. Texts are numbers of sentences (N,).
    """

    def __init__(self, sentences: Sequence[Sequence[tuple[str, str]]]) -> None:
        super().__init__()
        kinds = [tuple(kind for _, kind in sentence) for sentence in sentences]
        forms = [*dict.fromkeys(kinds)]
        self.form = torch.tensor(
            [forms.index(sentence_kinds) for sentence_kinds in kinds]
        )  # of each sentence
        self.circuits = [sentence_circuit(form) for form in forms]
        self.heads = [_head(circuit, open_wire) for circuit, open_wire in self.circuits]
        by_word = {}
        total = 0
        for word, kind in dict.fromkeys(pair for sentence in sentences for pair in sentence):
            by_word[word] = range(total, total + ANGLES[kind])
            total += ANGLES[kind]
        self.places = [[i for word, _ in sentence for i in by_word[word]] for sentence in sentences]
        self.angles = nn.Parameter(2 * torch.pi * torch.rand(total, dtype=torch.float64))

    def _by_form(self, x: Tensor) -> list[tuple[int, Tensor, Tensor]]:
        """Return the number of each form, its places among the texts x, and the angles (n, P)."""
        groups = []
        for form in sorted({*self.form[x].tolist()}):
            rows = (self.form[x] == form).nonzero()[:, 0]
            places = torch.tensor([self.places[i] for i in x[rows].tolist()])
            groups.append((form, rows, self.angles[places]))
        return groups

    @torch.no_grad()
    def states(self, x: Tensor) -> list[States]:
        """Return the states (n, 2^Q) of the sentences of each form, before the selection of the cups."""
        return [
            trained_circuit(self.circuits[form][0], angles[0].numpy()).states(angles.numpy())
            for form, _, angles in self._by_form(x)
        ]

    def values(self, x: Tensor, states: list[States]) -> list[Tensor]:
        """Return the probabilities (n, 2) that all cups are selected and the open wire is 0 or 1."""
        forms = [self.circuits[form] for form, *_ in self._by_form(x)]
        amplitudes = [
            form_states[:, [0, 1 << wire]]
            for (_, wire), form_states in zip(forms, states, strict=True)
        ]
        return [torch.from_numpy(np.abs(pair) ** 2) for pair in amplitudes]

    def scores(self, x: Tensor, values: list[Tensor]) -> Tensor:
        """Return the logarithms (N, 2) of the probabilities of both labels, given that all cups are selected."""
        chances = torch.zeros(len(x), 2, dtype=torch.float64)
        for (_, rows, _), form_values in zip(self._by_form(x), values, strict=True):
            chances = chances.index_copy(0, rows, form_values.clamp(min=LEAST))
        return torch.log(chances / chances.sum(dim=1, keepdim=True))

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores (N, 2) of sentences by the engine."""
        values = [self.heads[form](angles)[:, :2] for form, _, angles in self._by_form(x)]
        return self.scores(x, values)


def _head(circuit: QuantumCircuit, open_wire: int) -> QuantumHead:
    """Return the layer from angles to the probabilities of 0 and 1 on the open wire, and of the rest."""
    labels = {0: 0, 1 << open_wire: 1}
    return QuantumHead.from_circuit(
        circuit,
        data=circuit.parameters,
        weights=[],
        interpret=lambda outcome: labels.get(outcome, 2),
        output_shape=3,
    ).double()
