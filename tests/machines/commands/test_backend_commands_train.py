"""`qllmft train --backend`: a small head on Aer, and on paid machines only where somebody asked for it."""

import re
import tomllib

import numpy as np
import pytest
from command_line import metrics_of, result_of
from faulty_server import Fault
from safetensors.numpy import load_file
from sandbox_job import needs_aer, option_arguments
from small_job import set_options
from small_texts import write_reviews

from qllmft.run import device
from qllmft_engine import interface
from qllmft_engine.torch.engine import TorchEngine

# numbers of texts: 4 of each label drawn, 75 % of these to train on
TRAIN = 6
VALIDATION = 2
TEST = 4
SETTINGS = {
    "data.train_fraction": 0.75,
    "model.n_qubits": 3,
    "model.n_encoders": 1,
    "model.encoder_qubits": 5,
    "model.encoder_layers": 1,
    "model.reuploads": 2,
    "model.main_layers": 1,
    "train.embedding_noise": 0.01,
}
AER = "--backend aer_statevector --backend-option max_parallel_threads=1"
AGREED = ("allow_paid_training=true", "shots=200")
ASKED_FOR = ["--backend ionq_forte", *option_arguments(*AGREED, "yes=true")]


@pytest.fixture
def train(run, cli, tmp_path):
    """`qllmft train` for one epoch of twelve texts and a head of three qubits, into the folder ``out``."""
    data = write_reviews(tmp_path / "small.tsv", per_label=6)

    def call(out, *arguments, code=0):
        return cli(
            "train", f"--preset multi-10q --data {data} --body {run.body} --out {tmp_path / out} --per-label 4",
            "--set noise.shots=0 --set model.pad=bias",
            f"--epochs 1 --lr 0.05 --batch-size {TRAIN} --no-baselines", *set_options(SETTINGS), *arguments, code=code,
        )  # fmt: skip

    return call


@pytest.fixture
def metrics(tmp_path):
    """A function: the epochs of the run in a folder."""
    return lambda name: metrics_of(tmp_path / name)


@pytest.fixture
def weights(tmp_path):
    """A function: the weights of the run in a folder."""
    return lambda name: load_file(tmp_path / name / "model" / "model.safetensors")


def test_aer_trains_what_adjoint_trains(train, metrics, weights, tmp_path):
    """The same losses and weights, by parameter shift; in batches of 2 the loss is that of weights under training."""
    needs_aer("aer_statevector")
    size = "--batch-size 2"
    assert "an epoch will take" not in train("adjoint", size)[1]
    _, messages = train("aer", AER, size)
    lines = messages.splitlines()
    starts = ("aer_statevector: an epoch will take about ", "epoch 1/1 ")
    announced, trained = ([line.startswith(start) for line in lines] for start in starts)
    assert announced.count(True) == trained.count(True) == 1
    assert announced.index(True) < trained.index(True), "said beforehand"
    assert re.search(
        r"about \d+ s, 1 epoch \d+ min\. The backend adjoint .* faster", " ".join(messages.split())
    )
    ours = metrics("adjoint")[0]
    theirs = metrics("aer")[0]
    assert theirs["train_loss"] == pytest.approx(ours["train_loss"], abs=1e-6)
    assert theirs["validation_loss"] == pytest.approx(ours["validation_loss"], abs=1e-5)
    mine = weights("adjoint")
    aer_weights = weights("aer")
    assert mine.keys() == aer_weights.keys()
    for name, values in mine.items():
        np.testing.assert_allclose(aer_weights[name], values, atol=1e-4, err_msg=name)
    result = result_of(tmp_path / "aer")
    assert result["data"]["sizes"] == {"train": TRAIN, "validation": VALIDATION, "test": TEST}


def test_a_run_from_aer_is_used_like_any_other(train, cli, tmp_path):
    needs_aer("aer_statevector")
    train("aer", AER)
    exact, _ = cli("predict", tmp_path / "aer", "a good film")
    on_aer, _ = cli("predict", tmp_path / "aer", "a good film", AER)
    assert on_aer == exact.replace("\ta", "±0.0000\ta")
    assert "finished already" in train("aer", AER)[1]


@pytest.fixture
def stand_in(monkeypatch):
    """A GPU that computes on the CPU, and is the faster of the two."""
    monkeypatch.setattr(device, "torch_devices", lambda: ["cpu", "cuda"])
    monkeypatch.setattr(device, "runs_kernels", lambda name: name == "cuda")
    monkeypatch.setattr(device, "CORE_RATE", 1e5)

    def engines_on(name):
        assert name == "cuda"
        return lambda program, masks, dtype: TorchEngine(program, masks, dtype, "cpu")

    monkeypatch.setattr(interface, "_providers", [engines_on])


TIMES = r"circuits of a step: about [\d.e+-]+ ms on the CPU, [\d.e-]+ ms on cuda"


