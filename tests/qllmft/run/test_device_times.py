"""`--device auto`: the device with the least expected time, and what keeps a run from a GPU."""

import pytest

from qllmft.config import ModelConfig, RunConfig
from qllmft.config.presets import load_preset
from qllmft.run import device as device_module
from qllmft.run.device import device_times


@pytest.fixture
def gpu(monkeypatch):
    """A GPU whose kernels run here."""
    monkeypatch.setattr(device_module, "torch_devices", lambda: ["cpu", "cuda"])
    monkeypatch.setattr(device_module, "runs_kernels", lambda device: device == "cuda")


def head_of(n_qubits):
    """A configuration whose only circuit is the head's."""
    return RunConfig(model=ModelConfig(n_qubits=n_qubits, encoder="mlp"))


def test_a_large_head_is_faster_on_a_gpu_and_a_small_one_on_the_cpu(gpu):
    large = device_times(head_of(18))
    assert large.fastest == "cuda"
    assert large.gpu_is_clearly_faster
    assert "ms on the CPU" in large.text
    assert "ms on cuda" in large.text
    small = device_times(head_of(4))
    assert small.fastest == "cpu"
    assert not small.gpu_is_clearly_faster


def test_without_a_gpu_the_cpu_computes():
    times = device_times(head_of(18))
    assert times.fastest == "cpu"
    assert times.text == "no GPU with Triton answers here"


def test_a_run_that_a_gpu_cannot_train_has_the_reason(gpu):
    times = device_times(load_preset("odd").config({}))
    assert times.fastest == "cpu"
    assert times.text == "the CPU trains this run: train.optimizer is 'lbfgs'"
