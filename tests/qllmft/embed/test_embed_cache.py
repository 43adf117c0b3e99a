"""The cache of embeddings: keyed by model, revision and text; nothing in it is computed again."""

import hashlib
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import platformdirs
import pytest
from safetensors.numpy import load_file, save_file
from sentence_transformers import SentenceTransformer
from stopped_runs import killed

from qllmft.config import BodyConfig
from qllmft.embed import EmbeddingCache, default_cache_folder, embed
from qllmft.embed.light_body import LightBody
from qllmft_base.errors import UserError

TEXTS = [
    "a good film",
    "a dull and awful plot",
    "fine",
    "the cast is great , the ending poor",
    "bad score",
]


@pytest.fixture
def body(tiny_body):
    return BodyConfig(model=str(tiny_body), device="cpu")


@pytest.fixture
def encoded_texts(monkeypatch):
    """Every text that a model embeds, in its order."""
    texts = []
    original = LightBody.encode

    def encode(self, batch, **options):
        texts.extend(batch)
        return original(self, batch, **options)

    monkeypatch.setattr(LightBody, "encode", encode)
    return texts


@pytest.fixture
def no_model(monkeypatch):
    """Loading a model is an error from the moment that this is called."""

    def forbid():
        def load(*args, **options):
            raise AssertionError("a model was loaded")

        monkeypatch.setattr("qllmft.embed.body.load_transformer", load)

    return forbid


def changed_copy(folder: Path, to: Path) -> Path:
    """The same model with one weight another."""
    shutil.copytree(folder, to)
    weights = load_file(to / "model.safetensors")
    weights["embedding.weight"] = weights["embedding.weight"].copy()
    weights["embedding.weight"][1, 0] += 1.0
    save_file(weights, to / "model.safetensors")
    return to


def test_embeddings_are_the_models_own(body, tmp_path):
    result = embed(TEXTS, body, cache_folder=tmp_path)
    expected = SentenceTransformer(body.model, device="cpu").encode(TEXTS)
    assert result.vectors.dtype == np.float32
    assert result.vectors.shape == (5, 16)
    # batches of another size: a few roundings of float32
    np.testing.assert_allclose(result.vectors, expected, rtol=1e-6, atol=1e-6)


def test_a_full_hit_loads_no_model(body, tmp_path, no_model):
    first = embed(TEXTS, body, cache_folder=tmp_path)
    no_model()
    second = embed(TEXTS[::-1], body, cache_folder=tmp_path)
    assert second.identity == first.identity
    np.testing.assert_array_equal(second.vectors, first.vectors[::-1])
    # the forbidden one is that of a miss
    with pytest.raises(UserError, match="a model was loaded"):
        embed(["another"], body, cache_folder=tmp_path)


def test_a_partial_hit_embeds_what_is_missing(body, tmp_path, encoded_texts):
    embed(TEXTS[1:4], body, cache_folder=tmp_path)
    encoded_texts.clear()
    result = embed(TEXTS, body, cache_folder=tmp_path)
    assert sorted(encoded_texts) == sorted([TEXTS[0], TEXTS[4]])
    np.testing.assert_array_equal(
        result.vectors, embed(TEXTS, body, cache_folder=tmp_path / "other").vectors
    )


def test_a_text_that_comes_often_is_embedded_once(body, tmp_path, encoded_texts):
    often = [TEXTS[0], TEXTS[1], TEXTS[0], TEXTS[0], TEXTS[1]]
    result = embed(often, body, cache_folder=tmp_path)
    assert sorted(encoded_texts) == sorted(TEXTS[:2])
    np.testing.assert_array_equal(
        result.vectors, embed(TEXTS, body, cache_folder=tmp_path).vectors[[0, 1, 0, 0, 1]]
    )


def test_texts_that_differ_in_a_space_are_two(body, tmp_path, encoded_texts):
    for texts in (["good film"], ["good film ", "Good film"]):
        embed(texts, body, cache_folder=tmp_path)
    assert sorted(encoded_texts) == ["Good film", "good film", "good film "]


