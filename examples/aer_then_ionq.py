"""Train a quantum head on Aer, run it on IonQ's Forte, and write its circuit as OpenQASM 3.

Forte is a mock server on this computer: no account, no money. With an account, omit url and token_file.

Run: python examples/aer_then_ionq.py
"""

import tempfile
from pathlib import Path

import pandas as pd
from qiskit import qasm3

from qllmft.api import train
from qllmft.inference import Predictor
from qllmft_backends import create
from qllmft_machines.sandbox import MockServer
from qllmft_machines.trust import MeasuredModel, model_circuits

GOOD = [
    "I laughed until the very last scene.",
    "A warm, clever and beautifully acted film.",
    "The best evening I have had in a cinema.",
    "Every minute of it is a delight.",
    "Wonderful music and a story to remember.",
    "She has never been better than here.",
]
BAD = [
    "I fell asleep before the first hour was over.",
    "A dull, noisy and badly acted film.",
    "The worst evening I have had in a cinema.",
    "Every minute of it is wasted.",
    "Terrible music and a story to forget.",
    "He has never been worse than here.",
]
NEW = ["A delight from beginning to end.", "I want my money back.", "Dull and noisy."]
SHOTS = 1000


def main() -> None:
    """Train a model, measure it on the machine, compare with exact values, and export."""
    with tempfile.TemporaryDirectory() as folder, MockServer() as forte:
        run = Path(folder) / "run"
        key = Path(folder) / "key"
        key.write_text("sandbox")  # any key is accepted
        labels = ["good"] * len(GOOD) + ["bad"] * len(BAD)
        train(
            pd.DataFrame({"text": GOOD + BAD, "label": labels}),
            out=run,
            backend__name="aer_statevector",  # parameter-shift gradients, for small heads only
            data__n_per_label=5,  # for training and validation; the rest is the test set
            data__train_fraction=0.8,
            model__n_qubits=4,
            model__reuploads=2,
            train__epochs=12,
            train__batch_size=4,
            train__lr=0.05,
            baselines__names=[],
        )

        options = {"url": forte.url, "token_file": key, "ledger": run / "ledger", "yes": True}
        machine = create("ionq_forte", {**options, "shots": SHOTS, "poll_interval_s": 0.1})
        model = Predictor.load(run)
        measured_model = MeasuredModel(model, machine)
        vectors = model.embed(NEW)
        # the encoder runs here, the head's circuit on the machine
        answers = measured_model.answer(vectors)
        for answer in model.predictions(NEW, answers):
            sure = f"{answer.probabilities[answer.label]:.2f} ± {answer.standard_error:.2f}"
            doubt = "" if answer.decided else " (undecided)"
            print(f"{answer.label:5} {sure}  {answer.text}{doubt}")
        print(measured_model.agreement(vectors, answers))

        circuits = model_circuits(model.model.classifier, vectors)  # here: the first text's
        bound = circuits.circuit.assign_parameters(circuits.parameters[0])
        print(f"\n{qasm3.dumps(bound)}")


if __name__ == "__main__":
    main()
