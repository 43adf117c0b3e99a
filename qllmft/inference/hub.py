"""A trained model on the Hugging Face hub: which files go there and come from there, and errors in our words."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from qllmft.embed import PICKLES, body_identity, check_body_folder, locate_body, pinned
from qllmft.errors import UserError
from qllmft.model.store import OWN_BODY, StoredModel

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+(@[^@]+)?")
_FILES = ["model.json", "model.safetensors", "README.md", f"{OWN_BODY}/*"]
_REFUSED = [f"*{suffix}" for suffix in (*PICKLES, ".py")]  # pickles and code: they neither go up nor come down


def is_hub_name(name: str) -> bool:
    """Whether a name can be one of the hub.

    >>> [is_hub_name(name) for name in ("ann/reviews@v2", "ann/reviews", "reviews", "./reviews", "/a/b", "a/b/c")]
    [True, True, False, False, False, False]
    """
    return _NAME.fullmatch(name) is not None


def portable(model: StoredModel, folder: Path) -> StoredModel:
    """The model as another machine can use it: no folder of this one, no device.

    A body in a folder is copied to ``body`` in ``folder``, without pickles and code; one of the hub gets its commit as
    its revision.

    Raises:
        UserError: where a body in a folder holds code, or weights that are no safetensors.
    """
    body = model.body.model_copy(update={"device": None})
    if body.model == "minilm":
        return replace(model, body=body)
    source = Path(locate_body(body).path)
    if not source.is_dir():
        body, identity = pinned(body, model.body_identity)
        return replace(model, body=body, body_identity=identity)
    check_body_folder(source)
    shutil.copytree(source, folder / OWN_BODY, ignore=shutil.ignore_patterns(*_REFUSED, ".git", ".cache"))
    body = body.model_copy(update={"model": str(folder / OWN_BODY), "revision": None})
    return replace(model, body=body, body_identity=body_identity(body, locate_body(body)), own_body=True)


def download(name: str, token: str | None = None) -> Path:
    """The folder, in the hub's own cache, of the model ``owner/name`` or ``owner/name@revision``; nothing was loaded.

    Raises:
        UserError: where it is not there or the hub is not reached.
    """
    from huggingface_hub import snapshot_download

    repository, _, revision = name.partition("@")
    remedy = "Give the folder of a finished run, or owner/name of a model on the hub."
    with _in_our_words(f"there is no folder {name}, and the hub's model {name} could not be had", remedy, token):
        return Path(
            snapshot_download(
                repository, revision=revision or None, token=token, allow_patterns=_FILES, ignore_patterns=_REFUSED
            )
        )


def upload(folder: Path, name: str, private: bool = False, token: str | None = None) -> str:
    """Upload a model's folder to ``owner/name`` in one commit, whose address is returned; see `Predictor.push_to_hub`.

    Raises:
        UserError: where the hub refuses it or is not reached.
    """
    from huggingface_hub import HfApi

    remedy = "Log in with `hf auth login`, or set HF_TOKEN to a token that may write, and give owner/name."
    with _in_our_words(f"the model could not be uploaded to {name}", remedy, token):
        api = HfApi(token=token, library_name="qllmft")
        api.create_repo(name, private=private, exist_ok=True)
        commit = api.upload_folder(
            repo_id=name, folder_path=folder, commit_message="A model of qllmft", delete_patterns=[f"{OWN_BODY}/*"]
        )
    return commit.commit_url


@contextmanager
def _in_our_words(what: str, remedy: str, token: str | None) -> Iterator[None]:
    """Turn an error of the hub's client into a `UserError` that never holds the token.

    Raises:
        UserError: for whatever the client raises, and for a token that a header cannot hold, which it would quote.
    """
    from huggingface_hub import get_token

    token = token or get_token()
    if token is not None and not (token.isascii() and token.isprintable() and " " not in token):
        raise UserError(
            "the token holds a space, an end of line or another character that no token has. Copy it again."
        )
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        if token:
            reason = reason.replace(token, "…")
        # without the cause: a request that it holds has the token in its header
        raise UserError(f"{what}: {reason}. {remedy}") from None
