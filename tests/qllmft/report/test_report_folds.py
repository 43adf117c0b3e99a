"""Report of the folds of a cross-validation, for tasks other than one label per text."""

import re

import numpy as np
import pandas as pd
import pytest

import qllmft

N = 60
WORDS = ("good", "bad")
SETTINGS = {
    "data__folds": 2,
    "data__protocol": "split",
    "train__epochs": 1,
    "train__ridge_c": 1.0,
    "baselines__names": [],
}


def rows_of(task):
    texts = [f"{WORDS[i % 2]} film {i}" for i in range(N)]
    if task == "regression":
        return pd.DataFrame({"text": texts, "label": np.arange(N) % 2 + 0.5})
    return pd.DataFrame(
        {"text": texts, "label": [[WORDS[i % 2], "film"][: 1 + i % 3 // 2] for i in range(N)]}
    )


@pytest.mark.parametrize(
    ("task", "section"),
    [
        ("multilabel", "Each fold has thresholds of its own, which its report lists."),
        ("regression", '<h2 id="values">Values</h2>'),
    ],
)
def test_all_folds_have_a_page_with_the_errors_of_their_task(task, section, tiny_body, tmp_path):
    folder = qllmft.train(
        rows_of(task), body=str(tiny_body), out=tmp_path / "run", data__task=task, **SETTINGS
    ).folder
    page = folder.report_file.read_text()
    assert section in page
    assert f"{N} test texts" in page
    links = re.findall(r'href="([^"#]+)"', page)
    assert links == ["fold-1/report.html", "fold-2/report.html"]
    assert "thresholds of its own" not in folder.fold(0).report_file.read_text()
