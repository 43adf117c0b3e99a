"""Adapters of circuits: their change of weights by Qiskit's matrices, gradients, files that are saved and read."""

import json
import shutil

import numpy as np
import pytest
import torch
from qiskit import QuantumCircuit
from qiskit.quantum_info import Operator
from run_fixtures import evaluate_run
from safetensors.torch import load_file, save_file
from small_bodies import run_config, run_with_messages, table
from stopped_runs import Stop, without_seconds
from transformers import AutoModel, AutoTokenizer
from transformers.pytorch_utils import Conv1D

from qllmft.config import BodyConfig, parse_config
from qllmft.config.lora import QuantumAdapterConfig
from qllmft.embed import Body, TrainableBody
from qllmft.embed.quantum_adapter import CircuitColumns, CircuitLinear
from qllmft.errors import UserError
from qllmft.inference import Predictor
from qllmft.inference.export import ExportRequest, export_run
from qllmft.model import load_model
from qllmft.run import run_experiment
from qllmft.training import end_to_end
from qllmft_circuits import adapter_circuit

SETTINGS = {"rank": 2, "layers": 2, "alpha": 3.0, "targets": ["query", "intermediate.dense"]}
# 8 to 8 and 8 to 16 dimensions: angles and values
N_QUERY, N_DENSE = 2 * (3 + 8) + 2, (3 + 8) + (4 + 12) + 2


def body_of(folder, **settings):
    return BodyConfig(
        model=str(folder),
        device="cpu",
        trainable="quantum_adapter",
        quantum_adapter={**SETTINGS, **settings},
    )


@pytest.fixture(scope="module")
def finished(corpus, tiny_bert, tmp_path_factory):
    """A finished run with an adapter, and its messages; tests do not change it."""
    folder = tmp_path_factory.mktemp("quantum")
    return run_with_messages(
        corpus, tiny_bert, folder, body__trainable="quantum_adapter", body__quantum_adapter=SETTINGS
    )


@pytest.mark.parametrize(("dimension", "rank"), [(8, 3), (6, 2), (8, 8)])
def test_columns_and_their_gradient_are_those_of_the_circuits_matrix(dimension, rank):
    torch.manual_seed(dimension + rank)
    columns = CircuitColumns(dimension, rank, 2).double()
    circuit = adapter_circuit(3, 2)
    matrix = Operator(circuit.assign_parameters(columns.angles.tolist())).data.real
    found = columns().detach()
    np.testing.assert_allclose(found, matrix[:dimension, :rank], atol=1e-12)
    if dimension == 8:
        np.testing.assert_allclose(found.T @ found, np.eye(rank), atol=1e-12)
    assert torch.autograd.gradcheck(lambda _: columns(), columns.angles)


@pytest.mark.parametrize("plain", [torch.nn.Linear(6, 5), Conv1D(5, 6)], ids=["Linear", "Conv1D"])
def test_the_change_of_a_layer_is_the_product_of_its_factors(plain):
    torch.manual_seed(3)
    layer = CircuitLinear(plain, QuantumAdapterConfig(rank=2, layers=1, alpha=4.0)).double()
    x = torch.randn(7, 6, dtype=torch.float64)
    assert torch.equal(layer(x), plain(x)), "it begins without a change"
    layer.values.data = torch.tensor([0.5, -2.0], dtype=torch.float64)
    u, v = layer.output(), layer.input()
    change = sum(4.0 * s * torch.outer(u[:, k], v[:, k]) for k, s in enumerate((0.5, -2.0)))
    torch.testing.assert_close(layer(x), plain(x) + x @ change.T)


def test_the_trained_vectors_are_those_of_weights_with_the_exported_circuits(finished, tiny_bert):
    """W + alpha · U diag(s) Vᵀ from the exported files alone, put into the weights of transformers."""
    run = finished[0].folder.path
    plain = AutoModel.from_pretrained(tiny_bert)
    state = plain.state_dict()
    for layer in ("query", "intermediate.dense"):
        parts = {}
        for factor in ("input", "output"):
            exported = export_run(
                run, ExportRequest("qasm2", "adapter", layer=layer, factor=factor)
            )
            numbers = json.loads(exported.content.decode().splitlines()[1].partition(": ")[2])
            matrix = Operator(QuantumCircuit.from_qasm_str(exported.content.decode())).data.real
            parts[factor] = matrix[: numbers["rows"], : numbers["rank"]]
        change = numbers["alpha"] * parts["output"] @ np.diag(numbers["values"]) @ parts["input"].T
        assert np.abs(change).max() > 1e-3, "it was trained"
        state[f"{numbers['layer']}.weight"] += torch.from_numpy(change)
    text = "a good film plot"
    with torch.no_grad():
        tokens = AutoTokenizer.from_pretrained(tiny_bert)(text, return_tensors="pt")
        expected = plain.eval()(**tokens).last_hidden_state[0].mean(dim=0)
    found = Predictor.load(run).embed([text])[0]
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-4, atol=1e-6)


