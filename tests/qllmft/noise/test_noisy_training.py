"""Training with noise: where its bits come from, resuming, exact values beside it, and the accuracy reached."""

import numpy as np
import pytest
import torch
from noisy_training import NOISES, SEED, SETTINGS, STRUCTURE, D, examples, model
from stopped_runs import same_bits

from qllmft.config import ModelConfig, NoiseConfig
from qllmft.heads import build_classifier, noisy_circuits, reseed, without_noise
from qllmft.training import (
    Checkpoint,
    TorchHead,
    compute_logits,
    exact_score,
    fit,
    latent_vectors,
    loop,
)
from qllmft.training.evaluation import evaluate
from qllmft_backends import create
from qllmft_base.randomness import derive_seed
from qllmft_machines.trust.circuits import model_circuits

TRAIN = examples(24)
VALIDATION = examples(15, seed=1)


def train_noisy_head(noise, file=None, stop_at=None, seed=SEED):
    """Selection, weights and metrics (without seconds)."""
    head = model(noise)
    metrics = []

    def on_epoch(m):
        metrics.append(
            (
                m.epoch,
                m.train_loss,
                m.validation_loss,
                m.score,
                m.score_exact,
            )
        )
        if m.epoch == stop_at:
            raise KeyboardInterrupt

    checkpoint = Checkpoint(file) if file else None
    selection = fit(
        head, TRAIN, VALIDATION, SETTINGS, seed, checkpoint=checkpoint, on_epoch=on_epoch
    )
    return selection, head.state_dict(), metrics


@pytest.mark.parametrize("name", NOISES)
def test_a_resumed_training_ends_in_the_same_bits_and_noise_follows_the_seed(
    name, tmp_path, monkeypatch
):
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY_S", -1.0)
    selection, weights, metrics = train_noisy_head(NOISES[name])
    stopped = train_noisy_head(NOISES[name], tmp_path / "state", stop_at=3)
    assert (stopped[0].epochs_done, stopped[0].finished) == (3, False)
    assert Checkpoint(tmp_path / "state").epochs_done() == 2
    resumed = train_noisy_head(NOISES[name], tmp_path / "state")
    assert resumed[0] == selection
    assert same_bits(resumed[1], weights)
    assert resumed[2] == metrics[2:]
    assert train_noisy_head(NOISES[name], seed=6)[2][0][2] != metrics[0][2]
    assert not same_bits(weights, train_noisy_head(NoiseConfig())[1])


@pytest.mark.parametrize(
    ("name", "options"), [("gates", {"noise": "explicit"}), ("true shots", {})]
)
def test_the_noise_of_words_averages_to_what_a_backend_measures(name, options):
    """Many passes of training, against the values of Aer's density matrix; shots alone leave the exact ones."""
    pytest.importorskip("qiskit_aer", reason="qiskit-aer is not installed: pip install '.[aer]'")
    classifier = model(NOISES[name], structure=STRUCTURE.model_copy(update={"readout": 2}))
    request = model_circuits(classifier, VALIDATION.x[:1].numpy())
    rates = {"one_qubit_rate": 0.01, "two_qubit_rate": 0.05} if options else {}
    backend = (
        create("aer_forte", options | rates | {"shots": 200_000}) if options else create("adjoint")
    )
    expected = backend.expectations(request.circuit, request.parameters, request.observables)
    with torch.no_grad():
        passes = (
            classifier.head(torch.from_numpy(request.latent).float().expand(20_000, -1))
            .double()
            .numpy()
        )
    error = passes.std(axis=0) / np.sqrt(20_000) + expected.standard_errors[0]
    assert passes.shape == (20_000, 10)
    assert np.abs((passes.mean(axis=0) - expected.values[0]) / error).max() < 4


def test_every_pass_epoch_and_set_draws_its_own_noise():
    head = model(NOISES["shots"])
    head.eval()
    with torch.no_grad():
        reseed(head, 1)
        a = head(VALIDATION.x)
        b = head(VALIDATION.x)
        reseed(head, 1)
        repeated = head(VALIDATION.x)
        reseed(head, 2)
        reseeded = head(VALIDATION.x)
    assert torch.equal(a, repeated)
    assert not torch.allclose(a, b, atol=1e-3)
    assert not torch.allclose(a, reseeded, atol=1e-3)