def trained_device(path):
    """The device in the settings of a run; None for the one that is not named."""
    settings = tomllib.loads((path / "config.toml").read_text())
    return settings.get("backend", {}).get("options", {}).get("device")


def test_device_auto_says_and_records_the_gpu_that_is_expected_to_be_faster(
    train, weights, tmp_path, stand_in
):
    words = " ".join(train("auto", "--device auto")[1].split())
    assert re.search(rf"--device auto takes cuda: {TIMES}\.", words)
    assert words.count("compiling the circuits for cuda") == 1
    assert trained_device(tmp_path / "auto") == "cuda"
    words = " ".join(train("cpu")[1].split())
    assert re.search(
        rf"A GPU is expected to be faster: {TIMES}\. To use it, add --device auto\.", words
    )
    assert "compiling" not in words
    assert trained_device(tmp_path / "cpu") is None
    on_gpu = weights("auto")
    for name, values in weights("cpu").items():
        np.testing.assert_allclose(on_gpu[name], values, atol=1e-4, err_msg=name)


def test_device_auto_stays_on_the_cpu_where_that_is_faster(train, tmp_path, stand_in, monkeypatch):
    monkeypatch.setattr(device, "CORE_RATE", 1e12)
    _, messages = train("auto", "--device auto")
    assert re.search(rf"--device auto takes cpu: {TIMES}\.", " ".join(messages.split()))
    assert trained_device(tmp_path / "auto") is None
    assert "finished already" in train("auto")[1], "the same run, which says nothing of a GPU"


def test_a_gpu_that_is_not_there(train, tmp_path, no_work, monkeypatch):
    needs_aer("aer_statevector")
    monkeypatch.setattr("qiskit_aer.AerSimulator.available_devices", lambda self: ("CPU",))
    _, messages = train("gpu", AER, "--device GPU", code=2)
    assert re.search(
        r"^error: device is 'GPU'\. Aer finds no GPU: its devices here are CPU \(.* installed\)",
        messages,
        re.MULTILINE,
    )
    assert "It needs qiskit-aer-gpu, an NVIDIA GPU with a driver for CUDA 12" in messages
    assert "pip uninstall qiskit-aer qiskit-aer-gpu, then pip install 'qllmft[gpu]'" in messages
    assert messages.endswith("Or choose device='CPU'.\n")
    _, messages = train("gpu", AER, "--device TPU", code=2)
    assert "option device = 'TPU': Input should be 'CPU' or 'GPU'" in messages
    assert not (tmp_path / "gpu").exists()


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ("--backend ionq_forte", ["would send paid circuits at every step", "Nothing was",
         "Train on adjoint or aer_statevector, and predict on ionq_forte. Or add --backend-option allow_paid_train"]),
        ("--backend ionq_forte --backend-option allow_paid_training=true",
         ["training on hardware without circuit_budget, expected a ceiling on the circuits it may send"]),
        ("--backend ionq_forte --backend-option circuit_budget=99", ["would send paid circuits at every step"]),
        ("--backend ionq_simulator --backend-option allow_paid_training=true", ["Its options are"]),
    ],
    ids=["not asked for", "no ceiling", "a ceiling alone", "nothing paid"],
)  # fmt: skip
def test_paid_training_is_refused_before_any_work(job, train, tmp_path, no_work, arguments, parts):
    output, messages = train("refused", arguments, code=2)
    assert output == ""
    *progress, message = messages.splitlines()
    told = (r".*: 12 rows, .*columns text, label", "12 rows: 6 training, 2 validation.*")
    assert all(re.fullmatch(start, line) for start, line in zip(told, progress, strict=False))
    assert message.startswith("error: ")
    assert [part for part in parts if part not in message] == []
    assert job.totals["requests"] == {}
    assert not (tmp_path / "refused").exists()


EPOCH = 3 * TRAIN + VALIDATION  # SPSA: a forward pass and two perturbed ones
CHECKS = (
    4  # a check circuit in each job of the perturbed passes, the only call of ten circuits or more
)


