"""Learning rates of an adapter in the contrastive step: ``python benchmarks/adapter_rates.py --sst2 FOLDER``.

The 512 drawn texts of seeds 0 to 2 of SST-2 in two halves: the supervised step and logistic regression at C = 1 on one,
right answers on the other. No other text is read. A rate of an adapter is a multiple of that of all weights; 0 leaves
out the step. Rows of the record ``--json`` are not computed again.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from qllmft.config import BodyConfig, ContrastiveConfig
from qllmft.data import Table
from qllmft.embed import Body, TrainableBody
from qllmft.training import fit_contrastive
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from one_head import drawn_texts

SEEDS = range(3)
FACTORS = (0, 1, 3, 10, 30)


def tuned(body: BodyConfig, shown: Table, seed: int, factor: int | None) -> TrainableBody:
    """Return a body after the step, of an adapter at ``factor`` times the rate, or of all weights if it is None."""
    adapter = body.model_copy(update={"trainable": "lora"})
    found = TrainableBody(Body(body), seed, config=None if factor is None else adapter)
    step = ContrastiveConfig.model_validate({"loss": "supervised"})
    if factor == 0:
        return found  # the frozen body
    fit_contrastive(found, shown, step.model_copy(update={"lr": step.lr * (factor or 1)}), seed)
    return found


def main() -> None:
    """Write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sst2", required=True, help="folder of SST-2")
    parser.add_argument("--body", default="minilm")
    parser.add_argument("--json", type=Path, default=Path("docs/records/adapter-rates.json"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = []
    if given.json.exists():
        rows = json.loads(given.json.read_text("utf-8"))["results"]
    known = {(row["seed"], row["rate"] if row["adapter"] else None) for row in rows}
    for seed in SEEDS:
        table = drawn_texts(given.sst2, seed)
        halves = train_test_split(
            np.arange(len(table)), test_size=0.5, stratify=table.labels, random_state=seed
        )
        shown, held = (table.take(np.sort(rows)) for rows in halves)
        for factor in (None, *FACTORS):
            if (seed, factor) in known:
                continue
            started = time.process_time()
            body = tuned(BodyConfig(model=given.body), shown, seed, factor)
            fitted = LogisticRegression(max_iter=1000).fit(
                body.body.encode(shown.texts), shown.labels
            )
            right = int((fitted.predict(body.body.encode(held.texts)) == held.labels).sum())
            seconds = round(time.process_time() - started, 1)
            own = {
                "seed": seed,
                "weights": body.n_parameters,
                "rate": 1 if factor is None else factor,
            }
            rows.append({**own, "adapter": factor is not None, "right": right, "seconds": seconds})
            given.json.write_text(json.dumps({"of": len(held), "results": rows}, indent=1) + "\n")
            print(rows[-1], flush=True)


if __name__ == "__main__":
    main()
