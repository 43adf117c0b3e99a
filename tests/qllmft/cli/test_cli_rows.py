"""Other rows of a run's table as models, sets of labels and unlike texts, and folds, by the command line."""

import json
import re
import shlex
import shutil
import tomllib
from dataclasses import dataclass, replace
from html import unescape
from pathlib import Path

import pytest
from command_ending import finish_command
from command_line import result_of, words_of
from stopped_runs import without_seconds

import qllmft
from qllmft.config import RunConfig
from qllmft.inference import Predictor
from qllmft.inference.run_texts import texts_of_run
from qllmft.run.lock import sole_use

TEXTS = ["a good and lovely film", "an awful , dull plot"]


def row(run, name):
    return next(model for model in run.result["models"] if model["name"] == name)


@pytest.fixture
def names(run):
    return [model["name"] for model in run.result["models"]]


def test_every_row_answers_the_test_texts_as_in_the_table(run, cli, names):
    for name in names[1:]:
        evaluation = cli.json("evaluate", run.path, "--model", name)
        assert evaluation["accuracy"]["right"] == row(run, name)["test"]["right"], name
    assert len(names) > 2


def test_a_row_is_kilobytes_without_a_pickle_and_its_python_is_the_same(run, cli):
    name = run.result["models"][1]["name"]
    files = list((run.path / "models").rglob("*"))
    assert {file.suffix for file in files if file.is_file()} == {".json", ".safetensors"}
    model = qllmft.load(run.path, model=name)
    printed = cli.records("predict", run.path, "--model", name, *TEXTS)
    assert [answer["label"] for answer in printed] == [
        answer.label for answer in model.predict(TEXTS)
    ]
    assert repr(model).startswith(f"<Predictor of {run.path} ({name})")


def test_best_is_the_row_with_the_highest_validation_score(run, cli):
    scores = {model["name"]: model["validation"]["value"] for model in run.result["models"]}
    best = max(scores, key=scores.get)
    _, messages = cli("predict", run.path, "--model best", TEXTS[0])
    head = run.result["models"][0]["name"]
    assert (
        messages.splitlines()[0]
        == f"Selected on validation: {'the head' if best == head else best}"
    )


def test_the_card_of_a_row_is_about_that_row(run, cli, names):
    card, _ = cli("push", run.path, "me/mine", "--dry-run --model", names[-1])
    assert "# Classical text classifier" in card
    assert f"the `{names[-1]}` " in card
    rows = [line for line in card.splitlines() if line.startswith("| `")]
    assert rows[0].startswith(f"| `{names[-1]}` |")


def test_the_card_of_a_row_has_neither_epoch_nor_parts_of_the_head(run, cli, names):
    for name in names:
        card, _ = cli("push", run.path, "me/mine", "--dry-run --model", name)
        of_head = name == names[0]
        model = row(run, name)
        assert (f"Seed 0, epoch {run.result['selected_epoch']}." in card) == of_head
        assert ("| head |" in card) == of_head
        reproduction = f"then the model `{name}` of {model['parameters']:,} parameters"
        assert (reproduction in card) != of_head
        assert ("`C` = " in card) == ("C" in model["settings"])


def test_the_coverage_of_the_test_texts_is_counted(run, cli):
    evaluation = cli.json("evaluate", run.path, "--coverage 0.8")
    _, _, splits = texts_of_run(run.path)
    answers = Predictor.load(run.path).predict(splits.test.texts, coverage=0.8)
    names = run.result["data"]["labels"]
    right = sum(
        names[y] in answer.labels for y, answer in zip(splits.test.labels, answers, strict=True)
    )
    assert evaluation["covered"]["right"] == right
    assert evaluation["single"] == sum(len(answer.labels) == 1 for answer in answers)


def test_texts_unlike_the_training_texts_are_marked_with_the_rate_on_validation(run, cli):
    output, messages = cli("predict", run.path, "--novelty 0.2", *TEXTS, "q w e r t y 9 9 9")
    marked = sum("out of distribution" in line for line in output.splitlines())
    assert f"{marked} of 3 texts are out of distribution" in messages
    assert re.search(r"Of the validation texts [\d.]+ % are\.", messages)


@dataclass(frozen=True)
class Folds:
    """A finished cross-validation in three folds, and the words of its command."""

    path: Path
    arguments: list[str]
    messages: str = ""

    @property
    def pooled_record(self):
        return json.loads((self.path / "folds.json").read_text())


@pytest.fixture(scope="module")
def folds(run, tmp_path_factory):
    path = tmp_path_factory.mktemp("cross-validations") / "folds"
    cross_validation = Folds(path, words_of([*run.arguments(path), "--protocol split --folds 3"]))
    return replace(cross_validation, messages=finish_command(*cross_validation.arguments)[1])


