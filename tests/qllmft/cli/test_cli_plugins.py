"""The package of examples/plugin, installed and used by the command line alone; and what is said without it."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest
from qiskit.quantum_info import Statevector

from qllmft_circuits import from_qasm3

PLUGIN = Path(__file__).parents[3] / "examples" / "plugin"
MODULES = {file.relative_to(PLUGIN).as_posix(): file.read_text() for file in PLUGIN.rglob("*.py")}
PROJECT = tomllib.loads((PLUGIN / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OURS = ["ansatz star", "backend statevector", "baseline nearest_mean", "tracker spreadsheet"]


@pytest.fixture
def example(install):
    """Installed as pip would: the modules, and the entry points that its pyproject.toml has."""
    install("qllmft-example", PROJECT["entry-points"], MODULES)


@pytest.fixture
def star(cli, run, example, tmp_path):
    """A run whose circuits are of the plug-in's ansatz, beside the plug-in's baseline."""
    folder = tmp_path / "star"
    settings = "--set model.ansatz=star --set 'baselines.names=[\"nearest_mean\"]'"
    output, _ = cli(*run.arguments(folder), settings, "--track spreadsheet")
    assert re.search(r"nearest mean +\d", output)
    lines = (folder / "curve.csv").read_text().splitlines()
    assert len(lines) == 1 + len((folder / "metrics.jsonl").read_text().splitlines())
    return folder


def test_pip_installs_the_example_with_the_entry_points_that_the_other_tests_write(tmp_path):
    source = shutil.copytree(PLUGIN, tmp_path / "source")
    site = tmp_path / "site"
    options = "--quiet --no-deps --no-build-isolation --no-index --disable-pip-version-check"
    pip = [sys.executable, "-m", "pip", "install", *options.split()]
    subprocess.run([*pip, "--target", site, source], check=True)
    (distribution,) = distributions(path=[str(site)])
    points = {}
    for point in distribution.entry_points:
        points.setdefault(point.group, {})[point.name] = point.value
    assert points == PROJECT["entry-points"]
    assert {name: (site / name).read_text() for name in MODULES} == MODULES


def list_installed(cli):
    return {row["what"]: row["found"] for row in cli.json("doctor") if not row["wrong"]}


def test_they_are_listed_with_their_package(cli, example):
    installed = list_installed(cli)
    assert {installed[name] for name in OURS} == {"qllmft-example 1.0"}
    assert "paper" in installed["ansatz, built-in"].split(", ")
    assert "mlflow" in installed["tracker, built-in"].split(", ")
    output, _ = cli("backends")
    assert "statevector  available, free" in output
    assert output.count("from: qllmft-example 1.0") == 1


def test_a_broken_one_is_listed_and_stops_nothing_else(cli, run, install):
    install(
        "broken",
        {"qllmft.baselines": {"oops": "oops_module:OOPS"}},
        {"oops_module.py": "raise ValueError('no\\nway')"},
    )
    assert list_installed(cli)["baseline oops"].startswith(
        "broken 1.0: the baseline 'oops' of broken 1.0 does not load: ValueError: no way."
    )
    cli("predict", run.path, "a good film")
    cli("backends")
    arguments = [*run.arguments(run.path.parent / "oops"), "--set 'baselines.names=[\"oops\"]'"]
    assert "of broken 1.0 does not load" in cli.refused(*arguments)
    assert not (run.path.parent / "oops").exists()


def test_the_example_from_training_to_a_noisy_machine(cli, star, tmp_path):
    record = json.loads((star / "model" / "model.json").read_text())
    assert (record["model"]["ansatz"], record["ansatz_source"]) == ("star", "qllmft-example 1.0")
    info = cli.json("info", star)
    # two encoders of 5 qubits and 2 layers with their scales, a head of 4 qubits and (R - 1)·N + M
    # = 5 layers, 4·2 + 2
    assert info["parameters"] == record["n_parameters"] == 2 * (5 * 2 + 1) + 4 * 5 + 10
    text = "a good and lovely film"
    exact = cli.json("predict", star, text)
    by_plugin = cli.json("predict", star, text, "--backend statevector")
    assert by_plugin["probabilities"] == pytest.approx(exact["probabilities"], abs=1e-5)
    noisy = cli.json("predict", star, text, "--backend aer_forte --shots 2000")
    assert noisy["standard_error"] > 0
    assert noisy["probabilities"] == pytest.approx(exact["probabilities"], abs=0.2)
    cli("export", star, "--text", text, "--out", tmp_path / "head.qasm")
    circuit = from_qasm3((tmp_path / "head.qasm").read_text(), {})
    gates = circuit.count_ops()
    assert (circuit.num_qubits, gates["ry"], gates["cx"]) == (4, 4 * 4 + 4 * 5, 3 * 5)
    assert Statevector(circuit).is_valid()
    cli("report", star)
    cli("verify", star)


def test_without_the_package_its_model_says_what_is_missing(cli, edited_run):
    folder = edited_run(model={"ansatz": "star"}, ansatz_source="qllmft-example 1.0")
    _, messages = cli("predict", folder, "a film", code=2)
    assert (
        "was trained with the ansatz 'star' (qllmft-example 1.0), which is not installed. There are paper, "
        in messages
    )
