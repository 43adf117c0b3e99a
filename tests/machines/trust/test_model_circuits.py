"""What a backend is asked, and the exact answers: by name, by Qiskit's state vector, by the model itself."""

from itertools import combinations

import numpy as np
import pytest
import torch
from qiskit.quantum_info import Statevector
from tiny_runs import backend_named

from qllmft.config import ModelConfig
from qllmft.heads import Classifier, build_classifier
from qllmft.training import compute_logits
from qllmft_backends import create
from qllmft_backends.requests import number_of_shots
from qllmft_base.errors import UserError
from qllmft_machines.trust.circuits import model_circuits
from qllmft_machines.trust.measurement import measure

D = 9
N = 5
VECTORS = np.random.default_rng(4).normal(size=(N, D)).astype(np.float32)

# structure, k
MODELS = [
    ({}, 2),
    ({}, 3),
    ({"n_encoders": 2, "encoder_qubits": 4}, 2),
    ({"readout": "first"}, 3),
    ({"readout": 3}, 3),
    ({"readout": "latent"}, 2),
    ({"readout": "latent"}, 3),
    ({"final_linear": False}, 2),
    ({"encoder": "mlp", "hidden_dim": 6, "batch_norm": True}, 2),
    # x[10] and theta[10] beside x[2], ...
    ({"n_qubits": 11, "encoder": "mlp", "reuploads": 1, "main_layers": 1}, 2),
]
EVERY_MODEL = pytest.mark.parametrize(("structure", "k"), MODELS, ids=str)


def built(structure: dict[str, object], k: int, seed: int = 2) -> Classifier:
    """A classifier with weights of its own everywhere, that of the batch norm included."""
    config = ModelConfig(**({"n_qubits": 4, "encoder_layers": 2, "reuploads": 3} | structure))
    model = build_classifier(config, D, k, seed=seed)
    model.train()
    model(torch.from_numpy(3 * VECTORS))  # running means that are not 0
    return model


def by_name(model: Classifier) -> tuple[np.ndarray, list[dict[str, float]]]:
    """The latent vectors (N, Q), and the value of every parameter by its name, for each sample."""
    model.eval()
    with torch.no_grad():
        latent = model.encoder(torch.from_numpy(VECTORS)).double().numpy()
    weights = {f"theta[{i}]": w for i, w in enumerate(model.head.connector.weight.tolist())}
    return latent, [weights | {f"x[{q}]": v for q, v in enumerate(row)} for row in latent.tolist()]


def z_values(model: Classifier, named: list[dict[str, float]]) -> np.ndarray:
    """⟨Z⟩ (N, Q_m) of the circuit bound by name, by Qiskit's state vector: p(even) - p(odd) of each word's qubits."""
    states = [Statevector(model.head.circuit.assign_parameters(values)) for values in named]
    qubits = range(model.head.circuit.num_qubits)
    words = [word for n in range(1, 5) for word in combinations(qubits, n)]
    signs = {n: (-1) ** np.bitwise_count(np.arange(2**n)).astype(int) for n in range(1, 5)}
    read_words = words[: len(model.head.observables)]
    return np.array(
        [[s.probabilities(word) @ signs[len(word)] for word in read_words] for s in states]
    )


@EVERY_MODEL
def test_parameters_stand_in_the_order_of_the_circuits_parameters(structure, k):
    model = built(structure, k)
    latent, named = by_name(model)
    request = model_circuits(model.train(), VECTORS)  # a batch norm must not see the batch
    names = [p.name for p in model.head.circuit.parameters]
    assert (request.circuit, request.observables) == (model.head.circuit, model.head.observables)
    assert len(names) > 10
    assert (names[0], names[-1]) == ("theta[0]", f"x[{latent.shape[1] - 1}]"), "theta is before x"
    np.testing.assert_array_equal(request.latent, latent)
    np.testing.assert_array_equal(request.parameters, [[row[n] for n in names] for row in named])
    bind = model.head.circuit.assign_parameters
    for row, values in zip(request.parameters, named, strict=True):
        assert Statevector(bind(row)).equiv(Statevector(bind(values)))
    # no two parameters are equal: an exchange would show
    assert np.abs(np.diff(request.parameters[0])).min() > 0


@EVERY_MODEL
@pytest.mark.parametrize("name", ["adjoint", "aer_statevector"])
def test_exact_backends_answer_what_the_model_answers(structure, k, name):
    model = built(structure, k)
    _, named = by_name(model)
    request = model_circuits(model, VECTORS)
    options = {"dtype": "float64"} if name == "adjoint" else {}
    answers = measure(request, backend_named(name, **options))
    with torch.no_grad():
        head_values = model.head(torch.from_numpy(request.latent).float()).numpy()
        logits = compute_logits(model, torch.from_numpy(VECTORS)).double().numpy()
    np.testing.assert_allclose(answers.values, z_values(model, named), atol=1e-9)
    np.testing.assert_allclose(answers.values, head_values, atol=1e-6)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert answers.probabilities.shape == (N, k)
    np.testing.assert_allclose(answers.probabilities, probabilities, atol=1e-6)
    assert np.ptp(answers.probabilities, axis=0).min() > 1e-3, "the samples differ"
    assert not answers.standard_errors.any()
    assert not answers.value_errors.any()
    assert answers.decided.tolist() == [True] * N


def test_a_classical_head_has_no_circuit():
    model = build_classifier(ModelConfig(head="mlp", encoder="none"), D, 2)
    with pytest.raises(
        UserError, match=r"head is classical. There is no circuit to run .* Omit --backend"
    ):
        model_circuits(model, VECTORS)


def test_the_number_of_shots_is_read_from_the_options():
    assert number_of_shots(create("adjoint")) is None
    assert number_of_shots(backend_named("aer_statevector")) is None
    assert number_of_shots(backend_named("aer_statevector", shots=70)) == 70
    assert number_of_shots(backend_named("aer_forte")) == 8192
