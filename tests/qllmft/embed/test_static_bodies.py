"""Static embeddings in the folders that Model2Vec saves."""

import json

import numpy as np
import pytest
from hostile import change, load, refused
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, pre_tokenizers

WORDS = ["[UNK]", "a", "good", "film", "bad", "plot"]
CONFIG = {
    "model_type": "model2vec", "architectures": ["StaticModel"], "tokenizer_name": "baai/bge-base-en-v1.5",
    "apply_pca": 4, "apply_zipf": True, "sif_coefficient": 1e-4, "hidden_dim": 4, "seq_length": 1_000_000,
    "normalize": True, "pooling": "mean", "embedding_dtype": "float32",
}  # fmt: skip
MODULES = [
    {"idx": 0, "name": "0", "path": ".", "type": "sentence_transformers.models.StaticEmbedding"},
    {"idx": 1, "name": "1", "path": "1_Normalize", "type": "sentence_transformers.models.Normalize"},
]  # fmt: skip
VECTORS = np.random.default_rng(0).normal(size=(len(WORDS), 4)).astype(np.float32)


@pytest.fixture
def folder(tmp_path):
    """A folder as Model2Vec 0.10 writes it."""
    tokenizer = Tokenizer(
        models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    save_file({"embeddings": VECTORS}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    (tmp_path / "modules.json").write_text(json.dumps(MODULES), encoding="utf-8")
    return tmp_path


def test_a_vector_is_the_mean_of_the_words_with_norm_1(folder):
    mean = VECTORS[[1, 2, 3]].mean(axis=0)
    np.testing.assert_allclose(
        load(folder).encode(["a good film"])[0], mean / np.linalg.norm(mean), rtol=1e-5
    )


@pytest.mark.parametrize("key", ["auto_map", "model_type"])
def test_other_keys_and_types_are_refused(folder, key):
    change(folder / "config.json", lambda config: config.update({key: "evil"}))
    refused(folder, "config.json", repr(key))
