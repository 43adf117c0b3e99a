"""The page of steps on a GPU is made of its record."""

import json
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def gpu(monkeypatch):
    """The benchmark's module."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return pytest.importorskip("gpu")


def test_the_page_is_that_of_the_record(gpu):
    """``python benchmarks/gpu.py --page`` writes it."""
    record = json.loads((BENCHMARKS / "gpu.json").read_text("utf-8"))
    assert (BENCHMARKS / "gpu.md").read_text("utf-8") == gpu.page(record)


def test_each_time_is_of_a_peer_with_equal_answers(gpu):
    record = json.loads((BENCHMARKS / "gpu.json").read_text("utf-8"))
    for row in (*record["steps"], *record["values"]):
        assert all(row["differences"][peer] <= gpu.TOLERANCE for peer in row["ms"])


def test_the_goals_of_the_fused_kernels_hold_in_the_record():
    record = json.loads((BENCHMARKS / "gpu.json").read_text("utf-8"))
    ms = {(row["circuit"], row["n_qubits"], row["samples"]): row["ms"] for row in record["steps"]}
    for row, most in {
        ("head", 10, 16): 0.12,
        ("enc", 10, 1024): 0.6,
        ("head", 16, 16): 0.5,
        ("head", 20, 16): 5,
        ("head", 26, 1): 25,
    }.items():
        assert ms[row]["fused, one graph"] <= most
    head = ms["head", 10, 16]
    assert head["TorchQuantum"] > 500 * head["fused, one graph"]
