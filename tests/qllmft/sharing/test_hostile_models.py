"""A model from somebody else runs no code: from a run's folder, from the hub, and with a body from the hub."""

import shutil

import pytest
from hostile import change, pickled_weights

import qllmft
from qllmft.config import BodyConfig
from qllmft.embed import Body, body_identity, locate_body
from qllmft.inference import Predictor
from qllmft.model import save_model
from qllmft_base.errors import UserError

TEXTS = ["good film", "bad plot"]


@pytest.fixture
def written(tmp_path, monkeypatch):
    monkeypatch.setenv("QLLMFT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "was run"


@pytest.fixture
def model(model_of, tiny_bert, tmp_path, written):
    """The folder of a model with a body of its own that allows pickles and has one."""
    stored = Predictor.load(model_of(encoder_qubits=4)).model
    body = shutil.copytree(tiny_bert, tmp_path / "hostile" / "body")
    pickled_weights(body, written)
    config = BodyConfig(model=str(body), device="cpu")
    identity = body_identity(config, locate_body(config))
    changes = {"own_body": True, "body": config, "body_identity": identity, "dimension": 16}
    save_model(tmp_path / "hostile", stored.model_copy(update=changes))
    return tmp_path / "hostile"


def assert_refused(load, written):
    with pytest.raises(UserError, match=r"is not loaded because of .*json: "):
        load()
    assert not written.exists()


def test_the_body_of_a_run_is_not_unpickled(model, written):
    assert_refused(lambda: qllmft.load(model).predict(TEXTS), written)


def test_the_body_of_a_model_on_the_hub_is_not_even_downloaded_whole(hub, model, written, tmp_path):
    hub.put_folder("evil/model", model)
    assert_refused(lambda: qllmft.load("evil/model").predict(TEXTS), written)
    assert not list((tmp_path / "hub").rglob("weights.dat"))


def test_a_body_on_the_hub_that_a_model_names_is_not_unpickled(hub, model, written, tmp_path):
    hub.put_folder("evil/body", model / "body")
    change(
        model / "model.json",
        lambda record: record.update(own_body=False, body={"model": "evil/body"}),
    )
    assert_refused(lambda: qllmft.load(model).predict(TEXTS), written)
    assert not list((tmp_path / "hub").rglob("weights.dat"))


def test_a_body_on_the_hub_is_downloaded_without_code_and_loaded(hub, tiny_bert, tmp_path):
    commit = hub.put_folder("ann/bert", tiny_bert)
    files = hub.files("ann/bert")
    hub.put(
        "ann/bert",
        {**files, "evil.py": b"", "pytorch_model.bin": b"", "onnx/model.json": b"{}", "a.dat": b""},
    )
    local_body = Body(BodyConfig(model=str(tiny_bert), device="cpu"))
    for revision in (None, commit):
        body = Body(BodyConfig(model="ann/bert", revision=revision, device="cpu"))
        assert (body.encode(TEXTS) == local_body.encode(TEXTS)).all()
        assert body.location.path == "ann/bert"
    assert body.location.identity == commit
    assert not {"evil.py", "pytorch_model.bin", "model.json", "a.dat"} & {
        p.name for p in (tmp_path / "hub").rglob("*")
    }
