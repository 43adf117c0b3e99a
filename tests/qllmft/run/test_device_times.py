"""`--device auto`: the device with the least expected time, what keeps a run from a GPU, and compilation for it."""

import numpy as np
import pytest
import torch
from tiny_runs import assert_same, config

from qllmft.config import ModelConfig, RunConfig
from qllmft.config.presets import load_preset
from qllmft.data import read_corpus
from qllmft.embed import Embeddings
from qllmft.events import StageEnded, StageStarted
from qllmft.run import device as device_module
from qllmft.run import run_experiment
from qllmft.run import vectors as vectors_module
from qllmft.run.device import compile_engine, device_times
from qllmft_engine import ahead


@pytest.fixture
def gpu(monkeypatch):
    """A GPU whose kernels run here."""
    monkeypatch.setattr(device_module, "torch_devices", lambda: ["cpu", "cuda"])
    monkeypatch.setattr(device_module, "runs_kernels", lambda device: device == "cuda")


def head_config(n_qubits):
    """A configuration whose only circuit is the head's."""
    return RunConfig(model=ModelConfig(n_qubits=n_qubits, encoder="mlp"))


def test_a_large_head_is_faster_on_a_gpu_and_a_small_one_on_the_cpu(gpu):
    large = device_times(head_config(18))
    assert large.fastest == "cuda"
    assert large.gpu_is_clearly_faster
    assert "ms on the CPU" in large.text
    assert "ms on cuda" in large.text
    small = device_times(head_config(4))
    assert small.fastest == "cpu"
    assert not small.gpu_is_clearly_faster


def test_without_a_gpu_the_cpu_computes():
    times = device_times(head_config(18))
    assert times.fastest == "cpu"
    assert times.text == "no GPU with Triton answers here"


def test_the_times_are_those_of_all_registers_which_the_labels_need(gpu, tmp_path):
    file = tmp_path / "texts.tsv"
    rows = [f"a text {i} of {k}\t{k}\n" for k in range(20) for i in range(3)]
    file.write_text("text\tlabel\n" + "".join(rows), encoding="utf-8")
    many = load_preset("sines").config({"data.source": str(file)})
    resolved = many.model_copy(update={"model": many.model.for_labels(20)})
    assert device_times(many).cpu_s == device_times(resolved).cpu_s
    file.write_text("text\tlabel\n" + "".join(rows[:6]), encoding="utf-8")
    assert device_times(resolved).cpu_s > 2 * device_times(many).cpu_s


def test_a_run_that_a_gpu_cannot_train_has_the_reason(gpu):
    times = device_times(load_preset("odd").config({}))
    assert times.fastest == "cpu"
    assert times.text == "the CPU trains this run: train.optimizer is 'lbfgs'"


# --- compilation


class Stages(list):
    """Listener that keeps the starts and ends of a run's stages."""

    def __call__(self, event):
        if isinstance(event, StageStarted | StageEnded):
            self.append((type(event), event.stage))


@pytest.fixture
def kernels(monkeypatch):
    """The CPU, as if circuits ran in kernels there."""
    monkeypatch.setattr(device_module, "runs_kernels", lambda device: device == "cpu")


def test_kernels_are_compiled_before_the_seconds_of_a_row_begin(corpus, tmp_path, monkeypatch):
    expected = run_experiment(config(corpus, baselines__names=[]), tmp_path / "whole")
    monkeypatch.setattr(device_module, "runs_kernels", lambda device: device == "cpu")
    stages = Stages()
    outcome = run_experiment(config(corpus, baselines__names=[]), tmp_path / "compiled", stages)
    assert stages[:5] == [
        (StageStarted, "embedding"),
        (StageEnded, "embedding"),
        (StageStarted, "compiling"),
        (StageEnded, "compiling"),
        (StageStarted, "training"),
    ]
    assert_same(outcome.folder, expected)


def test_folds_of_the_validation_share_one_compilation(corpus, tmp_path, kernels):
    folds = {"data__protocol": "split", "data__n_per_label": None, "data__validation_folds": 2}
    stages = Stages()
    names = {"train__epochs": 1, "baselines__names": [], "train__select": "last"}
    run_experiment(config(corpus, **folds, **names), tmp_path / "run", stages)
    starts = [stage for kind, stage in stages if kind is StageStarted]
    assert starts.count("compiling") == 1
    assert starts.index("compiling") < starts.index("fitting")


@pytest.mark.parametrize("compiled", [True, False])
def test_the_cpus_engine_is_compiled_once(corpus, tmp_path, monkeypatch, compiled):
    monkeypatch.setattr(ahead, "is_compiled", lambda *part: compiled)
    stages = Stages()
    state = torch.get_rng_state()
    settings = config(corpus, train__epochs=1, baselines__names=[])
    compile_engine(settings, 8, 2, {"train": 8, "validation": 4}, stages)
    assert ("compiling" in [stage for _, stage in stages]) is not compiled
    assert torch.equal(state, torch.get_rng_state())


def test_embedding_leaves_cores_to_processes_that_compile(corpus, monkeypatch):
    counts = iter([2, 1])
    monkeypatch.setattr(ahead, "count_compiling", lambda: next(counts, 0))
    threads = []

    def embed_in_batches(texts, *args, progress, **options):
        for i in range(3):
            threads.append(torch.get_num_threads())
            progress(i)
        return Embeddings(np.ones((len(texts), 8), np.float32), "body")

    monkeypatch.setattr(vectors_module, "embed", embed_in_batches)
    usual_threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        settings = config(corpus)
        table = read_corpus(settings.data).join_splits()
        vectors_module.embed_tables({"all": table}, settings.body, lambda event: None)
        assert threads == [1, 2, 3]
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(usual_threads)
