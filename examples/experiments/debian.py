"""Texts about Debian packages: ``python -m examples.experiments.debian 6 sections-6.tsv`` writes those of six sections.

The texts are the one-line descriptions of the packages that apt knows (``apt-cache dumpavail``), with their section and
their debtags. They change with Debian's release: the record of a result has the hash of its texts.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

PER_SECTION = 400  # a section with fewer texts is no label
SHORTEST = 20  # characters of a text
LABELS = 10  # most frequent debtags, the labels of `tagged`


class Package(NamedTuple):
    """Package of Debian."""

    text: str  # its description in one line
    section: str
    tags: frozenset[str]


@cache
def packages() -> tuple[Package, ...]:
    """Return the packages with texts that occur once, sorted by text."""
    listed = subprocess.run(
        ["apt-cache", "dumpavail"], capture_output=True, text=True, check=True
    ).stdout
    found = []
    for entry in listed.split("\n\n"):
        fields = dict(re.findall(r"^([\w-]+): (.*(?:\n .*)*)", entry, re.MULTILINE))
        text = fields.get("Description", "").split("\n")[0].strip()
        tags = {tag.strip() for tag in re.split(r",\s*", fields.get("Tag", "")) if tag.strip()}
        if len(text) >= SHORTEST and text.isascii():
            found.append(Package(text, fields.get("Section", ""), frozenset(tags)))
    copies = Counter(each.text for each in found)
    return tuple(sorted(each for each in found if copies[each.text] == 1))


def sections(k: int, n: int, seed: int) -> tuple[list[str], list[str]]:
    """Return n texts of each of k sections that the seed draws, and the sections' names."""
    texts = defaultdict(list)
    for each in packages():
        texts[each.section].append(each.text)
    large = sorted(name for name, those in texts.items() if name and len(those) >= PER_SECTION)
    random = np.random.default_rng(seed)
    names = random.choice(large, k, replace=False).tolist()
    drawn = [random.choice(texts[name], n, replace=False).tolist() for name in names]
    return [text for those in drawn for text in those], names


def tagged(n: int, seed: int) -> tuple[list[str], np.ndarray, list[str]]:
    """Return n texts with debtags, the labels (n, L) 0 or 1 of the most frequent ones, and their names."""
    known = [each for each in packages() if each.tags]
    counts = Counter(tag for each in known for tag in each.tags)
    names = [tag for tag, _ in sorted(counts.items(), key=lambda of: (-of[1], of[0]))[:LABELS]]
    drawn = np.random.default_rng(seed).choice(len(known), n, replace=False)
    flags = np.array([[tag in known[i].tags for tag in names] for i in drawn], np.int64)
    return [known[i].text for i in drawn], flags, names


def pairs(n: int, seed: int) -> tuple[list[tuple[str, str]], np.ndarray]:
    """Return n pairs of texts, half of one section, and the Jaccard similarities (n,) of their debtags."""
    known = [each for each in packages() if each.tags]
    of_section = defaultdict(list)
    for i, each in enumerate(known):
        of_section[each.section].append(i)
    random = np.random.default_rng(seed)
    texts = []
    similar = []
    for at in range(n):
        i = int(random.integers(len(known)))
        near = of_section[known[i].section]
        j = (
            int(random.choice(near))
            if at % 2 and len(near) > 1
            else int(random.integers(len(known)))
        )
        first = known[i]
        second = known[j]
        texts.append((first.text, second.text))
        similar.append(len(first.tags & second.tags) / len(first.tags | second.tags))
    return texts, np.array(similar)


if __name__ == "__main__":
    drawn, sections_drawn = sections(int(sys.argv[1]), 100, 0)
    rows = [f"{text}\t{sections_drawn[i // 100]}\n" for i, text in enumerate(drawn)]
    with Path(sys.argv[2]).open("w", encoding="utf-8") as file:
        file.writelines(["text\tlabel\n", *rows])
