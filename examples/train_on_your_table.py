"""Train on your own table, a CSV file here, and use the model.

Run: python examples/train_on_your_table.py
"""

import csv
import tempfile
from pathlib import Path

import qllmft

TICKETS = [
    ("The invoice shows the wrong amount for March.", "billing"),
    ("I was charged twice for the same order.", "billing"),
    ("Please send the receipt to my new address.", "billing"),
    ("My card was declined although it is valid.", "billing"),
    ("Can I pay by bank transfer next month?", "billing"),
    ("The refund has still not reached my account.", "billing"),
    ("Your price list and my invoice do not agree.", "billing"),
    ("Why is there VAT on a gift voucher?", "billing"),
    ("The app closes as soon as I open the camera.", "technical"),
    ("After the update the login page stays white.", "technical"),
    ("My password reset link has expired.", "technical"),
    ("The file upload stops at ninety per cent.", "technical"),
    ("I cannot connect the printer over Wi-Fi.", "technical"),
    ("Search returns nothing, whatever I type.", "technical"),
    ("The export to PDF cuts off the last column.", "technical"),
    ("Notifications arrive a day late on my phone.", "technical"),
]


def main() -> None:
    """Write the table, train for a few epochs, and classify new texts."""
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "tickets.csv"
        with table.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("message", "team"), *TICKETS])

        outcome = qllmft.train(
            table,
            out=Path(folder) / "run",
            data__text_column="message",
            data__label_column="team",
            # of each team, for training and validation; the rest is the test set
            data__n_per_label=6,
            data__train_fraction=0.7,
            train__epochs=60,
            train__batch_size=4,
            train__lr=0.01,
        )
        assert outcome.record is not None
        for result in outcome.record.models:
            print(
                f"{result.name:22} {result.parameters:5} parameters, test accuracy {result.tested.value:.2f}"
            )

        model = qllmft.load(outcome.folder.path)
        for prediction in model.predict(
            ["The amount on my bill is too high.", "The screen freezes after login."]
        ):
            print(
                f"{prediction.label:10} {prediction.probabilities[prediction.label]:.2f}  {prediction.text}"
            )


if __name__ == "__main__":
    main()
