"""Ctrl-C and SIGTERM while training: finished epochs are saved, and training continues to the same bits."""

import signal
import threading

import pytest
from small_training import SETTINGS, D, before_every_batch, examples, model
from stopped_runs import same_bits

from qllmft.config import ModelConfig, TrainConfig
from qllmft.heads import build_classifier
from qllmft.training import Checkpoint, fit, loop
from qllmft.training.interruption import interruptible

TRAIN = examples(21)
VALIDATION = examples(9, seed=1)
SEED = 5
BATCHES = 3  # an epoch
ODD = ModelConfig(
    head="none", n_encoders=1, encoder_qubits=4, encoder_layers=3, pad="bias", odd=True
)
LINEAR = TrainConfig(epochs=200, optimizer="lbfgs", select="last", ridge_c=1.0)
BOTH = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])


@pytest.fixture(autouse=True)
def usual_handlers():
    """Those of a program that a terminal started; a shell's background job ignores Ctrl-C."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    for number, handler in handlers.items():
        signal.signal(number, handler)


def fit_with_signals(path=None, signals=(), monkeypatch=None):
    """Selection, weights and epochs of a fit; ``signals`` come before batches that are counted from 0."""
    head = model()
    epochs = []
    batches = iter(range(10_000))
    if signals:
        due = dict(signals)

        def send():
            if (at := next(batches)) in due:
                signal.raise_signal(due[at])

        before_every_batch(send, monkeypatch.setattr)
    checkpoint = Checkpoint(path) if path else None
    selection = fit(
        head,
        TRAIN,
        VALIDATION,
        SETTINGS,
        SEED,
        checkpoint=checkpoint,
        on_epoch=lambda m: epochs.append(m.epoch),
    )
    return selection, head.state_dict(), epochs


@BOTH
def test_the_running_epoch_is_finished_and_saved_where_the_last_one_is_not(
    tmp_path, monkeypatch, number
):
    file = tmp_path / "state"
    with monkeypatch.context() as patch:
        # in the third epoch
        selection, _, epochs = fit_with_signals(file, [(2 * BATCHES + 1, number)], patch)
    assert (selection.epochs_done, selection.finished, selection.signal) == (3, False, number)
    assert epochs == [1, 2, 3]
    assert Checkpoint(file).epochs_done() == 3
    uninterrupted = fit_with_signals()
    ours = fit_with_signals(file)
    assert ours[2] == [4, 5, 6]
    assert ours[0] == uninterrupted[0]
    assert same_bits(ours[1], uninterrupted[1])


@BOTH
def test_where_all_is_saved_training_ends_at_once(tmp_path, monkeypatch, number):
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY_S", -1.0)  # after every epoch
    file = tmp_path / "state"
    with monkeypatch.context() as patch:
        selection, _, epochs = fit_with_signals(file, [(2 * BATCHES + 1, number)], patch)
    assert (selection.epochs_done, selection.finished, epochs) == (2, False, [1, 2])
    assert Checkpoint(file).epochs_done() == 2
    assert same_bits(fit_with_signals(file)[1], fit_with_signals()[1])


def test_a_second_signal_does_not_wait(tmp_path, monkeypatch):
    file = tmp_path / "state"
    twice = [(2 * BATCHES, signal.SIGINT), (2 * BATCHES + 1, signal.SIGINT)]
    with monkeypatch.context() as patch:
        selection, _, epochs = fit_with_signals(file, twice, patch)
    assert (selection.epochs_done, selection.finished, epochs) == (2, False, [1, 2])
    assert not file.exists()


def test_without_a_checkpoint_training_ends_at_once(monkeypatch):
    with monkeypatch.context() as patch:
        selection, weights, _ = fit_with_signals(None, [(2 * BATCHES, signal.SIGTERM)], patch)
    assert (selection.epochs_done, selection.signal) == (2, signal.SIGTERM)
    assert not same_bits(weights, model().state_dict())


class SendsAtItsEnd:
    def __del__(self):
        signal.raise_signal(signal.SIGTERM)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("head", "settings"), [("paper's", SETTINGS), ("linear", LINEAR)])
def test_a_signal_in_a_destructor_ends_training(head, settings):
    """Python ignores exceptions there, that of the signal's handler, too."""
    epochs = []

    def end_an_object(metrics):
        epochs.append(metrics.epoch)
        if metrics.epoch == 2:
            SendsAtItsEnd()

    classifier = model() if head == "paper's" else build_classifier(ODD, D, 2, seed=0)
    selection = fit(classifier, TRAIN, VALIDATION, settings, SEED, on_epoch=end_an_object)
    assert (selection.finished, selection.signal) == (False, signal.SIGTERM)
    assert epochs == [1, 2]


def test_a_signal_that_is_ignored_or_handled_elsewhere_stays_so():
    came = []
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: came.append("mine"))
    with interruptible() as interruption:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
    assert (came, interruption.signal) == (["mine"], None)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def test_another_thread_trains_without_them():
    results = []
    thread = threading.Thread(target=lambda: results.append(fit_with_signals()))
    thread.start()
    thread.join()
    assert results[0][0].finished
