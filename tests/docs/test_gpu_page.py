"""The page of steps on a GPU is made of its record."""

import re
from pathlib import Path

import pytest
from project_files import read_page, read_record

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
RECORD = read_record("benchmarks/gpu.json")


@pytest.fixture
def gpu(monkeypatch):
    """The benchmark's module."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return pytest.importorskip("gpu")


def test_the_page_of_gpus_is_that_of_the_record(gpu):
    """``python benchmarks/gpu.py --page`` writes it."""
    assert read_page("benchmarks/gpu.md") == gpu.page(RECORD)


def test_each_time_is_of_a_peer_with_equal_answers(gpu):
    for row in (*RECORD["steps"], *RECORD["values"]):
        assert all(row["differences"][peer] <= gpu.TOLERANCE for peer in row["ms"])


def test_the_goals_of_the_fused_kernels_hold_in_the_record():
    ms = {(row["circuit"], row["n_qubits"], row["samples"]): row["ms"] for row in RECORD["steps"]}
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


def test_pages_have_the_figures_of_the_record():
    steps = {
        (row["circuit"], row["n_qubits"], row["samples"]): row["ms"] for row in RECORD["steps"]
    }
    guide = read_page("docs/gpu.md")
    rows = re.findall(r"^\| (HEAD|ENC) (\d+) × ([\d,]+) \| (.+) \| (.+) \| (.+) \|$", guide, re.M)
    assert len(rows) == 4
    for circuit, n_qubits, texts, *cells in rows:
        ms = steps[circuit.lower(), int(n_qubits), int(texts.replace(",", ""))]
        times = [ms[name] for name in ("fused, one graph", "fused", "compiled, CPU")]
        assert [float(cell) for cell in cells] == pytest.approx(times, rel=5e-3)
    (decision,) = (BENCHMARKS.parent / "docs" / "decisions").glob("0016-*.md")
    head = steps["head", 10, 16]
    named = dict(
        re.findall(r"^\| (H200, .+|16 cores) \| ([\d.]+) \|$", decision.read_text("utf-8"), re.M)
    )
    assert {name: float(cell) for name, cell in named.items()} == pytest.approx(
        {
            "H200, torch operations": head["torch operations"],
            "16 cores": head["compiled, CPU"],
            "H200, one graph of the kernels": head["fused, one graph"],
        },
        rel=0.02,
    )


def test_the_page_has_the_speeds_of_embedding():
    record = read_record("benchmarks/embedding.json")
    page = read_page("docs/gpu.md")
    devices = {"cuda": "GPU", "cpu": f"{record['threads']} cores"}
    for row in record["rows"]:
        cells = (devices[row["device"]], row["batch_size"], f"{row['texts_per_s']:,}")
        assert "| " + " | ".join(map(str, cells)) + " |" in page
    shares = [row["outside_the_body"] for row in record["rows"] if row["device"] == "cuda"]
    assert 0.4 < max(shares) < 0.5  # "up to half of the time"
    layouts = read_record("benchmarks/embedding_cache.json")["rows"]
    appended, by_key = (
        row["look up, missing"] + row["store"] for row in layouts if row["dimension"] == 384
    )
    assert f"takes {appended:.0f} µs in it, in place of {by_key:.0f} (" in page
