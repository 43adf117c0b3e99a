"""API key from the environment or from a file, never shown."""

from __future__ import annotations

import os
import re
from base64 import b64encode
from pathlib import Path
from urllib.parse import quote

from qllmft_backends.availability import Availability
from qllmft_base.text import HIDDEN, clean
from qllmft_machines.bounds import MAX_TOKEN_FILE_BYTES
from qllmft_machines.errors import IonQAuthError, IonQKeyMissingError

_LONG_KEY = 12  # characters: no word by chance
TOKEN_VARIABLES = ("QISKIT_IONQ_API_TOKEN", "IONQ_API_KEY", "IONQ_API_TOKEN")  # qiskit-ionq's order


class ApiToken:
    """API key without a readable form: it is absent from `repr`, `str` and the locals of a traceback.

    >>> key = ApiToken("abcdefgh")
    >>> key, f"{key}"
    (ApiToken(***), 'ApiToken(***)')
    >>> key.scrub("Authorization: apiKey abcdefgh")
    'Authorization: apiKey ***'
    """

    __slots__ = ("_reveal",)

    def __init__(self, text: str) -> None:
        def reveal() -> str:  # a closure: vars() and pickle do not reach its content
            return text

        self._reveal = reveal

    def __repr__(self) -> str:
        return f"ApiToken({HIDDEN})"

    def header(self) -> str:
        """Return the header ``Authorization``. No other method returns the key."""
        return f"apiKey {self._reveal()}"

    def scrub(self, text: str) -> str:
        """Return `clean` ``text`` without the key in its usual encodings.

        A short key is hidden as a whole word only: the mock server takes any, such as "sandbox", and its unit is
        "sandbox-credit".
        """
        key = self._reveal()
        text = clean(text)
        for encoded_key in {key, quote(key, safe=""), b64encode(key.encode()).decode()}:
            if len(key) >= _LONG_KEY:
                text = text.replace(encoded_key, HIDDEN)
            else:
                text = re.sub(rf"(?<![\w-]){re.escape(encoded_key)}(?![\w-])", HIDDEN, text)
        return text


def load_token(token_file: Path | None = None) -> ApiToken:
    """Return the key in ``token_file`` or, without one, in the first variable of `TOKEN_VARIABLES` that is set.

    A ``.env`` file is not read: in qiskit-ionq one above the installed package overrides the environment.

    Raises:
        IonQAuthError: without a key.
    """
    if token_file is not None:
        try:
            with token_file.expanduser().open("rb") as file:
                text = file.read(MAX_TOKEN_FILE_BYTES).decode().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise IonQAuthError(
                f"the file that token_file names cannot be read ({type(error).__name__}). Nothing was sent. token_file "
                "takes the path of a file that holds the API key and nothing else, not the key itself."
            ) from None
        source = "the file that token_file names"
    else:
        name, text = next(
            ((v, os.environ[v].strip()) for v in TOKEN_VARIABLES if os.environ.get(v, "").strip()),
            ("", ""),
        )
        source = f"the environment variable {name}"
        if not text:
            first_name, *other_names = TOKEN_VARIABLES
            raise IonQKeyMissingError(
                f"there is no IonQ API key. Nothing was sent. Set {first_name} (or {' or '.join(other_names)}), or "
                "name a file with --token-file, in Python token_file. "
                "Keys are made at https://cloud.ionq.com. The mock server takes any key: qllmft ionq-sandbox."
            )
    if len(text) < 4 or not (text.isascii() and text.isprintable()) or " " in text:
        raise IonQAuthError(
            f"{source} does not hold an API key: expected one line of 4 printable ASCII characters or more, "
            "without spaces. Nothing was sent."
        )
    return ApiToken(text)


def look_up() -> Availability:
    """Return whether there is an API key. Nothing is sent."""
    try:
        load_token()
    except IonQAuthError as error:
        return Availability(False, str(error))
    return Availability(True, "An API key is set. The first request shows whether it is valid.")
