"""Structure of a model and its bounds, with the symbols of table I."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, comb, pi
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from qllmft.bounds import (
    MAX_CIRCUIT_GATES,
    MAX_CIRCUIT_QUBITS,
    MAX_HIDDEN_UNITS,
    MAX_LATENT_VALUES,
    MAX_OBSERVABLES,
    MAX_SUPPORT_VECTORS,
)
from qllmft.config.requirements import MODEL
from qllmft.config.section import NEUTRAL, Count, Positive, PositiveReal, Section
from qllmft_base.budget import circuit_cost, excess

PAPER_ANSATZ = "paper"
# with E = 2 an encoder has 14 qubits for every Q (from the published counts)
PAPER_MULTI_ENCODER_QUBITS = 14

MAX_AUTO_ENCODERS = 3  # limit of n_encoders "auto" without a head
MAX_SINE_QUBITS = 13  # limit of qubits of one register that follow the number of labels
# outputs per register beyond it, each with a qubit of its own beside qubit 0, and registers per circuit of a machine:
# four registers of 9 qubits fill one of 36
REGISTER_OUTPUTS = 8
MACHINE_REGISTERS = 4


class ModelConfig(Section):
    """Encoders, head and final layer on top of the body. Comments of fields begin with the symbol of table I."""

    requirements: ClassVar = MODEL
    encoder: Literal["quantum", "mlp", "none"] = "quantum"
    # none: the final linear layer reads the encoders' outputs
    head: Literal["quantum", "mlp", "none"] = "quantum"
    n_qubits: Positive = 10  # Q, in all registers
    # equal circuits of n_qubits / registers qubits side by side, which share no gate
    registers: Annotated[Positive, NEUTRAL] = 1
    # E; auto: without a head the number of labels - 1, at most 3; else one per qubit, and as many as labels + 1, from
    # n_qubits to 13. With more labels there are registers of at most 9 qubits, each with one qubit more than labels,
    # unless n_qubits is 13 or more, or registers are given
    n_encoders: Positive | Literal["auto"] = 1
    encoder_qubits: Positive | None = None  # Q_e; None: Q if E = 1, else 14
    encoder_layers: Count = 28
    # number of loaded principal axes of the training embeddings, whose mean is subtracted; None: embeddings as they are
    components: Positive | None = None
    pad: Literal["zeros", "bias", "constant"] = "zeros"
    # initial value of the trained factor of ⟨Z⟩, or the fixed factor without a head; None: pi with
    # a head, 1 without
    latent_scale: Annotated[Literal["pi"] | PositiveReal | None, NEUTRAL] = None
    # qubits of an encoder that give its latent values
    wires: Annotated[Literal["first", "last"], NEUTRAL] = "first"
    # largest initial angle a of encoders and head in radians: angles are uniform on [-a, a); None:
    # pi
    initial_angle: Annotated[PositiveReal | None, NEUTRAL] = None
    # latent values are half the change of ⟨Z⟩ when the constant of pad "bias" changes its sign
    odd: bool = False
    reuploads: Positive = 4  # R
    reupload_layers: Count = 1  # N
    main_layers: Count = 2  # M
    # initial weights of head and final layer; sines: a ⟨Z⟩ begins as the sine of its qubit's latent value
    start: Annotated[Literal["random", "linear", "sines"], NEUTRAL] = "random"
    ansatz: str = PAPER_ANSATZ  # name of an ansatz that qllmft doctor lists
    # that of the encoders; None: that of the head
    encoder_ansatz: Annotated[str | None, NEUTRAL] = None
    connectivity: Positive = 1  # C; connectivity, ring and block are options of the paper's ansatz
    ring: bool = True
    block: Literal["cx_ry", "ry_cx"] = "cx_ry"
    final_linear: bool = True  # F
    # Z of each qubit, of the first, of the first beside the latent vector, or all products of Z on so many qubits or
    # fewer; None: "all" with a final linear layer, else "first"
    readout: Literal["all", "first", "latent"] | Positive | None = None
    # of the hidden layer of the classical encoder or head; 0: none
    hidden_dim: Annotated[int, Field(ge=0, le=MAX_HIDDEN_UNITS)] = 0
    batch_norm: bool = False

    def identifying_settings(self) -> dict[str, Any]:
        """Return the settings that name a run; see `Section.identifying_settings`."""
        words = self.measured_values == "words"
        return super().identifying_settings() | {
            "hidden_layers": int(self.hidden_dim > 0),
            "centre": self.centre,
            "readout": "words" if words else None if self.skip else self.readout,
            "word_weight": self.word_weight if words else 2,
            "skip": self.skip,
        }

    @property
    def centre(self) -> bool:
        """Return whether the mean of the training embeddings is subtracted before they are loaded."""
        return self.components is not None

    def loaded_values(self, dimension: int) -> int:
        """Return the number of values of an embedding of D values that encoders load."""
        return dimension if self.components is None else min(self.components, dimension)

    def stored_numbers(self, dimension: int) -> int:
        """Return the size of the encoders' data map for D values: a mean (D,), axes (D, m) and a unit, or 0."""
        if self.encoder != "quantum":
            return 0
        mean = dimension * self.centre
        unit = self.pad == "constant"
        return mean * (1 + self.loaded_values(dimension)) + unit

    @property
    def skip(self) -> bool:
        """Return whether the final linear layer reads the latent vector too."""
        return self.readout == "latent"

    @property
    def word_weight(self) -> int:
        """Return the largest number of qubits in a product of Z that is read."""
        return self.readout if isinstance(self.readout, int) else 1

    @property
    def measured_values(self) -> Literal["all", "first", "words"]:
        """Return the values that are measured, of each qubit, of the first or of words, which are products of Z."""
        if isinstance(self.readout, int):
            return "words"
        measures_all = self.final_linear if self.readout is None else self.readout == "all"
        return "all" if measures_all else "first"

    def for_labels(self, k: int) -> ModelConfig:
        """Return the configuration with the numbers of encoders and qubits for ``k`` labels or targets."""
        if self.n_encoders != "auto":
            return self
        if self.head == "none":
            return self.model_copy(update={"n_encoders": max(1, min(k - 1, MAX_AUTO_ENCODERS))})
        has_user_shape = self.registers > 1 or self.n_qubits >= MAX_SINE_QUBITS
        if k < MAX_SINE_QUBITS or has_user_shape:
            qubits = self.n_qubits if has_user_shape else max(self.n_qubits, k + 1)
            return self.model_copy(update={"n_encoders": qubits, "n_qubits": qubits})
        circuits = ceil(k / (MACHINE_REGISTERS * REGISTER_OUTPUTS))  # of equal size
        registers = circuits * ceil(ceil(k / circuits) / REGISTER_OUTPUTS)
        qubits = registers * (1 + ceil(k / registers))
        shape = {"n_encoders": qubits, "n_qubits": qubits, "registers": registers}
        return self.model_copy(update=shape)

    @property
    def register_qubits(self) -> int:
        """Return the number of qubits of one register, whose circuit is simulated or measured on its own."""
        return self.n_qubits // self.registers

    @property
    def most_encoders(self) -> int:
        """Return E, or its limit for few labels if it depends on them."""
        if self.n_encoders != "auto":
            return self.n_encoders
        return MAX_AUTO_ENCODERS if self.head == "none" else self.n_qubits

    @property
    def encodings(self) -> int:
        """Return the number of encoder circuits that are simulated for a text: an odd encoder has two."""
        return self.most_encoders * (1 + self.odd) if self.encoder == "quantum" else 0

    @property
    def encoder_outputs(self) -> int:
        """Return the number of values per encoder."""
        alone = self.head == "none"
        return self.latent_encoder_qubits if alone else self.n_qubits // self.most_encoders

    @property
    def head_layers(self) -> int:
        """Return the number of ansatz layers of the head."""
        return (self.reuploads - 1) * self.reupload_layers + self.main_layers

    @property
    def measured_wires(self) -> list[int]:
        """Return the qubits of an encoder that give its values, in their order."""
        first = self.latent_encoder_qubits - self.encoder_outputs if self.wires == "last" else 0
        return list(range(first, first + self.encoder_outputs))

    @property
    def initial_scale(self) -> float:
        """Return the initial factor of ⟨Z⟩."""
        if self.latent_scale is None:
            return 1.0 if self.head == "none" else pi
        return pi if self.latent_scale == "pi" else self.latent_scale

    @property
    def latent_encoder_qubits(self) -> int:
        """Return Q_e or its default."""
        if self.encoder_qubits is not None:
            return self.encoder_qubits
        return self.n_qubits if self.n_encoders == 1 else PAPER_MULTI_ENCODER_QUBITS

    @property
    def ansatz_of_encoders(self) -> str:
        """Return the name of the encoders' ansatz."""
        return self.ansatz if self.encoder_ansatz is None else self.encoder_ansatz

    @property
    def has_circuit(self) -> bool:
        """Return whether a part is a quantum circuit."""
        return "quantum" in (self.encoder, self.head)

    @property
    def may_start_in_registers(self) -> bool:
        """Return whether the head starts at sines, and has several registers or gets them with many labels."""
        follows_labels = self.n_encoders == "auto" and self.n_qubits < MAX_SINE_QUBITS
        return self.start == "sines" and (self.registers > 1 or follows_labels)

    @property
    def has_paper_ansatz(self) -> bool:
        """Return whether a part has the paper's ansatz, whose options are ring and block."""
        return PAPER_ANSATZ in (self.ansatz, self.ansatz_of_encoders)

    def _contradictions(self) -> Iterator[str]:
        # sizes of states and circuits, before any of them is built
        qubits = self.register_qubits
        encoded = self.latent_encoder_qubits
        quantum = self.encoder == "quantum"
        if max(qubits, encoded * quantum) > MAX_CIRCUIT_QUBITS:
            most = f"at most {MAX_CIRCUIT_QUBITS}, which the engine simulates"
            several = " in one register: raise registers" if qubits > MAX_CIRCUIT_QUBITS else ""
            yield f"n_qubits is {qubits}, encoder_qubits {encoded}, expected {most}{several}"
        if max(self.n_qubits, self.most_encoders * quantum) > MAX_LATENT_VALUES:
            yield f"n_qubits is {self.n_qubits}, n_encoders {self.n_encoders}, expected at most {MAX_LATENT_VALUES:,}"
        head = qubits * (self.reuploads + 2 * self.head_layers * self.connectivity)
        # circuits of encoders are the same one with other angles
        encoders = 2 * self.encoder_layers * encoded * quantum
        for part, count in {"head": head, "encoders": encoders}.items():
            if count > MAX_CIRCUIT_GATES and self.head != "mlp":
                yield f"the circuit of the {part} would have {count:,} gates, expected at most {MAX_CIRCUIT_GATES:,}"
            wide = (qubits if part == "head" else encoded) * (self.head != "mlp")
            memory, operations = circuit_cost(wide, count)
            operations *= self.registers if part == "head" else self.most_encoders
            if wide <= MAX_CIRCUIT_QUBITS and (sentence := excess(part, memory, operations)):
                yield f"the circuit of the {sentence}. Lower the qubits or the layers"
        if self.measured_values == "words":
            if self.head != "quantum" or self.word_weight > qubits:
                yield f"readout is {self.readout}. Products of Z are of a quantum head's {qubits} qubits at most"
            count = sum(comb(qubits, weight) for weight in range(1, self.word_weight + 1))
            if count > MAX_OBSERVABLES:
                yield f"{count:,} products of Z would be read, expected at most {MAX_OBSERVABLES:,}. Lower readout"
        if self.wires == "last" and self.encoder_outputs == encoded:
            yield f"wires is 'last', and all {encoded} qubits of an encoder give a value. Raise encoder_qubits"
        if self.head == "quantum":
            yield from self._head_fits()

    def _registers_fit(self) -> Iterator[str]:
        qubits = self.n_qubits
        registers = self.registers
        if qubits % registers or self.register_qubits < max(2, self.connectivity + 1):
            yield (
                f"registers is {registers}, n_qubits {qubits} and connectivity {self.connectivity}. Registers have the "
                "same number of qubits, 2 or more and above the connectivity: make n_qubits a multiple of registers"
            )

    def _head_fits(self) -> Iterator[str]:
        qubits = self.n_qubits
        encoders = self.most_encoders
        quantum = self.encoder == "quantum"
        if self.registers > 1:
            yield from self._registers_fit()
        if qubits < 2 or self.connectivity >= qubits:
            yield (
                f"n_qubits is {qubits}, connectivity {self.connectivity}. A head needs 2 qubits or more, and a "
                "connectivity below their number"
            )
        if qubits % encoders:
            yield (
                f"{encoders} encoders cannot share {qubits} latent values evenly. Make n_qubits a multiple of "
                "n_encoders"
            )
        if quantum and qubits // encoders > self.latent_encoder_qubits:
            yield (
                f"each encoder must yield {qubits // encoders} values, but has only {self.latent_encoder_qubits} "
                "qubits. Raise encoder_qubits or n_encoders"
            )


class SurrogateConfig(Section):
    """Classical surrogate in place of a model's circuits."""

    rank: Positive | None = None  # eigenvalues per quadratic form; None: all, which is exact
    # Schmidt values kept across each cut of the head; None: all, which is exact
    bond: Positive | None = None


class KernelConfig(Section):
    """Support vectors with RBF kernels in place of a model's structure."""

    support: Annotated[int, Field(ge=1, le=MAX_SUPPORT_VECTORS)]  # number of support vectors
    votes: bool = False  # the sums are of pairs of labels, and each gives a vote
