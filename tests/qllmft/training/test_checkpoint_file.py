"""The checkpoint's file: its content, and the errors if it is damaged or another model's."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from small_training import SETTINGS, examples, model
from stopped_runs import same_bits
from torch import nn

from qllmft.training import Checkpoint, fit
from qllmft.training.evaluation import evaluate
from qllmft.training.step import open_step
from qllmft_base.errors import UserError

VALIDATION = examples(5, seed=1)


@pytest.fixture(scope="module")
def full_fit(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "state.safetensors"
    fit(model(), examples(12), VALIDATION, SETTINGS, 0, checkpoint=Checkpoint(path))
    return path


@pytest.fixture
def file(full_fit, tmp_path) -> Path:
    return Path(shutil.copy(full_fit, tmp_path))


def load(path: Path, head: nn.Module | None = None):
    head = head or model(seed=7)
    with open_step(head) as step:
        optimizer = torch.optim.Adam(step.parameters(), lr=0.123, weight_decay=0.4)
        return Checkpoint(path).load(head, optimizer), head, optimizer


def metadata(path: Path) -> dict[str, str]:
    with safe_open(path, framework="pt") as handle:
        return handle.metadata()


def test_no_file_is_no_training_yet(tmp_path):
    state, head, _ = load(tmp_path / "none")
    assert state is None
    assert same_bits(head.state_dict(), model(seed=7).state_dict())
    assert Checkpoint(tmp_path / "none").epochs_done() == 0


def test_it_holds_the_model_the_best_and_adams_moments(file):
    state, head, optimizer = load(file)
    tensors = load_file(file)
    progress = json.loads(metadata(file)["progress"])
    assert state.epoch == progress["epoch"] == SETTINGS.epochs == Checkpoint(file).epochs_done()
    assert (state.best_epoch, state.best_score, state.best_loss) == tuple(
        progress[name] for name in ("best_epoch", "best_score", "best_loss")
    )
    for name, tensor in head.state_dict().items():
        assert torch.equal(tensor, tensors[f"model/{name}"])
        assert torch.equal(state.best_weights[name], tensors[f"best/{name}"])
    for index, moments in optimizer.state_dict()["state"].items():
        assert set(moments) == {"step", "exp_avg", "exp_avg_sq"}
        for key, tensor in moments.items():
            assert torch.equal(tensor, tensors[f"adam/{index}/{key}"])
    best = model()
    best.load_state_dict(state.best_weights)
    assert evaluate(best, VALIDATION) == (state.best_loss, state.best_score)  # to the last digit
    moved = sum(moments["exp_avg"].numel() for moments in optimizer.state_dict()["state"].values())
    assert moved == sum(p.numel() for p in head.parameters())


def test_moments_of_other_parameters_are_refused(file):
    head = model()
    with pytest.raises(
        UserError, match=r"adam/0/exp_avg has the shape \(\d+,\), expected \(\d+,\)"
    ):
        Checkpoint(file).load(head, torch.optim.Adam(head.parameters()))


def test_rates_are_the_configurations_and_not_the_files(file):
    _, _, optimizer = load(file)
    assert (optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["weight_decay"]) == (
        0.123,
        0.4,
    )


@pytest.mark.parametrize(
    "damage",
    [
        *(lambda old, keep=keep: old[:keep] for keep in (0, 5, 8, 300, -1)),
        *(
            lambda _, new=new: new
            for new in (b"not a checkpoint at all", b"\x00" * 64, b"\xff" * 64)
        ),
    ],
)
def test_a_damaged_file_is_refused_with_the_remedy(file, damage):
    file.write_bytes(damage(file.read_bytes()))
    message = (
        rf"the checkpoint {file} cannot be continued: .*\. Delete the run's folder to start again"
    )
    for load_checkpoint in (load, lambda path: Checkpoint(path).epochs_done()):
        with pytest.raises(UserError, match=message):
            load_checkpoint(file)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("best/", r"it does not hold the weights of the best epoch\."),
        ("model/head.connector.weight", r'(.|\n)*Missing key\(s\) in state_dict: "head.connector'),
    ],
)
def test_a_file_that_lacks_tensors_is_refused(file, missing, message):
    tensors = {
        name: tensor for name, tensor in load_file(file).items() if not name.startswith(missing)
    }
    save_file(tensors, file, metadata(file))
    with pytest.raises(UserError, match=f"cannot be continued: {message}"):
        load(file)


NUMBERS = {"epoch": 3, "best_epoch": 1, "best_score": 0.5, "best_loss": 0.5}
WRONG = [{name: value} for name in NUMBERS for value in (10**400, float("nan"), True, "3", None)]
WRONG += [{"epoch": 1e308}, {"best_epoch": 2.5}, {"measure": "loss"}]


@pytest.mark.parametrize(
    "progress",
    [
        None,
        {},
        {"progress": "{"},
        {"progress": "{}"},
        {"progress": "7"},
        {"progress": '{"epoch": 3}'},
        {"progress": '{"epoch": 1e999}'},
        {"progress": "[" * 100_000},
        *({"progress": json.dumps(NUMBERS | wrong)} for wrong in WRONG),
    ],
    ids=lambda progress: str(progress)[:60],
)
def test_a_file_without_its_progress_is_refused(file, progress):
    save_file(load_file(file), file, progress)
    with pytest.raises(UserError, match="cannot be continued"):
        load(file)


@pytest.mark.parametrize("kind", ["batch norm", "larger"])
def test_another_models_checkpoint_is_refused(file, kind):
    head = model("batch norm") if kind == "batch norm" else nn.Sequential(model(), nn.Linear(2, 2))
    with pytest.raises(UserError, match=r"cannot be continued: best/\S+ is no weight of it"):
        load(file, head)
