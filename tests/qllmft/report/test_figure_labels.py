"""Names of users beside the axis of a figure: long ones leave space for the data, and no sign raises a warning."""

import warnings

import pytest

from qllmft.report import style
from qllmft.report.figures import curves_svg

LONG = "a very long name of a row that goes on and on, " * 4


@pytest.fixture
def draw():
    """Return a function that draws a figure with labels beside its axis."""

    def draw_axes(*labels):
        with style.figure_style(in_a_page=True):
            figure, axes = style.make_labelled_axes(labels, "test accuracy (%)")
            axes.plot([50, 60, 70], [0, 1, 2], "o")
            figure.draw_without_rendering()
        return figure, axes

    return draw_axes


@pytest.mark.parametrize("label", [LONG, LONG.replace(" ", "_")])
def test_a_long_label_is_in_the_figure_and_leaves_half_of_it_to_the_data(draw, label):
    figure, axes = draw("short", label, "short")
    width = figure.bbox.width
    labels = axes.get_yticklabels()
    assert all(text.get_window_extent().x0 >= 0 for text in labels)
    # a letter's width differs a little between versions of matplotlib
    assert axes.get_window_extent().width > 0.49 * width
    assert axes.xaxis.label.get_window_extent().y0 >= 0
    assert labels[1].get_text().endswith("…")
    heights = [text.get_window_extent() for text in labels]
    assert heights[0].y0 > heights[1].y1 > heights[1].y0 > heights[2].y1


def test_a_short_label_is_as_it_was(draw):
    _, axes = draw("logistic regression (C = 1)")
    assert axes.get_yticklabels()[0].get_text() == "logistic regression (C = 1)"


def test_signs_without_a_glyph_are_left_to_the_fonts_of_the_reader():
    with warnings.catch_warnings(), style.figure_style(in_a_page=True):
        warnings.simplefilter("error")
        figure, _ = style.make_labelled_axes(["量子 🙂"], "test accuracy (%)")
        assert ">量子 🙂</text>" in style.as_svg(figure, "labels")


@pytest.mark.parametrize(("unit", "beyond"), [("right answers (%)", False), ("macro-F1", True)])
def test_an_axis_of_percentages_ends_at_100(unit, beyond):
    drawn = curves_svg("scores", unit, {"validation": [100.0] * 5})
    assert ">100</text>" in drawn
    assert (">102</text>" in drawn) is beyond
