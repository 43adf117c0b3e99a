"""Heads and their classical surrogates on their test texts.

The command is ``python -m lab.experiments.dequantised --sst2 FOLDER``.

Trains `single-10q`, `multi-10q` and `odd` on SST-2 and `single-10q` on six labels (docstrings, see `docstrings`), each
on every --body, by the commands ``qllmft train``, ``analyse`` and ``dequantise --onnx``. A finished run is not trained
again. ``--onnx-python`` is a Python with onnxruntime and numpy alone, in which the ONNX files label the test texts.
``--twins`` trains the heads and their separable twins alone, and keeps the other figures of their rows.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lab.experiments.common import options
from lab.experiments.docstrings import classes
from qllmft import Predictor
from qllmft.heads import without_noise
from qllmft.inference import LabelledTexts
from qllmft.run import RunFolder
from qllmft.training import finite_logits
from qllmft_audit import RIDGE, train_twins, twin_configs

SIX = "single-10q, six labels"
HEADS = {  # options of `qllmft train`
    "single-10q": ["--preset", "single-10q", "--epochs", "40"],
    "multi-10q": ["--preset", "multi-10q", "--epochs", "40"],
    "odd": ["--preset", "odd"],
    SIX: ["--preset", "single-10q", "--epochs", "40", "--per-label", "64"],
}
LABELS_BY_ONNX = """
import importlib.util, json, sys
import numpy, onnxruntime
assert not any(map(importlib.util.find_spec, ("qllmft", "torch", "qiskit"))), "not a bare environment"
inputs = numpy.load(sys.argv[2])
logits, = onnxruntime.InferenceSession(sys.argv[1]).run(None, {"embedding": inputs["x"]})
same = int((logits.argmax(axis=1) == inputs["labels"]).sum())
print(json.dumps({"same": same, "total": len(logits), "onnxruntime": onnxruntime.__version__}))
"""


def qllmft(*words: object) -> Any:
    """Return what a command prints as JSON."""
    command = [sys.executable, "-m", "qllmft.cli.main", *map(str, words), "--json"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def six_labels(file: Path) -> Path:
    """Write the texts of six labels if they are not there, and return the file."""
    if not file.exists():
        rows = [
            f"{text}\t{name}\n" for name, texts in list(classes().items())[:6] for text in texts
        ]
        file.write_text("text\tlabel\n" + "".join(rows), encoding="utf-8")
    return file


@torch.no_grad()
def labels_by_onnx(python: str, run: Path, file: Path) -> dict[str, Any]:
    """Return the number of test texts with the circuit's label by an ONNX file, in another Python."""
    predictor = Predictor.load(run)
    vectors = LabelledTexts.load(predictor, run).vectors.astype(np.float32)
    with without_noise(predictor.model.classifier):
        labels = (
            finite_logits(predictor.model.classifier, torch.from_numpy(vectors))
            .argmax(dim=1)
            .numpy()
        )
    texts = file.with_suffix(".npz")
    np.savez(texts, x=vectors, labels=labels)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [python, "-I", "-c", LABELS_BY_ONNX, str(file), str(texts)]
    printed = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, env=environment
    ).stdout
    return dict(json.loads(printed))


