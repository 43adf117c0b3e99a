"""`qllmft energy`, as people call it."""

import json
import re

import pytest

from qllmft.cli.main import main
from qllmft.energy.counters import find_counters
from qllmft.errors import UserError


def call(capsys, *arguments):
    with pytest.raises(SystemExit) as end:
        main(["energy", *arguments])
    out, err = capsys.readouterr()
    return end.value.code, out, err


def test_the_crossover_is_printed_and_marked(capsys):
    code, out, _ = call(capsys)
    assert code == 0
    assert re.search(r"46 ← +414 +230 ", out)
    assert "from 46 qubits on" in out
    assert "P_gpu is used" in out


@pytest.mark.parametrize(("model", "crossover"), [("paper", 46), ("measured", 49), ("follow-up", 34)])
def test_json_has_every_width(capsys, model, crossover):
    code, out, _ = call(capsys, "--model", model, "--qubits", "10-12", "--json")
    record = json.loads(out)
    assert code == 0
    assert record["crossover_qubits"] == crossover
    assert [p["n_qubits"] for p in record["points"]] == [10, 11, 12]


def test_settings_change_the_circuit(capsys):
    _, out, _ = call(capsys, "--set", "model.connectivity=2", "--qubits", "10", "--json")
    assert json.loads(out)["points"][0]["two_qubit_gates"] == 100


@pytest.mark.parametrize(
    "content", ['{"one_qubit_s": 1e-4, "two_qubit_s": 1e-5}', '{"timing": {"1q": 1e-4, "2q": 1e-5}}']
)
def test_a_calibration_gives_gate_times(capsys, tmp_path, content):
    file = tmp_path / "calibration.json"
    file.write_text(content)
    _, out, _ = call(capsys, "--model", "measured", "--calibration", str(file), "--json")
    found = json.loads(out)
    assert (found["constants"]["one_qubit_gate_s"], found["constants"]["two_qubit_gate_s"]) == (1e-4, 1e-5)
    assert (found["constants"]["qpu_power_w"], found["crossover_qubits"]) == (300.0, 46)  # all are the paper's


@pytest.mark.parametrize("ending", ["svg", "png", "pdf"])
def test_the_figure_is_drawn(capsys, tmp_path, ending):
    file = tmp_path / f"figure.{ending}"
    assert call(capsys, "--figure", str(file))[0] == 0
    assert file.stat().st_size > 5_000


def test_the_figure_says_where_the_curves_cross():
    from qllmft.config import ModelConfig
    from qllmft.energy import energy_curve
    from qllmft.paper.figures.energy import draw_energy

    axes = draw_energy(energy_curve(ModelConfig(), range(10, 61))).axes[0]
    assert axes.get_yscale() == "log"
    assert "(kJ)" in axes.get_ylabel()
    assert [text.get_text() for text in axes.texts] == ["crossover: 46 qubits"]
    (marker,) = [line for line in axes.lines if line.get_marker() == "o"]
    assert marker.get_xdata()[0] == pytest.approx(45.93, abs=0.01)
    assert not draw_energy(energy_curve(ModelConfig(), range(10, 31))).axes[0].texts  # they do not cross there


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "other"], "expected one of paper, measured, follow-up"),
        (["--qubits", "ten"], "expected a number or a range from 2 to 100"),
        (["--qubits", "20-10"], "expected a number or a range"),
        (["--qubits", "10-101"], "expected a number or a range"),
        (["--figure", "x.gif"], "expected a name that ends in .svg, .pdf, .png"),
        (["--figure", "/nowhere/x.svg"], "cannot be written"),
        (["--preset", "nn-head-0"], "the head is classical"),
        (["--preset", "other"], "there is no preset 'other'"),
        (["--calibration", "x.json"], "goes with --model measured"),
        (["--model", "measured", "--calibration", "/nowhere.json"], "cannot be read: No such file"),
        (["--here", "--figure", "x.svg"], "--here measures one width"),
    ],
)
def test_bad_input_ends_with_2_and_the_remedy(capsys, arguments, message):
    code, out, err = call(capsys, *arguments)
    assert code == 2
    assert message in err
    assert not out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "is not a JSON object of gate times"),
        ("{", "is not a JSON object of gate times"),
        ('{"timing": 3}', "is not a JSON object of gate times"),
        ('{"one_qubit_s": "x"}', "is not a JSON object of gate times"),
        ('{"one_qubit_s": 1e-4}', "has gate times of 0.0001 s (1Q) and None s (2Q); both are needed"),
    ],
)
def test_a_calibration_that_is_none_is_refused(capsys, tmp_path, content, message):
    file = tmp_path / "calibration.json"
    file.write_text(content)
    code, _, err = call(capsys, "--model", "measured", "--calibration", str(file))
    assert code == 2
    assert message in err


def test_here_measures_or_says_why_not(capsys):
    try:
        find_counters()
    except UserError:
        code, _, err = call(capsys, "--here")
        assert code == 2
        assert "cannot be measured" in err
    else:  # a machine with counters
        code, out, _ = call(capsys, "--here", "--set", "model.n_qubits=4", "--json")
        assert code == 0
        assert json.loads(out)["energy_kj"] > 0
