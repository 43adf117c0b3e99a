"""Data and drawings of figures 8 to 12: points, intervals, the paper's values, and missing runs."""

import shlex

import numpy as np
import pytest
from click.testing import CliRunner

from lab.paper.accuracy import QUBITS, experiments
from lab.paper.catalogue import FIGURES
from lab.paper.measured import Experiment
from lab.paper.runs import read_runs
from lab.paper.selection import FigureRequest
from qllmft.cli.main import build_command
from qllmft_base.errors import UserError


def make_figure(request):
    """Return data and drawing of a figure."""
    figure = FIGURES[request.name]
    data = figure.data(request)
    return data, figure.draw(data)


@pytest.fixture
def figure(tmp_path):
    def make(name, **options):
        runs = tmp_path / "runs"
        return make_figure(FigureRequest(name, read_runs([runs]), runs, **options))

    return make


def hollow(axes):
    """Return (x, y) of the paper's markers."""
    (line,) = [line for line in axes.lines if line.get_marker() == "D"]
    assert line.get_markerfacecolor() == "white"
    return list(zip(line.get_xdata(), line.get_ydata(), strict=True))


@pytest.mark.parametrize(
    ("name", "preset", "published"),
    [
        ("8a", "single", [(10, 90.21), (12, 90.99), (14, 91.45), (18, 91.75)]),
        ("8b", "multi", [(10, 92.04), (14, 92.70), (18, 92.18)]),
    ],
)
def test_accuracy_over_qubits(made_run, figure, name, preset, published):
    for q in QUBITS:
        for seed in (0, 1):
            made_run(f"{preset}-{q}q", 700 + q + 10 * seed, 65, seed=seed, train__lr=2e-3)
            made_run(f"{preset}-{q}q", 600 + q, 60, seed=seed, train__lr=1e-3)
    data, drawing = figure(name)
    assert [(p.x, p.lr) for p in data.points] == [(q, 2e-3) for q in QUBITS]
    assert [p.accuracy.mean for p in data.points] == pytest.approx(
        [0.705 + q / 1000 for q in QUBITS]
    )
    np.testing.assert_allclose([p.others for p in data.points], [[0.6 + q / 1000] for q in QUBITS])
    assert list(data.parameters.values()) == (
        [353, 423, 493, 563, 633] if preset == "single" else [858, 872, 886, 900, 914]
    )
    (axes,) = drawing.axes
    assert hollow(axes) == published == list(data.published)
    (bars,) = axes.containers
    np.testing.assert_allclose(
        np.asarray(bars.lines[0].get_ydata(), float), [70.5 + q / 10 for q in QUBITS]
    )
    segment = bars.lines[2][0].get_segments()[0]
    assert segment[1][1] - segment[0][1] == pytest.approx(200 * data.points[0].accuracy.half_width)
    assert "%" in axes.get_ylabel()


def test_noise_has_three_curves_of_the_same_circumstances(made_run, figure):
    for i, preset in enumerate(("single", "noise-low", "noise-high")):
        for q in QUBITS:
            made_run(f"{preset}-{q}q", 800 - 10 * i)
    data, drawing = figure("11")
    assert [point.accuracy.mean for point in data.points if point.x == 10] == [0.8, 0.79, 0.78]
    assert [text.get_text() for text in drawing.legends[0].get_texts()][
        -1
    ] == "paper, no gate noise"
    assert "one seed" in drawing.get_supxlabel()


def test_missing_runs_are_named_with_their_commands(made_run, figure):
    made_run("single-10q", train__epochs=100)
    made_run("single-10q", seed=1, train__epochs=100)
    with pytest.raises(UserError) as caught:
        figure("8a")
    text = str(caught.value)
    assert text.startswith("figure 8a is incomplete under ")
    assert "--seed 0 | 1. Or draw the runs that exist: --partial." in text
    lines = text.splitlines()[1:]
    assert [line.split()[3] for line in lines] == [f"single-{q}q" for q in (12, 14, 16, 18)]
    assert (
        "single-12q --data /data/sst2 --body minilm --epochs 100 --no-baselines --out " in lines[0]
    )
    data, _ = figure("8a", partial=True)
    assert data.missing == ("single-12q", "single-14q", "single-16q", "single-18q")
    with pytest.raises(
        UserError,
        match=r"figure 8b has no run of the paper's experiment under [^\n]*\n  qllmft train --preset multi-10q "
        "--data /data/sst2 --body minilm --epochs 100 ",
    ):
        figure("8b", partial=True)


