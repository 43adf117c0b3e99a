"""Circuits for IonQ: checked, measured on every qubit, their published prices, and their size in native gates.

One circuit per sample serves all Z observables.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from qiskit import QuantumCircuit
from qiskit.circuit import Gate

from qllmft_backends.errors import UnsupportedGateError
from qllmft_backends.requests import inline_definitions, inline_misnamed_gates
from qllmft_base.text import format_count
from qllmft_machines.batch import Template, check_unmeasured
from qllmft_machines.errors import (
    PARSE_ERRORS,
    JobFailedError,
    JobTimeoutError,
    RemoteRequestError,
)
from qllmft_machines.ionq.library import write_job
from qllmft_machines.ionq.reading import fetch_native_gates
from qllmft_machines.ionq.route import IonQRoute
from qllmft_machines.ledger.chunk import Setup
from qllmft_machines.options import Deadline
from qllmft_machines.rows import UNCHARGED_STATES

# Gates that qiskit-ionq sends untranspiled ("qis") and that the API knows by the same matrix, with the native gates of
# each: (GPI and GPI2 pulses, ZZ gates of any angle). Rotations about Z only change phases. Left out: p, cp and csx,
# which the library renames to z, cz and v ("todo fix alias bug" in its source), and gates on three qubits or more. They
# are sent as gates that are here (see `_rewrite_gates`).
NATIVE_GATE_COUNTS = {
    **dict.fromkeys(("z", "s", "sdg", "t", "tdg", "rz"), (0, 0)),
    **dict.fromkeys(("x", "y", "h", "sx", "sxdg"), (1, 0)),
    **dict.fromkeys(("rx", "ry"), (2, 0)),
    **dict.fromkeys(("cz", "crz", "rzz"), (0, 1)),
    **dict.fromkeys(("cx", "cy", "crx", "cry"), (2, 1)),
    **dict.fromkeys(("ch", "rxx", "ryy"), (4, 1)),
    "swap": (6, 3),
}

# Qiskit defines them by each other. They are rotations up to the global phase
_REWRITTEN_GATES = frozenset(("p", "cp", "u"))

# IonQ itself publishes no prices: they are part of each contract. Azure's are public.
PUBLISHED_ON = "2024-12-05"
PUBLISHED_AT = "https://learn.microsoft.com/azure/quantum/pricing"
_ONE_QUBIT_GATE = 0.000220  # usd per shot
_ZZ_GATE = 0.000975
_MIN_PRICE = 12.4166  # usd per circuit without error mitigation, and with it
_MIN_MITIGATED_PRICE = 97.50

_WIDTHS = {"gpi": 1, "gpi2": 1, "ms": 2, "zz": 2}  # qubits of each compiled gate; "nop" is none
_OMIT_HINT = "Omit compiled_estimate."


def make_template(circuit: QuantumCircuit) -> Template:
    """Return ``circuit`` with every qubit measured, in gates that can be sent."""
    check_unmeasured(circuit)
    circuit = _rewrite_gates(inline_misnamed_gates(circuit))
    lines = [f"{circuit.num_qubits} qubits", ",".join(p.name for p in circuit.parameters)]
    counts = {1: 0, 2: 0}
    for position, instruction in enumerate(circuit.data):
        operation = instruction.operation
        if operation.name in ("barrier", "id"):
            continue
        qubits = [circuit.find_bit(q).index for q in instruction.qubits]
        if (
            operation.name not in NATIVE_GATE_COUNTS
            or getattr(operation, "condition", None) is not None
        ):
            raise UnsupportedGateError(
                f"gate {position} of circuit {circuit.name!r} is {operation.name!r} on qubits {qubits}. The IonQ "
                f"backends send {', '.join(NATIVE_GATE_COUNTS)}. Decompose it into these, or use aer_statevector."
            )
        counts[len(qubits)] += 1
        lines.append(f"{operation.name} {qubits} {[str(p) for p in operation.params]}")
    return Template(
        circuit=circuit.measure_all(inplace=False),
        sha256=sha256("\n".join(lines).encode()).hexdigest(),
        one_qubit_gates=counts[1],
        two_qubit_gates=counts[2],
    )


def _rewrite_gates(circuit: QuantumCircuit) -> QuantumCircuit:
    """Return a circuit of gates that are sent, equal up to its global phase: definitions replace the others.

    A circuit with an operation that is no gate is returned as it is.
    """
    if not all(
        isinstance(instruction.operation, Gate) or instruction.operation.name == "barrier"
        for instruction in circuit.data
    ):
        return circuit
    names = {*NATIVE_GATE_COUNTS, *_REWRITTEN_GATES, "barrier", "id"}
    circuit = inline_definitions(circuit, names, "the IonQ backends")
    if _REWRITTEN_GATES.isdisjoint(circuit.count_ops()):
        return circuit
    out = circuit.copy_empty_like()
    for instruction in circuit.data:
        angles = instruction.operation.params
        qubits = instruction.qubits
        if instruction.operation.name == "p":
            out.rz(angles[0], *qubits)
        elif instruction.operation.name == "cp":
            for qubit in qubits:
                out.rz(angles[0] / 2, qubit)
            out.rzz(-angles[0] / 2, *qubits)
        elif instruction.operation.name == "u":
            out.rz(angles[2], *qubits)
            out.ry(angles[0], *qubits)
            out.rz(angles[1], *qubits)
        else:
            out.append(instruction)
    return out


def published_price(setup: Setup, template: Template) -> dict[str, Any]:
    """Return the price of one circuit as published on `PUBLISHED_ON`, without asking the server.

    A circuit costs least + shots · (one · n1 + two · n2), its gates counted as the ions run them: those of
    `NATIVE_GATE_COUNTS`, gate by gate; a compiler merges some.
    """
    if setup.free:
        return {"price_each": 0.0, "note": "IonQ's simulator is free. The server was not asked."}
    counts = template.circuit.count_ops()
    one_qubit_gates, zz_gates = (
        sum(counts.get(name, 0) * native[n] for name, native in NATIVE_GATE_COUNTS.items())
        for n in (0, 1)
    )
    min_price = _MIN_PRICE if setup.error_mitigation == "none" else _MIN_MITIGATED_PRICE
    return {
        "price_each": min_price
        + setup.shots * (_ONE_QUBIT_GATE * one_qubit_gates + _ZZ_GATE * zz_gates),
        "unit": "usd",
        "note": f"This is a dated estimate from Azure's prices of {PUBLISHED_ON} ({PUBLISHED_AT}). "
        "IonQ publishes none, and your price may differ. "
        f"The device runs {one_qubit_gates:,} native one-qubit and "
        f"{format_count(zz_gates, 'ZZ gate')} per circuit.",
    }


@dataclass(frozen=True)
class NativeSize:
    """Size of one circuit in the machine's own gates.

    Attributes:
        job_id: the dry run that compiled it.
        one_qubit_gates, two_qubit_gates: numbers of GPI and GPI2, and of MS and ZZ.
        depth: number of layers of gates.
    """

    job_id: str
    one_qubit_gates: int
    two_qubit_gates: int
    depth: int

    def __str__(self) -> str:
        return (
            f"IonQ compiled the first circuit to {self.one_qubit_gates} GPI and GPI2 gates, "
            f"{self.two_qubit_gates} MS and ZZ gates and depth {self.depth} (dry run {self.job_id}, not charged)"
        )


def compile_at_server(route: IonQRoute, setup: Setup, circuit: QuantumCircuit) -> NativeSize:
    """Send a bound, measured circuit as a dry run, which is free, wait for it, and return its native size.

    Raises:
        RemoteRequestError: if the server does not take the job for a dry run. It is canceled then.
        JobTimeoutError: if it has not ended at the deadline of the route's options. It is canceled then.
        JobFailedError: if it was not compiled.
        RemoteError: if the server cannot be asked.
    """
    client = route.client
    job_id = client.send_job(write_job([circuit], setup, {}, name="qllmft dry run", dry_run=True))
    deadline = Deadline(route.waits.deadline_s)
    while True:
        job = client.job(job_id)
        if job.get("dry_run") is not True:
            client.cancel(job_id)
            raise RemoteRequestError(
                f"the server took the dry run {job_id} for a job to run. It was canceled. Check its charge with "
                f"`qllmft jobs list`. {_OMIT_HINT}"
            )
        status = str(job.get("status"))
        if status == "completed":
            return _native_size(job_id, fetch_native_gates(client, job), setup.n_qubits)
        if status in UNCHARGED_STATES:
            raise JobFailedError(
                f"the dry run {job_id} is {status}: {str(job.get('failure'))[:300]}. {_OMIT_HINT}"
            )
        if deadline.seconds_left() == 0:
            client.cancel(job_id)
            raise JobTimeoutError(
                f"the dry run {job_id} was {status} after {deadline.seconds:g} s and was canceled. {_OMIT_HINT}"
            )
        time.sleep(min(route.waits.poll_interval_s, deadline.seconds_left()))


def _native_size(job_id: str, gates: Any, n_qubits: int) -> NativeSize:
    """Count the ``gates`` that a server compiled."""
    try:
        if not isinstance(gates, list):
            raise TypeError("it has no list of gates")
        counts = {1: 0, 2: 0}
        layers = [0] * n_qubits
        for gate in gates:
            if gate["gate"] == "nop":
                continue
            width = _WIDTHS[gate["gate"]]
            qubits = gate["targets"] if width == 2 else [gate["target"]]
            if len(set(qubits)) != width or not all(
                math.isfinite(q) and 0 <= q == int(q) for q in qubits
            ):
                raise ValueError(f"gate {gate['gate']!r} acts on {qubits}")
            counts[width] += 1
            layer = 1 + max(layers[int(q)] for q in qubits)
            for qubit in qubits:
                layers[int(qubit)] = layer
    except PARSE_ERRORS as error:
        raise JobFailedError(
            f"the compiled circuit of the dry run {job_id} cannot be read: {type(error).__name__}: {error}. "
            f"{_OMIT_HINT}"
        ) from None
    return NativeSize(job_id, counts[1], counts[2], max(layers, default=0))
