"""`qllmft sweep` as a person calls it: its output."""

import json
import re
import shutil
from pathlib import Path

import pytest
from command_ending import finish_command
from small_job import set_options

from qllmft.run import RunFolder
from qllmft_studies.runs import FinishedRun, collect, rank

pytestmark = pytest.mark.usefixtures("few_penalties")

SMALL = {
    "data.n_per_label": 20,
    "model.n_qubits": 4,
    "model.encoder_layers": 2,
    "noise.shots": 0,
    "train.lr": 0.02,
    "train.epochs": 2,
    "model.main_layers": 2,
}

SETTINGS = set_options(SMALL)


def results(folder):
    """The ranking of a sweep, from the folders of its runs alone."""
    return rank(collect(FinishedRun.read(RunFolder(path)) for path in folder.glob("runs/*")))


def arguments(run, out):
    """Of a small sweep over re-uploading layers."""
    return ["sweep", "table-11", "--data", run.data, "--body", run.body, "--out", out, *SETTINGS]


@pytest.fixture
def sweep(cli, run, tmp_path):
    """The small sweep into the folder ``sweep``; more arguments follow."""

    def call(*options, code=0):
        return cli(*arguments(run, tmp_path / "sweep"), *options, code=code)

    return call


@pytest.fixture(scope="module")
def swept(run, tmp_path_factory):
    """The folder of the small sweep, by one process."""
    folder = tmp_path_factory.mktemp("sweeps") / "sweep"
    finish_command(*arguments(run, folder), "--jobs 1")
    return folder


def test_a_sweep_tells_of_each_trial_and_of_the_winner_and_another_one_shares_its_runs(
    sweep, tmp_path
):
    output, messages = sweep("--seeds 2")
    assert (
        "table-11: table XI, re-uploading layers and main layers (figure 10). grid, 3 trials, 2 seeds each"
        in output
    )
    assert (
        "6 runs\nrun 1 of 6: reupload_layers 1, seed 0\nreupload_layers 1, seed 0: validation"
        in messages
    )
    for n in range(2, 7):
        assert f"\nrun {n} of 6: reupload_layers " in messages
    searched = messages[: messages.index(", test, ")]
    assert searched.count("under a minute left") == 5
    assert searched.count("left, best ") == 4  # of a configuration whose seeds are done
    assert "the best 3 of 3 configurations, by validation" in output
    best = results(tmp_path / "sweep")[0]
    low, high = best.test.interval
    assert (
        f"Its test accuracy: {100 * best.test.mean:.2f} % [95 % interval {100 * low:.1f}, {100 * high:.1f}]"
        in output
    )
    assert "mean of 2 seeds" in output
    assert "the highest of 3 and so too high an estimate" in " ".join(output.split())
    layers = best.settings["model.reupload_layers"]
    assert f"Winner by validation: model.reupload_layers = {layers}." in output
    winner = tmp_path / "sweep" / "runs" / best.runs[0].record.identity
    assert f"The winner's run is {winner}." in output.replace("\n", "")
    assert (tmp_path / "sweep" / "report.html").exists()
    tested = {path.parent.name for path in tmp_path.glob("sweep/runs/*/result.json")}
    # two seeds of the best of each row: with main_layers and lr fixed, of every configuration
    assert len(tested) == 6
    assert winner.name in tested

    second_output, messages = sweep("--seeds 2")
    assert "6 runs, 6 of them finished already" in messages
    assert (
        second_output[second_output.index("the best 3") :] == output[output.index("the best 3") :]
    )

    times = {path: path.stat().st_mtime_ns for path in tmp_path.glob("sweep/runs/*/checkpoint/*")}
    # another search in the same folder shares the runs
    output, _ = sweep("--sampler tpe --trials 4")
    assert "tpe, 4 trials" in output
    assert "trials repeated a configuration and took its value" in output
    assert {
        path: path.stat().st_mtime_ns for path in tmp_path.glob("sweep/runs/*/checkpoint/*")
    } == times


@pytest.mark.usefixtures("forked_workers")
def test_several_processes_find_what_one_finds(sweep, swept, tmp_path):
    sweep("--jobs 2")
    by_one = results(swept)
    by_two = results(tmp_path / "sweep")
    assert len(by_one) == 3
    assert [(trial.settings, trial.validation, trial.validation_loss) for trial in by_one] == [
        (trial.settings, trial.validation, trial.validation_loss) for trial in by_two
    ]
    assert [trial.tested for trial in by_one] == [trial.tested for trial in by_two]
    assert "Omit one of them" in sweep("--jobs 2 --ray auto", code=2)[1]


def test_ctrl_c_in_a_sweep_says_how_to_go_on(sweep, tmp_path, monkeypatch):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("qllmft_studies.local.run_tracked", interrupt)
    output, messages = sweep(code=130)
    message = (
        f"Interrupted. The same command continues. The runs are in {tmp_path / 'sweep' / 'runs'}."
    )
    assert message in output.replace("\n", " ")
    assert "interrupted" not in output + messages