def test_folds_test_every_row_once(folds):
    runs = [result_of(folds.path / f"fold-{i}") for i in (1, 2, 3)]
    assert sum(record["data"]["sizes"]["test"] for record in runs) == 80
    for i, model in enumerate(folds.pooled_record["models"]):
        parts = [record["models"][i] for record in runs]
        for split, total in (("test", 80), ("validation", 18)):
            right = sum(part[split]["right"] for part in parts)
            assert (model[split]["right"], model[split]["total"]) == (right, total), model["name"]
    heads = [record["models"][0] for record in runs]
    control = folds.pooled_record["models"][0]["without_circuit"]
    for split in ("test", "validation"):
        right = sum(head["without_circuit"][split]["right"] for head in heads)
        assert control[split]["right"] == right
    gained = sum(head["without_circuit"]["gain"] * head["test"]["total"] for head in heads)
    assert control["gain"] == pytest.approx(gained / 80)


def test_the_same_command_prints_the_table_of_all_folds_and_how_to_use_one(folds, cli):
    output, messages = cli(*folds.arguments)
    assert re.sub(r"validation [\d.]+ %", "validation", messages).splitlines() == [
        f"fold {number} of 3: validation, finished before" for number in (1, 2, 3)
    ]
    printed = " ".join(output.split())
    sizes = "in 3 folds of about 34 training, 6 validation, 27 test texts"
    assert f"reviews.tsv: 80 texts {sizes}" in printed
    assert "epoch" not in printed.split(" model ")[0]
    assert "no circuit (ablation)" in printed
    assert "One seed over 3 folds" in printed
    assert "One split" not in printed
    times, report, command, note = output.splitlines()[-4:]
    assert times.startswith("Time: ")
    assert report == f"Report: {folds.path / 'report.html'}"
    words = shlex.split(command.removeprefix("Predict: qllmft "))
    assert words[:2] == ["predict", str(folds.path / "fold-1")]
    assert words[-1] == "your text"
    if words[2] == "--model":  # the best row on validation
        assert words[3] in {model["name"] for model in folds.pooled_record["models"][1:]}
    assert cli(*words)[0]
    sentence = "Each of the 3 folds has a model. For one model, run the command without --folds"
    assert note == f"{sentence} and with another --out."


def test_a_fold_has_one_line_and_the_table_of_labels_is_shown_once(folds):
    lines = folds.messages.splitlines()
    assert sum(line.startswith("label ") for line in lines) == 1
    assert sum(" rows: " in line for line in lines) == 1
    numbers = [line.partition(":")[0] for line in lines if line.startswith("fold ")]
    assert numbers == [f"fold {number} of 3" for number in (1, 2, 3)]
    assert not re.search("^(epoch|fitting|embedded) ", folds.messages, re.MULTILINE)


def test_all_folds_have_a_report_that_leads_to_those_of_the_folds(folds, cli):
    file = folds.path / "report.html"
    page = file.read_text()
    assert '<h1 id="verdict">' in page
    assert "on 80 test texts</h1>" in page
    assert "One seed over 3 folds" in page
    assert "Other seeds are not covered." in page
    for name in (model["name"] for model in folds.pooled_record["models"]):
        assert f'<th scope="row">{name}</th>' in page
    for address in re.findall(r'href="([^"#]+)"', page):
        assert (folds.path / address).is_file()
    assert page.count('/report.html">fold-') == 3
    sections = re.findall(r'<h2 id="[^"]+">([^<]+)</h2>', page)
    assert sections == [
        *("Results", "Comparisons", "Folds", "Errors"),
        *("Configuration", "The head&#39;s circuit", "Run it again", "Data and software"),
    ]
    wrong = 80 - folds.pooled_record["models"][0]["test"]["right"]
    assert f"{wrong} of 80 test texts" in page
    file.unlink()
    assert cli("report", folds.path)[0] == f"{file}\n"
    assert file.read_text() == page


def test_the_configuration_on_the_page_of_folds_makes_them_again(folds):
    page = (folds.path / "report.html").read_text()
    text = re.search(r'aria-label="config.toml">(.*?)</pre>', page, re.DOTALL)[1]
    config = RunConfig.model_validate(tomllib.loads(unescape(text)))
    assert config.identity == folds.pooled_record["identity"]


def test_the_report_of_folds_needs_all_of_them_and_explains_no_text(folds, cli, tmp_path):
    message = cli.refused("report", folds.path, "--explain 1")
    assert "--explain needs one model" in message
    assert f"such as {folds.path / 'fold-1'}." in message
    path = shutil.copytree(folds.path, tmp_path / "folds")
    (path / "fold-2" / "predictions.json").unlink()
    cli("report", path)
    assert "no predictions.json in the folder of a fold" in (path / "report.html").read_text()
    (path / "folds.json").unlink()
    (path / "fold-3" / "result.json").unlink()
    message = cli.refused("report", path)
    assert f"{path / 'folds.json'} is missing, and 2 of 3 folds are finished." in message
    assert "Run the same qllmft train command again." in message


