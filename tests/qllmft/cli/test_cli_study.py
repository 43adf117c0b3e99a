"""`qllmft study`: the table on the console, progress, figure 11, and errors before any work."""

import json

import pytest
from rich.console import Console
from small_texts import write_reviews

from qllmft.cli import study_progress
from qllmft.cli.study_progress import StudyConsole, left
from qllmft.experiments.compare import STUDIES, Study, quick

SMALL = [
    part
    for pair in ("model.n_qubits=4", "model.encoder_qubits=5", "model.encoder_layers=2", "data.n_per_label=20")
    for part in ("--set", pair)
]


@pytest.fixture
def arguments(tmp_path, tiny_body):
    data = write_reviews(tmp_path / "reviews.tsv")
    return ["--data", data, "--body", tiny_body, "--epochs", 2, "--out", tmp_path / "study", *SMALL]


def test_table_4_with_two_seeds(cli, arguments, tmp_path):
    output, _ = cli("study", "table4", "--quick", "--seeds", 2, *arguments)
    words = " ".join(output.split())
    assert "4 runs run 1 of 4: Single sQE 14Q, seed 0 run 2 of 4: Single sQE 14Q, no final linear, seed 0" in words
    assert "2 epochs; 2 seeds, mean ± 95 % interval" in words
    assert "○ 91.45" in words
    assert "Single sQE 14Q, no final linear" in words
    assert all(len(line) <= 80 for line in output.splitlines() if "│" in line or "sQE" in line)
    record = json.loads((tmp_path / "study" / "study.json").read_text())
    assert record["verdict"].split(":")[0] in words
    assert record["command"].startswith("qllmft study table4 --quick --data ")
    output, _ = cli("study", "table4", "--quick", "--seeds", 2, *arguments)
    assert "4 runs, 4 of them finished already" in output
    assert "run 1 of" not in output
    page = tmp_path / "study" / "report.html"
    before = page.read_bytes()
    page.unlink()
    output, _ = cli("report", tmp_path / "study")
    assert output.strip() == str(page)
    assert page.read_bytes() == before
    output, _ = cli("study", "table4", "--quick", "--seeds", 3, *arguments)  # one seed more is two runs more
    assert "6 runs, 4 of them finished already" in output


def test_one_seed_has_no_interval(cli, arguments):
    output, _ = cli("study", "table4", "--seeds", 1, *arguments)
    words = " ".join(output.split())
    assert "1 seed, no interval" in words
    assert "Nothing can be said from one seed" in words
    assert "±" not in output


def test_figure_11(cli, arguments, tmp_path, monkeypatch):
    whole = STUDIES["fig11-small"]
    at_10 = [row for row in whole.rows if row.group == "10Q"]
    study = Study(whole.name, whole.title, whole.subject, whole.rival, tuple(at_10), seeds=2, epochs=2)
    monkeypatch.setitem(STUDIES, "fig11-small", study)
    output, _ = cli("study", "noise", "--preset", "fig11-small", *arguments)
    rows = json.loads((tmp_path / "study" / "study.json").read_text())["rows"]
    assert [(row["label"], len(row["test"]), len(row["test_exact"])) for row in rows] == [
        ("10Q, no noise", 2, 0),
        ("10Q, low noise", 2, 2),
        ("10Q, high noise", 2, 2),
    ]
    assert "<svg" in (tmp_path / "study" / "noise.svg").read_text()
    page = (tmp_path / "study" / "report.html").read_text()
    assert "without noise, %" in page
    assert page.count("<svg") == 1 + 1 + 4  # both noises' differences in one figure
    assert "paper, %" not in page + output + (tmp_path / "study" / "table.md").read_text()  # it prints no numbers
    assert "The figure is" in output


def test_figure_11_in_small_is_the_papers_noises():
    from qllmft.experiments.compare import jobs

    made = jobs(STUDIES["fig11-small"], {})
    assert len(made) == len({job.config.identity for job in made}) == 18
    assert {(j.config.model.n_qubits, j.config.noise.gates, j.config.noise.shots) for j in made} == {
        (q, n, s) for q in (10, 12) for n, s in (("none", 0), ("paper_low", 8192), ("paper_high", 8192))
    }
    assert {job.config.train.epochs for job in made} == {300}
    assert {job.config.rivals.names for job in made} == {()}
    assert len(quick(STUDIES["fig11"]).rows) == 6


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["table5"], "table5"),
        (["table2", "--preset", "fig11"], "--preset is for the study noise"),
        (["noise", "--preset", "fig12"], "there is no noise study 'fig12'"),
        (["table2", "--seeds", 0], "--seeds is 0; expected 1 or more"),
        (["table2", "--data", "nowhere.tsv"], "there is no file or folder"),
        (["table2", "--set", "seed=3"], "a study draws its own seeds"),
        (["table2", "--set", "noise.shots=9"], "the head is 'mlp'"),
        (["table2", "--epochs", 0], "train.epochs"),
    ],
)
def test_bad_input_ends_before_any_work(cli, no_work, tmp_path, words, message):
    _, messages = cli("study", *words, "--out", tmp_path / "study", code=2)
    assert message in " ".join(messages.split())
    assert not (tmp_path / "study").exists()


def test_an_interruption_says_how_to_go_on(cli, arguments, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("qllmft.experiments.compare.work.run_experiment", interrupted)
    output, _ = cli("study", "table4", *arguments, code=130)
    assert "The same command goes on" in output


def test_time_left_in_words():
    assert left(10, 0, 100) == ""
    assert left(60, 10, 20) == "about 1 min left"
    assert left(10, 10, 20) == "under a minute left"
    assert left(3600, 10, 40) == "about 3.0 h left"
    assert left(10, 30, 20) == "under a minute left"


def test_time_left_counts_this_calls_work_only(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(study_progress.time, "monotonic", lambda: now[0])
    watcher = StudyConsole(Console(width=80))
    watcher.runs(2, 0, 400.0)
    watcher.run("A", 0)
    watcher.worked(100.0, earlier=True)  # by a call that was killed
    now[0] = 120.0
    watcher.worked(100.0)
    watcher.run("B", 0)  # 200 of 400 are left, at 100 in two minutes
    assert "run 2 of 2: B, seed 0; about 4 min left" in capsys.readouterr().out


def test_bars_on_a_terminal():
    console = Console(force_terminal=True, width=100, record=True)
    with StudyConsole(console) as watcher:
        watcher.runs(4, 1, 100.0)
        watcher.run("Multi sQE 14Q", 0)
        with watcher.embedding(50, "minilm") as progress:
            progress(50)
        with watcher.training(10, 3) as report, watcher.fitting("SVC"):
            assert callable(report)
        watcher.worked(50.0)
        watcher._progress.refresh()
    text = console.export_text()
    for piece in (
        "4 runs, 1 of them finished already",
        "continuing after epoch 3 of 10",
        "run 2 of 4",
        "Multi sQE 14Q",
    ):
        assert piece in text
