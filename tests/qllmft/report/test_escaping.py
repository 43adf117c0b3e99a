"""Titles, labels, names and commands of users, which have no effect of their own on a page in any format."""

import re
from dataclasses import replace

import pytest
from any_input import examples
from hypothesis import example, given
from hypothesis import strategies as st

from qllmft.report.pages import render_template
from qllmft.run.record import BodyRecord, DataRecord
from qllmft_studies.record import RowResult, StudyRecord
from qllmft_studies.report.table import page_variables

HOSTILE = "# a|b <script>c</script> `d` [e](javascript:f) **g** \x1b[31m \x9b \u202e\n\n\\input{h} &lt; %\n    [5cm]"
HIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def make_record(text: str) -> StudyRecord:
    zeros = ("0" * 12,)
    sizes = (100,)
    rows = [
        RowResult(f"{side} {text}", side, "", "single-10q", "m", None, zeros, sizes, (0.5,), (0.5,))
        for side in ("subject", "baseline")
    ]
    data = DataRecord(text, "f", (text, "b"), {"train": 1, "validation": 1, "test": 1})
    return StudyRecord(
        study=text, title=text, subject="quantum head", baseline="classical head", reduced=text, seeds=(0,), epochs=3,
        select="accuracy", protocol="paper", redrawn=True, data=data, body=BodyRecord(text, "i", 8), settings={},
        command=f"qllmft study '{text}'", rows=tuple(rows), versions={}, notes="",
    )  # fmt: skip


def page(text: str, name: str, **changes: str) -> str:
    record = replace(make_record(text), **changes)
    return render_template("qllmft_studies.report", name, **page_variables(record))


@examples(40)
@example("   ")
@given(st.text(st.sampled_from("a |<>/`[]()*_#-+\\\n\r\x1b\x9b\u202e\u2028&;!%{}$^~"), max_size=20))
def test_a_text_keeps_the_structure_of_a_page_in_markdown(text):
    rendered = page(text, "study.md.j2")
    plain = page("a", "study.md.j2")
    assert len(rendered.split("\n")) == len(plain.split("\n"))
    assert not HIDDEN.search(rendered)
    outside = re.sub(r"\n    .*", "", rendered)
    assert not re.search(r"<[A-Za-z/!?]|(?<!\\)\]\(", outside)
    bars = [len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in outside.splitlines()]
    assert bars == [
        len(re.findall(r"\|", line)) for line in re.sub(r"\n    .*", "", plain).splitlines()
    ]


@examples(40)
@given(st.text(st.sampled_from("a%\\{}$&#^_~[]*\n\r\x1b\u2028"), max_size=20))
def test_a_text_keeps_the_structure_of_a_table_in_latex(text):
    rendered = page(text, "study.tex.j2")
    plain = page("a", "study.tex.j2")
    assert len(rendered.splitlines()) == len(plain.splitlines())
    assert rendered.splitlines()[0].startswith("% ")
    assert rendered.count(r"\begin") == plain.count(r"\begin")
    assert "\n[" not in rendered
    assert "\n*" not in rendered


@pytest.mark.parametrize(
    ("name", "effects"),
    {
        "study.md.j2": ("<script", "[e](", "\n# a", "a|b"),
        "study.tex.j2": (r"\input{", "\n[", " % "),
    }.items(),
)
def test_hostile_text_has_no_effect(name, effects):
    rendered = page(HOSTILE, name)
    # without the command, which has no effect there
    table = re.sub(r"(?m)^(    |% ).*$", "", rendered)
    assert not [effect for effect in effects if effect in table]
    assert not HIDDEN.search(rendered)


def test_notes_are_markdown_without_html():
    rendered = page("a", "study.md.j2", notes="**more** below p < 0.05\n\n<script>x</script>")
    assert rendered.endswith("**more** below p < 0.05\n\n&lt;script>x&lt;/script>")


def test_the_page_of_a_run_shows_control_characters_as_a_sign(make_run):
    from qllmft.report.pages import render_report

    html = render_report(
        make_run(texts=[f"{HOSTILE} {i}" for i in range(60)], baselines=((HOSTILE, 50),))
    )
    assert not HIDDEN.search(html)
    assert "�[31m" in html
