"""`qllmft energy`, as people call it."""

import re

import pytest


def test_the_crossover_is_printed_and_marked(cli):
    out, _ = cli("energy")
    assert re.search(r"46 ← +414 +230 ", out)
    assert "from 46 qubits on" in out
    assert "P_gpu is used" in out
    # the last words are about the cheapest simulation of this head
    assert out.rstrip().endswith("it does so at no number up to 100 qubits.")


def test_the_network_beside_the_state_vector_has_its_own_crossover(cli):
    deep = ("--set", "model.reupload_layers=3", "--set", "model.main_layers=3", "--qubits", "46")
    assert cli.json("energy", *deep, "--against tensor-network")["crossover_qubits"] == 46
    out = " ".join(cli("energy", *deep)[0].split())
    assert out.endswith("(--against tensor-network) it does so from 46 qubits on.")
    out = " ".join(cli("energy", "--set model.connectivity=2 --qubits 10")[0].split())
    assert out.endswith("are counted for the ansatz 'paper' with C = 1 only.")


@pytest.mark.parametrize(
    ("model", "crossover", "name"),
    [
        ("paper", 46, "energy_kj"),
        ("measured", 49, "energy_kj"),
        ("follow-up", 34, "relative_energy"),
    ],
)
def test_json_has_every_width_and_the_unit_in_its_names(cli, model, crossover, name):
    record = cli.json("energy", "--model", model, "--qubits 10-12")
    assert record["crossover_qubits"] == crossover
    assert [p["n_qubits"] for p in record["points"]] == [10, 11, 12]
    assert all(p[f"gpu_{name}"] < p[f"qpu_{name}"] for p in record["points"])


@pytest.mark.parametrize(
    "content",
    ['{"one_qubit_s": 1e-4, "two_qubit_s": 1e-5}', '{"timing": {"1q": 1e-4, "2q": 1e-5}}'],
)
def test_a_calibration_gives_gate_times(cli, tmp_path, content):
    file = tmp_path / "calibration.json"
    file.write_text(content)
    energy = cli.json("energy", "--model measured --calibration", file)
    assert (energy["constants"]["one_qubit_gate_s"], energy["constants"]["two_qubit_gate_s"]) == (
        1e-4,
        1e-5,
    )
    # all are the paper's
    assert (energy["constants"]["qpu_power_w"], energy["crossover_qubits"]) == (300.0, 46)


def test_the_figure_is_drawn(cli, tmp_path):
    output, _ = cli("energy", "--figure", tmp_path / "figure.svg")
    assert f"The figure is in {tmp_path / 'figure.svg'}." in output
    assert "<svg" in (tmp_path / "figure.svg").read_text()


def test_the_figure_says_where_the_curves_cross():
    from qllmft.config import ModelConfig
    from qllmft.energy.curve import energy_curve
    from qllmft.report import draw_energy

    axes = draw_energy(energy_curve(ModelConfig(), range(10, 61))).axes[0]
    assert axes.get_yscale() == "log"
    assert "(kJ)" in axes.get_ylabel()
    assert [text.get_text() for text in axes.texts] == ["crossover: 46 qubits"]
    (marker,) = [line for line in axes.lines if line.get_marker() == "o"]
    assert marker.get_xdata()[0] == pytest.approx(45.93, abs=0.01)
    # they do not cross there
    assert not draw_energy(energy_curve(ModelConfig(), range(10, 31))).axes[0].texts


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "is not a JSON object of gate times"),
        ("{", "is not a JSON object of gate times"),
        ('{"timing": 3}', "is not a JSON object of gate times"),
        (
            '{"one_qubit_s": -1e-4, "two_qubit_s": 1e-5}',
            "is -0.0001, expected more than 0 and at most 1e+18",
        ),
        (
            '{"one_qubit_s": 1e400, "two_qubit_s": 1}',
            "has gate times of inf s (1Q) and 1 s (2Q), expected 1 s at most",
        ),
        (
            '{"timing": {"1q": 130, "2q": 970}}',
            "has gate times of 130 s (1Q) and 970 s (2Q), expected 1 s at most. The file is in seconds: divide",
        ),
        (
            '{"one_qubit_s": true, "two_qubit_s": 1e-5}',
            "is not a JSON object of gate times: a gate time is true or false",
        ),
        ('{"one_qubit_s": "x"}', "is not a JSON object of gate times"),
        (
            '{"one_qubit_s": 1e-4}',
            "has gate times of 0.0001 s (1Q) and None s (2Q). Both are needed",
        ),
    ],
)
def test_a_calibration_that_is_none_is_refused(cli, tmp_path, content, message):
    file = tmp_path / "calibration.json"
    file.write_text(content)
    assert message in cli.refused("energy", "--model measured --calibration", file)


def test_a_head_of_several_registers_says_that_the_table_has_one(cli):
    flat = "--set model.reuploads=1 --set model.main_layers=1"
    output, _ = cli("energy", f"--qubits 10 --set model.registers=2 {flat}")
    assert "The head has 2 registers. The table has one of them alone" in " ".join(output.split())
