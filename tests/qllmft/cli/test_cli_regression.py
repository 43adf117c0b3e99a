"""A run with real targets by the command line: train, evaluate, predict, report, card, verify, and refusals."""

import json
import random
import shutil

import numpy as np
import pytest
from command_line import result_of
from scipy.stats import spearmanr
from sklearn.metrics import mean_absolute_error, r2_score

from qllmft.config import DataConfig
from qllmft.inference import Predictor
from qllmft.inference.labelled_texts import LabelledTexts

pytestmark = pytest.mark.usefixtures("few_penalties", "few_samples")

WORDS = {"good": 1.0, "great": 2.0, "fine": 0.5, "lovely": 1.5}
WORDS |= {"bad": -1.0, "awful": -2.0, "dull": -0.5, "poor": -1.5}


def write_ratings(path):
    rng = random.Random(0)
    rows = []
    for i in range(80):
        words = rng.choices(list(WORDS), k=3)
        stars = 10 + sum(WORDS[word] for word in words)
        rows.append(f"{' '.join(words)} film {i}\t{stars}\t{0.01 * len(' '.join(words))}\n")
    path.write_text("text\tstars\tlength\n" + "".join(rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def ratings(tmp_path_factory):
    return write_ratings(tmp_path_factory.mktemp("ratings") / "ratings.tsv")


def train(cli, data, body, out, *options, code=0):
    structure = "--set model.n_qubits=4 --set model.encoder_qubits=5 --set model.encoder_layers=2"
    return cli(
        "train", f"--task regression --data {data} --body {body} --out {out} --epochs 12 --lr 0.05",
        f"{structure} --set train.embedding_noise=0.01 --set baselines.grid=small --label-column stars",
        *options, code=code,
    )  # fmt: skip


def test_a_run_with_a_real_target(cli, ratings, tiny_body, tmp_path):
    run = tmp_path / "run"
    output = train(cli, ratings, tiny_body, run)[0]
    record = result_of(run)
    predictions = json.loads((run / "predictions.json").read_text())
    targets = np.array(predictions["labels"])
    names = [model["name"] for model in record["models"]]
    assert names == [
        "quantum head",
        "ridge regression",
        "SVR",
        "linear layer",
        "TF-IDF + ridge regression",
    ]
    for model in record["models"]:
        values = np.array(predictions["answers"][model["name"]])
        scores = model["test"]
        assert scores["r2"] == pytest.approx(r2_score(targets, values))
        assert scores["mae"] == pytest.approx(mean_absolute_error(targets, values))
        assert scores["spearman"] == pytest.approx(spearmanr(targets[:, 0], values[:, 0]).statistic)
        assert scores["r2_interval"][0] < scores["r2"] < scores["r2_interval"][1]
        assert f"{scores['r2']:.3f}" in output
    assert record["models"][1]["test"]["r2"] > 0.5, "the words have a rating each"
    assert "data.label_column" not in cli("verify", run)[0]
    assert cli.json("evaluate", run)["scores"] == record["models"][0]["test"]
    assert "rank correlation" in cli("evaluate", run)[0]
    assert cli.json("evaluate", run, "--data", ratings)["scores"]["total"] == 80
    texts = ["a great and lovely film", "an awful film"]
    printed = [record["values"]["stars"] for record in cli.records("predict", run, *texts)]
    assert printed == [answer.values["stars"] for answer in Predictor.load(run).values(texts)]
    assert cli("predict", run, *texts)[0].splitlines()[0] == f"{printed[0]:.6g}\t{texts[0]}"
    page = (run / "report.html").read_text()
    assert "Largest errors" in page
    assert "quantum head in R²." in page or "higher R²" in page
    assert "Confusion matrix" not in page
    card = cli("push", run, "me/mine", "--dry-run")[0]
    assert "# Quantum text regression" in card
    assert "model.values([" in card
    assert f"{record['models'][0]['test']['r2']:.3f}" in cli("runs", tmp_path)[0]
    for refused in (
        ["predict", run, "a film", "--margin 0.1"],
        ["evaluate", run, "--backend adjoint"],
    ):
        message = "need labels, and this model predicts regression targets. Omit them."
        assert message in cli.refused(*refused)
    assert "gives regression targets (stars) and no labels" in cli.refused("explain", run, "a film")
    assert_compared_with_noisier_values(cli, run, tmp_path / "noisier")


def assert_compared_with_noisier_values(cli, run, noisier_run):
    """A copy of the run with other values of the head has the difference of R² of scikit-learn's."""
    shutil.copytree(run, noisier_run)
    predictions = json.loads((run / "predictions.json").read_text())
    head = next(iter(predictions["answers"]))
    targets = np.array(predictions["labels"])
    values = np.array(predictions["answers"][head])
    noisier = values + np.random.default_rng(0).normal(size=values.shape)
    predictions["answers"][head] = noisier.tolist()
    (noisier_run / "predictions.json").write_text(json.dumps(predictions))
    comparison = cli.json("runs", run.parent, "--compare", run, noisier_run)
    expected = r2_score(targets, values) - r2_score(targets, noisier)
    assert comparison["difference"]["value"] == pytest.approx(expected)
    assert 0 < comparison["difference"]["p"] <= 1
    text = cli("runs", run.parent, "--compare", run, noisier_run)[0]
    assert f"First minus second on the same {len(targets)} texts: +{expected:.3f} in R² [" in text
    assert "(bootstrap). Other seeds" in text


def test_several_targets(cli, ratings, tiny_body, tmp_path):
    targets = '--set \'data.label_column=["stars", "length"]\' --set \'baselines.names=["ridge"]\''
    train(cli, ratings, tiny_body, tmp_path / "run", targets)
    record = result_of(tmp_path / "run")
    assert record["data"]["labels"] == ["stars", "length"]
    test = record["models"][0]["test"]
    assert np.mean([r2 for r2, _, _ in test["by_target"]]) == pytest.approx(test["r2"])
    assert "length" in cli("evaluate", tmp_path / "run")[0]
    predictor = Predictor.load(tmp_path / "run")
    first, second = (
        LabelledTexts.load(
            predictor,
            tmp_path / "run",
            DataConfig(task="regression", source=str(ratings), label_column=names),
        )
        for names in (("stars", "length"), ("length", "stars"))
    )
    assert predictor.model.label_names == ("stars", "length")
    np.testing.assert_array_equal(first.labels, second.labels, "targets go by their names")
    assert cli("predict", tmp_path / "run", "a film")[0].count("\t") == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--label-column text --text-column stars", "the target 'text' is "),
        ("--set 'baselines.names=[\"svc\"]'", "'svc', which is not for regression, expected some of"),
        ("--task guess", "data.task (got 'guess')"),
    ],
)  # fmt: skip
def test_what_does_not_fit_targets_is_refused(cli, ratings, tiny_body, tmp_path, options, message):
    _, messages = train(cli, ratings, tiny_body, tmp_path / "run", options, code=2)
    assert message in " ".join(messages.split())
