"""An SVG shows every gate, is the same for the same circuit, and leaves no figure open."""

from xml.etree import ElementTree as ET

from matplotlib import pyplot as plt

from qllmft_circuits import draw_svg, head_circuit


def test_the_svg_holds_every_gate_and_parameter_and_leaves_nothing_open(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    before = plt.get_fignums()
    svg = draw_svg(head_circuit(3, 2, 1, 1))
    assert plt.get_fignums() == before
    assert ET.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
    assert svg.count("<!-- $\\mathrm{R_Y}$ -->") == 12  # matplotlib writes what it draws as a comment
    for name in [f"x[{q}]" for q in range(3)] * 2:
        assert svg.count(f"<!-- {name} -->") == 2
    for g in range(6):
        assert svg.count(f"<!-- theta[{g}] -->") == 1
    assert draw_svg(head_circuit(3, 2, 1, 1)) == svg
