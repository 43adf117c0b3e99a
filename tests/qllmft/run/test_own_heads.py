"""Rows of a run from one Python file of the user's own: how they are made, what they are compared with, who runs it."""

import os
import sys

import numpy as np
import pytest
import torch
from qiskit.quantum_info import Statevector
from tiny_runs import D, config

from qllmft.baselines import BASELINES, use_own_heads
from qllmft.baselines.own_rows import register_controls
from qllmft.heads.own_head import OWN_HEADS, own_classifier
from qllmft.inference import Predictor
from qllmft.run import run_experiment
from qllmft.run.own_rows import own_row_sentences
from qllmft_base import current_folder
from qllmft_base.errors import UserError
from qllmft_studies.file import load_study
from qllmft_studies.study_plan import study_runs

FILE = """
from pathlib import Path
import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from sklearn.neighbors import KNeighborsClassifier
from torch import nn
from qllmft import QuantumHead

Path(__file__).with_suffix(".ran").touch()
x = ParameterVector("x", 3)
w = ParameterVector("w", 3)
bare = QuantumCircuit(3)
for qubit in range(3):
    bare.rx(x[qubit], qubit)
    bare.ry(w[qubit] + x[(qubit + 1) % 3], qubit)
bare.cz(0, 1)
bare.ccx(0, 1, 2)
joined = QuantumCircuit(3)
joined.rzz(x[0], 0, 1)
joined.ry(w[0], 2)

def make(dimension, n_labels, separable=False):
    layer = QuantumHead.from_circuit(bare, data=x, weights=w)
    return nn.Sequential(nn.Linear(dimension, 3), layer, nn.Linear(3, n_labels))

class Mine:
    def fit(self, x, y):
        self.means = np.stack([x[y == label].mean(0) for label in range(y.max() + 1)])
        return self
    def predict(self, x):
        return ((x[:, None] - self.means) ** 2).sum(-1).argmin(1)

near = KNeighborsClassifier(3)
mine = Mine()
number = 3
def strange(dimension, n_labels, width): return None
def narrow(dimension, n_labels): return nn.Linear(dimension + 1, n_labels)
def one(dimension, n_labels): return nn.Linear(dimension, 1)
def nothing(dimension, n_labels): return n_labels
"""


@pytest.fixture
def own_file(tmp_path):
    """A file with heads of a user. Its rows are unknown again after the test."""
    file = tmp_path / "my_circuit.py"
    file.write_text(FILE, "utf-8")
    yield file
    for name in [name for name in BASELINES if name.startswith("my_circuit.")]:
        BASELINES.unregister(name)
    OWN_HEADS.clear()


def test_a_relative_path_of_a_head_makes_no_folder_importable(own_file, monkeypatch):
    """A command takes the current folder from the path of modules, unless a package of qllmft is in it."""
    monkeypatch.chdir(own_file.parent)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    monkeypatch.setenv("PYTHONPATH", ".")
    monkeypatch.setenv("PYTHONSAFEPATH", "")
    use_own_heads([f"{own_file.name}:bare"])
    current_folder.ignore_current_folder()
    assert not {"", ".", str(own_file.parent)} & set(sys.path)
    assert "PYTHONPATH" not in os.environ


def test_the_twin_is_the_circuit_without_gates_on_several_qubits(own_file):
    names = use_own_heads([f"{own_file}:bare"])
    assert list(names) == ["my_circuit.bare", "my_circuit.bare.separable"]
    whole, twin = (own_classifier(name, D, 2, seed=1) for name in names.values())
    weights = whole.head.connector.weight.detach().numpy()
    np.testing.assert_array_equal(twin.head.connector.weight.detach().numpy(), weights)
    x = np.linspace(-1.2, 1.5, 12).reshape(4, 3)
    separable = []
    entangled = []
    for row in x:  # the product of three qubits, and Qiskit's state
        turned = row @ np.eye(3)[:, [1, 2, 0]] + weights
        separable.append(np.cos(row) * np.cos(turned))
        state = Statevector(whole.head.circuit.assign_parameters(np.concatenate([weights, row])))
        entangled.append([state.expectation_value(o).real for o in whole.head.observables])
    given = torch.tensor(x, dtype=torch.float32)
    np.testing.assert_allclose(twin.head(given).detach(), separable, atol=1e-5)
    np.testing.assert_allclose(whole.head(given).detach(), entangled, atol=1e-5)
    assert np.abs(np.subtract(separable, entangled)).max() > 0.05


