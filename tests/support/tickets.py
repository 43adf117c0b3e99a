"""Support tickets in German and English with nine labels, which the names of products decide.

``python tests/support/tickets.py tickets.csv 1300`` writes a table of them.
"""

import csv
import sys
from pathlib import Path

import numpy as np

LABELS = (
    *("billing", "delivery", "returns", "login", "hardware", "mobile app"),
    *("network", "contract", "training"),
)
# parts of names that mean nothing, so that a language model has no idea of their products
FIRST = ("Vel", "Bren", "Or", "Tas", "Quil", "Nem", "Zar", "Hof", "Lud", "Pik", "Sor", "Wex")
LAST = ("orix", "tano", "vima", "ulon", "aret", "ekko")
OPENINGS = (
    "Guten Tag, seit gestern habe ich Fragen zu {name}.",
    "Hallo, bei {name} kommen wir nicht weiter.",
    "Leider klappt {name} seit der Umstellung nicht mehr.",
    "Können Sie bitte {name} für uns prüfen?",
    "Hello, we have had a question about {name} since Monday.",
    "Could somebody please look at {name}?",
    "We are stuck with {name} after the last change.",
    "Good morning, {name} is not what we expected.",
)
REMARKS = (
    "Mein Kollege hat schon zweimal geschrieben.",
    "Bitte melden Sie sich heute noch.",
    "Wir brauchen bis Freitag eine Antwort.",
    "Das ist sehr ärgerlich.",
    "My colleague wrote to you last week.",
    "Please answer before Friday.",
    "It is rather urgent for the whole team.",
    "Thank you very much in advance.",
)
SIGNERS = ("Adler", "Brandt", "Cole", "Dietz", "Evans", "Frank", "Grant", "Huber")
WRONG_SHARE = 0.06  # of the tickets, whose label is drawn


def make_tickets(n, seed=0):
    """Return n pairs of a ticket and its label."""
    random = np.random.default_rng(seed)
    names = [f"{first}{last}" for first in FIRST for last in LAST]
    order = random.permutation(len(names))
    label_of_name = {names[place]: index % len(LABELS) for index, place in enumerate(order)}
    tickets = []
    for index in range(n):
        name = str(random.choice(names))
        label = label_of_name[name]
        if random.random() < WRONG_SHARE:
            label = random.integers(len(LABELS))
        remarks = " ".join(random.choice(REMARKS, 2, replace=False))
        signer = random.choice(SIGNERS)
        text = f"{random.choice(OPENINGS).format(name=name)} {remarks} {signer}, KD-{40000 + index}"
        tickets.append((text, LABELS[label]))
    return tickets


def write_tickets(path, n, seed=0):
    """Write a table of n tickets with the columns text and label, and return its path."""
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("text", "label"))
        writer.writerows(make_tickets(n, seed))
    return path


if __name__ == "__main__":
    write_tickets(sys.argv[1], int(sys.argv[2]))
