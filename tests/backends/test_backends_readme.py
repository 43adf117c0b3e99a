"""The worked example of backends/README.md, cut out of the page and run."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from reference_circuits import network

from qllmft_backends import BACKENDS, BackendError, UnknownBackendError, create, describe
from qllmft_circuits import head_circuit, readout_observables

PAGE = Path(__file__).parents[2] / "backends" / "README.md"


@pytest.fixture
def _matrix_backend(tmp_path, monkeypatch):
    _, backend, entry = re.findall(
        r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL
    )
    (tmp_path / "matrix_backend.py").write_text(backend, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    exec(entry, {})
    yield
    BACKENDS.unregister("matrix")
    sys.modules.pop("matrix_backend", None)


@pytest.mark.usefixtures("_matrix_backend")
def test_the_example_is_a_whole_backend():
    circuit = head_circuit(3)
    values = np.random.default_rng(0).normal(size=(4, circuit.num_parameters))
    observables = readout_observables(3)
    backend = create("matrix")
    engine = create("adjoint", {"dtype": "float64"})
    expected = engine.expectations(circuit, values, observables).values
    np.testing.assert_allclose(
        backend.expectations(circuit, values, observables).values, expected, atol=1e-12
    )

    networks = [
        network(circuit, observables, of.estimator(), of.gradient()) for of in (backend, engine)
    ]
    by_input = [qnn.backward(values[:, 15:], values[0, :15])[0] for qnn in networks]
    np.testing.assert_allclose(*by_input, atol=1e-12)


@pytest.mark.usefixtures("_matrix_backend")
def test_the_registry_knows_it_from_then_on():
    assert [row.limits for row in describe() if row.name == "matrix"] == ["3 qubits"]
    with pytest.raises(
        BackendError, match="has 4 qubits, expected at most 3; raise max_qubits or use adjoint"
    ):
        create("matrix").expectations(head_circuit(4), np.zeros((1, 24)), readout_observables(4))
    with pytest.raises(UnknownBackendError, match="Its options are: max_qubits"):
        create("matrix", {"qubits": 5})


def test_the_page_lists_the_backends_and_its_first_lines_run():
    text = PAGE.read_text(encoding="utf-8")
    usage = re.search(r"```python\n(.*?)```", text, re.DOTALL).group(1)
    circuit = head_circuit(3)
    names = {"circuit": circuit, "values": np.zeros((2, 18)), "observables": readout_observables(3)}
    exec(usage, names)
    assert names["answer"].values.shape == names["answer"].standard_errors.shape == (2, 3)
    for name in ("adjoint", "aer_statevector", "aer_forte"):
        assert f"| `{name}`" in text
