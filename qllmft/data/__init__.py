"""Data: labelled texts in, three splits out."""

from qllmft.data.corpus import Corpus, Table
from qllmft.data.findings import Findings
from qllmft.data.in_memory import corpus_in_memory
from qllmft.data.protocol import Splits, split_corpus
from qllmft.data.sources import SUFFIXES, read_corpus

__all__ = ["SUFFIXES", "Corpus", "Findings", "Splits", "Table", "corpus_in_memory", "read_corpus", "split_corpus"]
