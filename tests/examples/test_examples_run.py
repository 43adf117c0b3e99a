"""Every file in examples/ runs, with the package as a user has it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.py"))
SAYS = {
    "aer_then_ionq": "agreement with the exact model over 4 texts: ",
    "draw_a_circuit": "10 qubits: 90 gates on one qubit, 50 on two",
    "engine_for_qiskit": "the gradients agree within 1e-4: True",
    "export_to_qasm": "agree within 1e-6: True",
    "head_as_a_layer": "step 60: loss 0.0",
    "train_on_your_table": "quantum head",
}


def test_every_example_is_known_here():
    assert [path.stem for path in EXAMPLES] == sorted(SAYS)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs(path, tmp_path):
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "QLLMFT_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, str(path)], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert SAYS[path.stem] in done.stdout
