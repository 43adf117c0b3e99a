"""The adapter of examples/quantum_adapter: its change of weights by Qiskit's matrices, gradients, and its files."""

import json
import shutil
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
import torch
from qiskit.quantum_info import Operator
from run_fixtures import evaluate_run
from safetensors.torch import load_file, save_file
from small_bodies import run_config, run_with_messages
from transformers import AutoModel, AutoTokenizer
from transformers.pytorch_utils import Conv1D

import qllmft
import qllmft_quantum_adapter as example
from qllmft.config import BodyConfig
from qllmft.config.lora import ADAPTERS
from qllmft.embed import Body, TrainableBody
from qllmft.inference import Predictor
from qllmft.model import load_model
from qllmft_base.errors import UserError
from qllmft_quantum_adapter.__main__ import trained_circuit
from qllmft_studies.file import load_study

FOLDER = Path(__file__).parents[3] / "examples" / "quantum_adapter"
SETTINGS = {
    "peft_type": "QUANTUM_ADAPTER",
    "rank": 2,
    "layers": 2,
    "alpha": 3.0,
    "target_modules": ["query", "intermediate.dense"],
}
# 8 to 8 and 8 to 16 dimensions: angles and values
N_QUERY = 2 * (3 + 8) + 2
N_DENSE = (3 + 8) + (4 + 12) + 2


@pytest.fixture(scope="module", autouse=True)
def register_adapter():
    """The adapter by the name that its package's entry point has."""
    points = tomllib.loads((FOLDER / "pyproject.toml").read_text())["project"]["entry-points"]
    ((name, value),) = points["qllmft.adapters"].items()
    qllmft.register("adapter", name, EntryPoint(name, value, "qllmft.adapters").load())
    yield
    ADAPTERS.unregister(name)


def body(**settings):
    return {"trainable": "lora", "lora": {"peft": json.dumps(SETTINGS | settings)}}


def adapter_config(corpus, tiny_bert):
    return run_config(
        corpus, tiny_bert, body__trainable="lora", body__lora={"peft": json.dumps(SETTINGS)}
    )


@pytest.fixture(scope="module")
def finished_run(corpus, tiny_bert, tmp_path_factory, register_adapter):
    """A finished run with an adapter, and its messages; tests do not change it."""
    folder = tmp_path_factory.mktemp("quantum")
    return run_with_messages(
        corpus,
        tiny_bert,
        folder,
        body__trainable="lora",
        body__lora={"peft": json.dumps(SETTINGS)},
    )


@pytest.mark.parametrize(("dimension", "rank"), [(8, 3), (6, 2), (8, 8)])
def test_columns_and_their_gradient_are_those_of_the_circuits_matrix(dimension, rank):
    torch.manual_seed(dimension + rank)
    columns = example.CircuitColumns(dimension, rank, 2).double()
    circuit = example.adapter_circuit(3, 2)
    matrix = Operator(circuit.assign_parameters(columns.angles.tolist())).data.real
    column_values = columns().detach()
    np.testing.assert_allclose(column_values, matrix[:dimension, :rank], atol=1e-12)
    if dimension == 8:
        np.testing.assert_allclose(column_values.T @ column_values, np.eye(rank), atol=1e-12)
    assert torch.autograd.gradcheck(lambda _: columns(), columns.angles)


@pytest.mark.parametrize("plain", [torch.nn.Linear(6, 5), Conv1D(5, 6)], ids=["Linear", "Conv1D"])
def test_the_change_of_a_layer_is_the_product_of_its_factors(plain):
    torch.manual_seed(3)
    layer = example.CircuitLinear(plain, example.Settings(rank=2, layers=1, alpha=4.0)).double()
    x = torch.randn(7, 6, dtype=torch.float64)
    assert torch.equal(layer(x), plain(x)), "it begins without a change"
    layer.values.data = torch.tensor([0.5, -2.0], dtype=torch.float64)
    u = layer.output()
    v = layer.input()
    change = sum(4.0 * s * torch.outer(u[:, k], v[:, k]) for k, s in enumerate((0.5, -2.0)))
    torch.testing.assert_close(layer(x), plain(x) + x @ change.T)


