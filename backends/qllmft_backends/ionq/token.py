"""The API key: read from the environment or from a file, shown nowhere."""

from __future__ import annotations

import os
from base64 import b64encode
from pathlib import Path
from urllib.parse import quote

from qllmft_backends.ionq.answer import clean
from qllmft_backends.ionq.errors import IonQAuthError
from qllmft_backends.masking import HIDDEN

TOKEN_VARIABLES = ("QISKIT_IONQ_API_TOKEN", "IONQ_API_KEY", "IONQ_API_TOKEN")  # qiskit-ionq's order


class ApiToken:
    """An API key that does not show itself: not in `repr`, not in `str`, not in a traceback's locals.

    >>> key = ApiToken("abcdefgh")
    >>> key, f"{key}"
    (ApiToken(***), 'ApiToken(***)')
    >>> key.scrub("Authorization: apiKey abcdefgh")
    'Authorization: apiKey ***'
    """

    __slots__ = ("_reveal",)

    def __init__(self, text: str) -> None:
        def reveal() -> str:  # a closure: vars() and pickle do not reach what it holds
            return text

        self._reveal = reveal

    def __repr__(self) -> str:
        return f"ApiToken({HIDDEN})"

    def header(self) -> str:
        """The value of the header ``Authorization``. The only place where the key comes out."""
        return f"apiKey {self._reveal()}"

    def scrub(self, text: str) -> str:
        """``text`` for a terminal or a file: without the key, however it is written; see `clean` for the rest."""
        key = self._reveal()
        text = clean(text)
        for written in {key, quote(key, safe=""), b64encode(key.encode()).decode()}:
            text = text.replace(written, HIDDEN)
        return text


def load_token(token_file: Path | None = None) -> ApiToken:
    """The key in ``token_file`` or, without one, in the first set of `TOKEN_VARIABLES`.

    A ``.env`` file is not read: in qiskit-ionq one that lies above the installed package wins over the environment.

    Raises:
        IonQAuthError: where there is no key; says where it was looked for.
    """
    if token_file is not None:
        try:
            text = token_file.expanduser().read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise IonQAuthError(
                f"the file that token_file names cannot be read ({type(error).__name__}). Nothing was sent. token_file "
                "takes the path of a file that holds the API key and nothing else, not the key itself."
            ) from None
        source = "the file that token_file names"
    else:
        name, text = next(
            ((v, os.environ[v].strip()) for v in TOKEN_VARIABLES if os.environ.get(v, "").strip()), ("", "")
        )
        source = f"the environment variable {name}"
        if not text:
            raise IonQAuthError(
                "there is no IonQ API key. Nothing was sent. Set one of "
                f"{', '.join(TOKEN_VARIABLES)} (the first that is set counts), or name a file with token_file. "
                "Keys are made at https://cloud.ionq.com; the sandbox takes any (qllmft ionq-sandbox)."
            )
    if not text or any(c.isspace() or not c.isprintable() or not c.isascii() for c in text) or len(text) < 4:
        raise IonQAuthError(
            f"{source} does not hold an API key: expected one line of 4 printable ASCII characters or more, "
            "without spaces. Nothing was sent."
        )
    return ApiToken(text)
