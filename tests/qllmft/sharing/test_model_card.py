"""The model card: its numbers by another route, its metadata, its block of code run, and names that stay text."""

import contextlib
import io
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import yaml
from hostile import change
from markdown_it import MarkdownIt
from sklearn.metrics import balanced_accuracy_score, f1_score

import qllmft
from qllmft.energy.formula import energy_text, head_counts
from qllmft.inference.card import model_card
from qllmft.run import RunFolder

GOLDEN = Path(__file__).parents[2] / "golden" / "run"


def read_card(run, name="ann/films"):
    _, metadata, body = model_card(qllmft.load(run).model, name, Path(run)).split("---\n", 2)
    return yaml.safe_load(metadata), body


@pytest.fixture(scope="module")
def golden_card():
    """Metadata and body of the golden run's card; tests do not change them."""
    return read_card(GOLDEN)


@pytest.fixture
def golden(tmp_path):
    """A function that copies the golden run with another source of its texts, and with an edited record."""

    def copy(source="texts.tsv", edit=lambda record: None, sampling="n_per_label = 12\n"):
        run = shutil.copytree(GOLDEN, tmp_path / "run")
        change(run / "result.json", edit)
        config = (run / "config.toml").read_text().replace('"texts.tsv"', json.dumps(source))
        (run / "config.toml").write_text(re.sub(r"(?m)^n_per_label = .*\n", sampling, config))
        return run

    return copy


def test_the_energies_have_units_that_a_person_reads(golden_card):
    """By hand: 2^Q·(4·SQ + 8·TQ) operations at 3.4e13 a second and 700 W, and 0.3 kW for each qubit."""
    model = qllmft.load(GOLDEN).model.config
    counts = head_counts(model, model.n_qubits)
    n_qubits, one, two = counts.n_qubits, counts.one_qubit_gates, counts.two_qubit_gates
    joules = {
        "QPU": n_qubits * 300 * 8_000 * (one * 130e-6 + two * 970e-6),
        "GPU": 2**n_qubits * (4 * one + 8 * two) / 3.4e13 * 700,
    }
    sizes = {"kJ": 1e3, "J": 1.0, "mJ": 1e-3, "µJ": 1e-6, "nJ": 1e-9}
    rows = re.findall(r"^\| (QPU|GPU) .* \| ([\d.]+) (\w+) \|$", golden_card[1], re.MULTILINE)
    assert {device for device, *_ in rows} == {"QPU", "GPU"}
    for device, number, unit in rows:
        assert 1 <= float(number) < 1000
        assert float(number) * sizes[unit] == pytest.approx(joules[device], rel=0.005)


@pytest.mark.parametrize(
    ("kilojoules", "text"),
    [
        (172.3, "172 kJ"),
        (41_240.0, "41,200 kJ"),
        (0.9996, "1 kJ"),
        (0.9994, "999 J"),
        (3.37e-9, "3.37 µJ"),
        (0.0, "0 nJ"),
    ],
)
def test_an_energy_in_words(kilojoules, text):
    assert energy_text(kilojoules) == text


def test_the_card_has_the_numbers_of_the_record_and_of_the_answers(golden_card):
    metadata, body = golden_card
    record = RunFolder(GOLDEN).read_result()
    answers = RunFolder(GOLDEN).read_predictions()
    predicted = answers.answers["quantum head"]
    values = {
        "accuracy": record.head.test.value,
        "balanced_accuracy": balanced_accuracy_score(answers.labels, predicted),
        "f1": f1_score(answers.labels, predicted, average="macro"),
    }
    (index,) = metadata["model-index"]
    (result,) = index["results"]
    task = (index["name"], result["dataset"]["name"], result["task"]["type"])
    assert task == ("films", "texts.tsv", "text-classification")
    assert {m["type"]: m["value"] for m in result["metrics"]} == pytest.approx(values, abs=1e-12)
    assert metadata["library_name"] == "qllmft"
    assert metadata["metrics"] == list(values)
    for model in record.models:
        low, high = model.test.interval
        cell = f"| {100 * model.test.value:.2f} % [{100 * low:.1f}, {100 * high:.1f}] |"
        assert re.search(rf"\| `{model.name}` {re.escape(cell)}.* {model.parameters} \|", body)
    most = 100 * np.bincount(answers.labels).max() / 16
    assert f"| always the most frequent label | {most:.2f} %" in body
    assert "## No clear winner on 16 test texts" in body
    assert "No baseline differs significantly from the `quantum head` in accuracy." in body
    assert "| encoder | 9 | 4 | 8 | 8 | 16 |" in body
    assert all(version in body for version in record.versions.values())