def test_uneven_labels_are_ranked_by_balanced_accuracy(cli, run, tmp_path):
    file = tmp_path / "texts.tsv"
    rows = [f"a {'poor' if i % 5 == 0 else 'fine'} film of {i} minutes" for i in range(100)]
    labels = ["bad" if i % 5 == 0 else "good" for i in range(100)]
    pairs = [f"{text}\t{label}" for text, label in zip(rows, labels, strict=True)]
    file.write_text("\n".join(["text\tlabel", *pairs]))
    folder = tmp_path / "sweep"
    arguments = ["--data", file, "--body", run.body, "--out", folder, "--protocol split"]
    arguments += set_options({name: SMALL[name] for name in SMALL if name != "data.n_per_label"})
    output, _ = cli("sweep", "table-11", *arguments)
    runs = [FinishedRun.read(RunFolder(path)) for path in folder.glob("runs/*")]
    balanced = {run.record.identity: run.record.head.validation_balanced for run in runs}
    assert None not in balanced.values()
    winner = re.search(r"The winner's run is (\S+)\.", output.replace("\n", ""))[1].split("/")[-1]
    assert balanced[winner] == max(balanced.values())
    words = " ".join(output.split())
    assert (
        f"Its balanced validation accuracy, {100 * balanced[winner]:.2f} %, is the highest" in words
    )
    test = RunFolder(folder / "runs" / winner).read_result().head.test_classes.balanced
    assert f"Its balanced test accuracy: {100 * test:.2f} %." in words


def test_the_best_of_each_row_is_tested_and_drawn(cli, paper, run, tmp_path):
    """Two widths and two learning rates: of each width the better rate has a test result, and the figure has both."""
    file = tmp_path / "mine.toml"
    file.write_text(
        'title = "ours"\ntable = "VI"\npreset = "single-10q"\nrows = ["model.n_qubits"]\n'
        '[[parameters]]\nsetting = "model.n_qubits"\nvalues = [10, 12]\n'
        '[[parameters]]\nsetting = "train.lr"\nvalues = [1e-3, 5e-2]\n'
    )
    arguments = [
        f"--data {run.data} --body {run.body} --per-label 20 --epochs 2 --out {tmp_path / 'sweep'}"
    ]
    output, _ = cli("sweep", file, *arguments)
    ranking = results(tmp_path / "sweep")
    by_row = [[r for r in ranking if r.settings["model.n_qubits"] == n] for n in (10, 12)]
    rows = [trials[0] for trials in by_row]
    tested = {path.parent.name for path in tmp_path.glob("sweep/runs/*/result.json")}
    assert tested == {row.runs[0].record.identity for row in rows}
    assert {trial.settings["train.epochs"] for trial in ranking} == {2}
    assert ranking[0] in rows
    table = output[output.index("the best of each row") :]
    published = (90.21, 90.99)
    for trials, row, number in zip(by_row, rows, published, strict=True):
        assert len(trials) == 2
        assert row.validation[0] == max(trial.validation[0] for trial in trials)
        assert f"{100 * row.test.mean:.2f} % [" in table
        assert f"{number:.2f} %" not in table, "the paper's number is of other texts"
    runs = ("--runs", tmp_path / "sweep")
    out = ("--out", tmp_path / "f.svg")
    points = json.loads(paper("figure", "8a", *runs, "--partial", *out, "--json")[0])["points"]
    expected = [
        (row.settings["model.n_qubits"], row.test.mean, row.settings["train.lr"]) for row in rows
    ]
    assert [(point["x"], point["accuracy"]["mean"], point["lr"]) for point in points] == expected
    page, _ = paper("page", "--runs", tmp_path / "sweep")
    assert f"| runs left out: other texts, {Path(run.data).name} | 2 |" in page
    for number in published:
        assert re.search(rf"\| {number:.2f} \| — \| — \|", page)


@pytest.mark.parametrize("option", ["--quick", "--trials 3", "--out x", "--jobs 2", "--epochs 3"])
def test_an_option_that_a_baselines_grid_does_not_use_is_refused(cli, run, option):
    message = cli.refused("sweep", "table-08", "--data", run.data, "--body", run.body, option)
    assert "table-08 is a grid of seconds in one process. Give --data" in message


def test_a_baselines_grid_has_the_settings_of_its_file(cli, run, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('title = "Mine"\ngrid_of = "svc"\nsettings.data.n_per_label = 20\n')
    arguments = ["--data", run.data, "--body", run.body]
    output, _ = cli("sweep", file, *arguments)
    named, _ = cli("sweep", "table-08", *arguments, "--set data.n_per_label=20")
    assert "the whole grid of table VIII" in named
    assert "gamma = " in named
    assert output.splitlines()[-2] == named.splitlines()[-2]


def test_a_ranking_without_kept_losses_is_printed(sweep, swept, tmp_path):
    shutil.copytree(swept, tmp_path / "sweep")
    output, _ = sweep()
    for file in (tmp_path / "sweep").glob("runs/*/metrics.jsonl"):
        file.unlink()
    repeated = sweep()[0]
    assert repeated[repeated.index("Winner by") :] == output[output.index("Winner by") :]


def test_the_list_has_every_table(cli):
    output, _ = cli("sweep", "--list")
    for name, table in (("table-06", "VI"), ("table-13", "XIII"), ("table-15", "XV")):
        assert any(line.split()[:2] == [name, table] for line in output.splitlines())


def test_the_plan_alone_trains_nothing(sweep, tmp_path):
    output, _ = sweep("--plan-only")
    assert "grid, 3 trials" in output
    assert "its epochs take about" in output
    assert not (tmp_path / "sweep").exists()


def test_a_cluster_that_is_not_there(sweep, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setattr("ray.init", unreachable)
    for address, reason in (("127.0.0.1:1", "Connection refused"), ("auto", "no answer")):
        _, errors = sweep("--ray", address, code=2)
        assert f"--ray {address}: the cluster cannot be reached ({reason})" in errors


def unreachable(*arguments, **options):
    raise ConnectionError("no answer\nmore of it")
