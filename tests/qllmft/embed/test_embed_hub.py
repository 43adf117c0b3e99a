"""A body with a name on the hub that is on this machine already: found offline, identified by its commit."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import constants

from qllmft.config import BodyConfig
from qllmft.embed import embed, locate_body

COMMITS = {"main": "a" * 40, "v2": "b" * 40}
TEXTS = ["a good film", "a bad film"]


@pytest.fixture
def on_this_machine(tiny_body):
    """Put the tiny body where huggingface_hub keeps what it has downloaded; take it away afterwards."""
    folders = []

    def put(repository: str, revision: str = "main") -> str:
        folder = Path(constants.HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}"
        folders.append(folder)
        commit = COMMITS[revision]
        shutil.copytree(tiny_body, folder / "snapshots" / commit)
        (folder / "refs").mkdir(exist_ok=True)
        (folder / "refs" / revision).write_text(commit)
        return commit

    yield put
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize(
    ("name", "repository"),
    [
        ("owner/tiny", "owner/tiny"),
        ("sentence-transformers/tiny", "sentence-transformers/tiny"),
        ("tiny", "sentence-transformers/tiny"),
    ],
)
def test_a_name_is_found_and_a_full_hit_loads_no_model(
    on_this_machine, tiny_body, tmp_path, monkeypatch, name, repository
):
    monkeypatch.chdir(tmp_path)
    commit = on_this_machine(repository)
    config = BodyConfig(model=name, device="cpu")
    assert locate_body(config).identity == commit
    first = embed(TEXTS, config, cache_folder=tmp_path)
    local = embed(TEXTS, BodyConfig(model=str(tiny_body)), cache_folder=tmp_path / "local")
    np.testing.assert_array_equal(first.vectors, local.vectors)
    monkeypatch.delattr("sentence_transformers.SentenceTransformer")
    second = embed(TEXTS, config, cache_folder=tmp_path)
    np.testing.assert_array_equal(second.vectors, first.vectors)


def test_another_revision_is_another_body(on_this_machine, tmp_path):
    for revision in COMMITS:
        on_this_machine("owner/tiny", revision)
    first = embed(TEXTS, BodyConfig(model="owner/tiny"), cache_folder=tmp_path)
    second_revision = BodyConfig(model="owner/tiny", revision="v2")
    assert locate_body(second_revision).identity == COMMITS["v2"]
    assert embed(TEXTS, second_revision, cache_folder=tmp_path).identity != first.identity
    assert len([*tmp_path.glob("*.sqlite")]) == 2


def test_a_new_commit_is_another_body(on_this_machine, tmp_path):
    on_this_machine("owner/tiny")
    config = BodyConfig(model="owner/tiny")
    first = embed(TEXTS, config, cache_folder=tmp_path)
    snapshots = Path(constants.HF_HUB_CACHE) / "models--owner--tiny"
    (snapshots / "snapshots" / COMMITS["main"]).rename(snapshots / "snapshots" / ("c" * 40))
    (snapshots / "refs" / "main").write_text("c" * 40)
    second = embed(TEXTS, config, cache_folder=tmp_path)
    assert second.identity != first.identity
