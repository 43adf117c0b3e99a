"""Baselines as models of a folder: the answers of the fitted estimators, without a pickle."""

import numpy as np
import pytest
import torch
from scipy.special import softmax

from qllmft.baselines import BASELINES, as_classifier, fit_and_score
from qllmft.config import parse_config
from qllmft.model import StoredModel, load_model, save_model
from qllmft.tasks import TASKS
from qllmft.training import Examples, compute_logits

D = 12
NAMES = {
    "classification": ["logistic_regression", "logistic_regression_c1", "svc", "mlp", "low_rank", "pca", "quantised"],
    "regression": ["ridge", "svr", "linear"],
    "multilabel": ["logistic_regression_ovr", "svc_ovr", "mlp"],
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def few_epochs():
    """Networks end after five epochs: what they have learned by then is kept."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("qllmft.training.head.MAX_EPOCHS", 5)
        yield


def examples(task, k, n, seed):
    """Noisy clusters, lines or several labels of vectors (n, D)."""
    random = np.random.default_rng(seed)
    map_ = np.random.default_rng(9).normal(size=(D, k))
    x = random.normal(size=(n, D)).astype(np.float32)
    scores = x @ map_ + random.normal(size=(n, k))
    y = {
        "classification": scores.argmax(axis=1),
        "regression": 3 + 5 * scores,
        "multilabel": (scores > 1).astype(np.int64),
    }[task]
    return Examples(torch.from_numpy(x), torch.from_numpy(y), task=TASKS[task])


def fit_baseline(name, task, k):
    config = parse_config(
        {
            "data": {"task": task},
            "train": {"epochs": 3},
            "baselines": {"names": [name], "grid": "small"},
        },
        "the test",
    )
    train = examples(task, k, 120, 0)
    validation = examples(task, k, 40, 1)
    head = fit_and_score(BASELINES[name].make(config, 60, D, k), train, validation).head
    return head, as_classifier(head, validation, k)


@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize(
    ("task", "name"), [(task, name) for task, names in NAMES.items() for name in names]
)
def test_a_kept_baseline_gives_the_same_answers(task, name, k, tmp_path):
    head, stored_head = fit_baseline(name, task, k)
    assert stored_head is not None
    fresh = examples(task, k, 300, 2)
    expected = head.predict(fresh.x.numpy())
    model = StoredModel(
        classifier=stored_head.classifier,
        config=stored_head.config,
        kernel=stored_head.kernel,
        body={"model": "minilm"},
        body_identity="a body",
        dimension=D,
        label_names=tuple("abcd"[:k]),
        task=task,
        thresholds=stored_head.thresholds,
    )
    save_model(tmp_path, model)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["model.json", "model.safetensors"]
    logits = compute_logits(load_model(tmp_path).classifier, fresh.x)
    if task == "regression":
        np.testing.assert_allclose(logits.numpy(), expected, rtol=1e-3, atol=1e-3)
    elif task == "classification":
        assert logits.argmax(dim=1).tolist() == expected.tolist()
    else:
        limits = 0.5 if stored_head.thresholds is None else np.array(stored_head.thresholds)
        predictions = TASKS[task].probabilities(logits) >= limits
        assert (predictions != (expected >= 0)).mean() < 2e-3


@pytest.mark.parametrize("k", [2, 3])
def test_probabilities_of_a_kept_logistic_regression_are_scikit_learns(k):
    head, stored_head = fit_baseline("logistic_regression", "classification", k)
    x = examples("classification", k, 50, 4).x
    probabilities = softmax(compute_logits(stored_head.classifier, x).double().numpy(), axis=1)
    np.testing.assert_allclose(probabilities, head.probabilities(x.numpy()), atol=1e-5)


def test_votes_of_many_labels_take_memory_for_each_label_alone(monkeypatch):
    monkeypatch.setattr("qllmft.heads.classical.MOST_SUMS", 3 * 30**2)  # three texts at a time
    labels = np.arange(240) % 30
    centres = np.random.default_rng(1).normal(size=(30, D))
    noise = np.random.default_rng(2).normal(scale=0.8, size=(240, D))
    train = Examples(
        torch.from_numpy((centres[labels] + noise).astype(np.float32)), torch.from_numpy(labels)
    )
    config = parse_config({"baselines": {"names": ["svc"], "grid": "small"}}, "the test")
    head = fit_and_score(BASELINES["svc"].make(config, 60, D, 30), train, train).head
    machine = as_classifier(head, train, 30).classifier
    texts = train.x + 0.5
    answers = compute_logits(machine, texts).numpy().argmax(axis=1)
    assert (answers == head.predict(texts.numpy())).all()
    assert len(set(answers)) > 10
    vectors = len(head.estimator.support_)
    assert machine.head.weight.shape == (29, vectors)  # one for each other label, not for each pair


def test_a_baseline_that_is_neither_affine_nor_of_rbf_kernels_is_not_kept():
    _, stored_head = fit_baseline("svc_quadratic", "classification", 2)
    assert stored_head is None
