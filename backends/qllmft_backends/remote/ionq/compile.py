"""Circuits for IonQ: checked, measured on every qubit, and their published prices.

One circuit per sample serves all Z observables.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from qiskit import QuantumCircuit

from qllmft_backends.errors import UnsupportedGateError
from qllmft_backends.remote.batch import Template, check_unmeasured
from qllmft_backends.remote.known_answers import known_circuit
from qllmft_backends.remote.ledger.chunk import Setup

# Gates that qiskit-ionq sends untranspiled ("qis") and that the API knows by the same matrix. Left
# out: p, cp and csx, which the library renames to z, cz and v ("todo fix alias bug" in its source),
# and gates on three qubits or more.
ONE_QUBIT_GATES = ("x", "y", "z", "h", "s", "sdg", "t", "tdg", "sx", "sxdg", "rx", "ry", "rz")
TWO_QUBIT_GATES = ("cx", "cy", "cz", "ch", "crx", "cry", "crz", "swap", "rxx", "ryy", "rzz")

# Native gates of each: (GPI and GPI2 pulses, ZZ gates of any angle). Rotations about Z only change
# phases.
NATIVE = {
    **dict.fromkeys(("z", "s", "sdg", "t", "tdg", "rz"), (0, 0)),
    **dict.fromkeys(("x", "y", "h", "sx", "sxdg"), (1, 0)),
    **dict.fromkeys(("rx", "ry"), (2, 0)),
    **dict.fromkeys(("cz", "crz", "rzz"), (0, 1)),
    **dict.fromkeys(("cx", "cy", "crx", "cry"), (2, 1)),
    **dict.fromkeys(("ch", "rxx", "ryy"), (4, 1)),
    "swap": (6, 3),
}


# IonQ itself publishes no prices: they are part of each contract. Azure's are public.
PUBLISHED_ON, PUBLISHED_AT = "2024-12-05", "https://learn.microsoft.com/azure/quantum/pricing"
_UNIT = "usd"
_ONE_QUBIT_GATE, _ZZ_GATE = 0.000220, 0.000975  # per shot
_LEAST, _LEAST_MITIGATED = 12.4166, 97.50  # per circuit without error mitigation, and with it


def compile_template(circuit: QuantumCircuit) -> Template:
    """Check that ``circuit`` can be sent, and measure every qubit."""
    check_unmeasured(circuit)
    lines = [f"{circuit.num_qubits} qubits", ",".join(p.name for p in circuit.parameters)]
    counts = {1: 0, 2: 0}
    for position, instruction in enumerate(circuit.data):
        name = instruction.operation.name
        if name in ("barrier", "id"):
            continue
        qubits = [circuit.find_bit(q).index for q in instruction.qubits]
        if (
            name not in ONE_QUBIT_GATES + TWO_QUBIT_GATES
            or getattr(instruction.operation, "condition", None) is not None
        ):
            raise UnsupportedGateError(
                f"gate {position} of circuit {circuit.name!r} is {name!r} on qubits {qubits}; the IonQ backends send "
                f"{', '.join(ONE_QUBIT_GATES + TWO_QUBIT_GATES)}. Decompose it into these, or use aer_statevector."
            )
        counts[len(qubits)] += 1
        lines.append(f"{name} {qubits} {[str(p) for p in instruction.operation.params]}")
    return Template(
        circuit=circuit.measure_all(inplace=False),
        sha256=sha256("\n".join(lines).encode()).hexdigest(),
        one_qubit_gates=counts[1],
        two_qubit_gates=counts[2],
    )


def native_gates(circuit: QuantumCircuit) -> tuple[int, int]:
    """Return the numbers of `NATIVE` gates of a checked circuit, gate by gate; a compiler merges some."""
    found = [
        (number, NATIVE[name]) for name, number in circuit.count_ops().items() if name in NATIVE
    ]
    one, two = (sum(number * gates[n] for number, gates in found) for n in (0, 1))
    return one, two


def published_price(setup: Setup, template: Template) -> dict[str, Any]:
    """Return the price of one circuit as published on `PUBLISHED_ON`, without asking the server.

    A circuit costs least + shots · (one · n1 + two · n2), its gates counted as the ions run them.
    """
    if setup.free:
        return {"price_each": 0.0, "note": "IonQ's simulator is free; the server was not asked"}
    one, two = native_gates(template.circuit)
    least = _LEAST if setup.error_mitigation == "none" else _LEAST_MITIGATED
    return {
        "price_each": least + setup.shots * (_ONE_QUBIT_GATE * one + _ZZ_GATE * two),
        "unit": _UNIT,
        "note": f"a dated estimate, not the server's price: Azure's prices of {PUBLISHED_ON}, {PUBLISHED_AT}, "
        f"{one} native one-qubit and {two} ZZ gates a circuit; yours may differ",
    }


def known_answer(n_qubits: int, state: int = 0) -> Template:
    """Return the compiled circuit with the answer ``state`` (qubit 0 the least significant bit), first of a paid job.

    Its price does not depend on the state.
    """
    return compile_template(known_circuit(n_qubits, state))
