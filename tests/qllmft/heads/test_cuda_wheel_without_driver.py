"""PyPI's torch for Linux is built for CUDA: without a driver it names the device cuda, which computes nothing."""

import json
import re
from pathlib import Path

import pytest
import torch

from qllmft_backends import BackendError, create
from qllmft_circuits import head_circuit, readout_observables
from qllmft_engine.torch.devices import torch_devices

ROOT = Path(__file__).parents[3]
NO_DRIVER = "Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and installed a driver"


@pytest.fixture(autouse=True)
def cuda_wheel_without_driver(monkeypatch):
    """Answer as torch does when it was built for CUDA and finds no driver."""
    cpu_zeros = torch.zeros

    def current_accelerator(check_available=False):
        return None if check_available else torch.device("cuda")

    def zeros(*size, device=None, **options):
        if device is not None and torch.device(device).type == "cuda":
            raise RuntimeError(NO_DRIVER)
        return cpu_zeros(*size, device=device, **options)

    monkeypatch.setattr(torch.accelerator, "current_accelerator", current_accelerator)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch, "zeros", zeros)


@pytest.mark.public_report(
    case="cuda_wheel_without_driver",
    source="own audit",
    seen="torch's wheel for CUDA names a GPU on a machine without a driver, and the engine computes there",
    outcome="torch is asked for a device that answers, and the engine computes on the CPU",
)
def test_the_engine_computes_on_the_cpu():
    assert torch_devices() == ["cpu"]
    backend = create("adjoint", {"device": torch_devices()[-1]})
    circuit = head_circuit(3)
    observables = readout_observables(3)
    values = torch.rand(2, circuit.num_parameters, dtype=torch.float64).numpy()
    assert backend.expectations(circuit, values, observables).values.shape == (2, 3)


@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_the_missing_driver_is_named_as_a_cause(device):
    words = (
        f"device is {device!r}, and torch {torch.__version__} has cpu here (Found no NVIDIA driver",
        "The driver of that device may be missing (nvidia-smi lists the GPUs of NVIDIA)",
        "Install what is missing, or set device='cpu'.",
    )
    with pytest.raises(BackendError, match=".*".join(map(re.escape, words))):
        create("adjoint", {"device": device})


def test_doctor_finds_no_gpu(cli):
    rows = json.loads(cli("doctor", "--json")[0])
    assert [row["found"] for row in rows if row["what"] == "GPU"] == ["none"]


def test_an_accelerator_is_never_asked_for_without_a_check_that_it_answers():
    unchecked = re.compile(r"accelerator\.current_accelerator\((?!check_available=True)")
    sources = {
        path.relative_to(ROOT): path.read_text(encoding="utf-8")
        for folder in (
            "qllmft",
            "backends",
            "circuits",
            "packages",
            "lab",
            "examples",
            "benchmarks",
            "tests",
        )
        for path in (ROOT / folder).rglob("*.py")
    }
    assert len(sources) > 500
    assert [path for path, source in sources.items() if unchecked.search(source)] == []
