import pytest
from small_bodies import write_corpus

# it holds no doctests, and other folders have a module of this name
collect_ignore = ["conftest.py"]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of embeddings of the test's own."""
    monkeypatch.setenv("QLLMFT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A small file of texts; tests do not change it."""
    return write_corpus(tmp_path_factory.mktemp("texts") / "corpus.tsv")
