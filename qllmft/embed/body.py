"""Body: a language model that is loaded."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qllmft.config import BodyConfig
from qllmft.embed.adapter import load_adapter
from qllmft.embed.folder_check import BODY_FILES, OTHER_FORMATS, check_body_folder
from qllmft.embed.loading import (
    GIVEN,
    batches_of_tokens,
    check_torch_weights,
    given_body,
    loaded,
    prompt_of,
)
from qllmft.embed.location import BodyLocation, locate_body, repositories
from qllmft.embed.long_texts import parts_of, weighted_mean
from qllmft.embed.plain import PlainBody, is_plain
from qllmft.embed.size_check import check_sizes
from qllmft.errors import UserError

_MARKS = 8  # limit of tokens per text that mark its start and end

DOWNLOADED: dict[str, Any] = {"allow_patterns": [*BODY_FILES], "ignore_patterns": [*OTHER_FORMATS]}

Progress = Callable[[int], None]  # called with the number of texts done since the last call


def _downloaded(config: BodyConfig, commit: str) -> Path:
    """Return the folder of a model in the hub's own cache, without pickles and code."""
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError, RepositoryNotFoundError

    *others, last = repositories(config)
    # huggingface-hub 1.31 asks the hub for the files of a commit although it is offline
    wanted = {
        "revision": commit or config.revision,
        "local_files_only": bool(commit) and constants.HF_HUB_OFFLINE,
        **DOWNLOADED,
    }
    for name in others:
        with suppress(LocalEntryNotFoundError, RepositoryNotFoundError):
            return Path(snapshot_download(name, **wanted))
    return Path(snapshot_download(last, **wanted))


