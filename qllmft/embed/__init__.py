"""Embed: texts to vectors (N, D) by a sentence transformer, frozen with a cache on disk, or trained."""

from typing import TYPE_CHECKING

from qllmft_base.lazy import make_lazy_imports

if TYPE_CHECKING:
    from qllmft.embed.body import Body as Body
    from qllmft.embed.cache import EmbeddingCache as EmbeddingCache
    from qllmft.embed.cache import default_cache_folder as default_cache_folder
    from qllmft.embed.embedder import Embedder as Embedder
    from qllmft.embed.embedder import Embeddings as Embeddings
    from qllmft.embed.embedder import check_vectors as check_vectors
    from qllmft.embed.embedder import embed as embed
    from qllmft.embed.embedder import pair_vectors as pair_vectors
    from qllmft.embed.folder_check import BODY_FILES as BODY_FILES
    from qllmft.embed.folder_check import check_body_folder as check_body_folder
    from qllmft.embed.language import find_foreign as find_foreign
    from qllmft.embed.language import language_sentences as language_sentences
    from qllmft.embed.location import BodyLocation as BodyLocation
    from qllmft.embed.location import body_identity as body_identity
    from qllmft.embed.location import locate_body as locate_body
    from qllmft.embed.location import pin_revision as pin_revision
    from qllmft.embed.location import published_name as published_name
    from qllmft.embed.location import weights_hash as weights_hash
    from qllmft.embed.reading import Reader as Reader
    from qllmft.embed.trainable import TrainableBody as TrainableBody

if not TYPE_CHECKING:  # a type checker that saw it would allow every name
    __all__, __getattr__ = make_lazy_imports(__name__)