def test_progress_adds_up_to_the_number_of_texts(body, tmp_path):
    for texts in (TEXTS[:2] + TEXTS[:2], TEXTS + TEXTS[:1], TEXTS):
        done = []
        embed(texts, body, cache_folder=tmp_path, progress=done.append)
        assert sum(done) == len(texts)


def test_thousands_of_texts_come_back_in_order(body, tmp_path, no_model):
    texts = [f"good film {i}" for i in range(1200)]  # more than one query asks for
    first = embed(texts, body, cache_folder=tmp_path)
    order = np.random.default_rng(0).permutation(len(texts))
    no_model()
    cached = embed([texts[i] for i in order], body, cache_folder=tmp_path)
    np.testing.assert_array_equal(cached.vectors, first.vectors[order])


def test_other_weights_are_another_body(body, tmp_path, no_model):
    first = embed(TEXTS, body, cache_folder=tmp_path)
    changed_body = BodyConfig(
        model=str(changed_copy(Path(body.model), tmp_path / "other")), device="cpu"
    )
    second = embed(TEXTS, changed_body, cache_folder=tmp_path)
    assert second.identity != first.identity
    assert not np.array_equal(second.vectors, first.vectors)
    no_model()
    assert embed(TEXTS, body, cache_folder=tmp_path).identity == first.identity


def test_a_copy_elsewhere_is_the_same_body(body, tmp_path, no_model):
    first = embed(TEXTS, body, cache_folder=tmp_path)
    shutil.copytree(body.model, tmp_path / "copy")
    (tmp_path / "copy" / "README.md").write_text("a note is no weight")
    no_model()
    copy = embed(TEXTS, BodyConfig(model=str(tmp_path / "copy")), cache_folder=tmp_path)
    assert copy.identity == first.identity


def test_the_batch_size_is_no_part_of_the_key(body, tmp_path, no_model):
    first = embed(TEXTS, body.model_copy(update={"batch_size": 2}), cache_folder=tmp_path)
    no_model()
    second = embed(
        TEXTS, body.model_copy(update={"batch_size": 3, "device": "other"}), cache_folder=tmp_path
    )
    np.testing.assert_array_equal(second.vectors, first.vectors)


def test_two_users_share_a_file(tmp_path):
    first = EmbeddingCache("body", tmp_path)
    second = EmbeddingCache("body", tmp_path)
    first.put(["a", "b"], np.arange(6, dtype=np.float32).reshape(2, 3))
    second.put(["b", "c"], np.ones((2, 3), np.float32))
    vectors = first.get(["a", "b", "c", "d"])
    assert {text: vector.tolist() for text, vector in vectors.items()} == {
        "a": [0.0, 1.0, 2.0],
        "b": [1.0, 1.0, 1.0],
        "c": [1.0, 1.0, 1.0],
    }
    first.close()
    second.close()


def test_the_folder_is_the_variables_else_the_systems(monkeypatch, tmp_path):
    monkeypatch.setenv("QLLMFT_CACHE", str(tmp_path / "mine"))
    assert default_cache_folder() == tmp_path / "mine"
    EmbeddingCache("body").close()
    assert [path.suffix for path in (tmp_path / "mine").iterdir()] == [".sqlite"]
    monkeypatch.delenv("QLLMFT_CACHE")
    assert default_cache_folder() == Path(platformdirs.user_cache_dir("qllmft", appauthor=False))


REMEDY = r"Set QLLMFT_CACHE to a folder that can be written, or delete the file\."


def assert_refused(body, folder, texts, message):
    with pytest.raises(
        UserError, match=rf"the cache of embeddings .* cannot be used: .*{message}.* {REMEDY}"
    ):
        embed(texts, body, cache_folder=folder)


def change(cache, statement, *values):
    """Run a statement of SQL on the file."""
    with closing(sqlite3.connect(cache)) as connection, connection:
        return connection.execute(statement, values).rowcount


