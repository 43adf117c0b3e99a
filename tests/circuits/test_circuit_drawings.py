"""Drawings show every qubit and every parameter's name; an SVG is the same for the same circuit."""

from xml.etree import ElementTree as ET

import matplotlib as mpl
import pytest
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from qiskit import QuantumCircuit

from qllmft_circuits import draw_figure, draw_text, head_circuit
from qllmft_circuits.inspect import draw_svg

NAMES = [f"x[{q}]" for q in range(3)] + [f"theta[{g}]" for g in range(6)]


@pytest.fixture
def circuit() -> QuantumCircuit:
    return head_circuit(3, 2, 1, 1)


@pytest.fixture
def agg():
    """A canvas without a window, and every figure closed afterwards."""
    with mpl.rc_context({"backend": "agg"}):
        yield
        plt.close("all")


@pytest.mark.parametrize("options", [{}, {"fold": False}, {"max_columns": 60}])
def test_the_text_names_every_qubit_and_every_parameter(circuit, options):
    text = draw_text(circuit, **options)
    assert [name for name in NAMES if name not in text] == []
    assert [f"q_{q}: " for q in range(3) if f"q_{q}: " not in text] == []


def test_a_narrow_text_goes_on_below_itself_and_an_unfolded_one_is_a_single_line_a_qubit(circuit):
    def lines_of_qubit_0(text: str) -> list[str]:
        return [line for line in text.splitlines() if line.lstrip("«").startswith("q_0")]

    narrow = draw_text(circuit, max_columns=60)
    endless = draw_text(circuit, max_columns=60, fold=False)
    assert max(len(line) for line in narrow.splitlines()) <= 60
    assert len(lines_of_qubit_0(narrow)) > 1
    assert len(lines_of_qubit_0(endless)) == 1


def test_the_figure_is_matplotlibs_and_names_every_parameter(agg, circuit):
    figure = draw_figure(circuit)
    assert isinstance(figure, Figure)
    written = " ".join(text.get_text() for axes in figure.axes for text in axes.texts)
    # mathtext: theta[3] is drawn as the Greek letter with its index
    plain = (
        written.replace("$", "")
        .replace("{", "")
        .replace("}", "")
        .replace("\\", "")
        .replace("θ", "theta")
    )
    assert [name for name in NAMES if name not in plain] == []


def test_a_folded_figure_is_taller_than_an_endless_one(agg, circuit):
    folded = draw_figure(circuit, fold=6)
    endless = draw_figure(circuit, fold=-1)
    assert folded.get_size_inches()[1] > endless.get_size_inches()[1]


def test_the_svg_holds_every_gate_and_parameter_and_leaves_nothing_open(agg, circuit):
    open_figures = plt.get_fignums()
    svg = draw_svg(circuit)
    assert plt.get_fignums() == open_figures
    assert ET.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
    # matplotlib writes what it draws as a comment
    assert svg.count("<!-- $\\mathrm{R_Y}$ -->") == 12
    for name in NAMES:
        assert svg.count(f"<!-- {name} -->") == (2 if name.startswith("x") else 1)
    assert draw_svg(circuit) == svg
