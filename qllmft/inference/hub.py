"""Upload and download of models on the Hugging Face hub."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from qllmft.config.body import ADAPTER_FOLDER, BODY_FOLDER
from qllmft.embed import BODY_FILES, body_identity, check_body_folder, locate_body, pin_revision
from qllmft.embed.adapter import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from qllmft.embed.loading import check_torch_weights
from qllmft.inference.card import CARD, HUB_NAME
from qllmft.model import StoredModel
from qllmft_base.errors import UserError

_NAME = re.compile(HUB_NAME.pattern + "(@[^@]+)?")
_FILES = ["model.json", "model.safetensors", CARD, *(f"{BODY_FOLDER}/{pattern}" for pattern in BODY_FILES),
          f"{ADAPTER_FOLDER}/{ADAPTER_CONFIG}", f"{ADAPTER_FOLDER}/{ADAPTER_WEIGHTS}"]  # fmt: skip


def is_hub_name(name: str) -> bool:
    """Return whether a name can be one on the hub.

    >>> [is_hub_name(name) for name in ("ann/reviews@v2", "ann/reviews", "reviews", "./reviews", "/a/b", "a/b/c")]
    [True, True, False, False, False, False]
    """
    return _NAME.fullmatch(name) is not None


def make_portable(model: StoredModel, folder: Path) -> StoredModel:
    """Return the model without folders and devices of this machine.

    A local body is copied to ``body`` in ``folder``, without pickles and code; a body of the hub gets its commit as
    revision.
    """
    body = model.body.model_copy(update={"device": None})
    if body.model == "minilm":
        return model.model_copy(update={"body": body})
    source = Path(locate_body(body).path)
    if not source.is_dir():
        body, identity = pin_revision(body, model.body_identity)
        return model.model_copy(update={"body": body, "body_identity": identity})
    check_body_folder(source)
    check_torch_weights(source, "Train with the backend 'torch' to save or upload the model.")
    shutil.copytree(source, folder / BODY_FOLDER, ignore=_other_files)
    body = body.model_copy(update={"model": str(folder / BODY_FOLDER), "revision": None})
    identity = body_identity(body, locate_body(body))
    return model.model_copy(update={"body": body, "body_identity": identity, "own_body": True})


def _other_files(folder: str, names: list[str]) -> list[str]:
    """Return the entries of a body's folder that are not copied, such as pickles, code and hidden folders."""
    copied_names = {name for name in names if Path(folder, name).is_dir()}
    copied_names |= {name for name in names for pattern in BODY_FILES if fnmatch(name, pattern)}
    return [name for name in names if name.startswith(".") or name not in copied_names]


def download(name: str, token: str | None = None) -> Path:
    """Download the model ``owner/name`` or ``owner/name@revision`` and return its folder in the hub's cache."""
    from huggingface_hub import snapshot_download

    repository, _, revision = name.partition("@")
    problem = f"there is no folder {name}, and the hub's model {name} could not be downloaded"
    remedy = "Give the folder of a finished run, or owner/name of a model on the hub."
    download_options: Any = {"revision": revision or None, "allow_patterns": _FILES}
    with hub_errors(problem, remedy, token):
        return Path(snapshot_download(repository, token=token, **download_options))


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


def upload(
    folder: Path,
    repo_id: str,
    *,
    private: bool,
    token: str | None,
    revision: str | None,
    pull_request: bool,
) -> str:
    """Upload a folder of `Predictor.save_pretrained`, and return the address of the commit or pull request.

    Args:
        folder: the files.
        repo_id: ``owner/name``; created if it does not exist.
        private: whether a new repository is private.
        token: token with write access; None takes that of the environment or of ``hf auth login``.
        revision: branch to commit to, made if it is missing; None is main.
        pull_request: whether to open a pull request.

    Raises:
        UserError: if the hub refuses it or is not reached. No message holds the token.
    """
    from huggingface_hub import HfApi

    remedy = "Log in with `hf auth login`, or set HF_TOKEN to a token with write access, and give owner/name."
    with hub_errors(f"the model could not be uploaded to {repo_id}", remedy, token):
        api = HfApi(token=token, library_name="qllmft")
        api.create_repo(repo_id, private=private, exist_ok=True)
        if revision is not None:
            api.create_branch(repo_id, branch=revision, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repo_id,
            folder_path=folder,
            commit_message="A model of qllmft",
            delete_patterns=[f"{BODY_FOLDER}/*", f"{ADAPTER_FOLDER}/*"],
            revision=revision,
            create_pr=pull_request or None,
        )
    return str(commit.pr_url if pull_request else commit.commit_url)