def test_validation_is_noisy_and_the_exact_value_stands_beside_it():
    # nothing is left of the state
    noise = NoiseConfig(gates="explicit", one_qubit_rate=1.3, two_qubit_rate=1.0)
    noisy = train_noisy_head(noise)[2]
    assert all(m[4] is None for m in train_noisy_head(NoiseConfig())[2])
    assert all(0 <= m[4] <= 1 for m in noisy)
    head = model(noise)
    longer = SETTINGS.model_copy(update={"epochs": 30, "select": "last"})
    fit(exact_head := model(NoiseConfig()), TRAIN, VALIDATION, longer, SEED)
    head.load_state_dict(exact_head.state_dict())
    with without_noise(head):
        clean = evaluate(head, TRAIN)
    assert clean[1] == exact_score(head, TRAIN) > 0.8
    assert evaluate(head, TRAIN)[1] < 0.75
    plain = build_classifier(STRUCTURE, D, 2, seed=0)
    plain.load_state_dict(head.state_dict())
    assert evaluate(plain, TRAIN) == clean
    assert exact_score(plain, TRAIN) is None
    assert noisy_circuits(plain) == []


NO_HEAD = ModelConfig(
    head="none", encoder_qubits=4, n_encoders=2, encoder_layers=2, pad="bias", latent_scale="pi"
)


def test_encoders_without_a_head_have_the_shots():
    """Means and scatter of many passes against exact values and the multinomial's covariance of ⟨Z⟩."""
    noisy = model(NoiseConfig(shots=4096), structure=NO_HEAD)
    exact = build_classifier(NO_HEAD, D, 2, seed=0)
    with torch.no_grad():
        values = noisy.encoder(VALIDATION.x[:1].expand(8_000, -1)).double() / np.pi
        expected = exact.encoder(VALIDATION.x[:1])[0].double() / np.pi
    scatter = ((1 - expected**2) / 4096).sqrt()
    assert values.shape == (8_000, 8)
    assert ((values.mean(dim=0) - expected).abs() < 5 * scatter / 8_000**0.5).all()
    assert torch.allclose(values.std(dim=0), scatter, rtol=0.05)
    assert not torch.equal(values[:, :4], values[:, 4:])
    with without_noise(noisy):
        assert torch.equal(noisy(VALIDATION.x), exact(VALIDATION.x))
    assert exact_score(noisy, VALIDATION) == evaluate(exact, VALIDATION)[1]
    assert latent_vectors(noisy, VALIDATION.x) is None
    assert latent_vectors(model(NOISES["shots"]), VALIDATION.x) is not None


def test_the_gradient_of_shots_on_encoders_is_that_of_their_mean():
    """With many shots, by weights and embeddings, against the exact encoder's."""
    gradients = []
    for head in (
        model(NoiseConfig(shots=10**9), structure=NO_HEAD),
        build_classifier(NO_HEAD, D, 2, seed=0),
    ):
        x = VALIDATION.x.clone().requires_grad_()
        head(x)[:, 0].square().sum().backward()
        gradients.append([x.grad, *(p.grad for p in head.parameters())])
    for noisy, exact in zip(*gradients, strict=True):
        assert torch.allclose(noisy, exact, rtol=1e-3, atol=2e-3)


def test_leaving_noise_out_uses_none_of_it_up():
    head = model(NOISES["shots"])
    with torch.no_grad():
        reseed(head, 3)
        expected = [head(VALIDATION.x) for _ in range(2)]
        reseed(head, 3)
        got = [head(VALIDATION.x)]
        with without_noise(head):
            head(VALIDATION.x)
        got.append(head(VALIDATION.x))
    assert all(torch.equal(a, b) for a, b in zip(got, expected, strict=True))


