"""Figure 11 from the rows of a study."""

from dataclasses import replace

import pytest
from test_studies_on_the_page import row, study

from lab.paper.accuracy import draw_accuracy, noise_figure
from qllmft_studies.record import write_record


def noise_study(*, test=(0.70, 0.72), **changes):
    """Return rows of figure 11 at 10 qubits, whose heads have 17 parameters, unlike the presets'."""
    rows = [
        row(p, "subject", test, p, runs=("0" * 12,) * 2, parameters=(17,) * 2)
        for p in ("single-10q", "noise-low-10q", "noise-high-10q")
    ]
    baseline = row(
        "SVC", "baseline", test, "svc", model="SVC", runs=("0" * 12,) * 2, parameters=(9,) * 2
    )
    return replace(study("fig11-small", *rows, baseline), seeds=(0, 1), **changes)


def test_figure_11_of_a_study_with_settings_of_its_own():
    """Check that rows are found by their presets, with any settings."""
    data = noise_figure(noise_study(settings={"train.lr": 0.05, "model.reuploads": 2}))
    assert data.parameters == {10: 17}
    assert [(p.x, p.accuracy.mean, p.lr) for p in data.points] == [
        (10, pytest.approx(0.71), 0.05)
    ] * 3
    drawing = draw_accuracy(data)
    assert [text.get_text() for text in drawing.legends[0].get_texts()] == [
        p.curve for p in data.points
    ]
    assert "sst2, body mpnet (768-d), 100 epochs; 2 seeds, bars: 95 % interval" in " ".join(
        drawing.get_supxlabel().split()
    )


def test_an_interval_of_a_hundred_points_does_not_set_the_scale():
    """Draw two seeds 16 points apart, 79 ± 103 by Student's t, whose interval runs out of the axes."""
    narrow, wide = (
        draw_accuracy(noise_figure(noise_study(test=test)))
        for test in ((0.78, 0.80), (0.709, 0.871))
    )
    assert "runs out" not in narrow.get_supxlabel()
    assert "wider than shown where it runs out of the axes" in " ".join(
        wide.get_supxlabel().split()
    )
    low, high = wide.axes[0].get_ylim()
    assert 55 < low < 59
    assert 99 < high < 103
    assert wide.axes[0].containers[0].lines[2][0].get_segments()[0][1][1] > 150, (
        "the bar itself is whole"
    )


def test_the_command_draws_a_study_in_place_of_runs(tmp_path, paper):
    write_record(tmp_path, noise_study(), {})
    file = tmp_path / "noise.svg"
    assert paper("figure", "11", "--study", tmp_path, "--out", file)[0].endswith(f"{file}\n")
    assert "<svg" in file.read_text()
