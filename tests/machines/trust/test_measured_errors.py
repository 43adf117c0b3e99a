"""How sure an answer is: against bootstrap, against the shots one by one, against how often it is right."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from qiskit.quantum_info import SparsePauliOp, Statevector
from scipy.special import softmax

from qllmft.config import ModelConfig
from qllmft.heads import Classifier, build_classifier
from qllmft_backends import Backend, Capabilities, create
from qllmft_backends.protocol import Expectations
from qllmft_machines.trust.circuits import ModelCircuits
from qllmft_machines.trust.measurement import measure

Q = 4
S = 20_000
# bootstrap repetitions: a standard deviation is known to 1/sqrt(2R) = 1.1 %,
# and to about 2 % from S shots
R = 4000
WEIGHTS = {  # of the labels; the qubits 1 to 3 are nearly equal (see `request_for`)
    "errors add up": [[1.0, 0.9, 0.7, 0.8], [-0.2, -0.1, -0.3, 0.0]],
    "errors cancel": [[0.8, 1.1, -0.9, 0.2], [-0.2, 0.0, 0.2, 0.1]],
    "three labels": [[0.9, 0.5, 0.1, 0.3], [0.2, -0.6, 0.4, -0.4], [-0.7, 0.1, -0.5, 0.2]],
}


def classifier(weights: list[list[float]] | None, **structure: object) -> Classifier:
    """A head of one ansatz layer with the given final layer."""
    k = len(weights) if weights else 2
    config = ModelConfig(n_qubits=Q, reuploads=1, main_layers=1, **structure)
    model = build_classifier(config, 4, k, seed=0).eval()
    with torch.no_grad():
        if model.final is not None:
            model.final.weight[:] = torch.tensor(weights)
            if model.final.bias is not None:
                model.final.bias[:] = torch.linspace(0.1, 0.0, k)
    return model


def request_for(
    model: Classifier, spread: float = 0.35, samples: int = 6, seed: int = 5
) -> ModelCircuits:
    """Qubit 0 turned by about half π before a ring of CNOTs: with little spread the qubits 1 to 3 are a GHZ state."""
    rng = np.random.default_rng(seed)
    latent = rng.uniform(-spread, spread, (samples, Q)) + np.pi / 2 * (np.arange(Q) == 0)
    latent = latent.astype(np.float32).astype(np.float64)
    weights = rng.uniform(-spread, spread, model.head.circuit.num_parameters - Q)
    assert [p.name[0] for p in model.head.circuit.parameters] == ["t"] * len(weights) + ["x"] * Q
    parameters = np.column_stack([np.tile(weights, (samples, 1)), latent])
    return ModelCircuits(model, model.head.circuit, model.head.observables, parameters, latent)


def distributions(circuit, parameters) -> np.ndarray:
    """(N, 2^Q) exact probabilities of the outcomes, by Qiskit."""
    bound = (circuit.assign_parameters(row) for row in parameters)
    return np.stack([Statevector(bound_circuit).probabilities() for bound_circuit in bound])


# (2^Q, Q): what each qubit shows in each outcome
SIGNS = 1 - 2 * (np.arange(2**Q)[:, None] >> np.arange(Q) & 1)


def logits_by_hand(model: Classifier, latent: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Logits (..., k) from latent values (..., Q) and ⟨Z⟩, or single shots, of all qubits (..., Q)."""
    if model.final is None:
        return np.stack([z[..., 0], -z[..., 0]], axis=-1)
    weight = model.final.weight.detach().double().numpy()
    if model.skip:
        return latent @ weight[:, :Q].T + z[..., :1] @ weight[:, Q:].T
    return z[..., : weight.shape[1]] @ weight.T + model.final.bias.detach().double().numpy()


def bootstrap(model: Classifier, request: ModelCircuits) -> np.ndarray:
    """(N, k) spread of the probabilities over R repetitions of S shots, from the multinomial distribution itself."""
    rng = np.random.default_rng(9)
    outcome_probabilities = distributions(request.circuit, request.parameters)
    z = np.stack(
        [rng.multinomial(S, p, size=R) / S @ SIGNS for p in outcome_probabilities]
    )  # (N, R, Q)
    return softmax(logits_by_hand(model, request.latent[:, None, :], z), axis=-1).std(1, ddof=1)


