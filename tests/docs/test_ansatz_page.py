"""The block of the page on ansätze runs as it stands, and has the function of the example."""

import inspect
import re

import numpy as np
import pytest
import torch
from project_files import read_page
from qiskit.quantum_info import Statevector

import qllmft
from examples.study_of_an_ansatz import ladder
from qllmft.templates import ANSATZE
from qllmft_circuits import data_parameters, weight_parameters

PAGE = read_page("docs/ansatz.md")


@pytest.fixture
def names(monkeypatch):
    """The names that the page's block binds, with a training that only looks its ansatz up."""
    monkeypatch.setattr(qllmft, "train", lambda data, model__ansatz: ANSATZE[model__ansatz])
    ANSATZE.unregister("ladder")  # of a test of the example in this process
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    bound = {}
    exec(block, bound)
    yield bound
    ANSATZE.unregister("ladder")


def test_the_page_has_the_function_of_the_example():
    assert inspect.getsource(ladder) in PAGE


def test_the_block_runs_and_its_layer_has_the_values_of_qiskit(names):
    assert names["outcome"] is names["ladder"]
    layer = names["layer"].double()
    x = np.random.default_rng(0).normal(size=4)
    angles = dict(zip(data_parameters(layer.circuit), x, strict=True))
    weights = layer.connector.weight.tolist()
    angles |= dict(zip(weight_parameters(layer.circuit), weights, strict=True))
    state = Statevector(layer.circuit.assign_parameters(angles))
    expected = [state.expectation_value(z).real for z in layer.observables]
    np.testing.assert_allclose(layer(torch.from_numpy(x)).tolist(), expected, atol=1e-12)
