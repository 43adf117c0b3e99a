"""Body as an object: it is saved in the cache once, since a run names its body by a folder."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from qllmft.config import BodyConfig
from qllmft.embed.cache import default_cache_folder
from qllmft.embed.loading import GIVEN
from qllmft.embed.location import locate_body
from qllmft.errors import UserError
from qllmft.files import writing

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

GivenBody: TypeAlias = "str | Path | SentenceTransformer"


def body_name(body: GivenBody) -> str:
    """Return the name of a body, or the folder of one in memory, named by the hash of its files.

    A body with another backend than torch, such as onnx, computes the embeddings of this folder in this process.

    Raises:
        UserError: if the body is no name, no folder and no `SentenceTransformer`.
    """
    if isinstance(body, str | Path):
        return str(body)
    if not hasattr(body, "save_pretrained") or not hasattr(body, "encode"):
        raise UserError(
            f"body got a {type(body).__name__}, expected a name, a folder or a SentenceTransformer."
        )
    # torch takes a second, and is here already
    from qllmft.embed.body import no_loading_bar

    folder = default_cache_folder() / "bodies"
    with writing(f"the folder {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as unnamed:
            saved = Path(unnamed) / "body"
            with no_loading_bar():
                body.save_pretrained(str(saved), create_model_card=False)
            place = folder / locate_body(BodyConfig(model=str(saved))).identity
            try:
                saved.rename(place)
            except OSError:  # it is there already, with these files
                if not place.is_dir():
                    raise
    if getattr(body, "backend", "torch") != "torch":
        GIVEN[str(place)] = body
    return str(place)
