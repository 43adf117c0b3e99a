"""Content of the page, escaping of everything in it, and errors of the command."""

import json
import re
import shlex
from collections import Counter
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest

from qllmft.cli.options import build_config
from qllmft.config.presets import describe_settings, load_preset, preset_names
from qllmft.config.settings import parse_settings
from qllmft.data import Table
from qllmft.report import render_report, write_report
from qllmft.report.figures import model_scores_svg
from qllmft.report.label_errors import Confusion
from qllmft.report.style import figure_style
from qllmft.run import RunFolder
from qllmft.run.predictions import Predictions
from qllmft.tasks import CLASSIFICATION
from qllmft.tasks.accuracy import Accuracy, ClassScores
from qllmft.tasks.calibration import Calibration
from qllmft.tasks.task import MAX_MISTAKES
from qllmft_base.errors import UserError

REACHING = {"src", "srcset", "href", "xlink:href", "action", "formaction"}
REACHING |= {"poster", "data", "background", "ping", "cite"}
VOID = {"meta", "link", "img", "br", "hr", "input"}


@pytest.fixture(scope="module", autouse=True)
def pages_with_figures():
    """Here figures are placeholders, but for the tests that ask for `figures`."""


@pytest.fixture
def figures(undrawn_figures, monkeypatch):
    """Pages of the test have their figures."""
    monkeypatch.setattr("qllmft.report.style.as_svg", undrawn_figures)


class Page(HTMLParser):
    """Elements, attributes, ids and text of a page; counts unclosed elements."""

    def __init__(self, html):
        super().__init__()
        self.tags = []
        self.attributes = []
        self.text = []
        self.open = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_everything_is_on_the_page(make_run, cli, figures):
    folder = make_run()
    assert cli("report", folder.path)[0] == f"{folder.report_file}\n"
    page = Page(folder.report_file.read_text(encoding="utf-8"))
    assert page.open == []
    text = " ".join(" ".join(page.text).split())
    result = folder.read_result().to_json()
    for part in (
        "SVC is better than the quantum head",
        "SVC is significantly more accurate.",
        "<i>texts</i>.tsv",
        result["identity"],
        "50.00 %",
        "40 training, 12 validation, 60 test texts",
        "weights of epoch 3",
        "cross-entropy (nats)",
        "At the selected epoch: training 0.333, validation 0.367.",
        "At the selected epoch: 65.0 %.",
        "30 of 30 wrong answers of the quantum head to test texts.",
        "single-10q",
        "model.n_qubits",
        "Ry(theta[0])",
        "qllmft train --config config.toml",
        "n_qubits = 4",
        "python 3.12",
    ):
        assert part in text, part
    assert ("name", "viewport") in page.attributes
    assert ("lang", "en") in page.attributes
    identities = [value for name, value in page.attributes if name == "id"]
    assert len(identities) == len(set(identities))
    labelled = {value for name, value in page.attributes if name == "aria-labelledby"}
    assert labelled <= set(identities)
    assert page.tags.count("th") > 20


