"""`qllmft study`: the table on the console, progress, figure 11."""

import json
import re
import shutil

import pytest
from command_ending import finish_command
from small_texts import write_reviews

from qllmft import UserError
from qllmft.cli.listener import ConsoleListener
from qllmft.events import CampaignAdvanced, RunEnded, RunStarted, stage
from qllmft.progress import left_text
from qllmft_studies import file, load_study, read_study, run_study

pytestmark = pytest.mark.usefixtures("few_penalties")

SMALL = (
    "--set model.n_qubits=4 --set model.encoder_qubits=5 --set model.encoder_layers=2 "
    "--set data.n_per_label=20 --epochs 2"
)


@pytest.fixture(scope="module")
def settings(tmp_path_factory, tiny_body):
    data = write_reviews(tmp_path_factory.mktemp("studies") / "reviews.tsv")
    return f"--data {data} --body {tiny_body} {SMALL}"


@pytest.fixture
def arguments(settings, tmp_path):
    return [settings, f"--out {tmp_path / 'study'}"]


@pytest.fixture(scope="module")
def table4(settings, tmp_path_factory):
    """The folder of a study of two seeds, its output and its messages."""
    path = tmp_path_factory.mktemp("studies") / "study"
    return path, *finish_command("study", "table4", "--quick --seeds 2", settings, "--out", path)


def test_table_4_with_two_seeds(cli, arguments, tmp_path, table4):
    folder, output, messages = table4
    shutil.copytree(folder, tmp_path / "study")
    words = " ".join((messages + output).split())
    assert "4 runs run 1 of 4: Single sQE 14Q, seed 0 Single sQE 14Q, seed 0: validation" in words
    assert re.sub(r"\d+ test", "60 test", words).index(
        "reviews.tsv: 34 training, 6 validation, 60 test texts. The paper's protocol draws"
    ) < words.index("4 runs run 1")
    assert "To divide all rows: --protocol split." in words
    time_left = r"(under a minute|about [\d.]+ (min|h)) left"
    assert re.search(rf"run 2 of 4: Single sQE 14Q, no final linear, seed 0, {time_left}", words)
    assert "2 epochs, 2 seeds, mean ± 95 % interval" in words
    assert "91.45" not in words, "the paper's number is of other texts"
    assert "Single sQE 14Q, no final linear" in words
    assert all(len(line) <= 80 for line in output.splitlines() if "│" in line or "sQE" in line)
    record = json.loads((tmp_path / "study" / "study.json").read_text())
    assert record["verdict"]["headline"] in words
    assert record["verdict"]["facts"]["difference"] in words
    assert record["command"].startswith("qllmft study table4 --quick --data ")
    _, messages = cli("study", "table4", "--quick --seeds 2", *arguments)
    assert "4 runs, 4 of them finished already" in messages
    assert "run 1 of" not in messages
    page = tmp_path / "study" / "report.html"
    content = page.read_bytes()
    page.unlink()
    assert cli("report", tmp_path / "study")[0].strip() == str(page)
    assert page.read_bytes() == content
    # one seed more is two runs more
    _, messages = cli("study", "table4", "--quick --seeds 3", *arguments)
    assert "6 runs, 4 of them finished already" in messages


def test_one_seed_has_no_interval(cli, arguments, tmp_path, table4):
    shutil.copytree(table4[0], tmp_path / "study")
    words = cli.words("study", "table4", "--seeds 1", *arguments)
    assert "2 runs, 2 of them finished already" in words
    assert "1 seed, no interval" in words
    assert "No conclusion from one seed" in words
    assert "±" not in words


