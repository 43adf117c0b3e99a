"""A body's folder from somebody else: nothing that lies in it is run, and the error names what is wrong."""

import shutil

import pytest
import torch
from hostile import TouchesAFile, change, link, load, refused

from qllmft.embed import TrainableBody
from qllmft_base.errors import UserError


@pytest.fixture
def body(tiny_body, tmp_path):
    """A copy of a sound body."""
    return shutil.copytree(tiny_body, tmp_path / "body")


def test_what_sentence_transformers_saves_is_loaded(body, tmp_path):
    texts = ["a good film", "a bad plot"]
    first = load(body)
    TrainableBody(first).save(tmp_path / "saved")
    assert (load(tmp_path / "saved").encode(texts) == first.encode(texts)).all()


@pytest.mark.parametrize(
    "name",
    [
        "evil.Evil",
        "evil_module.Evil",
        "os.system",
        "sentence_transformers.util.http_get",
        "sentence_transformers.models.Evil",
        "sentence_transformers.models.Router",
        None,
        3,
    ],
)
def test_a_module_that_is_not_the_librarys_is_not_imported(body, tmp_path, monkeypatch, name):
    written = tmp_path / "was run"
    for stem in ("evil", "evil_module"):
        (body / f"{stem}.py").write_text(f"open({str(written)!r}, 'w').close()\nclass Evil: pass\n")
    monkeypatch.syspath_prepend(str(body))
    change(
        body / "modules.json",
        lambda modules: modules.append({"idx": 1, "name": "1", "path": "", "type": name}),
    )
    refused(
        body,
        "modules.json",
        f"it names the module {name!r}, expected one of sentence-transformers: Transformer, ",
    )
    assert not written.exists()


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        *(("modules.json", content, "") for content in ("{}", "[1]", "[", "\ud800")),
        (
            "adapter_config.json",
            '{"base_model_name_or_path": "owner/model"}',
            "weights that lie elsewhere",
        ),
    ],
)
def test_a_list_of_modules_that_is_none_and_an_adapter_are_refused(body, file, content, message):
    (body / file).write_text(content, errors="surrogatepass")
    refused(body, file, message)


@pytest.mark.parametrize(
    "place", ["..", "../other", "a/../../other", "/etc", "C:\\other", "\\other", "..\\other", None]
)
def test_a_module_outside_the_folder(body, place):
    change(body / "modules.json", lambda modules: modules[0].update(path=place))
    refused(
        body,
        "modules.json",
        f"it names the place {place!r}, expected a folder inside the language model's own",
    )


def test_weights_in_a_pickle_alone_are_not_read(body, tmp_path):
    written = tmp_path / "was run"
    (weights,) = body.rglob("*.safetensors")
    weights.unlink()
    torch.save(TouchesAFile(written), weights.with_name("pytorch_model.bin"))
    refused(
        body,
        "pytorch_model.bin",
        "weights are read from model.safetensors only, which is missing in the same folder",
    )
    assert not written.exists()


def test_a_pickle_beside_safetensors_is_not_read(body, tmp_path):
    written = tmp_path / "was run"
    expected = load(body).encode(["a good film"])
    (weights,) = body.rglob("*.safetensors")
    torch.save(TouchesAFile(written), weights.with_name("pytorch_model.bin"))
    assert (load(body).encode(["a good film"]) == expected).all()
    assert not written.exists()


@pytest.mark.parametrize("target", ["a file outside", "a folder inside", "nothing"])
def test_a_link_out_of_the_folder(body, tmp_path, target):
    (tmp_path / "outside.json").write_text("{}")
    (body / "inside").mkdir()
    places = {
        "a file outside": tmp_path / "outside.json",
        "a folder inside": body / "inside",
        "nothing": body / "no",
    }
    link(body / "link", places[target])
    refused(
        body, "link", "it is a link to a folder, or leads out of the language model's own folder"
    )


def test_links_of_the_hubs_cache_are_followed(body, tmp_path):
    snapshot = tmp_path / "models--a--b" / "snapshots" / "1"
    blobs = tmp_path / "models--a--b" / "blobs"
    shutil.copytree(body, snapshot)
    blobs.mkdir()
    (weights,) = snapshot.rglob("*.safetensors")
    weights.rename(blobs / "f00")
    link(weights, blobs / "f00")
    assert (load(snapshot).encode(["a good film"]) == load(body).encode(["a good film"])).all()


def test_a_body_of_another_identity_is_not_even_loaded(trained_run, tmp_path, monkeypatch):
    from run_fixtures import evaluate_run

    from qllmft.inference import Predictor

    run = shutil.copytree(trained_run, tmp_path / "run")
    change(run / "model" / "model.json", lambda record: record.update(body_identity="another"))
    monkeypatch.setattr(
        "sentence_transformers.SentenceTransformer", lambda *_, **__: pytest.fail("it was loaded")
    )
    monkeypatch.setenv("QLLMFT_CACHE", str(tmp_path / "cache"))
    for answer in (lambda: Predictor.load(run).predict(["good film"]), lambda: evaluate_run(run)):
        with pytest.raises(
            UserError, match=r"is not the one that this model was trained on .*expected another"
        ):
            answer()