def test_the_commands_are_parsed_back_to_the_missing_runs(made_run, figure, monkeypatch):
    """Run the commands of the error, which make the missing runs."""
    made_run("single-14q", train__epochs=7)
    with pytest.raises(UserError) as caught:
        figure("9")
    configs = []

    def run_experiment(config, out, reporter, **personal):
        configs.append(config)
        raise KeyboardInterrupt

    monkeypatch.setattr("qllmft.api.run_experiment", run_experiment)
    commands = [shlex.split(line) for line in str(caught.value).splitlines()[1:]]
    assert len(commands) == 20
    for command in commands[:3]:
        CliRunner().invoke(build_command(), command[1:])
    expected = [e for e in experiments("9").values() if e.overrides][:3]
    for config, experiment in zip(configs, expected, strict=True):
        settings = {
            "train.epochs": 7,
            "body.model": "minilm",
            "data.source": "/data/sst2",
            "baselines.names": [],
        }
        assert config == Experiment(experiment.preset, {**experiment.overrides, **settings}).config


@pytest.mark.parametrize(
    ("settings", "choice"),
    [
        ({"train__epochs": 300}, "--where train.epochs=100"),
        ({"train__epochs": 100, "data": "other"}, "--where data.source=sst2"),
        ({"train__epochs": 100, "data__n_per_label": 64}, "--where data.n_per_label=64"),
    ],
)
def test_runs_of_different_circumstances_are_not_mixed(made_run, figure, settings, choice):
    made_run("multi-10q", train__epochs=100)
    made_run("multi-12q", **settings)
    with pytest.raises(
        UserError, match=r"would mix runs of different circumstances: (.*) Choose with"
    ) as caught:
        figure("8b", partial=True)
    assert f"Choose with {choice}, or with another --runs." in str(caught.value)


@pytest.mark.parametrize(
    ("name", "over", "curves", "labels"),
    [
        ("9", ("main_layers", range(2, 9)), ("reuploads", (4, 6, 8)), "R"),
        ("10", ("reupload_layers", (1, 2, 4)), ("main_layers", (2, 4, 6)), "M"),
    ],
)
def test_accuracy_over_layers(made_run, figure, name, over, curves, labels):
    grid = [(curve, x) for curve in curves[1] for x in over[1]]
    for curve, x in grid:
        for seed in (0, 1):
            settings = {f"model__{over[0]}": x, f"model__{curves[0]}": curve}
            made_run("single-14q", 800 + 10 * curve - x + seed, seed=seed, **settings)
    data, drawing = figure(name)
    assert {(p.curve, p.x): p.accuracy.mean for p in data.points} == {
        (f"${labels}$ = {curve}", x): pytest.approx((800.5 + 10 * curve - x) / 1000)
        for curve, x in grid
    }
    legend = [text.get_text() for text in drawing.legends[0].get_texts()]
    assert legend == [f"${labels}$ = {curve}" for curve in curves[1]]
    assert len(data.points[0].others) == 2


def test_layers_of_another_head_than_the_papers(made_run, figure):
    for curve in (2, 4, 6):
        for x in (1, 2, 4):
            settings = {"model__main_layers": curve, "model__reupload_layers": x}
            made_run("single-10q", 700 + 10 * curve + x, **settings)
    with pytest.raises(UserError, match="no run of the paper's experiment"):
        figure("10")
    data, _ = figure("10", preset="single-10q")
    assert {(p.curve, p.x): p.accuracy.mean for p in data.points} == {
        (f"$M$ = {curve}", x): pytest.approx((700 + 10 * curve + x) / 1000)
        for curve in (2, 4, 6)
        for x in (1, 2, 4)
    }
    assert data.circumstances.startswith("single-10q; ")


def test_the_learning_curves_of_every_seed(made_run, figure):
    for seed in (0, 1):
        made_run("multi-18q", seed=seed, curve=[(0.7 - 0.1 * seed, 0.5), (0.5, 0.75)])
    data, drawing = figure("12")
    assert data.curves[1].train_loss == (0.6, 0.5)
    loss, accuracy = drawing.axes
    np.testing.assert_allclose(loss.lines[-1].get_ydata(), [0.65, 0.5])
    np.testing.assert_allclose(accuracy.lines[-1].get_ydata(), [50, 75])
    with pytest.raises(UserError, match="figure 12 has no run of"):
        figure("12", preset="multi-14q")
    made_run("multi-14q")  # without its curve
    with pytest.raises(UserError, match="needs the curve of a run of multi-14q"):
        figure("12", preset="multi-14q")


def test_figure_5_has_the_papers_crossover():
    data, drawing = make_figure(FigureRequest("5"))
    assert data.crossover_qubits == 46
    assert [x for x, _ in hollow(drawing.axes[0])] == [46]
