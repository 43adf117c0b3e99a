"""Texts of many classes without a download: ``python -m lab.experiments.docstrings 50 docstrings-50.tsv``.

First sentences of docstrings in the sources of the installed `PACKAGES`, labelled by their sub-package.
Nothing is imported. The first k of 50 classes are those of the file with k; the same versions give the same file.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter, defaultdict
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import numpy as np

PACKAGES = (
    "matplotlib",
    "networkx",
    "numpy",
    "pandas",
    "pennylane",
    "qiskit",
    "scipy",
    "sklearn",
    "sympy",
    "torch",
)
PER_CLASS = 100  # sentences per class; a sub-package with fewer is no class
SHORTEST = 25  # characters of a sentence
LONGEST = 200


def sentences(file: Path) -> set[str]:
    """Return the first sentences of the docstrings of a file's public classes and functions, each on one line."""
    nodes = [
        node
        for node in ast.walk(ast.parse(file.read_bytes()))
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
    ]
    paragraphs = [
        (ast.get_docstring(node) or "").partition("\n\n")[0]
        for node in nodes
        if node.name[0] != "_"
    ]
    firsts = {
        re.split(r"(?<=[a-z)])\.(?:\s|$)", " ".join(paragraph.split()))[0]
        for paragraph in paragraphs
    }
    return {
        sentence
        for sentence in firsts
        if SHORTEST <= len(sentence) <= LONGEST and sentence.isascii()
    }


@cache
def classes(
    per_class: int = PER_CLASS, packages: tuple[str, ...] = PACKAGES
) -> dict[str, list[str]]:
    """Return ``per_class`` sentences by sub-package, the largest first.

    If a sentence is in several sub-packages, it is dropped.
    """
    sentences_by_name: dict[str, set[str]] = defaultdict(set)
    for package in packages:
        spec = find_spec(package)
        assert spec is not None
        assert spec.origin is not None
        root = Path(spec.origin).parent
        for file in sorted(root.rglob("*.py")):
            folders = file.relative_to(root).parts[:-1]
            if folders and not any(folder.startswith(("_", "test")) for folder in folders):
                sentences_by_name[f"{package}.{folders[0]}"] |= sentences(file)
    copies = Counter(
        sentence for class_sentences in sentences_by_name.values() for sentence in class_sentences
    )
    unique = {
        name: [sentence for sentence in class_sentences if copies[sentence] == 1]
        for name, class_sentences in sentences_by_name.items()
    }
    names = sorted(
        (name for name in unique if len(unique[name]) >= per_class),
        key=lambda n: (-len(unique[n]), n),
    )
    return {
        name: sorted(unique[name], key=lambda s: sha256(s.encode()).digest())[:per_class]
        for name in names
    }


def draw_sentences(k: int, n: int, seed: int) -> list[str]:
    """Return n sentences of each of k sub-packages that the seed draws, label after label."""
    sentences_by_class = classes()
    random = np.random.default_rng(seed)
    names = random.choice(sorted(sentences_by_class), k, replace=False)
    return [
        text for name in names for text in random.permutation(sentences_by_class[name])[:n].tolist()
    ]


if __name__ == "__main__":
    n_classes = int(sys.argv[1])
    sentences_by_class = classes()
    if len(sentences_by_class) < n_classes:
        sys.exit(
            f"got {len(sentences_by_class)} classes of {PER_CLASS} sentences, expected {n_classes}; "
            "install more of the packages"
        )
    rows = [
        f"{text}\t{name}\n"
        for name in list(sentences_by_class)[:n_classes]
        for text in sentences_by_class[name]
    ]
    Path(sys.argv[2]).write_text("text\tlabel\n" + "".join(rows), encoding="utf-8")
