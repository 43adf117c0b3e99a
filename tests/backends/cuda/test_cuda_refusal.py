"""device='cuda' where there is no GPU, or not what it takes: refused early, with what was found and the remedy."""

import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace

import pytest

from qllmft.cli.main import main
from qllmft_backends import BackendError, UnknownBackendError, create
from qllmft_backends.adjoint.backend import AdjointBackend, AdjointOptions
from qllmft_backends.adjoint.cuda import Limits, find_limits
from qllmft_backends.adjoint.cuda import device as device_module

REMEDY = (
    "NVIDIA GPU of compute capability 7.0",
    "driver (525",
    "pip install 'qllmft[cuda13]'",
    "device='cpu'",
)


def no_gpu_here():
    try:
        find_limits()
    except BackendError:
        return True
    return False


@pytest.mark.skipif(not no_gpu_here(), reason="there is a GPU here")
def test_without_a_gpu_it_is_refused_when_the_backend_is_made():
    with pytest.raises(BackendError) as error:
        create("adjoint", {"device": "cuda"})
    for words in REMEDY:
        assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.skipif(not no_gpu_here(), reason="there is a GPU here")
def test_the_command_line_ends_with_the_remedy_and_code_2(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(["train", "--device", "cuda"])
    assert end.value.code == 2
    assert "pip install 'qllmft[cuda13]'" in " ".join(capsys.readouterr().err.split())
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not no_gpu_here(), reason="there is a GPU here")
def test_the_benchmark_ends_with_the_remedy_and_code_2():
    command = [sys.executable, str(Path(__file__).parents[3] / "benchmarks" / "gpu.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.startswith("error: ")
    assert "pip install 'qllmft[cuda13]'" in done.stderr


@pytest.fixture
def machine(monkeypatch):
    """With a GPU."""
    gpu = SimpleNamespace(
        name="Tesla", compute_capability=(9, 0), MAX_SHARED_MEMORY_PER_BLOCK_OPTIN=232448
    )
    machine = SimpleNamespace(
        is_available=lambda: True, cuda_error=lambda: None, get_current_device=lambda: gpu, gpu=gpu
    )
    monkeypatch.setattr(device_module, "cuda", machine)
    monkeypatch.setattr(device_module, "version", lambda name: "0.30.4")
    return machine


def test_a_gpu_gives_its_own_shared_memory(machine):
    assert find_limits() == Limits(shared_bytes=232448, threads=512)
    assert AdjointBackend(AdjointOptions(device="cuda")).options.device == "cuda"


def fail(error):
    def raises(*arguments):
        raise error

    return raises


NO_DRIVER = "CUDA driver library cannot be found.\nEnsure that\n:"


@pytest.mark.parametrize(
    ("take_away", "found"),
    [
        (
            {"is_available": lambda: False, "cuda_error": lambda: NO_DRIVER},
            "found numba-cuda 0.30.4, but no usable GPU: CUDA driver library cannot be found. Ensure that. device=",
        ),
        ({"is_available": lambda: False}, "no CUDA toolkit library (libnvvm)"),
        ({"gpu.compute_capability": (6, 1)}, "Tesla, of compute capability 6.1"),
        (
            {
                "get_current_device": fail(
                    RuntimeError("[100] Call to cuInit results in CUDA_ERROR_NO_DEVICE")
                )
            },
            "CUDA_ERROR_NO_DEVICE",
        ),
        ({"version": fail(PackageNotFoundError("numba-cuda"))}, "numba-cuda is not installed"),
    ],
    ids=["no driver", "no toolkit", "too old", "the driver fails", "no numba-cuda"],
)
def test_a_machine_that_lacks_something_is_told_what(machine, monkeypatch, take_away, found):
    for name, left in take_away.items():
        place = (
            device_module
            if name == "version"
            else machine.gpu
            if name.startswith("gpu.")
            else machine
        )
        monkeypatch.setattr(place, name.removeprefix("gpu."), left)
    with pytest.raises(BackendError) as error:
        find_limits()
    for words in (found, *REMEDY):
        assert words in str(error.value)


def test_numba_without_a_cuda_target():
    code = (
        "import sys; sys.modules['numba.cuda'] = None\n"
        "from qllmft_backends import BackendError, create\n"
        "try: create('adjoint', {'device': 'cuda'})\n"
        "except BackendError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    assert "device='cuda' needs numba's CUDA target, which does not load here" in done.stdout
    assert "pip install 'qllmft[cuda13]'" in done.stdout


def test_other_devices_are_not_known():
    with pytest.raises(
        UnknownBackendError, match="option device = 'gpu': Input should be 'cpu' or 'cuda'"
    ):
        create("adjoint", {"device": "gpu"})
