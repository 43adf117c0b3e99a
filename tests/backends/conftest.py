"""What the folders below share, circuits and references, is imported by name from this one."""

collect_ignore = ["conftest.py"]  # it holds no doctests, and other folders have a module of this name
