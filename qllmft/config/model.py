"""The structure of a model, and how large it may be. Table I's symbols stand beside their names."""

from __future__ import annotations

from math import comb
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from qllmft.config.section import Count, Positive, Section

PAPER_ANSATZ = "paper"
PAPER_MULTI_ENCODER_QUBITS = 14  # E = 2 has 14 qubits an encoder at every Q (from the published counts)

MOST_AUTO = 3  # encoders that n_encoders "auto" gives at most
MOST_QUBITS = 30  # of a circuit: the engine's, 4 GiB of amplitudes a sample
MOST_GATES = 100_000  # of a part's circuits; the paper's largest has some 1,600
MOST_HIDDEN = 16_384
MOST_WORDS = 4_096  # observables of a head
MOST_ENTRIES = 2**27  # of a weight matrix: 0.5 GiB


class ModelConfig(Section):
    """Everything on top of the body. A field's comment gives its symbol in table I."""

    encoder: Literal["quantum", "mlp", "none"] = "quantum"
    head: Literal["quantum", "mlp", "none"] = "quantum"  # none: the final linear layer reads the encoders
    n_qubits: Positive = 10  # Q
    n_encoders: Positive | Literal["auto"] = 1  # E; auto: one fewer than labels, 3 at most
    encoder_qubits: Positive | None = None  # Q_e; None: Q where E = 1, else 14
    encoder_layers: Count = 28
    centre: bool = False  # the mean of the training embeddings is subtracted before they are loaded
    components: Positive | None = None  # principal axes of the training embeddings that are loaded; None: no rotation
    pad: Literal["zeros", "bias"] = "zeros"
    odd: bool = False  # a latent value is half of what ⟨Z⟩ changes by when the constant of pad "bias" turns its sign
    reuploads: Positive = 4  # R
    reupload_layers: Count = 1  # N
    main_layers: Count = 2  # M
    ansatz: str = PAPER_ANSATZ  # of `qllmft.ansatze.ANSATZE`, which knows the names
    connectivity: Positive = 1  # C; this, ring and block are of the paper's ansatz
    ring: bool = True
    block: Literal["cx_ry", "ry_cx"] = "cx_ry"
    final_linear: bool = True  # F
    readout: Literal["all", "first", "words"] | None = None  # None: "all" with a final linear layer, "first" without
    word_weight: Positive = 2  # of readout "words": products of Z on as many qubits at most
    skip: bool = False
    hidden_layers: Annotated[int, Field(ge=0, le=1)] = 0  # of the classical encoder or head
    hidden_dim: Count = 0
    batch_norm: bool = False

    def for_labels(self, k: int) -> ModelConfig:
        """The same with the number of encoders for ``k`` labels filled in."""
        return self if self.n_encoders != "auto" else self.model_copy(update={"n_encoders": min(k - 1, MOST_AUTO)})

    @property
    def most_encoders(self) -> int:
        """E; where it follows the labels, as many as there can be."""
        return MOST_AUTO if self.n_encoders == "auto" else self.n_encoders

    @property
    def encoder_outputs(self) -> int:
        """How many values each encoder yields."""
        return self.latent_encoder_qubits if self.head == "none" else self.n_qubits // self.most_encoders

    @property
    def latent_encoder_qubits(self) -> int:
        """Q_e with its default filled in."""
        if self.encoder_qubits is not None:
            return self.encoder_qubits
        return self.n_qubits if self.n_encoders == 1 else PAPER_MULTI_ENCODER_QUBITS

    @property
    def measured(self) -> Literal["all", "first", "words"]:
        """The readout with its default filled in."""
        return self.readout or ("all" if self.final_linear and not self.skip else "first")

    @model_validator(mode="after")
    def _is_bounded(self) -> Self:
        """Before a circuit is built: what its state and its gates would take."""
        encoded = self.latent_encoder_qubits if self.encoder == "quantum" else 0
        if max(self.n_qubits, encoded) > MOST_QUBITS:
            raise ValueError(
                f"n_qubits is {self.n_qubits}, encoder_qubits {self.latent_encoder_qubits}; expected at most "
                f"{MOST_QUBITS}, which the engine simulates"
            )
        if self.hidden_dim > MOST_HIDDEN:
            raise ValueError(f"hidden_dim is {self.hidden_dim}; expected at most {MOST_HIDDEN:,}")
        layers = (self.reuploads - 1) * self.reupload_layers + self.main_layers
        head = self.n_qubits * (self.reuploads + 2 * layers * self.connectivity)
        gates = {"head": head, "encoders": 2 * self.most_encoders * self.encoder_layers * encoded}
        for part, count in gates.items():
            if count > MOST_GATES and self.head != "mlp":
                raise ValueError(
                    f"the circuit of the {part} would have {count:,} gates, expected at most {MOST_GATES:,}; choose "
                    "fewer layers, re-uploads or encoders"
                )
        return self

    @model_validator(mode="after")
    def _ansatz_has_these_options(self) -> Self:
        given = self.given(("connectivity", "ring", "block"))
        if given and self.ansatz != PAPER_ANSATZ:
            raise ValueError(
                f"ansatz is {self.ansatz!r}, and {', '.join(given)} would not be read: the ansatz 'paper' has them; "
                f"set {', '.join(f'{name} to {type(self).model_fields[name].default}' for name in given)}"
            )
        return self

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.head == "mlp") != (self.encoder == "none"):
            raise ValueError("head 'mlp' reads the embedding itself: it goes with encoder 'none', and only with it")
        if self.hidden_layers and not self.hidden_dim:
            raise ValueError("hidden_layers is 1 and hidden_dim is 0; give the hidden layer a dimension")
        if self.hidden_dim and not self.hidden_layers:
            raise ValueError(f"hidden_dim is {self.hidden_dim} and hidden_layers is 0; set hidden_layers to 1")
        if self.encoder == "quantum" and (self.hidden_layers or self.batch_norm):
            raise ValueError(
                "hidden_layers and batch_norm belong to a classical encoder or head, and encoder is 'quantum'"
            )
        if self.encoder != "quantum" and (self.centre or self.components or self.odd):
            raise ValueError("centre, components and odd belong to a quantum encoder, and there is none")
        if self.odd and self.pad != "bias":
            raise ValueError("odd turns the sign of the constant among the amplitudes: set pad to 'bias'")
        if self.head == "mlp":
            return self
        if self.head == "none":
            if self.encoder != "quantum" or not self.final_linear or self.encoder_qubits is None:
                raise ValueError(
                    "head 'none' is a linear layer on all qubits of quantum encoders: set encoder to 'quantum', "
                    "encoder_qubits, and final_linear to true"
                )
            if self.skip or self.readout is not None:
                raise ValueError("skip and readout are about a quantum head, and head is 'none'; leave them out")
            return self
        if self.n_encoders == "auto":
            raise ValueError("n_encoders 'auto' goes with head 'none'; give the quantum head a number")
        if self.n_qubits < 2 or self.connectivity >= self.n_qubits:
            raise ValueError(
                f"n_qubits is {self.n_qubits}, connectivity {self.connectivity}; "
                "a head needs 2 qubits or more, and a connectivity below their number"
            )
        if self.n_qubits % self.n_encoders:
            raise ValueError(f"{self.n_encoders} encoders cannot share {self.n_qubits} latent values evenly")
        if self.encoder == "mlp" and self.n_encoders != 1:
            raise ValueError("a classical encoder stands alone: set n_encoders to 1")
        if self.encoder == "quantum" and self.n_qubits // self.n_encoders > self.latent_encoder_qubits:
            raise ValueError(
                f"each encoder must yield {self.n_qubits // self.n_encoders} values, but has only "
                f"{self.latent_encoder_qubits} qubits; raise encoder_qubits or n_encoders"
            )
        if not self.final_linear and self.measured != "first":
            raise ValueError("without a final linear layer one qubit is read: set readout to 'first'")
        if self.skip and (not self.final_linear or self.measured != "first"):
            raise ValueError("skip feeds the latent vector and one measured qubit to the final linear layer")
        return self

    @model_validator(mode="after")
    def _has_so_many_words(self) -> Self:
        if self.measured != "words":
            if self.word_weight != 2:
                raise ValueError(f"word_weight is {self.word_weight} and readout is no 'words': set readout to 'words'")
            return self
        if self.head != "quantum" or self.word_weight > self.n_qubits:
            raise ValueError(
                f"word_weight is {self.word_weight}; words are of a quantum head's {self.n_qubits} qubits at most"
            )
        count = sum(comb(self.n_qubits, weight) for weight in range(1, self.word_weight + 1))
        if count > MOST_WORDS:
            raise ValueError(f"{count:,} words would be read, expected at most {MOST_WORDS:,}; lower word_weight")
        return self
