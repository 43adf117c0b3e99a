"""Files that hold the head's weights under two names, as `TorchConnector` registers them, beside those that do not.

The two files come from one training over four epochs: its checkpoint after the second, its model at the end.
"""

import shutil
from pathlib import Path

import pytest
import torch
from qiskit_machine_learning.connectors import TorchConnector
from safetensors.torch import load_file
from small_training import examples  # the files were trained on such ones

from qllmft.config import ModelConfig, TrainConfig
from qllmft.heads import QuantumHead, build_classifier
from qllmft.training import Checkpoint, fit
from qllmft_backends import create

FILES = Path(__file__).parent / "doubled_weights"
CONFIG = ModelConfig(n_qubits=3, n_encoders=1, encoder_qubits=3, encoder_layers=1, reuploads=2)
SETTINGS = TrainConfig(epochs=4, batch_size=8, lr=0.05, select="last")
DOUBLE = "head.connector._weights"


def model(seed: int = 7) -> torch.nn.Module:
    return build_classifier(CONFIG, 6, 2, seed=seed)


def test_a_state_holds_each_weight_once():
    state = model().state_dict()
    assert set(load_file(FILES / "model.safetensors")) == {*state, DOUBLE}
    assert sum(tensor.numel() for tensor in state.values()) == sum(p.numel() for p in model().parameters())


def test_a_model_file_with_both_names_loads_and_stays_as_it_was():
    stored = load_file(FILES / "model.safetensors")
    names, loaded = set(stored), model()
    assert not torch.equal(loaded.head.connector.weight, stored["head.connector.weight"])
    loaded.load_state_dict(stored, strict=True)
    assert set(stored) == names
    for name, tensor in loaded.state_dict().items():
        assert torch.equal(tensor, stored[name])


@pytest.mark.parametrize("name", ["head.connector._weight", "head.connector.weights", "head._weights"])
def test_no_other_name_is_taken(name):
    stored = load_file(FILES / "model.safetensors")
    stored[name] = stored.pop(DOUBLE)
    with pytest.raises(RuntimeError, match=f"Unexpected key.*{name}"):
        model().load_state_dict(stored)


def test_the_second_name_alone_is_not_the_weight():
    stored = load_file(FILES / "model.safetensors")
    del stored["head.connector.weight"]
    with pytest.raises(RuntimeError, match=r"Missing key.*head\.connector\.weight"):
        model().load_state_dict(stored)


def test_a_training_goes_on_from_a_checkpoint_with_both_names(tmp_path):
    """To where it went: Adam's moments belong to the parameters that they belonged to."""
    file = Path(shutil.copy(FILES / "checkpoint.safetensors", tmp_path))
    assert {f"{part}/{DOUBLE}" for part in ("model", "best")} < set(load_file(file))
    continued = model()
    selection = fit(continued, examples(24), examples(8, seed=1), SETTINGS, 0, checkpoint=Checkpoint(file))
    assert (selection.epochs_done, selection.epoch) == (4, 4)
    expected = load_file(FILES / "model.safetensors")
    for name, tensor in continued.state_dict().items():
        torch.testing.assert_close(tensor, expected[name], rtol=0, atol=1e-5)
    assert not any(DOUBLE in name for name in load_file(file))


@pytest.mark.parametrize("backend", ["adjoint", "aer_statevector"])
def test_the_circuit_sees_a_weight_that_was_replaced(backend):
    """torch puts another parameter in place of the first one with ``assign=True``."""
    head, other = QuantumHead(3, backend=create(backend)), QuantumHead(3)
    head.load_state_dict(other.state_dict(), assign=True)
    x = torch.linspace(-1, 1, 6).reshape(2, 3)
    torch.testing.assert_close(head(x), other(x), rtol=0, atol=1e-5)
    plain = TorchConnector(head.connector.neural_network)
    head.connector.load_state_dict(plain.state_dict())
    torch.testing.assert_close(head(x), plain(x), rtol=0, atol=1e-5)
