"""The page on several labels per text has the numbers of its record."""

import json
import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_table_is_that_of_the_record():
    record = json.loads((DOCS / "records" / "several-labels.json").read_text(encoding="utf-8"))
    page = (DOCS / "several-labels.md").read_text(encoding="utf-8")
    rows = []
    for model in record["models"]:
        found = model["test"]
        low, high = found["macro_f1_interval"]
        others = [
            found[name]
            for name in ("micro_f1", "average_precision", "subset_accuracy", "hamming_loss")
        ]
        cells = [
            f"{found['macro_f1']:.3f} [{low:.3f}, {high:.3f}]",
            *(f"{value:.3f}" for value in others),
        ]
        rows.append(f"| {model['name']} | {model['parameters']:,} | {' | '.join(cells)} |")
    assert re.findall(r"^\| .*\[0.*\|$", page, re.M) == rows
    sizes = record["data"]["sizes"]
    assert (
        f"{sizes['train']:,} training, {sizes['validation']} validation and {sizes['test']:,} test texts"
        in page
    )
    by_label = zip(record["data"]["labels"], record["models"][0]["test"]["by_label"], strict=True)
    f1 = {name: 2 * one["right"] / (one["texts"] + one["answers"]) for name, one in by_label}
    said = f"`positive` has an F1 of {f1['positive']:.3f}, `long` {f1['long']:.3f}, "
    said += "and `question`, which 100 of the test"
    assert f"{said} texts have, {f1['question']:.3f}" in page
