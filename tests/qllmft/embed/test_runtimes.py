"""Bodies on ONNX Runtime and OpenVINO. `make test-runtimes` has their packages; elsewhere the refusals are tested."""

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest
from small_bodies import run_config, write_corpus

from qllmft.config import BodyConfig
from qllmft.embed import Body, body_identity, embed, locate_body
from qllmft.errors import UserError
from qllmft.inference import Predictor
from qllmft.run import run_experiment

TEXTS = [
    "a good film",
    "bad",
    "a great plot and a lovely cast",
    "the score is dull",
    "an awful ending",
]
RUNTIMES = ("onnx", "openvino")
# OpenVINO's exporter leaves its temporary folder to the garbage collector
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"
)
installed = pytest.mark.skipif(
    importlib.util.find_spec("optimum") is None, reason="see make test-runtimes"
)


def body_of(folder, runtime, **settings):
    return BodyConfig(model=str(folder), runtime=runtime, **settings)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("QLLMFT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"trainable": True}, "a body that learns"),
        ({"trainable": "lora"}, "a body that learns"),
        ({"contrastive": {"iterations": 1}}, "a body that learns"),
        ({"adapter": "adapter"}, "an adapter"),
        ({"device_map": "auto"}, "device_map"),
        ({"device": "cuda"}, "device 'cuda'"),
        ({"dtype": "float16"}, "dtype 'float16'"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, named):
    for runtime in RUNTIMES:
        with pytest.raises(
            ValueError, match=f"runtime '{runtime}' .* go with {named}; set runtime to 'torch'"
        ):
            BodyConfig(runtime=runtime, **settings)


def test_bfloat16_is_for_openvino():
    assert BodyConfig(runtime="openvino", dtype="bfloat16").dtype == "bfloat16"
    with pytest.raises(ValueError, match=r"runtime 'onnx' .* dtype 'bfloat16'"):
        BodyConfig(runtime="onnx", dtype="bfloat16")


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_missing_package_is_named_with_its_extra(tiny_bert, cache, monkeypatch, runtime):
    monkeypatch.setattr(
        "qllmft.embed.runtimes.version_of",
        lambda name: None if name.startswith("optimum-") else "1",
    )
    with pytest.raises(
        UserError, match=rf"optimum-\w+ is not installed: pip install 'qllmft\[body-{runtime}\]'"
    ):
        Body(body_of(tiny_bert, runtime))


def test_embeddings_of_a_runtime_have_a_name_of_their_own(tiny_bert):
    place = locate_body(body_of(tiny_bert, "torch"))
    names = {body_identity(body_of(tiny_bert, each), place) for each in ("torch", *RUNTIMES)}
    assert len(names) == 3
    assert body_identity(BodyConfig(model=str(tiny_bert)), place) == f'["", "", "{place.identity}"]'


@installed
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_vectors_are_those_of_torch_and_files_of_the_folder_are_not_read(
    tiny_bert, tmp_path, cache, runtime
):
    """A folder with an ONNX file of somebody else: the export is made from the safetensors, once."""
    folder = tmp_path / "body"
    shutil.copytree(tiny_bert, folder)
    for name in (
        "onnx/model.onnx",
        "model.onnx",
        "openvino/openvino_model.xml",
        "openvino_model.xml",
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"external data in ../../secret")
    torch = Body(body_of(folder, "torch")).encode(TEXTS)
    found = embed(TEXTS, body_of(folder, runtime))
    np.testing.assert_allclose(found.vectors, torch, rtol=1e-4, atol=1e-5)
    (made,) = (path for path in Path(cache, "runtimes").iterdir() if path.is_dir())
    before = {path: path.stat().st_mtime_ns for path in made.rglob("*")}
    np.testing.assert_array_equal(Body(body_of(folder, runtime)).encode(TEXTS), found.vectors)
    assert {path: path.stat().st_mtime_ns for path in made.rglob("*")} == before


@installed
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_run_on_it_trains_and_predicts(tiny_bert, tmp_path, cache, runtime):
    corpus = write_corpus(tmp_path / "texts.tsv")
    runs = {}
    for each in ("torch", runtime):
        run_experiment(run_config(corpus, tiny_bert, body__runtime=each), tmp_path / each)
        runs[each] = [
            answer.probabilities for answer in Predictor.load(tmp_path / each).predict(TEXTS)
        ]
    a, b = (
        np.array([list(row.values()) if isinstance(row, dict) else row for row in run])
        for run in runs.values()
    )
    np.testing.assert_allclose(a, b, atol=1e-3)