def test_figure_11(cli, arguments, tmp_path, monkeypatch, table4):
    name, tree = file.read_campaign_file("fig11-small")
    small = {**tree, "rows": [row for row in tree["rows"] if row["group"] == "10Q"], "seeds": 2}
    monkeypatch.setattr(file, "read_campaign_file", lambda _: (name, small))
    output, _ = cli("study", "noise", "--preset fig11-small --set noise.shots=64", *arguments)
    rows = json.loads((tmp_path / "study" / "study.json").read_text())["rows"]
    noises = ("no gate noise", "low noise", "high noise")
    assert [row["label"] for row in rows] == [f"10Q, {noise}" for noise in noises]
    assert {len(row[name]) for row in rows for name in ("test", "test_exact")} == {2}
    page = (tmp_path / "study" / "report.html").read_text()
    assert "without noise, %" in page
    assert page.count("<svg") == 1 + 1 + 4  # both noises' differences in one figure
    # it prints no numbers
    assert "paper, %" not in page + output + (tmp_path / "study" / "table.md").read_text()
    folder = tmp_path / "study"
    cli("study", "noise", "--from-predictions", folder, "--out", tmp_path / "again")
    assert (tmp_path / "again" / "table.md").read_bytes() == (folder / "table.md").read_bytes()
    words = ("--from-predictions", folder, "--out", table4[0])
    assert "has the record of another study" in cli.refused("study", "noise", *words)


def test_python_and_the_command_leave_the_same_folder(cli, settings, tmp_path, monkeypatch):
    """And either continues what the other one began."""
    file = tmp_path / "mine.toml"
    file.write_text(
        'title = "Mine"\nsubject = "head"\nbaseline = "baseline"\nseeds = 1\n'
        '[[rows]]\nlabel = "Head"\nside = "subject"\npreset = "multi-10q"\n'
        '[[rows]]\nlabel = "SVC"\nside = "baseline"\npreset = "multi-10q"\nclassical = "svc"\n'
    )
    monkeypatch.chdir(tmp_path)
    by_command = tmp_path / "studies" / "mine"  # where no option names another
    in_python = tmp_path / "python"
    assert "Mine" in cli("study", file, settings)[0]
    record = read_study(by_command)
    words = settings.split()
    study_settings = {**record.settings, "body.model": words[words.index("--body") + 1]}
    python_record = run_study(load_study(str(file)), in_python, study_settings, record.command)
    assert python_record == record
    names = [
        sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))
        for folder in (by_command, in_python)
    ]
    assert names[0] == names[1]
    for name in ("study.json", "table.md", "report.html", "plan-file.json"):
        assert (in_python / name).read_bytes() == (by_command / name).read_bytes()
    assert str(in_python / "report.html") in cli("report", in_python)[0]
    assert "1 of them finished already" in cli("study", file, settings, "--out", in_python)[1]
    with pytest.raises(UserError, match="is of the study"):
        run_study(load_study("table4"), in_python, {}, "again")


def test_the_list_has_every_study(cli):
    output, _ = cli("study", "--list")
    for row in ("table2 14 12", "fig11 15 6", "table4 2 2"):
        assert row in [" ".join(line.split()[:3]) for line in output.splitlines()]


def test_ctrl_c_in_a_study_says_how_to_go_on(cli, arguments, monkeypatch):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("qllmft_studies.local.run_tracked", interrupt)
    output, messages = cli("study", "table4", "--protocol split", *arguments, code=130)
    assert "Interrupted. The same command continues." in output
    assert "interrupted" not in output + messages
    assert "by the paper's protocol" not in messages


def test_time_left_in_words():
    assert left_text(None) == ""
    assert left_text(59) == "under a minute left"
    assert left_text(90) == "about 2 min left"
    assert left_text(10800) == "about 3.0 h left"


def test_bars_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    with ConsoleListener(campaign=True) as listener:
        listener(CampaignAdvanced(4, 1, 0.2))
        listener(RunStarted("Multi sQE 14Q, seed 0"))
        with stage(listener, "embedding", "minilm", 50) as advance:
            advance(50)
        for name, total, done in (("training", 10, 3), ("fitting", 0, 0)):
            with stage(listener, name, "SVC", total, done):
                pass
        listener(CampaignAdvanced(4, 1, 0.5, 0.75, 600.0))
        listener(RunEnded("Multi sQE 14Q, seed 0", 0.7))
        listener._bars.refresh()
    text = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().err)
    for piece in (
        "4 runs, 1 of them finished already",
        "continuing after epoch 3 of 10",
        "1 of 4 runs",
        "Multi sQE 14Q, seed 0",
        "about 10 min left, best 75.00 %",
    ):
        assert piece in text
