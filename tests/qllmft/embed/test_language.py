"""The share of texts in another language or script: told by the tokenizer, silent on English, and on the page."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from qllmft.config import BUILT_IN_CORPUS, BodyConfig, DataConfig
from qllmft.data import read_corpus
from qllmft.embed.language import (
    LEAST_SHARE,
    MAX_READ,
    MULTILINGUAL_MODELS,
    find_foreign,
    language_sentences,
)
from qllmft.embed.reading import Reader
from qllmft.run.reading import reading_sentences

ROOT = Path(__file__).parents[3]
RECORD = json.loads((ROOT / "docs/records/languages.json").read_text("utf-8"))
WRITTEN = tomllib.loads((ROOT / "lab/experiments/languages.toml").read_text("utf-8"))
REVIEWS = read_corpus(DataConfig(source=BUILT_IN_CORPUS)).splits["all"]


@pytest.fixture(scope="module")
def minilm():
    return Reader.for_body(BodyConfig(model="minilm"))


def word_reader(words, pieces=()):
    """A reader whose vocabulary has words as they are, letters and some more pieces."""
    names = ["[UNK]", *dict.fromkeys([*words, *map(chr, range(97, 123)), *pieces])]
    names += [f"##{chr(i)}" for i in range(97, 123)]
    tokenizer = Tokenizer(models.WordPiece({n: i for i, n in enumerate(names)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return Reader(tokenizer, 0, None)


def test_tables_in_another_language_have_a_line_and_english_ones_have_none(minilm):
    for language, texts in WRITTEN.items():
        sentences = language_sentences(texts, minilm, "minilm")
        assert bool(sentences) == (language != "English"), (language, sentences)
        if sentences:
            assert sentences[0].startswith("minilm reads English, and ")
            assert all(name in sentences[1] for name in MULTILINGUAL_MODELS)
    assert language_sentences(REVIEWS.texts, minilm, "minilm") == []


def test_the_share_is_that_of_the_texts_in_another_language(minilm):
    english = WRITTEN["English"] * 2
    mixed = english[:30] + WRITTEN["Russian"][:10]
    (first, _) = language_sentences(mixed, minilm, "folder/model")
    n_foreign = sum(find_foreign(mixed, minilm))
    assert f"{100 * n_foreign / 40:.0f} % of the texts look like another language" in first
    assert "than folder/model reads, such as" in first
    few = english[:38] + WRITTEN["Thai"][:1]
    assert sum(find_foreign(few, minilm)) < LEAST_SHARE * len(few)
    assert language_sentences(few, minilm, "minilm") == []


def test_a_large_table_is_read_in_part_from_end_to_end(minilm):
    texts = [
        *REVIEWS.texts,
        *(f"{text} Наверно {i}" for i, text in enumerate(WRITTEN["Russian"] * 30)),
    ]
    (first, _) = language_sentences(texts, minilm, "minilm")
    assert "about 50 % of the texts" in first
    assert len(texts) > 2 * MAX_READ


def test_a_vocabulary_decides_for_an_own_folder():
    german = WRITTEN["German"]
    words = {word for text in german for word in re.findall(r"\w+", text)}
    assert sum(find_foreign(german, word_reader(words))) == 0
    assert sum(find_foreign(WRITTEN["French"], word_reader(words))) >= 18
    cyrillic = [f"слово{chr(0x430 + i // 32)}{chr(0x430 + i % 32)}" for i in range(1_000)]
    russian = {word for text in WRITTEN["Russian"] for word in re.findall(r"\w+", text)}
    assert sum(find_foreign(WRITTEN["Russian"], word_reader(russian, cyrillic))) == 0
    assert all(find_foreign(WRITTEN["Russian"], word_reader(russian)))
    many = word_reader(words, [f"piece{i}" for i in range(100_000)])
    assert language_sentences(WRITTEN["French"], many, "own") == []


@pytest.mark.parametrize("text", ["", "?!", "OK", "TCK-48213 XZ-7781", "😀😀😀", "ünü"])
def test_texts_without_words_are_of_no_other_language(minilm, text):
    assert find_foreign([text], minilm) == [False]


def test_a_run_says_it_before_the_texts_are_embedded(minilm):
    table = REVIEWS.__class__(WRITTEN["Chinese"], REVIEWS.labels[: len(WRITTEN["Chinese"])])
    sentences = [*reading_sentences({"train": table}, minilm, "minilm")]
    assert sentences[0].startswith("minilm reads English, and 100 % of the texts look like")
    assert not any("characters that minilm does not know" in sentence for sentence in sentences)


def test_the_page_has_the_record(minilm):
    page = (ROOT / "docs/language-models.md").read_text("utf-8")
    for row in RECORD["results"]:
        share = f"{100 * row['foreign'] / row['count']:.1f} %"
        line = "yes" if row["line"] else "no"
        assert f"| {row['texts']} | {row['count']:,} | {share} | {line} |" in page
        if row["texts"] in WRITTEN:
            assert sum(find_foreign(WRITTEN[row["texts"]][10:], minilm)) == row["foreign"]
    assert f"{RECORD['seconds']:.2f} s of processor time" in page
    for name in MULTILINGUAL_MODELS:
        assert f"| `{name}`" in page
