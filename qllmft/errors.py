"""Error of a user's input, which the CLI prints before it ends with exit code 2."""


class UserError(ValueError):
    """Bad input. The message has the input, the expectation and the remedy, and no address with a password."""

    def __init__(self, message: str = "") -> None:
        if ":/" in message:
            from qllmft_backends.masking import masked  # imports Qiskit, which takes a second

            message = masked(message)
        super().__init__(message)
