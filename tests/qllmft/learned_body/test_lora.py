"""Adapters of a body: their vectors computed a second time, training that continues, files that are saved and read."""

import json
import shutil
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from run_fixtures import evaluate_run
from safetensors import safe_open
from safetensors.torch import load_file
from small_bodies import TRAINING, run_config, run_with_messages, table, weights
from stopped_runs import Stop, same_bits, without_seconds
from transformers import AutoModel, AutoTokenizer

from qllmft.config import BodyConfig, ModelConfig, parse_config
from qllmft.embed import Body, TrainableBody, body_identity, locate_body
from qllmft.embed.adapter import adapter_hash, put_adapter
from qllmft.heads import build_classifier
from qllmft.inference import Predictor
from qllmft.model import load_model
from qllmft.run import run_experiment
from qllmft.training import Checkpoint, EndToEnd, end_to_end, fit_end_to_end
from qllmft_audit.verification import verify_run
from qllmft_base.errors import UserError

pytest.importorskip("peft", reason="adapters are the extra qllmft[lora]")
LORA = {"rank": 2, "alpha": 3.0, "targets": ["query", "value"]}
LOHA = {
    "peft_type": "LOHA",
    "r": 2,
    "target_modules": ["query", "value"],
    "task_type": None,
}
N_LORA = 2 * 2 * (8 + 8)  # two layers, factors of rank 2


def lora_body(folder, **lora):
    return BodyConfig(model=str(folder), device="cpu", trainable="lora", lora=lora or LORA)


def lora_model(folder, seed=0, **lora):
    head = build_classifier(ModelConfig(encoder="none", head="mlp"), 8, 2, seed=0)
    return EndToEnd(TrainableBody(Body(lora_body(folder, **lora)), seed), head)


@pytest.fixture(scope="module")
def finished_run(corpus, tiny_bert, tmp_path_factory):
    """A finished run with an adapter, and its messages; tests do not change it."""
    folder = tmp_path_factory.mktemp("lora")
    return run_with_messages(corpus, tiny_bert, folder, body__trainable="lora", body__lora=LORA)


def test_the_trained_vectors_are_those_of_weights_with_the_product_added(finished_run, tiny_bert):
    """W + (alpha / rank) B A, put into the weights of transformers alone."""
    folder = finished_run[0].folder.model_adapter
    plain = AutoModel.from_pretrained(tiny_bert)
    adapter = load_file(folder / "adapter_model.safetensors")
    state = plain.state_dict()
    for name in [name for name in adapter if "lora_A" in name]:
        factors = adapter[name.replace("lora_A", "lora_B")] @ adapter[name]
        assert factors.abs().max() > 1e-4, "it was trained"
        target = name.removeprefix("base_model.model.").replace(".lora_A.weight", ".weight")
        state[target] += LORA["alpha"] / LORA["rank"] * factors
    text = "a good film plot"
    with torch.no_grad():
        tokens = AutoTokenizer.from_pretrained(tiny_bert)(text, return_tensors="pt")
        expected = plain.eval()(**tokens).last_hidden_state[0].mean(dim=0)
    embedding = Predictor.load(finished_run[0].folder.path).embed([text])[0]
    np.testing.assert_allclose(embedding, expected.numpy(), rtol=1e-4, atol=1e-6)


def test_only_the_adapter_is_trained_counted_and_kept(finished_run, tiny_bert):
    outcome, messages = finished_run
    head = load_model(outcome.folder.path).classifier.n_parameters
    assert outcome.record.models[0].parameters == head + N_LORA
    assert (
        "an adapter of 64 weights learns too, beside 0.0 million frozen ones. An epoch will take"
        in messages
    )
    assert "Memory for weights, gradients, moments and the best weights: " in messages
    assert {path.name for path in outcome.folder.model_folder.rglob("*")} == {
        *(
            "model.json",
            "model.safetensors",
            "adapter",
            "adapter_config.json",
            "adapter_model.safetensors",
        )
    }
    model = lora_model(tiny_bert)
    trainable_names = {
        name for name, parameter in model.named_parameters() if parameter.requires_grad
    }
    assert {name for name in model.state_dict() if name.startswith("body.")} == {
        name for name in trainable_names if name.startswith("body.")
    }