def test_only_the_adapter_is_trained_counted_and_kept(finished, tmp_path):
    outcome, said = finished
    head = load_model(outcome.folder.path).classifier.n_parameters
    assert outcome.record.models[0].parameters == head + N_QUERY + N_DENSE
    assert (
        "an adapter of 53 weights learns too, beside 0.0 million frozen ones. An epoch will take"
        in said
    )
    assert {path.name for path in outcome.folder.model_folder.rglob("*")} == {
        *(
            "model.json",
            "model.safetensors",
            "adapter",
            "adapter_config.json",
            "adapter_model.safetensors",
        )
    }
    run = outcome.folder.path
    assert evaluate_run(run).accuracy.right == outcome.record.head.tested.right
    texts = table(20, seed=9).texts
    expected = [answer.probabilities for answer in Predictor.load(run).predict(texts)]
    pushed = Predictor.load(run).save_pretrained(tmp_path / "pushed")
    assert [
        answer.probabilities for answer in Predictor.from_pretrained(pushed).predict(texts)
    ] == expected


def test_a_stopped_run_ends_in_the_bits_of_one_that_was_not(
    finished, corpus, tiny_bert, tmp_path, monkeypatch
):
    monkeypatch.setattr(end_to_end, "CHECKPOINT_EVERY_S", -1.0)
    config = run_config(
        corpus, tiny_bert, body__trainable="quantum_adapter", body__quantum_adapter=SETTINGS
    )
    assert run_experiment(config, tmp_path / "run", Stop(2)).record is None
    again = run_experiment(config, tmp_path / "run")
    assert without_seconds(again.record.to_json()) == without_seconds(finished[0].record.to_json())
    for name in ("model.safetensors", "adapter/adapter_model.safetensors"):
        files = [outcome.folder.model_folder / name for outcome in (again, finished[0])]
        assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"targets": ["q_proj"]},
            r"no linear layer has the name 'q_proj'. Its linear layers are dense, key, query",
        ),
        (
            {"rank": 9},
            r"rank is 9, and the layer encoder.layer.0.attention.self.query has 8 inputs or outputs; set it",
        ),
    ],
)
def test_settings_that_do_not_fit_the_model_are_refused(tiny_bert, settings, message):
    with pytest.raises(UserError, match=message):
        TrainableBody(Body(body_of(tiny_bert, **settings)))


def test_a_setting_that_would_not_be_read_is_refused():
    with pytest.raises(
        UserError, match=r"quantum_adapter.rank would not be read, because trainable is lora; set"
    ):
        parse_config({"body": {"trainable": "lora", "quantum_adapter": {"rank": 2}}}, "my.toml")


def test_a_file_of_another_model_is_refused(finished, tiny_bert, tmp_path):
    source = finished[0].folder.model_adapter
    weights, content = (
        load_file(source / "adapter_model.safetensors"),
        json.loads((source / "adapter_config.json").read_text()),
    )
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
    remedy = "Name the model that it was trained on with --body."
    said = refusal({**content, "sizes": wide}, weights)
    assert "numbers of inputs and outputs of its layers are others" in said
    assert remedy in said
    assert f"{first} is missing" in refusal(
        content, {n: w for n, w in weights.items() if n != first}
    )
    assert "expected (11,)" in refusal(content, {**weights, first: torch.ones(3)})
    assert "rank (got 'many'): Input should be a valid integer" in refusal(
        {**content, "rank": "many"}, weights
    )


def test_an_export_of_a_damaged_adapter_is_refused(finished, tmp_path):
    model = shutil.copytree(finished[0].folder.model_folder, tmp_path / "model")
    file = model / "adapter" / "adapter_config.json"
    content = json.loads(file.read_text())
    for changed in ({"layers": 3}, {"sizes": "many"}, {"sizes": {"query": ["x"]}}):
        file.write_text(json.dumps(content | changed))
        with pytest.raises(UserError, match="is damaged: its two files do not fit each other"):
            export_run(model, ExportRequest("qasm3", "adapter", layer="query"))


def test_an_export_names_one_layer(finished, trained_run):
    run = finished[0].folder.path
    free = export_run(run, ExportRequest("qasm3", "adapter", layer="query", weights="free"))
    assert free.circuit.num_parameters == 11
    with pytest.raises(
        UserError,
        match=r"the adapter changes 2 layers, and an export writes one. Name one with --layer: ",
    ):
        export_run(run, ExportRequest("qasm3", "adapter"))
    with pytest.raises(UserError, match="this model has no quantum adapter"):
        export_run(trained_run, ExportRequest("qasm3", "adapter", layer="query"))
    with pytest.raises(
        UserError, match="--layer and --factor name a circuit of an adapter, and --part is head"
    ):
        ExportRequest(layer="query")
    with pytest.raises(UserError, match="is the same for all texts and is not measured"):
        ExportRequest(part="adapter", layer="query", measure=True)
