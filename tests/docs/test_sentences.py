"""Pages of results and decisions have short sentences, and a page of results begins with its result."""

import re
from itertools import pairwise
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

DOCS = Path(__file__).parents[2] / "docs"
PARSER = MarkdownIt("commonmark").enable("table")
MAX_WORDS = 40
LONG_WORDS = 25
MAX_LONG_SHARE = 0.10
MAX_SEMICOLON_SHARE = 0.03
# lists of cases, of which none is a study
LISTS = {"public-reports"}
PAGES_OF_RESULTS = [
    file for file in sorted((DOCS / "results").glob("*.md")) if file.stem not in LISTS
]


def paragraphs(markdown):
    """Return the texts of paragraphs and of items of lists, a word for each code, without tables and titles."""
    tokens = PARSER.parse(markdown)
    return [
        "".join(
            {"code_inline": "code", "softbreak": "\n"}.get(child.type, child.content)
            for child in token.children
            if child.type != "html_inline"
        )
        for opening, token in pairwise(tokens)
        if token.type == "inline" and opening.type == "paragraph_open"
    ]


def sentences(markdown):
    """Return the sentences of three words or more: a line or a capital letter begins one after a full stop."""
    ends = re.compile(r"(?<=[.!?])[\"”)\]]*(?:\n|\s+(?=[\"“(\[]?[A-Z0-9]))")
    parts = [part for paragraph in paragraphs(markdown) for part in ends.split(paragraph)]
    return [part for part in parts if len(words(part)) >= 3]


def words(text):
    """Return what has a letter or a digit between two spaces."""
    return [word for word in text.split() if re.search(r"[^\W_]", word)]


@pytest.mark.parametrize("folder", ["results", "decisions"])
def test_sentences_are_short(folder):
    pages = {file.name: sentences(file.read_text("utf-8")) for file in (DOCS / folder).glob("*.md")}
    everything = [sentence for page in pages.values() for sentence in page]
    too_long = [
        (name, sentence)
        for name, page in pages.items()
        for sentence in page
        if len(words(sentence)) > MAX_WORDS
    ]
    assert not too_long
    long_count = sum(len(words(sentence)) > LONG_WORDS for sentence in everything)
    assert long_count <= MAX_LONG_SHARE * len(everything)
    semicolons = sum(";" in sentence for sentence in everything)
    assert semicolons <= MAX_SEMICOLON_SHARE * len(everything)


@pytest.mark.parametrize("file", PAGES_OF_RESULTS, ids=lambda file: file.stem)
def test_a_page_of_results_begins_with_its_result_and_a_table_of_facts(file):
    title, result, *begin = file.read_text("utf-8").split("\n\n")[:4]
    assert title.startswith("# ")
    assert result.startswith("**")
    assert result.endswith("**")
    assert len(words(result)) <= 12
    lead = [part for part in begin[:1] if not part.startswith("|")]
    assert len(words(" ".join(lead))) <= 30
    assert begin[len(lead)].startswith("| fact | value |\n")
