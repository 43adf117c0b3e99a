"""`qllmft info`: what a preset or a run is made of, and every preset with its parameters."""

import re
import shutil

import pytest
import tomli_w
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from qllmft.config.presets import load_preset, preset_names
from qllmft.heads import devices
from qllmft.inference import Predictor
from qllmft.inference.run_texts import texts_of_run
from qllmft.run import RunFolder
from qllmft.tasks.accuracy import DiscordantTexts
from qllmft.templates import describe


def test_without_a_name_it_lists_the_presets(cli):
    output, _ = cli("info")
    for name in preset_names():
        assert any(line.strip().startswith(f"{name} ") for line in output.splitlines())
    refused = cli("info", "single-10q", "--from ours", code=2)[1]
    assert "--from lists presets, and 'single-10q' is one thing to show." in refused


@pytest.mark.parametrize(
    ("device", "triton", "engine"),
    [
        ("cuda:1", True, "in Triton's kernels"),
        ("mps", True, "an operation of torch a gate"),
        ("cpu", False, "in the compiled engine"),
    ],
)
def test_it_says_how_the_circuits_of_a_run_on_another_device_run(
    cli, tmp_path, monkeypatch, device, triton, engine
):
    monkeypatch.setattr(devices, "find_spec", lambda name: triton or None)
    config = load_preset("single-10q").config({"backend.options.device": device})
    folder = RunFolder(tmp_path)
    folder.config_file.write_text(tomli_w.dumps(config.model_dump(mode="json", exclude_none=True)))
    assert f"Circuits run on {device}, {engine}.\n" in cli("info", folder.path)[0]
    described = cli.json("info", folder.path)
    assert (described["device"], described["engine"]) == (device, engine)
    assert "Circuits run" not in cli("info", "single-10q")[0]


@pytest.mark.parametrize("preset", ["single-10q", "multi-14q", "nn-head-48", "odd"])
def test_json_is_the_description(cli, preset):
    found = cli.json("info", preset)
    title = load_preset(preset).title
    model = load_preset(preset).config().model
    described = describe(model, 768, 2)
    assert (found["name"], found["parameters"]) == (f"{preset}: {title}", described.parameters)
    assert found["settings"] == model.model_dump(mode="json")
    counts = [None if part.circuit is None else part.circuit.as_dict() for part in described.parts]
    assert [(part["name"], part["parameters"]) for part in found["parts"]] == [
        (part.name, part.parameters) for part in described.parts
    ]
    assert [part.get("circuit") for part in found["parts"]] == counts


def test_the_table_counts_parameters_and_gates(cli):
    lines = [re.split(r"\s{2,}", line.strip()) for line in cli("info", "multi-14q")[0].splitlines()]
    cells = {part: numbers for part, *numbers in lines}
    assert cells["encoder (2 of them)"][:4] == ["786", "14", "392", "392"]
    assert cells["head"][:4] == ["70", "14", "126", "70"]
    assert (cells["final linear"], cells["all"]) == (["30"], ["886"])
    assert ["D = 768, k = 2"] in lines


def test_the_drawing_names_every_parameter_and_stands_below_the_table(cli):
    output, _ = cli("info", "single-10q", "--draw")
    for name in [f"Ry(x[{i}])" for i in range(10)] + [f"Ry(theta[{i}])" for i in range(50)]:
        assert name in output
    assert output.count("Ry(x[3])") == 4, "every latent value is encoded R times"
    assert output.count("Ry(theta[3])") == 1
    assert max(map(len, output.splitlines())) <= 80
    assert output.index("final linear") < output.index("Ry(x[0])")


@pytest.mark.parametrize(("arguments", "drawn"), [((), True), (("--no-draw",), False)])
def test_a_drawing_that_fits_the_screen_is_drawn(cli, tmp_path, arguments, drawn):
    (tmp_path / "config.toml").write_text("[model]\nn_qubits = 3\nreuploads = 1\nmain_layers = 1\n")
    assert ("Ry(theta[2])" in cli("info", tmp_path, "--dimension 8", *arguments)[0]) is drawn


def test_a_longer_drawing_is_left_to_an_option(cli):
    output, _ = cli("info", "single-10q")
    assert re.search(
        r"The drawing of the head's circuit has \d+ lines: --draw prints it.",
        " ".join(output.split()),
    )
    for other in (output, cli("info", "single-10q", "--no-draw")[0], cli("info", "nn-head-48")[0]):
        assert "Ry" not in other


