"""A head through noise: Aer's shots, and those of IonQ's sandbox, against the density matrix."""

import numpy as np
import pytest

from qllmft.config import ModelConfig
from qllmft.heads import build_classifier
from qllmft.inference.circuits import model_circuits
from qllmft.inference.measurement import Answers, measure
from qllmft_backends import create

pytest.importorskip("qiskit_aer", reason="qiskit-aer is not installed: pip install 'qllmft[aer]'")

D, N, S = 9, 8, 4000
VECTORS = np.random.default_rng(4).normal(size=(N, D)).astype(np.float32)


@pytest.fixture(scope="module")
def ask():
    """A head of 4 qubits, which reads 10 words, on any backend by its name and options."""
    model = build_classifier(ModelConfig(n_qubits=4, encoder_layers=2, readout="words"), D, 2, seed=2)
    request = model_circuits(model, VECTORS)

    def answers(name: str, **options: object) -> Answers:
        threads = {"max_parallel_threads": 1} if name.startswith("aer") else {}
        return measure(model, request, create(name, threads | options))

    return answers


@pytest.fixture
def sandbox(monkeypatch, tmp_path):
    """The options that send a circuit to a sandbox; ``noise`` is that of its pretended machines."""
    pytest.importorskip("qiskit_ionq", reason="qiskit-ionq is not installed: pip install 'qllmft[ionq]'")
    from qllmft_backends.ionq.mock_server import MockServer, Store

    monkeypatch.setenv("QISKIT_IONQ_API_TOKEN", "key-of-the-tests")
    boxes = []

    def start(noise: str) -> dict[str, object]:
        boxes.append(MockServer(store=Store(qpu_noise=noise)).__enter__())
        return {"url": boxes[-1].url, "ledger": tmp_path / f"ledger {len(boxes)}", "poll_interval_s": 0.02}

    yield start
    for box in boxes:
        box.__exit__(None, None, None)


def deviations(answers: Answers, expected: Answers, shots: int = S) -> np.ndarray:
    """(N, Q) differences of ⟨Z⟩ in standard errors; near ±1 a single shot counts."""
    return (answers.values - expected.values) / (np.sqrt((1 - expected.values**2) / shots) + 1 / shots)


def assert_shots_of(answers: Answers, expected: Answers, other: Answers) -> None:
    """Shots of ``expected`` and not of ``other``: no value far off, and their spread that of the shots."""
    z = deviations(answers, expected)
    assert np.abs(z).max() < 4
    assert 0.25 < np.mean(z**2) < 2.0, (
        "of 32 values, those of a sample correlated: 16 free ones leave this once in 1,000"
    )
    assert np.mean(deviations(answers, other) ** 2) > 3, "the noise is seen"
    np.testing.assert_allclose(answers.value_errors, np.sqrt((1 - answers.values**2) / S), rtol=1e-3)


def test_aer_forte_is_within_its_errors_of_the_density_matrix(ask):
    noisy = ask("aer_forte", method="density_matrix", shots=None)
    assert not noisy.standard_errors.any()
    assert_shots_of(ask("aer_forte", shots=S), noisy, ask("adjoint"))
    few = ask("aer_forte", method="trajectories", shots=300)
    z = deviations(few, noisy, 300)
    assert np.abs(z).max() < 4
    assert 0.25 < np.mean(z**2) < 2.0


def test_adjoint_with_noise_is_within_its_errors_of_the_density_matrix(ask):
    noisy = ask("aer_forte", method="density_matrix", shots=None)
    assert_shots_of(ask("adjoint", noise="forte1", shots=S), noisy, ask("adjoint"))


def test_ionq_forte_is_within_its_errors_of_the_density_matrix(ask, sandbox):
    """The sandbox's own simulator, with the rates of IonQ's cloud noise model, against Aer's density matrix."""
    rates = {"noise": "explicit", "one_qubit_rate": 2.667e-4, "two_qubit_rate": 4.949e-3}
    noisy = ask("aer_forte", method="density_matrix", shots=None, **rates)
    answers = ask("ionq_forte", shots=S, yes=True, **sandbox("forte-1"))
    assert_shots_of(answers, noisy, ask("adjoint"))
    assert (answers.standard_errors > 0).all()


def test_ionq_forte_without_noise_and_ionqs_simulator(ask, sandbox):
    exact = ask("adjoint", dtype="float64")
    assert np.abs(deviations(ask("ionq_forte", shots=S, yes=True, **sandbox("ideal")), exact)).max() < 4
    simulated = ask("ionq_simulator", **sandbox("ideal"))
    np.testing.assert_allclose(simulated.values, exact.values, atol=2e-6)
    np.testing.assert_allclose(simulated.probabilities, exact.probabilities, atol=2e-6)
    assert not simulated.standard_errors.any()
    assert simulated.decided.all()
    noisy = ask("aer_forte", method="density_matrix", shots=None)
    drawn = ask("ionq_simulator", noise="forte1", shots=S, **sandbox("ideal"))
    assert_shots_of(drawn, noisy, exact)