def test_loaded_again_from_anywhere_it_gives_the_same_labels(finished_run, tmp_path):
    outcome, _ = finished_run
    run = outcome.folder.path
    assert evaluate_run(run).accuracy.right == outcome.record.head.tested.right
    assert all(check.sound for check in verify_run(run)), list(verify_run(run))
    texts = table(20, seed=9).texts
    expected = [answer.probabilities for answer in Predictor.load(run).predict(texts)]
    pushed = Predictor.load(run).save_pretrained(tmp_path / "pushed")
    assert (pushed / "adapter" / "adapter_config.json").is_file()
    moved = shutil.move(pushed, tmp_path / "elsewhere")
    assert [
        answer.probabilities for answer in Predictor.from_pretrained(moved).predict(texts)
    ] == expected


def test_a_stopped_run_ends_in_the_bits_of_one_that_was_not(
    finished_run, corpus, tiny_bert, tmp_path, monkeypatch
):
    monkeypatch.setattr(end_to_end, "BODY_CHECKPOINT_EVERY_S", -1.0)
    config = run_config(corpus, tiny_bert, body__trainable="lora", body__lora=LORA)
    assert run_experiment(config, tmp_path / "run", Stop(2)).record is None
    with safe_open(tmp_path / "run" / "checkpoint" / "state.safetensors", framework="pt") as file:
        names = list(file.keys())
    frozen = [name for name in names if "base_layer" in name or "embeddings" in name]
    assert names
    assert not frozen
    resumed = run_experiment(config, tmp_path / "run")
    assert without_seconds(resumed.record.to_json()) == without_seconds(
        finished_run[0].record.to_json()
    )
    for name in ("model.safetensors", "adapter/adapter_model.safetensors"):
        files = [outcome.folder.model_folder / name for outcome in (resumed, finished_run[0])]
        assert files[0].read_bytes() == files[1].read_bytes()


def test_dropout_and_first_weights_follow_from_the_seed(tiny_bert, tmp_path):
    lora = {**LORA, "dropout": 0.3}
    fits = []
    for seed, torch_seed in ((0, 1), (0, 2), (1, 1)):
        model = lora_model(tiny_bert, seed, **lora)
        torch.manual_seed(torch_seed)
        fit_end_to_end(
            model, table(25), table(10, seed=1), TRAINING, 7, checkpoint=Checkpoint(tmp_path / "no")
        )
        (tmp_path / "no").unlink()
        fits.append({name: tensor for name, tensor in weights(model).items() if "lora" in name})
    assert same_bits(fits[0], fits[1])
    assert not same_bits(fits[0], fits[2])


@pytest.mark.parametrize(
    ("peft_settings", "expected"),
    [
        (LOHA, 2 * N_LORA),
        ({"peft_type": "VERA", "r": 2, "target_modules": ["query"]}, 2 + 8),
    ],
)
def test_a_configuration_of_peft_by_file(tiny_bert, tmp_path, peft_settings, expected):
    file = tmp_path / "adapter_config.json"
    file.write_text(
        json.dumps(
            {
                **peft_settings,
                "megatron_core": "megatron.core",
                "inference_mode": True,
                "loftq_config": {},
            }
        )
    )
    body = TrainableBody(Body(lora_body(tiny_bert, peft=str(file))), 3)
    assert body.n_parameters == expected
    for parameter in body.trainable_parameters():
        parameter.data += 0.1
    body.save(tmp_path / "adapter")
    adapted = BodyConfig(model=str(tiny_bert), device="cpu", adapter=str(tmp_path / "adapter"))
    np.testing.assert_array_equal(
        Body(adapted).encode(["a good film"]), body.body.encode(["a good film"])
    )
    usual = adapted.model_copy(update={"adapter": None})
    assert not np.array_equal(
        Body(usual).encode(["a good film"]), body.body.encode(["a good film"])
    )
    place = locate_body(usual)
    assert body_identity(adapted, place) != body_identity(usual, place)
    shutil.copytree(tmp_path / "adapter", tmp_path / "other")
    (tmp_path / "other" / "adapter_config.json").write_text(
        json.dumps({**peft_settings, "target_modules": ["key"]})
    )
    with pytest.raises(
        UserError, match=r"the adapter in .* is not of the language model .*is missing"
    ):
        Body(adapted.model_copy(update={"adapter": str(tmp_path / "other")}))


@pytest.mark.parametrize(
    ("lora", "message"),
    [
        (
            {"targets": ["q_proj"]},
            r"cannot be put into the language model .*q_proj.*Its linear layers are dense, key",
        ),
        (
            {"peft": json.dumps({**LOHA, "base_model_name_or_path": "meta-llama/Llama-3"})},
            r"is of the model 'meta-llama/Llama-3', and the language model is .*Name that model with --body, or remove",
        ),
    ],
)
def test_an_adapter_of_another_model_is_refused(tiny_bert, lora, message):
    with pytest.raises(UserError, match=message):
        TrainableBody(Body(lora_body(tiny_bert, **lora)))


