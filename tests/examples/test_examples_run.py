"""Every file in examples/ runs, as `python FILE` does."""

import importlib.util
import json
import re
import runpy
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).parents[2] / "examples"
EXAMPLES = sorted(FOLDER.glob("*.py"))
MAX_LINES = 80
SAYS = {
    "aer_then_ionq": "from a noiseless simulation of 3 texts",
    "draw_a_circuit": "10 qubits: 90 gates on one qubit, 50 on two",
    "engine_for_qiskit": "the gradients agree within 1e-4: True",
    "export_to_qasm": "agree within 1e-6: True",
    "head_as_a_layer": "step 60: loss 0.0",
    "own_circuit": "own circuit, separable",
    "pennylane_layer": "circuit between two linear layers: 0.9",
    "qiskit_circuit_as_a_layer": "StatevectorEstimator below 1e-5: True",
    "study_of_an_ansatz": "ladder minus logistic regression: ",
    "train_on_your_table": "quantum head",
}
WITH_FIGURES = "train_on_your_table"  # its page has every figure of a run's page


@pytest.fixture(autouse=True)
def one_torch_thread():
    """One thread for torch: its threads wait for each other on a busy machine."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture(scope="module", autouse=True)
def pages_with_figures():
    """Pages have placeholders for figures, but for that of one example."""


def test_an_example_is_short_and_in_the_index():
    index = (FOLDER / "README.md").read_text("utf-8")
    for path in EXAMPLES:
        assert len(path.read_text("utf-8").splitlines()) <= MAX_LINES, path.name
        assert f"[{path.name}]({path.name})" in index


def test_every_example_is_known_here():
    assert [path.stem for path in EXAMPLES] == sorted(SAYS)


@pytest.mark.filterwarnings("default")  # other libraries may warn
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs(path, tmp_path, monkeypatch, capsys, undrawn_figures):
    if path.stem == WITH_FIGURES:
        monkeypatch.setattr("qllmft.report.style.as_svg", undrawn_figures)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [str(path)])
    runpy.run_path(str(path), run_name="__main__")
    assert SAYS[path.stem] in capsys.readouterr().out


def test_the_notebook_prints_what_it_is_kept_with(tmp_path, monkeypatch, capsys):
    (file,) = FOLDER.glob("*.ipynb")
    cells = [
        cell for cell in json.loads(file.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"
    ]
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for cell in cells:
        capsys.readouterr()
        exec("".join(cell["source"]), names)
        outputs = [
            "".join(output["text"])
            for output in cell["outputs"]
            if output["output_type"] == "stream"
        ]
        assert capsys.readouterr().out == "".join(outputs)
        assert cell["outputs"]
    (table,) = cells[0]["outputs"]
    table_html = re.sub(r"<td>[\d.]+</td></tr>", "", "".join(table["data"]["text/html"]))
    assert re.sub(r"<td>[\d.]+</td></tr>", "", names["outcome"]._repr_html_()) == table_html
    tested = [model.tested.value for model in names["outcome"].record.models]
    assert tested[0] > 0.6, "the head learns"


def test_the_site_shows_the_notebook_with_its_output(tmp_path):
    spec = importlib.util.spec_from_file_location(
        "hooks", FOLDER.parent / "docs" / "site" / "hooks.py"
    )
    hooks = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hooks)
    cells = [("markdown", "# A sum\n"), ("code", "x = 2"), ("code", "print(x + 3)")]
    file = tmp_path / "a.ipynb"
    file.write_text(
        json.dumps({"cells": [{"cell_type": kind, "source": [source]} for kind, source in cells]}),
        "utf-8",
    )
    expected = "## A sum ```python x = 2 ``` ```python print(x + 3) ``` ```text 5 ```"
    assert hooks._notebook(file).split() == [
        "*The",
        "notebook",
        "`examples/a.ipynb`*",
        *expected.split(),
    ]
