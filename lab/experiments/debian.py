"""Texts about Debian packages: ``python -m lab.experiments.debian 6 sections-6.tsv`` writes those of six sections.

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
LABELS = 10  # most frequent debtags, the labels of `tagged_texts`


class Package(NamedTuple):
    """Package of Debian."""

    text: str  # its description in one line
    section: str
    tags: frozenset[str]
    maintainer: str = ""


@cache
def packages() -> tuple[Package, ...]:
    """Return the packages with texts that occur once, sorted by text."""
    listing = subprocess.run(
        ["apt-cache", "dumpavail"], capture_output=True, text=True, check=True
    ).stdout
    entries = []
    for entry in listing.split("\n\n"):
        fields = dict(re.findall(r"^([\w-]+): (.*(?:\n .*)*)", entry, re.MULTILINE))
        text = fields.get("Description", "").split("\n")[0].strip()
        tags = {tag.strip() for tag in re.split(r",\s*", fields.get("Tag", "")) if tag.strip()}
        if len(text) >= SHORTEST and text.isascii():
            maintainer = fields.get("Maintainer", "")
            entries.append(Package(text, fields.get("Section", ""), frozenset(tags), maintainer))
    copies = Counter(package.text for package in entries)
    return tuple(sorted(package for package in entries if copies[package.text] == 1))


def sections(k: int, n: int, seed: int) -> tuple[list[str], list[str]]:
    """Return n texts of each of k sections that the seed draws, and the sections' names."""
    texts = defaultdict(list)
    for package in packages():
        texts[package.section].append(package.text)
    large = sorted(
        name for name, section_texts in texts.items() if name and len(section_texts) >= PER_SECTION
    )
    random = np.random.default_rng(seed)
    names = random.choice(large, k, replace=False).tolist()
    texts_by_section = [random.choice(texts[name], n, replace=False).tolist() for name in names]
    return [text for section_texts in texts_by_section for text in section_texts], names


def tagged_texts(n: int, seed: int) -> tuple[list[str], np.ndarray, list[str]]:
    """Return n texts with debtags, the labels (n, L) 0 or 1 of the most frequent ones, and their names."""
    tagged_packages = [package for package in packages() if package.tags]
    counts = Counter(tag for package in tagged_packages for tag in package.tags)
    names = [
        tag
        for tag, _ in sorted(counts.items(), key=lambda tag_count: (-tag_count[1], tag_count[0]))[
            :LABELS
        ]
    ]
    drawn_numbers = np.random.default_rng(seed).choice(len(tagged_packages), n, replace=False)
    flags = np.array(
        [[tag in tagged_packages[i].tags for tag in names] for i in drawn_numbers], np.int64
    )
    return [tagged_packages[i].text for i in drawn_numbers], flags, names


def pairs(n: int, seed: int) -> tuple[list[tuple[str, str]], np.ndarray]:
    """Return n pairs of texts, half of one section, and the Jaccard similarities (n,) of their debtags."""
    tagged_packages = [package for package in packages() if package.tags]
    numbers_by_section = defaultdict(list)
    for i, package in enumerate(tagged_packages):
        numbers_by_section[package.section].append(i)
    random = np.random.default_rng(seed)
    texts = []
    similar = []
    for pair_number in range(n):
        i = int(random.integers(len(tagged_packages)))
        section_numbers = numbers_by_section[tagged_packages[i].section]
        j = (
            int(random.choice(section_numbers))
            if pair_number % 2 and len(section_numbers) > 1
            else int(random.integers(len(tagged_packages)))
        )
        first = tagged_packages[i]
        second = tagged_packages[j]
        texts.append((first.text, second.text))
        similar.append(len(first.tags & second.tags) / len(first.tags | second.tags))
    return texts, np.array(similar)


if __name__ == "__main__":
    texts, section_names = sections(int(sys.argv[1]), 100, 0)
    rows = [f"{text}\t{section_names[i // 100]}\n" for i, text in enumerate(texts)]
    with Path(sys.argv[2]).open("w", encoding="utf-8") as file:
        file.writelines(["text\tlabel\n", *rows])
