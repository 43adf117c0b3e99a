"""What the folders below share, circuits and references, is imported by name from this one."""

# it holds no doctests, and other folders have a module of this name
collect_ignore = ["conftest.py"]
