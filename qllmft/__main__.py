"""Entry of the command line: the program ``qllmft``, and ``python -m qllmft``."""

from qllmft_base.current_folder import ignore_current_folder


def run_process() -> None:
    """Run the command line in a process of its own."""
    ignore_current_folder()  # before anything else is imported
    from qllmft.cli.main import run_process as run_commands

    run_commands()


if __name__ == "__main__":
    run_process()
