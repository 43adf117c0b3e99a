"""Small commands of every kind that writes files or sends requests, each with what it must leave behind."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import crash_states
from crash_states import Tree
from faulty_server import MockServer
from hub_stand_in import TOKEN as HUB_TOKEN
from hub_stand_in import Hub
from paid_calls import OPTIONS, SameShots, assert_paid_once
from same_bits import outcome
from sandbox_job import TEXTS, TOKEN, release
from small_commands import set_arguments

from qllmft.training import contrastive, end_to_end, loop

EPOCHS = 2
ANSWERS = "answers"  # file for what a command prints
STUDY = """
title = "Table 0: a study of seconds"
subject = "quantum head"
baseline = "classical head"
seeds = 2
epochs = 2
published = false
rows = [
  { label = "Single", preset = "single-10q", side = "subject" },
  { label = "SVC", preset = "nn-head-0", side = "baseline", classical = "svc" },
]
"""


def make_small() -> None:
    """Write a checkpoint after every epoch, so that the operations are always the same, and draw no figures."""
    from matplotlib.figure import Figure

    end_to_end.BODY_CHECKPOINT_EVERY_S = 0.0
    for module in (loop, contrastive):
        module.CHECKPOINT_EVERY_S = 0.0
    Figure.savefig = without_drawing


def without_drawing(figure: Any, target: Any, **_: Any) -> None:
    """Write an empty picture."""
    with nullcontext(target) if hasattr(target, "write") else Path(target).open("w") as file:
        file.write("<svg></svg>")


class Nothing:
    """No service."""

    environment: Mapping[str, str] = {}

    def settle(self) -> None:
        """Between a try and its repetition."""

    def assert_served(self) -> None:
        """After the repetition: nothing was done twice, and nothing is lost."""


@contextmanager
def no_service(place: Path) -> Iterator[Nothing]:
    """A command that sends nothing."""
    yield Nothing()


@dataclass(frozen=True)
class AttackedCommand:
    """A command.

    Attributes:
        name: in the table.
        arguments: of the command line; relative paths are in the command's folder.
        before: content of the folder before it.
        settings: of the environment.
        service: what the command sends to, for one try.
        printed: whether it prints to the file `ANSWERS` in the folder.
    """

    name: str
    arguments: list[str]
    initial_files: Tree = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    service: Callable[[Path], Any] = no_service
    printed: bool = False

    @property
    def shown(self) -> str:
        """The command in words."""
        words = {
            "train, body tuned": "train --set body.trainable=true",
            "train, LoRA": "train --set body.trainable=lora",
            "predict, paid": "predict --backend ionq_forte",
        }
        return f"qllmft {words.get(self.name, self.name)}"

    def outcome(self, folder: Path) -> dict[str, Any]:
        """What the command has left: files by name. The ledger has times, and is asked by the service."""
        return outcome(folder, without=("cache", "tmp", "ledger"))


@contextmanager
def ionq(place: Path) -> Iterator["IonQ"]:
    """The mock server of IonQ."""
    with MockServer(token=TOKEN, store=SameShots(qpu_noise="ideal")) as box:
        yield IonQ(box, place)


@dataclass
class IonQ:
    """The mock server of a try."""

    box: MockServer
    place: Path

    @property
    def environment(self) -> dict[str, str]:
        """Its address and key."""
        return {"QISKIT_IONQ_API_URL": self.box.url, "QISKIT_IONQ_API_TOKEN": TOKEN}

    def settle(self) -> None:
        """Nothing is under way."""
        release(self.box)

    def assert_served(self) -> None:
        """Every circuit was paid once, and the ledger has each job."""
        assert_paid_once(self.box, self.place / "ledger")


@contextmanager
def hub(place: Path) -> Iterator["HubOnce"]:
    """The stand-in of the hub."""
    with Hub() as stand_in:
        stand_in.ignore_errors()  # of connections that are lost
        yield HubOnce(stand_in)


@dataclass
class HubOnce:
    """The hub of a try."""

    hub: Hub

    @property
    def environment(self) -> dict[str, str]:
        """Its address and token."""
        return {"HF_TOKEN": HUB_TOKEN, "HUB_STAND_IN": self.hub.url}

    def settle(self) -> None:
        """Nothing is under way."""

    def assert_served(self) -> None:
        """The last commit has all files of the model."""
        files = self.hub.files("ann/reviews")
        assert {"model.json", "model.safetensors", "README.md"} <= files.keys(), sorted(files)
        json.loads(files["model.json"])


def use_hub_stand_in() -> None:
    """Send requests of this process to the stand-in that the environment names."""
    url = os.environ.get("HUB_STAND_IN")
    if url is not None:
        from huggingface_hub import constants

        constants.HF_HUB_OFFLINE = False
        constants.ENDPOINT = url


def make_commands(reviews: Path, body: Path, bert: Path, run: Path) -> dict[str, AttackedCommand]:
    """All of them, by name.

    Args:
        reviews: table of labelled texts.
        body: a static body, which loads in milliseconds.
        bert: a body that can learn.
        run: a finished run.
    """
    texts = ["--data", str(reviews)]
    few = set_arguments(**{"data.n_per_label": 10})
    out = ["train", *texts, "--out", "run", "--epochs", str(EPOCHS), "--body"]
    train = [*out, str(body), *few]
    learning = [
        *out, str(bert), *set_arguments(**{"data.n_per_label": 6, "body.batch_size": 16}),
        "--set", "train.body_lr=0.01", "--set", "baselines.names=[]",
    ]  # fmt: skip
    study = set_arguments(**{"model.encoder_qubits": 5, "data.n_per_label": 10})
    trained: Tree = {
        f"run/{path}": content for path, content in crash_states.read_tree(run).items()
    }
    trained["run"] = None
    paid = [
        part
        for name, value in (OPTIONS | {"settle_s": 0.2, "deadline_s": 30.0}).items()
        for part in ("--backend-option", f"{name}={value}")
    ]
    file = "\n".join(TEXTS).encode()
    all_commands = [
        AttackedCommand("train", train),
        AttackedCommand(
            "train, body tuned",
            [*learning, "--set", "body.trainable=true", "--set", "body.contrastive.iterations=1"],
        ),
        AttackedCommand(
            "train, LoRA",
            [*learning, "--set", "body.trainable=lora", "--set", "body.lora.rank=2"],
        ),
        AttackedCommand(
            "study",
            ["study", "tiny.toml", *texts, "--body", str(body), "--out", "study", *study],
            {"tiny.toml": STUDY.encode()},
        ),
        AttackedCommand(
            "sweep",
            ["sweep", "table-11", *texts, "--body", str(body), "--out", "sweep", "--sampler", "qmc", "--trials", "2",
             "--set", "noise.shots=0", "--set", "model.main_layers=2", "--set", f"train.epochs={EPOCHS}",
             *set_arguments(**{"data.n_per_label": 10})],
        ),
        AttackedCommand(
            "predict, paid",
            ["predict", "run", *TEXTS, "--backend", "ionq_forte", "--yes", "--ledger", "ledger", *paid],
            {**trained, ANSWERS: b""},
            service=ionq,
            printed=True,
        ),
        AttackedCommand(
            "predict --file",
            ["predict", "run", "--file", "texts.txt"],
            {**trained, "texts.txt": file, ANSWERS: b""},
            printed=True,
        ),
        AttackedCommand("dequantise", ["dequantise", "run", "--onnx", "head.onnx"], trained),
        AttackedCommand("analyse", ["analyse", "run"], trained),
        AttackedCommand(
            "push", ["push", "run", "ann/reviews"], {**trained, "tmp": None}, {"HF_HUB_OFFLINE": "0"}, hub
        ),
    ]  # fmt: skip
    return {command.name: command for command in all_commands}
