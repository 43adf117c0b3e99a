"""Upload and download of trained models on the Hugging Face hub."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

from qllmft.config.body import OWN_ADAPTER, OWN_BODY
from qllmft.embed import BODY_FILES, body_identity, check_body_folder, locate_body, pinned
from qllmft.embed.adapter import CONFIG, WEIGHTS
from qllmft.embed.loading import check_torch_weights
from qllmft.errors import UserError
from qllmft.model.store import StoredModel

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+(@[^@]+)?")
_FILES = ["model.json", "model.safetensors", "README.md", *(f"{OWN_BODY}/{pattern}" for pattern in BODY_FILES),
          f"{OWN_ADAPTER}/{CONFIG}", f"{OWN_ADAPTER}/{WEIGHTS}"]  # fmt: skip


def is_hub_name(name: str) -> bool:
    """Return whether a name can be one on the hub.

    >>> [is_hub_name(name) for name in ("ann/reviews@v2", "ann/reviews", "reviews", "./reviews", "/a/b", "a/b/c")]
    [True, True, False, False, False, False]
    """
    return _NAME.fullmatch(name) is not None


def portable(model: StoredModel, folder: Path) -> StoredModel:
    """Return the model without folders and devices of this machine.

    A local body is copied to ``body`` in ``folder``, without pickles and code; a body of the hub gets its commit as
    revision.
    """
    body = model.body.model_copy(update={"device": None})
    if body.model == "minilm":
        return model.model_copy(update={"body": body})
    source = Path(locate_body(body).path)
    if not source.is_dir():
        body, identity = pinned(body, model.body_identity)
        return model.model_copy(update={"body": body, "body_identity": identity})
    check_body_folder(source)
    check_torch_weights(source, "Train with the backend 'torch' to save or upload the model.")
    shutil.copytree(source, folder / OWN_BODY, ignore=_other_files)
    body = body.model_copy(update={"model": str(folder / OWN_BODY), "revision": None})
    identity = body_identity(body, locate_body(body))
    return model.model_copy(update={"body": body, "body_identity": identity, "own_body": True})


def _other_files(folder: str, names: list[str]) -> list[str]:
    """Return the entries of a body's folder that are not copied, such as pickles, code and hidden folders."""
    return [
        name
        for name in names
        if name.startswith(".")
        or not (
            Path(folder, name).is_dir() or any(fnmatch(name, pattern) for pattern in BODY_FILES)
        )
    ]


def download(name: str, token: str | None = None) -> Path:
    """Download the model ``owner/name`` or ``owner/name@revision`` and return its folder in the hub's cache."""
    from huggingface_hub import snapshot_download

    repository, _, revision = name.partition("@")
    remedy = "Give the folder of a finished run, or owner/name of a model on the hub."
    with hub_errors(
        f"there is no folder {name}, and the hub's model {name} could not be downloaded",
        remedy,
        token,
    ):
        return Path(
            snapshot_download(
                repository, revision=revision or None, token=token, allow_patterns=_FILES
            )
        )


def check_name(name: str) -> None:
    """Raise `UserError` unless a name is ``owner/name``."""
    if not is_hub_name(name) or "@" in name:
        raise UserError(f"got {name!r}, expected owner/name, such as ann/films.")


@contextmanager
def hub_errors(problem: str, remedy: str, token: str | None) -> Iterator[None]:
    """Replace errors of the hub's client by a `UserError` that never holds the token."""
    from huggingface_hub import get_token

    token = token or get_token()
    # the client quotes a token that does not fit into a header
    if token is not None and not (token.isascii() and token.isprintable() and " " not in token):
        raise UserError(
            "the token holds a space, an end of line or another character that tokens do not have. Copy it again."
        )
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        if token:
            reason = reason.replace(token, "…")
        # without the cause: its request has the token in a header
        raise UserError(f"{problem}: {reason}. {remedy}") from None