def test_texts_and_names_are_escaped_and_nothing_reaches_out_or_runs(make_run, figures):
    html = write_report(make_run().path).read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(&#39;owned&#39;)" in html
    for piece in ("<script", "<img", "<b>bad", "<i>texts"):
        assert piece not in html
    page = Page(html)
    assert not {"script", "img", "iframe", "link", "object", "embed", "form", "base"} & set(
        page.tags
    )
    for name, value in page.attributes:
        assert not name.startswith("on")
        if name in REACHING:
            assert value.startswith("#"), (name, value)
        if name == "style":
            assert "url(" not in value
    assert "@import" not in "".join(page.text)


def test_the_matrix_and_the_mistakes_by_another_route(make_run):
    folder = make_run(wrong=7)
    answers = folder.read_predictions()
    matrix = np.zeros((3, 3), int)
    for label, answer in zip(answers.labels, answers.answers["quantum head"], strict=True):
        matrix[label, answer] += 1
    np.testing.assert_array_equal(answers.confusion("quantum head"), matrix)
    assert [int(text.text.split()[-1]) for text in answers.mistakes] == list(range(7))
    page = Page(render_report(folder))
    text = " ".join(" ".join(page.text).split())
    matrix_row = (
        f"good & fine {matrix[1, 0]} 0 % {matrix[1, 1]} 90 % {matrix[1, 2]} 10 % {matrix[1].sum()}"
    )
    assert matrix_row in text
    assert "7 of 7 wrong answers of the quantum head to test texts." in text


@pytest.mark.parametrize(
    ("preset", "settings", "sentence"),
    [
        (
            "sines",
            {},
            "The baselines' hyperparameters were chosen in folds of the training texts",
        ),
        (
            "sines",
            {"baselines.search": "validation"},
            "The baselines' hyperparameters were chosen on the validation texts alone.",
        ),
        (
            "single-10q",
            {},
            "The epoch was chosen on the validation texts alone. The baselines' hyperparameters were chosen ",
        ),
    ],
)
def test_the_page_says_which_texts_chose_the_hyperparameters(preset, settings, sentence, make_run):
    folder = make_run(load_preset(preset).config({"model.n_qubits": 4, **settings}))
    text = " ".join(" ".join(Page(render_report(folder)).text).split())
    assert sentence in text
    assert "The test texts were read once, for the chosen models." in text


def test_a_reliability_diagram_has_a_line_for_each_model_with_probabilities(make_run, figures):
    folder = make_run()
    record = folder.read_result()
    certain = np.array([[0.9, 0.1, 0.0], [0.2, 0.6, 0.2]])
    calibration = Calibration.from_probabilities(certain, np.array([0, 0]))
    head = replace(record.head, test_calibration=calibration, settings={"temperature": 1.5})
    first, *other_models = record.models[1:]
    folder.write_result(
        replace(record, models=(head, replace(first, test_calibration=calibration), *other_models))
    )
    text = " ".join(" ".join(Page(render_report(folder)).text).split())
    assert "mean probability of the answers (%)" in text
    assert "logits are divided by the temperature 1.500" in text
    assert f"Not calibrated: {first.name}." in text
    # |1 − 0.9| and |0 − 0.6|, of one text each
    assert "quantum head 35.0" in text
    assert "mean probability" not in " ".join(Page(render_report(make_run())).text)


def test_the_note_names_the_intervals_of_uneven_labels(make_run):
    folder = make_run()
    assert "(Wilson, differences: Bonett–Price)" in render_report(folder)
    record = folder.read_result()
    uneven = ClassScores((90, 5, 5), (90, 5, 5), (80, 4, 4))
    models = tuple(replace(result, test_classes=uneven) for result in record.models)
    folder.write_result(replace(record, models=models))
    assert "(balanced accuracy: Wilson, differences: Bonett–Price, both by label)" in render_report(
        folder
    )


def test_mistakes_are_bounded_and_spread():
    labels = np.zeros(301, np.int64)
    table = Table(tuple(f"{i} " + "x" * 5000 for i in range(301)), labels)
    answers = Predictions.from_answers(
        CLASSIFICATION, ("a", "b"), table, {"head": np.ones(301, np.int64)}
    )
    numbers = [int(mistake.text.split()[0]) for mistake in answers.mistakes]
    assert len(numbers) == len(set(numbers)) == MAX_MISTAKES
    assert (numbers[0], numbers[-1]) == (0, 300)
    assert {len(mistake.text) for mistake in answers.mistakes} == {1000}
    assert (answers.mistakes[0].label, answers.mistakes[0].answer) == ("a", "b")


def test_the_figure_has_every_model_on_one_scale(make_run, figures):
    """Convert the drawn ends back to percent, by the places of two models' scores."""
    folder = make_run(baselines=(("SVC", 50), ("MLP", 20)))
    models = folder.read_result().models
    with figure_style(in_a_page=True):
        svg = model_scores_svg(models)
    for name in ("quantum head", "SVC", "MLP", "test accuracy (%)"):
        assert f">{name}</text>" in svg
    number = r"([\d.]+)"
    lines = re.findall(rf'<path d="M {number} {number} \nL {number} \2 \n" clip-path[^>]*1.8', svg)
    ends = [[float(start_x), float(right)] for start_x, _, right in lines]
    intervals = [[*model.test.interval] for model in models]
    slope, start = np.polyfit(np.ravel(ends), np.ravel(intervals), 1)
    assert slope > 0
    np.testing.assert_allclose(start + slope * np.array(ends), intervals, atol=1e-5)


def test_missing_parts_of_a_run_are_stated(make_run):
    """Check a classical head without mistakes, and without answers and metrics."""
    folder = make_run(load_preset("nn-head-48").config(), wrong=0)
    html = render_report(folder)
    assert "The head is classical: it has no circuit." in html
    assert "None: every test text was labelled right." in html
    folder.predictions_file.unlink()
    folder.metrics_file.unlink()
    html = render_report(folder)
    assert "There is no predictions.json" in html
    assert "Examples it got wrong" not in html
    assert "there are no curves to draw" in html


def test_a_preset_is_its_own_nearest():
    configs = {name: load_preset(name).config() for name in preset_names()}
    assert len({config.model_dump_json() for config in configs.values()}) == len(configs)
    for name in ("multi-14q", "sines", "svc"):
        configuration = describe_settings(configs[name])
        assert (configuration.preset, configuration.differing) == (name, ())
        assert configuration.command == f"qllmft train --preset {name}"


def test_the_command_is_the_same_run():
    overrides = {
        "seed": 3,
        "train.lr": 1e-3,
        "body.model": "my body's",
        "baselines.names": [],
        "model.ring": False,
        "data.text_column": "1",
        "backend.options": {"dtype": "float64"},
    }
    config = load_preset("multi-14q").config(overrides)
    configuration = describe_settings(config)
    assert configuration.preset == "multi-14q"
    differing = set(overrides) - {"backend.options"} | {"backend.options.dtype"}
    assert {setting.name for setting in configuration.differing} == differing
    assert not {setting.name for setting in configuration.same} & differing
    words = shlex.split(configuration.command)
    pairs = [words[i + 1] for i, word in enumerate(words) if word == "--set"]
    preset = words[words.index("--preset") + 1]
    assert build_config(preset, None, parse_settings(pairs)).identity == config.identity


def test_a_setting_that_cannot_be_given_leaves_the_file_alone(make_run):
    """TOML has no word for None: encoder_qubits of the preset cannot be taken back by --set."""
    config = load_preset("sines").config({"model.encoder_qubits": None})
    assert [setting.name for setting in describe_settings(config).differing] == [
        "model.encoder_qubits"
    ]
    assert describe_settings(config).command is None
    html = render_report(make_run(config))
    assert "<td>not set</td>" in html
    assert "qllmft train --preset" not in html


def test_a_run_without_its_parts_is_refused(make_run, tmp_path):
    with pytest.raises(UserError, match=r"is not a run: there is no config\.toml"):
        write_report(tmp_path / "nothing")
    folder = make_run(finished=False)
    refusal = r"is not finished: 5 of 5 epochs. Finish it: qllmft train --config"
    with pytest.raises(UserError, match=refusal):
        write_report(folder.path)
    folder = make_run()
    folder.predictions_file.write_text('{"labels": 3}')
    with pytest.raises(UserError, match=r"predictions.json cannot be read: KeyError.*Delete it"):
        write_report(folder.path)
    folder.predictions_file.unlink()
    folder.result_file.write_text(json.dumps({"models": []}))
    refusal = "is not a run's record of the form that this version writes"
    with pytest.raises(UserError, match=refusal):
        write_report(folder.path)
    assert RunFolder(folder.path).report_file.exists() is False


def test_details_are_folded_below_the_verdict_and_the_comparisons(make_run):
    html = render_report(make_run())
    order = ('<h1 id="verdict"', 'id="scores-', 'id="results"', 'id="comparisons"', "<details>")
    places = [html.index(part) for part in order]
    assert places == sorted(places)
    for name in ("mistakes", "training", "configuration", "circuit", "again"):
        assert f'<details><summary><h2 id="{name}">' in html
    text = " ".join(" ".join(Page(html).text).split())
    assert "Errors 30 of 60 test texts" in text
    assert "Training 5 epochs, epoch 3 was selected on validation" in text


def test_ten_mistakes_are_shown_and_the_others_are_folded(make_run):
    html = render_report(make_run(wrong=30))
    open_rows, folded = html.split("<details><summary>20 more</summary>")
    row = '<tr><td dir="auto">'
    assert (open_rows.count(row), folded.count(row)) == (10, 20)
    assert "more</summary>" not in render_report(make_run(wrong=10))


@pytest.mark.parametrize("preset", ["sines", "single-10q"])
@pytest.mark.parametrize("uneven", [False, True])
def test_notes_are_short_sentences(make_run, preset, uneven):
    folder = make_run(load_preset(preset).config({"model.n_qubits": 4}))
    if uneven:
        scores = ClassScores((90, 5, 5), (90, 5, 5), (80, 4, 4))
        record = folder.read_result()
        models = tuple(replace(model, test_classes=scores) for model in record.models)
        folder.write_result(replace(record, models=models))
    html = render_report(folder)
    notes = re.findall(r'<p class="note">(.*?)</p>|<caption>(.*?)</caption>', html, re.DOTALL)
    assert len(notes) >= 8
    for groups in notes:
        note = unescape(re.sub(r"<[^>]+>", "", "".join(groups)))
        assert ";" not in note
        assert not re.search(r"[a-z]\.[A-Z]", note), note
        for sentence in re.split(r"(?<=[.:])\s", note):
            assert len(sentence.split()) <= 25, sentence


@pytest.fixture(params=[77, 150])
def many_labels(make_run, request):
    """A run with many labels, 20 test texts each, of which label i gets i mod 20 wrong."""
    k = request.param
    names = tuple(f"intents/of.a.bank/label_{i}" for i in range(k))
    labels = np.repeat(np.arange(k), 20)
    answers = labels.copy()
    random = np.random.default_rng(0)
    for label in range(k):
        wrong = 20 * label + np.arange(label % 20)
        answers[wrong] = (label + 1 + random.integers(0, k - 1, len(wrong))) % k
    answers[20 * 19 : 20 * 19 + 19] = 3
    texts = tuple(f"text {i} " + "word " * 20 for i in range(len(labels)))
    folder = make_run()
    folder.write_predictions(
        Predictions.from_answers(
            CLASSIFICATION, names, Table(texts, labels), {"quantum head": answers, "SVC": labels}
        )
    )
    record = folder.read_result()
    head = replace(record.head, test=Accuracy(int((answers == labels).sum()), len(labels)))
    svc = replace(record.models[1], test=Accuracy(len(labels), len(labels)))
    data = replace(record.data, labels=names, sizes=record.data.sizes | {"test": len(labels)})
    folder.write_result(replace(record, data=data, models=(head, svc)))
    return folder


@pytest.mark.public_report(
    case="report_of_many_labels",
    source="own audit",
    seen="the page of a run with 77 labels has 2.2 MB, most of it an open confusion matrix",
    outcome="labels have most errors first, the matrix is folded, and the page has less than 600 kB",
)
def test_many_labels_have_most_errors_first_and_a_folded_matrix(many_labels, figures):
    html = render_report(many_labels)
    assert len(html.encode()) < 600_000
    answers = many_labels.read_predictions()
    k = len(answers.label_names)
    wrong = np.array(answers.answers["quantum head"]) != answers.labels
    errors = np.bincount(answers.labels[wrong], minlength=k)
    page = Page(html)
    assert page.open == []
    label_rows = re.findall(
        r'<tr><th scope="row">([^<]+)</th><td class="n">(\d+)</td><td class="n">20</td>', html
    )
    assert [name for name, _ in label_rows] == [
        answers.label_names[i] for i in sorted(range(k), key=lambda i: -errors[i])
    ]
    assert [int(count) for _, count in label_rows] == sorted(errors.tolist(), reverse=True)
    visible = html[: html.index(f"<details><summary>The other {k - 10} labels</summary>")]
    assert visible.count('<td class="n">20</td>') == 10
    text = " ".join(" ".join(page.text).split())
    pair = f"{answers.label_names[19]} {answers.label_names[3]} 19 95 %"
    assert f"true label predicted label texts of the label {pair}" in text
    assert html.index("<details><summary>Confusion matrix</summary>") < html.index('class="matrix')
    matrix = html[html.index('class="matrix') :]
    matrix = matrix[: matrix.index("</table>")]
    counts = [int(count) for count in re.findall(r"rgba[^>]*>([\d,]+)</td>", matrix)]
    assert sum(counts) == len(answers.labels)


def test_the_order_of_labels_and_pairs_by_another_route():
    random = np.random.default_rng(1)
    labels = random.integers(0, 13, 500)
    answers = np.where(random.random(500) < 0.6, labels, random.integers(0, 13, 500))
    names = [f"label {i}" for i in range(13)]
    counts = np.zeros((13, 13), np.int64)
    np.add.at(counts, (labels, answers), 1)
    confusion = Confusion.from_counts(counts, names)
    pairs = Counter((names[a], names[b]) for a, b in zip(labels, answers, strict=True) if a != b)
    assert {(pair.label, pair.answer): pair.texts for pair in confusion.pairs} == pairs
    texts = [pair.texts for pair in confusion.pairs]
    assert texts == sorted(texts, reverse=True)
    for row, row_counts in zip(confusion.rows, confusion.counts, strict=True):
        wrong = Counter({b: n for (a, b), n in pairs.items() if a == row.name})
        assert row.errors == wrong.total()
        assert wrong[row.confused_with] == max(wrong.values())
        assert sum(row_counts) == row.scores.texts
    few = Confusion.from_counts(counts[:3, :3], names[:3])
    assert [row.name for row in few.rows] == names[:3]
    assert few.counts == counts[:3, :3].tolist()


def test_the_circuit_has_the_qubits_of_the_labels(make_run):
    """Nine labels have ten qubits, whatever the setting for few labels is."""
    folder = make_run(load_preset("sines").config())
    result = json.loads(folder.result_file.read_text())
    result["data"]["labels"] += [f"label {i}" for i in range(9 - len(result["data"]["labels"]))]
    folder.result_file.write_text(json.dumps(result))
    folder.predictions_file.unlink()
    html = render_report(folder)
    assert "q_9: " in html
    assert "q_10: " not in html