def test_a_body_of_word_vectors_has_nothing_to_adapt(tiny_body):
    with pytest.raises(UserError, match=r"has no transformer that an adapter could change"):
        TrainableBody(Body(lora_body(tiny_body)))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            {"trainable": "lora", "lora": {"peft": "none.json"}},
            "there is no file none.json. Give the path of a PEFT",
        ),
        (
            {"trainable": "lora", "lora": {"peft": '{"peft_type": "XLORA"}'}},
            "got peft_type 'XLORA', expected one of",
        ),
        (
            {"trainable": "lora", "lora": {"peft": '{"peft_type": ["LORA"]}'}},
            "got peft_type ['LORA'], expected one of",
        ),
        (
            {"trainable": "lora", "lora": {"peft": '{"peft_type": "TINYLORA"}'}},
            "got peft_type 'TINYLORA', expected one of LORA, VERA",
        ),
        (
            {
                "trainable": "lora",
                "lora": {"peft": '{"peft_type": "LORA", "auto_map": {"x": "y.py"}}'},
            },
            'a PEFT configuration has auto_map = {"x": "y.py"}, which is not known',
        ),
        (
            {
                "trainable": "lora",
                "lora": {"peft": '{"peft_type": "LORA", "target_modules": "(a+)+$"}'},
            },
            'target_modules = "(a+)+$", which is not known',
        ),
        ({"trainable": "lora", "lora": {"peft": "{nothing"}}, "a PEFT configuration is no JSON"),
        (
            {"trainable": "lora", "lora": {"peft": '{"peft_type": "LORA", "r": 0}'}},
            "r = 0, which is not known",
        ),
        (
            {
                "trainable": "lora",
                "lora": {"peft": json.dumps(LOHA | {"target_modules": ["a"] * 2_001})},
            },
            'target_modules = ["a", "a"',
        ),
        (
            {
                "trainable": "lora",
                "lora": {"peft": json.dumps(LOHA | {"exclude_modules": ["a"] * 2_001})},
            },
            'exclude_modules = ["a", "a"',
        ),
    ],
)
def test_unknown_settings_of_an_adapter_are_refused(body, message):
    with pytest.raises(UserError) as caught:
        parse_config({"body": body}, "my.toml")
    assert message in str(caught.value)


def test_a_model_that_names_an_adapter_elsewhere_is_refused(finished_run, tmp_path):
    model = shutil.copytree(finished_run[0].folder.model_folder, tmp_path / "model")
    record = json.loads((model / "model.json").read_text())
    assert record["body"]["adapter"] == "adapter"
    record["body"]["adapter"] = "/etc"
    (model / "model.json").write_text(json.dumps(record))
    with pytest.raises(UserError, match="its adapter is '/etc', expected 'adapter'"):
        load_model(model)


@pytest.mark.parametrize(
    ("settings", "memory"),
    [
        ({"peft_type": "LORA", "r": 4096, "target_modules": "all-linear"}, 4096 * 2 * 2**17 * 4 * 2),
        ({"peft_type": "VERA", "r": 4096, "target_modules": ["key"]}, 4096 * 2 * 2**17 * 4),
        ({"peft_type": "LOHA", "r": 2048, "target_modules": ["key"]}, 2048 * 2 * 2**17 * 4 * 2),
    ],
)  # fmt: skip
def test_an_adapter_of_gigabytes_is_refused_before_it_is_built(settings, memory):
    linear = torch.nn.Linear(2**17, 2**17, device="meta")
    model = torch.nn.ModuleDict({"key": linear, "query": linear})
    model["query"] = torch.nn.Linear(2**17, 2**17, device="meta")
    body = SimpleNamespace(transformers_model=model)
    with pytest.raises(UserError, match=f"adapter of rank .* would take {memory:,} bytes"):
        put_adapter(body, settings, BodyConfig(model="wide"), empty=True)


def test_an_adapter_file_of_20_gigabytes_is_refused_without_reading_it(finished_run, tmp_path):
    folder = shutil.copytree(finished_run[0].folder.model_adapter, tmp_path / "adapter")
    with (folder / "adapter_model.safetensors").open("r+b") as file:
        file.truncate(20 * 10**9)
    begun = time.process_time()
    with pytest.raises(UserError, match="would take 20,000,000,000 bytes of memory"):
        adapter_hash(folder)
    assert time.process_time() - begun < 1
