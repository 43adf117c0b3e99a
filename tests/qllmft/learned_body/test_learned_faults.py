"""Settings of a body that learns which contradict each other, or the machine: refused before any work."""

import os
import sqlite3
from pathlib import Path

import pytest
from safetensors import SafetensorError
from small_bodies import run_config

from qllmft.config import BodyConfig, parse_config
from qllmft.embed import Body, TrainableBody
from qllmft.embed.cache import EmbeddingCache
from qllmft.run import bodies, run_experiment, setup
from qllmft.training import contrastive
from qllmft_backends import Backend
from qllmft_backends.protocol import Capabilities
from qllmft_base.errors import UserError


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        (
            {"train": {"body_lr": 0}, "body": {"trainable": True}},
            "train.body_lr (got 0): Input should be greater than",
        ),
        (
            {"body": {"contrastive": {"loss": "triplet"}}},
            "Input should be 'cosine' or 'supervised'",
        ),
        (
            {"body": {"contrastive": {"iterations": -1}}},
            "body.contrastive.iterations (got -1): Input should be greater",
        ),
        (
            {"body": {"contrastive": {"pairs": 3}}},
            "Expected one of iterations, epochs, batch_size, lr",
        ),
        (
            {"body": {"trainable": "maybe"}},
            "body.trainable (got 'maybe'): Input should be False, True or 'lora'",
        ),
    ],
)
def test_values_of_a_learning_body_are_refused(tree, message):
    with pytest.raises(UserError) as caught:
        parse_config(tree, "my.toml")
    assert message in str(caught.value)


class Sending(Backend):
    """A backend that only says what it is."""

    name = "far_away"

    def __init__(self, **capabilities):
        self._capabilities = Capabilities(**capabilities)

    @property
    def capabilities(self):
        return self._capabilities

    def expectations(self, circuit, values, observables):
        raise AssertionError("nothing may be asked")


@pytest.mark.parametrize(
    "capabilities", [{"remote": True}, {"remote": True, "paid": True}, {"paid": True}]
)
def test_a_body_is_not_trained_through_circuits_that_are_sent_away(
    corpus, tmp_path, monkeypatch, capabilities
):
    monkeypatch.setattr(setup, "create", lambda *_: Sending(**capabilities))
    monkeypatch.setattr(bodies.embed, "Body", None)  # nothing may be loaded
    config = run_config(corpus, tmp_path, body__trainable=True)
    with pytest.raises(UserError) as caught:
        run_experiment(config, tmp_path / "run")
    assert "body.trainable is true and the backend is 'far_away', which sends circuits away" in str(
        caught.value
    )
    assert "Train with the backend 'adjoint'" in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "fault", [SafetensorError("No space left on device"), OSError(28, "No space left on device")]
)
def test_a_full_disk_leaves_no_part_of_a_body(tiny_bert, tmp_path, monkeypatch, fault):
    body = TrainableBody(Body(BodyConfig(model=str(tiny_bert), device="cpu")))
    write = body.transformer.save

    def fill(*arguments, **options):
        write(*arguments, **options)
        raise fault

    monkeypatch.setattr(body.transformer, "save", fill)
    with pytest.raises(UserError, match=r"body cannot be written into .*No space left on device"):
        body.save(tmp_path / "body")
    assert not list(tmp_path.glob("*body*"))


def contrastive_run(corpus, body, folder):
    """A run with a contrastive step, and no baselines."""
    config = run_config(corpus, body, body__contrastive={"iterations": 1}, baselines__names=[])
    return run_experiment(config, folder)


@pytest.fixture(scope="module")
def sound(corpus, tiny_bert, tmp_path_factory):
    """The run on a disk that is never full; tests do not change it."""
    folder = tmp_path_factory.mktemp("sound")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QLLMFT_CACHE", str(folder / "cache"))
        return contrastive_run(corpus, tiny_bert, folder / "run")


@pytest.mark.parametrize(
    "name", [".lock-holder", "contrastive.safetensors", "state.safetensors", "sqlite"]
)
def test_a_full_disk_ends_a_run_of_a_learned_body_which_continues(
    corpus, tiny_bert, sound, tmp_path, monkeypatch, name
):
    """Full when the lock, either checkpoint or the cache of embeddings is written."""
    monkeypatch.setattr(contrastive, "CHECKPOINT_EVERY_S", -1.0)
    sync = os.fsync

    def full(descriptor):
        if name in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
            raise OSError(28, "No space left on device")
        sync(descriptor)

    def put(cache, texts, vectors):
        with cache._explain_errors():
            raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        if name == "sqlite":
            patch.setattr(EmbeddingCache, "put", put)
        with pytest.raises(
            (OSError, UserError), match=r"No space left on device|database or disk is full"
        ):
            contrastive_run(corpus, tiny_bert, tmp_path / "full")
    hidden = [path for path in tmp_path.rglob(".*") if path.is_file()]
    assert not [path for path in hidden if path.name != ".started"], (
        "no part of a file is left, and no lock"
    )
    continued = contrastive_run(corpus, tiny_bert, tmp_path / "full")
    assert continued.record.head.test == sound.record.head.test
    weights = [
        (outcome.folder.model_folder / "model.safetensors").read_bytes()
        for outcome in (continued, sound)
    ]
    assert weights[0] == weights[1]


@pytest.mark.parametrize(
    "learning", [{"body__trainable": True}, {"body__contrastive": {"iterations": 1}}]
)
def test_a_head_or_a_body_that_cannot_be_is_refused_before_the_body_learns(
    corpus, tiny_bert, tmp_path, learning
):
    narrow = run_config(corpus, tiny_bert, model__n_qubits=2, **learning)
    with pytest.raises(
        UserError,
        match="the language model's embedding has 8 values, and 2 encoder qubits hold 4 amplitudes",
    ):
        run_experiment(narrow, tmp_path / "run")
    with pytest.raises(UserError, match="there is no folder"):
        run_experiment(run_config(corpus, tmp_path / "nowhere", **learning), tmp_path / "run")
    assert not (tmp_path / "run").exists()
