"""Draw a circuit template (figure 3 of the paper) and count the gates of the heads.

Run: python examples/draw_a_circuit.py [file.svg]
"""

import sys

from qllmft_circuits import AnsatzOptions, count, draw_figure, draw_text, head_circuit


def main() -> None:
    """Print the drawing and the counts, and save a figure if a file name is given."""
    circuit = head_circuit(4, reuploads=1, main_layers=3, ansatz=AnsatzOptions(connectivity=2))
    print(draw_text(circuit, max_columns=100))
    print(count(circuit))

    print("\nthe paper's heads (R = 4, N = 1, M = 2, C = 1):")
    for n_qubits in (10, 14, 18):
        counts = count(head_circuit(n_qubits))
        print(
            f"{n_qubits} qubits: {counts.one_qubit_gates} gates on one qubit, {counts.two_qubit_gates} on two, "
            f"depth {counts.depth}, {counts.weights} weights"
        )
    if len(sys.argv) > 1:
        draw_figure(circuit).savefig(sys.argv[1], bbox_inches="tight")


if __name__ == "__main__":
    main()
