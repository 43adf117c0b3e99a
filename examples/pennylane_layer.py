"""Train a PennyLane circuit on the engine as a layer of a torch model, beside logistic regression.

Run: python examples/pennylane_layer.py   (pip install 'qllmft[pennylane]')
"""

from typing import Any

import pennylane as qp
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn

N_QUBITS = 4
N_LAYERS = 2
STEPS = 60


@qp.qnode(qp.device("qllmft.adjoint", wires=N_QUBITS), diff_method="adjoint")
def circuit(inputs: torch.Tensor, weights: torch.Tensor) -> Any:
    """Return the ⟨Z⟩ of all qubits for angles ``inputs`` (B, Q), which each layer reads."""
    for layer in weights:
        for qubit in range(N_QUBITS):
            qp.RY(inputs[..., qubit], wires=qubit)
            qp.RY(layer[qubit], wires=qubit)
        for qubit in range(N_QUBITS):
            qp.CNOT(wires=[qubit, (qubit + 1) % N_QUBITS])
    return [qp.expval(qp.PauliZ(qubit)) for qubit in range(N_QUBITS)]


def main() -> None:
    """Train on four fifths of scikit-learn's breast cancer data and test on the others."""
    x, y = load_breast_cancer(return_X_y=True)
    x, x_test, y, y_test = train_test_split(x, y, test_size=0.2, stratify=y, random_state=0)
    scaler = StandardScaler().fit(x)
    x = scaler.transform(x)
    x_test = scaler.transform(x_test)

    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(x.shape[1], N_QUBITS),
        qp.qnn.TorchLayer(circuit, {"weights": (N_LAYERS, N_QUBITS)}),
        nn.Linear(N_QUBITS, 2),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    inputs = torch.tensor(x, dtype=torch.float32)
    labels = torch.tensor(y)
    for _ in range(STEPS):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()

    predictions = model(torch.tensor(x_test, dtype=torch.float32)).argmax(dim=1).numpy()
    linear = LogisticRegression(max_iter=1000).fit(x, y)
    print(f"circuit between two linear layers: {(predictions == y_test).mean():.3f}")
    print(f"logistic regression: {linear.score(x_test, y_test):.3f}")


if __name__ == "__main__":
    main()
