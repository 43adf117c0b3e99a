"""Learning rates of an adapter in the contrastive step: ``python -m lab.experiments.adapter_rates --sst2 FOLDER``.

The 512 drawn texts of seeds 0 to 2 of SST-2 in two halves: the supervised step and logistic regression at C = 1 on one,
right answers on the other. No other text is read. A rate of an adapter is a multiple of that of all weights; 0 leaves
out the step. Rows of the record ``--json`` are not computed again.
"""

from __future__ import annotations

import time

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from lab.experiments.common import Record, draw_sst2, options
from qllmft.config import BodyConfig, ContrastiveConfig
from qllmft.data import Table
from qllmft.embed import Body, TrainableBody
from qllmft.training import fit_contrastive

SEEDS = range(3)
FACTORS = (0, 1, 3, 10, 30)


def tune_body(body: BodyConfig, train: Table, seed: int, factor: int | None) -> TrainableBody:
    """Return a body after the step, of an adapter at ``factor`` times the rate, or of all weights if it is None."""
    adapter = body.model_copy(update={"trainable": "lora"})
    tuned_body = TrainableBody(Body(body), seed, config=None if factor is None else adapter)
    step = ContrastiveConfig.model_validate({"loss": "supervised"})
    if factor == 0:
        return tuned_body  # the frozen body
    fit_contrastive(
        tuned_body, train, step.model_copy(update={"lr": step.lr * (factor or 1)}), seed
    )
    return tuned_body


def main() -> None:
    """Write the record."""
    parser = options(__doc__, "adapter-rates.json", sst2=True)
    parser.add_argument("--body", default="minilm")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for seed in SEEDS:
        texts = draw_sst2(arguments.sst2, seed)
        halves = train_test_split(
            np.arange(len(texts)), test_size=0.5, stratify=texts.labels, random_state=seed
        )
        train, test = (texts.take(np.sort(rows)) for rows in halves)
        record = Record(arguments.json, "seed", "adapter", "rate", of=len(test))
        for factor in (None, *FACTORS):
            adapter = factor is not None
            rate = 1 if factor is None else factor
            if not record.lacks(seed, adapter, rate):
                continue
            started = time.process_time()
            body = tune_body(BodyConfig(model=arguments.body), train, seed, factor)
            fitted = LogisticRegression(max_iter=1000).fit(
                body.body.encode(train.texts), train.labels
            )
            right = int((fitted.predict(body.body.encode(test.texts)) == test.labels).sum())
            row = {"seed": seed, "weights": body.n_parameters, "rate": rate, "adapter": adapter}
            seconds = round(time.process_time() - started, 1)
            record.add({**row, "right": right, "seconds": seconds})
            print(record.rows[-1], flush=True)


if __name__ == "__main__":
    main()
