"""Choice of a structure among candidates, and the ridge of re-uploading heads, by second computations."""

import numpy as np
import pytest
import torch

from qllmft.config import ModelConfig, parse_config
from qllmft.config.presets import load_preset
from qllmft.errors import UserError
from qllmft.heads import build_classifier
from qllmft.run.choice import choose
from qllmft.run.experiment import run_experiment
from qllmft.run.record import Choice, Tried
from qllmft.training import Examples
from qllmft.training.full_batch import ReuploadingObjective


def examples(n: int = 40, k: int = 3, d: int = 9) -> Examples:
    random = torch.Generator().manual_seed(0)
    y = torch.arange(n) % k
    return Examples(torch.randn(n, d, generator=random) + 2 * torch.nn.functional.one_hot(y, d), y)


@pytest.fixture
def objective() -> ReuploadingObjective:
    config = ModelConfig(
        n_qubits=4,
        encoder_qubits=4,
        encoder_layers=3,
        n_encoders=2,
        centre=True,
        components=7,
        pad="bias",
        odd=True,
    )
    model = build_classifier(config, 9, 3)
    model.data_map.fit(examples().x)
    return ReuploadingObjective(model, examples(), 0.5)


def test_the_gradient_is_that_of_finite_differences(objective):
    vector, random = objective.parameters(), np.random.default_rng(0)
    gradient = objective(vector)[1]
    for _ in range(3):
        step = 1e-5 * random.normal(size=vector.size)
        assert objective(vector + step)[0] - objective(vector - step)[0] == pytest.approx(
            2 * gradient @ step, rel=1e-6
        )


def test_the_objective_is_that_of_the_simulated_model_and_of_the_map_measured_vector_by_vector(
    objective,
):
    vector, data = objective.parameters(), examples()
    value = objective(vector)[0]
    model = objective._model
    with torch.no_grad():
        simulated = model(data.x.double())  # every text through the encoders' circuits
        unit = torch.eye(7, dtype=torch.float64)
        # odd values are linear
        rows = torch.cat([encoder(unit) for encoder in model.encoder.encoders], dim=1)
    np.testing.assert_allclose(objective.logits(vector, objective.x), simulated.numpy(), atol=1e-12)
    ridge = 16 / 0.5 / (2 * 40) * float((model.final.weight.detach() ** 2).sum() * (rows**2).sum())
    assert value == pytest.approx(
        float(torch.nn.functional.cross_entropy(simulated, data.y)) + ridge, rel=1e-9
    )


def test_a_trained_model_is_back_in_its_own_precision(objective):
    objective.keep(objective.parameters())
    assert {parameter.dtype for parameter in objective._model.parameters()} == {torch.float32}


def test_the_smallest_is_taken_of_those_with_about_the_highest_accuracy():
    sizes = {"a": (900, 9), "b": (890, 8), "c": (889, 1), "d": (895, 8)}
    a, b, c, d = (
        Tried(name, right, 1000, 0.4 + (name == "b"), size) for name, (right, size) in sizes.items()
    )
    assert Choice((a, b, c, d), 5).taken == d
    assert Choice((a, b, c), 5).taken == b
    assert str(Choice((a, c), 5)) == (
        "structure a: the smallest of 2 with the highest accuracy, to a point, in 5-fold cross-validation on 1,000 "
        "texts: a 90.0 %, c 88.9 %"
    )


SMALL = {"train.epochs": 5}


def test_the_choice_is_the_same_again_and_reads_no_other_texts():
    config = load_preset("auto").config(SMALL)
    first, choice = choose(config, examples(), examples(12), 3)
    assert choose(config, examples(), examples(12), 3) == (first, choice)
    assert (choice.folds, choice.taken.total, len(choice.tried)) == (5, 52, 3)
    assert first.taken == choice.taken.name
    assert first.identity == config.identity
    held = choose(config, examples(), examples(12), 3, tuned_body=True)[1]
    assert (held.folds, held.taken.total) == (1, 12)


def test_a_configuration_with_candidates_has_one_identity_and_reads_back():
    config = load_preset("auto").config()
    assert config.taken == "odd"
    for candidate in config.candidates:
        taken = config.taking(candidate, alone=False)
        assert (taken.taken, taken.identity) == (candidate.name, config.identity)
        assert parse_config(taken.model_dump(mode="json", exclude_none=True), "x") == taken
    assert "candidates" not in load_preset("odd").config().model_dump()


@pytest.mark.parametrize(
    ("settings", "base"),
    [
        ({"model.reuploads": 6}, "reuploading-adam"),
        ({"noise.shots": 8}, "reuploading-adam"),
        ({"train.lr": 0.1}, "reuploading-adam"),
        ({"model.n_qubits": 8}, "reuploading-adam"),
        ({"model.odd": False}, "recommended"),
        # no principal axes of a body that moves
        ({"body.trainable": True}, "reuploading-unfrozen"),
        ({"body.trainable": True, "train.lr": 1e-2}, "reuploading-unfrozen"),
        ({"body.trainable": "lora"}, "recommended"),
    ],
)
def test_settings_of_the_head_have_the_first_fallback_that_fits_as_their_base(settings, base):
    assert load_preset("auto").config(settings) == load_preset(base).config(settings)


def test_model_and_train_must_be_those_of_a_candidate():
    tree = load_preset("auto").config().model_dump(mode="json", exclude_none=True)
    tree["model"]["encoder_layers"] = 3
    with pytest.raises(
        UserError,
        match="model and train belong to none of the candidates odd, odd-wide, reuploading",
    ):
        parse_config(tree, "x")


def test_a_run_keeps_its_choice_and_is_finished_the_second_time(tmp_path):
    config = load_preset("auto").config(
        {"train.epochs": 3, "baselines.names": [], "data.n_per_label": 20}
    )
    outcome = run_experiment(config, tmp_path / "run")
    record = outcome.record
    assert record.choice.taken.name in record.head.name
    assert record.identity == config.identity
    assert outcome.folder.read_config().taken == record.choice.taken.name
    again = run_experiment(config, tmp_path / "run").record
    assert again == record