def test_a_file_that_is_no_cache_or_cannot_be_written_is_refused(body, tmp_path):
    embed([f"film {i}" for i in range(300)], body, cache_folder=tmp_path)
    (cache,) = tmp_path.glob("*.sqlite")
    change(
        cache,
        "CREATE TRIGGER full BEFORE INSERT ON embeddings BEGIN SELECT RAISE(ABORT, 'disk is full'); END",
    )
    assert_refused(body, tmp_path, TEXTS, r"disk is full\.")
    content = cache.read_bytes()
    cache.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))  # all but the first page
    assert_refused(body, tmp_path, ["film 7"], "malformed")
    cache.write_bytes(b"something else entirely " * 100)
    assert_refused(body, tmp_path, TEXTS, "not a database")
    assert_refused(body, cache, TEXTS, "(exists|directory)")


@pytest.mark.parametrize(
    ("stored", "texts", "message"),
    [
        (b"\0" * 7, TEXTS[:1], "it holds an embedding of 7 bytes, expected 4 per number"),
        (b"", TEXTS[:1], "it holds an embedding of 0 bytes, expected 4 per number"),
        (b"\0" * 12, TEXTS, "it holds embeddings of 3 and 16 numbers by one body"),
        (
            b"\0" * 12,
            [TEXTS[0], "another"],
            "it holds an embedding of 3 numbers, and the language model's have 16",
        ),
    ],
)
def test_an_embedding_of_another_length_is_refused(body, tmp_path, stored, texts, message):
    identity = embed(TEXTS, body, cache_folder=tmp_path).identity
    (cache,) = tmp_path.glob("*.sqlite")
    key = hashlib.sha256(f"{identity}\0{TEXTS[0]}".encode()).digest()
    checksum = hashlib.sha256(key + stored).digest()[:8]  # of what is stored now
    update = "UPDATE embeddings SET vector = ?, checksum = ? WHERE key = ?"
    assert change(cache, update, stored, checksum, key) == 1
    assert_refused(body, tmp_path, texts, rf"{message}\.")


def test_changed_and_exchanged_embeddings_are_refused(body, tmp_path):
    identity = embed(TEXTS, body, cache_folder=tmp_path).identity
    (cache,) = tmp_path.glob("*.sqlite")
    first, second = (hashlib.sha256(f"{identity}\0{t}".encode()).digest() for t in TEXTS[:2])
    rows = "SELECT vector, checksum FROM embeddings WHERE key = ?"
    with closing(sqlite3.connect(cache)) as connection:
        first_row, second_row = (
            connection.execute(rows, [key]).fetchone() for key in (first, second)
        )
    update = "UPDATE embeddings SET vector = ?, checksum = ? WHERE key = ?"
    assert change(cache, update, *second_row, first) == 1
    assert_refused(body, tmp_path, TEXTS, "was changed, or is that of another text")
    assert change(cache, update, "a text", first_row[1], first) == 1
    assert_refused(body, tmp_path, TEXTS, "an embedding of type str")
    assert change(cache, update, *first_row, first) == 1
    embed(TEXTS, body, cache_folder=tmp_path)


def test_embeddings_without_checksums_are_refused(body, tmp_path):
    embed(TEXTS, body, cache_folder=tmp_path)
    (cache,) = tmp_path.glob("*.sqlite")
    change(cache, "ALTER TABLE embeddings DROP COLUMN checksum")
    assert_refused(body, tmp_path, TEXTS, "no such column: checksum")


def test_a_kill_loses_one_chunk_at_most(body, encoded_texts, tmp_path, monkeypatch):
    monkeypatch.setenv("QLLMFT_CACHE", str(tmp_path))
    killed(Path(__file__).with_name("killed_embedding.py"), body.model)
    texts = [f"film {i}" for i in range(16)]
    embed(texts, body)
    assert sorted(encoded_texts) == sorted(texts[8:]), (
        "two chunks of four are kept, and the third is lost"
    )
