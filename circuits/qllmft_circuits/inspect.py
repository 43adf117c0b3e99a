"""Costs and drawings of circuits."""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass
from typing import Any

from qiskit import QuantumCircuit

from qllmft_circuits.head import data_parameters


@dataclass(frozen=True)
class CircuitCounts:
    """Costs of a circuit as written, before any transpilation.

    Attributes:
        n_qubits: width.
        one_qubit_gates: gates on one qubit.
        two_qubit_gates: gates on two qubits.
        depth: longest path in gates, barriers left out.
        weights: trainable parameters (vector ``theta``).
        data_angles: data parameters (vector ``x``), each counted once however often it is encoded.
    """

    n_qubits: int
    one_qubit_gates: int
    two_qubit_gates: int
    depth: int
    weights: int
    data_angles: int

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name, for JSON."""
        return asdict(self)


def count(circuit: QuantumCircuit) -> CircuitCounts:
    """Count gates, depth and parameters of ``circuit``.

    Raises:
        ValueError: if a gate acts on more than two qubits.

    >>> from qllmft_circuits import head_circuit
    >>> count(head_circuit(10)).two_qubit_gates
    50
    """
    sizes = [len(i.qubits) for i in circuit.data if i.operation.name != "barrier"]
    wide_sizes = sorted({size for size in sizes if size > 2})
    if wide_sizes:
        raise ValueError(
            f"the circuit has gates on {wide_sizes} qubits. Decompose it to gates on one and two qubits first."
        )
    n_data = len(data_parameters(circuit))
    return CircuitCounts(
        n_qubits=circuit.num_qubits,
        one_qubit_gates=sizes.count(1),
        two_qubit_gates=sizes.count(2),
        depth=circuit.depth(lambda i: i.operation.name != "barrier"),
        weights=circuit.num_parameters - n_data,
        data_angles=n_data,
    )


def draw_text(circuit: QuantumCircuit, *, max_columns: int = 120, fold: bool = True) -> str:
    """Draw the circuit as text by Qiskit. Qubit 0 is the top line.

    Args:
        circuit: the circuit.
        max_columns: width of the drawing before it continues below.
        fold: continue below when a line is full; if False, draw one endless line per qubit.
    """
    return str(circuit.draw("text", fold=max_columns if fold else -1))


def draw_figure(circuit: QuantumCircuit, *, fold: int = 24) -> Any:
    """Draw the circuit as a matplotlib figure, for a file or a notebook (needs ``pip install 'qllmft[demo]'``).

    Args:
        circuit: the circuit.
        fold: gates per line.
    """
    return circuit.draw("mpl", fold=fold, style="bw")


def draw_svg(circuit: QuantumCircuit, *, fold: int = 24) -> str:
    """Draw the circuit as the text of an SVG file. Equal circuits give equal text (needs ``qllmft[demo]``)."""
    figure = draw_figure(circuit, fold=fold)
    import matplotlib as mpl  # after draw_figure, whose error names what to install
    from matplotlib import pyplot as plt

    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "qllmft"}):
        figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
    return buffer.getvalue()