def test_evaluation_counts_true_shots_and_training_draws_equation_2():
    """In training the bits of ``same``; in evaluation those of the multinomial, from the same seed."""

    def values(training, **noise):
        head = model(NoiseConfig(shots=64, gates="paper_high", **noise)).train(training)
        reseed(head, 1)
        with torch.no_grad():
            return head(VALIDATION.x)

    for training, options in ((True, {}), (False, {"shot_model": "multinomial"})):
        assert torch.equal(values(training, shot_test="multinomial"), values(training, **options))
    assert not torch.equal(values(True), values(False, shot_test="multinomial"))


def test_the_encoder_is_noiseless():
    head = model(NoiseConfig(gates="explicit", one_qubit_rate=0.5, two_qubit_rate=0.5, shots=10))
    with torch.no_grad():
        assert torch.equal(head.encoder(TRAIN.x), model(NoiseConfig()).encoder(TRAIN.x))
        assert not torch.allclose(head(TRAIN.x), model(NoiseConfig())(TRAIN.x), atol=0.01)


def test_predictions_follow_the_seed():
    x = examples(300).x.numpy()
    noise = NoiseConfig(gates="explicit", one_qubit_rate=0.3, two_qubit_rate=0.3, shots=10)
    first, second = (TorchHead("noisy", model(noise), SETTINGS, seed) for seed in (1, 2))
    labels = first.predict(x)
    assert (first.predict(x) == labels).all()
    assert (second.predict(x) != labels).any()


def gradients(noise, seed=0):
    head = model(noise)
    reseed(head, seed)
    head(TRAIN.x)[:, 0].sum().backward()
    return {name: p.grad.clone() for name, p in head.named_parameters()}


def test_the_gradient_reaches_the_encoder_through_gate_noise_and_shots():
    """With many shots, the gradient of eq. 2 and that of true shots are the exact one."""
    exact = gradients(NoiseConfig())
    circuit = [name for name in exact if not name.startswith("final")]
    assert len(circuit) >= 3
    for name, values in gradients(NoiseConfig(shots=10**9)).items():
        torch.testing.assert_close(values, exact[name], rtol=2e-3, atol=2e-3)
    for name, values in gradients(NoiseConfig(shots=10**5, shot_model="multinomial")).items():
        torch.testing.assert_close(values, exact[name], rtol=0.05, atol=0.05)
    few = gradients(NoiseConfig(shots=10))
    assert all(
        few[name].any() and not torch.allclose(few[name], exact[name], rtol=1e-3)
        for name in circuit
    )
    samples = [gradients(NOISES["gates"], seed) for seed in range(6)]
    for name in circuit:
        assert (torch.stack([d[name] for d in samples]).std(dim=0) > 0).any()


@pytest.mark.parametrize("name", ["gates", "shots", "both", "true shots"])
def test_it_learns_through_noise(name):
    head = model(NOISES[name], seed=1)
    data = examples(60, seed=4)
    settings = SETTINGS.model_copy(update={"epochs": 20, "select": "last"})
    fit(head, data, VALIDATION, settings, SEED)
    assert exact_score(head, data) > 0.85


@pytest.mark.parametrize("name", NOISES)
def test_the_encoder_is_asked_once_for_noisy_and_exact_answers(name, monkeypatch):
    data = examples(1100, seed=3)  # more than one batch of an evaluation
    head = TorchHead("head", model(NOISES[name]), SETTINGS, SEED)
    reseed(head.model, derive_seed(SEED, "prediction noise"))
    noisy = compute_logits(head.model, data.x)
    exact = exact_score(head.model, data)
    batch_sizes = []
    encoder = head.model.encoder.encoders[0]
    latent = encoder._latent
    monkeypatch.setattr(
        encoder, "_latent", lambda x, theta: batch_sizes.append(len(x)) or latent(x, theta)
    )
    assert np.array_equal(head.predict(data.x.numpy()), noisy.argmax(dim=1).numpy())
    assert head.exact_score(data) == exact
    assert sum(batch_sizes) == 1100
    head.predict(VALIDATION.x.numpy())
    # of other embeddings than those of the last prediction
    assert head.exact_score(data) == exact
    reseed(head.model, derive_seed(SEED, "prediction noise"))
    assert torch.equal(
        compute_logits(head.model, data.x, latent_vectors(head.model, data.x)), noisy
    )
