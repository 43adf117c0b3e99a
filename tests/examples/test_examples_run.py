"""Every file in examples/ runs, as `python FILE` does."""

import runpy
from pathlib import Path

import pytest
import torch

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.py"))
SAYS = {
    "aer_then_ionq": "agreement with the exact model over 4 texts: ",
    "draw_a_circuit": "10 qubits: 90 gates on one qubit, 50 on two",
    "engine_for_qiskit": "the gradients agree within 1e-4: True",
    "export_to_qasm": "agree within 1e-6: True",
    "head_as_a_layer": "step 60: loss 0.0",
    "train_on_your_table": "quantum head",
}


@pytest.fixture(autouse=True)
def one_torch_thread():
    """One thread for torch: its threads wait for each other on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_every_example_is_known_here():
    assert [path.stem for path in EXAMPLES] == sorted(SAYS)


@pytest.mark.filterwarnings("default")  # other libraries may warn
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs(path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [str(path)])
    runpy.run_path(str(path), run_name="__main__")
    assert SAYS[path.stem] in capsys.readouterr().out
