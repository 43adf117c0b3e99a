"""`qllmft train`: from a table of texts to a run's folder and a table of results."""

import errno
import json
import tomllib

import pytest
import small_job
from command_line import result_of
from small_texts import write_reviews

from qllmft.cli.options import build_config
from qllmft.config import parse_config
from qllmft.config.settings import parse_settings
from qllmft.data import read_corpus, split_corpus
from qllmft.run import RunFolder
from qllmft.run.record import RunRecord
from qllmft.run.verdict import next_step, verdict_as_dict


def without_verdict(output):
    """The record that ``--json`` prints, after its verdict was checked."""
    record = json.loads(output)
    printed = record.pop("verdict")
    models = RunRecord.from_json(record, "the output").models
    assert printed["next_step"].startswith("Next: ")
    assert printed == verdict_as_dict(models, next_step=printed["next_step"])
    return record


def read_config(folder):
    return parse_config(tomllib.loads((folder / "config.toml").read_text()), "config.toml")


def test_a_run_leaves_its_folder(run):
    names = {path.name for path in (run.path / "model").iterdir()}
    assert names >= {"model.safetensors", "model.json"}
    config = read_config(run.path)
    assert (config.data.source, config.body.model) == (str(run.data), str(run.body))
    assert (config.train.epochs, config.train.lr) == (small_job.EPOCHS, 0.05)
    assert config.data.n_per_label == 20
    assert (config.model.n_encoders, config.model.pad, config.model.n_qubits) == (2, "bias", 4)
    assert config.identity == run.result["identity"]
    assert min(model["test"]["value"] for model in run.result["models"]) > 0.7, "the heads learn"


def test_training_prints_its_progress_and_a_table(run, cli, tmp_path):
    output, messages = cli(*run.arguments(tmp_path / "again"))
    table, splits, *_ = messages.splitlines()
    assert table == "reviews.tsv: 80 rows, tabs, columns text, label"
    assert splits.startswith(
        "80 rows: 34 training, 6 validation, 40 test (all but 20 random texts per label)."
    )
    assert "80 texts with" in messages
    assert f"epoch {small_job.EPOCHS}/{small_job.EPOCHS}  loss 0." in messages
    assert "34 training, 6 validation, 40 test texts" in " ".join(output.split())
    for model in run.result["models"]:
        line, *_ = (line for line in output.splitlines() if line.strip().startswith(model["name"]))
        assert f"{100 * model['test']['value']:.2f} % [" in line
        assert f"{100 * model['validation']['value']:.1f} %" in line
        assert f" {model['parameters']} " in line
    path = tmp_path / "again"
    assert output.splitlines()[-1] == f"Predict: qllmft predict {path} 'your text'"
    folder = RunFolder(path)
    record = folder.read_result()
    rows = [model.name for model in record.models]
    step = next_step(record, folder.read_config(), str(path), rows)
    assert step.startswith("Next: ")
    assert set(step.splitlines()) <= set(output.splitlines())
    for file in ("model/model.safetensors", "config.toml"):  # the same to the bit
        assert (path / file).read_bytes() == (run.path / file).read_bytes()


def test_the_second_call_says_that_the_run_is_finished(run, cli, no_work):
    output, messages = cli(*run.arguments())
    assert f"This run is finished already. Its record is {run.path}/result.json." in " ".join(
        messages.split()
    )
    assert "quantum head" in output
    assert "epoch 1/" not in messages
    output, messages = cli(*run.arguments(), "--json")
    assert without_verdict(output) == run.result
    assert "finished already" in messages


def test_a_runs_own_configuration_gives_the_same_run(run, cli, tmp_path):
    output, messages = cli(
        "train", "--config", run.path / "config.toml", "--out", tmp_path / "copy", "--json"
    )
    assert without_verdict(output) == result_of(tmp_path / "copy")
    assert json.loads(output)["identity"] == run.result["identity"]
    assert "epoch 1/6" in messages
    weights = "model/model.safetensors"
    assert (tmp_path / "copy" / weights).read_bytes() == (run.path / weights).read_bytes()


def test_the_folder_is_named_after_the_identity_and_embeddings_come_from_the_cache(
    run, cli, tmp_path, monkeypatch
):
    monkeypatch.delattr("sentence_transformers.SentenceTransformer")
    monkeypatch.chdir(tmp_path)
    arguments = run.arguments()
    at = arguments.index("--out")
    del arguments[at : at + 2]
    result = cli.json(*arguments, "--seed 1 --epochs 1 --no-baselines")
    assert (result["seed"], sum(result["data"]["sizes"].values())) == (1, 80)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [result["identity"]]


def test_columns_protocol_and_seed_reach_the_run(run, cli, tmp_path):
    for split, n in (("train", 15), ("test", 5)):
        file = write_reviews(tmp_path / f"{split}.tsv", n)
        file.write_text(file.read_text().replace("label\ttext", "stars\treview"))
    arguments = run.arguments(tmp_path / "out")
    arguments[arguments.index("--per-label") + 1] = "14"
    data = f"--data {tmp_path} --text-column review --label-column stars --protocol given"
    result = cli.json(*arguments, data, "--seed 3 --batch-size 8 --epochs 1 --no-baselines")
    assert result["data"]["sizes"] == {"train": 23, "validation": 5, "test": 10}
    config = read_config(tmp_path / "out")
    assert (config.seed, config.train.batch_size, config.train.epochs) == (3, 8, 1)
    splits = split_corpus(read_corpus(config.data), config.data, config.seed)
    assert splits.sizes == result["data"]["sizes"]


@pytest.mark.parametrize(
    ("pair", "value"),
    [
        ("train.epochs=7", 7),
        ("train.lr=3e-3", 0.003),
        ("model.ring=false", False),
        ("baselines.names=['svc']", ["svc"]),
        ("data.source=my file.tsv", "my file.tsv"),
        ("data.source=a=b", "a=b"),
        ('data.text_column="7"', "7"),
        ("data.source=", ""),
    ],
)
def test_a_setting_is_toml_where_it_can_be_else_text(pair, value):
    (setting,) = parse_settings([pair]).items()
    assert setting == (pair.split("=")[0], value)


def test_options_go_before_the_files_settings(tmp_path):
    (tmp_path / "mine.toml").write_text("[train]\nepochs = 5\nlr = 0.5\n[backend.options]\na = 1\n")
    overrides = {"train.epochs": 9, "backend.options.b": 2, "seed": 4}
    config = build_config(None, tmp_path / "mine.toml", overrides)
    assert (config.train.epochs, config.train.lr, config.seed) == (9, 0.5, 4)
    assert config.backend.options == {"a": 1, "b": 2}
    assert config.train.lr_decay == 1.0, "a file stands in the preset's place"


def test_a_finished_run_whose_page_cannot_be_written_shows_its_table(
    run, cli, no_work, monkeypatch, copy
):
    def refuse(path):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("qllmft.report.write_report", refuse)
    output, messages = cli(*run.arguments())
    words = " ".join(output.split())
    assert "logistic regression" in words
    assert "The report cannot be written: Read-only file system." in messages
    assert f"Report: {run.path}/report.html" in words
    output, messages = cli(*run.arguments(), "--json")
    assert without_verdict(output) == run.result
    assert "The report cannot be written" in messages
    (copy / "report.html").unlink()
    output, messages = cli(*run.arguments(copy), code=2)
    assert "logistic regression" in output
    assert f"{copy} has no report. Make room there, then run: qllmft report {copy}" in messages
