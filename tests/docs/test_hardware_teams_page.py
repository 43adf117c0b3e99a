"""The numbers of docs/for-hardware-teams.md are those of its commands, as far as they hold on any computer."""

import json
import re
from pathlib import Path

import pytest
from project_files import read_page

from qllmft.cli.main import main

PAGE = read_page("docs/for-hardware-teams.md")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The folder in which the page's first command was run: it has runs/a."""
    folder = tmp_path_factory.mktemp("hardware")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        with pytest.raises(SystemExit) as end:
            main(["train", "--noise", "forte1", "--shots", "1000", "--out", "runs/a"])
    assert not end.value.code
    return folder


@pytest.fixture
def command(place, monkeypatch, capsys):
    """Return a function that runs `qllmft` and returns what it prints."""
    monkeypatch.chdir(place)

    def run(line):
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main(line.split())
        assert not end.value.code
        return capsys.readouterr().out

    return run


def table_row(fact):
    """Return the mean and the standard deviation of a fact, 0 where the page has none."""
    (mean, spread), *further_rows = re.findall(
        rf"^\| {re.escape(fact)} \| ([\d.]+)(?: ± ([\d.]+))? \|$", PAGE, re.MULTILINE
    )
    assert not further_rows
    return float(mean), float(spread or 0.0)


def test_the_noise_of_the_device_has_the_effect_of_the_table(command):
    """One more seed is within four standard deviations of the page's 40."""
    pytest.importorskip("qiskit_aer", reason="qiskit-aer is not installed: pip install '.[aer]'")
    line = "evaluate runs/a --backend aer_forte --shots 1000 --sample 200 --json"
    evaluation = json.loads(command(line))
    agreement = evaluation["agreement"]
    assert agreement["samples"] == 120
    assert agreement["decided_flips"] <= 2
    measured = {
        "accuracy, %": 100 * evaluation["accuracy"]["value"],
        "labels that differ from the noiseless simulation": agreement["flips"],
        "labels that are unreliable at 1,000 shots": agreement["undecided"],
        "mean error of ⟨Z⟩": agreement["mean_abs_difference"],
    }
    for fact, value in measured.items():
        mean, spread = table_row(fact)
        assert abs(value - mean) < 4 * spread, fact
    by_shots, _ = table_row("mean error of ⟨Z⟩ by shot noise alone")
    assert agreement["expected_from_shots"] == pytest.approx(by_shots, abs=1e-4)


def test_the_exported_circuit_has_the_lines_of_the_page(command, place):
    command("export runs/a --text film --measure --out head.qasm")
    exported = (place / "head.qasm").read_text("utf-8")
    block = re.search(r"```text\n(OPENQASM.*?)```", PAGE, re.DOTALL)[1]
    pattern = ".*".join(re.escape(part) for part in block.rstrip().split("…"))
    assert re.fullmatch(pattern, exported.rstrip(), re.DOTALL)


def test_the_model_gives_the_probability_of_the_page(place, monkeypatch):
    from qllmft.inference import Predictor

    monkeypatch.chdir(place)
    (prediction,) = Predictor.load(Path("runs/a")).predict(["a fine film"])
    (stated,) = re.findall(r"the file above gives ([\d.]+) for `negative`", PAGE)
    assert prediction.label == "negative"
    assert prediction.probabilities["negative"] == pytest.approx(float(stated), abs=2e-3)
