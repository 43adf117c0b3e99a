"""Body and head trained together: the weights that move, and a training that was stopped."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_bodies import HEADS, TRAINING, end_to_end, table, trainable, weights
from stopped_runs import same_bits

from qllmft.config import BodyConfig, TrainConfig
from qllmft.embed import TrainableBody
from qllmft.training import Checkpoint, fit_end_to_end
from qllmft.training import end_to_end as training
from qllmft.training.adam import Adam
from qllmft.training.evaluation import evaluate
from qllmft_base.errors import UserError

TRAIN = table(25)
VALIDATION = table(10, seed=1)
SEED = 7


def train_head(folder, path=None, *, head="quantum", stop_at=None, seed=0, config=TRAINING):
    """A training that Ctrl-C stops after epoch ``stop_at``, before that epoch is saved; and its metrics."""
    model = end_to_end(folder, head, seed)
    metrics = []

    def on_epoch(line):
        metrics.append(replace(line, seconds=0.0))
        if line.epoch == stop_at:
            raise KeyboardInterrupt

    checkpoint = Checkpoint(path) if path else None
    selection = fit_end_to_end(
        model, TRAIN, VALIDATION, config, SEED, checkpoint=checkpoint, on_epoch=on_epoch
    )
    return selection, model, metrics


@pytest.mark.parametrize("head", HEADS)
def test_it_learns_and_every_weight_that_the_loss_sees_moves(tiny_bert, head):
    initial = weights(end_to_end(tiny_bert, head))
    config = TRAINING.model_copy(update={"epochs": 12, "select": "last"})
    selection, model, metrics = train_head(tiny_bert, head=head, config=config)
    final = weights(model)
    unmoved = {name for name in initial if torch.equal(initial[name], final[name])}
    # the pooler of BERT is not read, no text has token types of a second kind, and attention is
    # blind to keys' biases
    assert all(
        "pooler" in name or name.startswith("classifier.head.connector._") for name in unmoved
    ), unmoved
    assert metrics[-1].train_loss < 0.7 * metrics[0].train_loss
    assert selection.score >= 0.8
    assert evaluate(model.classifier, model.embed_table(VALIDATION))[1] == selection.score


def test_the_body_has_a_learning_rate_of_its_own(tiny_bert):
    """Adam's first step is the learning rate in every coordinate whose gradient is not tiny."""
    moved = {}
    for body_lr in (1e-4, 1e-2, None):
        config = TrainConfig(
            epochs=1, batch_size=len(TRAIN), lr=1e-3, body_lr=body_lr, select="last"
        )
        initial = weights(end_to_end(tiny_bert))
        model = train_head(tiny_bert, config=config)[1]
        change = {
            name: (tensor - initial[name]).abs().max().item()
            for name, tensor in weights(model).items()
        }
        moved[body_lr] = max(value for name, value in change.items() if name.startswith("body."))
        assert max(v for n, v in change.items() if n.startswith("classifier.")) == pytest.approx(
            1e-3, rel=1e-2
        )
    assert moved == {
        1e-4: pytest.approx(1e-4, rel=1e-2),
        1e-2: pytest.approx(1e-2, rel=1e-2),
        None: moved[None],
    }
    assert moved[None] == pytest.approx(1e-3, rel=1e-2), "one rate for both, as in table XVI"


def test_the_bodys_rate_falls_as_the_heads_does(tiny_bert, monkeypatch):
    seen = []
    step = Adam.step
    monkeypatch.setattr(
        Adam,
        "step",
        lambda self: (seen.append([g["lr"] for g in self.param_groups]), step(self))[1],
    )
    train_head(
        tiny_bert, config=TrainConfig(epochs=3, batch_size=25, lr=0.1, body_lr=0.01, lr_decay=0.5)
    )
    np.testing.assert_allclose(seen, [[0.01, 0.1], [0.005, 0.05], [0.0025, 0.025]])


@pytest.fixture(scope="module")
def whole_trainings(tiny_bert, tmp_path_factory):
    """By head, a training that nothing stopped and the file of its checkpoints; tests do not change them."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "BODY_CHECKPOINT_EVERY_S", -1.0)
        return {
            head: (train_head(tiny_bert, folder / head, head=head), folder / head) for head in HEADS
        }


@pytest.mark.parametrize("done", [0, 1, 3])
@pytest.mark.parametrize("head", HEADS)
def test_a_body_continued_from_any_epoch_ends_in_the_same_bits(
    whole_trainings, tiny_bert, tmp_path, monkeypatch, head, done
):
    monkeypatch.setattr(training, "BODY_CHECKPOINT_EVERY_S", -1.0)
    straight, whole_file = whole_trainings[head]
    file = tmp_path / "state.safetensors"
    stopped, _, first_metrics = train_head(tiny_bert, file, head=head, stop_at=done + 1)
    assert not stopped.finished
    assert Checkpoint(file).epochs_done() == done
    torch.manual_seed(123)  # what torch's own generator did meanwhile has no part in it
    selection, model, later_metrics = train_head(tiny_bert, file, head=head, seed=99 if done else 0)
    assert (selection, [*first_metrics[:done], *later_metrics]) == (straight[0], straight[2])
    assert same_bits(weights(model), weights(straight[1]))
    assert file.read_bytes() == whole_file.read_bytes()  # Adam's moments of the body too


def test_dropout_is_on_in_training_and_leaves_torchs_generator_alone(tiny_bert):
    usual = end_to_end(tiny_bert)
    without = end_to_end(tiny_bert)
    silenced = [part for part in without.body.modules() if isinstance(part, torch.nn.Dropout)]
    assert silenced
    for part in silenced:
        part.p = 0.0
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    losses = []
    for model in (usual, without):
        config = TRAINING.model_copy(update={"epochs": 1})
        fit_end_to_end(
            model,
            TRAIN,
            VALIDATION,
            config,
            SEED,
            on_epoch=lambda line: losses.append(line.train_loss),
        )
    assert losses[0] != losses[1]
    assert torch.equal(torch.rand(3), expected)


def test_a_body_without_weights_is_refused():
    class Empty:
        transformer = torch.nn.Identity()
        config = BodyConfig(model="empty")

    with pytest.raises(
        UserError,
        match=r"the language model 'empty' has no weights to train\. Set body\.trainable to false\.",
    ):
        TrainableBody(Empty())


def test_saving_a_body_replaces_the_folder_whole(tiny_bert, tmp_path):
    body = trainable(tiny_bert)
    folder = tmp_path / "model" / "body"
    body.save(folder)
    (folder / "left over").write_text("")
    with torch.no_grad():
        next(body.parameters()).add_(1.0)
    body.save(folder)
    assert sorted(p.name for p in folder.parent.iterdir()) == ["body"]
    assert not (folder / "left over").exists()
    reloaded = trainable(folder)
    assert same_bits(weights(reloaded), weights(body))
    assert np.array_equal(reloaded.body.encode(TRAIN.texts), body.body.encode(TRAIN.texts))
