from run_fixtures import body, corpus, loaded, out

__all__ = ["body", "corpus", "loaded", "out"]
# it holds no doctests, and other folders have a module of this name
collect_ignore = ["conftest.py"]
