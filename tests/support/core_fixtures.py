"""One thread for torch, and small models: one that was trained, and any structure with weights of its own."""

import os
import signal
import sys

import pytest
from command_line import CommandLine

DIMENSION = 16  # of the tiny body


@pytest.fixture(scope="module", autouse=True)
def one_torch_thread():
    """One thread for torch: its threads wait for each other on a busy machine, and these models are tiny."""
    import torch

    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture(scope="session", autouse=True)
def short_timings():
    """A step is timed a few times, and not for half a second: no test looks at what it took."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("qllmft.run.needs.TIMED_SECONDS", 0.0)
        yield


@pytest.fixture(scope="session", autouse=True)
def no_waiting_for_the_disk():
    """What is synced outlives a lost power supply, which no test has; a closed file is an error as before."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: os.fstat(descriptor) and None)
        yield


@pytest.fixture(scope="session", autouse=True)
def databases_of_mlflow():
    """MLflow keeps a connection to each database for the life of the process, a ResourceWarning from Python 3.13 on."""
    yield
    if store := sys.modules.get("mlflow.store.tracking.sqlalchemy_store"):
        kind = store.SqlAlchemyStore
        engines = getattr(kind, "_engine_map", None) or getattr(
            kind, "_db_uri_sql_alchemy_engine_map", {}
        )
        for engine in engines.values():
            engine.dispose()


@pytest.fixture
def usual_ctrl_c():
    """Python's own handler of Ctrl-C; a shell starts its background jobs with Ctrl-C ignored."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, handler)


@pytest.fixture
def cli(capsys, monkeypatch):
    """`qllmft` as a function, see `CommandLine`."""
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    return CommandLine(capsys)


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory, tiny_body):
    """The folder of a run: two encoders with a constant among the amplitudes, a head of 4 qubits and 16 weights."""
    from small_texts import write_reviews

    from qllmft.config import parse_config
    from qllmft.run import run_experiment

    folder = tmp_path_factory.mktemp("export")
    settings = {
        "data": {"source": str(write_reviews(folder / "texts.tsv")), "n_per_label": 20},
        "body": {"model": str(tiny_body)},
        "model": {
            "n_qubits": 4,
            "n_encoders": 2,
            "encoder_qubits": 5,
            "encoder_layers": 3,
            "pad": "bias",
            "reuploads": 3,
        },
        "train": {"epochs": 4, "lr": 0.05},
        "baselines": {"names": []},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QLLMFT_CACHE", str(folder / "cache"))
        run_experiment(parse_config(settings, "the test"), folder / "run")
    return folder / "run"


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory):
    """The folder of a sentence-transformers model: BERT of one layer and 8 dimensions, random weights, dropout 0.1."""
    from small_bodies import bert

    return bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture
def model_of(tmp_path, tiny_body):
    """A function from settings of `ModelConfig` to the folder of a model of that structure, not trained."""
    from qllmft.config import BodyConfig, ModelConfig
    from qllmft.embed import body_identity, locate_body
    from qllmft.heads import build_classifier
    from qllmft.model import StoredModel, save_model

    def save(**settings):
        config = ModelConfig(
            **({"n_qubits": 3, "encoder_qubits": 4, "encoder_layers": 3} | settings)
        )
        body = BodyConfig(model=str(tiny_body))
        identity = body_identity(body, locate_body(body))
        classifier = build_classifier(config, DIMENSION, 2, seed=11)
        save_model(
            tmp_path / "model",
            StoredModel(
                classifier=classifier,
                config=config,
                body=body,
                body_identity=identity,
                dimension=DIMENSION,
                label_names=("bad", "good"),
            ),
        )
        return tmp_path

    return save


@pytest.fixture(scope="module")
def few_samples():
    """A tenth of the bootstrap samples of scores, whose intervals no test of the module looks at closely."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("qllmft.tasks.statistics.BOOTSTRAP_SAMPLES", 100)
        yield


@pytest.fixture(autouse=True)
def no_own_heads_left():
    """Remove the baselines that ``--head`` of a command in this process added."""
    yield
    if own_rows := sys.modules.get("qllmft.baselines.own_rows"):
        registry = own_rows.BASELINES
        for name in [name for name in registry if name.startswith("own_circuit.")]:
            registry.unregister(name)
