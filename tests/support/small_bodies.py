"""Texts that the tiny transformer can learn, a head on it, and runs of both."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_texts import BAD, GOOD
from tiny_runs import changed

from qllmft.config import BodyConfig, ModelConfig, RunConfig, TrainConfig
from qllmft.data import Table
from qllmft.embed import Body, TrainableBody
from qllmft.events import Event, Message
from qllmft.heads import build_classifier
from qllmft.run import Outcome, run_experiment
from qllmft.training import EndToEnd

THINGS = ("film", "plot", "cast", "score", "ending", "scene")
DIMENSION = 8
HEADS = {
    "quantum": ModelConfig(
        n_qubits=4, n_encoders=2, encoder_qubits=4, encoder_layers=2, reuploads=2, pad="bias"
    ),
    "classical": ModelConfig(encoder="none", head="mlp"),
}
TRAINING = TrainConfig(
    epochs=4, batch_size=8, lr=0.05, body_lr=0.01, weight_decay=1e-4, embedding_noise=0.05
)


def cpu_body(folder: Path, **settings: Any) -> BodyConfig:
    """Settings of the language model in a folder, on the CPU."""
    return BodyConfig(model=str(folder), device="cpu", **settings)


def bert(folder: Path) -> Path:
    """Save BERT of one layer and `DIMENSION` dimensions, random weights, dropout 0.1; its folder."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    words = ["[PAD]", "[UNK]", *GOOD, *BAD, *THINGS, "a", "not"]
    tokenizer = Tokenizer(
        models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]")
    )
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    config = BertConfig(
        vocab_size=len(words), hidden_size=DIMENSION, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=16,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(1)
        BertModel(config).save_pretrained(folder / "plain")
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", model_max_length=16
    ).save_pretrained(folder / "plain")
    modules = [Transformer(str(folder / "plain")), Pooling(DIMENSION)]
    SentenceTransformer(modules=modules, device="cpu").save(
        str(folder / "body"), create_model_card=False
    )
    return folder / "body"


def table(n: int, seed: int = 0) -> Table:
    """N texts of five words, half of each label."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    texts = [
        " ".join(
            ["a", *rng.choice(THINGS, 2), rng.choice(GOOD if label else BAD), rng.choice(THINGS)]
        )
        for label in labels
    ]
    return Table(texts, labels.astype(np.int64))


def trainable(folder: Path) -> TrainableBody:
    return TrainableBody(Body(cpu_body(folder)))


def end_to_end(folder: Path, head: str = "quantum", seed: int = 0) -> EndToEnd:
    return EndToEnd(trainable(folder), build_classifier(HEADS[head], DIMENSION, 2, seed=seed))


def weights(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}


def write_corpus(path: Path, n: int = 90) -> Path:
    texts = table(n, seed=3)
    rows = [
        f"{t} {i}\t{('bad', 'good')[label]}"
        for i, (t, label) in enumerate(zip(texts.texts, texts.labels, strict=True))
    ]
    path.write_text("text\tlabel\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def run_config(corpus: Path, body: Path, **changes: Any) -> RunConfig:
    """A run of a second, with changes such as ``body__trainable=True``."""
    tree: dict[str, Any] = {
        "seed": 2,
        "data": {"source": str(corpus), "n_per_label": 20},
        "body": {"model": str(body), "device": "cpu"},
        "model": {"n_qubits": 3, "encoder_layers": 2, "reuploads": 2},
        "train": {"epochs": 3, "lr": 0.05},
        "baselines": {"names": ["logistic_regression"], "grid": "small"},
    }
    return changed(tree, changes)


def run_with_messages(
    corpus: Path, body: Path, folder: Path, **changes: Any
) -> tuple[Outcome, str]:
    """A finished run in ``folder``, with a cache of its own, and its messages."""
    events: list[Event] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QLLMFT_CACHE", str(folder / "cache"))
        outcome = run_experiment(run_config(corpus, body, **changes), folder / "run", events.append)
    return outcome, " ".join(event.text for event in events if isinstance(event, Message))