def test_a_run_has_the_rows_and_its_model_needs_the_file_again(own_file, corpus, tmp_path):
    choices = [f"{own_file}:{name}" for name in ("bare", "make", "near", "mine")]
    names = register_controls(use_own_heads(choices))
    assert "my_circuit.bare.no_circuit" in names
    rows = [names[f"my_circuit.{name}"] for name in ("bare", "bare.separable", "bare.no_circuit")]
    rows += [names[f"my_circuit.{name}"] for name in ("make", "near", "mine")]
    configuration = config(corpus, baselines__names=rows, train__epochs=2)
    outcome = run_experiment(configuration, tmp_path / "run")
    models = {model.name: model for model in outcome.record.models}
    assert list(models)[1:] == [
        *("bare", "bare, separable", "bare, no circuit", "my circuit", "near", "mine")
    ]
    # the control is fitted beside the row, and again as a row
    control = models["bare"].without_circuit
    assert control.test == models["bare, no circuit"].test
    assert control.parameters == models["bare, no circuit"].parameters == 3 * (D + 1) + 4
    assert models["bare, separable"].without_circuit is None
    predictions = outcome.folder.read_predictions()
    twin, linear, *_ = own_row_sentences(outcome.record.models, predictions)
    points = 100 * (models["bare"].test.value - models["bare, separable"].test.value)
    assert twin.startswith("bare minus its separable twin: ")
    assert float(twin.split(": ")[1].split()[0].replace("−", "-")) == pytest.approx(points, abs=0.1)
    assert linear.startswith("bare minus a linear model of its circuit's inputs: ")

    expected = predictions.model_answers("bare")
    x = torch.randn(5, D)
    kept = Predictor.load(outcome.folder.path, model="bare").model.classifier(x)
    assert expected.shape == (predictions.labels.size,)
    OWN_HEADS.clear()
    for name in rows:
        BASELINES.unregister(name)
    own_file.with_suffix(".ran").unlink()
    with pytest.raises(UserError, match=r"Add --head my_circuit\.py:bare"):
        Predictor.load(outcome.folder.path, model="bare")
    with pytest.raises(UserError, match=r"Add --head my_circuit\.py:bare"):
        run_experiment(outcome.folder.read_config(), tmp_path / "again")
    assert not own_file.with_suffix(".ran").exists()  # a folder or a configuration runs no file

    own_file.write_text(FILE + "\n# changed\n", "utf-8")
    use_own_heads([f"{own_file}:bare"])
    with pytest.raises(UserError, match="as it was in training"):
        Predictor.load(outcome.folder.path, model="bare")
    own_file.write_text(FILE, "utf-8")
    use_own_heads([f"{own_file}:bare"])
    again = Predictor.load(outcome.folder.path, model="bare").model.classifier(x)
    torch.testing.assert_close(again, kept, rtol=0, atol=0)


def test_a_row_of_a_study_names_the_head_without_the_hash(own_file, tmp_path):
    row = '{ label = "%s", preset = "nn-head-0", side = "%s", classical = "my_circuit.%s" }'
    rows = [row % ("ours", "subject", "make"), row % ("twin", "baseline", "make.separable")]
    head = 'title = "t"\nsubject = "s"\nbaseline = "b"\nseeds = 2\n'
    file = tmp_path / "mine.toml"
    file.write_text(f"{head}rows = [{', '.join(rows)}]\n", "utf-8")
    study = load_study(str(file))
    with pytest.raises(
        UserError, match=r"study mine, row 'ours'.*Add --head my_circuit\.py:make\."
    ):
        study_runs(study, {})
    names = register_controls(use_own_heads([f"{own_file}:make"]))
    planned = study_runs(study.with_own_heads(names), {})
    expected = [names["my_circuit.make"], names["my_circuit.make.separable"]]
    assert {tuple(run.config.baselines.names) for run in planned} == {tuple(expected)}
    other = study.model_copy(update={"rows": study.rows[:0]})
    with pytest.raises(UserError, match="has a head of --head"):
        other.with_own_heads(names)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("my_circuit.py", "expected FILE.py:NAME"),
        ("my_circuit.txt:make", "expected FILE.py:NAME"),
        ("other.py:make", "does not exist"),
        ("my_circuit.py:lost", "has no name 'lost'"),
        ("my_circuit.py:number", "is an object of int, expected a function"),
        ("my_circuit.py:strange", "Give width a default"),
        ("my_circuit.py:narrow", "fails for embeddings of the shape"),
        ("my_circuit.py:one", r"Expected logits of the shape \(2, 2\)"),
        ("my_circuit.py:nothing", "made an object of int"),
        ("my_circuit.py:joined", "does not read x"),
        ("broken.py:make", "does not run: ZeroDivisionError"),
    ],
)
def test_another_file_or_thing_is_refused(own_file, choice, message):
    own_file.with_name("broken.py").write_text("1 / 0\n", "utf-8")
    own_file.with_name("my_circuit.txt").write_text(FILE, "utf-8")

    def make_heads():
        for name in use_own_heads([str(own_file.parent / choice)]).values():
            BASELINES[name].make_head(config(own_file), 10, D, 2)

    with pytest.raises(UserError, match=message):
        make_heads()
