"""Certificate that a model can be computed classically at any width, or its absence."""

from __future__ import annotations

from dataclasses import dataclass

from qllmft.config import ModelConfig
from qllmft.config.model import PAPER_ANSATZ
from qllmft_base.text import format_count

# largest bound on the Schmidt rank with a certificate, such as 4^8, 2^16 or 64^2: an environment of the network has
# the square of it as entries, 16 GiB in float32
MAX_BOND = 2**16


@dataclass(frozen=True)
class Certificate:
    """Statement on the cost of a model's classical computation in its structure, not in its trained numbers."""

    holds: bool  # the cost is linear in the number of qubits, or there is no head
    # bound on the head's Schmidt rank at any width; None without a head, or for another ansatz
    bond: int | None
    sentence: str


def certify(model: ModelConfig) -> Certificate:
    """Return the certificate of a model's structure. An encoder is in any case a quadratic form of the embedding."""
    kind = "a perceptron" if model.encoder == "mlp" else "exactly quadratic forms"
    qubits = model.register_qubits
    encoder = f"The encoder is {kind}"
    if model.head == "none":
        linear_layer = "one linear layer on the unit embedding"
        kind = linear_layer if model.odd else "quadratic forms of the embedding"
        return Certificate(True, None, f"No circuit is needed: the model is exactly {kind}.")
    if model.ansatz == "separable":
        sentence = f"No circuit is needed. {encoder}, and the head's qubits are independent."
        return Certificate(True, 1, sentence)
    if model.ansatz != PAPER_ANSATZ:
        return Certificate(
            False,
            None,
            f"No certificate for any number of qubits. {encoder}. For the head's ansatz {model.ansatz!r}, no bound "
            f"on the Schmidt rank is given. At {qubits} qubits a state of 2^{qubits} numbers computes "
            "the head exactly.",
        )
    layers = model.head_layers
    crossing = model.connectivity * (model.connectivity + 1) // 2 * (2 if model.ring else 1)
    base = 2**crossing
    bond = 2 ** (crossing * layers)
    kind = "ring" if model.ring else "chain"
    head = f"the head ({kind}, C = {model.connectivity}, {format_count(layers, 'layer')})"
    if bond <= MAX_BOND:
        return Certificate(
            True,
            bond,
            f"No quantum computer is needed. {encoder}. The Schmidt rank of {head} is at most {base}^{layers} = "
            f"{bond:,} at any number of qubits.",
        )
    return Certificate(
        False,
        bond,
        f"No certificate for any number of qubits. {encoder}. The bound on the Schmidt rank of {head} is "
        f"{base}^{layers} = {bond:,}, above the limit of {MAX_BOND:,} for a tensor network. At {qubits} qubits a state "
        f"of 2^{qubits} numbers computes the head exactly.",
    )