def row(name: str, body: str, data: Path, run: Path, python: str | None) -> dict[str, Any]:
    """Train, analyse and dequantise one head, and return its row of the record."""
    options = [*HEADS[name], "--data", data, "--body", body, "--no-baselines", "--out", run]
    result = qllmft("train", *options)
    print(f"{name} on {body}: trained", file=sys.stderr, flush=True)
    analysis = qllmft("analyse", run)
    surrogate = run / "surrogate"
    file = run / "surrogate.onnx"
    shutil.rmtree(surrogate, ignore_errors=True)
    dequantised = qllmft("dequantise", run, "--onnx", file)
    forms = analysis["forms"]
    bond = analysis["bond"]
    geometry = analysis["geometry"]
    figures = {
        "head": name,
        "body": Path(body).name,
        "dimension": result["body"]["dimension"],
        "identity": analysis["run"],
        "command": " ".join(["qllmft train", *HEADS[name]]),
        "certificate": analysis["sentence"],
        "forms": {
            "number": len(forms["effective_ranks"]),
            "effective_ranks": [min(forms["effective_ranks"]), max(forms["effective_ranks"])],
            "largest_error": forms["largest_error"],
        },
        "schmidt_rank": bond and max(bond["ranks"]),
        "entanglement": analysis["entanglement"] and analysis["entanglement"][0],
        "test": analysis["head"]["test"],
        "kernel": analysis["kernel"] and analysis["kernel"]["test"],
        "twins": {"run": {"test": analysis["head"]["test"]}, **analysis["twins"]},
        "least": analysis["least"],
        "geometry": {
            name: differences["general"][differences["ridges"].index(RIDGE)]
            for name, differences in geometry.items()
        },
        "decay_per_qubit": analysis["decay_per_qubit"],
        "surrogate": {
            key: dequantised[key]
            for key in ("kind", "numbers", "parameters", "agreement", "energies_j")
        },
    }
    if python is not None:
        figures["onnx"] = labels_by_onnx(python, run, file)
    return figures


def twins(name: str, body: str, data: Path, run: Path) -> dict[str, Any]:
    """Train one head and its twins, and return what they change in its row of the record."""
    result = qllmft(
        "train", *HEADS[name], "--data", data, "--body", body, "--no-baselines", "--out", run
    )
    trained_twins = train_twins(run, twin_configs(RunFolder(run).read_config()), lambda _: None)
    return {
        "head": name,
        "body": Path(body).name,
        "dimension": result["body"]["dimension"],
        "twins": {
            "run": {"test": RunFolder(run).require_record().head.tested.as_dict()},
            **{
                twin_name: {"test": twin.test.as_dict(), "difference": twin.discordant.as_dict()}
                for twin_name, twin in trained_twins.items()
            },
        },
    }


def keep(file: Path, figures: dict[str, Any]) -> None:
    """Write the figures of a row into the record, in place of the same ones of that head and body."""
    recorded_rows = json.loads(file.read_text("utf-8"))["rows"] if file.exists() else []
    rows: dict[tuple[int, int], dict[str, Any]] = {}
    for record_row in [*recorded_rows, figures]:
        order = record_row["dimension"], list(HEADS).index(record_row["head"])
        rows[order] = rows.get(order, {}) | record_row
    file.write_text(
        json.dumps({"rows": [rows[key] for key in sorted(rows)]}, indent=1) + "\n", encoding="utf-8"
    )


def main() -> None:
    """Run all heads on all bodies, and write each into the record."""
    parser = options(__doc__, "could-it-be-classical.json", sst2=True)
    parser.add_argument("--body", nargs="+", default=["minilm"])
    parser.add_argument("--heads", nargs="+", default=list(HEADS), choices=list(HEADS))
    parser.add_argument(
        "--out", type=Path, default=Path("runs/dequantised"), help="folder of the runs"
    )
    parser.add_argument("--twins", action="store_true", help="heads and twins alone")
    parser.add_argument("--onnx-python", help="Python with onnxruntime and numpy alone")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for body in arguments.body:
        for name in arguments.heads:
            run = arguments.out / f"{Path(body).name}-{name.replace(', ', '-').replace(' ', '-')}"
            data = (
                six_labels(arguments.out / "docstrings-6.tsv")
                if name == SIX
                else Path(arguments.sst2)
            )
            if arguments.twins:
                keep(arguments.json, twins(name, body, data, run))
                continue
            figures = row(name, body, data, run, arguments.onnx_python)
            keep(arguments.json, figures)
            agreement = figures["surrogate"]["agreement"]["same_labels"]
            print(f"{name} on {body}: {agreement}; {figures.get('onnx')}", flush=True)


if __name__ == "__main__":
    main()
