"""Command line by the name of the package: ``python -m qllmft``."""

from qllmft.cli.main import main

if __name__ == "__main__":
    main()
