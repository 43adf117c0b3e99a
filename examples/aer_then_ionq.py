"""Train a quantum head on Aer, run it on IonQ's Forte, and write its circuit as OpenQASM 3.

Forte is a mock server on this computer, with the noise model of the real machine: no account, no money. If you have an
account, omit the server and the options url and token_file. The key then comes from the environment.

Run: python examples/aer_then_ionq.py
"""

import csv
import tempfile
from pathlib import Path

from qiskit import qasm3

from qllmft.api import train
from qllmft.inference import Predictor
from qllmft_backends import create
from qllmft_machines.sandbox import MockServer
from qllmft_machines.trust import MeasuredModel, model_circuits

REVIEWS = [
    ("I laughed until the very last scene.", "good"),
    ("A warm, clever and beautifully acted film.", "good"),
    ("The best evening I have had in a cinema.", "good"),
    ("Every minute of it is a delight.", "good"),
    ("Wonderful music and a story to remember.", "good"),
    ("She has never been better than here.", "good"),
    ("I fell asleep before the first hour was over.", "bad"),
    ("A dull, noisy and badly acted film.", "bad"),
    ("The worst evening I have had in a cinema.", "bad"),
    ("Every minute of it is wasted.", "bad"),
    ("Terrible music and a story to forget.", "bad"),
    ("He has never been worse than here.", "bad"),
]
NEW = [
    "A delight from beginning to end.",
    "I want my money back.",
    "The music alone is wonderful.",
    "Dull and noisy.",
]
SHOTS = 1000


def main() -> None:
    """Train a model, measure it on the machine, compare with exact values, and export."""
    with tempfile.TemporaryDirectory() as folder, MockServer() as forte:
        table, run, key = (Path(folder) / name for name in ("reviews.csv", "run", "key"))
        with table.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("text", "label"), *REVIEWS])
        key.write_text("sandbox")  # any key is accepted

        train(
            table,
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

        options = {
            "url": forte.url,
            "token_file": key,
            "ledger": run / "ledger",
            "yes": True,
            "poll_interval_s": 0.1,
        }
        machine = create("ionq_forte", {**options, "shots": SHOTS})
        model = Predictor.load(run)
        measured_model = MeasuredModel(model, machine)
        vectors = model.embed(NEW)
        # the encoder runs here, the head's circuit on the machine
        answers = measured_model.answer(vectors)
        for answer in model.predictions(NEW, answers):
            sure = f"{answer.probabilities[answer.label]:.2f} ± {answer.standard_error:.2f}"
            print(
                f"{answer.label:5} {sure}  {answer.text}{'' if answer.decided else ' (undecided)'}"
            )
        print(measured_model.agreement(vectors, answers))

        circuits = model_circuits(model.model.classifier, vectors)
        # the head for the first text
        bound = circuits.circuit.assign_parameters(circuits.parameters[0])
        print(f"\n{qasm3.dumps(bound)}")


if __name__ == "__main__":
    main()
