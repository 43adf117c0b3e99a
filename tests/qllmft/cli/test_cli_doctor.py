"""`qllmft doctor` alone: what is installed here, and whether it works."""

import json
import re
from email.message import Message
from importlib.metadata import version

import pytest
import torch

from qllmft.cli import installation
from qllmft_base.versions import installed_version
from qllmft_engine import ahead
from qllmft_engine.torch import devices


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("QLLMFT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def findings(cli, code=0):
    return {row["what"]: row for row in json.loads(cli("doctor", "--json", code=code)[0])}


def test_it_says_what_is_here(cli, cache):
    rows = findings(cli)
    assert rows["qllmft"]["found"] == version("qllmft")
    assert rows["torch"]["found"] == version("torch")
    assert rows["extra ionq"]["found"].count("qiskit-ionq") == 1
    if installed_version("qiskit-aer") and not installed_version(
        "qiskit-aer-gpu"
    ):  # one module, never both
        assert (
            "pip uninstall qiskit-aer, then pip install 'qllmft[gpu]'" in rows["extra gpu"]["found"]
        )
    assert rows["backend adjoint"]["found"].startswith("available")
    device = torch.accelerator.current_accelerator(check_available=True)
    assert rows["GPU"]["found"] == "none" or f"--device {device}" in rows["GPU"]["found"]
    assert rows["cache"]["found"] == f"{cache} can be written"
    assert not any(row["wrong"] for row in rows.values())
    output, _ = cli("doctor")
    assert all(f"{what}: {row['found']}" in output for what, row in rows.items())
    assert output.endswith("nothing wrong.\n")


@pytest.mark.parametrize(
    ("kind", "triton", "engine"),
    [
        ("cuda", True, "in Triton's kernels"),
        ("cuda", False, "an operation of torch a gate, because Triton is not installed"),
        ("mps", True, "an operation of torch a gate"),
    ],
)
def test_it_says_how_circuits_run_on_a_gpu(cli, cache, monkeypatch, kind, triton, engine):
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: kind)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(devices, "find_spec", lambda name: triton or None)
    gpu = next(row.found for row in installation._check_machine() if row.what == "GPU")
    assert gpu.startswith(f"{kind}. Circuits run there with --device {kind}, {engine}")


def test_without_a_place_for_compiled_kernels_something_is_wrong(cli, cache, monkeypatch):
    monkeypatch.setattr(ahead, "open_store", lambda: None)
    rows = findings(cli, code=1)
    assert [what for what, row in rows.items() if row["wrong"]] == ["compiled kernels"]
    assert "NUMBA_CACHE_DIR" in rows["compiled kernels"]["found"]


def test_a_cache_that_cannot_be_written_is_wrong(cli, cache):
    cache.write_text("a file")
    rows = findings(cli, code=1)
    assert [what for what, row in rows.items() if row["wrong"]] == ["cache"]
    assert (
        "cannot be written: File exists. Choose another with QLLMFT_CACHE."
        in rows["cache"]["found"]
    )


def test_a_missing_package_is_wrong_and_a_missing_extra_is_not(cli, cache, monkeypatch):
    needed = [
        "qllmft-not-there>=1",
        "numpy>=2",
        "windows-only>=1; sys_platform == 'win32'",
        "also-not-there==1; extra == 'new'",
        "rich<1; extra == 'new'",
        "typer[all]>=0.1; (python_version >= '3') and extra == 'all'",
        "neither>=1; extra == 'dev'",
    ]
    extras = Message()
    for name in ("new", "all", "dev"):
        extras["Provides-Extra"] = name
    monkeypatch.setattr(installation, "requires", lambda name: needed)
    monkeypatch.setattr(installation, "metadata", lambda name: extras)
    rows = findings(cli, code=1)
    assert [what for what, row in rows.items() if row["wrong"]] == ["qllmft-not-there"]
    assert rows["qllmft-not-there"]["found"] == "not installed: pip install 'qllmft-not-there>=1'"
    assert (
        rows["extra new"]["found"]
        == f"also-not-there: not installed; rich: {version('rich')} is installed, expected <1: "
        "pip install 'qllmft[new]'"
    )
    assert rows["extra all"]["found"] == f"typer {version('typer')}"
    assert not any(name in json.dumps(rows) for name in ("neither", "windows-only"))
    assert "WRONG  qllmft-not-there: not installed" in cli("doctor", code=1)[0]


def test_a_version_that_is_too_old_is_wrong(cli, cache, monkeypatch):
    old = {"numpy": "1.21.0", "torch": "1.9.0+cpu"}
    monkeypatch.setattr(
        installation, "installed_version", lambda name: old.get(name) or installed_version(name)
    )
    rows = findings(cli, code=1)
    assert [what for what, row in rows.items() if row["wrong"]] == ["numpy", "torch"]
    assert re.fullmatch(
        r"1\.21\.0 is installed, expected (>=2[\d.]*): pip install 'numpy\1'",
        rows["numpy"]["found"],
    )