def test_the_trained_vectors_are_those_of_weights_with_the_exported_circuits(
    finished_run, tiny_bert
):
    """W + alpha · U diag(s) Vᵀ by Qiskit's matrices, put into the weights of transformers."""
    run = finished_run[0].folder.path
    plain = AutoModel.from_pretrained(tiny_bert)
    state = plain.state_dict()
    for layer in ("query", "intermediate.dense"):
        parts = {}
        for factor in ("input", "output"):
            circuit = trained_circuit(run, layer, factor)
            numbers = circuit.metadata
            parts[factor] = Operator(circuit).data.real[: numbers["rows"], : numbers["rank"]]
        change = numbers["alpha"] * parts["output"] @ np.diag(numbers["values"]) @ parts["input"].T
        assert np.abs(change).max() > 1e-3, "it was trained"
        state[f"{numbers['layer']}.weight"] += torch.from_numpy(change)
    text = "a good film plot"
    with torch.no_grad():
        tokens = AutoTokenizer.from_pretrained(tiny_bert)(text, return_tensors="pt")
        expected = plain.eval()(**tokens).last_hidden_state[0].mean(dim=0)
    embedding = Predictor.load(run).embed([text])[0]
    np.testing.assert_allclose(embedding, expected.numpy(), rtol=1e-4, atol=1e-6)
    with pytest.raises(SystemExit, match=r"0 layers fit 'key', expected one of encoder"):
        trained_circuit(run, "key", "input")


def test_only_the_adapter_of_a_plugin_is_trained_counted_and_kept(finished_run):
    outcome, messages = finished_run
    head = load_model(outcome.folder.path).classifier.n_parameters
    assert outcome.record.models[0].parameters == head + N_QUERY + N_DENSE
    assert "an adapter of 53 weights learns too, beside 0.0 million frozen ones." in messages
    assert {path.name for path in outcome.folder.model_adapter.iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
    }
    run = outcome.folder.path
    assert evaluate_run(run).accuracy.right == outcome.record.head.tested.right


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"target_modules": ["q_proj"]},
            r"no linear layer has the name 'q_proj'. Its linear layers are dense, key, query",
        ),
        (
            {"rank": 9},
            r"rank is 9, expected 8 or less, because the layer encoder.layer.0.attention.self.query has 8 inputs",
        ),
        ({"rank": "many"}, r"rank: Input should be a valid integer"),
        ({"lora_alpha": 3}, r"lora_alpha: Extra inputs are not permitted"),
    ],
)
def test_settings_that_do_not_fit_the_model_are_refused(tiny_bert, settings, message):
    config = BodyConfig(model=str(tiny_bert), device="cpu", **body(**settings))
    with pytest.raises(UserError, match=message):
        TrainableBody(Body(config))


def test_a_file_of_another_model_is_refused(finished_run, tiny_bert, tmp_path):
    source = finished_run[0].folder.model_adapter
    weights = load_file(source / "adapter_model.safetensors")
    content = json.loads((source / "adapter_config.json").read_text())
    first = min(weights)

    def refusal(of_content, of_weights):
        folder = tmp_path / "other"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / "adapter_config.json").write_text(json.dumps(of_content))
        save_file(of_weights, folder / "adapter_model.safetensors")
        with pytest.raises(UserError) as caught:
            Body(BodyConfig(model=str(tiny_bert), device="cpu", adapter=str(folder)))
        return str(caught.value)

    wide = {name: [2 * size for size in sizes] for name, sizes in content["sizes"].items()}
    error_text = refusal({**content, "sizes": wide}, weights)
    assert "its layers had other numbers of inputs and outputs in training" in error_text
    without = {n: w for n, w in weights.items() if n != first}
    remedy = "Name the model that it was trained on with --body."
    for faulty, reason in (
        (without, f"{first} is missing"),
        ({**weights, first: torch.ones(3)}, "expected (11,)"),
        ({**weights, first: torch.full((11,), torch.nan)}, "is not finite"),
    ):
        error_text = refusal(content, faulty)
        assert reason in error_text
        assert remedy in error_text


def test_without_the_package_its_runs_are_refused_with_the_reason(finished_run, monkeypatch):
    monkeypatch.setattr(ADAPTERS, "_plugins", {})
    adapter = BodyConfig(adapter=str(finished_run[0].folder.model_adapter), model="minilm")
    with pytest.raises(
        UserError, match=r"got peft_type 'QUANTUM_ADAPTER', expected one of LORA, VERA"
    ):
        Body(adapter)


def test_the_study_of_the_page_is_planned():
    first = load_study(str(FOLDER / "quantum-adapter.toml")).rows[0]
    assert first.label == "Linear layer, quantum adapter"
