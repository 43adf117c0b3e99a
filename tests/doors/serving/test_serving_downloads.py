"""The page's table and download in a browser, from answers of a server that the test makes up."""

import csv
import html
import io
import json
import re
from pathlib import Path

import pytest
from browser import browse

import qllmft_doors.serving

PAGE = Path(qllmft_doors.serving.__file__).parent
# a server in the page itself, the file that a person chooses, and what the page would download
SERVER = """<pre id="download"></pre><script>
const answers = %s;
window.fetch = async (path) => ({ ok: true, json: async () => answers[path.split("?")[0]] });
URL.createObjectURL = (blob) => {
  blob.text().then((text) => { document.getElementById("download").textContent = text; });
  return "#";
};
addEventListener("load", () => setTimeout(() => {
  const files = new DataTransfer();
  files.items.add(new File(["x"], "a.txt"));
  document.getElementById("file").files = files.files;
  document.getElementById("file").dispatchEvent(new Event("change"));
}, 200));
</script>"""
TEXTS = ["-5", "=1+1", "+49 30 1234", "-good", "a \"b\", c\nd", "12,5"]  # fmt: skip


def visit(tmp_path, facts, predictions, skipped=0):
    """Return the rows of the download, and the cells of the table that the page shows with the lines above it."""
    model = {"pairs": False, "rows": [], "columns": ["text"], "explains": False, "body": "minilm"}
    model |= {
        "model": "head",
        "run": "run",
        "data": None,
        "limits": {"texts": 64, "file_bytes": 99},
    }
    answers = {
        "/health": {"model": model | facts},
        "/texts": {
            "texts": (TEXTS * 5)[: len(predictions)],
            "note": "",
            "skipped": {"rows": skipped, "first": ["line 3: 'text' is empty"][:skipped]},
        },
        "/predict": {"predictions": predictions},
    }
    page = (PAGE / "page.html").read_text()
    script = f"<script>{(PAGE / 'page.js').read_text()}</script>"
    for link in (
        '<script src="/page.js" defer></script>',
        '<link rel="stylesheet" href="/page.css">',
    ):
        assert link in page
        page = page.replace(link, "")
    file = tmp_path / "page.html"
    file.write_text(page.replace("</body>", f"{SERVER % json.dumps(answers)}{script}</body>"))
    dom = browse(tmp_path, file, "--dump-dom", "--virtual-time-budget=3000").stdout
    download = html.unescape(re.search(r'<pre id="download">(.*?)</pre>', dom, re.DOTALL)[1])
    section = re.search(r'<section id="answer".*?</section>', dom, re.DOTALL)[0]
    cells = [
        html.unescape(cell)
        for cell in re.findall(r"<t[hd](?: [^>]*)?>(.*?)</t[hd]>", section, re.DOTALL)
    ]
    lines = [html.unescape(line) for line in re.findall(r"<p>([^<]+)</p>", section)]
    return list(csv.reader(io.StringIO(download))), [*cells, *lines]


def test_targets_that_are_named_like_years_keep_their_values(tmp_path):
    years = ["growth", "2020", "2019", "-1"]
    values = [[1.5, -20.25, 19.0, -1e-7], [-0.5, 2020.0, -2019.0, 0.0]]
    predictions = [{"values": dict(zip(years, row, strict=True))} for row in values]
    rows, cells = visit(tmp_path, {"targets": years}, predictions)
    assert rows[0] == [*years, "text"]
    assert [[float(cell) for cell in row[:4]] for row in rows[1:]] == values
    assert [row[4] for row in rows[1:]] == ["-5", "'=1+1"]
    assert cells[:5] == [*years, "text"]
    assert [float(cell) for cell in cells[5:9]] == values[0]


@pytest.mark.parametrize("labels", [["bad", "2020", "-1"]])
def test_a_number_stays_a_number_and_a_formula_is_none(tmp_path, labels):
    shares = [
        [0.2, 0.3, 0.5],
        [0.7, 0.1, 0.2],
        [0.1, 0.8, 0.1],
        [0.6, 0.2, 0.2],
        [0.4, 0.3, 0.3],
        [1, 0, 0],
    ]
    predictions = [
        {"label": labels[row.index(max(row))], "probabilities": dict(zip(labels, row, strict=True))}
        for row in shares
    ]
    rows, _ = visit(tmp_path, {"labels": labels}, predictions)
    assert rows[0] == ["label", "probability", "text"]
    assert [row[0] for row in rows[1:]] == ["-1", "bad", "2020", "bad", "bad", "bad"]
    assert [row[1] for row in rows[1:]] == [
        "0.5000",
        "0.7000",
        "0.8000",
        "0.6000",
        "0.4000",
        "1.0000",
    ]
    assert [row[2] for row in rows[1:]] == ["-5", "'=1+1", "'+49 30 1234", "'-good", *TEXTS[4:]]


def test_a_page_that_shows_20_answers_says_how_many_there_are_and_which_rows_are_missing(tmp_path):
    predictions = [{"label": "good", "probabilities": {"bad": 0.25, "good": 0.75}}] * 25
    rows, cells = visit(tmp_path, {"labels": ["bad", "good"]}, predictions, skipped=1)
    assert len(rows) == 1 + 25
    assert cells.count("good") == 20
    assert "The first 20 of 25 answers are shown. The download has all." in cells
    assert "1 row was left out: line 3: 'text' is empty." in cells
    _, cells = visit(tmp_path, {"labels": ["bad", "good"]}, predictions[:5])
    assert not any("left out" in cell or "are shown" in cell for cell in cells)
