"""Command line by the name of the package: ``python -m qllmft``."""

from qllmft.cli.main import run_process

if __name__ == "__main__":
    run_process()
