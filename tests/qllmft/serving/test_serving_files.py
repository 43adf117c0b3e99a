"""Texts of a file that is dropped on the page, as the page's own script reads them in a browser."""

import json
import shutil
import subprocess
from html import unescape
from importlib.resources import files

import pytest
from browser import CHROMIUM, browse

from qllmft.data.texts import read_texts
from qllmft.errors import UserError

LINES = "No column “review”"  # begins the note on a file without a header
UNKNOWN = "the file has no column “review”, that of the run's texts; its columns are"

CASES = {
    # name of the file, its content, the texts, and the note or the error
    "the run's column": ("a.csv", "id,review,text\n1,good,x\n2,bad,y\n", ["good", "bad"], ""),
    "semicolons": ("a.csv", "id;review\r\n1;good, really\r\n", ["good, really"], ""),
    "tabs": ("a.csv", 'id\treview\n1\t"good\tfilm"\n', ["good\tfilm"], ""),
    "the run's delimiter": ("a.csv", "id|review\n1|good; film\n", ["good; film"], ""),
    "a .tsv without quotes": ("a.tsv", 'id\treview\n1\t"so" they say\n', ['"so" they say'], ""),
    "quotes": (
        "a.csv",
        'review,id\n"two\nlines, ""so""",1\n5" disk,2\n',
        ['two\nlines, "so"', '5" disk'],
        "",
    ),
    "another case": ("a.CSV", "ID, Review \n1,good\n", ["good"], ""),
    "blank rows": ("a.csv", "id,review\n\n1,good\n\n", ["good"], ""),
    "one column with its name": (
        "a.csv",
        "review\ngood, really\nbad\n",
        ["good, really", "bad"],
        "",
    ),
    "one column": ("a.csv", 'good\n"bad, really"\n', ["good", "bad, really"], LINES),
    "one column and a comma": ("a.csv", "good\nbad, really\n", ["good", "bad, really"], LINES),
    "lines": ("a.txt", "id,review\n\n1,good\n", ["id,review", "1,good"], ""),
    "another column": ("a.csv", "id;text\n1;good, really\n2;bad\n", None, f"{UNKNOWN} id, text."),
    "no header": ("a.csv", "1,good\n2,bad\n", None, f"{UNKNOWN} 1, good."),
    "a short row": (
        "a.csv",
        "id,review\n1,good\n2\n",
        None,
        "row 2 and the header differ in their numbers of fields: 1 and 2",
    ),
    "a long row": (
        "a.csv",
        "id,review\n1,good, really\n",
        None,
        "row 1 and the header differ in their numbers of fields: 3 and 2",
    ),
    "an open quote": ("a.csv", 'id,review\n1,"good\n2,bad\n', None, "a quote is not closed"),
    "a stray quote": (
        "a.csv",
        'id,review\n1,"good" or so,\n',
        None,
        "line 2 has a stray quote. Write a quote within quotes twice.",
    ),
    "a quote that swallows a row": (
        "a.csv",
        'review,id\n"good,1\n"bad,2\n',
        None,
        "line 3 has a stray",
    ),
    "pipes": ("a.csv", "id|review\n1|good, really\n", ["good, really"], ""),
    "Excel's line": ("a.csv", "sep=;\nid;review\n1;good, really\n", ["good, really"], ""),
    "a carriage return": ("a.csv", "id,review\n1,good\rfilm\n", ["good\rfilm"], ""),
    "carriage returns": ("a.csv", "id,review\r1,good\r2,bad\r", ["good", "bad"], ""),
    "a blank before a quote": ("a.csv", 'id, review\n1, "good, really"\n', ["good, really"], ""),
    "a name twice": (
        "a.csv",
        "review,review\na,b\n",
        None,
        "the file has several columns “review”",
    ),
    "names again": (
        "a.csv",
        "id,review\n1,good\nid,review\n",
        None,
        "row 2 names the columns again",
    ),
    "a NUL byte": ("a.csv", "id,review\n1,go\0od\n", None, "line 2 has a NUL byte"),
    "records": (
        "a.jsonl",
        '{"review": "good"}\n',
        None,
        "the page reads .csv, .tsv and .txt files",
    ),
    "nothing": ("a.csv", "\n", None, "the file has no text"),
    "no text": ("a.csv", "id,review\n", None, "the file has no text"),
    "an empty text": ("a.csv", "id,review\n1,good\n2, \n", None, "row 2: “review” is empty"),
}

READ = """<!DOCTYPE html><meta charset="utf-8"><script>%s</script><pre id="seen"></pre><script>
const seen = %s.map(([name, content]) => {
  try { return textsOf(content, name, { columns: ["review"], delimiter: "|" }); }
  catch (error) { return { error: error.message }; }
});
document.getElementById("seen").textContent = JSON.stringify(seen);
</script>"""


NODE = """%s
const seen = %s.map(([name, content]) => {
  try { return textsOf(content, name, { columns: ["review"], delimiter: "|" }); }
  catch (error) { return { error: error.message }; }
});
console.log(JSON.stringify(seen));
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What the script makes of each file: texts and a note, or an error."""
    folder = tmp_path_factory.mktemp("page")
    given = json.dumps([case[:2] for case in CASES.values()])
    script = (files("qllmft.serving") / "texts.js").read_text("utf-8")
    if CHROMIUM is None and (node := shutil.which("node")):
        program = folder / "texts.js"
        program.write_text(NODE % (script, given), "utf-8")
        done = subprocess.run([node, program], capture_output=True, check=True, timeout=60)
        return dict(zip(CASES, json.loads(done.stdout), strict=True))
    page = folder / "page.html"
    page.write_text(READ % (script, given), "utf-8")
    dom = browse(folder, page, "--dump-dom").stdout
    found = json.loads(unescape(dom.split('<pre id="seen">')[1].split("</pre>")[0]))
    return dict(zip(CASES, found, strict=True))


LENIENT = {
    "one column",  # a file without names is taken with a note
    "one column and a comma",
    "lines",
}


@pytest.mark.parametrize("name", [name for name in CASES if name not in LENIENT])
def test_predict_reads_the_file_as_the_page_does(tmp_path, name):
    file, content, texts, _ = CASES[name]
    path = tmp_path / file
    path.write_bytes(content.encode())
    if texts is None and not file.endswith("jsonl") and name not in ("nothing", "no text"):
        with pytest.raises(UserError):
            list(read_texts(path, "review"))
    elif texts is not None:
        assert list(read_texts(path, "review")) == texts


@pytest.mark.parametrize("name", CASES)
def test_the_texts_of_a_file(seen, name):
    _, _, texts, words = CASES[name]
    found = seen[name]
    if texts is None:
        assert words in found["error"]
    else:
        assert found["texts"] == texts
        assert found["note"].startswith(words)
        assert bool(found["note"]) == bool(words)


def test_the_page_knows_the_columns_and_the_delimiter_of_the_run(served, trained_run, tmp_path):
    run = shutil.copytree(trained_run, tmp_path / "run")
    config = (run / "config.toml").read_text()
    changed = config.replace('text_column = "text"', 'text_column = "review"\ndelimiter = "|"')
    (run / "config.toml").write_text(changed)
    model = served()
    assert (model.describe()["columns"], model.describe()["delimiter"]) == (["text"], None)
    model.folder = run
    assert (model.describe()["columns"], model.describe()["delimiter"]) == (["review"], "|")
