"""The durations of ``noise.py`` as a Markdown table."""

from __future__ import annotations

from typing import Any

from report import three_digits


def markdown(result: dict[str, Any]) -> str:
    """Return the whole page.

    Args:
        result: Record of ``noise.py``: ``machine``, ``ours``, ``theirs``, ``notes``.
    """
    machine = result["machine"]
    paragraphs = [
        "# Cost of noise: one training step of 16 samples",
        f"{machine['cpu']}, {machine['threads']} threads, {machine['date']}, load average at start "
        f"{machine['load_at_start']}. {result['what']}; milliseconds of the fastest step, the tools in turns.",
        _ours(result["ours"]),
    ]
    if result["theirs"]:
        paragraphs.append(_beside(result["ours"], result["theirs"]))
    paragraphs.append("\n".join(f"- {note}" for note in result["notes"]))
    return "\n\n".join(filter(None, paragraphs)) + "\n"


def _ours(rows: list[dict[str, Any]]) -> str:
    lines = [
        "## This project\n",
        "| qubits | noise of the head | ms | to no noise | to no noise, processor time |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {r['qubits']} | {r['noise']} | {three_digits(r['ms'])} | {r['wall']:.2f} | {r['processor']:.2f} |"
        for r in rows
    ]
    return "\n".join(lines)


def _beside(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> str:
    """Return the table of both tools with equal noise.

    A ratio in brackets is to the same tool's step without noise.
    """
    lines = [
        "## Compared with TorchQuantum\n",
        "| qubits | noise of the head | qllmft, ms | TorchQuantum, ms | TorchQuantum / qllmft |",
        "|---|---|---|---|---|",
    ]
    rows_by_noise = {(row["qubits"], row["noise"]): row for row in ours}
    plain = {row["qubits"]: row["ms"] for row in theirs if row["noise"] == "none"}
    for row in theirs:
        our_row = rows_by_noise[row["qubits"], row["noise"]]
        lines.append(
            f"| {row['qubits']} | {row['noise']} | {three_digits(our_row['ms'])} ({our_row['wall']:.2f}) | "
            f"{three_digits(row['ms'])} ({row['ms'] / plain[row['qubits']]:.2f}) | {row['ms'] / our_row['ms']:.0f} |"
        )
    return "\n".join([*lines, "", "In brackets: the ratio to the same tool's step without noise."])
