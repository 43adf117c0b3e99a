"""The supervised contrastive loss by two routes, the step that descends it, and the runs that share one step."""

import math
import signal

import numpy as np
import pytest
import torch
from small_bodies import run_config, table, trainable, write_corpus
from stopped_runs import without_seconds

from qllmft.config import SUPERVISED_DEFAULTS, ContrastiveConfig, RunConfig, parse_config
from qllmft.config.body import MAX_FULLY_TRAINED_WEIGHTS, SUPERVISED_TEMPERATURE
from qllmft.embed import Body
from qllmft.events import StageAdvanced
from qllmft.inference import Predictor
from qllmft.run import bodies as of_runs
from qllmft.run import run_experiment
from qllmft.training import contrastive as module
from qllmft.training import contrastive_pairs, contrastive_steps, fit_contrastive
from qllmft.training.contrastive import supervised_loss

TRAIN = table(13)
SETTINGS = ContrastiveConfig(loss="supervised", epochs=3, batch_size=6, lr=0.01)


def by_loops(vectors, labels, temperature):
    """Equation 2 of arXiv 2004.11362, written out."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    terms = []
    for i in range(len(labels)):
        weight = {
            j: math.exp(unit[i] @ unit[j] / temperature) for j in range(len(labels)) if j != i
        }
        partners = [weight[j] for j in weight if labels[j] == labels[i]]
        if partners:
            terms.append(-sum(math.log(p / sum(weight.values())) for p in partners) / len(partners))
    return sum(terms) / len(terms) if terms else 0.0


@pytest.mark.parametrize(
    "labels", [[0, 1, 1, 0, 1], [0, 1, 2, 2, 1, 0, 2, 3], [0, 0], [0, 1, 2], [1]]
)
@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_the_loss_and_its_gradient_by_two_routes(labels, temperature):
    vectors = torch.from_numpy(
        np.random.default_rng(len(labels)).normal(size=(len(labels), 6))
    ).requires_grad_()
    y = torch.tensor(labels)
    loss = supervised_loss(vectors, y, temperature)
    assert loss.item() == pytest.approx(
        by_loops(vectors.detach().numpy(), labels, temperature), rel=1e-12
    )
    assert torch.autograd.gradcheck(lambda x: supervised_loss(x, y, temperature), vectors)
    assert supervised_loss(3.0 * vectors, y, temperature).item() == pytest.approx(loss.item())
    (gradient,) = torch.autograd.grad(supervised_loss(vectors.float(), y, temperature), vectors)
    assert gradient.isfinite().all()


def test_texts_are_embedded_in_parts_of_like_length_to_the_same_loss(tiny_bert, monkeypatch):
    body = trainable(tiny_bert).eval()
    rows = np.arange(13)
    losses = []
    for size in (1, 4, 64):
        monkeypatch.setattr(module, "TEXTS_AT_ONCE", size)
        losses.append(module._make_loss(body, TRAIN, SETTINGS, 0)[1](rows).item())
    expected = supervised_loss(
        body(TRAIN.texts), torch.from_numpy(TRAIN.labels), SUPERVISED_TEMPERATURE
    )
    assert losses == pytest.approx([expected.item()] * 3)


def test_the_step_lowers_the_loss_of_held_out_texts_and_is_as_long_as_announced(tiny_bert):
    held_out = table(40, seed=9)
    body = trainable(tiny_bert)
    seen = []
    losses = []
    settings = SETTINGS.model_copy(update={"batch_size": 16})
    labels = torch.from_numpy(held_out.labels)
    for train in (
        lambda: None,
        lambda: fit_contrastive(body, table(60), settings, 0, on_step=seen.append),
    ):
        train()
        losses.append(
            supervised_loss(torch.from_numpy(body.body.encode(held_out.texts)), labels, 0.2).item()
        )
    assert losses[1] < losses[0] - 0.2
    assert seen == list(range(1, contrastive_steps(60, settings) + 1)) == list(range(1, 13))
    assert contrastive_pairs(13, SETTINGS) == 15 + 15 + 0


def test_settings_that_are_not_given_are_the_chosen_ones():
    config = parse_config(
        {"body": {"contrastive": {"loss": "supervised", "epochs": 2}}}, "the test"
    )
    assert config.body.contrastive == ContrastiveConfig(
        **{**SUPERVISED_DEFAULTS, "loss": "supervised", "epochs": 2}
    )
    assert config.body.learns
    assert (
        parse_config(config.model_dump(mode="json"), "again").identity
        == config.identity
        != RunConfig().identity
    )


def test_heads_on_the_same_texts_share_one_step(tiny_bert, tmp_path, monkeypatch):
    corpus = write_corpus(tmp_path / "corpus.tsv")
    step = {"loss": "supervised", "epochs": 2, "batch_size": 8, "lr": 0.01}
    configs = [
        run_config(
            corpus, tiny_bert, body__contrastive=step, model__reuploads=r, baselines__names=[]
        )
        for r in (2, 3)
    ]
    monkeypatch.setenv("QLLMFT_CACHE", str(tmp_path / "alone"))
    alone = run_experiment(configs[1], tmp_path / "runs" / "alone").record.to_json()
    monkeypatch.setenv("QLLMFT_CACHE", str(tmp_path / "shared"))
    first = run_experiment(configs[0], tmp_path / "runs" / "first").record.to_json()
    monkeypatch.setattr(of_runs.training, "fit_contrastive", None)
    second = run_experiment(configs[1], tmp_path / "runs" / "second").record.to_json()
    assert without_seconds(second) == without_seconds(alone)
    assert first["body"] == second["body"] != without_seconds(first)["models"]
    assert first["body"]["learned"]["contrastive_pairs"] == 4 * 28 + 1
    (place,) = (tmp_path / "shared").glob("contrastive-*")
    suffixes = {path.suffix for path in place.iterdir()}
    assert suffixes == {"", ".sqlite", ".lock"}, (
        "the body, what it embedded and the lock of that, nothing else"
    )
    with pytest.raises(TypeError):  # another seed draws other texts, and wants a step of its own
        run_experiment(configs[0].model_copy(update={"seed": 3}), tmp_path / "runs" / "third")


def test_the_duration_that_is_announced_is_that_of_all_texts_of_all_epochs(
    tiny_bert, tmp_path, monkeypatch
):
    corpus = write_corpus(tmp_path / "corpus.tsv")
    messages = []
    step = {"loss": "supervised", "epochs": 2, "batch_size": 32, "lr": 0.01}
    monkeypatch.setenv("QLLMFT_CACHE", str(tmp_path / "cache"))
    texts = len(module.typical_texts(table(34)))
    monkeypatch.setattr(
        of_runs, "time_value_and_gradient", lambda *_, **__: (texts / 4, 3 * texts / 4)
    )  # 1 s each
    run_experiment(
        run_config(corpus, tiny_bert, body__contrastive=step, baselines__names=[]),
        tmp_path / "run",
        lambda event: messages.append(getattr(event, "text", "")),
        read_test=False,
    )
    assert sum("2 epochs, will take about 68 s." in text for text in messages) == 1, (
        messages
    )  # 34 texts, twice


def test_the_texts_that_are_timed_are_of_median_length():
    texts = table(40)
    timed_texts = module.typical_texts(texts)
    lengths = sorted(map(len, texts.texts))
    assert [len(text) for text in timed_texts] == lengths[12:28]
    assert module.typical_texts(table(5)) == sorted(table(5).texts, key=len)


STEP = {"loss": "supervised", "epochs": 2, "batch_size": 8, "lr": 0.05, "weights": "lora"}


def test_an_adapter_is_tuned_alone_and_every_model_of_the_run_has_it(
    tiny_bert, tmp_path, monkeypatch
):
    corpus = write_corpus(tmp_path / "corpus.tsv")
    config = run_config(corpus, tiny_bert, body__contrastive=STEP, body__lora={"rank": 2})
    monkeypatch.setenv("QLLMFT_CACHE", str(tmp_path / "cache"))
    outcome = run_experiment(config, tmp_path / "run")
    (adapter_folder,) = (tmp_path / "cache").glob("contrastive-*/contrastive")
    files = {"adapter_config.json", "adapter_model.safetensors"}
    assert {path.name for path in adapter_folder.iterdir()} == files
    model = tmp_path / "run" / "model"
    assert {path.name for path in (model / "adapter").iterdir()} == files
    assert not (model / "body").exists()
    assert not (tmp_path / "run" / "models" / "logistic-regression" / "adapter").exists()
    (tmp_path / "run").rename(tmp_path / "moved")
    new_texts = table(9, seed=5).texts
    of_step = Body(config.body.with_adapter(adapter_folder)).encode(new_texts)
    frozen = Body(config.body.model_copy(update={"contrastive": ContrastiveConfig()})).encode(
        new_texts
    )
    for row in (None, "logistic regression"):
        predictor = Predictor.load(tmp_path / "moved", model=row)
        assert np.array_equal(predictor.embed(new_texts), of_step)
        copy = predictor.save_pretrained(tmp_path / f"shared-{row}")
        assert np.array_equal(Predictor.load(copy).embed(new_texts), of_step)
    assert not np.allclose(of_step, frozen, atol=1e-3)
    assert outcome.record.body.learned.contrastive_pairs == 4 * 28 + 1


def test_a_step_of_an_adapter_that_was_stopped_ends_in_the_same_bits(
    tiny_bert, tmp_path, monkeypatch
):
    corpus = write_corpus(tmp_path / "corpus.tsv")
    config = run_config(
        corpus,
        tiny_bert,
        body__contrastive=STEP,
        body__lora={"dropout": 0.1},
        baselines__names=[],
    )
    monkeypatch.setenv("QLLMFT_CACHE", str(tmp_path / "whole"))
    straight = run_experiment(config, tmp_path / "whole-run").record.to_json()
    monkeypatch.setenv("QLLMFT_CACHE", str(tmp_path / "cut"))

    def stop(event):
        if event == StageAdvanced("contrastive", 3):
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        run_experiment(config, tmp_path / "cut-run", stop)
    resumed = run_experiment(config, tmp_path / "cut-run").record.to_json()
    assert without_seconds(resumed) == without_seconds(straight)


@pytest.mark.parametrize(
    ("step_settings", "n_weights", "adapts"),
    [
        ({"loss": "supervised"}, MAX_FULLY_TRAINED_WEIGHTS, False),
        ({"loss": "supervised"}, MAX_FULLY_TRAINED_WEIGHTS + 1, True),
        ({"loss": "supervised", "weights": "all"}, MAX_FULLY_TRAINED_WEIGHTS + 1, False),
        ({"loss": "supervised", "weights": "lora"}, 1, True),
        ({"iterations": 1}, MAX_FULLY_TRAINED_WEIGHTS + 1, False),
    ],
)
def test_a_large_body_has_an_adapter_in_the_supervised_step(step_settings, n_weights, adapts):
    assert ContrastiveConfig(**step_settings).adapts(n_weights) is adapts


@pytest.mark.parametrize("loss", ["supervised", "cosine"])
def test_the_step_is_made_for_each_fold_without_its_texts_and_once_for_all(
    tiny_bert, tmp_path, monkeypatch, loss
):
    corpus = write_corpus(tmp_path / "corpus.tsv", 48)
    step = {"loss": loss, "epochs": 1, "batch_size": 8, "lr": 0.01}
    step |= {"iterations": 1} if loss == "cosine" else {}
    config = run_config(
        corpus,
        tiny_bert,
        body__contrastive=step,
        data__protocol="split",
        data__n_per_label=None,
        data__validation_folds=3,
        train__select="last",
        train__epochs=1,
        baselines__names=[],
    )
    monkeypatch.setenv("QLLMFT_CACHE", str(tmp_path / "cache"))
    tuned = []
    messages = []
    real = of_runs.training.fit_contrastive

    def note_texts(body, train, *arguments, **options):
        tuned.append(set(train.texts))
        return real(body, train, *arguments, **options)

    monkeypatch.setattr(of_runs.training, "fit_contrastive", note_texts)
    outcome = run_experiment(
        config, tmp_path / "run", lambda e: messages.append(getattr(e, "text", ""))
    )
    folds = tuned[:3]
    everything = tuned[3]
    assert len(tuned) == 4
    for fold in folds:
        assert fold < everything
    assert set.union(*[everything - fold for fold in folds]) == everything
    told = [text for text in messages if "Each of 3 others takes about as long" in text]
    assert len(told) == 1
    assert outcome.record.data.validation_folds == 3
    assert not (tmp_path / "run" / "checkpoint").exists()
    assert Predictor.load(tmp_path / "run").predict(["a good film"])[0].label
