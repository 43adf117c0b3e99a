"""Write a head as OpenQASM with a map of its parameter names, read it back, and bind it to one input.

For the head of a trained run, use qllmft export RUN --out head.qasm. Reading QASM 3 needs pip install 'qllmft[export]'.

Run: python examples/export_to_qasm.py
"""

import torch
from qiskit.quantum_info import Statevector

from qllmft import QuantumHead
from qllmft_circuits import from_qasm3, to_qasm2, to_qasm3, weight_parameters


def main() -> None:
    """Write a head with its weights bound and its data free, read it, and compare its values with the model's."""
    head = QuantumHead(4, generator=torch.Generator().manual_seed(0))
    weights = dict(
        zip(weight_parameters(head.circuit), head.connector.weight.tolist(), strict=True)
    )
    text, names = to_qasm3(head.circuit.assign_parameters(weights))
    print("\n".join(text.splitlines()[:10]), "\n...")
    print("names:", names)

    latent = torch.tensor([[0.3, -1.2, 2.0, 0.7]])  # one angle per qubit, in radians
    angles = {f"x[{qubit}]": angle for qubit, angle in enumerate(latent[0].tolist())}
    bound = from_qasm3(text, names).assign_parameters(angles)
    state = Statevector(bound)
    text_values = [float(state.expectation_value(z).real) for z in head.observables]
    model_values = head(latent)[0].tolist()
    print("Z of the text: ", [round(v, 6) for v in text_values])
    print("Z of the model:", [round(v, 6) for v in model_values])
    print(
        "agree within 1e-6:",
        max(abs(a - b) for a, b in zip(text_values, model_values, strict=True)) < 1e-6,
    )

    print(f"as OpenQASM 2, which has no parameters: {len(to_qasm2(bound).splitlines())} lines")


if __name__ == "__main__":
    main()
