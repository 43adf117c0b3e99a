"""Folders like those of Qwen3-Embedding and EmbeddingGemma, small and with random weights, computed a second time."""

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from qllmft.config import BodyConfig
from qllmft.embed import Body
from qllmft_base.errors import UserError

WIDTH = 16
WORDS = [
    "<pad>",
    "<end>",
    "?",
    "a",
    "good",
    "bad",
    "film",
    "plot",
    "is",
    "the",
    "query",
    "task",
    ":",
    "|",
]
TEXTS = ["a good film", "bad", "the plot is a good plot", "is the film bad"]
PROMPTS = {
    "qwen3": {"query": "query : "},
    "gemma3_text": {"Classification": "task : film | query : "},
}
SIZES = {
    "vocab_size": len(WORDS), "hidden_size": WIDTH, "intermediate_size": 32, "num_hidden_layers": 2,
    "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8, "max_position_embeddings": 32,
    "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": None,
}  # fmt: skip


def save_tokenizer(folder, side):
    """Save a tokenizer of words that closes each text, as both models do."""
    tokenizer = Tokenizer(
        models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="?")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        "$A <end>", special_tokens=[("<end>", 1)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=32, padding_side=side,
        pad_token="<pad>", eos_token="<end>", unk_token="?",
    ).save_pretrained(folder)  # fmt: skip


def build_model(kind):
    """Return a decoder with random weights: Qwen3's reads from left to right, EmbeddingGemma's in both directions."""
    from transformers import Gemma3TextConfig, Gemma3TextModel, Qwen3Config, Qwen3Model

    torch.manual_seed(5)
    if kind == "qwen3":
        return Qwen3Model(Qwen3Config(**SIZES)).eval()
    config = Gemma3TextConfig(
        # transformers 5.10 halves the window whenever it reads the configuration
        **SIZES,
        use_bidirectional_attention=True,
        sliding_window=512,
        query_pre_attn_scalar=8,
    )
    return Gemma3TextModel(config).eval()


@pytest.fixture(scope="module", params=PROMPTS)
def decoder(request, tmp_path_factory):
    """The kind of a decoder, its folder as sentence-transformers saves it, and its modules behind the transformer."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import (
        Dense,
        Normalize,
        Pooling,
        Transformer,
    )

    kind = request.param
    folder = tmp_path_factory.mktemp(kind)
    build_model(kind).save_pretrained(folder / "inside")
    save_tokenizer(folder / "inside", "left" if kind == "qwen3" else "right")
    behind = [Pooling(WIDTH, "lasttoken" if kind == "qwen3" else "mean")]
    if kind == "gemma3_text":
        linear = {"bias": False, "activation_function": torch.nn.Identity()}
        behind += [Dense(WIDTH, 24, **linear), Dense(24, WIDTH, **linear)]
    modules = [Transformer(str(folder / "inside")), *behind, Normalize()]
    body = SentenceTransformer(modules=modules, prompts=PROMPTS[kind], device="cpu")
    body.save(str(folder / "body"), create_model_card=False)
    return kind, folder / "body", behind


def expected_vector(kind, behind, text):
    """The vector of one text by the model and the weights alone, without padding."""
    rows = [WORDS.index(word) for word in text.split()] + [1]
    with torch.no_grad():
        states = build_model(kind)(input_ids=torch.tensor([rows])).last_hidden_state[0]
        vector = states[-1] if kind == "qwen3" else states.mean(dim=0)
        for dense in behind[1:]:
            vector = dense.linear.weight @ vector
    return (vector / vector.norm()).numpy()


def test_vectors_are_those_of_the_model_alone_with_and_without_its_prompt(decoder):
    kind, folder, behind = decoder
    ((name, prompt),) = PROMPTS[kind].items()
    for settings, start in (({}, ""), ({"prompt_name": name}, prompt)):
        body = Body(BodyConfig(model=str(folder), device="cpu", **settings))
        expected = np.stack([expected_vector(kind, behind, start + text) for text in TEXTS])
        np.testing.assert_allclose(body.encode(TEXTS), expected, rtol=1e-5, atol=1e-6)


def test_another_prompt_than_the_models_is_refused_by_name(decoder):
    kind, folder, _ = decoder
    (name,) = PROMPTS[kind]
    with pytest.raises(UserError, match=f"has no such prompt: it has '{name}'"):
        Body(BodyConfig(model=str(folder), device="cpu", prompt_name="other"))