@pytest.mark.parametrize(
    ("options", "total"), [([], 858), (["--dimension", 384], 858), (["--classes", 4], 858 + 2 * 11)]
)
def test_dimension_and_classes_by_option(cli, options, total):
    assert cli.json("info", "multi-10q", *options)["parameters"] == total


def test_of_a_run_it_takes_structure_dimension_and_classes(run, cli):
    found = cli.json("info", run.path)
    assert found["name"] == str(run.path)
    assert found["settings"]["n_qubits"] == 4
    assert found["parameters"] == run.result["models"][0]["parameters"]
    assert "D = 16, k = 2" in cli("info", run.path)[0]


def test_of_a_run_that_is_not_finished_it_takes_the_structure(run, cli, tmp_path):
    shutil.copy(run.path / "config.toml", tmp_path)
    shown, *_ = cli("info", tmp_path, "--dimension 16")
    assert "D = 16, k = 2 (the paper's k: the run has no model yet)" in " ".join(shown.split())
    assert "no model yet" not in cli("info", tmp_path, "--dimension 16", "--classes 2")[0]
    shutil.copytree(run.path / "model", tmp_path / "model")
    assert "D = 16, k = 2" in cli("info", tmp_path)[0]


def test_the_list_is_complete(cli):
    rows = cli.json("info")
    names = [row["name"] for row in rows]
    assert sorted(names) == preset_names()
    assert names.index("nn-head-48") < names.index("nn-head-144"), "by number, not by letter"
    for row in rows:
        preset = load_preset(row["name"])
        assert (row["title"], tuple(row["source"])) == (preset.title, preset.source)
    parameters = {row["name"]: row["parameters"] for row in rows}
    assert parameters["single-18q"] == 633
    assert parameters["logistic-regression"] == 769
    assert parameters["svc"] is parameters["svc-full"] is None


def test_one_table_of_the_paper(cli):
    output, _ = cli("info", "--from 'table iv'")
    rows = {line.split()[0]: line for line in output.splitlines() if line.startswith(" single-14q")}
    assert set(rows) == {"single-14q", "single-14q-no-linear"}
    assert " 463 " in rows["single-14q-no-linear"]
    assert max(map(len, output.splitlines())) <= 80
    ours = cli.json("info", "--from ours")
    assert "sines" in [row["name"] for row in ours]
    assert not any(row["source"] for row in ours)


def test_a_run_has_circuit_dependence_and_gain_by_hand(run, cli):
    """By scikit-learn on the latent values of the stored model, and the interval of the discordant texts."""
    _, _, splits = texts_of_run(run.path)
    predictor = Predictor.load(run.path)
    model = predictor.model.classifier
    x, y = {}, {}
    for name in ("train", "validation", "test"):
        table = getattr(splits, name)
        y[name] = table.labels
        with torch.no_grad():
            x[name] = model.encoder(torch.from_numpy(predictor.embed(table.texts)))
    found = {}
    for c in [10.0**e for e in range(4, -3, -1)]:
        linear = make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=1000))
        linear.fit(x["train"].numpy(), y["train"])
        found[linear.score(x["validation"].numpy(), y["validation"])] = linear
    best = found[max(found)]
    with torch.no_grad():
        given = model.from_latent(x["test"]).argmax(dim=1).numpy()
        noise = int(model.final.bias.argmax())
    other = best.predict(x["test"].numpy())
    right = (given == y["test"]) * 1 - (other == y["test"])
    shown = cli.json("info", run.path)
    assert shown["circuit_dependence"] == pytest.approx((given != noise).mean())
    assert shown["gain"]["value"] == pytest.approx(right.mean())
    control = run.result["models"][0]["without_circuit"]
    assert control["test"]["right"] == (other == y["test"]).sum()
    encoder = sum(each.numel() for each in model.encoder.parameters())
    assert control["parameters"] == encoder + best[-1].coef_.size + 1
    difference = DiscordantTexts(int((right > 0).sum()), int((right < 0).sum()), len(right))
    assert shown["gain"]["interval95"] == pytest.approx(difference.interval)
    lines = " ".join(cli("info", run.path)[0].split())
    assert f"Circuit: {100 * shown['circuit_dependence']:.0f} % of predicted labels change" in lines
    assert "Head minus no-circuit ablation: " in lines


def test_the_drawing_has_the_qubits_of_the_labels(cli):
    drawing = cli("info", "sines", "--classes 9 --draw")[0]
    assert "q_9: " in drawing
    assert "q_10: " not in drawing
