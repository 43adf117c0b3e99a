"""The error that a user's input may cause. The CLI prints its text and ends with exit code 2."""


class UserError(ValueError):
    """Bad input. The message says what was got, what was expected and the remedy; no address in it shows a password."""

    def __init__(self, message: str = "") -> None:
        if ":/" in message:
            from qllmft_backends.masking import masked  # imports Qiskit, which takes a second

            message = masked(message)
        super().__init__(message)
