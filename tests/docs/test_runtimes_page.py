"""Figures of the page on language models that come from a kept record."""

import json
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_speeds_of_runtimes_are_those_of_the_record():
    rows = json.loads((DOCS / "records" / "runtimes.json").read_text(encoding="utf-8"))["rows"]
    page = (DOCS / "language-models.md").read_text(encoding="utf-8").replace(" times", "")
    shown = {}
    for row in rows:
        shown.setdefault(row["runtime"], []).append(f"{row['ratio']:.2f} ± {row['half_width']:.2f}")
    first, second = shown["openvino, bfloat16"]
    assert (
        f"was {first} as fast as torch with `minilm` and {second} with `all-mpnet-base-v2`" in page
    )
    assert f"in float32 it was {' and '.join(shown['openvino'])} as fast" in page
    assert f"ONNX Runtime {' and '.join(shown['onnx'])}." in page
    assert all(row["differ"] == 0 for row in rows if row["runtime"] != "torch")
    assert {row["texts"] for row in rows} == {384, 192}
