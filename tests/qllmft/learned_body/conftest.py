"""A transformer of a thousand weights, with dropout, that loads in milliseconds."""

from pathlib import Path

import pytest
import torch
from small_bodies import BAD, DIMENSION, GOOD, THINGS

collect_ignore = ["conftest.py"]  # it holds no doctests, and other folders have a module of this name


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory) -> Path:
    """The folder of a sentence-transformers model: BERT of one layer and 8 dimensions, random weights, dropout 0.1."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    words = ["[PAD]", "[UNK]", *GOOD, *BAD, *THINGS, "a", "not"]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    config = BertConfig(
        vocab_size=len(words), hidden_size=DIMENSION, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=16,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("bert")
    with torch.random.fork_rng():
        torch.manual_seed(1)
        BertModel(config).save_pretrained(folder / "plain")
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", model_max_length=16
    ).save_pretrained(folder / "plain")
    modules = [Transformer(str(folder / "plain")), Pooling(DIMENSION)]
    SentenceTransformer(modules=modules, device="cpu").save(str(folder / "body"), create_model_card=False)
    return folder / "body"
