"""Compare one whole training step in this project and in TorchQuantum: ``python benchmarks/step.py --help``."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

from environments import HERE, Environment
from registry import PEERS, PROJECT, Peer
from run import add_common_options, machine_facts, prepare_all
from sessions import Entrant, contest, start_entrant
from steps import MODELS, Model, expected_step, make_step_inputs

PEER = "torchquantum"


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line of ``step.py``."""
    parser = argparse.ArgumentParser(
        description="One training step of the paper's models: this project / TorchQuantum."
    )
    parser.add_argument(
        "--models", default=",".join(MODELS), help="comma-separated; default %(default)s"
    )
    parser.add_argument("--out", type=Path, default=HERE / "results", help="folder for step.json")
    add_common_options(parser, repeats=15)
    return parser.parse_args(arguments)


def compare(
    model: Model, environments: dict[str, Environment | str], options: argparse.Namespace
) -> dict[str, Any]:
    """Check and time both sides on one model, in turns."""
    inputs = make_step_inputs(model)
    expected = expected_step(model, inputs)

    def enter(peer: Peer, path: Path) -> Entrant:
        return start_entrant(peer, environments[peer.environment], "step_worker", path, options)

    peers = [PEERS[PROJECT], PEERS[PEER]]
    entrants, busy_cores = contest(peers, enter, inputs, expected, options)
    ours, theirs = entrants
    ratios = [a / b for a, b in zip(ours.rounds_ms, theirs.rounds_ms, strict=False)]
    return {
        "model": model.name,
        "cores_busy_with_other_work": busy_cores,
        "rows": [entrant.record() for entrant in entrants],
        "ratios": ratios if ours.status == theirs.status == "ok" else [],
    }


def show(result: dict[str, Any]) -> None:
    """Print both durations and the ratio, or why there is none."""
    print(f"{result['model']} (cores busy with other work: {result['cores_busy_with_other_work']})")
    for row in result["rows"]:
        if row["status"] == "ok":
            text = f"{row['ms']:.3f} ms ({row['ms_min']:.3f}–{row['ms_max']:.3f}), {row['peak_rss_mb']:.0f} MB"
        else:
            text = f"{row['status']}: {row['reason']}"
        print(f"  {row['label']:14s} {text}")
    if ratios := result["ratios"]:
        low = min(ratios)
        middle = statistics.median(ratios)
        high = max(ratios)
        print(f"  ratio qllmft / TorchQuantum: min {low:.5f}, median {middle:.5f}, max {high:.5f}")
        print(
            f"  TorchQuantum takes {1 / middle:.1f} times as long (median of {len(ratios)} rounds)"
        )


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; 0 when every ratio was measured."""
    options = parse(arguments)
    facts = machine_facts(options.threads)
    names = options.models.split(",")
    if unknown := set(names) - set(MODELS):
        print(
            f"error: unknown models: {', '.join(sorted(unknown))}; known: {', '.join(MODELS)}",
            file=sys.stderr,
        )
        return 2
    environments = prepare_all({PROJECT, PEER}, options)
    results = []
    for name in names:
        results.append(compare(MODELS[name], environments, options))
        show(results[-1])
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "step.json").write_text(
        json.dumps({"machine": facts, "models": results}, indent=1) + "\n"
    )
    return 0 if all(result["ratios"] for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