class Elements(HTMLParser):
    """The elements of a page, and the texts within ``code``."""

    def __init__(self, page):
        super().__init__()
        self.names = set()
        self.codes = []
        self._inside = False
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.names.add(tag)
        self._inside = tag == "code"
        if self._inside:
            self.codes.append("")

    def handle_endtag(self, tag):
        self._inside = False

    def handle_data(self, data):
        if self._inside:
            self.codes[-1] += data


@pytest.mark.parametrize(
    "text",
    ["<script>alert(1)</script>", "a`b``c", "| x |", "[a](http://b.example) ![c](d)", "# *h* _i_ {{ 7 * 7 }} {% x %}",
     "a\n---\nlicense: mit\n---\n# b", "'\": [{&*!%@", "\u202eevil", "`", "&lt;b&gt;"],
)  # fmt: skip
def test_a_name_with_markup_stays_text(golden, golden_card, text):
    def rename(record):
        record["data"]["labels"] = [text, "good"]
        record["models"][1]["name"] = text

    run = golden(f"data set {text}", rename)
    file = run / "predictions.json"
    file.write_text(file.read_text().replace('"logistic regression"', json.dumps(text)))
    expected, _ = golden_card
    metadata, body = read_card(run)
    assert metadata.keys() == expected.keys()
    source = metadata["model-index"][0]["results"][0]["dataset"]["name"]
    plain_text = " ".join(text.replace("\u202e", " ").split())
    markdown = MarkdownIt("gfm-like", {"linkify": False})
    page = Elements(markdown.render(body.partition("## Results")[0]))
    assert page.names <= {"h1", "h2", "p", "code"}
    assert source in f"data set {plain_text}"  # the last part of what may be a path
    assert {plain_text, source} <= set(page.codes)
    (row,) = (line for line in body.splitlines() if re.search(r" \| 9 \|$", line))
    assert len(re.findall(r"(?<!\\)\|", row)) == 6


@pytest.mark.parametrize(
    "source", ["/home/ann/secret/texts.tsv", "C:\\Users\\ann\\texts.tsv", "~/secret/texts.tsv"]
)
def test_folders_of_this_machine_are_not_shown(golden, source):
    body = {"model": "/home/ann/secret/body"}
    metadata, body = read_card(golden(source, lambda record: record["body"].update(body)))
    assert "`texts.tsv`" in body
    assert not re.search(r"secret|/home|Users", body + str(metadata))


def test_a_data_set_of_the_hub_is_named_in_the_metadata(golden):
    metadata, _ = read_card(golden("SetFit/sst2"))
    assert metadata["datasets"] == "SetFit/sst2"
    expected = {"name": "SetFit/sst2", "type": "SetFit/sst2", "split": "test"}
    assert metadata["model-index"][0]["results"][0]["dataset"] == expected


def test_the_block_that_loads_the_model_runs(trained_run, tmp_path, monkeypatch):
    model = qllmft.load(trained_run)
    card = (model.save_pretrained(tmp_path / "films") / "README.md").read_text()
    (block,) = re.findall(r"```python\n(.+?)```", card, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(block, "README.md", "exec"), {})
    expected = model.predict(["a text of yours", "and another one"])
    assert printed.getvalue() == "".join(f"{p.label} {p.probabilities}\n" for p in expected)


@pytest.mark.parametrize(
    ("setting", "few", "words"),
    [
        ("", {}, "256 texts of each label drawn of all"),  # the protocol's
        ("n_per_label = 100000\n", {}, "100,000 texts of each label drawn"),
        ("n_per_label = 9999\n", {"bad": 8, "good": 8}, "70 % of the texts of each label drawn"),
        ("n_per_label = 9999\n", {"bad": 8}, "9,999 texts of each label, or 70 % of the texts of a label with"),
    ],
)  # fmt: skip
def test_the_texts_drawn_of_a_label(golden, setting, few, words):
    """A label with fewer texts than requested is not counted as requested."""
    run = golden(
        edit=lambda record: record["data"].update(findings={"drawn": few}), sampling=setting
    )
    assert words in read_card(run)[1]


