"""Explanations of misclassified texts in a run's page: those of `qllmft explain`, escaped."""

import json
import shutil

from qllmft.inference import Predictor
from qllmft.inference.explanation import TrainingTexts, explain_text
from qllmft.report import write_report

TEXT = "a good <b>film</b> , not dull"


def test_a_page_explains_as_many_mistakes_as_were_asked_for(trained_run, tmp_path, cli):
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    file = run / "predictions.json"
    answers = json.loads(file.read_text(encoding="utf-8"))
    mistake = {"text": TEXT, "label": "negative", "answer": "positive"}
    file.write_text(
        json.dumps(answers | {"mistakes": [mistake, mistake | {"text": "other"}]}), encoding="utf-8"
    )
    model = Predictor.load(run)
    explanation = explain_text(model, TEXT, lambda: TrainingTexts.load(model, run))
    assert "nearest training text" not in write_report(run).read_text(encoding="utf-8")
    cli("report", run, "--explain 1")
    page = (run / "report.html").read_text(encoding="utf-8")
    assert page.count("nearest training text</th>") == 1
    assert "&lt;b&gt;film&lt;/b&gt;</td>" in page
    assert "<b>film" not in page
    for word in explanation.words:
        effect = f"{100 * word.effect:+.2f}".replace("-", "−")
        assert f">{effect}</td>" in page
    for neighbour in explanation.neighbours:
        assert (
            f'{neighbour.text}</td><td>{neighbour.label}</td><td class="n">{neighbour.cosine:.3f}</td>'
            in page
        )
    assert len(explanation.neighbours) == 5


def test_a_study_has_no_texts_to_explain(tmp_path, cli):
    (tmp_path / "study.json").write_text("{}", encoding="utf-8")
    for table in ([], ["--table", tmp_path / "page.md"]):
        refused = cli.refused("report", tmp_path, "--explain 1", *table)
        assert "this is the folder of a study" in refused