def test_paid_training_asks_for_one_yes_and_says_first_what_it_sends_and_each_price(
    job, train, metrics, weights, tmp_path
):
    arguments = ["paid", "--backend ionq_forte", *option_arguments(*AGREED, "circuit_budget=100")]
    message = train(*arguments, code=2)[1].splitlines()[-1]
    assert message.startswith("error: training through ionq_forte sends paid circuits at every")
    limits = "--backend-option max_cost=..., circuit_budget=..."
    assert message.endswith(f"Add --yes to send them, and limits: {limits}")
    assert job.totals["requests"] == {}
    _, output = train(*arguments, "--yes")
    up_to = 3 * TRAIN + 2 * VALIDATION + TEST
    told = f"training by SPSA on ionq_forte sends up to {up_to} circuits, and stops at circuit_budget = 100 "
    text = " ".join(output.split())
    assert told in text
    assert text.index(told) < text.index("embedded 12 "), "it is said before any work"
    sent = re.findall(r"Estimated price: [\d.]+ \S+ for (.*?) on qpu\.forte-1", text)
    perturbed = f"{2 * TRAIN} circuits and {CHECKS} check circuits"
    assert sent == [f"{TRAIN} circuits", perturbed, f"{VALIDATION} circuits", f"{TEST} circuits"]
    assert "yes" not in (tmp_path / "paid" / "config.toml").read_text(), "consent is for one call"
    # of 3 circuits; that last validation is known
    job.assert_paid_once(EPOCH + TEST, jobs=2 + 4 + 1 + 2, checks=CHECKS)
    assert (tmp_path / "state" / "qllmft" / "ionq" / "ledger.jsonl").is_file()
    assert [row["name"] for row in result_of(tmp_path / "paid")["models"]] == ["quantum head"]
    train("exact")
    losses = [metrics(name)[0]["train_loss"] for name in ("paid", "exact")]
    assert losses[0] == pytest.approx(losses[1], abs=0.1)
    exact = weights("exact")
    paid = weights("paid")
    largest_step = max(float(np.abs(exact[name] - paid[name]).max()) for name in exact)
    assert 0.05 < largest_step < 0.11, (
        "Adam's first step has the length 0.05; SPSA turns some signs"
    )


def test_paid_training_stops_at_its_budget_and_goes_on_where_it_stopped(job, train, tmp_path):
    """Every call has a budget of its own; what the ledger holds costs nothing."""
    arguments = ["budget", *ASKED_FOR, "--backend-option circuit_budget=16"]
    _, messages = train(*arguments, code=2)
    assert "and stops at circuit_budget = 16" in " ".join(messages.split())
    told = "12 more circuits and 4 check circuits make 22, above circuit_budget = 16. Nothing of this call was sent."
    assert messages.splitlines()[-1].startswith(f"error: {told}"), "and no traceback"
    job.assert_paid_once(TRAIN, jobs=2)
    assert not (tmp_path / "budget" / "result.json").exists()
    message = train(*arguments, code=2)[1].splitlines()[-1]
    assert message.startswith("error: 2 more circuits make 18, above circuit_budget = 16.")
    job.assert_paid_once(3 * TRAIN, jobs=2 + 4, checks=CHECKS)
    train(*arguments)
    job.assert_paid_once(EPOCH + TEST, jobs=2 + 4 + 1 + 2, checks=CHECKS)
    straight = train("straight", *ASKED_FOR, "--backend-option circuit_budget=24")
    assert "Estimated price" not in "".join(straight), "all is known"
    job.assert_paid_once(EPOCH + TEST, jobs=2 + 4 + 1 + 2, checks=CHECKS)
    once, twice = (result_of(tmp_path / name)["models"] for name in ("straight", "budget"))
    assert [row | {"seconds": 0} for row in once] == [row | {"seconds": 0} for row in twice]


def test_interrupted_training_says_which_jobs_go_on(job, train, tmp_path, monkeypatch):
    from qllmft_machines import collect

    def interrupt(seconds):
        raise KeyboardInterrupt

    job.hold()
    arguments = ["stopped", *ASKED_FOR, "--backend-option circuit_budget=100"]
    with monkeypatch.context() as patch:
        patch.setattr(collect.time, "sleep", interrupt)
        output, _ = train(*arguments, code=130)
    first, jobs, *job_lines, remedy, _ = output.splitlines()[-6:]
    assert first.startswith("Interrupted after epoch 0 of 1.")
    assert jobs == "interrupted. 2 jobs continue at the server, and are paid:"
    assert [line.split(":")[0].strip() for line in job_lines] == list(job.totals["statuses"])
    assert remedy == f"collect them: qllmft jobs wait --ledger {tmp_path / 'state/qllmft/ionq'}"
    job.release()
    train(*arguments)
    job.assert_paid_once(EPOCH + TEST, jobs=2 + 4 + 1 + 2, checks=CHECKS)


def test_a_server_that_fails_while_a_gradient_is_measured(job, train):
    """The library wraps whatever a gradient raises; the words of the backend are what is told."""
    job.box.faults.arm(Fault("status", "submit", after=2, code=402, times=-1))
    _, messages = train("broken", *ASKED_FOR, "--backend-option circuit_budget=100", code=2)
    message = messages.splitlines()[-1]
    assert message.startswith("error: POST http://127.0.0.1:")
    assert "No credit is left" in message
    job.assert_paid_once(TRAIN, jobs=2)


def test_ionqs_simulator_is_free_to_train_on(job, train, metrics):
    _, output = train("simulated", "--backend ionq_simulator", *option_arguments())
    up_to = EPOCH + VALIDATION + TEST
    assert f"training by SPSA on ionq_simulator sends up to {up_to} circuits" in output.splitlines()
    assert job.totals["circuits_submitted"] == EPOCH + TEST
    assert "estimate" not in job.totals["requests"]
    train("exact")
    losses = [metrics(name)[0]["train_loss"] for name in ("simulated", "exact")]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5), "before the first step"