@pytest.mark.parametrize(
    "words",
    [
        "predict FOLDER text",
        "explain FOLDER text",
        "push FOLDER me/mine",
    ]
    + [f"{name} FOLDER" for name in ("evaluate", "serve", "export", "verify", "analyse", "info")],
)
def test_a_command_on_one_run_names_those_of_the_folds(folds, cli, words):
    arguments = [folds.path if word == "FOLDER" else word for word in words.split()]
    message = cli.refused(*arguments)
    assert (
        f"{folds.path} holds 3 folds, each a run of its own. Give one of them, such as" in message
    )
    assert f"{folds.path / 'fold-1'}." in message


def test_a_fold_without_its_answers_is_named_with_the_remedy(folds, cli, tmp_path):
    path = shutil.copytree(folds.path, tmp_path / "folds")
    (path / "fold-2" / "predictions.json").unlink()
    arguments = [path if word == str(folds.path) else word for word in folds.arguments]
    assert f"{path / 'fold-2' / 'predictions.json'} is missing" in cli.refused(*arguments)
    for file in (path / "fold-2" / "result.json", path / "report.html"):
        file.unlink()
    printed = cli.json(*arguments)
    assert "on 80 test texts" in printed["verdict"]["headline"]
    assert printed["data"]["folds"] == 3
    assert (path / "report.html").is_file()
    restored, straight = (
        json.loads((folder / "folds.json").read_text()) for folder in (path, folds.path)
    )
    assert without_seconds(restored) == without_seconds(straight)


def test_folds_are_listed_and_deleted_together(folds, cli, tmp_path):
    folder = shutil.copytree(folds.path, tmp_path / "folds")
    (listed,) = cli.json("runs", tmp_path)
    accuracy = f"{100 * folds.pooled_record['models'][0]['test']['value']:.1f}"
    assert (listed["name"], listed["data"]) == ("folds", "reviews.tsv, 3 folds")
    assert listed["test"] == accuracy
    (folder / "folds.json").unlink()
    shutil.rmtree(folder / "fold-3")
    assert cli.json("runs", tmp_path)[0]["test"] == "2 of 3 folds"
    with sole_use(folder / "fold-2", None):
        assert "another process works on" in cli.refused("runs", "--delete", folder, "--yes")
    (folder / "notes.txt").write_text("mine")
    assert "Its other files are still there" in cli("runs", "--delete", folder, "--yes")[0]
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_a_server_answers_and_explains_by_the_names_that_the_commands_take(run, cli, names):
    pytest.importorskip("fastapi", reason="fastapi is not installed: pip install '.[serve]'")
    from starlette.testclient import TestClient

    from qllmft_doors.serving.app import make_app
    from qllmft_doors.serving.model import ServedModel

    model = ServedModel(Predictor.load(run.path), run.path)
    model.load()
    with TestClient(make_app(model), base_url="http://127.0.0.1:8000") as client:
        facts = client.get("/health").json()["model"]
        for name in [*names, "best"]:
            answer = client.post("/predict", json={"texts": TEXTS, "model": name}).json()
            predictions = [
                answer.as_dict() for answer in qllmft.load(run.path, model=name).predict(TEXTS)
            ]
            assert answer["predictions"] == predictions
            explanation = client.post("/explain", json={"text": TEXTS[0], "model": name}).json()
            assert explanation == cli.json("explain", run.path, "--model", name, TEXTS[0])
        refused = [
            client.post(path, json={"text": TEXTS[0], "model": "oracle"})
            for path in ("/predict", "/explain")
        ]
    assert [facts["model"], *(facts_of_row["model"] for facts_of_row in facts["rows"])] == names
    for name, model_facts in zip(names, [facts, *facts["rows"]], strict=True):
        tested = row(run, name)["test"]
        assert model_facts["tested"].startswith(
            f"{100 * tested['right'] / tested['total']:.2f} % ["
        )
    for answer in refused:
        assert answer.status_code == 422
        assert "got 'oracle', expected" in answer.json()["error"]
        assert "'best'" in answer.json()["error"]


def test_a_server_loads_the_body_of_all_rows_once(run, names, monkeypatch):
    pytest.importorskip("fastapi", reason="fastapi is not installed: pip install '.[serve]'")
    from qllmft.inference import items
    from qllmft_doors.serving.model import ServedModel

    loaded = []
    body = items.Body
    monkeypatch.setattr(items, "Body", lambda *a, **k: loaded.append(a) or body(*a, **k))
    model = ServedModel(Predictor.load(run.path), run.path)
    model.load()
    for name in names:
        model.answer(TEXTS, name)
        model.explain(TEXTS[0], name)
    assert len(loaded) == 1
