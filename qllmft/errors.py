"""The error that a user's input may cause. The CLI prints its text and ends with exit code 2."""


class UserError(ValueError):
    """Bad input. The message says what was got, what was expected and the remedy."""
