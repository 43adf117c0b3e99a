"""Model of a run in MLflow's form: loaded by MLflow itself, with the answers of `qllmft.load`, and without a pickle."""

import contextlib
import io
import re
from pathlib import Path

import pandas as pd
import pytest

import qllmft
from qllmft.run import RunFolder
from qllmft.trackers import TrackedRun, make_tracker
from qllmft_doors.mlflow_model import TextModel

PAGE = Path(__file__).parents[3] / "docs" / "serving.md"
TEXTS = ["a good film", "an awful plot"]


def test_mlflow_loads_the_model_of_a_run(trained_run, tmp_path, monkeypatch, request):
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed: pip install '.[track]'")
    # the example on the page chooses a store for the whole process
    request.addfinalizer(lambda: mlflow.set_tracking_uri(None))
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlflow").as_uri())
    model = qllmft.load(trained_run)
    tracker = make_tracker("mlflow")
    key = tracker.start(TrackedRun("a-run", trained_run, {"seed": 0}, None))
    tracker.model(model.save_pretrained(tmp_path / "packed"))
    tracker.end(RunFolder(trained_run).read_result().to_json(), [])
    download = mlflow.artifacts.download_artifacts
    place = Path(download(f"runs:/{key}/model", dst_path=str(tmp_path / "there")))
    pickles = (".pkl", ".pickle", ".pt", ".bin")
    assert not [file for file in place.rglob("*") if file.suffix in pickles]
    assert "cloudpickle" not in (place / "MLmodel").read_text()
    loaded = mlflow.pyfunc.load_model(str(place))
    expected = [answer.as_dict() for answer in model.predict(TEXTS)]
    assert loaded.predict(pd.DataFrame({"text": TEXTS})).to_dict(orient="records") == expected
    with pytest.raises(mlflow.exceptions.MlflowException, match="text"):
        loaded.predict(pd.DataFrame({"review": TEXTS}))
    (block,) = re.findall(r"```python\n(import mlflow\n.+?)```", PAGE.read_text("utf-8"), re.DOTALL)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(block.replace("sqlite:///mlflow.db", mlflow.get_tracking_uri()), {})
    answers = model.predict(["a lovely film", "an awful plot"])
    assert re.findall(r"(?m)^\d +(\w+) ", printed.getvalue()) == [
        answer.label for answer in answers
    ]


def test_pairs_are_two_columns_and_real_targets_a_column_each(serve_model):
    pairs = serve_model(pair="difference").predictor
    table = pd.DataFrame([TEXTS, TEXTS[::-1]], columns=["first", "second"])
    expected = [answer.as_dict() for answer in pairs.predict([tuple(TEXTS), tuple(TEXTS[::-1])])]
    assert TextModel(pairs).predict(table).to_dict(orient="records") == expected
    shuffled = table.set_axis([1, 0])
    assert TextModel(pairs).predict(shuffled).index.tolist() == [1, 0]
    real = serve_model(task="regression", label_names=("stars", "length")).predictor
    values = TextModel(real).predict(TEXTS).to_dict(orient="records")
    assert values == [answer.values for answer in real.values(TEXTS)]
    column = pd.DataFrame({"text": TEXTS}, index=["b", "a"])
    assert TextModel(real).predict(column).index.tolist() == ["b", "a"]