def test_a_sentence_of_the_card_ends_before_the_next_one_begins(golden):
    def edit(record):
        ones = [1] * 10
        quarter = [0.25] * 10
        bins = {"texts": ones, "right": ones, "confidence": quarter, "variance": quarter}
        record["models"][0]["test_calibration"] = bins

    body = read_card(golden(edit=edit))[1]
    assert "The expected calibration error" in body
    assert not re.search(r"[a-z]\.[A-Z]", re.sub(r"```.*?```|`[^`]*`", "", body, flags=re.DOTALL))


def test_a_shared_model_keeps_its_card_and_one_without_a_record_claims_nothing(
    trained_run, model_of, tmp_path
):
    saved = qllmft.load(trained_run).save_pretrained(tmp_path / "films")
    second_copy = qllmft.load(saved).save_pretrained(tmp_path / "again")
    assert (second_copy / "README.md").read_text() == (saved / "README.md").read_text()
    metadata, body = read_card(model_of())
    assert "model-index" not in metadata
    assert "is not recorded here" in body
    assert "Results" not in body


def test_a_dry_run_prints_the_card_and_the_files_and_sends_nothing(
    trained_run, cli, monkeypatch, tmp_path
):
    monkeypatch.setattr("huggingface_hub.HfApi", lambda **_: pytest.fail("something was sent"))
    printed, messages = cli("push", trained_run, "ann/films", "--dry-run")
    model = qllmft.load(trained_run)
    saved = model.save_pretrained(tmp_path / "saved", "ann/films")
    assert printed == model_card(model.model, "ann/films", trained_run)
    title, listed = messages.split("Files of ann/films, in bytes:\n")
    assert title.endswith("Nothing was sent. ")
    sizes = (line.replace(",", "").split() for line in listed.splitlines())
    files = (file for file in saved.rglob("*") if file.is_file())
    expected = {file.relative_to(saved).as_posix(): file.stat().st_size for file in files}
    assert {name: int(size) for size, name in sizes} == expected
    assert {"README.md", "model.json", "model.safetensors"} <= expected.keys()
    messages = cli("push", trained_run, "ann/films/x", "--dry-run", code=2)[1]
    assert "got 'ann/films/x', expected owner/name, such as ann/films." in messages


def test_fields_that_a_run_does_not_have(trained_run, cli):
    def metadata(*options):
        return yaml.safe_load(
            cli("push", trained_run, "a/b", "--dry-run", *options)[0].split("---\n")[1]
        )

    fields = metadata("--license", "apache-2.0", "--language", "en", "--language", "de")
    assert (fields["license"], fields["language"]) == ("apache-2.0", ["en", "de"])
    assert "base_model" not in fields  # its body is a folder
    assert metadata("--base-model", "ann/words")["base_model"] == "ann/words"
    refused = cli("push", trained_run, "a/b", "--dry-run", "--license", "a: b", code=2)[1]
    assert "expected an identifier" in refused


def test_a_branch_and_a_pull_request_of_the_hub(cli, monkeypatch, tmp_path):
    requests = []
    saved = []

    class Hub:
        commit_url = "of the commit"
        pr_url = "of the pull request"

        def __init__(self, **_):
            pass

        def __getattr__(self, name):
            return lambda *arguments, **named: requests.append((name, named)) or self

    monkeypatch.setattr("huggingface_hub.HfApi", Hub)
    save = "qllmft.inference.Predictor.save_pretrained"
    monkeypatch.setattr(save, lambda *_, **card: saved.append(card) or tmp_path)
    options = ("--revision", "v2", "--pull-request", "--license", "mit", "--language", "en")
    assert cli("push", GOLDEN, "ann/films", *options)[0] == "of the pull request\n"
    assert [name for name, _ in requests] == ["create_repo", "create_branch", "upload_folder"]
    assert requests[1][1]["branch"] == requests[2][1]["revision"] == "v2"
    assert requests[2][1]["create_pr"] is True
    assert saved == [{"min_texts": 5, "license": "mit", "languages": ("en",), "base_model": None}]
    assert cli("push", GOLDEN, "ann/films")[0] == "of the commit\n"


def test_the_package_minilm_has_a_name_on_the_hub():
    model = qllmft.load(GOLDEN).model
    model = model.model_copy(update={"body": model.body.model_copy(update={"model": "minilm"})})
    metadata = yaml.safe_load(model_card(model, "ann/films").split("---\n", 2)[1])
    assert metadata["base_model"] == "sentence-transformers/all-MiniLM-L6-v2"