class Shots(Backend):
    """Draws outcomes from Qiskit's state vector, the same for every observable, and keeps them."""

    name = "shots"

    def __init__(self, shots: int, seed: int = 1) -> None:
        self.shots = shots
        self.rng = np.random.default_rng(seed)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(shots=True)

    def expectations(self, circuit, values, observables) -> Expectations:
        rows, of_text = np.unique(values, axis=0, return_inverse=True)
        up_to = np.cumsum(distributions(circuit, rows), axis=1)
        draws = self.rng.random((len(values), self.shots))  # (N, S)
        self.outcomes = np.empty(draws.shape, int)
        for row, bounds in enumerate(up_to):
            is_of_row = of_text == row
            self.outcomes[is_of_row] = np.searchsorted(bounds[:-1], draws[is_of_row], side="right")
        # (2^Q, O)
        diagonals = np.stack([o.to_matrix().diagonal().real for o in observables], axis=1)
        counts = np.array([np.bincount(outcomes, minlength=2**Q) for outcomes in self.outcomes])
        means = counts @ diagonals / self.shots
        squares = (diagonals - means[:, None, :]) ** 2  # (N, 2^Q, O)
        variances = np.einsum("ns,nso->no", counts, squares) / (self.shots - 1)
        return Expectations(means, np.sqrt(variances / self.shots))


SKIP = [[0.5, -0.2, 0.3, 0.4, 1.1], [0.1, 0.6, -0.5, 0.2, -0.8], [0.9, -0.9, 0.9, -0.9, 0.1]]
STRUCTURES = [
    ({}, WEIGHTS["errors add up"]),
    ({}, WEIGHTS["errors cancel"]),
    ({}, WEIGHTS["three labels"]),
    ({"final_linear": False}, None),
    ({"readout": "first"}, [[0.7], [-0.4], [0.2]]),
    ({"readout": "latent"}, SKIP[:2]),
    ({"readout": "latent"}, SKIP),
]


@pytest.mark.parametrize("backend", ["adjoint", "aer_statevector"])
@pytest.mark.parametrize("kind", ["errors add up", "errors cancel"])
def test_the_error_of_a_probability_of_two_labels_is_that_of_the_bootstrap(kind, backend):
    """And not that of independent qubits, which is far off here."""
    if backend == "aer_statevector":
        pytest.importorskip(
            "qiskit_aer", reason="qiskit-aer is not installed: pip install '.[aer]'"
        )
    model = classifier(WEIGHTS[kind])
    request = request_for(model)
    answers = measure(request, create(backend, {"shots": S, "seed": 3}))
    spread = bootstrap(model, request)
    np.testing.assert_allclose(answers.standard_errors, spread, rtol=0.1)
    difference = np.subtract(*np.array(WEIGHTS[kind]))
    alone = answers.probabilities.prod(axis=1) * np.sqrt(answers.value_errors**2 @ difference**2)
    ratio = alone / spread[:, 0]  # the covariance matters here
    assert (ratio < 0.75).all() if kind == "errors add up" else (ratio > 1.3).all()


@pytest.mark.parametrize("index", [2, 4, 6])
def test_the_error_of_a_probability_of_three_labels_is_an_upper_bound(index):
    structure, weights = STRUCTURES[index]
    model = classifier(weights, **structure)
    request = request_for(model)
    ratio = measure(request, Shots(S)).standard_errors / bootstrap(model, request)
    assert ratio.min() > 0.9, "below only by the two routes' own noise"
    assert np.median(ratio) < 2, "and of use"


def assert_shots_one_by_one(model, request, measured, z):
    """Every shot (N, S, O) has its own logits; the differences of these have a mean and a standard error."""
    n, shots, _ = z.shape
    np.testing.assert_allclose(measured.values, z.mean(axis=1), atol=1e-12)
    by_observable = z.std(axis=1, ddof=1) / np.sqrt(shots)
    np.testing.assert_allclose(measured.value_errors, by_observable, atol=1e-12)
    # (N, S, k): linear in z, so also in the mean
    logits = logits_by_hand(model, request.latent[:, None, :], z)
    p = softmax(logits.mean(axis=1), axis=1)
    np.testing.assert_allclose(measured.probabilities, p, atol=1e-6)
    pairs = logits[..., :, None] - logits[..., None, :]
    lead = pairs.mean(axis=1)
    error = pairs.std(axis=1, ddof=1) / np.sqrt(shots)
    expected = p * np.einsum("nb,nab->na", p, error)
    np.testing.assert_allclose(measured.standard_errors, expected, rtol=1e-5)
    rows = np.arange(n)
    top = p.argmax(axis=1)
    ahead = lead[rows, top] > 1.959964 * error[rows, top]
    ahead[rows, top] = True
    assert (measured.decided == ahead.all(axis=1)).all()
    assert 0 < measured.decided.sum() < n, "both kinds are among them"


