"""Figures of the page on language models that come from a kept record."""

import json
import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_table_of_runtimes_is_that_of_the_record():
    record = json.loads((DOCS / "records" / "runtimes.json").read_text(encoding="utf-8"))
    page = (DOCS / "language-models.md").read_text(encoding="utf-8")
    rows = []
    for row in record["rows"]:
        low, high = row["differ_interval95"]
        ratio, differ = "1", ""
        if row["runtime"] != "torch":
            ratio = f"{row['ratio']:.2f} ± {row['half_width']:.2f}"
            differ = f"{row['differ']} of {row['texts']} [{100 * low:.1f}, {100 * high:.1f}] %"
        speed = f"{row['texts_per_second']:.1f}"
        rows.append(f"| `{row['body']}` | {row['runtime']} | {speed} | {ratio} | {differ} |")
    assert re.findall(r"^\| `[\w-]+` \| (?:torch|onnx|openvino).*\|$", page, re.M) == rows
