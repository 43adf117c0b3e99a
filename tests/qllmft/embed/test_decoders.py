"""Decoder language models as bodies: their vectors, prompts, batches and memory, computed a second time."""

import functools
import json
import tracemalloc

import numpy as np
import pytest
import torch
from small_bodies import cpu_body, run_config, trainable, write_corpus
from small_texts import decoder
from transformers import AutoModel, AutoTokenizer

from qllmft.config import BodyConfig
from qllmft.embed import Body, Embedder, body_identity, embed, locate_body
from qllmft.inference import Predictor
from qllmft.model import load_model
from qllmft.run import run_experiment
from qllmft_base.errors import UserError

TEXTS = [
    "a good film",
    "bad",
    "a great plot and a lovely cast",
    "the score is dull",
    "an awful ending",
]
KINDS = ("gpt2", "llama")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Folders of tiny decoders as transformers saves them, without a pad token; GPT-2's tokenizer pads on the left."""
    return {kind: decoder(tmp_path_factory.mktemp(kind), kind) for kind in KINDS}


@functools.cache
def tokenizer_and_model(folder):
    """The tokenizer and the model of a folder by transformers alone."""
    return AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)


def states(folder, text):
    """The last hidden states (tokens, D) of one text by transformers alone, without any padding."""
    tokenizer, model = tokenizer_and_model(folder)
    with torch.no_grad():
        tokens = tokenizer(text, return_tensors="pt", truncation=True)
        return model(**tokens).last_hidden_state[0].numpy()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("settings", "vector"),
    [
        ({"pooling": "lasttoken"}, lambda x: x[-1]),
        ({"pooling": "lasttoken", "batch_tokens": 12}, lambda x: x[-1]),
        ({"pooling": "mean", "batch_size": 2}, lambda x: x.mean(axis=0)),
    ],
)
def test_its_vectors_are_those_of_transformers_alone(folders, kind, settings, vector):
    vectors = Body(cpu_body(folders[kind], **settings)).encode(TEXTS)
    expected = np.stack([vector(states(folders[kind], text)) for text in TEXTS])
    np.testing.assert_allclose(vectors, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_another_precision_is_another_body_of_nearly_the_same_vectors(folders, tmp_path, dtype):
    plain = cpu_body(folders["llama"])
    config = cpu_body(folders["llama"], dtype=dtype)
    assert Body(config).transformer[0].model.dtype == getattr(torch, dtype)
    a, b = (embed(TEXTS, body, cache_folder=tmp_path).vectors for body in (plain, config))
    assert not np.array_equal(a, b)
    np.testing.assert_allclose(a, b, rtol=0.1, atol=0.1)


def test_a_prompt_stands_before_each_text_and_enters_every_key(folders, tmp_path):
    prompted = cpu_body(folders["llama"], prompt="query : ")
    vectors = embed(TEXTS, prompted, cache_folder=tmp_path).vectors
    texts = [f"query : {text}" for text in TEXTS]
    expected = embed(texts, cpu_body(folders["llama"]), cache_folder=tmp_path).vectors
    np.testing.assert_allclose(vectors, expected, rtol=1e-6)
    assert not np.allclose(
        vectors, embed(TEXTS, cpu_body(folders["llama"]), cache_folder=tmp_path).vectors
    )


def test_the_key_of_embeddings_has_no_settings_at_their_defaults():
    body = BodyConfig(model="minilm")
    assert len(json.loads(body_identity(body, locate_body(body)))) == 3, (
        "the key of embeddings made before"
    )


def test_a_prompt_of_the_models_own_is_asked_for_by_name(tiny_bert, tmp_path):
    folder = tmp_path / "prompts"
    model = Body(cpu_body(tiny_bert)).transformer
    model.prompts["review"] = "a good "
    model.save(str(folder), create_model_card=False)
    named, spelled = (
        Body(cpu_body(folder, **setting))
        for setting in ({"prompt_name": "review"}, {"prompt": "a good "})
    )
    np.testing.assert_array_equal(named.encode(["film"]), spelled.encode(["film"]))
    assert named.count_truncated(["film " * 15]) == 1, "the prompt takes room"
    assert Body(cpu_body(folder)).count_truncated(["film " * 15]) == 0
    with pytest.raises(
        UserError,
        match=r"'other', and the language model .* has no such prompt: it has 'review'\. Choose one",
    ):
        Body(cpu_body(folder, prompt_name="other"))
    trained = trainable(folder)
    trained.body.prompt = "a good "
    assert trained.features(["film"])["input_ids"].shape == (1, 3)


def test_embeddings_of_many_texts_take_constant_memory(tiny_body, tmp_path):
    def peak(n):
        with Embedder(cpu_body(tiny_body), tmp_path / str(n)) as embedder:
            chunks = embedder.chunks((f"good film {i}" for i in range(n)), 128)
            next(chunks)  # the body is loaded
            tracemalloc.start()
            rows = sum(len(vectors) for vectors in chunks)
            peak_bytes = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert rows == n - 128
        return peak_bytes

    assert peak(1600) < 1.5 * peak(320)


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (
            "gpt2",
            {"pooling": "cls"},
            "the first token of a text in the language model .* reads no other token. Set body.pooling to",
        ),
        (
            "gpt2",
            {"prompt_name": "query"},
            "has no such prompt: it has none. Choose one of its names, or set body.prompt",
        ),
        (
            "bert",
            {"pooling": "mean"},
            r"has a pooling of its own. Leave body\.pooling out",
        ),
        (
            "bert",
            {"dimension": 9},
            r"body\.dimension is 9, and the vectors of .* have 8 entries\. Set it to 8 or less",
        ),
        (
            "words",
            {"batch_tokens": 5},
            r"batch_tokens is set, and the language model .* reads no tokens. Leave it out",
        ),
        (
            "without special tokens",
            {},
            r"has no pad token, and no eos, bos or unk token in its place. Name one as",
        ),
        (
            "llama",
            {"long_texts": "mean", "prompt": "a " * 16},
            r"the prompt fills the 16 tokens that the language model reads",
        ),
    ],
)
def test_settings_that_do_not_fit_a_body_are_refused(
    folders, tiny_bert, tiny_body, tmp_path, kind, settings, message
):
    all_folders = folders | {"bert": tiny_bert, "words": tiny_body}
    if kind == "without special tokens":
        all_folders[kind] = decoder(tmp_path, "llama", special=False)
    with pytest.raises(UserError, match=message):
        Body(cpu_body(all_folders[kind], **settings)).encode([*TEXTS, "a " * 40])


def test_a_run_on_a_decoder_predicts_with_it(folders, tmp_path, monkeypatch):
    monkeypatch.setenv("QLLMFT_CACHE", str(tmp_path / "cache"))
    corpus = write_corpus(tmp_path / "corpus.tsv")
    settings = {"body__pooling": "lasttoken", "body__prompt": "a ", "body__batch_tokens": 64}
    config = run_config(corpus, folders["gpt2"], baselines__names=[], **settings)
    out = run_experiment(config, tmp_path / "run").folder
    assert load_model(out.path).body.reading == {"pooling": "lasttoken", "prompt": "a "}
    text = ["a good film"]
    np.testing.assert_allclose(
        Predictor.load(out.path).embed(text)[0], states(folders["gpt2"], "a a good film")[-1], 1e-5
    )