class Body:
    """Loaded and frozen sentence transformer.

    A model on the hub is downloaded first, and every folder is checked by `check_body_folder` before it is loaded. If
    ``light``, it may be a `PlainBody`, which has the same bits and loads in less time, but can only `encode`.

    Attributes:
        transformer: the `SentenceTransformer` itself, unless the body is light.
    """

    def __init__(
        self, config: BodyConfig, location: BodyLocation | None = None, *, light: bool = False
    ) -> None:
        self.config = config
        location = location or locate_body(config)
        folder = Path(location.path)
        try:
            with no_loading_bar():
                if not folder.exists():
                    folder = _downloaded(config, location.identity)
                    location = BodyLocation(location.path, folder.name)
                self.transformer: Any = _transformer(config, folder, light=light)
                if config.adapter is not None:
                    load_adapter(self.transformer, config)
        except UserError:
            raise
        except Exception as error:
            offline = (
                " (HF_HUB_OFFLINE is set)"
                if os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0")
                else ""
            )
            raise UserError(
                f"the body {config.model!r} could not be loaded{offline}: {_first_line(error)}. "
                "Give a name that exists on the hub and a network to reach it, a local folder, or --body minilm."
            ) from error
        self.location = location
        self.prompt = prompt_of(self.transformer, config)

    @property
    def dimension(self) -> int:
        """Return D, the length of an embedding."""
        return int(self.transformer.get_embedding_dimension())

    @property
    def longest(self) -> int:
        """Return the number of tokens that it reads of a text, or 0 without a limit."""
        limit = getattr(self.transformer, "max_seq_length", None)
        return int(limit) if limit and limit < sys.maxsize else 0

    def truncated(self, texts: Sequence[str]) -> int:
        """Return the number of ``texts`` with more tokens than it reads, which are cut in their embeddings."""
        return 0 if self.config.long_texts == "mean" else len(self._long(texts))

    def _long(self, texts: Sequence[str]) -> list[int]:
        """Return the rows of ``texts`` with more tokens than it reads."""
        # a token has one byte or more, except for the few at start and end
        room = self.longest - _MARKS - len((self.prompt or "").encode())
        rows = [
            row for row, text in enumerate(texts) if len(text.encode("utf-8", "replace")) > room
        ]
        if (
            not self.longest
            or not rows
            or not callable(getattr(self.transformer, "tokenizer", None))
        ):
            return []
        counts = self.token_counts([texts[row] for row in rows])
        return [row for row, count in zip(rows, counts, strict=True) if count > self.longest]

    def token_counts(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text with its prompt, before any cut."""
        tokens: Any = getattr(self.transformer, "tokenizer", None)
        if not callable(tokens):
            raise UserError(
                f"body.batch_tokens is set, and the body {self.config.model!r} reads no tokens; leave it out."
            )
        texts = [f"{self.prompt or ''}{text}" for text in texts]
        return [len(ids) for ids in tokens(texts, truncation=False, verbose=False)["input_ids"]]

    def _batches(self, texts: Sequence[str]) -> Iterator[list[int]]:
        """Yield the rows of batches of texts of like length: less padding, a third of the time."""
        size, most = self.config.batch_size, self.config.batch_tokens
        if most is None:
            order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
            yield from (order[start : start + size] for start in range(0, len(texts), size))
            return
        longest = self.longest or sys.maxsize
        yield from batches_of_tokens(
            [min(count, longest) for count in self.token_counts(texts)], most
        )

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> NDArray[np.float32]:
        """Return embeddings (N, D) float32 of ``texts``, in batches of texts of like length."""
        if self.config.long_texts == "cut":
            return self._windows(texts, progress)
        return self._means(texts, progress)

    def _means(self, texts: Sequence[str], progress: Progress | None) -> NDArray[np.float32]:
        """Return embeddings (N, D), those of long texts as means over their parts."""
        long, tokenizer = self._long(texts), getattr(self.transformer, "tokenizer", None)
        with self._failures():
            parts = [
                parts_of(texts[row], tokenizer, self.longest, self.prompt or "") for row in long
            ]
        flat = [part for found in parts for part, _ in found]
        short = [row for row in range(len(texts)) if row not in set(long)]
        vectors = self._windows([*(texts[row] for row in short), *flat], None)
        out = np.empty((len(texts), self.dimension), np.float32)
        out[short] = vectors[: len(short)]
        unit, start = type(self.transformer[-1]).__name__ == "Normalize", len(short)
        for row, found in zip(long, parts, strict=True):
            out[row] = weighted_mean(
                vectors[start : start + len(found)], [count for _, count in found], unit=unit
            )
            start += len(found)
        if progress:
            progress(len(texts))
        return out

    def _windows(self, texts: Sequence[str], progress: Progress | None) -> NDArray[np.float32]:
        """Return embeddings (N, D) of ``texts``, as far as the body reads them."""
        with self._failures():
            out = np.empty((len(texts), self.dimension), np.float32)
            for rows in self._batches(texts):
                out[rows] = self.transformer.encode(
                    [texts[i] for i in rows],
                    prompt=self.prompt,
                    batch_size=len(rows),
                    show_progress_bar=False,
                    convert_to_numpy=True,
                    normalize_embeddings=False,
                )
                if progress:
                    progress(len(rows))
        return out

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Turn errors of the libraries that compute embeddings into a UserError."""
        try:
            yield
        except UserError:
            raise
        except BaseException as error:
            # a panic of the library tokenizers, such as a regular expression that takes too long,
            # is no Exception
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            raise UserError(
                f"the body {self.config.model!r} cannot embed these texts: {_first_line(error)}. Choose another body "
                "with --body, or look whether its files fit each other."
            ) from error


def _transformer(config: BodyConfig, folder: Path, *, light: bool) -> Any:
    """Return the body of a folder after its checks, or the object that was given for it."""
    if (given := GIVEN.get(str(folder))) is not None:
        return given_body(config, given)
    check_body_folder(folder)
    check_torch_weights(folder, "Give the same object again: qllmft.load(RUN, body=model).")
    check_sizes(folder)
    usual = not (config.reading or config.adapter or config.device_map)
    if light and usual and is_plain(folder, config.device):
        return PlainBody(folder)
    return loaded(config, folder)


def _first_line(error: BaseException) -> str:
    """Return the first line of an error without its full stop, or its type."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


@contextmanager
def no_loading_bar() -> Iterator[None]:
    """Hide transformers' own progress bars, and the hub's line for each repeated request, inside the block."""
    from huggingface_hub.utils import logging as hub_module
    from transformers.utils import logging as module

    hub_logging: Any = hub_module
    logging: Any = module

    shown, verbosity = logging.is_progress_bar_enabled(), hub_logging.get_verbosity()
    logging.disable_progress_bar()
    hub_logging.set_verbosity_error()
    try:
        yield
    finally:
        hub_logging.set_verbosity(verbosity)
        if shown:
            logging.enable_progress_bar()


def check_vectors(vectors: NDArray[np.float32], body: BodyConfig, kind: str = "") -> None:
    """Raise UserError with the number of the first text, from 1, if an embedding (N, D) is not finite, or zero."""
    finite, zero = np.isfinite(vectors), (vectors == 0).all(axis=1)
    faulty = ~finite.all(axis=1) | zero
    if faulty.any():
        row = int(faulty.argmax())
        texts = f"{kind} text" if kind else "text"
        held = (
            "zeros alone, which have no direction"
            if zero[row]
            else str(vectors[row][~finite[row]][0])
        )
        raise UserError(
            f"the embedding of {texts} {row + 1} of {len(vectors)} by the body {body.model!r} holds "
            f"{held}, expected finite numbers. Delete the cache of embeddings "
            "(the folder that QLLMFT_CACHE names, or the user's own), or choose another body with --body."
        )
