"""Texts beyond the window, and embedding on several processes: the vectors computed a second time, in order."""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from small_bodies import cpu_body
from small_texts import GOOD, decoder
from transformers import AutoModel, AutoTokenizer

from qllmft.config import BodyConfig
from qllmft.embed import Body, Embedder, embed, embedder, workers
from qllmft.embed.location import locate_folder
from qllmft.inference import Predictor
from qllmft_base.errors import UserError
from qllmft_base.workers import ProcessDiedError, failure

WORDS = [
    "a",
    "good",
    "film",
    "and",
    "a",
    "lovely",
    "plot",
    "the",
    "score",
    "is",
    "fine",
    "an",
    "ending",
] * 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return decoder(tmp_path_factory.mktemp("llama"), "llama")


def test_a_long_text_is_the_mean_of_its_parts_by_their_tokens(folder):
    """39 words are one token each: parts of 14, 14 and 11 beside the prompt of two."""
    body = Body(cpu_body(folder, long_texts="mean", prompt="query : ", pooling="lasttoken"))
    embedded = body.encode(["a good film", " ".join(WORDS), "bad"])
    model = AutoModel.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    vectors = []
    for part in (WORDS[:14], WORDS[14:28], WORDS[28:], WORDS[:3]):
        with torch.no_grad():
            tokens = tokenizer(" ".join(["query", ":", *part]), return_tensors="pt")
            vectors.append(model(**tokens).last_hidden_state[0, -1].numpy())
    expected = (14 * vectors[0] + 14 * vectors[1] + 11 * vectors[2]) / 39
    np.testing.assert_allclose(embedded[1], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(embedded[0], vectors[3], rtol=1e-5, atol=1e-6)
    assert body.count_truncated([" ".join(WORDS)]) == 0
    assert Body(cpu_body(folder)).count_truncated([" ".join(WORDS), "bad"]) == 1


def test_the_mean_has_norm_one_if_the_body_has(tiny_bert, tmp_path):
    from sentence_transformers.sentence_transformer.modules import Normalize

    model = Body(cpu_body(tiny_bert)).transformer
    model.append(Normalize())
    model.save(str(tmp_path), create_model_card=False)
    text = " ".join(GOOD * 10)
    norms = [
        np.linalg.norm(Body(cpu_body(place, long_texts="mean")).encode([text]))
        for place in (tmp_path, tiny_bert)
    ]
    assert norms[0] == pytest.approx(1.0, abs=1e-6)
    assert norms[1] != pytest.approx(1.0, abs=1e-3)


def test_cut_and_mean_are_two_bodies(folder, tmp_path):
    long = [" ".join(WORDS)]
    cut, mean = (
        embed(long, cpu_body(folder, **settings), cache_folder=tmp_path)
        for settings in ({}, {"long_texts": "mean"})
    )
    assert (cut.truncated, cut.longest, mean.truncated) == (1, 16, 0)
    assert cut.identity != mean.identity
    assert not np.allclose(cut.vectors, mean.vectors)


def test_no_processes_are_refused(folder):
    with pytest.raises(UserError, match=r"--jobs got 0, expected 1 or more\."):
        Embedder(cpu_body(folder), jobs=0)


def threads(jobs):
    """Workers in this process."""
    return ThreadPoolExecutor(jobs)


def test_processes_divide_the_processors_that_a_container_may_use(monkeypatch):
    pool_arguments = []
    monkeypatch.setattr(workers, "thread_count", lambda: 5)  # by its quota, of any number
    monkeypatch.setattr(workers, "Processes", lambda *arguments: pool_arguments.append(arguments))
    workers.worker_pool(2)
    workers.worker_pool(8)
    assert pool_arguments == [(2, 2), (8, 1)]


@pytest.mark.parametrize(
    "pool", [threads, pytest.param(workers.worker_pool, marks=pytest.mark.slow)]
)
def test_several_processes_give_the_same_vectors_in_order_and_keep_them(
    tiny_body, tmp_path, monkeypatch, pool
):
    texts = [f"good film {'very ' * (i % 7)}{i}" for i in range(300)]
    monkeypatch.setattr(embedder, "CHUNK_TEXTS", 64)
    monkeypatch.setattr(workers, "worker_pool", pool)
    expected = embed(texts, cpu_body(tiny_body), cache_folder=tmp_path / "one")
    done = []
    with Embedder(cpu_body(tiny_body), tmp_path / "two", jobs=2) as first_embedder:
        embedded = first_embedder.embed(texts, done.append)
        assert first_embedder._pool is not None
    np.testing.assert_array_equal(embedded.vectors, expected.vectors)
    assert sum(done) == len(texts)
    with Embedder(cpu_body(tiny_body), tmp_path / "two", jobs=2) as second_embedder:
        np.testing.assert_array_equal(
            np.concatenate(list(second_embedder.chunks(texts))), expected.vectors
        )
        assert second_embedder._pool is None, "all of them were kept"


def test_a_process_that_ends_is_explained(tiny_body, tmp_path, monkeypatch):
    class Broken(ThreadPoolExecutor):
        def submit(self, *_):
            raise ProcessDiedError

    monkeypatch.setattr(workers, "worker_pool", lambda *_: Broken(1))
    with (
        Embedder(cpu_body(tiny_body), tmp_path, jobs=2) as embedder,
        pytest.raises(
            UserError,
            match=r"perhaps for want of memory: each has a language model of its own\. Take fewer --jobs",
        ),
    ):
        embedder.embed(["a", "b"])


@pytest.mark.parametrize(
    "pool", [threads, pytest.param(workers.worker_pool, marks=pytest.mark.slow)]
)
def test_predictions_of_several_processes_are_those_of_one(
    trained_run, tmp_path, monkeypatch, pool
):
    monkeypatch.setenv("QLLMFT_CACHE", str(tmp_path))
    monkeypatch.setattr(workers, "worker_pool", pool)
    texts = [f"a {word} film {i}" for i in range(20) for word in ("good", "dull")]
    serial, parallel = (Predictor.load(trained_run, jobs=jobs) for jobs in (1, 2))
    assert list(parallel.stream(iter(texts))) == list(serial.stream(texts))
    assert parallel._vectors.embedder is None, "its processes have ended"
    assert list(tmp_path.glob("embeddings-*.sqlite"))


class Nodes:
    """A fake pool: the tasks that are submitted, and the number that should be; each look at it ends the last one."""

    def __init__(self):
        self.waiting = []
        self.most = 2

    def submit(self, part):
        if part % 5 == 4:
            return None  # it is in the cache
        future = Future()
        self.waiting.append((part, future))
        return future

    def room(self):
        if self.waiting and (len(self.waiting) >= self.most - 1 or self.most > 2):
            part, future = self.waiting.pop()
            future.set_result(part * part)
        return self.most


def test_parts_are_yielded_in_order_and_no_more_are_read_than_the_cluster_has_room_for(monkeypatch):
    monkeypatch.setattr(workers, "LOOK_INTERVAL_S", 0.0)
    nodes = Nodes()
    requested = []

    def numbers():
        for i in range(40):
            requested.append(i)
            yield i
        raise UserError("line 41 cannot be read")

    stream = workers.in_order(numbers(), nodes.submit, nodes.room)
    answers = []
    for part, result in islice(stream, 40):
        answers.append((part, result))
        assert len(requested) - len(answers) < nodes.most
        if part == 20:
            nodes.most = 6  # nodes join
    with pytest.raises(UserError, match="line 41 cannot be read"):
        next(stream)
    assert answers == [(i, None if i % 5 == 4 else i * i) for i in range(40)]


def test_tasks_are_cancelled_if_one_fails():
    failed = Future()
    waiting = Future()
    failed.set_exception(UserError("no memory"))
    futures = iter([failed, waiting])
    with pytest.raises(UserError, match="no memory"):
        list(workers.in_order([0, 1], lambda _: next(futures), lambda: 2))
    assert waiting.cancelled()


def test_a_node_writes_the_folder_that_was_sent_once(tiny_body, tmp_path, monkeypatch):
    monkeypatch.setenv("QLLMFT_CACHE", str(tmp_path))
    monkeypatch.setattr(workers, "PIECE_BYTES", 100)
    ray = SimpleNamespace(put=lambda piece: piece, get=lambda piece: piece)
    config = cpu_body(tiny_body)
    location = embedder.locate_body(cpu_body(tiny_body))
    body_on_nodes = workers.sent_body(ray, config, location)
    assert workers._on_this_node(body_on_nodes, ray)[1].path == str(tiny_body), "it is there"
    elsewhere = replace(body_on_nodes, folder=replace(body_on_nodes.folder, path="/not/here"))
    place = tmp_path / "bodies" / location.identity
    for _ in range(2):
        assert workers._on_this_node(elsewhere, ray)[1].path == str(place)
        assert locate_folder(place).identity == location.identity
        (place / "modules.json").write_text("[]")  # and it is written again
    pieces = {**body_on_nodes.folder.files, "modules.json": [b"[]"]}
    changed = replace(body_on_nodes, folder=replace(elsewhere.folder, files=pieces))
    with pytest.raises(UserError, match="changed while it was sent to a node"):
        workers._on_this_node(changed, ray)
    assert not place.exists()


def test_a_node_with_another_minilm_is_refused(monkeypatch):
    config = BodyConfig(model="minilm")
    location = embedder.locate_body(config)
    body_on_nodes = workers.sent_body(None, config, location)
    assert (body_on_nodes.folder, workers._on_this_node(body_on_nodes, None)) == (
        None,
        (config, location),
    )
    with pytest.raises(
        UserError, match=r"another version of the language model 'minilm' \(got .*, expected x\)"
    ):
        workers._on_this_node(
            replace(body_on_nodes, location=replace(location, identity="x")), None
        )


@pytest.mark.parametrize(
    ("settings", "options", "message"),
    [
        ({}, {"jobs": 2}, "--jobs sets processes here, and --ray embeds on a cluster"),
        ({"device": "cuda"}, {}, "--ray embeds on processors, and body.device .* is 'cuda'"),
        ({"device": "auto"}, {}, "and body.device of the model is 'auto'"),
    ],
)
def test_what_a_cluster_cannot_embed_is_refused(tiny_body, settings, options, message):
    config = BodyConfig.model_validate({"model": str(tiny_body), **settings})
    with pytest.raises(UserError, match=message):
        Embedder(config, ray="auto", **options)


def test_a_backend_and_a_cluster_exclude_each_other(trained_run, cli):
    options = ("--ray", "auto", "--backend", "ionq_simulator", "a text")
    _, output = cli("predict", trained_run, *options, code=2)
    assert "--backend runs the head elsewhere. Omit one of the two" in " ".join(output.split())


def test_an_error_of_a_node_is_raised_here():
    class OfRay(Exception):
        cause = UserError("the language model cannot embed these texts")

    assert failure(OfRay("Traceback"), "texts") is OfRay.cause
    for text, summary in (("lost\nx", "lost"), ("lost.", "lost"), ("", "Exception")):
        error = failure(Exception(text), "texts")
        assert f"gave up a part of the texts: {summary}. Look" in str(error)