@pytest.mark.parametrize(("structure", "weights"), STRUCTURES, ids=str)
def test_errors_and_decisions_are_those_of_the_shots_one_by_one(structure, weights):
    model = classifier(weights, **structure)
    request = request_for(model, spread=1.3, samples=40)
    backend = Shots(150)
    measured = measure(request, backend)
    n_observables = len(model.head.observables)
    assert_shots_one_by_one(model, request, measured, SIGNS[backend.outcomes][..., :n_observables])


def test_a_head_that_reads_products_of_z_is_measured_by_its_own_observables():
    """Z₀Z₁, Z₁Z₂Z₃ and Z₃: values, errors and decisions are those of the shots one by one."""
    model = classifier([[0.9, -0.4, 0.3, 0.0], [-0.5, 0.7, 0.2, 0.0], [0.1, 0.2, -0.8, 0.0]])
    products_of_qubits = [[0, 1], [1, 2, 3], [3]]
    model.head.observables = [
        SparsePauliOp.from_sparse_list([("Z" * len(q), q, 1.0)], Q) for q in products_of_qubits
    ]
    with torch.no_grad():
        model.final.weight = torch.nn.Parameter(model.final.weight[:, :3])
    request = request_for(model, spread=1.3, samples=30)
    backend = Shots(150)
    measured = measure(request, backend)
    products = np.stack([SIGNS[:, q].prod(axis=1) for q in products_of_qubits], axis=1)  # (2^Q, 3)
    assert_shots_one_by_one(model, request, measured, products[backend.outcomes])
    exact = measure(request, create("adjoint", {"dtype": "float64"})).values
    outcome_probabilities = distributions(request.circuit, request.parameters)
    np.testing.assert_allclose(exact, outcome_probabilities @ products, atol=1e-9)
    assert np.abs(exact - outcome_probabilities @ SIGNS[:, :3]).max() > 0.3, (
        "not those of single qubits"
    )


@pytest.mark.parametrize("n_other_labels", [0, 1], ids=["two labels", "a third label, far behind"])
def test_where_two_labels_are_equal_one_in_twenty_is_called_decided(n_other_labels):
    """What 95 % means. The lead is a sum over correlated qubits; that over the third label is always clear."""
    model = classifier(WEIGHTS["errors add up"] + [[0.0] * Q] * n_other_labels)
    request = request_for(model, samples=1)
    (outcome_probabilities,) = distributions(request.circuit, request.parameters)
    lead = np.subtract(*np.array(WEIGHTS["errors add up"])) @ (outcome_probabilities @ SIGNS)
    with torch.no_grad():
        model.final.bias[:] = torch.tensor([-lead, 0.0, -30.0][: 2 + n_other_labels])
    latent, parameters = (part.repeat(4000, 0) for part in (request.latent, request.parameters))
    answers = measure(replace(request, latent=latent, parameters=parameters), Shots(400))
    assert abs(answers.decided.mean() - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 4000)
    assert abs(answers.probabilities.argmax(axis=1).mean() - 0.5) < 4 * 0.5 / np.sqrt(4000)


@pytest.mark.parametrize("shots", [1, 2, 3, 5, 10])
def test_few_shots_that_agree_decide_no_label_wrongly(shots):
    """The margins are small: a decided label is wrong in nearly half of the cases."""
    request = request_for(classifier(WEIGHTS["errors add up"]), samples=400)
    exact = measure(request, create("adjoint", {"dtype": "float64"}))
    measured = measure(request, create("adjoint", {"shots": shots, "seed": 3}))
    wrong = measured.decided & (measured.logits.argmax(axis=1) != exact.logits.argmax(axis=1))
    assert wrong.mean() < 0.05
