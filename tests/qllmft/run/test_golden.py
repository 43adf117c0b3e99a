"""The folder of an earlier run: it is read as long as its format is."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from qllmft.model import load_model
from qllmft.run import RunFolder
from qllmft.training import compute_logits
from qllmft_audit.verification import verify_run
from qllmft_base.errors import UserError

GOLDEN = Path(__file__).parents[2] / "golden" / "run"
LOGITS = [  # of sin j·i at sample j, entry i, both from 1; when the folder was written
    [-0.34941360354423523, 0.9165229797363281],
    [0.5182101130485535, -1.0667706727981567],
    [0.6764436960220337, -1.2739695310592651],
]


def test_the_model_gives_the_logits_that_it_gave():
    model = load_model(GOLDEN)
    x = torch.from_numpy(np.sin(np.outer([1, 2, 3], np.arange(1, 9)))).float()
    np.testing.assert_allclose(
        compute_logits(model.classifier, x).detach().numpy(), LOGITS, atol=1e-5
    )
    assert (model.label_names, model.dimension, model.checked) == (("bad", "good"), 8, False)
    assert model.classifier.n_parameters == 26


def test_the_record_is_read():
    folder = RunFolder(GOLDEN)
    record = folder.read_result()
    assert record.identity == folder.read_config().identity == "c54b13c995e6"
    assert [(m.name, m.tested.right, m.tested.total) for m in record.models] == [
        ("quantum head", 11, 16),
        ("logistic regression", 11, 16),
    ]
    assert [metrics.epoch for metrics in folder.metrics()] == [1, 2, 3, 4, 5, 6]


def test_all_of_it_but_its_body_is_there(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    checks = {check.name: check for check in verify_run(GOLDEN)}
    assert {name for name, check in checks.items() if not check.sound} == {"body"}
    assert "there is no folder body" in checks["body"].finding
    assert checks["model"].finding == "26 parameters, has no check logits"


@pytest.mark.parametrize("name", ["best", "logistic regression"])
def test_a_row_of_a_run_whose_models_are_gone_is_refused_with_the_remedy(name, tmp_path):
    run = RunFolder(shutil.copytree(GOLDEN, tmp_path / "run"))
    shutil.rmtree(run.model_folder)
    with pytest.raises(UserError, match=r"has kept no model\. Copy the folder again"):
        run.find_model(name)
